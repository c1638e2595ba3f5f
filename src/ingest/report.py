"""What was read of a file, and what was left out: nothing is lost without a word."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from src.ingest.types import Document

Kind = Literal[
    "pages",
    "tables",
    "pictures",
    "pictures_unread",
    "formulas_unread",
    "contents_pages",
    "charts",
    "notes",
    "attachments",
    "unsure_lines",
]
MAX_WARNINGS = 20


@dataclass
class Report:
    """Counts of one file.

    Attributes:
        counts: of what was found, by kind; what ends in ``_unread`` was left out.
        warnings: in the user's words: what is missing, and what to do.
    """

    counts: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For another process."""
        return {"counts": dict(self.counts), "warnings": self.warnings}

    @classmethod
    def from_json(cls, value: Any) -> "Report":
        """Whatever the other process says, only numbers and texts are taken."""
        counts = Counter({str(kind): int(number) for kind, number in value["counts"].items()})
        return cls(counts, [str(warning) for warning in value["warnings"][:MAX_WARNINGS]])


class Documents(list[Document]):
    """The documents of a file, and the report on it."""

    report: Report

    def __init__(self, documents: Any = (), report: Report | None = None) -> None:
        super().__init__(documents)
        self.report = report or Report()


_current: ContextVar[Report | None] = ContextVar("report", default=None)


@contextmanager
def reporting() -> Iterator[Report]:
    """What the readers note meanwhile."""
    report = Report()
    token = _current.set(report)
    try:
        yield report
    finally:
        _current.reset(token)


def note(kind: Kind, warning: str = "", number: int = 1) -> None:
    """Count something that was found or left out; the same warning is given once."""
    report = _current.get()
    if report is None:
        return
    report.counts[kind] += number
    if warning and warning not in report.warnings and len(report.warnings) < MAX_WARNINGS:
        report.warnings.append(warning)
