"""Results of the extraction as the page shows them: plain functions of results."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from src.extraction.events import Event, Found, Queued
from src.extraction.schema import LABELS, Extraction, Span
from src.files import csv_text, defused
from src.ui.templating import render
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
HEADERS = [CHINESE("类别"), CHINESE("内容"), CHINESE("核对")]
SPAN_HEADERS = [CHINESE("类别"), CHINESE("文字"), CHINESE("起"), CHINESE("止"), CHINESE("概率")]
# Below this a value is worth a second look.
LOW_CONFIDENCE = 0.6
# Written by hand, shown until there is a result: which kinds of things are looked for, in which colours.
SAMPLE = (
    ("王小明", "姓名"), ("，男，", None), ("汉族", "种族"), ("，", None), ("中国国籍", "国籍"), ("，", None), ("浙江", "地名"), ("人，", None),
    ("机械工程", "专业"), ("专业", None), ("硕士", "教育背景"), ("，现任", None), ("蓝天公司", "组织名"), ("总经理", "职位"), ("。", None),
)  # fmt: skip
Pieces = list[tuple[str, str | None]]


def status(text: str, words: Words, *, outdated: bool = False, share: float | None = None) -> str:
    """One line about the result, with a progress bar where there is a ``share`` from 0 to 1."""
    percent = None if share is None else int(100 * share)
    return render("extraction/status", words, text=text, outdated=outdated, percent=percent, label=words("进度"))


def progress_text(event: Found | Queued, words: Words) -> str:
    """How far an extraction is."""
    if isinstance(event, Queued):
        return words("前面还有 {ahead} 个请求……").format(ahead=event.ahead)
    count = len(event.extraction.spans)
    now, total = min(event.windows_done + 1, event.windows_total), event.windows_total
    text = words("正在抽取第 {now} 段，共 {total} 段，已找到 {count} 处……")
    return text.format(now=now, total=total, count=count)


def result_text(extraction: Extraction, words: Words) -> str:
    """How much was found, and how much of it is worth a second look."""
    seconds = extraction.timings_ms.get("total", 0) / 1000
    text = words("找到 {count} 处，用时 {seconds:.1f} 秒。").format(count=len(extraction.spans), seconds=seconds)
    doubtful = sum(is_doubtful(span) for span in extraction.spans)
    return text + (words("⚠ 有 {count} 处把握不大，请核对。").format(count=doubtful) if doubtful else "")


def is_doubtful(span: Span) -> bool:
    return span.confidence is not None and span.confidence < LOW_CONFIDENCE


def table_rows(spans: Sequence[Span], words: Words) -> list[list[str]]:
    """One row for each value, label by label; those of low confidence are marked."""
    doubtful: dict[tuple[str, str], bool] = {}
    for span in sorted(spans, key=lambda span: LABELS.index(span.label)):
        key = (span.label, span.text)
        doubtful[key] = doubtful.get(key, False) or is_doubtful(span)
    mark = words("⚠ 请核对")
    return [[words(label), text, mark if doubt else ""] for (label, text), doubt in doubtful.items()]


def span_rows(spans: Sequence[Span], words: Words) -> list[list[Any]]:
    """One row a span, with its place and its probability."""
    return [
        [words(span.label), span.text, span.start, span.end, confidence_text(span.confidence)] for span in spans
    ]


def colours(words: Words) -> dict[str, str]:
    """Of the labels as ``highlight`` shows them."""
    return {words(label): colour for label, colour in COLOURS.items()}


def sample(words: Words) -> Pieces:
    return [(text, words(label) if label else None) for text, label in SAMPLE]


def confidence_text(confidence: float | None) -> str:
    """In per cent, marked where it is low; a dash where it is not known."""
    if confidence is None:
        return "—"
    return f"{'⚠ ' if confidence < LOW_CONFIDENCE else ''}{100 * confidence:.0f}%"


def json_file(extraction: Extraction) -> tuple[str, bytes]:
    """(name, content) of a result as the API gives it."""
    return "extraction.json", json.dumps(extraction.to_json(), ensure_ascii=False, indent=2).encode()


def csv_file(extraction: Extraction) -> tuple[str, bytes]:
    """(name, content) of a result's spans for a spreadsheet.

    Offsets count characters from 0, the end is the first one after; confidence from 0 to 1, empty if not known.
    """
    rows = [
        [span.label, defused(span.text), span.start, span.end, _rounded(span.confidence)]
        for span in extraction.spans
    ]
    return "extraction.csv", csv_text([["label", "text", "start", "end", "confidence"], *rows]).encode()


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
    of_base, of_adapted = words("只有基座"), words("只有适配器")
    differing = [(places[0][key], of_base) for key in only_base]
    differing += [(places[1][key], of_adapted) for key in only_adapted]
    differing.sort(key=lambda row: (row[0].start, row[0].end, LABELS.index(row[0].label)))
    return render(
        "extraction/differences",
        words,
        counts={
            words("两者都有"): len(places[0].keys() & places[1].keys()),
            of_base: len(only_base),
            of_adapted: len(only_adapted),
        },
        names=[words("类别"), words("文字"), words("位置"), words("谁找到的")],
        rows=[(words(span.label), span.text, f"{span.start}–{span.end}", who) for span, who in differing],
        label=words("两边不同的实体"),
        same=words("两边的结果完全一样。"),
    )


def changed(events: Iterator[Event]) -> Iterator[Event | None]:
    """``events``, with None in place of those that show nothing new.

    An item comes for every event all the same: a visitor who leaves is noticed only where the stream yields.
    """
    shown: object = None
    for event in events:
        state = (event.windows_done, len(event.extraction.spans)) if isinstance(event, Found) else event
        yield event if state != shown else None
        shown = state


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 4)


def _without_overlap(spans: Sequence[Span]) -> list[Span]:
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept
