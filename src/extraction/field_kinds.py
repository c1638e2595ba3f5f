"""Kinds of fields of one's own: what a field is called says what its value looks like.

签订日期 wants a date, 合同金额 an amount, 联系电话 a number to call, 发票号码 a code, 联系人 a name. A span that a reader points at
is widened or cut to the value of that kind which it touches; one that touches none is refused.
"""

import re
from dataclasses import dataclass

from src.extraction.fields import EMAIL
from src.extraction.schema import has_words

_DIGIT = "[\\d０-９零〇一二三四五六七八九十百千万亿两半壹贰叁肆伍陆柒捌玖拾佰仟]"
_PLAIN = r"\d[\d,，.]*\d|\d"
_CHINESE_NUMBER = "[零〇一二三四五六七八九十百千万亿两半壹贰叁肆伍陆柒捌玖拾佰仟]+"
_NUMBER = rf"(?:{_PLAIN}|{_CHINESE_NUMBER})"

_YEAR = r"(?:(?:\d{2,4}|[二一〇零九○0-9三四五六七八]{4})\s*年(?:度)?|今年|明年|去年|本年)"
_MONTH = r"(?:[\d一二三四五六七八九十]{1,3}\s*月(?:份|底|初|中旬|上旬|下旬)?|本月|下月|上月|次月|年底|年初)"
_DAY = r"(?:[\d一二三四五六七八九十]{1,3}\s*[日号](?!线)|当[日天晚]|[昨今明后][日天晚早]|(?:本|上|下|每|这)?(?:周|星期|礼拜)[一二三四五六日天末\d])"
_CLOCK = r"(?:(?:凌晨|早上|上午|中午|下午|傍晚|晚上|当晚|晚|早|夜间)?\s*(?:\d{1,2}[:：]\d{2}(?:[:：]\d{2})?|[\d一二三四五六七八九十两]{1,3}\s*[点时](?:整|半|[\d一二三四五六七八九十]{1,3}分?)?)|凌晨|早上|上午|中午|下午|傍晚|晚上)"
_ISO = r"\d{4}\s*[-./]\s*\d{1,2}(?:\s*[-./]\s*\d{1,2})?"
_ENGLISH = (
    r"\d{1,2} (?:January|February|March|April|May|June|July|August|September|October|November|December)(?: \d{4})?"
)
_BRACKETED = r"(?:[（(][^（）()\n]{1,8}[）)])?"
_SPELL = rf"(?:{_PLAIN}|{_CHINESE_NUMBER})\s*(?:个月|个?星期|周|天|年|小时|分钟)(?=[之以]?[后内前])"
_MOMENT = rf"(?:(?:{_SPELL}|{_ISO}|{_ENGLISH}|{_YEAR}|{_MONTH}|{_DAY}|{_CLOCK}){_BRACKETED}[\s　]*)+"
_TIME = re.compile(rf"{_MOMENT}(?:(?:[-–—~～至到]+|起至|开始至)\s*{_MOMENT})?(?:[之以]?[前后内])?", re.IGNORECASE)
_DATED = re.compile(rf"{_ISO}|{_ENGLISH}|{_YEAR}|{_MONTH}|{_DAY}", re.IGNORECASE)
_CURRENCY = r"(?:人民币|RMB|CNY|USD|EUR|HKD|US\$|[¥￥$€])"
_UNIT = r"(?:万|亿|千)?(?:余|多)?(?:美元|欧元|港元|日元|元|圆|块钱?|角|分(?!之))(?:[整正])?"
_AMOUNT = re.compile(
    rf"(?:{_CURRENCY}\s*)?(?:每[\u4e00-\u9fff]{{1,6}})?约?(?:(?:{_NUMBER}\s*{_UNIT})+|{_NUMBER})(?:[/／][\u4e00-\u9fff]{{1,2}})?|[\u4e00-\u9fff]{{0,6}}百分之{_CHINESE_NUMBER}|千分之{_CHINESE_NUMBER}|{_PLAIN}[%％‰]",
    re.IGNORECASE,
)
_PRICED = re.compile(rf"{_CURRENCY}|[元圆角块]", re.IGNORECASE)
_PHONE = re.compile(r"\+?(?:[（(]?\d{2,5}[）)]?[-\s])?\d{3,}(?:[-\s]\d{3,}){0,3}")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9×*/#.+_()（）-]*(?: ?[A-Z][A-Za-z0-9]*)?")
_LATIN_NAME = re.compile(r"(?:(?:Dr|Mr|Ms|Mrs|Prof)\.? )?[A-Z][A-Za-z'-]+(?: [A-Z][A-Za-z'-]+){1,3}")
# What stands before a place or a thing and is none of it.
_BEFORE = re.compile(r"位于|坐落于|地处|[在于到](?=[\u4e00-\u9fff]{2})")
_QUANTITY = re.compile(_DIGIT)
_ONE_MOMENT = re.compile(rf"{_MOMENT}(?:[之以]?[前后内])?", re.IGNORECASE)
_ONE_END, _BEGIN = re.compile(r"[起终止始]|截止|结束|到期|生效"), re.compile(r"[起始]|生效")
# Between a field's name and its value in one span.
_LINK = re.compile(r"(?:[（(][^（）()\n]{0,12}[）)])?\s*(?:为|是|提示|显示|示|[:：])?\s*")
# The general part of a field's name: what is before it says which one, and may stand before the value.
_GENERAL = re.compile(r"(?:物品|结果|对象|内容|情况|事项|名单|范围|方式|人员)$")
_REASON = re.compile(r"(?:由于|因为|因)(?=[\u4e00-\u9fff])")
# Who signs a notice, and when, at its end.
_SIGNED_FIELD = re.compile(r"^(?:发文|落款|签发|发布)(?:单位|机关|部门|日期|时间)$")
_SIGNED = re.compile(
    rf"(?:^|[\s　。；])(?P<unit>[\u4e00-\u9fff（）()]{{2,24}})[\s　]+(?P<date>{_ISO}|{_YEAR}?\s*{_MONTH}\s*{_DAY})\s*$"
)
_LONG_PHONE = re.compile(
    r"(?<![\d-])(?:\+\d{1,3}[- ])?(?:1[3-9]\d(?:[- ]?\d){8}|0\d{2,3}-\d{7,8}|[48]00-?\d{3}-?\d{4})(?![\d-])"
)
# How far a value may reach beyond the span that touches it.
_AROUND = 40


@dataclass(frozen=True)
class _Kind:
    """``names`` end the names of such fields; ``value`` is what a span must touch, ``needs`` what it must hold, and what
    ``goes_on`` behind it belongs to it."""

    names: re.Pattern[str]
    value: re.Pattern[str] | None = None
    needs: re.Pattern[str] | None = None
    goes_on: re.Pattern[str] | None = None


def _ending(names: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{names})(?:[（(][^（）()]*[）)])?$", re.IGNORECASE)


_PLACE = _Kind(
    _ending("地点|地址|位置|坐落|教室|会场|场所|住址"),
    None,
    None,
    re.compile(r"[\dA-Za-z][\dA-Za-z-]*[号室楼层栋座]*"),
)
_PERSON = _Kind(
    _ending(
        "联系人|负责人|经理人|作者|主持人?|记录人?|医师|医生|教师|讲师|经手人|开票人|收款人|复核人|执笔人|审核人|审核者|检验者|担保人|法定代表人|记者|通讯员|译者|教练|监护人|驾驶员|抄表员|见证人|报销人|失主|instructor"
    ),
    None,
    re.compile(r"^[^\d]{1,24}$"),
)
_KINDS = (
    _Kind(_ending("邮箱|邮件|邮箱地址|e-?mail"), EMAIL),
    _Kind(_ending("电话|手机|手机号码?|电话号码|热线|传真|联系方式|phone|tel|mobile"), _PHONE),
    _Kind(_ending("日期|时间|年月日?|生日|date"), _TIME, _QUANTITY),
    _Kind(
        _ending("金额|总?价|单价|价格|售价|原价|定价|总价|费|费用|税额|合计|租金|押金|保证金|违约金|工资|薪资|月租|总投资|预算|price|amount|total"),
        _AMOUNT, _QUANTITY,
    ),
    _Kind(_ending("号码|编号|代码|批号|单号|账号|证号|户号|门诊号|住院号|床号|税号|信用代码|车牌号|合同号|No\\.?"), _CODE, re.compile(r"[A-Za-z\d]")),
    _Kind(_ending("面积|数量|人数|张数|课次|长度|容量|学分|学时|年龄|功率|身高|体重|血压|里程|天数|用水量|产量|吨位|字数|页数|比分|税率|利率|增长|楼龄|幅度|风力"), None, _QUANTITY,
          re.compile(rf"\s*[至到~～—–-]+\s*{_NUMBER}[^\s，,。；;、]{{0,3}}")),
    _PLACE,
    _PERSON,
)  # fmt: skip


def fitted(text: str, field: str, start: int, end: int) -> tuple[int, int] | None:
    """The place of the value that a field's name asks for, where the span ``text[start:end]`` was pointed at; None where
    nothing of that kind is there."""
    start = _behind_name(text, field, start, end)
    if field.endswith("原因") and (because := _REASON.match(text, start, end)):
        start = because.end()
    kind = _kind_of(field)
    if kind is not None:
        if kind is _PERSON and len(names := list(_LATIN_NAME.finditer(text, start, end))) == 1:
            start, end = names[0].span()
        if kind.value is _TIME:
            place = _time(text, field, start, end)
        elif kind.value is not None:
            place = _touched(text, kind.value, kind.needs, start, end)
        else:
            place = start, end
        if place is None or (kind.needs and not kind.needs.search(text[slice(*place)])):
            return None
        start, end = place
        if kind is _PLACE and (before := _BEFORE.match(text, start, end)):
            start = before.end()
        if kind.goes_on and (more := kind.goes_on.match(text, end)):
            end = more.end()
    return (start, end) if start < end and has_words(text[start:end]) else None


def beside_name(text: str, field: str) -> tuple[int, int] | None:
    """The place of a value of the field's kind that stands right behind its name: 发票号码 27719046, 电话6620."""
    kind = _kind_of(field)
    if kind is None or kind.value is None:
        return None
    for match in re.finditer(rf"(?<![\u4e00-\u9fffA-Za-z]){re.escape(field)}[ \t\u3000]*[为是]?[ \t\u3000]*", text):
        found = kind.value.match(text, match.end())
        if found and (kind.needs is None or kind.needs.search(found.group())) and len(found.group().strip()) > 2:
            return fitted(text, field, *found.span())
    return None


def _kind_of(field: str) -> "_Kind | None":
    return next((one for one in _KINDS if one.names.search(field)), None)


def only_value(text: str, field: str) -> tuple[int, int] | None:
    """The place of the value of a field that asks for an e-mail or a telephone, where the text has just one; of one that
    asks who signed and when, at the end of the text."""
    if _SIGNED_FIELD.search(field):
        signed = _SIGNED.search(text)
        return signed.span("date" if field.endswith(("日期", "时间")) else "unit") if signed else None
    kind = _kind_of(field)
    if kind is None or kind.value not in (EMAIL, _PHONE):
        return None
    pattern = EMAIL if kind.value is EMAIL else _LONG_PHONE
    found = {match.group(): match.span() for match in pattern.finditer(text)}
    return next(iter(found.values())) if len(found) == 1 else None


def _behind_name(text: str, field: str, start: int, end: int) -> int:
    """保密期限为三年 -> 三年, and of 遗失物品 遗失钱包 -> 钱包: behind the name, or what it begins with."""
    for name in dict.fromkeys((field, _GENERAL.sub("", field))):
        at = text.rfind(name, start, end) if len(name) > 1 else -1
        if at < 0 or at + len(name) >= end:
            continue
        behind = _LINK.match(text, at + len(name))
        if behind and has_words(text[behind.end() : end]):
            return behind.end()
    return start


def _touched(
    text: str, pattern: re.Pattern[str], needs: re.Pattern[str] | None, start: int, end: int
) -> tuple[int, int] | None:
    """The only match that overlaps the span; the span itself where there are several."""
    found = [
        match
        for match in pattern.finditer(text, max(0, start - _AROUND), min(len(text), end + _AROUND))
        if match.start() < end and start < match.end() and (needs is None or needs.search(match.group()))
    ]
    priced = [match for match in found if pattern is _AMOUNT and _PRICED.search(match.group())]
    found = priced if len(found) > len(priced) == 1 else found
    if len(found) != 1:
        return (start, end) if found else None
    piece = found[0].group()
    return found[0].start() + len(piece) - len(piece.lstrip()), found[0].start() + len(piece.rstrip())


def _time(text: str, field: str, start: int, end: int) -> tuple[int, int] | None:
    """The whole period; of a field that asks for its begin or its end, that one."""
    period = _touched(text, _TIME, _QUANTITY, start, end)
    if period is None or not _ONE_END.search(field):
        return period
    moments = list(_ONE_MOMENT.finditer(text, *period))
    if len(moments) != 2:
        return period
    moment = moments[0] if _BEGIN.search(field) else moments[1]
    return moment.start(), moment.start() + len(moment.group().rstrip())
