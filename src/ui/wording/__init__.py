"""The page's words. They are written in Chinese where they are used; English stands in ``en/*.json``, by the Chinese.

``Words("en")("发送")`` is "Send". Texts with values in them are templates: ``words("已加入 {source}").format(…)``.
Errors are written in Chinese where they are raised, with their values in them; ``Words.error`` finds the template that an
error was made from in ``en/errors.json``, where every place of a value is ``{}``.
"""

import json
from functools import cache
from pathlib import Path
from typing import Literal

from src.ui.wording.errors import in_english

Language = Literal["zh", "en"]
_FOLDER = Path(__file__).parent / "en"
_ERRORS = ("errors.json", "error_parts.json")


class Words:
    """Looks up what to show in one language; a text that nobody has translated stays Chinese."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._known = english() if language == "en" else {}

    def __call__(self, chinese: str) -> str:
        return self._known.get(chinese, chinese)

    def error(self, message: str) -> str:
        """A finished Chinese sentence, such as an error's text, in this language."""
        return message if self.language == "zh" else in_english(message)


@cache
def english() -> dict[str, str]:
    """Every translation, from all files but those of errors."""
    known: dict[str, str] = {}
    for file in sorted(_FOLDER.glob("*.json")):
        if file.name not in _ERRORS:
            known |= json.loads(file.read_text(encoding="utf-8"))
    return known


CHINESE = Words("zh")
