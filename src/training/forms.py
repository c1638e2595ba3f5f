"""Resumes as people lay them out, made of labelled sentences: an adapter that has seen only running text marks the names
of fields, and loses values between line breaks, bars and spaces."""

import random
from collections.abc import Sequence

from src.extraction.labelled import Labelled
from src.extraction.schema import LABELS, Span
from src.extraction.windows import MAX_WINDOW_CHARS

# What forms call the labels, and fields that are none of them.
_NAMES = {
    "姓名": ("姓名", "姓 名", "名字", "Name", "求职者"),
    "国籍": ("国籍", "国 籍", "Nationality"),
    "种族": ("民族", "种族", "民 族"),
    "职位": ("职位", "职务", "现任职务", "岗位", "Position", "Title", "应聘岗位"),
    "教育背景": ("学历", "学位", "最高学历", "教育背景", "Education"),
    "专业": ("专业", "所学专业", "专 业", "Major"),
    "组织名": ("单位", "工作单位", "公司", "Company", "任职单位"),
    "地名": ("籍贯", "出生地", "现居住地", "Hometown"),
}
_SCHOOLS, _SCHOOL_NAMES = ("大学", "学院"), ("毕业院校", "学校", "毕业学校", "School")
_OTHERS = (
    ("性别", ("男", "女")),
    ("出生年月", ("1985.06", "1990年3月", "1978-11")),
    ("婚姻状况", ("已婚", "未婚")),
    ("联系电话", ("13800000000", "010-66660000")),
    ("邮箱", ("zhang@example.com", "hr.li@example.cn")),
    ("工作年限", ("8年", "15 年")),
    ("政治面貌", ("群众",)),
    ("技能", ("Python、Excel", "Java / SQL", "办公软件")),
)
_HEADINGS = ("个人简历", "基本信息", "工作经历", "教育经历", "个人简介", "求职简历", "RESUME")
_BULLETS = ("- ", "• ", "1. ", "● ", "· ")
_PERIODS = ("2003.07-2008.12", "2010年3月—2015年6月", "2016/09 - 至今", "1998-2002", "2019.01至今")
_SPACES = (" ", "  ", "\t", " | ", "，", " / ")


def forms(texts: Sequence[Labelled], share: float, seed: int) -> list[Labelled]:
    """``share`` times as many made-up layouts as there are texts, each of the entities of two to six neighbours."""
    draw = random.Random(seed + 1)  # noqa: S311 (no secret)
    made: list[Labelled] = []
    for _ in range(round(share * len(texts))):
        start = draw.randrange(max(1, len(texts) - 6))
        some = texts[start : start + draw.randint(2, 6)]
        kind = draw.choice((_label_lines, _label_lines, _career, _spaced))
        one = kind(some, draw)
        if one.spans and len(one.text) <= MAX_WINDOW_CHARS:
            made.append(one)
    return made


class _Writer:
    """A text under way, and the spans in it."""

    def __init__(self) -> None:
        self.text = ""
        self.spans: list[Span] = []

    def write(self, text: str) -> None:
        self.text += text

    def value(self, label: str, text: str) -> None:
        self.spans.append(Span(label, text, len(self.text), len(self.text) + len(text)))
        self.text += text

    def done(self) -> Labelled:
        return Labelled(self.text, tuple(self.spans))


def _values(some: Sequence[Labelled]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {label: [] for label in LABELS}
    for text in some:
        for span in text.spans:
            if span.text not in values[span.label]:
                values[span.label].append(span.text)
    return values


def _label_lines(some: Sequence[Labelled], draw: random.Random) -> Labelled:
    """姓名：王某, line by line or side by side, with other fields between."""
    writer = _Writer()
    if draw.random() < 0.5:
        writer.write(draw.choice(_HEADINGS) + "\n")
    between = draw.choice(("\n", "\n", "\n", *_SPACES[1:4]))
    colon = draw.choice(("：", "：", ":", ": ", "  ", "\t"))
    fields: list[tuple[str | None, str, list[str]]] = [
        (
            label,
            draw.choice(_SCHOOL_NAMES if found[0].endswith(_SCHOOLS) else _NAMES[label]),
            found[: 1 if label in ("姓名", "国籍", "种族", "地名") else 3],
        )
        for label, found in _values(some).items()
        if found
    ]
    fields += [(None, name, [draw.choice(values)]) for name, values in draw.sample(_OTHERS, draw.randint(1, 3))]
    draw.shuffle(fields)
    for number, (label, name, values) in enumerate(fields):
        writer.write((between if number else "") + name + colon)
        for place, value in enumerate(values):
            writer.write("、" if place else "")
            if label:
                writer.value(label, value)
            else:
                writer.write(value)
    return writer.done()


def _career(some: Sequence[Labelled], draw: random.Random) -> Labelled:
    """Lines of a period, an organisation and a position, or of a school, a subject and a degree."""
    writer = _Writer()
    values = _values(some)
    for name in values["姓名"][:1]:
        writer.value("姓名", name)
        writer.write("\n")
    if draw.random() < 0.5:
        writer.write("工作经历\n")
    bullet, space = draw.choice(("", "", *_BULLETS)), draw.choice(_SPACES)
    for text in some:
        parts = [span for span in text.spans if span.label in ("组织名", "职位", "专业", "教育背景")][:4]
        if not parts:
            continue
        writer.write(bullet + (draw.choice(_PERIODS) + space if draw.random() < 0.7 else ""))
        for number, span in enumerate(parts):
            writer.write(space if number else "")
            writer.value(span.label, span.text)
        writer.write("\n")
    writer.text = writer.text.rstrip("\n")
    return writer.done()


def _spaced(some: Sequence[Labelled], draw: random.Random) -> Labelled:
    """The sentences themselves, as recognition or copying leaves them: spaces between characters, broken lines."""
    writer = _Writer()
    share, gap = draw.choice(((1.0, " "), (0.1, " "), (0.05, "\n"), (0.08, "  ")))
    for text in some[:2]:
        opened = {span.start: span for span in text.spans}
        at = 0
        while at < len(text.text):
            span = opened.get(at)
            piece = text.text[at : span.end] if span else text.text[at]
            loosened = piece[0] + "".join((gap if draw.random() < share else "") + one for one in piece[1:])
            if span:
                writer.value(span.label, loosened)
            else:
                writer.write(loosened)
            at += len(piece)
            writer.write(gap if draw.random() < share else "")
        writer.write("\n")
    writer.text = writer.text.rstrip()
    return writer.done()
