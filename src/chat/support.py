"""Which passage carries which sentence of an answer, and where in it.

A sentence is compared with one or two neighbouring sentences of a passage at a time: over a whole passage chance
would cover much of anything. Some things must match whatever else does: numbers, Latin words, a negation, and both
ends of the sentence, because in Chinese that is where the subject and what is said of it stand.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from src.chat.numbers import canonical, values
from src.chat.types import Support
from src.knowledge.split import sentence_spans
from src.retrieval.terms import fold
from src.retrieval.types import Hit

# Cosine similarities of a sentence with each text, float (texts,).
Similarity = Callable[[str, Sequence[str]], np.ndarray]

# Share of a sentence's content characters that the evidence has, in pieces of two and more. Below MIN_COVERAGE the
# meaning must be close as well. Chosen on tests/data/judged_answers.jsonl; see NOTES.md.
MIN_COVERAGE = 0.6
MIN_COVERAGE_ALIKE = 0.4
ALIKE = 0.6
# Shorter than this, a sentence says nothing without its question ("1927年。"), so the evidence must suit that too.
SHORT = 8
MIN_QUESTION_COVERAGE = 0.3

_SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;]?")
_LIST_MARK = re.compile(r"^\s*(?:[-*•·]|\d{1,2}[.、)）](?!\d)|[(（]\d{1,2}[)）])\s*")
_LEAD_IN = re.compile(
    r"^(?:(?:根据|按照|依据|从)[^，,：:。]{0,10}(?:资料|背景|信息|材料|内容|文本|描述)[^，,：:。]{0,6}[，,：:]"
    r"|(?:答案|答|回答)(?:是|为)?[：:]|答案[是为]|(?:因此|所以|总之|综上所述|是的|对的?|没错|好的|同时|此外|另外)[，,])\s*"
)
_PRONOUN = re.compile(
    r"^(?:它们?|[他她]们?|该[校市省国节地公产书人]\w?|这[是里些座所个种位条部]?|那[是里些座所个种位条部]?|其中?|此|主要)"
)
_FUNCTION = frozenset("的了是在和与及为于由被把也都就而并或则之其该这那个位等以所着过又还将有从到对中上下里")
_NEGATION = frozenset("不没未无非莫勿")
_LATIN = re.compile(r"[a-z][a-z0-9]+")
_CLAUSE_END = re.compile(r"[，,；;：:。！？!?\n]")
_NOT_WORD = re.compile(r"[\W_]+")


def support_of(
    answer: str, hits: Sequence[Hit], question: str = "", similarity: Similarity | None = None
) -> tuple[Support, ...]:
    """Link each sentence of ``answer`` to the passage that carries it best, where one does.

    ``similarity`` compares meanings; without it a paraphrase needs more words in common.
    """
    windows = [window for hit in hits for window in _windows(hit)]
    asked = _Claim.of(question)
    about = {window: asked.alignment(window.text).coverage for window in windows} if question else {}
    return tuple(_support(sentence, windows, about, similarity) for sentence in split_sentences(answer))


def split_sentences(text: str) -> list[str]:
    """Sentences with their closing mark; pieces without a letter or digit are left out."""
    sentences = (match.group().strip() for match in _SENTENCE.finditer(text))
    return [sentence for sentence in sentences if _NOT_WORD.sub("", sentence)]


@dataclass(frozen=True)
class _Window:
    """One or two sentences of a passage: text[start:end], folded, and the passage's title before them."""

    rank: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class _Alignment:
    """``covered`` says of each content character of a claim whether the window has it."""

    coverage: float
    covered: tuple[bool, ...]
    contradicted: bool


@dataclass(frozen=True)
class _Claim:
    """What a sentence states, folded, without what leads into it."""

    text: str
    content: tuple[int, ...]

    @classmethod
    def of(cls, sentence: str) -> "_Claim":
        text = _LIST_MARK.sub("", fold(sentence))
        text = canonical(_PRONOUN.sub("", _LEAD_IN.sub("", text)))
        content = tuple(
            i for i, character in enumerate(text) if character not in _FUNCTION and not _NOT_WORD.match(character)
        )
        return cls(text, content)

    def alignment(self, window: str) -> _Alignment:
        """Tile the claim with the longest pieces that stand in the window."""
        covered = [False] * len(self.text)
        contradicted = not all(_holds_negation(rest, window) for rest in self._negated())
        position = 0
        while position < len(self.text):
            end = position + 1
            while end < len(self.text) and self.text[position : end + 1] in window:
                end += 1
            if end - position >= 2:
                covered[position:end] = [True] * (end - position)
                contradicted = contradicted or self._lacks_negation(position, end, window)
                position = end
            else:
                position += 1
        marks = tuple(covered[i] for i in self.content)
        return _Alignment(sum(marks) / len(marks) if marks else 0.0, marks, contradicted)

    def _negated(self) -> list[str]:
        """What stands behind each negation, to the end of its clause."""
        return [_CLAUSE_END.split(self.text[i + 1 :])[0] for i in self.content if self.text[i] in _NEGATION]

    def _lacks_negation(self, start: int, end: int, window: str) -> bool:
        """Whether the window says 不 before this piece wherever it stands, and the claim does not."""
        if start and self.text[start - 1] in _NEGATION:
            return False
        places = [match.start() for match in re.finditer(re.escape(self.text[start:end]), window)]
        return all(place and window[place - 1] in _NEGATION for place in places)


def _holds_negation(negated: str, window: str) -> bool:
    """Whether the window negates the same: half of its character pairs behind a negation in one clause."""
    pairs = {negated[i : i + 2] for i in range(len(negated) - 1)} or {negated}
    rests = (
        clause[i + 1 :]
        for clause in _CLAUSE_END.split(window)
        for i, character in enumerate(clause)
        if character in _NEGATION
    )
    return any(2 * sum(pair in rest for pair in pairs) >= len(pairs) for rest in rests)


def _windows(hit: Hit) -> list[_Window]:
    text = hit.chunk.text
    spans = sentence_spans(text) or [(0, len(text))]
    pairs = [(spans[i][0], spans[i + 1][1]) for i in range(len(spans) - 1)]
    title = fold(hit.chunk.title)
    return [
        _Window(hit.rank, start, end, f"{title}\n{canonical(fold(text[start:end]))}")
        for start, end in (*spans, *pairs)
    ]


def _support(
    sentence: str, windows: Sequence[_Window], about: dict[_Window, float], similarity: Similarity | None
) -> Support:
    claim = _Claim.of(sentence)
    numbers, words = values(claim.text), set(_LATIN.findall(claim.text))
    best, best_score = None, 0.0
    nearest = 0.0
    for window in windows:
        alignment = claim.alignment(window.text)
        nearest = max(nearest, alignment.coverage)
        if (
            alignment.coverage < MIN_COVERAGE_ALIKE
            or alignment.contradicted
            or not numbers <= values(window.text)
            or not words <= set(_LATIN.findall(window.text))
            or not _has_ends(alignment.covered)
        ):
            continue
        suits = about.get(window, 1.0)
        if len(claim.content) < SHORT and suits < MIN_QUESTION_COVERAGE:
            continue
        if alignment.coverage < MIN_COVERAGE and not _is_alike(claim.text, window.text, similarity):
            continue
        # Of several that say it the one that is about the question, then the shorter one.
        score = alignment.coverage + 0.2 * suits - 0.0001 * (window.end - window.start)
        if score > best_score:
            best, best_score, nearest_best = window, score, alignment.coverage
    if best is None:
        return Support(sentence, None, round(nearest, 4))
    return Support(sentence, best.rank, round(nearest_best, 4), (best.start, best.end))


def _has_ends(covered: Sequence[bool]) -> bool:
    return bool(covered) and any(covered[:2]) and any(covered[-2:])


def _is_alike(claim: str, window: str, similarity: Similarity | None) -> bool:
    return similarity is not None and float(similarity(claim, [window])[0]) >= ALIKE
