"""Which passage carries which sentence of an answer, and where in it.

A sentence is compared with one or two neighbouring sentences of a passage at a time: over a whole passage chance
would cover much of anything. What it says beyond the question must stand there, with what was asked beside it;
numbers, names and negations must match (``claims.py``).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from src.chat.claims import Claim, Piece, contradicts, is_about, plain
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
    finder = _Finder(hits, question, similarity, variants or (lambda _: ()))
    return tuple(finder.support(sentence) for sentence in split_sentences(answer))


def split_sentences(text: str) -> list[str]:
    """Sentences with their closing mark; pieces without a letter or digit are left out."""
    sentences = (match.group().strip() for match in _SENTENCE.finditer(text))
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
        self, hits: Sequence[Hit], question: str, similarity: Similarity | None, variants: Variants
    ) -> None:
        self._similarity, self._variants = similarity, variants
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
            return True
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
