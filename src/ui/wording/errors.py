"""Finished Chinese sentences with values in them, such as errors, in English.

``en/errors.json`` has whole sentences and ``en/error_parts.json`` what only stands inside one, each as a Chinese template
with ``{}`` for every value and an English one. In the English ``{}`` is the value as it is, a file's name, say,
``{:words}`` one that is made of words of ours, ``{:list}`` several of those, ``{:names}`` several as they are.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

_FOLDER = Path(__file__).parent / "en"
# Longer than any sentence of ours, which quote at most a few lines and names.
MAX_CHARS = 4000
# How deep sentences of ours stand in one another: no message, however it was made, leads further down.
MAX_DEPTH = 5
# Between the items of a list, and how English parts them.
_LISTS = (("；", "; "), ("、", ", "))

Kind = Literal["errors", "error_parts"]


def in_english(message: str) -> str:
    """The message in English; as it is where no template is known."""
    return message if len(message) > MAX_CHARS else _told(message, ("errors",), MAX_DEPTH) or message


@dataclass(frozen=True)
class Template:
    """A Chinese sentence as the words around its values, and its English form."""

    words: tuple[str, ...]
    english: str

    def values(self, text: str) -> list[str] | None:
        """What stands in ``text`` in the places of values; None where it was not made from this template.

        The first value is as long as it can be, because a file's name, which may hold any words, mostly stands first;
        the others are as short as they can be. Every piece of words is looked for twice at most, so the time is linear
        in the text.
        """
        first, *rest = self.words
        if not rest:
            return [] if text == first else None
        *between, last = rest
        end = len(text) - len(last)
        if end < len(first) or not text.startswith(first) or not text.endswith(last):
            return None
        start = end
        for words in reversed(between):
            start = text.rfind(words, len(first), start)
            if start < 0:
                return None
        found = [text[len(first) : start]]
        for number, words in enumerate(between, 1):
            start += len(words)
            stop = text.index(between[number], start) if number < len(between) else end
            found.append(text[start:stop])
            start = stop
        return found


@cache
def templates(kind: Kind) -> list[Template]:
    """Those with the most fixed words first: they say most exactly where a sentence comes from."""
    known: dict[str, str] = json.loads((_FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    ordered = sorted(known.items(), key=lambda item: -len(item[0].replace("{}", "")))
    return [Template(tuple(chinese.split("{}")), english) for chinese, english in ordered]


@dataclass(frozen=True)
class _Value:
    text: str
    depth: int

    def __format__(self, spec: str) -> str:
        if not spec or not self.depth:
            return self.text
        comma, between = next((pair for pair in _LISTS if spec != "words" and pair[0] in self.text), ("", ""))
        items = self.text.split(comma) if comma else [self.text]
        return between.join(item if spec == "names" else _words(item, self.depth) for item in items)


def _told(text: str, kinds: tuple[Kind, ...], depth: int) -> str | None:
    for kind in kinds:
        for template in templates(kind):
            if (values := template.values(text)) is not None:
                return template.english.format(*(_Value(value, depth - 1) for value in values))
    return None


def _words(text: str, depth: int) -> str:
    """A value that is a sentence of ours or a part of one."""
    return _told(text, ("errors", "error_parts"), depth) or text
