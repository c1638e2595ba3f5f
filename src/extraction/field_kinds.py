"""Kinds of fields of one's own: what a field is called says what its value looks like.

签订日期 wants a date, 合同金额 an amount, 联系电话 a number to call, 发票号码 a code, 联系人 a name. A span that a reader points at
is widened or cut to the value of that kind which it touches; one that touches none is refused.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from src.extraction.fields import EMAIL, PHONE
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
_CURRENCY = r"(?:人民币|RMB|CNY|USD|EUR|HKD|US\$|[¥￥$€])"
_UNIT = r"(?:万|亿|千)?(?:余|多)?(?:美元|欧元|港元|日元|元|圆|块钱?|角|分(?!之))(?:[整正])?"
_AMOUNT = re.compile(
    rf"(?:{_CURRENCY}\s*)?(?:每[\u4e00-\u9fff]{{1,6}})?约?(?:(?:{_NUMBER}\s*{_UNIT})+|{_NUMBER})(?:[/／][\u4e00-\u9fff]{{1,2}})?|[\u4e00-\u9fff]{{0,6}}百分之{_CHINESE_NUMBER}|千分之{_CHINESE_NUMBER}|{_PLAIN}[%％‰]",
    re.IGNORECASE,
)
_PRICED = re.compile(rf"{_CURRENCY}|[元圆角块]", re.IGNORECASE)
# What stands before a place or a thing and is none of it.
_BEFORE = re.compile(r"位于|坐落于|地处|[在于到](?=[\u4e00-\u9fff]{2})")
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
# The commonest ones: a shape, no proof.
_SURNAMES = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏窦章云苏潘葛奚范彭郎鲁韦昌马苗凤花方俞任袁柳鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元顾孟平黄和穆萧尹姚邵湛汪祁"
    "毛狄米贝明臧计成戴谈宋茅庞熊纪舒屈项祝董梁杜阮蓝闵席季贾路娄江童颜郭梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯管卢莫房裘缪解应宗丁宣邓郁单杭洪包诸左石崔吉龚程邢裴陆荣翁荀甄曲家封芮储靳井段富巫焦谷车侯全班仰秋仲伊宫"
    "宁仇栾甘厉祖武符刘景詹束龙叶司韶黎薄印白怀蒲台从赖卓蔺屠蒙池乔闻党翟谭贡劳申扶冉郦桑桂牛寿边燕冀尚农温庄晏柴瞿阎充慕连习艾鱼容向古易慎戈廖庾终居衡步都耿满匡文寇广阙东欧利蔚越隆师巩聂晁敖冷辛阚那简饶曾沙养丰关蒯相查"
    "荆游竺权益桓公佟覃冼肖闫仝"
)
# How far a value may reach beyond the span that touches it.
_AROUND = 40


@dataclass(frozen=True)
class Kind:
    """Values of one kind.

    Attributes:
        names: end the names of fields that ask for them.
        shape: what a whole value looks like.
        is_found: whether a span is widened or cut to the value of this shape that it touches; else it stays as it is.
        needs: what a value must hold.
        goes_on: what behind it belongs to it.
    """

    names: re.Pattern[str]
    shape: re.Pattern[str]
    is_found: bool = False
    needs: re.Pattern[str] | None = None
    goes_on: re.Pattern[str] | None = None


def _ending(names: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{names})(?:[（(][^（）()]*[）)])?$", re.IGNORECASE)


_WORDS = r"[^，。；：！？\n]{1,30}"
_TITLE = (
    "先生|女士|小姐|老师|医生|医师|教授|经理|主任|师傅|同学|同志|律师|队长|院长|校长|局长|县长|市长|书记|阿姨|某"
)
_PERSON = Kind(
    _ending("人|员|师|者|姓名|方|主任|经理|董事长|[院校队局馆]长|老师|导演|司机|医生|教授|主持|记录|主席|总裁|书记|嘉宾|业主|房东|代表|主编|教练|失主|instructor"),
    re.compile(
        rf"[{_SURNAMES}](?:[\u4e00-\u9fff]{{1,2}}(?:{_TITLE})?|{_TITLE})|[小老阿][\u4e00-\u9fff]{{1,2}}|[\u4e00-\u9fff]{{2,5}}·[\u4e00-\u9fff]{{2,5}}|[A-Z][A-Za-z'-]+(?: [A-Z][A-Za-z'-]+)*"
    ),
)  # fmt: skip
_ORGANISATION = Kind(
    _ending("公司|单位|机构|部门|院校|学校|医院|集团|银行|科室|方|机关|社|厂家?|厂商|品牌|开户行|系|院|协会|组织|人|来源"),
    re.compile(
        rf"{_WORDS}(?:公司|集团|厂|局|委员?会|部|院|校|大学|[中小]学|银行|中心|社|所|处|站|队|会|店|铺|政府|科|系|办|馆|行|基金|工作室|幼儿园|超市|科技|软件|物流|传媒|村|组|园|网|场)(?:[（(][^（）()]*[）)])?"
    ),
)  # fmt: skip
_PLACE = Kind(
    _ending("地点|地址|位置|坐落|教室|会场|场所|住址|地区|区域|城市|地|楼层|地铁|站"),
    re.compile(
        rf"{_WORDS}(?:[省市县区镇乡村路街巷号楼层室厅馆园场站道桥口栋座苑院店湖山河江海岛]|广场|中心|基地|校区|大厦|仓库|[A-Za-z]?\d{{2,5}}[室房]?)"
    ),
    goes_on=re.compile(r"[\dA-Za-z][\dA-Za-z-]*[号室楼层栋座]*"),
)
_QUANTITY = Kind(
    _ending("数|量|例|率|学分|学时|年龄|楼龄|工期|周期|期|期限|面积|重|长度|高度|宽度|体温|血压|心率|血糖|功率|电压|温度|噪音|时长|课次|身高|幅度|风力|里程|吨位|额|费|价格?|工资|薪资|薪酬|报酬|收入|利润|租金|押金|预算|合计|同比|环比|比分|增长|评分|得分|成绩|绩点"),
    re.compile(
        r"(?:约|近|不少于|不超过|[≤≥<>]|每[\u4e00-\u9fff]{1,3}|共)?\s*[\d０-９零〇一二三四五六七八九十百千万亿两半.,，~～/\-–—:：×]+\s*(?:[%％‰]|[a-zA-Z²³℃°/]{1,8}|㎡|个?[\u4e00-\u9fff]{0,4})(?:以[上下内]|左右|多|余)?"
    ),
    False,
    re.compile(_DIGIT),
    re.compile(rf"\s*[至到~～—–-]+\s*{_NUMBER}[^\s，,。；;、]{{0,3}}"),
)  # fmt: skip
_EMAIL = Kind(_ending("邮箱|邮件|邮箱地址|e-?mail"), EMAIL, True)
_PHONE = Kind(_ending("电话|手机|手机号码?|电话号码|热线|传真|联系方式|phone|tel|mobile"), re.compile(r"\+?(?:[（(]?\d{2,5}[）)]?[-\s])?\d{3,}(?:[-\s]\d{3,}){0,3}"), True)  # fmt: skip
_MOMENT_KIND = Kind(_ending("日期|时间|年月日?|生日|date"), _TIME, True, re.compile(_DIGIT))
_MONEY = Kind(
    _ending("金额|总?价|价格|费|费用|额|合计|租金|押金|保证金|违约金|定金|工资|薪资|月租|投资|预算|造价|收入|利润|报酬|薪酬|奖金|罚款|损失|price|amount|total"),
    _AMOUNT, True, re.compile(_DIGIT),
)  # fmt: skip
_CODE = Kind(
    _ending("号码|编号|代码|批号|单号|账号|证号|户号|门诊号|住院号|床号|税号|信用代码|车牌号|合同号|No\\.?"),
    re.compile(r"[A-Za-z0-9][A-Za-z0-9×*/#.+_()（）-]*(?: ?[A-Z][A-Za-z0-9]*)?"),
    True,
    re.compile(r"[A-Za-z\d]"),
)
# A span is fitted to the first one that a field's name asks for.
_KINDS = (_EMAIL, _PHONE, _MOMENT_KIND, _MONEY, _CODE, _QUANTITY, _PLACE, _PERSON, _ORGANISATION)


@lru_cache(maxsize=256)
def kinds_of(field: str) -> tuple[Kind, ...]:
    """The kinds that a field's name asks for, the most certain first."""
    return tuple(kind for kind in _KINDS if kind.names.search(field))


def fitted(text: str, field: str, start: int, end: int) -> tuple[int, int] | None:
    """The place of the value that a field's name asks for, where the span ``text[start:end]`` was pointed at; None where
    nothing of that kind is there."""
    start = _behind_name(text, field, start, end)
    if field.endswith("原因") and (because := _REASON.match(text, start, end)):
        start = because.end()
    kind = next(iter(kinds_of(field)), None)
    if kind is not None:
        if kind is _MOMENT_KIND:
            place = _time(text, field, start, end)
        else:
            place = _touched(text, kind, start, end) if kind.is_found else (start, end)
        if place is None or (kind.needs and not kind.needs.search(text, *place)):
            return None
        start, end = place
        if kind is _PLACE and (before := _BEFORE.match(text, start, end)):
            start = before.end()
        if kind.goes_on and (more := kind.goes_on.match(text, end)):
            end = more.end()
    return (start, end) if start < end and has_words(text[start:end]) else None


def beside_name(text: str, field: str) -> tuple[int, int] | None:
    """The place of a value of the field's kind that stands right behind its name: 发票号码 27719046, 电话6620."""
    kind = next((kind for kind in kinds_of(field) if kind.is_found), None)
    if kind is None:
        return None
    for match in re.finditer(rf"(?<![\u4e00-\u9fffA-Za-z]){re.escape(field)}[ \t\u3000]*[为是]?[ \t\u3000]*", text):
        found = kind.shape.match(text, match.end())
        if found and (kind.needs is None or kind.needs.search(found.group())) and len(found.group().strip()) > 2:
            return fitted(text, field, *found.span())
    return None


def only_value(text: str, field: str) -> tuple[int, int] | None:
    """The place of the value of a field that asks for an e-mail or a telephone, where the text has just one; of one that
    asks who signed and when, at the end of the text."""
    if _SIGNED_FIELD.search(field):
        signed = _SIGNED.search(text)
        return signed.span("date" if field.endswith(("日期", "时间")) else "unit") if signed else None
    pattern = {_EMAIL: EMAIL, _PHONE: PHONE}.get(next(iter(kinds_of(field)), _PLACE))
    found = {match.group(): match.span() for match in pattern.finditer(text)} if pattern else {}
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


def _touched(text: str, kind: Kind, start: int, end: int) -> tuple[int, int] | None:
    """The only match that overlaps the span; the span itself where there are several."""
    found = [
        match
        for match in kind.shape.finditer(text, max(0, start - _AROUND), min(len(text), end + _AROUND))
        if match.start() < end and start < match.end() and (kind.needs is None or kind.needs.search(match.group()))
    ]
    priced = [match for match in found if kind is _MONEY and _PRICED.search(match.group())]
    found = priced if len(found) > len(priced) == 1 else found
    if len(found) != 1:
        return (start, end) if found else None
    piece = found[0].group()
    return found[0].start() + len(piece) - len(piece.lstrip()), found[0].start() + len(piece.rstrip())


def _time(text: str, field: str, start: int, end: int) -> tuple[int, int] | None:
    """The whole period; of a field that asks for its begin or its end, that one."""
    period = _touched(text, _MOMENT_KIND, start, end)
    if period is None or not _ONE_END.search(field):
        return period
    moments = list(_ONE_MOMENT.finditer(text, *period))
    if len(moments) != 2:
        return period
    moment = moments[0] if _BEGIN.search(field) else moments[1]
    return moment.start(), moment.start() + len(moment.group().rstrip())
