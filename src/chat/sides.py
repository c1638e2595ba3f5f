"""A question about several things: which things, and one question a thing, each of which a passage can answer."""

import re
from collections.abc import Sequence
from functools import cache

from src.chat.attributes import ATTRIBUTE
from src.chat.requests import ASKED, LEAD
from src.search.terms import fold

# 两座桥里，A 和 B 哪座更长.
_AMONG = re.compile(r"(?:在|从)?(?:这|那)?[两二三四五几]\w{1,6}?(?:里面?|中间?|之间|当中|之中)(?!的)[，,]?")
# Compiled at the first question.
_compiled = cache(re.compile)
_COURTESY = re.compile(LEAD)
# 呼和浩特, 中华人民共和国 and 颐和园 are one thing.
_AND = r"(?:(?<![共呼温平饱柔祥总六颐雍协义])和(?![平谐田县服尚解睦])|与|跟|及|以及|、|还有|vs\.?|versus| and )"
_MORE = (
    "更|最|要|还|早|晚|先|后|大|小|长|短|高|矮|低|多|少|快|慢|好|差|贵|便宜|重|轻|强|弱|新|旧|老|年轻|年长|深|浅|远|近|宽|窄|厚|薄|热|冷|难|容易|简单|复杂|"
    "准确?|省|安全|有名|出名|著名|适合|重要|流行|方便|先进|古老|悠久"
)
_THINGS = rf"(?P<things>[^，,。？?：:]{{1,30}}?{_AND}[^，,。？?：:]{{1,60}}?)"
_WHICH = "(?:谁|哪一?[个座条所种款家本位部项方边者只])"
_COMPARED = (
    rf"{_THINGS}(?:之间|两者|二者|三者)*的?(?:主要|最大|根本|本质)?(?:有|存在|是)?(?:什么|哪些|何|啥)?(?:主要|本质)?的?(?:区别|不同|差[别异]|异同|[相共不]同点|联系|关系|优劣|优缺点|对比|比较)(?:之处|是什么|在哪里?|有哪些|有多大|大吗|呢)*",
    rf"(?:比较|对比|区分|辨析)(?:一?下)?{_THINGS}(?:的.*)?",
    # As much as can be: 大 is of 清华大学 before it is of 大吗.
    rf"(?P<one>[^，,。？?]{{1,30}}?)(?<![相对无芭分波价占同环可])比(?!较|例|赛|如|方|特|亚|喻|重|利|尔|基|干|萨|目)(?P<other>[^，,。？?]{{1,30}})(?:{_MORE}).*",
    rf"{_THINGS}(?:，|,| )*(?:分别|各自?(?!种|类|国|地|级)).+",
    rf"{_THINGS}(?:，|,| )*(?:相比|比起来|中|之间|里)?(?:，|,)?(?:{_WHICH}.{{1,20}}|哪里的?.{{0,8}}?(?:{_MORE}).{{0,3}})",
    r"(?:谁|哪).{0,12}?[，, :：](?P<one>[^，,。？? ]{1,30}?)(?:，|,| )?还是(?P<other>[^，,。？?]{1,30}?)",
    rf"(?P<one>[^，,。？? ]{{1,30}}?)(?:{_MORE})?(?:，|,| )?还是(?P<other>[^，,。？?]{{1,30}})(?:{_MORE}).{{0,3}}",
    r".*\bdifferences? between (?P<one>.+?) and (?P<other>.+?)",
    r"(?:please )?compare (?P<one>.+?) (?:and|with|to|vs\.?) (?P<other>.+?)",
    r"(?P<one>\S.{0,40}?) (?:vs\.?|versus) (?P<other>.+?)",
    r"(?:is|are|was|were|does|do|did) (?P<one>.+?) (?:much |a lot |far )?(?:\w+er|more \w+|less \w+|more|less) than (?P<other>.+?)",
    r"(?:which|who|what)\b.*?[,:] ?(?:the )?(?P<one>[^,]+?),? or (?:the )?(?P<other>[^,]+?)",
)
_SPLIT = re.compile(_AND)
# What comes with the last of the things, or behind them.
_TOGETHER = re.compile(
    r"(?:(?<![第十百千\d一二三四五六七八九])(?:这|那)?(?:两[个种座条所家本位款者类]?|[二三四几][个种座条所家本位款者类])\w{0,3}|等)$"
)
_HOW_MUCH = re.compile(rf"(?:的?{ATTRIBUTE})?(?:{_MORE})*(?:成立|创办|建成|多少.*)?$")
_NO_THING = re.compile(f"{ASKED}|甚么|[是被把了着因]|来自|属于")


def compared(question: str) -> tuple[str, ...] | None:
    """The things that a question sets side by side, as written there (黄河比长江长吗); None where it asks of one."""
    text = question.strip(" \t\n?？。.!！~～")
    folded = fold(text)
    if len(folded) != len(text) or len(text) > 200:
        return None
    begin = _begin(folded)
    for pattern in _COMPARED:
        if match := _compiled(pattern).fullmatch(folded, begin):
            things = _things(text, match)
            if len(things) > 1 and all(map(_is_thing, things)):
                return tuple(things)
    return None


def _begin(folded: str) -> int:
    """Where the question itself begins, behind courtesies and 两座桥里."""
    begin = found.end() if (found := _COURTESY.match(folded)) else 0
    return found.end() if (found := _AMONG.match(folded, begin)) else begin


def asks_each(question: str) -> bool:
    """Whether the same is asked of each of several things, rather than which of them has more."""
    return re.search("分别|各", question) is not None


def _things(text: str, match: re.Match[str]) -> list[str]:
    if "things" not in match.re.groupindex:
        pair = [text[slice(*match.span(name))] for name in ("one", "other")]
        return [_bare_thing(thing) for thing in pair]
    start, end = match.span("things")
    whole = _TOGETHER.sub("", text[start:end])
    things = [thing.strip() for thing in _SPLIT.split(whole)]
    if "的" in things[-1] and not any("的" in thing for thing in things[:-1]):
        things[-1] = things[-1].partition("的")[0]  # 黄河和长江的长度
    elif "的" in things[0]:
        owner = things[0].partition("的")[0]  # 长江的长度和流域面积
        things[1:] = [
            f"{owner}的{thing}" if re.fullmatch(f".{{0,3}}{ATTRIBUTE}", thing) else thing for thing in things[1:]
        ]
    elif any(re.fullmatch(ATTRIBUTE, thing) for thing in things):
        return []  # 单价和库存: of what?
    if any(thing.count("《") != thing.count("》") for thing in things):
        return []
    return [thing.strip(' 《》“”"') for thing in things]


def _bare_thing(thing: str) -> str:
    """Without what is compared: 杭州人口 -> 杭州."""
    thing = re.sub(r"^the ", "", thing.strip(' 《》“”"'), flags=re.IGNORECASE)
    less = _HOW_MUCH.sub("", thing)
    return less if len(less) >= 2 else thing


def _is_thing(text: str) -> bool:
    return len(text) >= 2 and not _NO_THING.search(fold(text))


# 长江比黄河长吗: how long each is, is a question that a passage answers.
_ASKED = {
    "有多长": "长 短", "有多高": "高 矮 低", "有多深": "深 浅", "有多宽": "宽 窄", "有多大": "大 小", "有多重": "重 轻", "有多快": "快 慢", "多少钱": "贵 便宜",
    "是什么时候": "早 晚 先", "有多久": "久", "有多少": "多 少", "有多远": "远 近",
}  # fmt: skip
_MEASURES = {word: asked for asked, words in _ASKED.items() for word in words.split()}
_JOINTS = re.compile(
    r"[两二三四](?:地|[个种座条所家本位款者类](?:城市|大学|学校|学院|国家|公司|河流?|山峰?|人)?)|和|与|跟|及|以及|、|还是|比起来|相比|比|分别|各自|各|两者|二者|哪一?[个座条所家款种]|谁|更|最|要|还|[，,？?。！! ]|吗|呢"
)
_DIFFER = re.compile(r"区别|不同|差别|差异|异同|[相共]同点|联系|关系|优劣|优缺点|对比|比较|哪个好|更好")
_MEASURE = re.compile("|".join(sorted(_MEASURES, key=len, reverse=True)))
_IS = re.compile("是|在|有(?!多)|位于|属于|流经|来自|负责|叫")
_SPAN = re.compile(r"谁|哪|何|几|多少|多[长高大深远久]|什么")


def sides(question: str, things: Sequence[str]) -> list[str]:
    """A question for each of ``things``; a bare name where nothing is asked that a few words could answer."""
    if _DIFFER.search(question):
        return list(things)
    rest = question[_begin(fold(question)) :]
    for thing in things:
        rest = rest.replace(thing, "", 1)
    asked = rest if _SPAN.search(rest) and asks_each(rest) else ""
    if asked:
        asked = re.sub(r"^(?:和|与|跟|及|以及|、)+|分别|各自|各|[？?。]", "", asked).strip("，, ")
        return [f"{thing}{asked}" for thing in things]
    which = re.search(rf"{_WHICH}(?P<is>.+)", rest)
    if which and _IS.match(which["is"]):  # 泰山和华山哪座在陕西 -> 泰山在陕西吗
        return [f"{thing}{which['is'].rstrip('？?。 ')}吗？" for thing in things]
    rest = _JOINTS.sub("", rest)
    measure = _MEASURE.search(rest)
    if measure is None:
        return list(things)
    # 人口多 -> 人口有多少, 成立得早 -> 成立是什么时候.
    aspect = (rest[: measure.start()] + rest[measure.end() :]).strip("的得")
    return [f"{thing}{aspect}{_MEASURES[measure.group()]}" for thing in things]
