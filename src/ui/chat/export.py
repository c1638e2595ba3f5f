"""A conversation as Markdown, in which no text of a user, a document or a model can become markup."""

from collections.abc import Sequence

from src.search.types import Hit
from src.ui.chat.evidence import pieces
from src.ui.conversation import Turn
from src.ui.markdown import plain
from src.ui.passage import place, worth
from src.ui.wording import Words


def markdown_of(turns: Sequence[Turn], words: Words) -> str:
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
        if answer.is_follow_up:
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
            parts += [_source(hit, words) for hit in answer.hits]
    return "\n\n".join(parts) + "\n"


def _answer(turn: Turn, words: Words) -> str:
    answer = turn.answer
    if answer.refused:
        return plain(words("资料里没有找到能回答这个问题的内容，所以没有作答。"))
    if not answer.text:
        return plain(turn.problem or words("（没有回答）"))
    text = "".join(
        piece.text + (f" \\[{piece.support.rank}\\]" if piece.support and piece.support.rank is not None else "")
        for piece in pieces(answer)
    )
    quote = ""
    if answer.quote is not None:
        quoted = plain(f"{words('原文')} “{answer.quote.text}”")
        quote = "\n\n" + "\n".join(f"> {line}" for line in f"{quoted} [{answer.quote.rank}]".splitlines())
    warning = "" if turn.options.use_knowledge else f"*{words('模型自己的回答，可能有误')}*\n\n"
    unfinished = f"\n\n*{words('（没有答完）')}*" if not answer.done else ""
    return warning + text + unfinished + quote


def _source(hit: Hit, words: Words) -> str:
    chunk = hit.chunk
    own = words("我的文档") + " · " if hit.own else ""
    score = worth(hit, words)
    title = f"{chunk.title} · " if chunk.title else ""
    quoted = "\n".join(f"> {line}" for line in plain(chunk.text).splitlines())
    return f"**{hit.rank}** {plain(f'{title}{own}{place(chunk, words)} · {score}')}\n\n{quoted}"
