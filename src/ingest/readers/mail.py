"""``.eml``: one document a letter."""

from collections.abc import Iterator
from contextlib import suppress
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import cast

from src.errors import KnowledgeError
from src.ingest.clean import clean
from src.ingest.limits import Limits
from src.ingest.readers import web
from src.ingest.readers.sections import MAX_TITLE_CHARS
from src.ingest.report import note
from src.ingest.types import Document

_SHOWN = (("from", "发件人"), ("to", "收件人"), ("cc", "抄送"), ("date", "日期"))
MAX_HEADER_CHARS = 300


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Who wrote to whom and when, and the text; attachments are named, not read."""
    message = BytesParser(policy=policy.default).parsebytes(data)
    heads = [f"{shown}：{value[:MAX_HEADER_CHARS]}" for key, shown in _SHOWN if (value := _header(message, key))]
    subject = _header(message, "subject")[:MAX_TITLE_CHARS]
    body = message.get_body(("plain", "html"))
    if not message.keys():
        raise KnowledgeError(f"{name} 不是一封邮件；请从邮件软件里重新另存为 eml")
    text = _text(cast(EmailMessage, body), name, limits) if body is not None else ""
    attached = [part.get_filename() or "" for part in message.iter_attachments()]
    if attached:
        names = "、".join(filter(None, attached)) or f"{len(attached)} 个"
        note("pictures_unread", f"{name} 的附件没有读（{names}）；请把附件另存后单独加入", len(attached))
        heads.append(f"附件：{names[:MAX_HEADER_CHARS]}")
    if shown := clean("\n".join(["；".join(heads), text])):
        yield Document(f"{name}:1", name, subject, shown)


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
