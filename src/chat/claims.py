"""A sentence of an answer as a claim, and how a piece of a passage bears it out.

In Chinese the subject stands first and what is said of it last, and no spaces part the words: so a claim is tiled with
the longest pieces that a text has in common with it, and rules look at what is left over and at where pieces lie.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import pairwise, takewhile

from src.chat.numbers import canonical, values
from src.search.terms import fold

_LIST_MARK = re.compile(r"^\s*(?:[-*•·]|\d{1,2}[.、)）](?!\d)|[(（]\d{1,2}[)）])\s*")
_LEAD_IN = re.compile(
    r"^(?:(?:根据|按照|依据|从)[^，,：:。]{0,10}(?:资料|背景|信息|材料|内容|文本|描述)[^，,：:。]{0,6}[，,：:]"
    r"|(?:答案|答|回答)(?:是|为)?[：:]|答案[是为]|(?:因此|所以|总之|综上所述|是的|对的?|没错|好的|同时|此外|另外)[，,])\s*"
)
_PRONOUN = re.compile(
    r"^(?:它们?|[他她]们?|该[校市省国节地公产书人]\w?|这[是里些座所个种位条部]?|那[是里些座所个种位条部]?|其中?|此|主要)"
)
FUNCTION = frozenset("的了是在和与及为于由被把也都就而并或则之其该这那个位等以所着过又还将有从到对中上下里")
# Words that deny or forbid. Not 不仅, 不满十年, 无线, 非常, 紫禁城 …, which do neither.
_DENIAL = re.compile(
    r"不(?![仅但只光断久论管满到足同如妨愧惜料锈])|没(?!收)|未(?![来满名])|无(?![论线锡])|(?<=[并绝])非|[莫勿](?!高)"
    r"|(?<!紫)禁(?![城区毒军])|拒|谢绝|暂停|停止|取消|杜绝|避免|恕"
)
# What forbids all that stands before it in its clause: 吸烟是不允许的.
_DENIED_BEFORE = re.compile(r"(?:不[得能可准许行]|不允许|不可以|不被允许|不予|禁止|严禁|谢绝|拒绝)(?:的|了)?$")
# Another than the one behind it: 非工作人员.
_OTHER = "非"
_ALLOWED = re.compile("可以|能够|允许|准许|可(?!能)|(?<![可功性智])能(?![源力量])")
# Says whether it may be, not what; ``_differs_in_denial`` sees to it.
_MODAL = re.compile(
    "不需要|不得|不能|不可以?|不必|不允许|不准|不许|无[需须]|没有|禁止|严禁|可以|允许|应[当该]|必须|需要"
)
_SAYS_NOTHING = FUNCTION | frozenset("会得准应该须需要必")
# What a number is not, if one of these stands before it: 超过两万 is not 两万.
_BOUNDS = {
    1: ("超过|逾|多于|大于|高于|至少", "以上|以外|多|余"),
    -1: ("不足|不到|少于|低于|小于|接近|近|最多|至多", "以下|以内"),
}
_BEFORE, _BEHIND = (
    {
        sign: re.compile(rf"(?:{words[0]})\s*(?:[零0]下|负|-)?$" if first else rf"[^\d，,。]{{0,2}}?(?:{words[1]})")
        for sign, words in _BOUNDS.items()
    }
    for first in (True, False)
)
# 转弯时 limits what is said behind it.
_CONDITION = re.compile(r"[\u4e00-\u9fff](?!小)[\u4e00-\u9fff](?:时(?![间候期代刻])|期间)")
# 或, 及 go on with what is forbidden before: 不得携带食品，或在馆内吸烟.
_CLAUSE_END = re.compile(r"[，,；;。！？!?\n](?!\s*(?:或|以及|及|并))")
_SENTENCE_END = re.compile(r"[。！？!?\n]")
# ZK-880B, v1.5, qwen2.5-coder: a whole name each; another ending is another thing.
CODE = re.compile(r"(?<![a-z0-9])[a-z][a-z0-9]*(?:[-_.+][a-z0-9]+)*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_MEASURED = re.compile(r"(\d[\d.]*)([^\W\d])")
_DATE = re.compile(r"(?<!\d)(?:\d+年\d+月(?:\d+日)?|\d+月\d+日)")
_QUOTED = re.compile("[“《「『]([^”》」』]{2,})[”》」』]")
_WORD = re.compile(r"[^\W_]")
_TIME = re.compile(r"[\d年月日底初末前后以\s]+$")
_GOES_ON = re.compile(r"[是被也又为称叫并还而更即因所]")
# 10号 and 10日 are the same day.
_DAY = re.compile(r"(?<=\d)号")


def plain(text: str) -> str:
    """What texts are compared by: one script, width and case, numbers in digits."""
    return _DAY.sub("日", canonical(fold(text)))


def bare(sentence: str) -> str:
    """The sentence, plain, without list mark and lead-in."""
    return plain(_LEAD_IN.sub("", _LIST_MARK.sub("", fold(sentence))))


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
        text = _PRONOUN.sub("", bare(sentence))
        modal = {i for match in _MODAL.finditer(text) for i in range(*match.span())}
        return cls(
            text, tuple(i for i, c in enumerate(text) if c not in FUNCTION and i not in modal and _WORD.match(c))
        )

    @cached_property
    def numbers(self) -> set[Decimal]:
        return values(self.text)

    @cached_property
    def codes(self) -> set[str]:
        return codes(self.text)

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
        # The 20 of 2000 is not said by 2023.
        for number in re.finditer(r"\d[\d.]*", self.text):
            if not set(range(*number.span())) <= said:
                said.difference_update(range(*number.span()))
        return tuple(i for i in self.content if i not in said)


def codes(text: str) -> set[str]:
    """Latin words and model numbers of a plain text."""
    return set(CODE.findall(text))


def letters(text: str) -> str:
    """The text without spaces and punctuation."""
    return "".join(filter(str.isalnum, text))


def contradicts(claim: Claim, evidence: str, pieces: list[Piece]) -> bool:
    """Whether the evidence says otherwise, or of another thing, though it has the same words."""
    return (
        not _has_exact(claim, evidence)
        or _differs_in_denial(claim.text, evidence)
        or _differs_in_bound(claim, evidence)
        or _comes_before_its_condition(claim, pieces, evidence)
        or _is_of_the_clause_before(claim, pieces, evidence)
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
    if len(clauses) > 1 and _TIME.match(clauses[0]):  # 2022年10月3日，青溪线通车
        clauses[:2] = ["，".join(clauses[:2])]
    return [text[start:place] + clauses[0], *(c for c in clauses[1:] if _GOES_ON.match(c))]


def _has_exact(claim: Claim, evidence: str) -> bool:
    """Whether all that cannot be said in other words stands there: dates and what is in quotation marks."""
    dates = all(re.search(rf"(?<!\d){date}(?!\d)", evidence) for date in _DATE.findall(claim.text))
    return dates and all(letters(quoted) in letters(evidence) for quoted in _QUOTED.findall(claim.text))


def _differs_in_denial(claim: str, evidence: str) -> bool:
    """Whether one denies or forbids what the other does not.

    Each clause of the claim is laid over the clause of the evidence that has most of it, what is left over the next
    one. Then before a piece that both have, denials must stand in both or in neither.
    """
    there = _clauses(evidence)
    for clause in _clauses(claim):
        open_, seen = [clause.text], False
        for other in sorted(there, key=lambda c: -_weight(_common(clause.text, c.text))):
            pieces = [piece for part in open_ for piece in _common(part, other.text)]
            open_ = [rest for part in open_ for rest in _without(part, pieces)]
            for piece in pieces:
                theirs = other.denied(piece)
                seen = seen or (True, False) in theirs
                # What stands before its own denial may stand before theirs or behind: 严禁吸烟, 吸烟是不允许的.
                leads = bool(clause.denials) and clause.text.find(piece) < min(clause.denials)
                mine = clause.denied(piece) | ({(True, False)} if leads else set())
                if not mine & theirs:
                    return True
        if clause.denials and not seen:
            return True
    return False


@dataclass(frozen=True)
class _Clause:
    """Some words and where in them denials end."""

    text: str
    denials: tuple[int, ...]

    def denied(self, piece: str) -> set[tuple[bool, bool]]:
        """Whether a denial stands before the end of the piece and 非 directly before it, wherever it stands."""
        return {
            (self._is_denied(match.start(), match.end()), self.text[: match.start()].endswith(_OTHER))
            for match in re.finditer(re.escape(piece), self.text)
        }

    def _is_denied(self, start: int, end: int) -> bool:
        """Of 未戴安全帽者禁止入内 the 未 denies what stands before 者 only."""
        return any(denial <= end and "者" not in self.text[denial:start] for denial in self.denials)


def _clauses(text: str) -> list[_Clause]:
    made: list[_Clause] = []
    for words in _CLAUSE_END.split(text):
        before = _DENIED_BEFORE.search(words)
        if before and before.start() == 0 and made:  # 携带宠物的，谢绝
            made[-1] = _Clause(made[-1].text, (0,))
        # 可以 is in every sentence of this sort and shows nothing.
        words = _ALLOWED.sub("", words)
        made.append(_Clause(words, (0,) if before else tuple(m.end() for m in _DENIAL.finditer(words))))
    return made


def _common(text: str, other: str) -> list[str]:
    """The longest pieces that both have and that say more than 可以."""
    claim = Claim(text, ())
    found = (text[piece.start : piece.end] for piece in claim.pieces(other))
    return [piece for piece in found if not _SAYS_NOTHING.issuperset(piece)]


def _weight(pieces: list[str]) -> int:
    """How much they say: a Latin word as much as a Chinese one of two characters."""
    return len(re.sub(r"[!-~]+", "二字", "".join(pieces)))


def _without(text: str, pieces: list[str]) -> list[str]:
    return re.split("|".join(map(re.escape, pieces)), text) if pieces else [text]


def _differs_in_bound(claim: Claim, evidence: str) -> bool:
    """Whether a number is 超过 or 不足 in one and simply is in the other."""
    for match in _NUMBER.finditer(claim.text):
        there = {_bound(evidence, n) for n in _NUMBER.finditer(evidence) if n.group() == match.group()}
        if there and _bound(claim.text, match) not in there:
            return True
    return False


def _bound(text: str, number: re.Match[str]) -> int:
    """1 for 超过 and its like, -1 for 不足, 0 for the plain number."""
    before, start = text[: number.start()], number.end()
    return next((sign for sign in _BOUNDS if _BEFORE[sign].search(before) or _BEHIND[sign].match(text, start)), 0)


def _comes_before_its_condition(claim: Claim, pieces: list[Piece], evidence: str) -> bool:
    """Whether a number stands in a clause before the one that the claim limits it to: 五公里 in 限速五公里，转弯时三公里."""
    numbers = [piece for piece in pieces if _NUMBER.search(claim.text, piece.start, piece.end)]
    for condition in _CONDITION.findall(claim.text):
        place = evidence.find(condition)
        begin = max((start for start, _ in _clause_spans(evidence) if start <= place), default=0)
        if any(max(piece.places) < begin for piece in numbers):
            return True
    return False


def _is_of_the_clause_before(claim: Claim, pieces: list[Piece], evidence: str) -> bool:
    """Whether what is said stands in a clause before the one that begins with its subject, and both clauses are made
    alike: 二楼是阅览室, where 一楼是阅览室，二楼是书库."""
    theirs = _clause_spans(evidence)
    starts = {start for start, _ in _clause_spans(claim.text)}
    for number, first in enumerate(pieces):
        begun = [span for span in theirs if span[0] in first.places]
        if first.start not in starts or len(begun) < len(first.places):
            continue
        rest = takewhile(lambda piece: piece.start not in starts, pieces[number + 1 :])
        before = [
            span for piece in rest for span in theirs if span[0] <= max(piece.places) < span[1] <= begun[0][0]
        ]
        alike = _joints(evidence[slice(*begun[0])]) if begun else set()
        if any(alike & _joints(evidence[slice(*one)]) for one in before):
            return True
    return False


def _joints(text: str) -> set[str]:
    """Neighbouring characters of which one carries meaning, as 楼是 does."""
    return {one + other for one, other in pairwise(text) if not FUNCTION.issuperset((one, other))}


def _clause_spans(text: str) -> list[tuple[int, int]]:
    ends = [match.span() for match in _CLAUSE_END.finditer(text)]
    starts = [0, *(end for _, end in ends)]
    return list(zip(starts, [*(start for start, _ in ends), len(text)], strict=True))


def has_other_role(said: str, evidence: str) -> bool:
    """Whether another number in the same unit stands with more of what is said of one, the subject left out: 1406 is
    not when it was completed, where 1420年建成 is said."""
    for clause in _CLAUSE_END.split(said):
        pairs = {clause[i : i + 2] for i in range(len(clause) - 1) if not re.search(r"[\d\W]", clause[i : i + 2])}
        for number, unit in _MEASURED.findall(clause):
            shared = {True: -1, False: -1}
            for other in _CLAUSE_END.split(evidence):
                for it, its_unit in _MEASURED.findall(other):
                    if its_unit == unit:
                        same = it == number
                        shared[same] = max(shared[same], sum(pair in other for pair in pairs))
            if -1 < shared[True] < shared[False]:
                return True
    return False


def _is_of_another(claim: Claim, one: Piece, other: Piece, evidence: str) -> bool:
    """北京大学的前身, where the evidence has 北京大学图书馆的前身: a longer name is another's."""
    if one.end != other.start or claim.text[other.start] != "的" or claim.text[other.start - 1].isascii():
        return False
    gaps = [
        evidence[place + one.end - one.start : behind]
        for place in one.places
        for behind in other.places
        if 0 <= behind - place - (one.end - one.start) <= 8
    ]
    return bool(gaps) and all(gap and all(_WORD.match(c) for c in gap) for gap in gaps)
