"""Kinds of questions to the documents: which a short span answers, which only name a thing to be told about."""

import re

from src.chat.attributes import ATTRIBUTE
from src.chat.requests import ASKED, LEAD, recognise
from src.chat.sides import compared
from src.search.terms import fold

_COURTESY = re.compile(LEAD)
_TELL = "介绍|总结|概括|归纳|概述|简述|阐述|论述|描述|说说|讲讲|谈谈|聊聊|解释|说明|分析|评价|比较|对比|列[举出]"
_OPEN = re.compile(
    rf"^about |^(?:用.{{1,6}}?|再|简[单要]|详细){{0,3}}(?:{_TELL})|(?:{_TELL})(?:一?下)|的(?:{_TELL})$|"
    r"为什么(?!$)|^为什么|为何(?!$)|为啥|为甚么|怎么|怎样|如何|咋|哪些|有什么(?!$)|有何|(?:区别|不同点?|差[异别]|异同|优缺点|步骤|流程|做法|过程)(?:是什么|在哪里?|$)|"
    r"\b(?:introduce|describe|explain|summari[sz]e|compare|differences?|why|tell me (?:more )?about|overview|outline|discuss)\b|"
    r"\bhow (?!many|much|long|old|tall|high|far|deep|big|large|wide|often|heavy|fast)"
)
_YES_NO = re.compile(
    r"吗$|是否|能否|可否|是不是|能不能|可不可以|会不会|对不对|有没有|要不要|"
    r"^(?:is|are|was|were|do|does|did|can|could|has|have|had|will|would|should|may) (?!.*\bor\b)"
)
_ENDS_ATTRIBUTE = rf"[\w》”\"]\s*的?{ATTRIBUTE}"
# What something is takes more than a span, what something of it is does not.
_DEFINES = re.compile(
    rf"(?:什么是|何为|何谓|啥是).+|(?!.*的)(?!.*{_ENDS_ATTRIBUTE}(?:是|指)).+(?:是|指)的?(?:什么|啥)(?:意思|东西)?|.+(?:是)?(?:什么|啥)意思|what(?: is|'s| are) (?!the |your ).+"
)
_NOUN = re.compile(rf".*{_ENDS_ATTRIBUTE}")
_TOLD = re.compile(
    rf"(?:用.{{1,6}}?|再|简[单要]|详细){{0,3}}(?:{_TELL})(?:一?下)?(.+)|(?:什么是|何为|何谓|啥是)(.+)|(.+?)(?:是|指)的?(?:什么|啥)(?:意思|东西)?|"
    r"(?:what(?: is| are|'s)|introduce|describe|explain|about) (?:an? |the )?(.+)"
)
MAX_NAME_WORDS = 12
_WORD = re.compile(r"[a-z0-9.+-]+|[^\sa-z0-9]")
_NO_NAME = re.compile(
    rf"{ASKED}|甚么|何|是|的|那[个州]|[，。,;；!！?？:：]|多[长大久宽高远深重]|可以|[吗呢吧了着过为于]$|{_OPEN.pattern}|{_YES_NO.pattern}|"
    r"\b(?:what|who|when|where|which|is|are|do|does|did|can|about|how|i|you|tell|give|write)\b"
)


def has_span(question: str) -> bool:
    """Whether a few words of a passage can answer: not where something is to be told, explained or compared, nor yes or
    no, nor for a bare name."""
    asked = _asked(question)
    open_ended = _OPEN.search(asked) or _YES_NO.search(asked) or _DEFINES.fullmatch(asked)
    return not (open_ended or compared(question) or is_name(question))


def is_polar(question: str) -> bool:
    """Whether it is answered by yes or no."""
    return _YES_NO.search(_asked(question)) is not None


def is_read(question: str) -> bool:
    """Whether the reader is asked for words that answer: also for reasons, ways, several things and yes or no."""
    asked = _asked(question)
    told = re.search(_TELL, asked) or _DEFINES.fullmatch(asked) or is_name(question) or compared(question)
    return has_span(question) or not told


def is_name(question: str) -> bool:
    """Whether it is but a name or a noun (LoRA, 长江), to be told about; what something has (长江的长度) is a question."""
    asked = _asked(question)
    return (
        len(asked) >= 2
        and len(_WORD.findall(asked)) <= MAX_NAME_WORDS
        and not _NO_NAME.search(asked)
        and not _NOUN.fullmatch(asked)
        and recognise(question) is None
    )


def name_of(question: str) -> str | None:
    """The name that is to be told about, folded: LoRA, 用英文介绍一下LoRA, 什么是LoRA; None for any other question."""
    told = _TOLD.fullmatch(_asked(question))
    name = next(filter(None, told.groups()), "") if told else question
    return _asked(name).strip(' 《》“”"') if is_name(name) else None


def _asked(question: str) -> str:
    """Folded, without courtesies before it and marks behind it."""
    text = fold(question).strip(" \t\n?？。.!！~～")
    return text[found.end() :] if (found := _COURTESY.match(text)) else text
