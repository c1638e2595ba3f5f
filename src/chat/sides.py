"""A question about several things -> one question a thing, each of which a passage can answer."""

import re
from collections.abc import Sequence

# 长江比黄河长吗: how long each is, is a question that a passage answers.
_MEASURES = {
    "长": "有多长",
    "短": "有多长",
    "高": "有多高",
    "矮": "有多高",
    "低": "有多高",
    "深": "有多深",
    "浅": "有多深",
    "宽": "有多宽",
    "大": "有多大",
    "小": "有多大",
    "重": "有多重",
    "轻": "有多重",
    "快": "有多快",
    "慢": "有多快",
    "贵": "多少钱",
    "便宜": "多少钱",
    "早": "是什么时候",
    "晚": "是什么时候",
    "先": "是什么时候",
    "久": "有多久",
    "多": "有多少",
    "少": "有多少",
    "远": "有多远",
    "近": "有多远",
}
_JOINTS = re.compile(
    r"[两二三四](?:地|[个种座条所家本位款者类](?:城市|大学|学校|学院|国家|公司|河流?|山峰?|人)?)|和|与|跟|及|以及|、|还是|比起来|相比|比|分别|各自|各|两者|二者|哪一?[个座条所家款种]|谁|更|最|要|还|[，,？?。！! ]|吗|呢"
)
_DIFFER = re.compile(r"区别|不同|差别|差异|异同|[相共]同点|联系|关系|优劣|优缺点|对比|比较|哪个好|更好")
_MEASURE = re.compile("|".join(sorted(_MEASURES, key=len, reverse=True)))
_SPAN = re.compile(r"谁|哪|何|几|多少|多[长高大深远久]|什么")


def sides(question: str, things: Sequence[str]) -> list[str]:
    """A question for each of ``things``; a bare name where nothing is asked that a few words could answer."""
    if _DIFFER.search(question):
        return list(things)
    rest = question
    for thing in things:
        rest = rest.replace(thing, "", 1)
    asked = rest if _SPAN.search(rest) and re.search(r"分别|各", rest) else ""
    if asked:
        asked = re.sub(r"^(?:和|与|跟|及|以及|、)+|分别|各自|各|[？?。]", "", asked).strip("，, ")
        return [f"{thing}{asked}" for thing in things]
    rest = _JOINTS.sub("", rest)
    measure = _MEASURE.search(rest)
    if measure is None:
        return list(things)
    # 人口多 -> 人口有多少, 成立得早 -> 成立是什么时候.
    aspect = (rest[: measure.start()] + rest[measure.end() :]).strip("的得")
    return [f"{thing}{aspect}{_MEASURES[measure.group()]}" for thing in things]
