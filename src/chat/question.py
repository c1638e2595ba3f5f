"""A follow-up -> a question that stands alone, so that retrieval knows what 它 is."""

import re
from collections.abc import Sequence

from src.language.base import Message

# 它在哪个区 / 那里有什么特产 / 该校何时成立. 他信, 那达慕 and 其他 only look like it.
_PRONOUN = r"(它们?|这里|那里|这儿|那儿|这个|那个|这所|那所|这座|那座|上述|前者|后者|该[校市省国节地公产]|[他她]们?(?=[的是在有叫为和与什哪多怎还也曾会能最])|其(?![他中实余次它]))"
_REFERS_BACK = re.compile(
    rf"^(那么?|还有|另外|再)?[，, ]*{_PRONOUN}"
    rf"|{_PRONOUN}(的|是|在|有|叫|位于|属于|什么|哪|多|怎)"
    r"|^(为什么|怎么办|然后呢|还有呢|具体呢|详细点|展开说说|再说说|举个例子)[？?。]*$"
)
_ELLIPTIC = re.compile(r"^[^，。？?]{1,8}呢[？?]?$")


def standalone_question(message: str, history: Sequence[Message]) -> str:
    """``message`` itself when it stands alone, else the last question of the user before it."""
    if not (_REFERS_BACK.search(message) or _ELLIPTIC.match(message)):
        return message
    for turn in reversed(history):
        # An earlier follow-up does not say what it is about either: go on to the question before it.
        if turn.role == "user" and not _REFERS_BACK.search(turn.content) and not _ELLIPTIC.match(turn.content):
            return f"{turn.content.rstrip('？?。！! ')} {message}"
    return message
