"""``.msg``: a letter as Outlook saves it, by python-oxmsg."""

import codecs
import io
import re
from collections.abc import Iterator
from functools import lru_cache

from oxmsg import Message

from src.ingest.clean import clean
from src.ingest.limits import Limits
from src.ingest.readers import web
from src.ingest.readers.mail import MAX_HEADER_CHARS, attachment, file_name_in
from src.ingest.readers.sections import MAX_TITLE_CHARS
from src.ingest.types import Document

_CODE_PAGE = re.compile(r"windows[-_](\d{3,5})")


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Who wrote to whom and when, and the text; then the attachments that can be read."""
    _name_code_pages()
    message = Message.load(io.BytesIO(data))
    attached = [(file_name_in(one.file_name or ""), one.file_bytes or b"") for one in message.attachments]
    recipients = "、".join(filter(None, (_person(one.name, one.email_address) for one in message.recipients)))
    heads = [
        ("发件人", message.sender or ""),
        ("收件人", recipients),
        ("日期", str(message.sent_date or "")),
        ("附件", "、".join(file for file, _ in attached if file)),
    ]
    shown = "；".join(
        f"{head}：{' '.join(clean(value).split())[:MAX_HEADER_CHARS]}" for head, value in heads if value
    )
    body = message.body or "\n".join(web.lines_in(message.html_body or "", name, limits))
    if text := clean(f"{shown}\n{body}"):
        yield Document(f"{name}:1", name, " ".join(clean(message.subject or "").split())[:MAX_TITLE_CHARS], text)
    for number, (file, content) in enumerate(attached, 1):
        yield from attachment(file, content, number, name, limits)


@lru_cache(1)
def _name_code_pages() -> None:
    """oxmsg asks for ``windows-936`` and the like, which Python calls ``cp936``."""

    def found(name: str) -> codecs.CodecInfo | None:
        page = _CODE_PAGE.fullmatch(name)
        return codecs.lookup(f"cp{page[1]}") if page else None

    codecs.register(found)


def _person(name: str | None, address: str | None) -> str:
    return f"{name} <{address}>" if name and address and name != address else name or address or ""
