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

# One colour a label, apart in hue and readable on light and dark.
COLOURS = dict(
    zip(LABELS, ("#e5484d", "#f76b15", "#d4a017", "#30a46c", "#12a594", "#0090ff", "#8e4ec6", "#d6409f"), strict=True)
)  # fmt: skip
HEADERS = ["类别", "文字", "起", "止", "置信度"]
# Below this a value is worth a second look.
LOW_CONFIDENCE = 0.6
Pieces = list[tuple[str, str | None]]


def view(progress: ExtractionProgress) -> tuple[Any, ...]:
    """Status, highlighted text, table rows, JSON, and the two files of a result so far."""
    extraction = progress.partial
    found = f"已找到 {len(extraction.spans)} 个实体"
    if progress.done:
        seconds = extraction.timings_ms.get("total", 0) / 1000
        status = f"{found}，用时 {seconds:.1f} 秒。每个实体都是原文里的一段。"
    else:
        status = f"正在抽取：{progress.windows_total} 段中的第 {min(progress.windows_done + 1, progress.windows_total)} 段，{found}……"
    result = extraction.to_json()
    return (
        render.note(status),
        highlight(extraction),
        table_rows(extraction.spans),
        result,
        content("extraction.json", json.dumps(result, ensure_ascii=False, indent=2).encode()),
        content("extraction.csv", spans_csv(extraction.spans).encode()),
    )


def table_rows(spans: Sequence[Span]) -> list[list[Any]]:
    """One row a span; those of low confidence are marked."""
    return [[span.label, span.text, span.start, span.end, confidence_text(span.confidence)] for span in spans]


def confidence_text(confidence: float | None) -> str:
    """In per cent, marked where it is low; a dash where it is not known."""
    if confidence is None:
        return "—"
    return f"{'⚠ ' if confidence < LOW_CONFIDENCE else ''}{100 * confidence:.0f}%"


def spans_csv(spans: Sequence[Span]) -> str:
    """Offsets count characters from 0, the end is the first one after; confidence from 0 to 1, empty if not known."""
    rows = [[span.label, defused(span.text), span.start, span.end, _rounded(span.confidence)] for span in spans]
    return csv_text([["label", "text", "start", "end", "confidence"], *rows])


def highlight(extraction: Extraction) -> Pieces:
    """The text in pieces, each with its label or None; where two entities overlap, the first one is shown."""
    pieces: Pieces = []
    position = 0
    for span in _without_overlap(extraction.spans):
        if span.start > position:
            pieces.append((extraction.text[position : span.start], None))
        pieces.append((span.text, span.label))
        position = span.end
    if position < len(extraction.text):
        pieces.append((extraction.text[position:], None))
    return pieces


def differences(base: Extraction, adapted: Extraction) -> str:
    """HTML: how many spans both found, and which only one of them did; the same span means label and place."""
    places = [{(span.start, span.end, span.label): span for span in found.spans} for found in (base, adapted)]
    only_base, only_adapted = places[0].keys() - places[1].keys(), places[1].keys() - places[0].keys()
    both = len(places[0].keys() & places[1].keys())
    counts = render.facts({"两者都有": both, "只有基座": len(only_base), "只有适配器": len(only_adapted)})
    differing = [(places[0][key], "只有基座") for key in only_base]
    differing += [(places[1][key], "只有适配器") for key in only_adapted]
    if not differing:
        return counts + render.note("两边的结果完全一样。")
    differing.sort(key=lambda row: (row[0].start, row[0].end, LABELS.index(row[0].label)))
    rows = "".join(_difference_row(span, who) for span, who in differing)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("类别", "文字", "位置", "谁找到的"))
    return (
        f'{counts}<div class="yz-scroll"><table class="yz-table" aria-label="两边不同的实体">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def bar(done: int, total: int) -> str:
    """How much of ``total`` is done, as a bar that screen readers can read."""
    percent = 100 * done // max(1, total)
    return (
        f'<div class="yz-bar" role="progressbar" aria-label="进度" aria-valuemin="0" aria-valuemax="100"'
        f' aria-valuenow="{percent}"><span style="width:{percent}%"></span></div>'
    )


def changed(stream: Iterator[ExtractionProgress]) -> Iterator[ExtractionProgress | None]:
    """One item for each of ``stream``, so that a reader who leaves frees the model at once; None where there is
    nothing new to be drawn."""
    shown: tuple[int, int, bool] | None = None
    for progress in stream:
        state = (progress.windows_done, len(progress.partial.spans), progress.done)
        yield progress if state != shown else None
        shown = state


def _difference_row(span: Span, who: str) -> str:
    cells = (("类别", span.label), ("文字", span.text), ("位置", f"{span.start}–{span.end}"), ("", who))
    return "<tr>" + "".join(f'<td data-label="{name}">{escape(value)}</td>' for name, value in cells) + "</tr>"


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 4)


def _without_overlap(spans: Sequence[Span]) -> list[Span]:
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept
