"""Events of one extraction.

Queued      the request waits for the model (``src/models/base.py``)
Found       the spans so far
Finished    the result; a request that was stopped raises Stopped instead
"""

from dataclasses import dataclass

from src.extraction.schema import Extraction
from src.models.base import Queued as Queued


@dataclass(frozen=True)
class Found:
    """Spans of finished windows and those that are closed in the current one; these may still move.

    Attributes:
        raw: the model's output about the current window so far; empty where it tags instead of writing.
    """

    extraction: Extraction
    windows_done: int
    windows_total: int
    raw: str = ""


@dataclass(frozen=True)
class Finished:
    extraction: Extraction


Event = Queued | Found | Finished
