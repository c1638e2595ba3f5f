"""The fold of a conversation into gr.Chatbot's messages and the panel of sources; plain functions of turns."""

import re
from collections.abc import Sequence
from typing import Any

from src.chat.answer import Answer
from src.chat.question_english import is_english, is_latin
from src.chat.service import MIN_READ, worth_reading
from src.search.types import Hit
from src.ui import markdown
from src.ui.chat.evidence import QUOTE, WORDS, Evidence, Piece, conflict_key, evidence, marked, pieces, sentence_key
from src.ui.conversation import Turn
from src.ui.passage import SOME, page_link, place, worth
from src.ui.templating import render
from src.ui.wording import Words

Message = dict[str, Any]

# Answers whose passages stay in the panel; a click on an older answer's [n] finds nothing any more.
MAX_PANELS = 12
MAX_FOLLOW_UPS = 2
# Of a question in a line about it.
MAX_SHOWN_CHARS = 160
# Choices under the last answer, as gr.Chatbot hands them back.
WITHOUT_KNOWLEDGE, NEAREST, ASK = "without", "nearest", "ask:"
MAX_SUBJECT_CHARS = 14
# What a passage begins with, up to what is said of it.
_SUBJECT = re.compile(
    rf"《?(?P<name>[\w·]{{2,{MAX_SUBJECT_CHARS}}}?)》?"
    r"(?:[（(，,]|简称|又称|又名|别名|别称|是|指|为|位于|地处|在|有|由|的|成立|始建|创办|发源|每年|源于|起源)"
)
_BLOCK_START = re.compile(r"\s*(?:(?:[-*+]|\d+[.)]|#{1,6}|>)\s+)*")


def messages(turns: Sequence[Turn], words: Words, *, name: str = "a", with_choices: bool = True) -> list[Message]:
    """All messages; a streamed answer changes only the last ones."""
    shown: list[Message] = []
    for number, turn in enumerate(turns):
        is_last = with_choices and number == len(turns) - 1
        shown += [_question(turn), *_replies(turn, _anchor(turns, number, name), words, with_choices=is_last)]
    return shown


def _anchor(turns: Sequence[Turn], number: int, name: str) -> str:
    """Prefix of the ids of an answer's evidence: others after the next question, when what a click has opened closes."""
    return f"{name}{len(turns)}-{number}"


def turn_at(turns: Sequence[Turn], words: Words, index: int) -> int:
    """Number of the turn that message ``index`` belongs to; -1 for none."""
    end = 0
    for number, turn in enumerate(turns):
        end += 1 + len(_replies(turn, "", words))
        if 0 <= index < end:
            return number
    return -1


def _question(turn: Turn) -> Message:
    return {"role": "user", "content": markdown.typed(turn.question)}


def _replies(turn: Turn, name: str, words: Words, *, with_choices: bool = False) -> list[Message]:
    """What has been searched as a thought, then the answer."""
    shown = []
    if turn.files or turn.options.use_knowledge or turn.state == "running":
        shown.append(_thought(turn, words))
    if text := _reply(turn, name, words):
        shown.append({"role": "assistant", "content": text})
    if shown and with_choices and turn.state != "running":
        shown[-1]["options"] = [{"label": label, "value": value} for label, value in choices(turn, words)]
    return shown


def _thought(turn: Turn, words: Words) -> Message:
    answer = turn.answer
    metadata: dict[str, Any] = {"title": _progress(turn, words)}
    metadata["status"] = "pending" if turn.state == "running" and not answer.text else "done"
    lines = [markdown.plain(words("加入了 {name}").format(name=name)) for name in turn.files]
    if answer.is_follow_up:
        lines.append(markdown.plain(words("联系上文，按“{question}”检索").format(question=_short(answer.question))))
    read = answer.answerable is not None
    for hit in answer.hits:
        title = hit.chunk.title or hit.chunk.text[:24].replace("\n", " ")
        lines.append(
            markdown.plain(f"{hit.rank}. {title} — {worth(hit, words, others_read=read)}, {hit.chunk.source}")
        )
    return {"role": "assistant", "content": "\n\n".join(lines) or " ", "metadata": metadata}


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "…"


def _progress(turn: Turn, words: Words) -> str:
    """One line: what is being done, or what was."""
    answer = turn.answer
    if turn.ahead is not None:
        wait = words("前面还有 {ahead} 个请求…") if turn.ahead else words("马上轮到这个问题…")
        return wait.format(ahead=turn.ahead)
    if turn.state == "running" and not answer.text:
        if not turn.options.use_knowledge:
            return words("正在写…")
        if not answer.hits:
            return words("正在查资料…")
        if answer.quote is None:
            return words("正在读资料…")
        return words("正在写：用到 {count} 段资料…").format(count=_used(turn))
    if not turn.options.use_knowledge:
        return words("没有查资料")
    if not answer.hits:
        return words("没有查到资料") if turn.state == "done" else words("没有查完")
    if answer.refused:
        if answer.answerable is not None:
            return words("读了最接近的资料，没有一段回答了这个问题")
        return words("查了资料，没有一段够得上门槛")
    files = len({hit.chunk.source for hit in answer.hits})
    return words("查了资料：找到 {count} 段，来自 {files} 处").format(count=len(answer.hits), files=files)


def _used(turn: Turn) -> int:
    answer = turn.answer
    if answer.span is not None:
        return max(1, sum((hit.stages.read or 0.0) >= MIN_READ for hit in answer.hits))
    return len(worth_reading(answer.hits, turn.options.min_score or 0.0))


def _reply(turn: Turn, name: str, words: Words) -> str:
    """An answer as Markdown with its marks, and what a reader must know to trust it."""
    answer = turn.answer
    parts = []
    if answer.refused:
        # The service's own text does not know the page's controls and language.
        parts.append(words("资料里没有找到能回答这个问题的内容，所以没有作答。可以换一种问法，或加入自己的文档。"))
        if answer.answerable is not None:
            parts.append(f"*{_nearest(answer, words)}*")
    elif answer.text:
        if not turn.options.use_knowledge:
            parts.append(f"*{words('模型自己的回答，没有查资料，可能有误。')}*")
        parts.append(_body(answer, name, words))
        if answer.done and is_english(answer.asked) and not is_latin(answer.text):
            # The small model's English was right in 58 % where its Chinese was in 83 % (NOTES).
            parts.append(f"*{words('资料是中文的，这个模型用中文答得更准，所以用中文回答。')}*")
    if answer.quote is not None and not (answer.done and answer.says_quote):
        parts.append(_quote(answer, name, words))
    parts += [_conflict(answer, number, name, words) for number in range(len(answer.conflicts))]
    if answer.done and any(support.rank is None for support in answer.support):
        parts.append(f"*{words('带波浪线的句子，资料里没有找到依据，请自行核对。')}*")
    if turn.state == "stopped":
        parts.append(f"*{words('■ 已停止')}*")
    if turn.state == "failed":
        parts.append(f"⚠ {markdown.plain(turn.problem)}")
    return "\n\n".join(parts)


def _nearest(answer: Answer, words: Words) -> str:
    """Which passage came nearest to an answer, and how near."""
    nearest = max(answer.hits, key=lambda hit: hit.stages.read or 0.0)
    title = nearest.chunk.title or nearest.chunk.text[:18].replace("\n", " ")
    text = words("读过的资料里最接近的是 {rank}（{title}…），它有答案的可能性是 {share}%。")
    share = min(99, round(100 * (nearest.stages.read or 0.0)))
    return text.format(rank=f"[{nearest.rank}]", title=markdown.plain(title), share=share)


def _body(answer: Answer, name: str, words: Words) -> str:
    return "".join(_sentence(piece, name, words) for piece in pieces(answer))


def _sentence(piece: Piece, name: str, words: Words) -> str:
    text = piece.text
    if piece.support is None:
        return text
    if piece.support.rank is not None:
        return _behind(text, f" {cite(piece.support.rank, sentence_key(piece.number), name)}")
    if text.rstrip().endswith("|"):  # a row of a table: a mark around it would end the table
        return text
    start = _BLOCK_START.match(text)
    at = start.end() if start else 0
    missing = words("资料里没有")
    mark = (
        f'<mark class="yz-unsupported" title="{missing}">{text[at:]}</mark><span class="yz-sr">（{missing}）</span>'
    )
    return text[:at] + mark


def _behind(text: str, link: str) -> str:
    """``text`` with a link at its end; in a row of a table inside of the last cell."""
    row = text.rstrip()
    return f"{row[:-1].rstrip()}{link} |{text[len(row) :]}" if row.endswith("|") else text + link


def cite(rank: int, key: str, name: str) -> str:
    """A link to the evidence called ``key`` in the sources of answer ``name``."""
    return f"[[{rank}]](#{name}-{key})"


def _quote(answer: Answer, name: str, words: Words) -> str:
    assert answer.quote is not None
    text = markdown.plain(f"{words('原文')} “{answer.quote.text}”")
    return "\n".join(f"> {line}" for line in f"{text} {cite(answer.quote.rank, QUOTE, name)}".splitlines())


def _conflict(answer: Answer, number: int, name: str, words: Words) -> str:
    conflict, key = answer.conflicts[number], conflict_key(number)
    text = words("⚠ 资料不一致：资料 {rank} 说“{value}”，资料 {other_rank} 说“{other_value}”，请核对。")
    return text.format(
        rank=cite(conflict.rank, f"{key}a", name),
        value=f"**{markdown.plain(conflict.value)}**",
        other_rank=cite(conflict.other_rank, f"{key}b", name),
        other_value=f"**{markdown.plain(conflict.other_value)}**",
    )


def choices(turn: Turn, words: Words) -> list[tuple[str, str]]:
    """(label, value) of the chips under the last answer."""
    answer = turn.answer
    if answer.refused:
        nearest = [(words("就用最接近的资料回答"), NEAREST)] if answer.hits else []
        return [(words("不用知识库，直接回答"), WITHOUT_KNOWLEDGE), *nearest]
    if turn.state != "done" or not turn.options.use_knowledge:
        return []
    return [(question, ASK + question) for question in follow_ups(answer, words)]


def follow_ups(answer: Answer, words: Words) -> list[str]:
    """Questions about what else was found beside the answer's own subject."""
    asked = answer.question + answer.text
    subjects = dict.fromkeys(filter(None, (_named(hit) for hit in answer.hits if hit.score >= SOME)))
    others = [name for name in subjects if name not in asked]
    return [words("介绍一下{name}").format(name=name) for name in others[:MAX_FOLLOW_UPS]]


def _named(hit: Hit) -> str:
    """A passage's subject, where it has a short one."""
    if hit.chunk.title:
        return hit.chunk.title if len(hit.chunk.title) <= MAX_SUBJECT_CHARS else ""
    match = _SUBJECT.match(hit.chunk.text)
    return match["name"] if match else ""


def panel(
    turns: Sequence[Turn], words: Words, *, name: str = "a", back: str = "chatbot", shared_pages: bool = True
) -> str:
    """HTML of the passages of the last answers; the last one's are shown, an older one's once its [n] is clicked.

    ``back`` is the id of what the way back leads to; ``shared_pages``: those of the knowledge base can be shown.
    """
    numbered = list(enumerate(turns))[-MAX_PANELS:]
    sections = [
        _section(turn, _anchor(turns, number, name), words, shared_pages)
        for number, turn in numbered
        if turn.answer.hits
    ]
    current = turns[-1] if turns else None
    # gr.HTML changes elements in place, and what was the page's target would stay it under another id: another tag around
    # them makes them new ones after each question.
    tag = ("div", "article")[len(turns) % 2]
    return render("chat/sources", words, sections=sections, current=current, tag=tag, back=back)


def _is_far(hit: Hit, least: float) -> bool:
    return hit.score < least if hit.stages.read is None else hit.stages.read < least


def _page(hit: Hit, found: Sequence[Evidence], words: Words) -> dict[str, Any] | None:
    """The link to a source's page: the cited sentences are boxed, and in them the words that answer."""
    parts = sorted({(one.start, one.end) for one in found if one.key != WORDS})
    answers = [(one.start, one.end) for one in found if one.key == WORDS]
    return page_link(hit.chunk, words, own=hit.own, spans=parts, answers=answers)


def _section(turn: Turn, name: str, words: Words, shared_pages: bool) -> dict[str, Any]:
    answer = turn.answer
    least = turn.options.min_score or 0.0
    found = evidence(answer)
    cited = {support.rank for support in answer.support} | ({answer.quote.rank} if answer.quote else set())
    cards = [
        {
            "hit": hit,
            "worth": worth(hit, words, others_read=answer.answerable is not None),
            "title": hit.chunk.title or hit.chunk.text[:18] + ("…" if len(hit.chunk.text) > 18 else ""),
            "place": place(hit.chunk, words),
            "page": _page(hit, found.get(hit.rank, []), words) if hit.own or shared_pages else None,
            "marks": marked(hit.chunk.text, found.get(hit.rank, [])),
            "open": hit.rank in cited or hit.rank == 1,
            "far": _is_far(hit, least) and hit.rank not in cited,
        }
        for hit in answer.hits
    ]
    near = [card for card in cards if not card["far"]] or cards[:1]
    return {"name": name, "near": near, "far": [card for card in cards if card not in near], "answer": answer}
