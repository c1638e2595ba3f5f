"""The page's words. They are written in Chinese where they are used; English stands in ``en/*.json``, by the Chinese.

``Words("en")("发送")`` is "Send". Texts with values in them are templates: ``words("已加入 {source}").format(…)``.
Errors are written in Chinese where they are raised, with their values in them; ``Words.error`` finds the template that an
error was made from in ``en/errors.json``, where every place of a value is ``{}``.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Literal

Language = Literal["zh", "en"]
_FOLDER = Path(__file__).parent / "en"
_ERRORS = _FOLDER / "errors.json"


class Words:
    """Looks up what to show in one language; a text that nobody has translated stays Chinese."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._known = english() if language == "en" else {}

    def __call__(self, chinese: str) -> str:
        return self._known.get(chinese, chinese)

    def error(self, message: str) -> str:
        """A finished Chinese sentence, such as an error's text, in this language; unknown ones stay Chinese."""
        if self.language == "zh":
            return message
        for pattern, template in error_patterns():
            if match := pattern.fullmatch(message):
                # A value may be a sentence itself: why a file was refused, say.
                return template.format(*map(self.error, match.groups()))
        return message


@cache
def english() -> dict[str, str]:
    """Every translation, from all files."""
    known: dict[str, str] = {}
    for file in sorted(_FOLDER.glob("*.json")):
        if file.name != _ERRORS.name:
            known |= json.loads(file.read_text(encoding="utf-8"))
    return known


@cache
def error_patterns() -> list[tuple[re.Pattern[str], str]]:
    """(pattern of the Chinese sentence, English template), those with the most fixed words first."""
    known: dict[str, str] = json.loads(_ERRORS.read_text(encoding="utf-8"))
    ordered = sorted(known.items(), key=lambda item: -len(item[0].replace("{}", "")))
    return [(re.compile("(.*?)".join(map(re.escape, zh.split("{}"))), re.DOTALL), en) for zh, en in ordered]


CHINESE = Words("zh")
