"""Support of English sentences by Chinese passages, which share no words."""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np

from src.chat.claims import plain
from src.chat.numbers import values
from src.chat.question import subject_of
from src.chat.question_english import is_latin
from src.chat.types import Support
from src.ingest.split import sentence_spans
from src.search.types import Hit

# Cosine similarities of a text with each other text, float (texts,).
Similarity = Callable[[str, Sequence[str]], np.ndarray]
# Other wordings of a text, by known synonyms.
Variants = Callable[[str], Sequence[str]]

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_WORDS = re.compile(r"[A-Za-z][a-z']+")
_HAN = re.compile(r"[\u4e00-\u9fff]{2,}")
_DIGITS = re.compile(r"\d[\d.,]*")
# v1.5 and 0.5B: part of a name, no number.
_NUMBERED = re.compile(r"[A-Za-z][A-Za-z0-9.-]*\d[A-Za-z0-9.-]*|\d[\d.]*[A-Za-z][A-Za-z0-9]*")
_CAPITAL = re.compile(r"[A-Z][\w-]+")
_LONG_WORDS = re.compile(r"\b[a-z]{4,}\b")
# Words of a sentence beyond its question that nothing in the passage can be held against: with more it may say anything.
MAX_UNCHECKED = 4
_UNCHANGING = frozenset(
    re.findall(
        r"\w+",
        "about approximately located called known with from that this which have been also their into "
        "kilometers kilometres meters metres",
    )
)
# Given as somebody's words, so every one of them is.
_QUOTED = re.compile(r"[\"“']([^\"“”']+)[\"”']")
_CLAUSE = re.compile(r"[^，；。！？：\n]+")
_COUNTS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_MONTHS = [
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]
_DENIES = re.compile(r"\b(?:not|no|never|without)\b|n't")
# Their answers are explanations, in which names and numbers that match say little.
_REASONS = re.compile(
    r"^\W*(?:why|how(?! (?:many|much|long|high|tall|far|old|big|large|deep|wide)\b))\b", re.IGNORECASE
)
_OPENERS = frozenset(["The", "It", "In", "They", "There", "This", "That", "Its", "He", "She", "At", "On", "An"])


class Abroad:
    """Support of English sentences by Chinese passages.

    What a sentence says beyond the question must be numbers or names, written as in the passage or known to
    ``variants``: no more can be compared. Of the passage's clauses that have digits, the one nearest in meaning must have
    the sentence's numbers: 1927 is in many a passage, but not where it is said when it was founded. Names must stand
    in one of its sentences. A sentence with many other words, or an explanation, is never supported.
    """

    def __init__(
        self, hits: Sequence[Hit], question: str, similarity: Similarity | None, variants: Variants
    ) -> None:
        self._similarity, self._variants = similarity, variants
        self._question = f"{question}\n{self._chinese(question)}"
        # The answer says what the largest lake is: then its name, which many a passage has, is all there is to go by.
        self._is_plain = _REASONS.match(question) is None and subject_of(question) is not None
        chinese = _HAN.findall(self._question)
        self._asked = {*chinese, *_CAPITAL.findall(question)[1:]}
        named = {hit: self._named(hit, len(hit.chunk.text)) for hit in hits}
        self._most = max(named.values(), default=0)
        # Where none names it, the best one, but only if the lexicon does not know what it would be called there.
        nameless = [] if chinese else hits[:1]
        self._hits = [hit for hit in hits if named[hit] == self._most] if self._most else nameless
        self._is_abroad = bool(hits) and all(_CHINESE.search(hit.chunk.text) for hit in hits)

    def is_for(self, sentence: str) -> bool:
        """Whether the sentence is in Latin letters and no passage is."""
        return self._is_abroad and is_latin(sentence)

    def suits(self, question: str, texts: Sequence[str]) -> list[float]:
        """How near each text is in meaning; 0 where that cannot be told."""
        return [float(s) for s in self._similarity(question, texts)] if self._similarity else [0.0] * len(texts)

    def names_subject(self, rank: int, start: int) -> bool:
        """Whether a passage has named what the question is about by the end of the sentence at ``start``: in Chinese
        the subject stands first."""
        for hit in self._hits:
            if hit.rank == rank:
                spans = sentence_spans(hit.chunk.text)
                end = next((end for _, end in spans if start < end), len(hit.chunk.text))
                return self._named(hit, end) == self._most
        return False

    def support(self, sentence: str) -> Support:
        """As ``_Finder.support``; the score is 1 or 0."""
        said = self._chinese(sentence)
        names = self._names(sentence, said)
        numbers = _numbers(sentence) - _numbers(self._question)
        unchecked = (
            set(_LONG_WORDS.findall(sentence)) - _UNCHANGING - set(_LONG_WORDS.findall(self._question.lower()))
        )
        may_be = self._is_plain and (names or numbers) and len(unchecked) <= MAX_UNCHECKED
        if self._similarity is None or not may_be:
            return Support(sentence, None, 0.0)
        for hit in self._hits:
            if (evidence := self._evidence(hit, said, names, numbers)) is not None:
                return Support(sentence, hit.rank, 1.0, evidence)
        return Support(sentence, None, 0.0)

    def _names(self, sentence: str, said: str) -> set[str]:
        """Names that the question does not have, as they would stand in a passage: Chinese words; Latin ones with a
        capital or a digit, where the lexicon knew none for them; and every word that is quoted."""
        quoted = " ".join(_QUOTED.findall(sentence))
        capital = [word for word in _CAPITAL.findall(sentence) if word not in {*_OPENERS, *_MONTHS}]
        numbered = [word.rstrip(".-") for word in _NUMBERED.findall(sentence)]
        latin = [*capital, *numbered, *_WORDS.findall(quoted)]
        left = [word.lower() for word in latin if word.lower() in said.lower()]
        return {word for word in [*_HAN.findall(said), *left] if word not in self._question.lower()}

    def _evidence(self, hit: Hit, said: str, names: set[str], numbers: set[Decimal]) -> tuple[int, int] | None:
        """The sentence of the passage that has the names and, where it is the nearest, the numbers."""
        text = hit.chunk.text
        spans = sentence_spans(text) or [(0, len(text))]
        if numbers:
            nearest = self._nearest_with_digits(text, said)
            if nearest is None or not numbers <= values(plain(text[slice(*nearest)])):
                return None
            spans = [(start, end) for start, end in spans if start <= nearest[0] < end]
        for start, end in spans:
            passage = f"{hit.chunk.title}，{text[start:end]}".lower()
            denied = _DENIES.search(said) is None or any(mark in passage for mark in "不没未无非")
            if denied and all(name in passage for name in names) and self.names_subject(hit.rank, start):
                return start, end
        return None

    def _nearest_with_digits(self, text: str, said: str) -> tuple[int, int] | None:
        clauses = [match for match in _CLAUSE.finditer(text) if _DIGITS.search(_NUMBERED.sub("", match.group()))]
        if not clauses or self._similarity is None:
            return None
        bare = _DIGITS.sub("", _NUMBERED.sub("", said))
        nearest = clauses[int(np.argmax(self._similarity(bare, [match.group() for match in clauses])))]
        return nearest.span()

    def _named(self, hit: Hit, end: int) -> int:
        """How much of what the question names stands in the passage before ``end``."""
        text = f"{hit.chunk.title}，{hit.chunk.text[:end]}"
        return sum(name in text for name in self._asked)

    def _chinese(self, text: str) -> str:
        """With every name that the lexicon knows in Chinese."""
        return next(iter(self._variants(text)), text)


def _numbers(text: str) -> set[Decimal]:
    """In digits, as English words or months, but not of names and not in Chinese: 三 is part of many words."""
    counted = {
        Decimal(count) for count, word in enumerate(_COUNTS, 2) if re.search(rf"\b{word}\b", text, re.IGNORECASE)
    }
    dated = {Decimal(number) for number, month in enumerate(_MONTHS, 1) if re.search(rf"\b{month}\b", text)}
    return counted | dated | values(_NUMBERED.sub("", _HAN.sub("", text)))
