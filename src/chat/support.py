"""Which passage carries which sentence of an answer, and where in it.

A sentence is compared with one or two neighbouring sentences of a passage at a time: over a whole passage chance
would cover much of anything. What it says beyond the question must stand there, with what was asked beside it;
numbers, dates and denials must match (``claims.py``), it must be told of the same thing (``subjects.py``), and a cell must
be of its row and column (``rows.py``). What compares or joins several things is taken apart (``comparisons.py``).

A sentence in English shares no words with a Chinese passage: ``Abroad`` looks for its numbers and names there.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from difflib import SequenceMatcher
from itertools import pairwise

from src.chat.abroad import Abroad, Similarity, Variants
from src.chat.claims import (
    FUNCTION,
    Claim,
    Piece,
    bare,
    codes,
    contradicts,
    has_other_role,
    is_about,
    letters,
    plain,
)
from src.chat.comparisons import each, is_compared
from src.chat.numbers import values
from src.chat.question_kinds import is_polar
from src.chat.rows import Row, fits, rows_of
from src.chat.subjects import PREDICATES, Name, is_self, is_told_of, stands_in, subject, word_set
from src.chat.types import Span, Support
from src.ingest.split import sentence_spans
from src.search.terms import without_question
from src.search.types import Hit
from src.search.vocabulary import cut

# Share of a sentence's content characters that the evidence has.
# Chosen on the first half of tests/data/judged_answers.jsonl; see NOTES.md.
MIN_COVERAGE = 0.6
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
_YEAR = re.compile(r"(?<!\d)[12]\d{3}(?=年)")
_ENDS = "。！？!?；; \n"
_PRONOUNS = frozenset("它他她")
# Fewer letters are no sentence that can be copied.
MIN_COPIED = 6
# Words that say nothing that evidence must have.
LIGHT = (
    FUNCTION
    | PREDICATES
    | word_set(
        "通过 来 之所以 是因为 因为 因此 所以 由于 主要 方法 优点 根据 资料 用 做 名 约 共 有 只 才 还 已 已经 进行 一个 一种 一些 这个 这些 这种 "
        "其中 以及 并且 而且 或者 就是 也是 为了 以便 如果 那么 时候 期间 之后 之前 以后 以前 后 前 时 内 间 此 每 各 等等 具体 目前 现在 当时 能够 "
        "应该 它 他 她 它们 他们 人 个 所 家 年 月 日 号 天 更 较 也 很"
    )
)
# Many a name begins with these: 南京 is not 南海.
_NAMING = frozenset("东西南北中上下大小新老高长海江河山湖金安平广")


def support_of(
    answer: str,
    hits: Sequence[Hit],
    question: str = "",
    similarity: Similarity | None = None,
    variants: Variants | None = None,
    span: Span | None = None,
) -> tuple[Support, ...]:
    """Link each sentence of ``answer`` to the passage that carries it best, where one does.

    ``similarity`` compares meanings (without it a paraphrase needs more words in common), ``variants`` knows other
    words for the same (羊城, 广州), ``span`` is what was read in answer to the question.
    """
    variants = variants or (lambda _: ())
    abroad = Abroad(hits, question, similarity, variants)
    finder = _Finder(hits, question, variants, abroad, span)
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
    """Evidence: one or two sentences of a passage or one row of a table, at text[start:end].

    Attributes:
        said: its words, ``plain``; of a row with the names of the columns.
        context: the same behind all that says what it is about: the title and, but for rows, what stands before it.
        head: what the title adds to ``said`` in ``text``.
        suits: how well it suits the question, in [0, 1].
    """

    rank: int
    start: int
    end: int
    title: str
    before: str
    said: str
    row: Row | None = None
    others: tuple[Row, ...] = ()
    suits: float = 1.0

    @property
    def text(self) -> str:
        return f"{self.title}，{self.said}"

    @property
    def context(self) -> str:
        return f"{self.title}，{self.before}{self.said}"

    def in_context(self, place: int) -> int:
        """Where a place of ``text`` is in ``context``."""
        return place + len(self.before) if place > len(self.title) else place

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


@dataclass(frozen=True)
class _Question:
    """The question in one wording: what it says, and what it is about."""

    text: str
    subject: Name | None
    years: frozenset[str]

    @classmethod
    def of(cls, wording: str) -> "_Question":
        text = plain(without_question(wording)).strip()
        return cls(text, subject(text), frozenset(_YEAR.findall(text)))


class _Finder:
    def __init__(
        self, hits: Sequence[Hit], question: str, variants: Variants, abroad: "Abroad", span: Span | None
    ) -> None:
        self._variants, self._abroad, self._span = variants, abroad, span
        wordings = [question, *variants(question)] if question else []
        self._asked_plain = plain(question)
        self._wordings = [_Question.of(wording) for wording in wordings]
        # Whoever answers yes or no may repeat the question's words.
        self._open = bool(question) and not is_polar(question)
        self._passages = [plain(f"{hit.chunk.title}，{hit.chunk.text}") for hit in hits]
        windows = [window for hit in hits for window in _windows(hit)]
        asked = [Claim.of(wording) for wording in wordings]
        # A question in another language shares no words with any passage; only its meaning can be compared.
        self._foreign = (
            bool(question) and not _CHINESE.search(question) and any(_CHINESE.search(w.said) for w in windows)
        )
        if self._foreign:
            suits = abroad.suits(question, [w.text for w in windows])
        else:
            suits = [max((_coverage(claim, w.text) for claim in asked), default=1.0) for w in windows]
        self._windows = [replace(w, suits=suit) for w, suit in zip(windows, suits, strict=True)]
        # Of another wording the whole name: 大学 of 北京大学 (for 北大) would let any 大学 pass.
        named = (_names(asked[0].text, c.text) for c in asked[1:])
        self._asked = asked[0].pairs.union(_PRONOUNS, *named) if asked else set()

    def support(self, sentence: str) -> Support:
        """The passage that carries ``sentence`` best; the score is the share of it that stands there."""
        found = self._found(sentence)
        if not found:
            claims = self._claims(sentence)
            nearest = max((_coverage(claim, w.text) for claim in claims for w in self._windows), default=0.0)
            return Support(sentence, None, round(nearest, 4))
        best = max(found, key=lambda one: one.score)
        # Of a window of two sentences the one that carries it alone, where one does: the least text to be read.
        inside = [
            one for one in found if one.window.is_within(best.window) and one.coverage >= best.coverage - NARROWER
        ]
        window = min(inside, key=lambda one: one.window.end - one.window.start).window
        return Support(sentence, window.rank, round(best.coverage, 4), (window.start, window.end))

    def _found(self, sentence: str) -> list[_Found]:
        if sentence.rstrip().endswith(("?", "？")):
            return []
        copied = [_Found(window, 1.0) for window in self._windows if self._is_copied(sentence, window)]
        if copied:
            return copied
        claims = self._claims(sentence)
        if is_compared(claims[0].text, self._passages) is False:
            return []
        parts = each(claims[0].text)
        if parts:
            of_parts = [self._carried(self._claims(part)) for part in parts]
            return of_parts[0] if all(of_parts) else []
        return self._carried(claims)

    def _carried(self, claims: Sequence[Claim]) -> list[_Found]:
        return [f for claim in claims for window in self._windows if (f := self._carries(window, claim))]

    def _claims(self, sentence: str) -> list[Claim]:
        return [Claim.of(wording) for wording in (sentence, *self._variants(sentence))]

    def _is_copied(self, sentence: str, window: _Window) -> bool:
        """Whether it is a sentence of the passage or all its first clauses, word for word."""
        said, whole = plain(window.said).lstrip(), bare(sentence).rstrip(_ENDS)
        thing, _, behind = whole.partition(":")  # 听松旅馆：双人间每晚二百六十元
        name, place = subject(thing), len(window.context) - len(window.said)
        told = name is not None and thing in window.context and is_told_of(name, place, window.context, thing)
        return any(
            len(letters(words)) >= MIN_COPIED
            and letters(words) not in letters(self._asked_plain)
            and said.startswith(words)
            and not said[len(words) : len(words) + 1].isalnum()
            for words in (whole, behind if told else "")
        )

    def _carries(self, window: _Window, claim: Claim) -> _Found | None:
        pieces = claim.pieces(window.text)
        coverage = _share(claim.content, pieces)
        unlike = coverage < MIN_COVERAGE or (len(claim.content) < SHORT and window.suits < MIN_QUESTION)
        if (
            (unlike and not self._is_read(window, claim))
            or contradicts(claim, window.text, pieces)
            or not claim.codes <= codes(window.context)
            or not self._has_numbers(window, claim, pieces)
            or not self._says_something(window, claim, pieces)
            or not self._is_same_thing(window, claim, pieces)
            or (window.row is not None and not fits(window.row, window.others, claim.text, self._asked_plain))
        ):
            return None
        return _Found(window, coverage)

    def _is_read(self, window: _Window, claim: Claim) -> bool:
        """Whether it gives what was read there in the question's own words: 西安古时候叫长安, where 古称长安 was read."""
        span = self._span
        if span is None or span.rank != window.rank or not window.start <= span.start < span.end <= window.end:
            return False
        new = claim.new(self._asked_plain)
        return bool(new) and new == tuple(_covered(new, claim.pieces(plain(span.text))))

    def _has_numbers(self, window: _Window, claim: Claim, pieces: list[Piece]) -> bool:
        """Whether all its numbers stand there; years, and those of the question if it has none, may stand before, and
        what it says must be told of them."""
        said = set(_YEAR.findall(claim.text))
        years = said or (self._wordings[0].years if self._wordings else set())
        there = set(_YEAR.findall(window.context))
        if not years <= there or not claim.numbers - {Decimal(year) for year in said} <= values(window.text):
            return False
        if window.row is not None:
            return True
        new = claim.new(self._asked_plain) or claim.content
        ends = [[window.in_context(p) + x.end - x.start for p in x.places] for x in pieces if _covered(new, [x])]
        return not years or all(any(_last_year(window.context, end) in years for end in places) for places in ends)

    def _says_something(self, window: _Window, claim: Claim, pieces: list[Piece]) -> bool:
        """Whether the window has every word that is said beyond the question, beside what was asked."""
        new = claim.new(self._asked_plain) if self._open else claim.content
        if not new or not _has_words(claim, new, pieces, window):
            return False
        if not self._open:
            return True
        if self._foreign:
            return self._abroad.names_subject(window.rank, window.start)
        fresh = [piece for piece in pieces if _covered(new, [piece])]
        apt = [piece for piece in fresh if is_about(piece, window.text, self._asked)]
        return 2 * len(_covered(new, apt)) >= len(_covered(new, fresh))

    def _is_same_thing(self, window: _Window, claim: Claim, pieces: list[Piece]) -> bool:
        """Whether it is told there of the thing that the sentence is about, and the question, if the sentence names none."""
        mine = subject(claim.text)
        said = f"{claim.text}\n{self._asked_plain}"
        if has_other_role(claim.text.replace(mine.text, "") if mine else claim.text, window.text):
            return False
        if mine is not None and not is_self(mine) and not self._is_told(window, claim, pieces, mine, said):
            return False
        wordings = [w for w in self._wordings if w.subject is not None]
        if self._foreign or not wordings or any(w.subject.text in claim.text for w in wordings if w.subject):
            return True
        if mine is not None and (mine.kind or not (is_self(mine) or mine.text in self._asked_plain)):
            return True
        return any(
            self._is_told(window, claim, pieces, w.subject, f"{said}\n{w.text}") for w in wordings if w.subject
        )

    def _is_told(self, window: _Window, claim: Claim, pieces: list[Piece], name: Name, said: str) -> bool:
        context = window.context
        if not stands_in(name, context, said):
            return False
        if window.row is not None:
            return True
        new = claim.new(self._asked_plain) or claim.content
        return all(
            any(is_told_of(name, window.in_context(place), context, said) for place in piece.places)
            for piece in pieces
            if _covered(new, [piece])
        )


def _last_year(text: str, end: int) -> str | None:
    """The year that is named last before ``end``; else the first one behind it."""
    before, behind = _YEAR.findall(text, 0, end + 1), _YEAR.findall(text, end)
    return next(iter(before[-1:] + behind[:1]), None)


def _has_words(claim: Claim, places: Sequence[int], pieces: Sequence[Piece], window: _Window) -> bool:
    """Whether the window has each word of the claim at ``places``, or one that begins alike (制作, 制成)."""
    text = window.text
    covered = set(_covered(places, pieces))
    start = 0
    for word in cut(claim.text):
        start = claim.text.index(word, start)
        inside = [i for i in range(start, start + len(word)) if i in places]
        start += len(word)
        if not inside or covered.issuperset(inside) or word in LIGHT or word in text:
            continue
        # Cells often leave out their unit.
        if window.row is not None and len(word) == 1 and claim.text[start - 2 : start - 1].isdigit():
            continue
        if len(word) < 2 or word[0] in _NAMING or word[0] not in text:
            return False
    return True


def _windows(hit: Hit) -> list[_Window]:
    text, title = hit.chunk.text, plain(hit.chunk.title)
    rows = rows_of(text)
    made = [
        _Window(hit.rank, row.start, row.end, title, "", row.text, row, tuple(r for r in rows if r is not row))
        for row in rows
    ]
    spans = [
        span
        for span in sentence_spans(text) or [(0, len(text))]
        if not any(row.start <= span[0] < row.end for row in rows)
    ]
    pairs = [(one[0], other[1]) for one, other in pairwise(spans) if one[1] == other[0]]
    return made + [
        _Window(hit.rank, start, end, title, plain(text[:start]), plain(text[start:end]))
        for start, end in (*spans, *pairs)
    ]


def _names(text: str, other: str) -> set[str]:
    """The words that stand in ``other`` alone."""
    changes = SequenceMatcher(None, text, other, autojunk=False).get_opcodes()
    words = (other[start:end].strip() for _, _, _, start, end in changes)
    return {word for word in words if word not in text and len(word) >= 2}


def _covered(places: Sequence[int], pieces: Sequence[Piece]) -> list[int]:
    return [i for i in places if any(piece.start <= i < piece.end for piece in pieces)]


def _share(places: Sequence[int], pieces: Sequence[Piece]) -> float:
    return len(_covered(places, pieces)) / len(places) if places else 0.0


def _coverage(claim: Claim, text: str) -> float:
    return _share(claim.content, claim.pieces(text))
