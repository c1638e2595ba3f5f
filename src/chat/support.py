"""Which passage carries which sentence of an answer, and where in it.

A sentence is compared with one or two neighbouring sentences of a passage at a time: over a whole passage chance
would cover much of anything. What it says beyond the question must stand there, with what was asked beside it;
numbers, names and negations must match (``claims.py``).

A sentence in English shares no words with a Chinese passage: ``_Abroad`` looks for its numbers and names there.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from src.chat.claims import Claim, Piece, contradicts, is_about, plain
from src.chat.numbers import values
from src.chat.question import is_latin, subject_of
from src.chat.types import Support
from src.knowledge.split import sentence_spans
from src.retrieval.types import Hit

# Cosine similarities of a text with each other text, float (texts,).
Similarity = Callable[[str, Sequence[str]], np.ndarray]
# Other wordings of a text, by known synonyms.
Variants = Callable[[str], Sequence[str]]

# Share of a sentence's content characters that the evidence has. Below MIN_COVERAGE the meaning must be close as well.
# Chosen on tests/data/judged_answers.jsonl; see NOTES.md.
MIN_COVERAGE = 0.6
MIN_COVERAGE_ALIKE = 0.4
ALIKE = 0.6
# The same of what the question does not say.
MIN_NEW = 0.6
# How much less of it a single sentence may have than the two together.
NARROWER = 0.1
# Shorter than this, a sentence says nothing without its question ("1927年。"), so the evidence must suit that too.
SHORT = 8
MIN_QUESTION = 0.3

_SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;]?")
# Of an English sentence that another follows; not of 2.0 or U.S.
_FULL_STOP = re.compile(r"(?<=[a-z0-9)\"”\u4e00-\u9fff]\.)\s+(?=[A-Z\"“])")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_NOT_WORD = re.compile(r"[\W_]+")
# Whoever answers these may repeat the question's words.
_POLAR = re.compile(r"吗|是否|是不是|有没有|能不能|会不会|可不可以|要不要|对不对")


def support_of(
    answer: str,
    hits: Sequence[Hit],
    question: str = "",
    similarity: Similarity | None = None,
    variants: Variants | None = None,
) -> tuple[Support, ...]:
    """Link each sentence of ``answer`` to the passage that carries it best, where one does.

    ``similarity`` compares meanings (without it a paraphrase needs more words in common), ``variants`` knows other
    words for the same (羊城, 广州).
    """
    variants = variants or (lambda _: ())
    abroad = _Abroad(hits, question, similarity, variants)
    finder = _Finder(hits, question, similarity, variants, abroad)
    return tuple(
        abroad.support(sentence) if abroad.is_for(sentence) else finder.support(sentence)
        for sentence in split_sentences(answer)
    )


def split_sentences(text: str) -> list[str]:
    """Sentences with their closing mark; pieces without a letter or digit are left out."""
    pieces = (piece for match in _SENTENCE.finditer(text) for piece in _FULL_STOP.split(match.group()))
    sentences = (piece.strip() for piece in pieces)
    return [sentence for sentence in sentences if _NOT_WORD.sub("", sentence)]


@dataclass(frozen=True)
class _Window:
    """One or two sentences of a passage: text[start:end] behind the passage's title, ``plain``.

    ``suits`` says in [0, 1] how well it suits the question.
    """

    rank: int
    start: int
    end: int
    text: str
    suits: float = 1.0

    def is_within(self, other: "_Window") -> bool:
        return self.rank == other.rank and other.start <= self.start and self.end <= other.end


@dataclass(frozen=True)
class _Found:
    window: _Window
    coverage: float

    @property
    def score(self) -> float:
        """Of several that say it the one that is about the question, then the shorter one."""
        return self.coverage + 0.2 * self.window.suits - 0.0001 * (self.window.end - self.window.start)


class _Finder:
    def __init__(
        self,
        hits: Sequence[Hit],
        question: str,
        similarity: Similarity | None,
        variants: Variants,
        abroad: "_Abroad",
    ) -> None:
        self._similarity, self._variants, self._abroad = similarity, variants, abroad
        wordings = [question, *variants(question)] if question else []
        self._question = "\n".join(map(plain, wordings))
        self._open = bool(question) and _POLAR.search(question) is None
        windows = [window for hit in hits for window in _windows(hit)]
        asked = [Claim.of(wording) for wording in wordings]
        suits = [max((_coverage(claim, w.text) for claim in asked), default=1.0) for w in windows]
        # A question in another language shares no words with any passage; only its meaning can be compared.
        self._foreign = (
            bool(question) and not _CHINESE.search(question) and any(_CHINESE.search(w.text) for w in windows)
        )
        if self._foreign:
            texts = [w.text for w in windows]
            suits = [float(s) for s in similarity(question, texts)] if similarity else [0.0] * len(texts)
        self._windows = [
            _Window(w.rank, w.start, w.end, w.text, suit) for w, suit in zip(windows, suits, strict=True)
        ]
        # Of another wording the whole name: 大学 of 北京大学 (for 北大) would let any 大学 pass.
        self._asked = asked[0].pairs.union(*(_names(asked[0].text, c.text) for c in asked[1:])) if asked else set()

    def support(self, sentence: str) -> Support:
        """The passage that carries ``sentence`` best; the score is the share of it that stands there."""
        claims = [Claim.of(wording) for wording in (sentence, *self._variants(sentence))]
        found = [f for claim in claims for window in self._windows if (f := self._carries(window, claim))]
        if not found:
            nearest = max((_coverage(claim, w.text) for claim in claims for w in self._windows), default=0.0)
            return Support(sentence, None, round(nearest, 4))
        best = max(found, key=lambda one: one.score)
        # Of a window of two sentences the one that carries it alone, where one does: the least text to be read.
        inside = [
            one for one in found if one.window.is_within(best.window) and one.coverage >= best.coverage - NARROWER
        ]
        window = min(inside, key=lambda one: one.window.end - one.window.start).window
        return Support(sentence, window.rank, round(best.coverage, 4), (window.start, window.end))

    def _carries(self, window: _Window, claim: Claim) -> _Found | None:
        pieces = claim.pieces(window.text)
        coverage = _share(claim.content, pieces)
        if (
            coverage < MIN_COVERAGE_ALIKE
            or (len(claim.content) < SHORT and window.suits < MIN_QUESTION)
            or not _covered(claim.content[:2], pieces)
            or contradicts(claim, window.text, pieces)
            or not self._says_something(window, claim, pieces)
            or (coverage < MIN_COVERAGE and not self._is_alike(claim, window))
        ):
            return None
        return _Found(window, coverage)

    def _says_something(self, window: _Window, claim: Claim, pieces: list[Piece]) -> bool:
        """Whether the window has what the claim ends with: what is said beyond the question, beside what was asked."""
        if not self._open:
            return bool(_covered(claim.content[-2:], pieces))
        new = claim.new(self._question)
        if not new or _share(new, pieces) < MIN_NEW or not _covered(new[-2:], pieces):
            return False
        if self._foreign:
            return self._abroad.names_subject(window.rank, window.start)
        fresh = [piece for piece in pieces if _covered(new, [piece])]
        apt = [piece for piece in fresh if is_about(piece, window.text, self._asked)]
        return 2 * len(_covered(new, apt)) >= len(_covered(new, fresh))

    def _is_alike(self, claim: Claim, window: _Window) -> bool:
        return self._similarity is not None and float(self._similarity(claim.text, [window.text])[0]) >= ALIKE


def _windows(hit: Hit) -> list[_Window]:
    text = hit.chunk.text
    spans = sentence_spans(text) or [(0, len(text))]
    pairs = [(spans[i][0], spans[i + 1][1]) for i in range(len(spans) - 1)]
    title = plain(hit.chunk.title)
    return [_Window(hit.rank, start, end, f"{title}，{plain(text[start:end])}") for start, end in (*spans, *pairs)]


def _names(text: str, other: str) -> set[str]:
    """The words that stand in ``other`` alone."""
    changes = SequenceMatcher(None, text, other, autojunk=False).get_opcodes()
    return {
        other[start:end] for _, _, _, start, end in changes if other[start:end] not in text and end - start >= 2
    }


def _covered(places: Sequence[int], pieces: Sequence[Piece]) -> list[int]:
    return [i for i in places if any(piece.start <= i < piece.end for piece in pieces)]


def _share(places: Sequence[int], pieces: Sequence[Piece]) -> float:
    return len(_covered(places, pieces)) / len(places) if places else 0.0


def _coverage(claim: Claim, text: str) -> float:
    return _share(claim.content, claim.pieces(text))


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


class _Abroad:
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

    def _evidence(self, hit: Hit, said: str, names: set[str], numbers: set[float]) -> tuple[int, int] | None:
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


def _numbers(text: str) -> set[float]:
    """In digits, as English words or months, but not of names and not in Chinese: 三 is part of many words."""
    counted = {
        float(count) for count, word in enumerate(_COUNTS, 2) if re.search(rf"\b{word}\b", text, re.IGNORECASE)
    }
    dated = {float(number) for number, month in enumerate(_MONTHS, 1) if re.search(rf"\b{month}\b", text)}
    return counted | dated | values(_NUMBERED.sub("", _HAN.sub("", text)))
