"""Results of the extraction as the page shows them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from src.errors import InputError, Stopped
from src.extraction.events import Event, Finished, Queued
from src.extraction.jsonl import Line, record_of
from src.extraction.own_fields import MAX_FIELDS, SETS
from src.extraction.schema import LABELS, LOW_CONFIDENCE, Extraction, Person, Span, replace_surrogates, value_key
from src.extraction.service import ExtractionService
from src.extraction.tables import columns, person_rows, workbook
from src.files import csv_text, defused
from src.ui.templating import render
from src.ui.wording import CHINESE, Words

# One colour a label, apart in hue and readable on light and dark. Labels are data: in English their meaning is
# shown beside them.
COLOURS = {
    CHINESE("姓名"): "#e5484d", CHINESE("国籍"): "#f76b15", CHINESE("种族"): "#d4a017", CHINESE("职位"): "#30a46c",
    CHINESE("教育背景"): "#12a594", CHINESE("专业"): "#0090ff", CHINESE("组织名"): "#8e4ec6", CHINESE("地名"): "#d6409f",
}  # fmt: skip
# What a card lists below the name, in this order, and how many cards are drawn.
_CARD_FACTS = (
    "姓名",
    CHINESE("电话"),
    CHINESE("邮箱"),
    "教育背景",
    "专业",
    "职位",
    "组织名",
    "国籍",
    "种族",
    "地名",
)
_SEXES = (CHINESE("男"), CHINESE("女"))
_MAX_CARDS = 50
# Written by hand, shown until there is a result: which kinds of things are looked for, in which colours.
SAMPLE = (
    ("王小明", "姓名"), ("，男，", None), ("汉族", "种族"), ("，", None), ("中国国籍", "国籍"), ("，", None), ("浙江", "地名"), ("人，", None),
    ("机械工程", "专业"), ("专业", None), ("硕士", "教育背景"), ("，现任", None), ("蓝天公司", "组织名"), ("总经理", "职位"), ("。", None),
)  # fmt: skip
_SETS = {
    "合同": CHINESE("合同"),
    "发票": CHINESE("发票"),
    "新闻": CHINESE("新闻"),
    "课程大纲": CHINESE("课程大纲"),
}
Pieces = list[tuple[str, str | None]]


@dataclass(eq=False)  # gradio hashes what it keeps, and an extraction holds dicts
class Result:
    """A result on the page, and the line about it."""

    extraction: Extraction
    said: str

    def status(self, text: str, words: Words) -> str:
        """The line beside ``text``, which may have been changed since."""
        if replace_surrogates(text) == self.extraction.text:
            return status(self.said, words)
        return status(words("文字改过了，下面是改动之前的结果。"), words, outdated=True)


def highlighted(label: str, elem_id: str, words: Words, **options: Any) -> gr.HighlightedText:
    """A text with its entities in colours."""
    return gr.HighlightedText(
        label=label, color_map=colours(words), show_legend=True, combine_adjacent=False, elem_id=elem_id, **options
    )


def colours(words: Words, own: bool = False) -> dict[str, str]:
    """By label; those of one's ``own`` get some of gradio's."""
    return {} if own else {words(label): colour for label, colour in COLOURS.items()}


def table(label: str, headers: Sequence[str], elem_id: str, widths: list[Any], **options: Any) -> gr.Dataframe:
    """A table to be read."""
    return gr.Dataframe(
        headers=list(headers), label=label, interactive=False, wrap=True, datatype="str", max_height=420,
        column_widths=widths, buttons=[], elem_id=elem_id, **options,
    )  # fmt: skip


def adapter_box(service: ExtractionService, words: Words, elem_id: str) -> gr.Checkbox:
    """Whether the adapter answers, and on which model; without it, which model does."""
    has_adapter = service.has_adapter
    if has_adapter:
        info = words("适配器的基座是 {base}；不用它时由 {writer} 按课程提示词抽取，慢得多。")
    else:
        info = words("没有适配器：由 {writer} 按课程提示词抽取，慢得多。")
    info = info.format(base=service.base_of(adapter=True), writer=service.base_of(adapter=False))
    return gr.Checkbox(
        has_adapter, label=words("使用简历适配器"), info=info, interactive=has_adapter, elem_id=elem_id
    )


def own_fields(words: Words, name: str) -> tuple[gr.Dropdown, gr.Radio]:
    """Fields of one's own, typed or from a ready set."""
    known = list(dict.fromkeys(field for some in SETS.values() for field in some))
    fields = gr.Dropdown(
        known,
        multiselect=True,
        allow_custom_value=True,
        max_choices=MAX_FIELDS,
        label=words("要找的字段"),
        info=words("输入名字后按回车，如 甲方；合同、通知、新闻等文字都可以。不填就抽取简历的八类内容。"),
        elem_id=f"{name}-fields",
    )
    sets = gr.Radio(
        [(words(shown), name) for name, shown in _SETS.items()], label=words("现成的一套"), elem_id=f"{name}-sets"
    )
    return fields, sets


def chosen_set(name: str) -> Any:
    """The fields of a ready set."""
    return gr.update(value=list(SETS[name]))


def status(text: str, words: Words, *, outdated: bool = False, share: float | None = None) -> str:
    """One line about the result, with a progress bar where there is a ``share`` from 0 to 1."""
    percent = None if share is None else int(100 * share)
    return render("extraction/status", words, text=text, outdated=outdated, percent=percent)


def event_text(event: Event, words: Words) -> str:
    """How far an extraction is; how much was found, and how much of it is worth a second look."""
    if isinstance(event, Queued):
        return words("前面还有 {ahead} 个请求……").format(ahead=event.ahead)
    spans, seconds = event.extraction.spans, event.extraction.timings_ms.get("total", 0) / 1000
    if not isinstance(event, Finished):
        now, total = min(event.windows_done + 1, event.windows_total), event.windows_total
        text = words("正在抽取第 {now} 段，共 {total} 段，已找到 {count} 处……")
        return text.format(now=now, total=total, count=len(spans))
    text = words("找到 {count} 处，用时 {seconds:.1f} 秒。").format(count=len(spans), seconds=seconds)
    doubtful = sum(map(is_doubtful, spans))
    return text + (words("⚠ 有 {count} 处把握不大，请核对。").format(count=doubtful) if doubtful else "")


def cut_off_text(error: Exception, words: Words) -> str:
    """Why there is not more."""
    stopped = isinstance(error, Stopped)
    return words("已停止，下面是到这里找到的。") if stopped else words("没有做完，下面是到这里找到的。")


def is_doubtful(span: Span) -> bool:
    return span.confidence is not None and span.confidence < LOW_CONFIDENCE


def value_rows(extraction: Extraction, words: Words) -> list[list[str]]:
    """One row for each value, label by label; those of low confidence are marked, and fields of one's own that are not
    in the text."""
    rows: list[list[str]] = []
    own = list(extraction.entities) != list(LABELS)
    for label in extraction.entities:
        marks: dict[str, str] = {}
        for span in extraction.spans:
            if span.label == label:
                marks[span.text] = marks.get(span.text) or (words("⚠ 请核对") if is_doubtful(span) else "")
        if own and not marks:
            marks["—"] = words("没有找到")
        rows += [[words(label), text, mark] for text, mark in marks.items()]
    return rows


def people_html(extraction: Extraction, words: Words) -> str:
    """A card for each person; empty where there is nobody."""
    cards = [_card(person, extraction, words) for person in extraction.people[:_MAX_CARDS]]
    left = len(extraction.people) - len(cards)
    more = words("还有 {count} 人没有画出来，下载的表格里都有。").format(count=left) if left else ""
    return render("extraction/people", words, cards=cards, more=more) if cards else ""


def _card(person: Person, extraction: Extraction, words: Words) -> dict[str, Any]:
    """What the template shows of somebody: name, sex and birth; values that are in no post; posts."""
    in_posts = {
        value_key(extraction.spans[place].label, extraction.spans[place].text)
        for post in person.posts for place in (post.position, post.organisation) if place is not None
    }  # fmt: skip
    facts: dict[str, list[dict[str, Any]]] = {}
    for label in _CARD_FACTS:
        for span in (*person.values, *person.details):
            is_shown = value_key(label, span.text) in in_posts or (label == "姓名" and span.text == person.name)
            if span.label == label and (not is_shown or is_doubtful(span)):
                facts.setdefault(label, []).append({"text": span.text, "doubtful": is_doubtful(span)})
    return {
        "name": person.name or words("没有姓名"),
        "about": [
            *(words(sex) for sex in person.texts("性别")[:1] if sex in _SEXES),
            *person.texts("出生日期")[:1],
        ],
        "facts": facts,
        "posts": [post.texts(extraction.spans) for post in person.posts],
    }


def span_rows(spans: Sequence[Span], words: Words) -> list[list[Any]]:
    """One row a span, with its place and its probability: a dash where it is not known."""
    return [
        [words(span.label), span.text, span.start, span.end,
         "—" if span.confidence is None else f"{'⚠ ' if is_doubtful(span) else ''}{100 * span.confidence:.0f}%"]
        for span in spans
    ]  # fmt: skip


def sample(words: Words) -> Pieces:
    return [(text, words(label) if label else None) for text, label in SAMPLE]


def highlight(extraction: Extraction, words: Words) -> Pieces:
    """The text in pieces, each with its label or None; where two entities overlap, the first one is shown."""
    pieces: Pieces = []
    position = 0
    for span in sorted(extraction.spans, key=lambda span: (span.start, -span.end)):
        if span.start >= position:
            pieces += [(extraction.text[position : span.start], None), (span.text, words(span.label))]
            position = span.end
    pieces.append((extraction.text[position:], None))
    return [piece for piece in pieces if piece[0]]


def differences(base: Extraction, adapted: Extraction, words: Words) -> str:
    """HTML: how many spans both found, and which only one of them did; the same span means label and place."""
    ours, theirs = set(base.spans), set(adapted.spans)
    of_base, of_adapter = words("只有基座"), words("只有适配器")
    counts = {words("两者都有"): ours & theirs, of_base: ours - theirs, of_adapter: theirs - ours}
    differing = sorted(ours ^ theirs, key=lambda span: (span.start, span.end, LABELS.index(span.label)))
    rows = [
        (words(span.label), span.text, f"{span.start}–{span.end}", of_base if span in ours else of_adapter)
        for span in differing
    ]
    return render("extraction/differences", words, counts=counts, rows=rows)


def csv_file(result: Result | None) -> tuple[str, bytes]:
    """(name, content) of the spans for a spreadsheet, as in the JSON."""
    rows = [map(defused, span.to_json().values()) for span in _extraction(result).spans]
    return "extraction.csv", csv_text([["label", "text", "start", "end", "confidence"], *rows]).encode()


def xlsx_file(result: Result | None) -> tuple[str, bytes]:
    """(name, content) of a workbook with a row a person, or one of the values of one's own fields."""
    found = _extraction(result)
    labels = tuple(found.entities)
    rows = person_rows(record_of(Line(1, found.text), found, labels), labels)
    return "extraction.xlsx", workbook([columns(labels), *rows])


def json_file(result: Result | None) -> tuple[str, bytes]:
    """(name, content) of a result as the API gives it."""
    found = _extraction(result).to_json()
    return "extraction.json", json.dumps(found, ensure_ascii=False, indent=2).encode()


def _extraction(result: Result | None) -> Extraction:
    if result is None:  # forgotten meanwhile
        raise InputError("还没有结果可以下载，请先抽取")
    return result.extraction
