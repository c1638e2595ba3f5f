"""Fields of one's own against values that were written down by hand: F1, and how often an absent field is left empty.

A field that is there has one value, in one or more wordings that are right; a field that is not there has none. Exact:
the value is one of the wordings, character by character. Lenient: it counts with its character F1 to the nearest
wording (``measures.character_f1``, as SQuAD does with tokens), so that 约60米 for 60米 is nearly right. A value for a
field that is not there counts against precision in both.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from src.evaluation.columns import left, right
from src.evaluation.measures import character_f1
from src.extraction.labelled import parse_rows
from src.extraction.schema import Extraction
from src.extraction.service import ExtractionService


@dataclass(frozen=True)
class FieldText:
    """``fields``: the right wordings of each field's value, none where it is not there."""

    text: str
    fields: Mapping[str, tuple[str, ...]]
    kind: str = ""
    split: str = ""


@dataclass(frozen=True)
class FieldCounts:
    """Of fields. ``sum(counts, FieldCounts())`` adds them up.

    Attributes:
        given: values that were found, right or wrong.
        exact, lenient: how much of them is right.
        left_empty: absent fields without a value.
    """

    present: int = 0
    absent: int = 0
    given: int = 0
    exact: int = 0
    lenient: float = 0.0
    left_empty: int = 0

    def __add__(self, other: "FieldCounts") -> "FieldCounts":
        mine, theirs = asdict(self), asdict(other)
        return FieldCounts(**{name: mine[name] + theirs[name] for name in mine})

    @property
    def exact_f1(self) -> float:
        return self._share(2 * self.exact, self.given + self.present)

    @property
    def lenient_f1(self) -> float:
        return self._share(2 * self.lenient, self.given + self.present)

    @property
    def empty_share(self) -> float:
        return self._share(self.left_empty, self.absent)

    def to_json(self) -> dict[str, float]:
        shares = {"exact_f1": self.exact_f1, "lenient_f1": self.lenient_f1, "empty_share": self.empty_share}
        return {**asdict(self), **shares}

    @staticmethod
    def _share(part: float, whole: int) -> float:
        return part / whole if whole else 0.0


def has_fields(path: Path) -> bool:
    """Whether the first line of a file is one that ``read_fields`` reads."""
    try:
        with path.open("rb") as file:
            first = json.loads(file.readline())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(first, dict) and "fields" in first


def read_fields(path: Path) -> list[FieldText]:
    """Lines ``{"text", "fields": {name: value or list of wordings or ""}, "kind"?, "split"?}``.

    Raises:
        InputError: the file cannot be read, or a line is not that.
    """
    rows: list[FieldText] = parse_rows(
        path, _parse, '{"text": "…", "fields": {"字段": "原文里的值"}}，没有的字段写 ""'
    )
    return rows


def _parse(row: Any) -> FieldText:
    """Raises ValueError with the end of a sentence that begins with the row's number."""
    try:
        fields = {name: _wordings(value) for name, value in row["fields"].items()}
        if not isinstance(row["text"], str) or any(
            one not in row["text"] for known in fields.values() for one in known
        ):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("不是这样的，或有的值不在原文里") from error
    return FieldText(row["text"], fields, str(row.get("kind", "")), str(row.get("split", "")))


@dataclass(frozen=True)
class ScoredText:
    """What was found in one text, and how much of it is right."""

    row: FieldText
    found: Extraction
    counts: FieldCounts


def evaluate_fields(
    service: ExtractionService, rows: Sequence[FieldText], show_progress: bool = False
) -> list[ScoredText]:
    """Ask for the fields of every text and compare.

    Raises:
        InputError: a text or its fields cannot be used, or there is no reader.
        ModelError: the model cannot answer.
    """
    bar = tqdm(rows, desc="抽取", unit="段", disable=None if show_progress else True)
    return [scored(row, service.extract(row.text, fields=list(row.fields))) for row in bar]


def scored(row: FieldText, found: Extraction) -> ScoredText:
    """The counts of one text."""
    counts = [_score(wordings, found.entities.get(name, ())) for name, wordings in row.fields.items()]
    return ScoredText(row, found, sum(counts, FieldCounts()))


def fields_table(texts: Sequence[ScoredText]) -> str:
    """F1 in percent over all, then by split and by kind."""
    titles = ("文字", "字段", "F1", "宽松 F1", "该空的空着")
    lines = [left("", 12) + "".join(right(title, 14) for title in titles)]
    for name, group in _groups(texts).items():
        total = sum((one.counts for one in group), FieldCounts())
        empty = f"{total.left_empty}/{total.absent} {100 * total.empty_share:.0f}%" if total.absent else "—"
        cells = (
            len(group), total.present + total.absent, f"{100 * total.exact_f1:.1f}", f"{100 * total.lenient_f1:.1f}", empty,
        )  # fmt: skip
        lines.append(left(name, 12) + "".join(right(str(cell), 14) for cell in cells))
    return "\n".join(lines)


def to_json(texts: Sequence[ScoredText]) -> dict[str, Any]:
    """The counts of each group, and every text with its mistakes."""
    groups = {
        name: sum((one.counts for one in group), FieldCounts()).to_json() for name, group in _groups(texts).items()
    }
    wrong = [{"text": one.row.text, "mistakes": lines} for one in texts if (lines := mistakes_of(one))]
    return {"texts": len(texts), "groups": groups, "wrong": wrong}


def mistakes_of(one: ScoredText) -> list[str]:
    """A line for each field that is not exactly right."""
    lines = []
    for name, wordings in one.row.fields.items():
        values = list(one.found.entities.get(name, ()))
        if (values or wordings) and not (len(values) == 1 and values[0] in wordings):
            lines.append(f"{name}：{'、'.join(values) or '（空）'}  应为 {' / '.join(wordings) or '（空）'}")
    return lines


def _groups(texts: Sequence[ScoredText]) -> dict[str, list[ScoredText]]:
    groups = {"合计": list(texts)}
    for one in texts:
        for name in filter(None, (one.row.split, one.row.kind)):
            groups.setdefault(name, []).append(one)
    return groups


def _score(wordings: Sequence[str], values: Sequence[str]) -> FieldCounts:
    if not wordings:
        return FieldCounts(absent=1, given=len(values), left_empty=not values)
    exact = any(value in wordings for value in values)
    lenient = max((character_f1(value, one) for value in values for one in wordings), default=0.0)
    return FieldCounts(present=1, given=len(values), exact=exact, lenient=max(lenient, exact))


def _wordings(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else list(value)
    if not all(isinstance(one, str) for one in values):
        raise TypeError
    return tuple(one for one in values if one)
