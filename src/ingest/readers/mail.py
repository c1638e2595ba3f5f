"""``.eml``: one document a letter."""

import logging
from collections.abc import Iterator, Sequence
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
    if not message.keys():
        raise KnowledgeError(f"{name} 不是一封邮件；请从邮件软件里重新另存为 eml")
    body = message.get_body(("plain", "html"))
    text = _text(cast(EmailMessage, body), name, limits) if body is not None else ""
    parts = ((_file_name(part), part.get_payload(decode=True)) for part in message.iter_attachments())
    attached = [(file, content if isinstance(content, bytes) else b"") for file, content in parts]
    heads = [(shown, _header(message, key)) for key, shown in _SHOWN]
    yield from letter(_header(message, "subject"), heads, text, attached, name, limits)


def letter(
    subject: str, heads: Sequence[tuple[str, str]], text: str, attached: Sequence[tuple[str, bytes]], name: str,
    limits: Limits,
) -> Iterator[Document]:  # fmt: skip
    """A letter's head and text, titled with its subject, and what is in the files (name, content) that came with it."""
    subject = _one_line(subject)[:MAX_TITLE_CHARS]
    files = "、".join(file for file, _ in attached if file) or (f"{len(attached)} 个" if attached else "")
    lines = [
        f"{head}：{shown[:MAX_HEADER_CHARS]}"
        for head, value in (*heads, ("附件", files))
        if (shown := _one_line(value))
    ]
    if whole := clean(f"{'；'.join(lines)}\n{text}"):
        yield Document(f"{name}:1", name, subject, whole)
    for number, (file, content) in enumerate(attached, 1):
        yield from _attachment(file, content, number, (name, subject), limits)


def _attachment(file: str, content: bytes, number: int, of: tuple[str, str], limits: Limits) -> Iterator[Document]:
    """What is in a file that came with a letter, by its own reader; the user is told of one that was not read."""
    name, subject = of
    suffix = PurePosixPath(file).suffix.lower()
    try:
        if suffix not in READERS or suffix in _LETTERS or not content or number > MAX_ATTACHMENTS:
            raise ValueError(suffix)
        if len(content) > limits.max_file_bytes:
            raise ValueError(len(content))
        check_kind(content, suffix, file)
        for document in function_at(READERS[suffix])(content, file, limits):
            title = TITLE_SEPARATOR.join(filter(None, (subject, PurePosixPath(file).stem, document.title)))
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
    return PurePosixPath(_one_line(text).replace("\\", "/")).name[-100:]


def _one_line(text: str) -> str:
    return " ".join(clean(text).split())


def _header(message: EmailMessage, key: str) -> str:
    with suppress(ValueError, TypeError, IndexError, AttributeError):  # what a header may hold knows no end
        return str(message.get(key) or "")
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
