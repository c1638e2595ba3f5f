"""Where the header of a table is: none, one row or several, below a line of units; and forms, which have none."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

Row = list[str]
# What is longer does not name a column: the table is there for the layout of its text.
MAX_NAME_CHARS = 60
MAX_HEADER_ROWS = 4
MAX_LABEL_CHARS = 12
# What share of a column must be of a kind for the column to be.
MOST = 0.6
_ROWS_JUDGED = 30


class Across(str):
    """A merged cell's text, in a column right of its first."""

    __slots__ = ()


class Below(str):
    """A merged cell's text, in a row below its first."""

    __slots__ = ()


Kind = Literal["text", "named", "records", "pairs", "form"]


class Layout(NamedTuple):
    """How a table is to be read.

    Attributes:
        kind: ``text`` (no table but lines), ``named`` (a header names the columns), ``records`` (no header),
            ``pairs`` (no header, a name and its value in each row), ``form`` (names and values side by side).
        captions: rows above the header.
        header: its rows.
        names: of the columns.
        sure: the header differs from what is below it, not merely by being first.
        columns: first and last that is filled in the first row below the captions.
    """

    kind: Kind
    captions: int = 0
    header: tuple[tuple[str, ...], ...] = ()
    names: tuple[str, ...] = ()
    sure: bool = False
    columns: tuple[int, int] = (0, 0)

    def goes_on(self, before: "Layout") -> bool:
        """Whether these are more rows of the table that stood above a blank row."""
        if self.captions or self.sure or before.kind not in ("named", "records", "pairs") or self.kind == "text":
            return False
        return self.kind != "form" and self.columns == before.columns

    def without_header(self) -> "Layout":
        """For the rows of the same table behind a blank one."""
        return self._replace(captions=0)

    def is_note(self, cells: Row) -> bool:
        """A line among the rows: a heading of some of them, a remark below them."""
        texts = own(cells)
        if len(texts) != 1 or self.kind == "pairs":
            return False
        if sum(isinstance(cell, Across) for cell in cells) >= max(1, len(self.names) - 1):
            return True
        return (
            len(self.names) > 1
            and bool(cells[0])
            and (len(texts[0]) > MAX_NAME_CHARS or bool(_NOTE.match(texts[0])))
        )


_NOTE = re.compile(r"[（(]?(注|说明|备注|数据来源|资料来源|制表人?|填表人?|审核人?)\d*[：:]")
# A cell that has its name in it: 单位：万元.
_NAMED = re.compile(r"[（(]?[^：:\s\d]{1,12}[：:]\s*\S")
# The names that forms and tables have.
_LABEL = re.compile(
    r".{0,4}(?:姓名|名字|性别|民族|籍贯|国籍|出生|年龄|生日|年月|日期|时间|时长|期限|学历|学位|专业|院校|单位|部门|科室|班级|职务|职位|职称|岗位"
    r"|工号|学号|序号|编号|编码|代码|货号|料号|号码|证号|证件|电话|手机|邮箱|邮编|地址|住址|住所|面貌|婚姻|婚否|状况|身高|体重|事由|原因|理由|意见|签字|签名|签章"
    r"|情况|经历|经验|特长|爱好|技能|备注|说明|名称|品名|型号|规格|数量|单价|金额|价格|用途|类别|类型|种类|负责人|联系人|经办人|申请人|审批人|法人|代表人|账号|开户行"
    r"|税号|内容|地点|目的|结果|结论|成员|关系|语种|水平|毕业|照片|曾用名|等级|级别|状态|来源|方式|用量|产地)"
    r"|位置|楼层|容量|面积|座位数|设备|车牌|车型|城市|省份|国家|品牌|厂家|厂商|供应商|频率|周期|方法|要求|标准|条件|职责|措施|时段|费用|项目|指标|科目|品种|地区|产品|客户|问题|答案|名次|人数|库存|总价|评价|奖项"
)
_SPACES = re.compile(r"\s+")
_YEAR = re.compile(r"(19|20)\d\d\s*年?(度|末)?")
_NUMBER = re.compile(r"[-+−–(（]?\s*[¥￥$€£]?\s*[-−]?\d[\d,，]*(\.\d+)?\s*[%％‰]?[)）]?")
_DATE = re.compile(
    r"\d{2,4}\s*[-/.年]\s*\d{1,2}(\s*[-/.月]\s*\d{1,2}\s*日?)?(\s+\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(:\d{2})?"
)
_MEASURE = re.compile(r"[-+−]?[¥￥$€£]?\d[\d,.]*\s*[^\d\s]{1,6}")
_CODE = re.compile(r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9\-_/.·#]*")
_INTEGER = re.compile(r"\d+")


def layout_of(rows: Sequence[Row]) -> Layout:
    """How the rows, the first of a table and none of them blank, are to be read."""
    captions = 0
    while captions < len(rows) and _is_caption(rows[captions], rows[captions + 1 : captions + 2]):
        captions += 1
    body = rows[captions:]
    if not body:
        return Layout("text")
    columns = _columns(body[0])
    if len(body) == 1 and filled(body[0]) < 2:
        return Layout("text", captions)
    if _is_form(body):
        return Layout("form", captions, columns=columns)
    if len(body) == 1:
        return Layout("records", captions, columns=columns)
    score = _header_score(body)
    if score < 0:
        pairs = max(map(len, body)) == 2 and _are_labels([row[0] for row in body if row])
        return Layout("pairs" if pairs else "records", captions, columns=columns)
    height = _height(body)
    header = body[:height]
    names = _names(header)
    return Layout("named", captions, tuple(map(tuple, header)), names, sure=score > 0, columns=columns)


def header_of(rows: Sequence[Row]) -> list[Row]:
    """The rows that name the columns, for the pages on which the table goes on."""
    found = [row for row in rows if any(row)]
    return [list(row) for row in layout_of(found).header] if found else []


def is_header_like(cells: Row) -> bool:
    """Whether a row below others may begin a table of its own: names that stand apart, no values."""
    texts = own(cells)
    return (
        len(texts) > 2
        and len(set(texts)) == len(texts)
        and 3 * sum(map(_is_label, texts)) >= len(texts)
        and all(_kind(text) in ("text", "year") and len(text) <= MAX_NAME_CHARS for text in texts)
    )


def filled(cells: Sequence[str]) -> int:
    """How many cells hold a text of their own."""
    return len(own(cells))


def has_values(cells: Sequence[str]) -> bool:
    """Whether half of the texts of a row are numbers, dates or codes."""
    texts = own(cells)
    return 2 * sum(_kind(text) not in ("text", "year") for text in texts) >= max(1, len(texts))


def own(cells: Sequence[str]) -> Row:
    """The texts of a row, that of a merged cell once."""
    return [cell for cell in cells if cell and not isinstance(cell, Across)]


def _columns(row: Row) -> tuple[int, int]:
    places = [index for index, cell in enumerate(row) if cell]
    return (places[0], places[-1]) if places else (0, 0)


def _is_caption(row: Row, below: Sequence[Row]) -> bool:
    """A title, a line of units, or text that is too long to name a column, unless a value is below each."""
    texts = own(row)
    has_names = any(filled(cells) == len(texts) and has_values(cells) for cells in below)
    if len(texts) == 1 or (max(map(len, texts)) > MAX_NAME_CHARS and not has_names):
        return True
    return all(_NAMED.match(text) and _kind(text) == "text" for text in texts)


def _is_form(rows: Sequence[Row]) -> bool:
    """Names at every second place from the first, and no row of names: 姓名 石某 部门 后勤."""
    names = values = name_count = value_count = 0
    for row in rows:
        shown = [cell for cell in row if not isinstance(cell, Across)]
        for place, cell in enumerate(shown):
            if not cell:
                continue
            if place % 2:
                value_count += 1
                values += _is_label(cell)
            else:
                name_count += 1
                names += _is_label(cell)
                if _kind(cell) != "text" or len(cell) > 2 * MAX_LABEL_CHARS:
                    return False
    if len(rows) == 1 and name_count < 2:
        return False
    return names >= max(2, 0.4 * name_count) and values <= 0.2 * value_count


def _is_label(text: str) -> bool:
    bare = _SPACES.sub("", text)
    return len(bare) <= MAX_LABEL_CHARS and (bare.endswith(("：", ":")) or bool(_LABEL.fullmatch(bare)))


def _are_labels(texts: Sequence[str]) -> bool:
    """Different texts that may name something."""
    return len(set(texts)) == len(texts) and all(text and _kind(text) == "text" for text in texts)


def _header_score(rows: Sequence[Row]) -> int:
    """Above 0: the first row differs from those below it as names do from values; below 0: it is one of them."""
    first, below = rows[0], rows[1 : _ROWS_JUDGED + 1]
    if any(isinstance(cell, Across) for cell in first):
        return 1
    score = 0
    labels = [cell for cell in first if cell]
    if 2 * sum(map(_is_label, labels)) >= len(labels):
        score += 1
    series = _is_series(first)
    for column, name in enumerate(first):
        values = [
            row[column] for row in below if column < len(row) and row[column] and row[column] not in ("-", "—", "/")
        ]
        if not name or not values:
            continue
        kind = _kind(name)
        same = sum(_kind(value) == kind for value in values) / len(values)
        if kind == "text":
            score += 1 if same <= 1 - MOST else 0
            score -= 2 if _repeats(name, column, below) else 0
        elif not series and same >= MOST:
            score -= 1
    return score


def _repeats(name: str, column: int, below: Sequence[Row]) -> bool:
    """Whether a text of the first row is a value of its column: the merged cells of a tall header are not."""
    return any(column < len(row) and row[column] == name and not isinstance(row[column], Below) for row in below)


def _is_series(cells: Row) -> bool:
    """2022年, 2023年, 2024年, or 1月, 2月, 3月: names, although they look like values."""
    numbers = [int(found[0]) for cell in cells if _kind(cell) != "text" and (found := _INTEGER.search(cell))]
    steps = {after - before for before, after in pairwise(numbers)}
    return len(numbers) > 2 and steps in ({1}, {-1})


def _height(rows: Sequence[Row]) -> int:
    """Rows of the header: below merged cells, and below names that stand over several columns."""
    height = 1
    while height < min(MAX_HEADER_ROWS, len(rows) - 1):
        above, row = rows[height - 1], rows[height]
        texts = [cell for cell in own(row) if not isinstance(cell, Below)]
        if not texts or max(map(len, texts)) > MAX_NAME_CHARS:
            break
        if sum(_kind(text) in ("text", "year") for text in texts) <= len(texts) / 2 and not _is_series(texts):
            break
        divides = any(
            isinstance(cell, Across) and low and not isinstance(low, Across)
            for cell, low in zip(above, row, strict=False)
        )
        merged = divides or any(isinstance(cell, Below) for cell in row)
        if not merged and not _fills_gaps(above, row, rows[height + 1 :]):
            break
        height += 1
    return height


def _fills_gaps(above: Row, row: Row, below: Sequence[Row]) -> bool:
    """Whether the row names, column by column, what the one above names for several at once."""
    gaps = [column for column, cell in enumerate(row) if cell and not (column < len(above) and above[column])]
    groups = [column for column in gaps if any(above[:column])]
    if not groups or any(_kind(cell) != "text" for cell in row if cell):
        return False
    values = [_kind(line[column]) for line in below for column in groups if column < len(line) and line[column]]
    return bool(values) and sum(kind != "text" for kind in values) >= MOST * len(values)


def _names(header: Sequence[Row]) -> tuple[str, ...]:
    """A name a column, those of several rows joined: 2024年 中稻."""
    width = max(map(len, header))
    names: list[list[str]] = [[] for _ in range(width)]
    for number, row in enumerate(header):
        group = ""
        for column in range(width):
            cell = row[column] if column < len(row) else ""
            lower = header[number + 1] if number + 1 < len(header) else []
            if cell:
                # What stands over nothing in the first column names that one alone.
                group = cell if column or not lower or lower[0] else ""
            elif group and column < len(lower) and lower[column]:
                cell = group  # it stands over this column too, without being merged
            text = cell.strip().rstrip("：:")
            if text and text not in names[column]:
                names[column].append(text)
    return tuple(" ".join(parts) for parts in names)


def _kind(text: str) -> str:
    """``year``, ``number``, ``date``, ``measure`` (13孔), ``code`` (XK-1001) or ``text``."""
    if not any(character.isdigit() for character in text) or len(text) > 40:
        return "text"
    for kind, pattern in (
        ("year", _YEAR),
        ("number", _NUMBER),
        ("date", _DATE),
        ("measure", _MEASURE),
        ("code", _CODE),
    ):
        if pattern.fullmatch(text):
            return kind
    return "text"
