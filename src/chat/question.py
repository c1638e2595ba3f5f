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
    r"全长|面积|人口|海拔|总部|地址|电话|价格|首都|省会|校训|作者|发源|流经|成立|创办|创立|建于|始建|出生|毕业|发明|创作|"
    r"[，。？?！!：:、；;（(“\"]"
)
_WHICH = re.compile(r"(?:是|叫|为)?(?:谁|哪一?[条座个所位里本部家种]\w{0,4}|哪里)[？?。]*$|^谁")
MAX_SUBJECT_CHARS = 20


@dataclass(frozen=True)
class FollowUp:
    """What a message that refers back is taken for.

    Attributes:
        question: what to search for.
        certain: whether the message cannot stand alone; if not, it is for the search to tell.
    """

    question: str
    certain: bool


def follow_up(message: str, history: Sequence[Message]) -> FollowUp | None:
    """The question that ``message`` asks in its conversation; None where it stands alone as it is."""
    certain = refers_back(message)
    if not certain and not _SUBJECTLESS.match(message):
        return None
    asked = _last_complete(history)
    if asked is None:
        return None
    return FollowUp(_completed(message, asked, subject_of(asked)), certain)


def refers_back(message: str) -> bool:
    """Whether the message has a pronoun for its subject, or is but a fragment."""
    return any(pattern.search(message) for pattern in (_LEADING, _INSIDE, _BARE, _ELLIPTIC))


def subject_of(question: str) -> str | None:
    """What a question is about, or None where its words do not say (中国最长的河流是哪条: the answer does)."""
    text = _REQUEST.sub("", question.strip(), count=1)
    if _WHICH.search(text):
        return None
    end = _PREDICATE.search(text)
    subject = (text[: end.start()] if end else text).strip(" \t\u3000《》")
    return subject if 2 <= len(subject) <= MAX_SUBJECT_CHARS else None


def _last_complete(history: Sequence[Message]) -> str | None:
    """The last question that is no follow-up itself."""
    for turn in reversed(history):
        if turn.role == "user" and not refers_back(turn.content) and not _SUBJECTLESS.match(turn.content):
            return turn.content
    return None


def _completed(message: str, asked: str, subject: str | None) -> str:
    """``subject`` in place of the pronoun, or the question before in front of the message."""
    if subject is None or _BARE.match(message):
        return f"{asked.rstrip('？?。！! ')}？{message}"
    if elliptic := _ELLIPTIC.match(message):
        return f"{subject}的{_PRONOUN_START.sub('', elliptic['what'])}"
    if leading := _LEADING.match(message):
        return subject + ("的" if leading.group().endswith("其") else "") + message[leading.end() :]
    if inside := _INSIDE.match(message):
        return inside["before"] + subject + message[inside.end() :]
    return subject + message


_PRONOUN_START = re.compile(rf"^{_PRONOUN}的?")
