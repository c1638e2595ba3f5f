"""The conversation as HTML. Every text from a user, a document or a model is escaped here or in ``sources.py``."""

from collections.abc import Sequence
from html import escape

from src.chat.types import Answer, Quote
from src.ui import render
from src.ui.chat.conversation import Exchange
from src.ui.chat.evidence import QUOTE, pieces
from src.ui.wording import Words

# Of a question in a line about it.
MAX_SHOWN_CHARS = 160


def conversation(turns: Sequence[Exchange], words: Words, *, feedback: bool = False) -> list[str]:
    """One piece of HTML for each message; a streamed answer changes only the last of them."""
    shown = [_placeholder(words)] if not turns else []
    for number, turn in enumerate(turns):
        shown.append(_message("user", number, f'<div class="yz-body">{escape(turn.question)}</div>', words))
        if turn.answer is not None:
            shown.append(_message("bot", number, reply(turn, words), words, turn=turn, feedback=feedback))
    return shown


def reply(turn: Exchange, words: Words) -> str:
    """An answer with its marks, and what a reader must know to trust it."""
    answer = turn.answer
    if answer is None:
        return ""
    before, after = [], []
    if not turn.grounded:
        before.append(_notice(words("⚠ 模型自己的回答，可能有误：没有使用知识库。"), "yz-warning"))
    if answer.follow_up:
        before.append(_notice(words("联系上文，按“{question}”检索").format(question=_short(answer.question))))
    if answer.quote is not None:
        after.append(_quote(answer.quote, words))
    after += [_conflict(answer, number, words) for number in range(len(answer.conflicts))]
    if turn.stopped:
        after.append(_notice(words("■ 已停止，没有答完。")))
    if answer.done and any(support.rank is None for support in answer.support):
        after.append(_notice(words("带波浪线和问号的句子，资料里没有找到依据，请自行核对。")))
    return f'{"".join(before)}<div class="yz-body">{_body(answer, words)}</div>{"".join(after)}'


def status(turn: Exchange, words: Words) -> str:
    """What the reader should know about the answer that is coming or has just ended."""
    answer = turn.answer
    if answer is None or not answer.done:
        return render.note(_waiting(answer, words))
    seconds = answer.timings_ms.get("total", 0) / 1000
    took = words("用时 {seconds:.1f} 秒。").format(seconds=seconds)
    if answer.refused:
        text = words("没有相关度达到门槛 {threshold:.2f} 的资料，列出的是最接近的几条。")
        return render.note(_searched(answer, words) + text.format(threshold=turn.min_score))
    if not turn.grounded or not answer.hits:
        return render.note(words("未使用知识库：这是模型自己的回答，可能有误。") + took)
    unsupported = sum(support.rank is None for support in answer.support)
    text = _searched(answer, words) + took
    if unsupported:
        text += words("有 {count} 句没有在资料里找到依据，请自行核对。").format(count=unsupported)
    return render.note(text)


def cite(rank: int, key: str, words: Words) -> str:
    """A button that opens passage ``rank`` at the evidence called ``key``."""
    label = escape(words("资料 {rank}：看依据").format(rank=rank))
    return (
        f'<button type="button" class="yz-cite" data-rank="{rank}" data-key="{escape(key)}" aria-label="{label}"'
        f' title="{label}">[{rank}]</button>'
    )


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "…"


def _searched(answer: Answer, words: Words) -> str:
    if answer.follow_up:
        return words("联系上文，按“{question}”检索。").format(question=_short(answer.question))
    return words("检索的问题：“{question}”。").format(question=_short(answer.question))


def _waiting(answer: Answer | None, words: Words) -> str:
    if answer is None or answer.ahead is None:
        return words("正在回答…")
    if answer.ahead == 0:
        return words("马上轮到这个问题…")
    return words("前面还有 {ahead} 个请求…").format(ahead=answer.ahead)


def _body(answer: Answer, words: Words) -> str:
    if answer.refused:
        # The service's own text does not know the page's controls and language.
        return escape(
            words(
                "知识库里没有找到与这个问题相关的内容，所以没有作答。可以换一种问法、调低相关度门槛、加入自己的文档，"
                "或者让模型不用知识库直接回答。"
            )
        )
    if not answer.text:
        return "…"
    missing = escape(words("资料里没有找到依据"))
    parts = []
    for piece in pieces(answer):
        text = escape(piece.text)
        if piece.support is None:
            parts.append(text)
        elif piece.support.rank is None:
            parts.append(
                f'<span class="yz-unsupported" title="{missing}">{text}</span>'
                f'<span class="yz-why" role="img" aria-label="{missing}" title="{missing}"></span>'
            )
        else:
            parts.append(f"<span>{text}</span> {cite(piece.support.rank, f's{piece.number}', words)}")
    return "".join(parts)


def _quote(quote: Quote, words: Words) -> str:
    # What is quoted is Chinese on the English page, too.
    text = f'<span lang="zh-CN">“{escape(quote.text)}”</span>'
    return (
        f'<blockquote class="yz-quote">{escape(words("原文"))} {text} {cite(quote.rank, QUOTE, words)}</blockquote>'
    )


def _conflict(answer: Answer, number: int, words: Words) -> str:
    conflict, key = answer.conflicts[number], f"c{number}"
    # The values come in last, so that nothing in them is taken for a place.
    text = escape(words("⚠ 资料不一致：资料 {rank} 说“{value}”，资料 {other_rank} 说“{other_value}”，请核对。"))
    return '<div class="yz-notice yz-warning">' + text.format(
        rank=cite(conflict.rank, key, words),
        value=f"<b>{escape(conflict.value)}</b>",
        other_rank=cite(conflict.other_rank, key, words),
        other_value=f"<b>{escape(conflict.other_value)}</b>",
    ) + "</div>"  # fmt: skip


def _notice(text: str, kind: str = "") -> str:
    return f'<div class="yz-notice {kind}">{escape(text)}</div>'


def _message(
    who: str, number: int, inside: str, words: Words, *, turn: Exchange | None = None, feedback: bool = False
) -> str:
    busy = turn is not None and not turn.is_done and not turn.stopped
    name = words("回答") if turn else words("问题")
    tools = [] if busy else [_tool("yz-copy", words("复制"), words("复制这条{name}").format(name=name))]
    if turn is not None and turn.is_done and feedback:
        tools += [_tool("yz-like", "👍", words("有帮助")), _tool("yz-dislike", "👎", words("没有帮助"))]
    return (
        f'<div class="message {who}" data-answer="{number}" data-who="{escape(name)}" aria-busy="{str(busy).lower()}">'
        f'<span class="yz-sr">{escape(name)}</span>{inside}<div class="yz-tools">{"".join(tools)}</div></div>'
    )


def _tool(kind: str, text: str, label: str) -> str:
    name = escape(label)
    return (
        f'<button type="button" class="yz-tool {kind}" aria-label="{name}" title="{name}">{escape(text)}</button>'
    )


def _placeholder(words: Words) -> str:
    text = words("问一个知识库里的问题，回答会附上来源。也可以把自己的文件拖到这里再问。")
    return f'<p class="yz-empty">{escape(text)}</p>'
