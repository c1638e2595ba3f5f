"""The panel with the passages of every answer; one answer's are shown, a click on its [n] shows another's."""

from collections.abc import Sequence
from html import escape

from src.retrieval.types import Hit
from src.ui import render
from src.ui.chat.conversation import Exchange
from src.ui.chat.evidence import Evidence, evidence, stretches
from src.ui.wording import Words


def panel(turns: Sequence[Exchange], words: Words) -> str:
    """All answers' passages, the last one's shown."""
    if not turns:
        return render.note(words("这里会列出回答所依据的资料。"))
    last = len(turns) - 1
    return "".join(section(turn, str(number), words, shown=number == last) for number, turn in enumerate(turns))


def section(turn: Exchange, name: str, words: Words, *, shown: bool = True) -> str:
    """One answer's passages; ``name`` is the ``data-answer`` of the answer."""
    return f'<div class="yz-sources" data-answer="{escape(name)}"{"" if shown else " hidden"}>{_cards(turn, words)}</div>'


def _cards(turn: Exchange, words: Words) -> str:
    answer = turn.answer
    if not turn.grounded:
        return render.note(words("这个回答没有使用知识库。"))
    if answer is None or not answer.hits:
        return render.note(words("这里会列出回答所依据的资料。"))
    above = sum(hit.score >= turn.min_score for hit in answer.hits)
    summary = words("{above} 条达到门槛 {threshold:.2f}（竖线），{below} 条低于门槛。").format(
        above=above, threshold=turn.min_score, below=len(answer.hits) - above
    )
    found = evidence(answer)
    cards = "".join(_card(hit, turn, found.get(hit.rank, []), words) for hit in answer.hits)
    return render.note(summary) + cards


def _card(hit: Hit, turn: Exchange, found: Sequence[Evidence], words: Words) -> str:
    chunk, passed = hit.chunk, hit.score >= turn.min_score
    title = chunk.title or chunk.text[:18] + ("…" if len(chunk.text) > 18 else "")
    cited = {support.rank for support in turn.answer.support} if turn.answer else set()
    score = words("相关度 {score:.2f}，达到门槛") if passed else words("相关度 {score:.2f}，低于门槛")
    own = f'<span class="yz-own">{escape(words("我的文档"))}</span> ' if hit.rank in turn.own else ""
    place = words("{source} · {document} · 第 {start}–{end} 字").format(
        source=chunk.source, document=chunk.doc_id, start=chunk.start + 1, end=chunk.end
    )
    text = "".join(_marked(piece, keys) for piece, keys in stretches(chunk.text, found))
    return (
        f'<details class="yz-card{"" if passed else " yz-below"}" data-rank="{hit.rank}"'
        f"{' open' if hit.rank in cited or hit.rank == 1 else ''}>"
        f'<summary>[{hit.rank}] {own}{escape(title)} <span class="yz-meta">{escape(score.format(score=hit.score))}</span>'
        "</summary>"
        f'<div class="yz-bar yz-scale" aria-hidden="true"><span style="width:{_percent(hit.score)}"></span>'
        f'<i style="left:{_percent(turn.min_score)}"></i></div>'
        f'<div class="yz-text">{text}</div><div class="yz-meta">{escape(place)}</div>'
        f'<button type="button" class="yz-tool yz-back">{escape(words("↩ 回到回答"))}</button></details>'
    )


def _marked(text: str, keys: Sequence[str]) -> str:
    return f'<mark data-for="{escape(" ".join(keys))}">{escape(text)}</mark>' if keys else escape(text)


def _percent(share: float) -> str:
    return f"{100 * min(max(share, 0.0), 1.0):.0f}%"
