"""People of a text: where each one's part of it begins, their values with duplicates merged, posts, and contact data.

A text is split only where it plainly goes on to somebody else: 姓名： comes again, or a line or a sentence begins with a
name and introduces it (李四，女，…; 2. 王五; 【赵六】). A name within a sentence, and one of a relative or a referee, is no
other person of the resume.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from src.extraction.fields import EMAIL, PHONE, Field, fields_of
from src.extraction.layout import View
from src.extraction.schema import Person, Post, Span, merged

_TITLE = r"(?:先生|女士|小姐|同志|老师|教授|博士)?(?:\s*[（(][^（）()\n]{1,30}[）)])?[】\]]?"
_INTRODUCED = re.compile(
    rf"{_TITLE}\s*[，,：:、\s|｜]\s*(?:[男女]|\d{{2,4}}[岁年]|今年|中国|出生|生于|现任|曾任|历任|[^，,。；;\n]{{1,6}}族|毕业|本科|大专|硕士|博士|高中|中专)|"
    r"(?:先生|女士|小姐)(?:\s*[（(][^（）()\n]{1,30}[）)])?\s*[，,：:\s]"
)
# Behind the name nothing more on its line than another form of it.
_ALONE = re.compile(rf"{_TITLE}[ \t\u3000]*[A-Za-z .'-]{{0,30}}[ \t\u3000]*[】\]]?[ \t\u3000]*(?:$|\n)")
# A separator, behind which another label begins: Michael Okafor，尼日利亚国籍.
_SEPARATED = re.compile(rf"{_TITLE}\s*[，,：:|｜\s]\s*")
_NUMERAL = "[\\d一二三四五六七八九十]{1,3}"
# What may stand before a name at the beginning of a line.
_BULLET = re.compile(
    rf"[\s•·◆●■▪*\-–—#>【\[]*(?:{_NUMERAL}\s*[.、．)）]|[（(]{_NUMERAL}[)）]|[①-⑳])?[\s•·◆●■▪*#>【\[]*(?:(?:候选人|求职者|应聘者|简历){_NUMERAL}?\s*[:：]?\s*)?"
)
_SENTENCE_BEFORE = re.compile(r"(?:[。；;！!][”’」』）)\s]*|其中[，,：:]?\s*)$")
_OWN_NAME = re.compile(r"姓名|名字|full name|name|候选人|求职者|应聘者|应聘人|申请人", re.IGNORECASE)
# A row about somebody else of the same resume, and the heading above such rows.
_RELATED = re.compile(r"称谓|关系|证明人|紧急联系|联系人|推荐人|介绍人|监护人|配偶|父亲|母亲|导师")
_RELATED_CELL = re.compile(r"(?:称谓|关系)[ \t\u3000]*[:：]")
_RELATED_HEADING = re.compile(
    r"^\W*(?:家庭(?:主要)?成员|家庭(?:情况|关系)|主要社会关系|社会关系|证明人|推荐人|紧急联系人)\w{0,6}\W*$",
    re.MULTILINE,
)
_BLANK_LINE = re.compile(r"\n[ \t\u3000]*\n")
_VALUE = re.compile(rf"[:：].*|{_NUMERAL}")
_PREFIX_LINES = 4

_DATE = r"\d{4}\s*(?:年(?:\s*\d{1,2}\s*月(?:\s*\d{1,2}\s*日)?)?|[-./]\s*\d{1,2}(?:[-./]\s*\d{1,2})?)"
_MOMENT = r"(?:\d{4}(?:\s*年)?(?:\s*[-./]?\s*\d{1,2}(?:[-./]\d{1,2})?(?:\s*月)?)?(?:\s*\d{1,2}\s*日)?)"
_PERIOD = re.compile(
    rf"{_MOMENT}\s*(?:[-–—~～至到]+|起至|起)\s*(?:{_MOMENT}|至?今|present|now|现在)|{_MOMENT}\s*(?:起|至今)",
    re.IGNORECASE,
)
_BORN = re.compile(
    rf"(?:出\s*生(?:日期|年月|时间)?|生日|生于|出生于|date of birth|birthday)\s*[:：|｜]?\s*(?P<a>{_DATE})|(?P<b>{_DATE})\s*(?:出生|生于|生(?=[，,。；;\s于]|$))",
    re.IGNORECASE,
)
_BIRTH = re.compile(_DATE)
_SEX = re.compile(
    r"性\s*别\s*[:：|｜]?\s*(?P<a>[男女])|(?:(?<=[，,、\s|｜/（(])|^)(?P<b>[男女])(?=[，,、；;。\s|｜/）)]|$)"
)
_NOT_OWN = re.compile(r"(?:紧急联系|联系人|证明人|推荐人|单位电话|家庭成员)")

# Between a school and what follows it stands what was learned there; behind these words a school.
_STUDIED = re.compile(r"(?:毕业于|就读于|毕业院校|毕业学校|考入|学习于)[:：\s]*$")
_SCHOOL = re.compile(r"毕业|院校|学校|university|school", re.IGNORECASE)
_WANTED = re.compile(r"(?:求职|应聘|意向|期望|目标)")
_TITLES = re.compile(
    r"(?:正|副|高级|中级|初级|教授级|助理|注册|主任)*(?:高级)?(?:工程师|经济师|会计师|政工师|农艺师|统计师|审计师|建造师|律师|研究员|高工)|中共党员|.*资格"
)
_SENTENCE = re.compile(r"[。\n！？]+")


def people_of(view: View, spans: Sequence[Span]) -> tuple[Person, ...]:
    """The people in the order of their parts, one where nothing says that there are more; none where nothing was found.

    Args:
        spans: of ``view.text``, ``in_order``. The people are those of ``view.source``.
    """
    text = view.text
    details = list(_details(text, spans))
    if not spans and not details:
        return ()
    found = []
    for name, parts in _parts(text, spans):
        own = tuple(number for number, span in enumerate(spans) if _within(span, parts))
        values = tuple(merged(view.original(spans[number]) for number in own))
        theirs = tuple(merged(view.original(one) for one in details if _within(one, parts)))
        posts = tuple(
            replace(post, period=post.period and view.original(post.period)) for post in _posts(text, spans, own)
        )
        places = tuple((view.places[start], view.places[end - 1] + 1) for start, end in parts)
        found.append(Person(name, places, own, values, posts, theirs))
    return tuple(found)


def _within(span: Span, parts: Iterable[tuple[int, int]]) -> bool:
    return any(start <= span.start < end for start, end in parts)


# Whose part is which


def _parts(text: str, spans: Sequence[Span]) -> list[tuple[str, tuple[tuple[int, int], ...]]]:
    """(name, parts of the text) of each person."""
    starts = _starts(text, spans)
    names: list[tuple[str, list[tuple[int, int]]]] = []
    for (start, name), (end, _) in pairwise([*starts, (len(text), "")]):
        known = next((parts for other, parts in names if _same_name(other, name)), None)
        if known is None:
            names.append((name, [(start, end)]))
        else:
            known.append((start, end))
    if len(names) > 1:
        return [(name, tuple(parts)) for name, parts in names]
    name = starts[0][1] if starts else next((span.text for span in spans if span.label == "姓名"), "")
    return [(name, ((0, len(text)),))]


def _same_name(one: str, other: str) -> bool:
    """张 of 张先生 is the 张启明 before it."""
    one, other = "".join(one.split()).casefold(), "".join(other.split()).casefold()
    return one == other or (len(other) == 1 and one.startswith(other))


def _starts(text: str, spans: Sequence[Span]) -> list[tuple[int, str]]:
    """(place, name) of where somebody's part begins, in order."""
    fields = [field for field in fields_of(text) if _names_somebody(text, field)]
    names = [span for span in spans if span.label == "姓名"]
    found = dict(_form_starts(text, fields, names))
    known = {name for _, name in found.items()}
    covered = [(field.name[0], field.end) for field in fields]
    alone = []
    for span in names:
        if any(start <= span.start < end for start, end in covered) or _is_related(text, span.start):
            continue
        line = _line_start(text, span.start)
        if _BULLET.fullmatch(text, line, span.start):
            start = line
        elif _SENTENCE_BEFORE.search(text, max(0, span.start - 12), span.start):
            start = span.start
        else:
            continue
        if _is_introduced(text, span, spans):
            found.setdefault(start, span.text)
        elif start == line and _ALONE.match(text, span.end):
            alone.append((start, span.text))
    # A name that stands alone is a heading where there are others like it, or a form goes on below it.
    if len({name for _, name in alone}) + len(known) > 1 or len(alone) > 1:
        for start, name in alone:
            found.setdefault(start, name)
    return sorted(found.items())


def _names_somebody(text: str, field: Field) -> bool:
    return (
        field.label == "姓名"
        and _OWN_NAME.fullmatch(field.called) is not None
        and bool(text[field.start : field.end].strip(" \t\u3000/_—-无"))
        and not _is_related(text, field.start)
    )


def _form_starts(text: str, fields: Sequence[Field], names: Sequence[Span]) -> Iterator[tuple[int, str]]:
    """Where forms begin that each have a field 姓名: the lines above the first one belong to it, and lines like these
    above the others to them."""
    first = text[: _line_start(text, fields[0].start)].splitlines() if fields else []
    above = [line for line in first if line.strip()][-_PREFIX_LINES:]
    end = 0
    for number, field in enumerate(fields):
        name = next((span.text for span in names if field.start <= span.start < field.end), None)
        name = name or text[field.start : field.end].strip()
        line = _line_start(text, field.start)
        start = field.name[0] if line < end else line
        if number == 0:
            start = 0 if len(first) <= _PREFIX_LINES or len(fields) == 1 else start
        elif start == line:
            start = max(end, _with_lines_above(text, line, above))
        yield start, name
        end = field.end


def _with_lines_above(text: str, line: int, above: Sequence[str]) -> int:
    """The place of the topmost of the lines above ``line`` that look like ``above``."""
    for like in reversed(above):
        upper_end = len(text[:line].rstrip())
        upper = _line_start(text, upper_end)
        if not text[:line].strip() or _shape(text[upper:upper_end]) != _shape(like):
            break
        line = upper
    return line


def _shape(line: str) -> str:
    return _VALUE.sub("", line).strip()


def _is_introduced(text: str, span: Span, spans: Sequence[Span]) -> bool:
    if _INTRODUCED.match(text, span.end):
        return True
    separator = _SEPARATED.match(text, span.end)
    return separator is not None and any(
        other.label != "姓名" and 0 <= other.start - separator.end() <= 2 for other in spans
    )


def _is_related(text: str, at: int) -> bool:
    """Whether the name at ``at`` is of a relative or a referee."""
    line = _line_start(text, at)
    end = text.find("\n", at)
    if _RELATED.search(text, line, at) or _RELATED_CELL.search(text, line, len(text) if end < 0 else end):
        return True
    blank = max((match.end() for match in _BLANK_LINE.finditer(text, 0, line)), default=0)
    return _RELATED_HEADING.search(text, blank, line) is not None


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


# What somebody was, and where


def _posts(text: str, spans: Sequence[Span], own: Sequence[int]) -> Iterator[Post]:
    """Each position with the organisation that it is held in, where a sentence or a line says so, and the time before it."""
    fields = fields_of(text)
    organisations = [number for number in own if spans[number].label == "组织名"]
    seen: set[tuple[str, str, str]] = set()
    for number in own:
        position = spans[number]
        if position.label != "职位":
            continue
        field = next((one for one in fields if one.start <= position.start < one.end), None)
        if field and _WANTED.search(field.called):
            continue
        held_in = _organisation_of(text, spans, position, organisations, fields, field)
        period = _period_of(text, position, None if held_in is None else spans[held_in])
        if held_in is None and (period is None or _TITLES.fullmatch(position.text)):
            continue
        key = (
            "".join(position.text.split()),
            "" if held_in is None else "".join(spans[held_in].text.split()),
            "" if period is None else period.text,
        )
        if key not in seen:
            seen.add(key)
            yield Post(number, held_in, period)


def _organisation_of(
    text: str,
    spans: Sequence[Span],
    position: Span,
    organisations: Sequence[int],
    fields: Sequence[Field],
    field: Field | None,
) -> int | None:
    """The index of the organisation of a position; None where none is named near it."""
    start, end = _sentence(text, position.start)
    before = [number for number in organisations if start <= spans[number].start < position.start]
    behind = [number for number in organisations if position.end <= spans[number].start < end]
    work = next(
        (number for number in reversed(before) if not _is_school(text, spans, spans[number], position)), None
    )
    if work is not None:
        return work
    if not before and behind:
        number = behind[0]
        between = text[position.end : spans[number].start]
        # 分析师 · 晨星保险, but not 律师，毕业于…: there the organisation begins something new.
        if not re.search(r"[，,；;]", between) and not _studied_at(text, spans[number]):
            return number
    if field is None or field.label != "职位":
        return None
    return _organisation_of_form(spans, organisations, fields, field)


def _organisation_of_form(
    spans: Sequence[Span], organisations: Sequence[int], fields: Sequence[Field], field: Field
) -> int | None:
    """The organisation of 单位： beside 职务：, within three fields."""
    at = fields.index(field)
    near = sorted(range(max(0, at - 3), min(len(fields), at + 4)), key=lambda other: abs(other - at))
    for other in near:
        one = fields[other]
        if one.label == "组织名" and not _SCHOOL.search(one.called):
            number = next((n for n in organisations if one.start <= spans[n].start < one.end), None)
            if number is not None:
                return number
    return None


def _is_school(text: str, spans: Sequence[Span], organisation: Span, position: Span) -> bool:
    """Whether somebody learned there: 毕业于 before it, or a subject or a degree between it and the position."""
    learned = [
        span for span in spans
        if span.label in ("专业", "教育背景") and organisation.end <= span.start < position.start
    ]  # fmt: skip
    return bool(learned) or _studied_at(text, organisation)


def _studied_at(text: str, organisation: Span) -> bool:
    return _STUDIED.search(text, max(0, organisation.start - 12), organisation.start) is not None


def _period_of(text: str, position: Span, organisation: Span | None) -> Span | None:
    """The last period before both in their sentence; behind both on their line where there is none."""
    first = min(position.start, organisation.start if organisation else position.start)
    start, end = _sentence(text, position.start)
    before = list(_PERIOD.finditer(text, min(start, first), first))
    last = max(position.end, organisation.end if organisation else position.end)
    match = before[-1] if before else None
    if match is None and (behind := _PERIOD.search(text, last, end)) and behind.start() - last <= 6:
        match = behind
    return None if match is None else Span("时间", match.group(), *match.span())


def _sentence(text: str, at: int) -> tuple[int, int]:
    start = max((match.end() for match in _SENTENCE.finditer(text, 0, at)), default=0)
    following = _SENTENCE.search(text, at)
    return start, following.start() if following else len(text)


# What rules find


def _details(text: str, spans: Sequence[Span]) -> Iterator[Span]:
    """Sex, birth, telephones and e-mails, each place of them."""
    taken = [(span.start, span.end) for span in spans]
    found = []
    for label, pattern in (("性别", _SEX), ("出生日期", _BORN)):
        for match in pattern.finditer(text):
            group = "a" if match["a"] else "b"
            found.append(
                Span(
                    label, match[group].strip(), match.start(group), match.start(group) + len(match[group].strip())
                )
            )
    for field in fields_of(text):
        if field.called.startswith("出生") and (born := _BIRTH.match(text, field.start, field.end)):
            found.append(Span("出生日期", born.group(), *born.span()))
    for label, pattern in (("电话", PHONE), ("邮箱", EMAIL)):
        for match in pattern.finditer(text):
            if not _NOT_OWN.search(text, _line_start(text, match.start()), match.start()):
                found.append(Span(label, match.group(), *match.span()))
    for span in sorted(found, key=lambda one: one.start):
        if span.label == "出生日期" or not any(start < span.end and span.start < end for start, end in taken):
            yield span
