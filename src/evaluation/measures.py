"""What texts are compared by: exact match, character F1, whether an answer stands in a text, numbers from nowhere."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from src.chat.numbers import canonical, values
from src.search.terms import fold

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_BETWEEN_DIGITS = re.compile(r"(?<=\d) +(?=\d)")
# Numbers that state nothing: of a list's items, and of citations.
_MARKS = re.compile(r"^\s*(?:\d{1,2}[.、)）](?!\d)|[(（]\d{1,2}[)）])|\[\d{1,2}\]", re.MULTILINE)
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_DATE = re.compile(r"(?:(\d{4})年)?(\d{1,2})月(?:(\d{1,2})[日号])?")

Date = tuple[int | None, int, int | None]


def normalised(text: str) -> str:
    """Without punctuation and white space; width, case and script made one. What parts two digits becomes a point,
    so that 3.5 is not 35."""
    plain = _THOUSANDS.sub("", fold(text))
    spaced = "".join(" " if unicodedata.category(c)[0] in "PZCS" else c for c in plain)
    return _BETWEEN_DIGITS.sub(".", spaced).replace(" ", "")


def character_f1(text: str, answer: str) -> float:
    """F1 of the two texts' bags of characters, both normalised: SQuAD's token F1 (Rajpurkar et al. 2016,
    arXiv:1606.05250) with characters for tokens."""
    given, right = Counter(normalised(text)), Counter(normalised(answer))
    shared = (given & right).total()
    return 2 * shared / (given.total() + right.total()) if shared else 0.0


def holds(text: str, parts: Iterable[Sequence[str]]) -> bool:
    """Whether ``text`` has one wording of every part. 5人 does not stand in 15人."""
    plain = normalised(text)
    return all(any(_stands_in(plain, normalised(wording)) for wording in part) for part in parts)


def invented_numbers(text: str, sources: Iterable[str]) -> list[str]:
    """The numbers and dates of ``text`` that stand in none of the ``sources``, however they are written."""
    text, known = _MARKS.sub(" ", text), "\n".join(sources)
    dates, known_dates = _dates(text), _dates(known)
    strange = [date for date in dates if not any(_agree(date, other) for other in known_dates)]
    numbers = sorted(values(_plain_dates(text)) - values(_plain_dates(known)))
    return [f"{number:.15g}" for number in numbers] + [_written(date) for date in strange]


def _stands_in(text: str, wording: str) -> bool:
    if not wording:
        return False
    before = r"(?<!\d)" if wording[0].isdigit() else ""
    behind = r"(?!\d)" if wording[-1].isdigit() else ""
    return re.search(f"{before}{re.escape(wording)}{behind}", text) is not None


def _dates(text: str) -> list[Date]:
    found = _DATE.findall(re.sub(r"\s", "", canonical(_plain_dates(text))))
    return [(int(year) if year else None, int(month), int(day) if day else None) for year, month, day in found]


def _plain_dates(text: str) -> str:
    return _ISO_DATE.sub(r"\1年\2月\3日", unicodedata.normalize("NFKC", text))


def _agree(one: Date, other: Date) -> bool:
    return all(a is None or b is None or a == b for a, b in zip(one, other, strict=True))


def _written(date: Date) -> str:
    return "".join(f"{number}{unit}" for number, unit in zip(date, "年月日", strict=True) if number is not None)
