"""What the page shows of an extraction: plain functions of results."""

import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from src.extraction.schema import LABELS, Extraction, Span
from src.extraction.service import ExtractionProgress
from src.files import csv_text, defused
from src.ui import render
from src.ui.extraction.saving import content
from src.ui.wording import CHINESE, Words

# One colour a label, apart in hue and readable on light and dark. Labels are data: in English their meaning is
# shown beside them.
COLOURS = {
    CHINESE("姓名"): "#e5484d",
    CHINESE("国籍"): "#f76b15",
    CHINESE("种族"): "#d4a017",
    CHINESE("职位"): "#30a46c",
    CHINESE("教育背景"): "#12a594",
    CHINESE("专业"): "#0090ff",
    CHINESE("组织名"): "#8e4ec6",
    CHINESE("地名"): "#d6409f",
}
HEADERS = [CHINESE("类别"), CHINESE("文字"), CHINESE("起"), CHINESE("止"), CHINESE("置信度")]
# Below this a value is worth a second look.
LOW_CONFIDENCE = 0.6
Pieces = list[tuple[str, str | None]]


def view(progress: ExtractionProgress, words: Words) -> tuple[Any, ...]:
    """Status, highlighted text, table rows, JSON, and the two files of a result so far."""
    extraction = progress.partial
    count = len(extraction.spans)
    if progress.done:
        seconds = extraction.timings_ms.get("total", 0) / 1000
        text = words("已找到 {count} 个实体，用时 {seconds:.1f} 秒。每个实体都是原文里的一段。")
        status = text.format(count=count, seconds=seconds)
    elif progress.ahead is not None:
        status = words("前面还有 {ahead} 个请求…").format(ahead=progress.ahead)
    else:
        now, total = min(progress.windows_done + 1, progress.windows_total), progress.windows_total
        text = words("正在抽取：{total} 段中的第 {now} 段，已找到 {count} 个实体……")
        status = text.format(now=now, total=total, count=count)
    result = extraction.to_json()
    return (
        render.note(status),
        highlight(extraction, words),
        table_rows(extraction.spans, words),
        result,
        content("extraction.json", json.dumps(result, ensure_ascii=False, indent=2).encode()),
        content("extraction.csv", spans_csv(extraction.spans).encode()),
    )


def table_rows(spans: Sequence[Span], words: Words) -> list[list[Any]]:
    """One row a span; those of low confidence are marked."""
    return [
        [words(span.label), span.text, span.start, span.end, confidence_text(span.confidence)] for span in spans
    ]


def colours(words: Words) -> dict[str, str]:
    """Of the labels as ``highlight`` shows them."""
    return {words(label): colour for label, colour in COLOURS.items()}


def confidence_text(confidence: float | None) -> str:
    """In per cent, marked where it is low; a dash where it is not known."""
    if confidence is None:
        return "—"
    return f"{'⚠ ' if confidence < LOW_CONFIDENCE else ''}{100 * confidence:.0f}%"


def spans_csv(spans: Sequence[Span]) -> str:
    """Offsets count characters from 0, the end is the first one after; confidence from 0 to 1, empty if not known."""
    rows = [[span.label, defused(span.text), span.start, span.end, _rounded(span.confidence)] for span in spans]
    return csv_text([["label", "text", "start", "end", "confidence"], *rows])


def highlight(extraction: Extraction, words: Words) -> Pieces:
    """The text in pieces, each with its label or None; where two entities overlap, the first one is shown."""
    pieces: Pieces = []
    position = 0
    for span in _without_overlap(extraction.spans):
        if span.start > position:
            pieces.append((extraction.text[position : span.start], None))
        pieces.append((span.text, words(span.label)))
        position = span.end
    if position < len(extraction.text):
        pieces.append((extraction.text[position:], None))
    return pieces


def differences(base: Extraction, adapted: Extraction, words: Words) -> str:
    """HTML: how many spans both found, and which only one of them did; the same span means label and place."""
    places = [{(span.start, span.end, span.label): span for span in found.spans} for found in (base, adapted)]
    only_base, only_adapted = places[0].keys() - places[1].keys(), places[1].keys() - places[0].keys()
    both = len(places[0].keys() & places[1].keys())
    of_base, of_adapted = words("只有基座"), words("只有适配器")
    counts = render.facts({words("两者都有"): both, of_base: len(only_base), of_adapted: len(only_adapted)})
    differing = [(places[0][key], of_base) for key in only_base]
    differing += [(places[1][key], of_adapted) for key in only_adapted]
    if not differing:
        return counts + render.note(words("两边的结果完全一样。"))
    differing.sort(key=lambda row: (row[0].start, row[0].end, LABELS.index(row[0].label)))
    names = (words("类别"), words("文字"), words("位置"), words("谁找到的"))
    rows = "".join(
        _difference_row(names, (words(span.label), span.text, f"{span.start}–{span.end}", who))
        for span, who in differing
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return (
        f'{counts}<div class="yz-scroll"><table class="yz-table" aria-label="{words("两边不同的实体")}">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def bar(done: int, total: int, words: Words) -> str:
    """How much of ``total`` is done, as a bar that screen readers can read."""
    percent = 100 * done // max(1, total)
    return (
        f'<div class="yz-bar" role="progressbar" aria-label="{words("进度")}" aria-valuemin="0" aria-valuemax="100"'
        f' aria-valuenow="{percent}"><span style="width:{percent}%"></span></div>'
    )


def changed(stream: Iterator[ExtractionProgress]) -> Iterator[ExtractionProgress | None]:
    """One item for each of ``stream``, so that a reader who leaves frees the model at once; None where there is
    nothing new to be drawn."""
    shown: tuple[int, int, bool, int | None] | None = None
    for progress in stream:
        state = (progress.windows_done, len(progress.partial.spans), progress.done, progress.ahead)
        yield progress if state != shown else None
        shown = state


def _difference_row(names: Sequence[str], values: Sequence[str]) -> str:
    cells = zip((*names[:-1], ""), values, strict=True)  # who found it says so itself
    return "<tr>" + "".join(f'<td data-label="{name}">{escape(value)}</td>' for name, value in cells) + "</tr>"


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 4)


def _without_overlap(spans: Sequence[Span]) -> list[Span]:
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept
