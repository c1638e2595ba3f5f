"""English follow-ups: a pronoun may stand anywhere, and names are written with capitals, digits or hyphens."""

import re

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_LATIN_WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2,}(?![A-Za-z0-9])")
_COMMON = re.compile(
    r"\b(?:what|who|whose|when|where|which|why|how|is|are|was|were|be|do|does|did|has|have|can|could|will|tell|give|list|"
    r"explain|the|of|in|and|to|an?|me|please)\b",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"\b(?!I\b)(?:[A-Z][\w.+-]*|[a-z]+-[\w.-]{0,40}\d[\w.-]*)(?: (?:of (?:the )?)?(?:[A-Z][\w.+-]*|\d[\w.]*))*"
)
# Words that have a capital only because they begin a sentence.
_OPENING = re.compile(
    r"^(?:(?:and|but|so|or|please|what|when|where|who|whom|whose|which|why|how|is|are|was|were|do|does|did|has|have|had|"
    r"can|could|will|would|should|tell|give|explain|describe|introduce|me|us|about|in|at|on|of|for|to|by|from|the|it|"
    r"they|its|their)(?:'s|'re)?\b[,\s]*)+",
    re.IGNORECASE,
)
_KINDS = (
    r"universit(?:y|ies)|schools?|colleges?|cit(?:y|ies)|places?|provinces?|rivers?|lakes?|mountains?|festivals?|days?|"
    r"teas?|operas?|models?|methods?|librar(?:y|ies)|tools?|compan(?:y|ies)|persons?|people"
)
_PRONOUN = re.compile(
    rf"\b(?:(?P<owner>its|their|his|her(?= \w))|(?P<place>there(?! from| to))|"
    rf"(?P<thing>it|they|them|he|him|she|her)|(?:this|that|these|those) (?:{_KINDS}))\b(?!')",
    re.IGNORECASE,
)
_PERSON = re.compile(r"^(?:he|him|his|she|her)$", re.IGNORECASE)
# It is raining, it takes long to, there is: these stand for nothing.
_EXPLETIVE = re.compile(
    r"^ (?:(?:is|was|be) )?(?:rain|snow|sunny|cloudy|windy|true|said|possible|impossible|necessary|important|safe|legal|"
    r"worth|better|best|time|called (?:when|if) (?!it\b|they\b)|takes? .*\bto\b|cost .*\bto\b)",
    re.IGNORECASE,
)
_EXPLETIVE_BEFORE = re.compile(
    r"\b(?:(?:is|are|was|were|be|been)(?= there)|what (?:time|day|date) is(?= it)) ", re.IGNORECASE
)
# Behind these a sentence has said by itself what a pronoun in it is.
_CLAUSE = re.compile(r"[,;:.?!]|\b(?:and|but|when|if|before|after|because|that)\b", re.IGNORECASE)
_BARE = re.compile(
    r"^(?:(?:and|but|so) )?(?:why(?: not)?|how(?: so)?|when|where|who|which(?: one)?|really|tell me more|more details|"
    r"go on|for example|(?:please )?explain|(?:can you )?(?:explain|elaborate)(?: that)?|give me an example)[?.! ]*$",
    re.IGNORECASE,
)
_ELLIPTIC = re.compile(
    r"^(?:(?:and )?(?:what|how) about|and|but|or) (?P<what>[\w'.+-]+(?: [\w'.+-]+){0,4})[?.! ]*$", re.IGNORECASE
)
_ASKS = re.compile(r"^(?:wh\w+|how|is|are|was|were|do|does|did|can|could|will|has|have|tell)\b", re.IGNORECASE)
_BESIDE = re.compile(r"^(?:in|at|on|for|during|before|after|from|with|by|since|under|near)\b", re.IGNORECASE)
_SUBJECTLESS = re.compile(r"^how many [a-z ]+ are there[? ]*$", re.IGNORECASE)
# The answer names what these ask for, not the question.
_WHICH = re.compile(
    r"\b(?:the|'s) (?:largest|biggest|longest|highest|tallest|oldest|deepest|smallest|best|most|first|only)\b",
    re.IGNORECASE,
)
_WHO = re.compile(r"^who(?!(?: is| was|'s) [A-Z])", re.IGNORECASE)
_DEFINED = re.compile(r"^what(?: is| are|'s) (?P<what>[a-z][\w -]+?)[? ]*$", re.IGNORECASE)


def is_english(text: str) -> bool:
    """Whether it is an English question; names alone are none (FAISS, Milvus, BM25 有什么区别)."""
    return is_latin(text) and _COMMON.search(text) is not None


def is_latin(text: str) -> bool:
    """Whether most of it is words in Latin letters, maybe with Chinese names among them."""
    words = len(_LATIN_WORD.findall(text))
    return words >= 3 and 2 * words > len(_CHINESE.findall(text))


def refers_back(message: str) -> bool:
    """Whether the message has a pronoun for its subject, or is but a fragment."""
    return bool(_BARE.match(message)) or _elliptic(message) is not None or _pronoun(message) is not None


def may_lack_subject(message: str) -> bool:
    """Whether it may be asked of something said before: how many campuses are there."""
    return _SUBJECTLESS.match(message) is not None


def subject_of(question: str) -> str | None:
    if _WHICH.search(question):
        return None
    text = _OPENING.sub("", question.strip())
    if name := _NAME.search(text):
        return name.group().rstrip(".")
    defined = _DEFINED.match(question.strip())
    return defined["what"] if defined else None


def _pronoun(message: str) -> re.Match[str] | None:
    """The first word that stands for something said before, unless the message itself has said it by then."""
    opening = _OPENING.match(message)
    begin = opening.end() if opening else 0
    for match in _PRONOUN.finditer(message):
        before = message[min(begin, match.start()) : match.start()]
        if _CLAUSE.search(before) or (_NAME.search(before) and not match["place"]):
            return None
        word = match.group().lower()
        if word in ("it", "there") and any(e.end() == match.start() for e in _EXPLETIVE_BEFORE.finditer(message)):
            continue
        if word == "it" and _EXPLETIVE.match(message[match.end() :]):
            continue
        return match
    return None


def _elliptic(message: str) -> str | None:
    """And in winter? -> in winter; What about its motto? -> its motto."""
    match = _ELLIPTIC.match(message)
    return match["what"].strip() if match and not _ASKS.match(match["what"]) else None


def completed(message: str, asked: str, subject: str | None) -> str:
    """``subject`` in place of the pronoun, or the question before in front of the message."""
    pronoun = _pronoun(message)
    if pronoun and _PERSON.match(pronoun.group()) and _WHO.match(asked):
        subject = None  # who founded it, when was he born: he is not what was founded
    if subject is None or _BARE.match(message):
        return f"{asked.rstrip('？?。.！! ')}? {message}"
    if pronoun:
        instead = f"{subject}'s" if pronoun["owner"] else f"in {subject}" if pronoun["place"] else subject
        whole = message[: pronoun.start()] + instead + message[pronoun.end() :]
        return re.sub(r"^(?:and|but|so|or|(?:and )?(?:what|how) about(?= .*'s)) ", "", whole, flags=re.IGNORECASE)
    what = _elliptic(message)
    if what is None:
        return f"{message.rstrip('? ')} in {subject}?"
    if _NAME.fullmatch(what):
        return asked.replace(subject, what)
    return f"{subject} {what}?" if _BESIDE.match(what) else f"{what} of {subject}?"
