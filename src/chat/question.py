"""A follow-up -> a question that stands alone, so that retrieval knows what 它 is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from src.language.base import Message

# 它在哪个区 / 那里有什么特产 / 该校何时成立. 他信, 那达慕 and 其他 only look like it.
_PRONOUN = (
    r"(它们?|这里|那里|这儿|那儿|这个|那个|这所|那所|这座|那座|上述|前者|后者|该[校市省国节地公产]|"
    r"[他她]们?(?=[的是在有叫为和与什哪多怎还也曾会能最])|其(?![他中实余次它]))"
)
_OPENING = r"^(?:那么?|还有|另外|再|请问)?[，, ]*"
_LEADING = re.compile(_OPENING + _PRONOUN)
# Not behind a comma: 什么是 RAG，它有什么局限 says itself what 它 is.
_INSIDE = re.compile(
    rf"^(?P<before>[^，,；;：:。？?！!]*?){_PRONOUN}(?=的|是|在|有|叫|位于|属于|什么|哪|多|怎|为什么|与|和)"
)
_BARE = re.compile(
    r"^(?:为什么|怎么办|然后呢|还有呢|具体呢|详细点|展开说说|再说说|再详细一点|举个例子|具体说说)[？?。]*$"
)
# 校训呢 asks for another attribute of the same subject; what does not end so is another subject.
_ATTRIBUTE = re.compile(
    r"(?:校训|[地校]址|位置|面积|人口|海拔|[高长深宽]度|全长|总部|电话|价格|单价|学费|首都|省会|作者|校[区长]|历史|特产|美食|[别简全]称|"
    r"气候|景点|专业|创始人|时间|日期|原因|作用|[优缺特]点|局限|用途|区别|步骤|流程|材料|结果|意义|影响|名字|年龄|籍贯|职业|生日)$"
)
_ELLIPTIC = re.compile(_OPENING + r"(?P<what>[^，。？?]{1,8})呢[？?]?$")
# 有几个校区？ has no subject, but 有什么办法减肥？ needs none: only the search can tell.
_SUBJECTLESS = re.compile(
    r"^(?:一共|总共|现在|还)?(?:有|在|位于|属于|是|叫|占|建于|成立于|创办于)(?:多|几|哪|什么|何|谁)"
)
# What a question is about stands before its predicate, behind what leads into it.
_REQUEST = re.compile(
    r"^(?:请问|请|麻烦|我想知道|想知道|我想问|你知道|能不能|能否|可以|帮我|给我)*"
    r"(?:介绍|说说|讲讲|解释|谈谈|聊聊|说明|查|查查|描述|概括|告诉我)?(?:一下|下)?(?:关于|有关)?(?:什么是|何为|何谓|谁是)?"
)
_PREDICATE = re.compile(
    r"的|是|在|有|位于|属于|为什么|为何|怎|如何|什么|哪|谁|多[少大长高远久]|几|何|吗|呢|由|被|会|能|可|要|叫|又|"
    r"[简别又俗合统]称|让|全长|面积|人口|海拔|总部|地址|电话|价格|首都|省会|校训|作者|发源|流经|成立|创办|创立|建于|始建|出生|毕业|发明|创作|"
    r"[，。？?！!：:、；;（(“\"]"
)
_WHICH = re.compile(r"(?:是|叫|为)?(?:谁|哪一?[条座个所位里本部家种]\w{0,4}|哪里)[？?。]*$|^谁")
MAX_SUBJECT_CHARS = 20
# Of an earlier question; a client may send anything for it.
MAX_ASKED_CHARS = 2000

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_LATIN_WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2,}(?![A-Za-z0-9])")
_COMMON = re.compile(
    r"\b(?:what|who|whose|when|where|which|why|how|is|are|was|were|be|do|does|did|has|have|can|could|will|tell|give|list|"
    r"explain|the|of|in|and|to|an?|me|please)\b",
    re.IGNORECASE,
)

# English: a pronoun may stand anywhere, and names are written with capitals, digits or hyphens.
_NAME = re.compile(
    r"\b(?!I\b)(?:[A-Z][\w.+-]*|[a-z]+-[\w.-]{0,40}\d[\w.-]*)(?: (?:of (?:the )?)?(?:[A-Z][\w.+-]*|\d[\w.]*))*"
)
# Words that have a capital only because they begin a sentence.
_OPENING_EN = re.compile(
    r"^(?:(?:and|but|so|or|please|what|when|where|who|whom|whose|which|why|how|is|are|was|were|do|does|did|has|have|had|"
    r"can|could|will|would|should|tell|give|explain|describe|introduce|me|us|about|in|at|on|of|for|to|by|from|the|it|"
    r"they|its|their)(?:'s|'re)?\b[,\s]*)+",
    re.IGNORECASE,
)
_KINDS = (
    r"universit(?:y|ies)|schools?|colleges?|cit(?:y|ies)|places?|provinces?|rivers?|lakes?|mountains?|festivals?|days?|"
    r"teas?|operas?|models?|methods?|librar(?:y|ies)|tools?|compan(?:y|ies)|persons?|people"
)
_PRONOUN_EN = re.compile(
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
_CLAUSE_EN = re.compile(r"[,;:.?!]|\b(?:and|but|when|if|before|after|because|that)\b", re.IGNORECASE)
_BARE_EN = re.compile(
    r"^(?:(?:and|but|so) )?(?:why(?: not)?|how(?: so)?|when|where|who|which(?: one)?|really|tell me more|more details|"
    r"go on|for example|(?:please )?explain|(?:can you )?(?:explain|elaborate)(?: that)?|give me an example)[?.! ]*$",
    re.IGNORECASE,
)
_ELLIPTIC_EN = re.compile(
    r"^(?:(?:and )?(?:what|how) about|and|but|or) (?P<what>[\w'.+-]+(?: [\w'.+-]+){0,4})[?.! ]*$", re.IGNORECASE
)
_ASKS = re.compile(r"^(?:wh\w+|how|is|are|was|were|do|does|did|can|could|will|has|have|tell)\b", re.IGNORECASE)
_BESIDE = re.compile(r"^(?:in|at|on|for|during|before|after|from|with|by|since|under|near)\b", re.IGNORECASE)
_SUBJECTLESS_EN = re.compile(r"^how many [a-z ]+ are there[? ]*$", re.IGNORECASE)
# The answer names what these ask for, not the question.
_WHICH_EN = re.compile(
    r"\b(?:the|'s) (?:largest|biggest|longest|highest|tallest|oldest|deepest|smallest|best|most|first|only)\b",
    re.IGNORECASE,
)
_WHO = re.compile(r"^who(?!(?: is| was|'s) [A-Z])", re.IGNORECASE)
_DEFINED = re.compile(r"^what(?: is| are|'s) (?P<what>[a-z][\w -]+?)[? ]*$", re.IGNORECASE)


@dataclass(frozen=True)
class FollowUp:
    """What a message that refers back is taken for.

    Attributes:
        question: what to search for.
        certain: whether the message cannot stand alone; if not, it is for the search to tell.
    """

    question: str
    certain: bool


def is_english(text: str) -> bool:
    """Whether it is an English question; names alone are none (FAISS, Milvus, BM25 有什么区别)."""
    return is_latin(text) and _COMMON.search(text) is not None


def is_latin(text: str) -> bool:
    """Whether most of it is words in Latin letters, maybe with Chinese names among them."""
    words = len(_LATIN_WORD.findall(text))
    return words >= 3 and 2 * words > len(_CHINESE.findall(text))


def follow_up(message: str, history: Sequence[Message]) -> FollowUp | None:
    """The question that ``message`` asks in its conversation; None where it stands alone as it is."""
    certain = refers_back(message)
    if not certain and not _lacks_subject(message):
        return None
    asked = _last_complete(history)
    if asked is None:
        return None
    subject = subject_of(asked)
    if _CHINESE.search(message):
        return FollowUp(_completed(message, asked, subject), certain)
    return FollowUp(_completed_english(message, asked, subject), certain)


def refers_back(message: str) -> bool:
    """Whether the message has a pronoun for its subject, or is but a fragment."""
    if _CHINESE.search(message):
        return any(pattern.search(message) for pattern in (_LEADING, _INSIDE, _BARE, _ELLIPTIC))
    return bool(_BARE_EN.match(message)) or _elliptic(message) is not None or _pronoun(message) is not None


def subject_of(question: str) -> str | None:
    """What a question is about, or None where its words do not say (中国最长的河流是哪条: the answer does)."""
    if not _CHINESE.search(question):
        return _subject_english(question)
    text = _REQUEST.sub("", question.strip(), count=1)
    if _WHICH.search(text):
        return None
    end = _PREDICATE.search(text)
    subject = (text[: end.start()] if end else text).strip(" \t\u3000《》")
    return subject if 2 <= len(subject) <= MAX_SUBJECT_CHARS else None


def _lacks_subject(message: str) -> bool:
    return bool(_SUBJECTLESS.match(message) or _SUBJECTLESS_EN.match(message))


def _last_complete(history: Sequence[Message]) -> str | None:
    """The last question that is no follow-up itself."""
    for turn in reversed(history):
        asked = turn.content[:MAX_ASKED_CHARS]
        if turn.role == "user" and not refers_back(asked) and not _lacks_subject(asked):
            return asked
    return None


def _completed(message: str, asked: str, subject: str | None) -> str:
    """``subject`` in place of the pronoun, or the question before in front of the message."""
    if subject is None or _BARE.match(message):
        return f"{asked.rstrip('？?。！! ')}？{message}"
    if elliptic := _ELLIPTIC.match(message):
        what = _PRONOUN_START.sub("", elliptic["what"])
        if what != elliptic["what"] or _ATTRIBUTE.search(what):
            return f"{subject}的{what}"
        return asked.replace(subject, what, 1)  # 深圳呢 asks the same of 深圳
    if leading := _LEADING.match(message):
        return subject + ("的" if leading.group().endswith("其") else "") + message[leading.end() :]
    if inside := _INSIDE.match(message):
        return inside["before"] + subject + message[inside.end() :]
    return subject + message


_PRONOUN_START = re.compile(rf"^{_PRONOUN}的?")


def _subject_english(question: str) -> str | None:
    if _WHICH_EN.search(question):
        return None
    text = _OPENING_EN.sub("", question.strip())
    if name := _NAME.search(text):
        return name.group().rstrip(".")
    defined = _DEFINED.match(question.strip())
    return defined["what"] if defined else None


def _pronoun(message: str) -> re.Match[str] | None:
    """The first word that stands for something said before, unless the message itself has said it by then."""
    opening = _OPENING_EN.match(message)
    begin = opening.end() if opening else 0
    for match in _PRONOUN_EN.finditer(message):
        before = message[min(begin, match.start()) : match.start()]
        if _CLAUSE_EN.search(before) or (_NAME.search(before) and not match["place"]):
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
    match = _ELLIPTIC_EN.match(message)
    return match["what"].strip() if match and not _ASKS.match(match["what"]) else None


def _completed_english(message: str, asked: str, subject: str | None) -> str:
    """As ``_completed``."""
    pronoun = _pronoun(message)
    if pronoun and _PERSON.match(pronoun.group()) and _WHO.match(asked):
        subject = None  # who founded it, when was he born: he is not what was founded
    if subject is None or _BARE_EN.match(message):
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
