"""``.eml``: one document a letter."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import PurePosixPath
from typing import cast

from src.errors import KnowledgeError
from src.ingest.clean import clean
from src.ingest.kinds import check_kind
from src.ingest.limits import Limits
from src.ingest.readers import READERS, function_at, web
from src.ingest.readers.sections import MAX_TITLE_CHARS, TITLE_SEPARATOR
from src.ingest.report import note
from src.ingest.types import Document

logger = logging.getLogger(__name__)

_SHOWN = (("from", "发件人"), ("to", "收件人"), ("cc", "抄送"), ("date", "日期"))
MAX_HEADER_CHARS = 300
MAX_ATTACHMENTS = 20
# A letter in a letter in a letter has no end.
_LETTERS = (".eml", ".msg")


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Who wrote to whom and when, and the text; then the attachments that can be read."""
    message = BytesParser(policy=policy.default).parsebytes(data)
    heads = [f"{shown}：{value[:MAX_HEADER_CHARS]}" for key, shown in _SHOWN if (value := _header(message, key))]
    subject = _header(message, "subject")[:MAX_TITLE_CHARS]
    body = message.get_body(("plain", "html"))
    if not message.keys():
        raise KnowledgeError(f"{name} 不是一封邮件；请从邮件软件里重新另存为 eml")
    text = _text(cast(EmailMessage, body), name, limits) if body is not None else ""
    attached = list(message.iter_attachments())
    if attached:
        names = "、".join(filter(None, map(_file_name, attached))) or f"{len(attached)} 个"
        heads.append(f"附件：{names[:MAX_HEADER_CHARS]}")
    if shown := clean("\n".join(["；".join(heads), text])):
        yield Document(f"{name}:1", name, subject, shown)
    for number, part in enumerate(attached, 1):
        content = part.get_payload(decode=True)
        yield from attachment(
            _file_name(part), content if isinstance(content, bytes) else b"", number, name, limits
        )


def attachment(file: str, content: bytes, number: int, name: str, limits: Limits) -> Iterator[Document]:
    """What is in a file that came with a letter, by its own reader; the user is told of one that was not read."""
    suffix = PurePosixPath(file).suffix.lower()
    try:
        if suffix not in READERS or suffix in _LETTERS or not content or number > MAX_ATTACHMENTS:
            raise ValueError(suffix)
        if len(content) > limits.max_file_bytes:
            raise ValueError(len(content))
        check_kind(content, suffix, file)
        for document in function_at(READERS[suffix])(content, file, limits):
            title = TITLE_SEPARATOR.join(filter(None, (PurePosixPath(file).stem, document.title)))
            yield replace(
                document, doc_id=f"{name}:a{number}:{document.doc_id.removeprefix(f'{file}:')}",
                source=f"{name} 附件 {document.source}", title=title[:MAX_TITLE_CHARS],
            )  # fmt: skip
        note("attachments")
    except Exception as error:  # whatever a foreign parser says of a damaged attachment: the letter itself is read
        logger.info("附件没有读：%s", error)
        note("pictures_unread", f"{name} 的附件没有读（{file or '没有名字'}）；请把附件另存后单独加入")


def _file_name(part: EmailMessage) -> str:
    with suppress(ValueError, TypeError, IndexError, AttributeError):
        return file_name_in(part.get_filename() or "")
    return ""


def file_name_in(text: str) -> str:
    """A file's name, without the folders that it may pretend to be in."""
    return PurePosixPath(" ".join(clean(text).split()).replace("\\", "/")).name[-100:]


def _header(message: EmailMessage, key: str) -> str:
    with suppress(ValueError, TypeError, IndexError, AttributeError):  # what a header may hold knows no end
        return " ".join(clean(str(message.get(key) or "")).split())
    return ""


def _text(part: EmailMessage, name: str, limits: Limits) -> str:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset() or "utf-8"
    try:
        text = content.decode("gb18030" if charset in ("gb2312", "gbk") else charset, "replace")
    except LookupError:
        text = content.decode("utf-8", "replace")
    if part.get_content_type() != "text/html":
        return text
    return "\n".join(document.text for document in web.read(text.encode("utf-8-sig", "replace"), name, limits))
