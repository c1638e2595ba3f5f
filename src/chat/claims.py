"""A sentence of an answer as a claim, and how a piece of a passage bears it out.

In Chinese the subject stands first and what is said of it last, and no spaces part the words: so a claim is tiled with
the longest pieces that a text has in common with it, and rules look at what is left over and at where pieces lie.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from src.chat.numbers import canonical, values
from src.retrieval.terms import fold

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
# Denied or forbidden is what stands directly behind these: 不得(携)带, 严禁攀爬, 不能调休; but not behind 不仅, 不但.
_DENIED = re.compile(
    r"(?:不[得能可准许应宜会要必]|不允许|不可以|禁止|严禁|谢绝|拒绝|切勿|请勿|禁)[^，,；;：:。！？!?\n]{0,2}$|[不没未无非莫勿]$"
)
# What a number is not, if one of these stands before it: 超过两万 is not 两万.
_QUALIFIER = re.compile(r"(?:超过|逾|多于|大于|高于|不足|不到|少于|低于|小于|接近|近|至少|最多|至多)\s*$")
_CLAUSE_END = re.compile(r"[，,；;：:。！？!?\n]")
_SENTENCE_END = re.compile(r"[。！？!?\n]")
_LATIN = re.compile(r"[a-z][a-z0-9]+")
_WORD = re.compile(r"[^\W_]")
_GOES_ON = re.compile(r"[是被也又为称叫并还而更即]")
# 10号 and 10日 are the same day.
_DAY = re.compile(r"(?<=\d)号")


def plain(text: str) -> str:
    """What texts are compared by: one script, width and case, numbers in digits."""
    return _DAY.sub("日", canonical(fold(text)))


@dataclass(frozen=True)
class Piece:
    """text[start:end] of a claim, which stands in the other text at each of ``places``."""

    start: int
    end: int
    places: tuple[int, ...]


@dataclass(frozen=True)
class Claim:
    """What a sentence states, ``plain`` and without what leads into it; ``content`` are the places of its characters
    that carry meaning."""

    text: str
    content: tuple[int, ...]

    @classmethod
    def of(cls, sentence: str) -> "Claim":
        text = plain(_PRONOUN.sub("", _LEAD_IN.sub("", _LIST_MARK.sub("", fold(sentence)))))
        return cls(text, tuple(i for i, c in enumerate(text) if c not in _FUNCTION and _WORD.match(c)))

    @cached_property
    def numbers(self) -> set[float]:
        return values(self.text)

    @cached_property
    def latin(self) -> set[str]:
        return set(_LATIN.findall(self.text))

    def pieces(self, other: str) -> list[Piece]:
        """The longest pieces of two characters and more that stand in ``other``, from left to right."""
        found, position = [], 0
        while position < len(self.text):
            end = position + 1
            while end < len(self.text) and self.text[position : end + 1] in other:
                end += 1
            if end - position < 2:
                position += 1
                continue
            places = tuple(m.start() for m in re.finditer(re.escape(self.text[position:end]), other))
            found.append(Piece(position, end, places))
            position = end
        return found

    @cached_property
    def pairs(self) -> set[str]:
        """Neighbouring characters that both carry meaning."""
        return {self.text[i : j + 1] for i, j in pairwise(self.content) if j == i + 1}

    def new(self, question: str) -> tuple[int, ...]:
        """The places of what the question does not say."""
        said = {i for piece in self.pieces(question) for i in range(piece.start, piece.end)}
        return tuple(i for i in self.content if i not in said)


def contradicts(claim: Claim, evidence: str, pieces: list[Piece]) -> bool:
    """Whether the evidence says otherwise, or of another thing, though it has the same words."""
    return (
        not claim.numbers <= values(evidence)
        or not claim.latin <= set(_LATIN.findall(evidence))
        or any(not _holds_negation(rest, evidence) for rest in _negated(claim))
        or any(_is_negated(claim, piece, evidence) for piece in pieces)
        or any(_is_qualified(claim, piece, evidence) for piece in pieces)
        or any(_is_of_another(claim, one, other, evidence) for one, other in pairwise(pieces))
    )


def is_about(piece: Piece, evidence: str, asked: set[str]) -> bool:
    """Whether what is asked stands with the piece: in its clause or before it in the sentence, where the subject is;
    or behind it in a clause that has no subject of its own (鄱阳湖位于江西，是最大的淡水湖)."""
    return any(any(word in part for word in asked) for place in piece.places for part in _around(evidence, place))


def _around(text: str, place: int) -> list[str]:
    start = max((match.end() for match in _SENTENCE_END.finditer(text, 0, place)), default=0)
    last = _SENTENCE_END.search(text, place)
    clauses = _CLAUSE_END.split(text[place : last.start() if last else len(text)])
    return [text[start:place] + clauses[0], *(c for c in clauses[1:] if _GOES_ON.match(c))]


def _negated(claim: Claim) -> list[str]:
    """What stands behind each negation, to the end of its clause."""
    text = claim.text
    return [_CLAUSE_END.split(text[i + 1 :])[0] for i in claim.content if text[i] in _NEGATION]


def _holds_negation(negated: str, evidence: str) -> bool:
    """Whether the evidence negates the same: half of its character pairs behind a negation in one clause."""
    pairs = {negated[i : i + 2] for i in range(len(negated) - 1)} or {negated}
    rests = (
        clause[i + 1 :]
        for clause in _CLAUSE_END.split(evidence)
        for i, character in enumerate(clause)
        if character in _NEGATION
    )
    return any(2 * sum(pair in rest for pair in pairs) >= len(pairs) for rest in rests)


def _is_negated(claim: Claim, piece: Piece, evidence: str) -> bool:
    """Whether the evidence denies or forbids the piece wherever it stands, and the claim does not."""
    if _DENIED.search(claim.text[: piece.start]):
        return False
    return all(_DENIED.search(evidence[:place]) for place in piece.places)


def _is_qualified(claim: Claim, piece: Piece, evidence: str) -> bool:
    """Whether a number of the piece is 超过 or 不足 in the evidence and simply is in the claim."""
    for match in re.finditer(r"\d[\d.]*", claim.text[piece.start : piece.end]):
        if _QUALIFIER.search(claim.text[: piece.start + match.start()]):
            continue
        if all(_QUALIFIER.search(evidence[: place + match.start()]) for place in piece.places):
            return True
    return False


def _is_of_another(claim: Claim, one: Piece, other: Piece, evidence: str) -> bool:
    """北京大学的前身, where the evidence has 北京大学图书馆的前身: a longer name is another's."""
    if one.end != other.start or claim.text[other.start] != "的":
        return False
    gaps = [
        evidence[place + one.end - one.start : behind]
        for place in one.places
        for behind in other.places
        if 0 <= behind - place - (one.end - one.start) <= 8
    ]
    return bool(gaps) and all(gap and all(_WORD.match(c) for c in gap) for gap in gaps)
