"""Finished Chinese sentences with values in them, such as errors, in English.

``en/errors.json`` has whole sentences and ``en/error_parts.json`` what only stands inside one, each as a Chinese template
with ``{}`` for every value and an English one. In the English ``{}`` is the value as it is, a file's name, say,
``{:words}`` one that is made of words of ours, ``{:list}`` several of those, ``{:names}`` several as they are.
"""

import json
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path

_FOLDER = Path(__file__).parent / "en"
# Longer than any sentence of ours, which quote at most a few lines and names.
MAX_CHARS = 4000
# How deep sentences of ours stand in one another: no message, however it was made, leads further down.
MAX_DEPTH = 5
# Between the items of a list, and how English parts them.
_LISTS = (("；", "; "), ("、", ", "))


def in_english(message: str) -> str:
    """The message in English; as it is where no template is known."""
    return message if len(message) > MAX_CHARS else _told(message, ("errors",), MAX_DEPTH)


def values(words: list[str], text: str) -> list[str] | None:
    """The values between the words of a template that ``text`` was made from; None where it was not.

    The first value is as long as it can be, because a file's name, which may hold any words, mostly stands first;
    the others are as short as they can be. All words are looked for twice at most: the time is linear in the text.
    """
    first, *between = words
    if not between:
        return [] if text == first else None
    last = between.pop()
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return None
    rest = text[len(first) : len(text) - len(last)]
    start = len(rest)
    for piece in reversed(between):
        start = rest.rfind(piece, 0, start)
        if start < 0:
            return None
    found, rest = [rest[:start]], rest[start:]
    for piece, after in zip_longest(between, between[1:]):
        rest = rest.removeprefix(piece)
        stop = len(rest) if after is None else rest.index(after)
        found.append(rest[:stop])
        rest = rest[stop:]
    return found


@cache
def _templates(kind: str) -> list[tuple[list[str], str]]:
    """Words and English, those with the most words first: they say most exactly where a sentence comes from."""
    known: dict[str, str] = json.loads((_FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    split = [(chinese.split("{}"), english) for chinese, english in known.items()]
    return sorted(split, key=lambda template: -len("".join(template[0])))


@dataclass(frozen=True)
class _Value:
    text: str
    depth: int

    def __format__(self, spec: str) -> str:
        if not spec or not self.depth:
            return self.text
        comma, between = next((pair for pair in _LISTS if spec != "words" and pair[0] in self.text), ("", ""))
        items = self.text.split(comma) if comma else [self.text]
        told = items if spec == "names" else [_told(item, ("errors", "error_parts"), self.depth) for item in items]
        return between.join(told)


def _told(text: str, kinds: tuple[str, ...], depth: int) -> str:
    for words, english in (template for kind in kinds for template in _templates(kind)):
        if (found := values(words, text)) is not None:
            return english.format(*(_Value(value, depth - 1) for value in found))
    return text
