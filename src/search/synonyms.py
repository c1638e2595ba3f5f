"""Other wordings of a question: aliases, abbreviations and synonyms from a plain-text lexicon."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from src.search.terms import fold, without_question
from src.search.vocabulary import straddles

LEXICON = Path(__file__).with_name("synonyms.txt")
# Each costs one more lexical search.
MAX_VARIANTS = 3
# An alias is nearly as good as the word itself, and never better where the word itself is there.
DISCOUNT = 0.95
# What a passage gets for the question as asked where it only seems to have the short name of a university.
MISREAD = 0.7

# 穗 alone is Guangzhou, the 穗 of 麦穗 is not: what may stand beside a one-character alias.
_BESIDE = frozenset(" 的是在和与及或有指叫称赴来去到抵离驻至由从往于“”\"'《》（）(),.?!;:、。[]【】「」")


class Lexicon:
    """Groups of words that stand for each other. Immutable, so any number of threads may use it."""

    def __init__(self, groups: Sequence[Sequence[str]], whole: Sequence[str] = ()) -> None:
        """``groups``: the usual name first. ``whole``: words inside which no alias is to be seen."""
        self._others: dict[str, list[str]] = {word: [] for word in map(fold, whole)}
        self._usual: dict[str, str] = {}
        for group in groups:
            folded = [fold(word) for word in group]
            for word in folded:
                # A wording that contains the word (元宵节, 元宵) is found by the word itself.
                others = [other for other in folded if word not in other and len(other) > 1]
                self._others[word] = list(dict.fromkeys([*self._others.get(word, []), *others]))
                if folded[0] in others:
                    self._usual.setdefault(word, folded[0])
        # The longest word first: at 东北大学 nothing shorter is tried.
        words = sorted(self._others, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_as_pattern, words))) if words else None

    @classmethod
    def parse(cls, text: str) -> "Lexicon":
        """Groups one a line, words apart by spaces (``_`` is a space in a word); ``!`` begins a line of whole words,
        ``#`` a comment."""
        lines = [
            [word.replace("_", " ") for word in line.split()]
            for line in text.splitlines()
            if line.strip() and not line.startswith("#")
        ]
        groups = [line for line in lines if line[0] != "!"]
        return cls(groups, [word for line in lines if line[0] == "!" for word in line[1:]])

    def wordings(self, query: str) -> list[tuple[str, float]]:
        """The question itself, then its variants, each with the factor that its scores get: 1 or ``DISCOUNT``."""
        return [(query, 1.0), *((variant, DISCOUNT) for variant in self.variants(query))]

    def misread(self, query: str) -> re.Pattern[str] | None:
        """Finds, in folded text, a university's short name of the question inside another's full name.

        The 北大 of 河北大学 is not what 北大 asks for. None: the question has no such name.
        """
        found = [match.group() for match in self._found(without_question(query))]
        names = [word for word in found if word.endswith("大") and self._usual.get(word, "").endswith("大学")]
        return re.compile("|".join(rf"{re.escape(name)}学" for name in names)) if names else None

    def variants(self, query: str) -> list[str]:
        """At most ``MAX_VARIANTS`` other wordings, folded and without question phrases; [] where there is none.

        The first has every alias replaced by its usual name, the others replace one alias each.
        """
        text = without_question(query)
        found = self._found(text)
        first = text
        for match in reversed(found):
            first = _replaced(first, match, self._usual.get(match.group(), match.group()))
        each = [
            _replaced(text, match, self._others[match.group()][number])
            for number in range(MAX_VARIANTS)
            for match in found
            if number < len(self._others[match.group()])
        ]
        return [variant for variant in dict.fromkeys([first, *each]) if variant != text][:MAX_VARIANTS]

    def _found(self, text: str) -> list[re.Match[str]]:
        if self._pattern is None:
            return []
        return [match for match in self._pattern.finditer(text) if self._stands_alone(match)]

    @staticmethod
    def _stands_alone(match: re.Match[str]) -> bool:
        if len(match.group()) > 1:
            return match.group().isascii() or not straddles(match.string, *match.span())
        before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
        return (not before or before in _BESIDE) and (not after or after in _BESIDE)


@cache
def default_lexicon() -> Lexicon:
    """The lexicon of this package; some ten milliseconds, once."""
    return Lexicon.parse(LEXICON.read_text("utf-8"))


def _as_pattern(word: str) -> str:
    """A Latin word only whole: the AI of RAIN is none."""
    return rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])" if word.isascii() else re.escape(word)


def _replaced(text: str, match: re.Match[str], word: str) -> str:
    return text[: match.start()] + word + text[match.end() :]
