"""A conversation as Markdown, in which no text of a user, a document or a model can become markup."""

import re
from collections.abc import Sequence

from src.retrieval.types import Hit
from src.ui.chat.conversation import Exchange
from src.ui.chat.evidence import pieces
from src.ui.wording import Words

# What begins markup anywhere, and what does so only where a line begins; GitHub also turns bare addresses into links.
_ANYWHERE = re.compile(r"[\\`*_\[\]<>&~|$@]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_AT_START = re.compile(r"^[#+\-=:]")
_NUMBERED = re.compile(r"^(\d+)([.)])")


def markdown(turns: Sequence[Exchange], words: Words) -> str:
    """Questions, answers with ``[n]`` after each sentence, and below each answer its passages."""
    parts = ["# " + words("源知 YuanZhi 对话")]
    for number, turn in enumerate(turns, 1):
        parts += [
            f"## {words('问题')} {number}",
            plain(turn.question),
            f"### {words('回答')}",
            _answer(turn, words),
        ]
        answer = turn.answer
        if answer is None:
            continue
        if answer.follow_up:
            parts.append(plain(words("联系上文，按“{question}”检索").format(question=answer.question)))
        parts += [
            plain(
                words("资料不一致：[{rank}] 说“{value}”，[{other_rank}] 说“{other_value}”。").format(
                    rank=c.rank, value=c.value, other_rank=c.other_rank, other_value=c.other_value
                )
            )
            for c in answer.conflicts
        ]
        if answer.hits:
            parts.append(f"### {words('资料')}")
            parts += [_source(hit, turn, words) for hit in answer.hits]
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """Text that Markdown shows as it is: paragraphs and line breaks kept, indentation given up."""
    lines = "\n".join(_line(line) for line in text.splitlines())
    return "\n\n".join(paragraph.replace("\n", "\\\n") for paragraph in re.split(r"\n\n+", lines.strip("\n")))


def _line(text: str) -> str:
    visible = "".join(character for character in text.strip() if character.isprintable() or character == "\t")
    escaped = _ANYWHERE.sub(r"\\\g<0>", visible)
    return _NUMBERED.sub(r"\1\\\2", _AT_START.sub(r"\\\g<0>", escaped))


def _answer(turn: Exchange, words: Words) -> str:
    answer = turn.answer
    if answer is None or not answer.text:
        return plain(words("（没有回答）"))
    text = "".join(
        piece.text + (f" [{piece.support.rank}]" if piece.support and piece.support.rank is not None else "")
        for piece in pieces(answer)
    )
    quote = ""
    if answer.quote is not None:
        quoted = plain(f"{words('原文')} “{answer.quote.text}”")
        quote = "\n\n" + "\n".join(f"> {line}" for line in f"{quoted} [{answer.quote.rank}]".splitlines())
    warning = "" if turn.grounded else f"*{words('模型自己的回答，可能有误')}*\n\n"
    unfinished = f"\n\n*{words('（没有答完）')}*" if not answer.done else ""
    return warning + plain(text) + unfinished + quote


def _source(hit: Hit, turn: Exchange, words: Words) -> str:
    chunk = hit.chunk
    own = words("我的文档") + " · " if hit.rank in turn.own else ""
    place = words("{source} · {document} · 第 {start}–{end} 字").format(
        source=chunk.source, document=chunk.doc_id, start=chunk.start + 1, end=chunk.end
    )
    score = words("相关度 {score:.2f}").format(score=hit.score)
    title = f"{chunk.title} · " if chunk.title else ""
    quoted = "\n".join(f"> {line}" for line in plain(chunk.text).splitlines())
    return f"**{hit.rank}** {plain(f'{title}{own}{place} · {score}')}\n\n{quoted}"
