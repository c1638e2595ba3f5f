"""Texts and questions to index terms."""

import re
import unicodedata
from collections.abc import Iterator

from src.search.dates import DAY, Dated, dated
from src.search.script import simplified

# Scripts written without spaces: each character is a term, and each pair of neighbours.
_UNSPACED = "\u3005-\u3007\u3040-\u30ff\u3105-\u312f\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_UNSPACED}]+|\d+(?:\.\d+)+|(?:(?![{_UNSPACED}])[^\W_])+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")

# Matched after folding, so in simplified script only. 几 and 何 are cut only before what they ask for: 几内亚 and
# 何其芳 are names.
_UNITS = "年月日天个位岁次种条座所名部间项届人国省市点米元张"
_QUESTION = re.compile(
    "(?:都|有)?发生(?:了|过|的)?(?:什么|哪些|甚么|啥)(?:大|重要)?(?:事情|事件|事)?|请问一下|请问|请?(?:详细|简[单要])?(?:介绍一?下|讲讲|说说|谈谈|聊聊)|请?告诉我|是?(?:啥|什么)时候|什么是|是?什么|甚么|是?啥|"
    f"是谁|谁是|谁|(?:是|在)?哪(?:里|儿|一?[{_UNITS}]|些|一|家)?|"
    "为[什甚]么|为[何啥]|如何|怎么样|怎样|怎么|咋|"
    f"何时|何地|何人|何种|何处|多少|几[{_UNITS}]|多长|多大|多高|多久|多远|吗|呢"
)
# What an English question is made of besides its subject; 什么 would be among them.
_ENGLISH = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by called can could did do does for from had has have how i in is it its "
        "kind many me much name named of on or please tell than that the their there they this to used "
        "was were what when where which who whom whose why will with would you ",
    )
)
# What stands in quotation or title marks is a name, whatever it looks like.
_QUOTED = re.compile('《[^》]*》|〈[^〉]*〉|“[^”]*”|「[^」]*」|『[^』]*』|"[^"]*"')
# Alone, these say nothing about a passage; highlighting them would light up every line.
FUNCTION = frozenset("的了是在和与與及或有为為以其之而于於就也都被把让讓对對从從到个個等这這那不一中上下")

_MODEL = re.compile(r"(?<![a-z0-9-])[a-z][a-z0-9]*(?:-[a-z0-9]+)*?-\d[a-z0-9]*(?![a-z0-9])")
_BORDER = re.compile(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])")

# Shorter ones are mostly names (GAS, iOS); is, us and ss end words that are no plural.
MIN_STEMMED = 4
_NO_PLURAL = ("ss", "us", "is", "oes", "ees", "aes")

# Of these, the ones that are hardly ever part of a longer word, as 都 is of 首都.
_PARTICLES = frozenset("的了是在之于与及也被把")


def text_terms(text: str) -> list[str]:
    """Every term of a passage, repeated as often as it occurs, in reading order."""
    return [term for term, _, _ in _terms(dated(fold(text)))]


def query_terms(query: str) -> list[str]:
    """The distinct terms of a question without its question phrases, or with them if nothing else is there."""
    stripped = dated(without_question(query))
    terms = list(dict.fromkeys(term for term, _, _ in _terms(stripped)))
    # Two such words make an English sentence; one alone may be a name (IT, The Who) in a Chinese one.
    if sum(term in _ENGLISH for term in terms) > 1:
        terms = [term for term in terms if term not in _ENGLISH] or terms
    return terms or list(dict.fromkeys(text_terms(query)))


def without_question(query: str) -> str:
    """The folded question, a blank in place of each question phrase outside quotation marks."""
    return _without_question(fold(query))


def is_unspaced(term: str) -> bool:
    """Whether it is of a script written without spaces."""
    return bool(_IS_UNSPACED.match(term))


def is_content(term: str) -> bool:
    """A word, or a pair of characters of which neither is a particle: what a question is about."""
    return len(term) > 1 and _PARTICLES.isdisjoint(term)


def matched_terms(query: str, text: str) -> list[str]:
    """Substrings of ``text`` (as written there) that share terms with ``query``, each once, in reading order.

    Pairs of characters and whole words count, and overlapping ones are joined; a single character counts
    where no pair covers it and it is not a function word.
    """
    wanted = set(query_terms(query))
    parts = [fold(character) for character in text]
    origins = [place for place, part in enumerate(parts) for _ in part]
    read = Dated("".join(parts))
    covered: list[tuple[int, int]] = []
    singles: list[tuple[int, int]] = []
    for term, start, end in _terms(read.text):
        if term not in wanted or all(c in FUNCTION for c in term):
            continue
        start, end = read.there(start, end)
        span = (origins[start], origins[end - 1] + 1)
        (singles if len(term) == 1 and _IS_UNSPACED.match(term) else covered).append(span)
    paired = {text[start:end] for start, end in covered}
    singles = [s for s in singles if not any(text[s[0]] in pair for pair in paired)]
    found = (text[start:end] for start, end in _joined(covered + singles))
    return list(dict.fromkeys(piece for piece in found if any(map(str.isalnum, piece))))


def fold(text: str) -> str:
    """What texts are compared by: compatibility forms, case and script made one."""
    return simplified(unicodedata.normalize("NFKC", text).lower())


def _terms(folded: str) -> Iterator[tuple[str, int, int]]:
    """(term, start, end) over folded text with its dates in one writing; a day is a term too: 6月9日 is not 9月6日, and
    a model's number without its hyphens: RT-70 is RT70."""
    for whole in (*DAY.finditer(folded), *_MODEL.finditer(folded)):
        yield whole.group().replace("-", ""), whole.start(), whole.end()
    for match in _TOKEN.finditer(folded):
        run, start = match.group(), match.start()
        if not _IS_UNSPACED.match(run):
            yield singular(run), start, match.end()
            continue
        for i, character in enumerate(run):
            yield character, start + i, start + i + 1
            if i + 1 < len(run):
                yield run[i : i + 2], start + i, start + i + 2


def singular(word: str) -> str:
    """A Latin word without the s of the plural (Harman's S stemmer), by which passenger finds passengers."""
    if len(word) < MIN_STEMMED or not (word.isascii() and word.isalpha()) or word.endswith(_NO_PLURAL):
        return word
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def forms(term: str) -> str:
    """The pattern of the words whose term it is."""
    if len(term) < MIN_STEMMED - 1 or not (term.isascii() and term.isalpha()):
        return _BORDER.sub("-?", term) if term.isascii() and term.isalnum() else re.escape(term)
    return f"{term[:-1]}(?:y|ies)" if term.endswith("y") else f"{term}s?"


def _without_question(folded: str) -> str:
    pieces, start = [], 0
    for quoted in _QUOTED.finditer(folded):
        pieces += [_QUESTION.sub(" ", folded[start : quoted.start()]), quoted.group()]
        start = quoted.end()
    return "".join([*pieces, _QUESTION.sub(" ", folded[start:])])


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Overlapping spans made one; neighbours that only touch stay apart."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
