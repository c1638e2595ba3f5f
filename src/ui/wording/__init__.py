"""The page's words. They are written in Chinese where they are used; English stands in ``en/*.json``, by the Chinese.

``Words("en")("发送")`` is "Send". Texts with values in them are templates: ``words("已加入 {source}").format(…)``.
"""

import json
from functools import cache
from pathlib import Path
from typing import Literal

Language = Literal["zh", "en"]
_FOLDER = Path(__file__).parent / "en"


class Words:
    """Looks up what to show in one language; a text that nobody has translated stays Chinese."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._known = english() if language == "en" else {}

    def __call__(self, chinese: str) -> str:
        return self._known.get(chinese, chinese)


@cache
def english() -> dict[str, str]:
    """Every translation, from all files."""
    known: dict[str, str] = {}
    for file in sorted(_FOLDER.glob("*.json")):
        known |= json.loads(file.read_text(encoding="utf-8"))
    return known


CHINESE = Words("zh")
