"""Fields of one's own (甲方, 合同金额): each is a question to the reader, or a line that begins with its name."""

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import cast

from src.caller import Caller
from src.errors import InputError
from src.extraction.field_choice import Candidate, candidates, chosen
from src.extraction.field_kinds import beside_name, fitted, only_value
from src.extraction.label_lines import NOTHING, LabelLine, cells_named, lines_named
from src.extraction.schema import Span, has_words
from src.extraction.windows import split_windows
from src.models.base import Queued, Reading, ReadingModel

MAX_FIELDS, MAX_FIELD_CHARS = 30, 30
# About what the reader was trained on.
WINDOW_CHARS = 300
# Behind a name without a value: its value stands on the next line, unless that is blank or another name.
_GOES_ON = re.compile(r"[ \t\u3000]*\n(?![ \t\u3000]*\n)(?![^\n:：]{1,12}[:：])[^\n]*[^\W_]")
_COMMA = re.compile(r"，|,(?!\d)")
# Ready sets, for those who would rather choose than type.
SETS: dict[str, tuple[str, ...]] = {
    "合同": ("甲方", "乙方", "合同编号", "合同金额", "签订日期", "履行期限", "违约金"),
    "发票": ("发票号码", "开票日期", "购买方", "销售方", "金额", "税额", "价税合计"),
    "新闻": ("时间", "地点", "人物", "机构", "事件", "原因"),
    "课程大纲": ("课程名称", "课程代码", "学分", "学时", "任课教师", "教材", "考核方式"),
}


def check_fields(fields: object) -> tuple[str, ...]:
    """The names, each once, without spaces around them and on one line.

    Raises:
        InputError: not a list of texts, too many or too long ones, or one without a letter or digit.
    """
    if fields is None:
        return ()
    if not isinstance(fields, list | tuple) or not all(isinstance(field, str) for field in fields):
        raise InputError('字段应为文字的列表，例如 ["甲方", "合同金额"]')
    names = tuple(dict.fromkeys(" ".join(field.split()) for field in fields))
    if len(names) > MAX_FIELDS:
        raise InputError(f"字段最多 {MAX_FIELDS} 个，收到 {len(names)} 个；请分几次抽取")
    for name in names:
        if not has_words(name):
            raise InputError("字段的名字是空的，或没有文字；请删掉或改正")
        if len(name) > MAX_FIELD_CHARS:
            raise InputError(f"字段“{name[:MAX_FIELD_CHARS]}…”有 {len(name)} 个字，最多 {MAX_FIELD_CHARS} 个")
    return names


class FieldReader:
    """Finds the value of each field in a text, verbatim, or that it is not there.

    Args:
        model: with an adapter that reads.
    """

    def __init__(self, model: ReadingModel, adapter: str) -> None:
        self._model = model
        self._adapter = adapter

    def read(
        self, text: str, fields: Sequence[str], caller: Caller
    ) -> Iterator[Queued | tuple[int, int, list[Span]]]:
        """(windows done, windows in all, the spans so far) after every pass; one span a field, labelled with its name.

        Raises:
            ModelError: the model cannot read.
        """
        named = {field: span for field in fields if (span := named_value(text, field))}
        # Where it ends in running text (甲方：东山公司，2023年签订), the reader says.
        open_ended = {field for field, span in named.items() if _COMMA.search(span.text)}
        asked = [
            field for field in fields if field in open_ended or not (field in named or is_left_blank(text, field))
        ]
        windows = (
            [window for window in split_windows(text, WINDOW_CHARS) if has_words(window.text)] if asked else []
        )
        found: dict[str, list[Candidate]] = {field: [] for field in asked}
        certain = [span for field, span in named.items() if field not in open_ended]
        done = 0
        yield done, len(windows), list(named.values())
        if not windows:
            return
        passes = self._model.read(
            [("", window.text) for window in windows],
            [question_of(field) for field in asked],
            self._adapter,
            caller,
        )
        with closing(cast("Generator[dict[int, list[Reading]] | Queued, None, None]", passes)):
            for some in passes:
                if isinstance(some, Queued):
                    yield some
                    continue
                for index, readings in some.items():
                    window = windows[index]
                    for field, reading in zip(asked, readings, strict=True):
                        several = [one.moved(window.start) for one in candidates(window.text, field, reading)]
                        if field in open_ended:
                            several = [one for one in several if _is_first_part(one, named[field])]
                        found[field] += several
                done += len(some)
                read = {span.label: span for span in chosen(found, certain)}
                yield done, len(windows), list({**named, **read}.values())


def _is_first_part(one: Candidate, whole: Span) -> bool:
    """Whether it is rather a value than not, begins as ``whole`` does and ends at one of its commas."""
    if one.odds < 0 or one.span.start != whole.start or one.span.end >= whole.end:
        return False
    return _COMMA.match(whole.text, one.span.end - whole.start) is not None


def question_of(field: str) -> str:
    """How the reader is asked for a field; 是什么 behind it finds less."""
    return f"{field}？"


def named_value(text: str, field: str) -> Span | None:
    """What stands behind the field's name and a colon, as forms and tables have it; None where it does not."""
    lines = _lines_of(text, field)
    found = next((line for line in lines if not NOTHING.fullmatch(text, line.start, line.end)), None)
    if found:
        place: tuple[int, int] | None = (found.start, found.end)
    else:
        place = None if lines else beside_name(text, field) or only_value(text, field)
    if place is None:
        return None
    start, end = fitted(text, field, *place) or place
    return Span(field, text[start:end], start, end)


def is_left_blank(text: str, field: str) -> bool:
    """Whether the field's name stands there and says itself that there is no value: 审核人：　　or 备注：/."""
    lines = _lines_of(text, field)
    return bool(lines) and all(line.start < line.end or _GOES_ON.match(text, line.end) is None for line in lines)


def _lines_of(text: str, field: str) -> list[LabelLine]:
    """Lines and cells with just this name, or 委托方（甲方）for 甲方."""
    name = re.escape(field)
    lines = list(lines_named(text, rf"{name}|[\u4e00-\u9fff]{{1,8}}[（(]{name}[）)]"))
    return [*lines, *(line for line in cells_named(text, name) if line.start < line.end)]
