"""``.msg``: a letter as Outlook saves it, by python-oxmsg."""

import codecs
import io
import re
from collections.abc import Iterator
from functools import lru_cache

from oxmsg import Message

from src.ingest.limits import Limits
from src.ingest.readers import web
from src.ingest.readers.mail import file_name_in, letter
from src.ingest.types import Document

_CODE_PAGE = re.compile(r"windows[-_](\d{3,5})")


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Who wrote to whom and when, and the text; then the attachments that can be read."""
    _name_code_pages()
    message = Message.load(io.BytesIO(data))
    attached = [(file_name_in(one.file_name or ""), one.file_bytes or b"") for one in message.attachments]
    recipients = "、".join(filter(None, (_person(one.name, one.email_address) for one in message.recipients)))
    heads = [("发件人", message.sender or ""), ("收件人", recipients), ("日期", str(message.sent_date or ""))]
    body = message.body or "\n".join(web.lines_in(message.html_body or "", name, limits))
    yield from letter(message.subject or "", heads, body, attached, name, limits)


@lru_cache(1)
def _name_code_pages() -> None:
    """oxmsg asks for ``windows-936`` and the like, which Python calls ``cp936``."""

    def found(name: str) -> codecs.CodecInfo | None:
        page = _CODE_PAGE.fullmatch(name)
        return codecs.lookup(f"cp{page[1]}") if page else None

    codecs.register(found)


def _person(name: str | None, address: str | None) -> str:
    return f"{name} <{address}>" if name and address and name != address else name or address or ""
