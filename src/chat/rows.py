"""Rows of tables in passages: Markdown and ``列名：值；列名：值``. A row is one piece of evidence, a cell none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from src.chat.claims import letters, plain

_FIELD = re.compile(r"(?:^|；)\s*([^：；|\n]{1,80})：([^；\n]*)")
_LINE = re.compile(r"[^\n]+")
_RULE = re.compile(r"^[\s|:-]+$")
_UNIT = re.compile(r"[(（][^)）]*[)）]")


@dataclass(frozen=True)
class Row:
    """text[start:end] of a passage as (column, value), both plain; a column without a name is ""."""

    start: int
    end: int
    fields: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        return ";".join(f"{column}:{value}" if column else value for column, value in self.fields)


def rows_of(text: str) -> list[Row]:
    """The rows of a passage; the one that names the columns of a Markdown table is none."""
    found: list[Row] = []
    header: list[str] = []
    lines = list(_LINE.finditer(text))
    for i, match in enumerate(lines):
        line = match.group()
        if line.lstrip().startswith("|"):
            cells = [plain(cell.strip()) for cell in line.strip().strip("|").split("|")]
            if i + 1 < len(lines) and _RULE.match(lines[i + 1].group()):
                header = cells
            elif not _RULE.match(line):
                columns = header if len(header) == len(cells) else [""] * len(cells)
                found.append(Row(match.start(), match.end(), tuple(zip(columns, cells, strict=True))))
            continue
        header = []
        fields = tuple((plain(column.strip()), plain(value.strip())) for column, value in _FIELD.findall(line))
        if len(fields) >= 2:
            found.append(Row(match.start(), match.end(), fields))
    return found


def row_asked_for(question: str, text: str) -> Row | None:
    """The one row of a table that has a value which the question names (旗舰版每日上限是多少); None where there is no such
    row, or more than one."""
    asked, rows = plain(question), rows_of(text)
    if len(rows) < 2:
        return None
    named = [sum(len(value) for _, value in row.fields if len(value) >= 2 and value in asked) for row in rows]
    best = max(named)
    return None if best == 0 or named.count(best) > 1 else rows[named.index(best)]


def fits(row: Row, others: Sequence[Row], claim: str, question: str) -> bool:
    """Whether a plain sentence gives the row's values to their own columns, and to no row that it tells apart by
    another value (周末, where this row is 工作日)."""
    said, mine = f"{claim}\n{question}", row.text
    keys = {value for other in others for _, value in other.fields if len(value) >= 2 and not value.isdigit()}
    if any(key in said and key not in mine for key in keys):
        return False
    named = sorted((at, column) for column, _ in row.fields if (at := _mention(column, claim)) is not None)
    asked = {column for column, _ in row.fields if _mention(column, question) is not None}
    return all(
        any(_may_be(column, at, named, asked) for column, other in row.fields if other == value)
        for _, value in row.fields
        if (at := _place(value, claim)) is not None and _place(value, question) is None
    )


def _may_be(column: str, place: int, named: list[tuple[int, str]], asked: set[str]) -> bool:
    """Whether the value at ``place`` may be of this column: the one that is named last before it, or, where the
    sentence names none, one that was asked for."""
    if not named:
        return not asked or column in asked
    before = [name for at, name in named if at < place]
    # A value before all names is the row's own name.
    return not before or column == before[-1]


def _mention(column: str, text: str) -> int | None:
    """Where the text names the column, by half of its name at least."""
    name = letters(_UNIT.sub("", column))
    match = SequenceMatcher(None, name, text, autojunk=False).find_longest_match()
    return match.b if len(name) >= 2 and match.size >= 2 and 2 * match.size >= len(name) else None


def _place(value: str, text: str) -> int | None:
    """Where the text has the value, not as a part of a number or word in Latin letters."""
    if len(value) < 2 and not value.isdigit():
        return None
    match = re.search(rf"(?<![a-z\d.-]){re.escape(value)}(?![a-z\d-]|\.\d)", text)
    return match.start() if match else None
