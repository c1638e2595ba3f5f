"""What rules know better than a tagger: lines such as 专业：法学, borders of Latin words, the names of peoples, addresses of
e-mails and numbers of telephones."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from src.extraction.label_lines import NOTHING, cells_named, lines_named, spaced_lines
from src.extraction.schema import Span, has_words

# What forms and resumes call each label, longest first where one begins another; then what is none of the eight.
_NAMES = {
    "姓名": "姓名|名字|中文名|英文名|曾用名|候选人|求职者|应聘者|应聘人|申请人|name|full name",
    "国籍": "国籍|nationality|citizenship",
    "种族": "民族|种族|族别|ethnicity|ethnic group",
    "职位": "现任职[务位]|现任岗位|担任职务|应聘[职岗]位|求职(?:意向|目标)|意向[职岗]位|目标[职岗]位|期望[职岗]位|职[位务称]|岗位|objective|position|job title|title",
    "教育背景": "最高学历|文化程度|教育程度|教育背景|学历学位|学历|学位|degree|education",
    "专业": "所学专业|主修专业|专业名称|专业|major",
    "组织名": "毕业(?:院校|学校)|院校名称|所在(?:院校|学校|单位|公司)|现?工作单位|现单位|任职(?:单位|公司)|就职(?:单位|公司)|公司名称|单位名称|毕业于|院校|学校|单位|公司|university|school|company|employer",
    "地名": "籍贯|出生地|户籍(?:所在地|地址)?|户口所在地|现居(?:住地|地|于)?|居住地|家庭住址|通讯地址|联系地址|现住址|住址|地址|所在(?:城市|地)|期望(?:城市|地点)|工作地点|address|location|hometown|birthplace",
}
_OTHER = (
    "性别|年龄|出生(?:日期|年月|时间)?|生日|政治面貌|婚姻(?:状况)?|婚否|宗教信仰|身高|体重|血型|健康状况|联系(?:电话|方式|人)|手机(?:号码?)?|电话(?:号码)?|移动电话|"
    "电子邮[箱件]|邮箱|e-?mail|微信号?|qq|身份证(?:号码?)?|邮编|邮政编码|期望(?:月薪|薪资|薪水)|参加工作时间|入职时间|到岗时间|工作年限|"
    "毕业时间|入学时间|外语(?:水平|语种)|英语(?:水平|等级)|计算机水平|兴趣爱好|爱好|特长|驾照|sex|gender|age|phone|tel|mobile|birthday|date of birth"
)
_BY_NAME = re.compile(
    "|".join(f"(?P<l{number}>{names})" for number, names in enumerate(_NAMES.values())), re.IGNORECASE
)
_ANY_NAME = "|".join((*_NAMES.values(), _OTHER))
# A value of one piece is taken whole; of a longer one, or one of several pieces, the tagger tells the parts.
_PIECES = re.compile(r"[，,。；;/|（(\s\d]")
_MOST = {"姓名": 12, "国籍": 10, "种族": 8, "职位": 20, "教育背景": 12, "专业": 20, "组织名": 30, "地名": 24}
# In these the spaces of bad character recognition tell no values apart.
_ONE_VALUE = ("国籍", "种族", "教育背景", "专业", "地名")
_CHINESE_GAP = re.compile(r"(?<=[\u4e00-\u9fff])[ \t\u3000]+(?=[\u4e00-\u9fff])")
# What a tagger takes for a name and is none: 个 of 个人简介, 叫 of 我叫, the title before a name.
_NO_NAMES = {"个", "基", "简", "求", "叫", "姓", "名", "我", "人", "本", "称", "dr", "mr", "ms", "mrs", "prof"}
_DEGREE = re.compile(
    r"\b(?:e?mba|mpa|ll?m|jd|[bm]\.?(?:a|s|sc|eng)|ph\.?d|bachelor|master|doctor|diploma|degree|college)",
    re.IGNORECASE,
)
_CLAUSE_ENDS = re.compile("[,，;；。]")
_LISTED = re.compile(r"[、]")
_CLOSES = {"《": "》", "（": "）", "(": ")", "“": "”"}
_LATIN = re.compile(r"[A-Za-z]+")
# Latin words that stand together and begin large: Key Account Manager, University of Leeds.
_LATIN_RUN = re.compile(
    r"\b(?!(?:Dr|Mrs?|Ms|Prof)\b)[A-Z][\w.'&-]*(?: (?:(?:of|and|de|van|von|&) )?[A-Z][\w.'&-]*)*(?<![.&'-])",
    re.ASCII,
)
_LATIN_VALUE = re.compile(r"[A-Za-z][A-Za-z0-9 .'&()/-]*")
EMAIL = re.compile(r"[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
PHONE = re.compile(
    r"(?<![\d-])(?:(?:\+|00)\s?\d{1,3}[-\s]?)?(?:1\s?[3-9](?:[-\s]?\d){9}|\d{3,4}-\d{7,8}|[48]00-?\d{3}-?\d{4})(?![\d-])"
)
# E-mails, pages, and numbers that are telephones or identity cards.
_ADDRESS = re.compile(
    EMAIL.pattern
    + r"|https?://\S+|www\.[\w./-]+|(?<![\w-])(?:\+?\d{2,4}[- ])?\d{3,4}[- ]?\d{4}[- ]?\d{3,4}(?![\w-])"
)
# Headings, in which a tagger may see a name (个 of 个人简历).
_HEADING = re.compile(
    r"^\W*(?:(?:个人)?简\s*历(?:表)?[一二三四五六七八九十\d]*|(?:应聘|求职)?登记表|求职信|(?:基本|个人)(?:信息|情况|资料)|(?:教育|工作|项目|实习|培训)(?:经历|背景)|自我评价|个人简介)\W*$",
    re.MULTILINE,
)
_PEOPLES = (
    "汉|蒙古|回|藏|维吾尔|苗|彝|壮|布依|朝鲜|满|侗|瑶|白|土家|哈尼|哈萨克|傣|黎|傈僳|佤|畲|高山|拉祜|水|东乡|纳西|景颇|柯尔克孜|土|达斡尔|仫佬|羌|布朗|撒拉|"
    "毛南|仡佬|锡伯|阿昌|普米|塔吉克|怒|乌孜别克|俄罗斯|鄂温克|德昂|保安|裕固|京|塔塔尔|独龙|鄂伦春|赫哲|门巴|珞巴|基诺"
)
# Between marks: 藏族, but not 藏族自治州 or 水族馆.
_PEOPLE = re.compile(rf"(?:(?<=[，,、；;：:（(\s/|])|^)(?:{_PEOPLES})族(?=[，,、；;。．）)\s/|]|$)")


@dataclass(frozen=True)
class Field:
    """``text[start:end]`` is what stands behind (or below) the name ``called``; ``label`` None where that is none of the
    eight."""

    label: str | None
    called: str
    name: tuple[int, int]
    start: int
    end: int


def fields_of(text: str) -> list[Field]:
    """The fields with a known name, in order: 姓名：钱多多；民族：回族."""
    lines = [*lines_named(text, _ANY_NAME), *cells_named(text, _ANY_NAME)]
    lines += spaced_lines(text, _ANY_NAME)
    found = []
    for line in sorted(lines, key=lambda one: one.at):
        known = _BY_NAME.fullmatch(line.name)
        label = tuple(_NAMES)[int(known.lastgroup[1:])] if known and known.lastgroup else None
        found.append(Field(label, line.name, (line.at, line.start), line.start, line.end))
    return found


def settled(text: str, spans: Sequence[Span]) -> list[Span]:
    """A tagger's spans put right by what is certain; what rules add has no confidence."""
    fields = fields_of(text)
    taken: list[tuple[int, int]] = [field.name for field in fields]
    taken += [match.span() for pattern in (_ADDRESS, _HEADING) for match in pattern.finditer(text)]
    added: list[Span] = []
    for field in fields:
        value = text[field.start : field.end]
        values = list(_whole(field, value))
        if values or field.label is None or NOTHING.fullmatch(value):
            taken.append((field.start, values[-1].end if values else field.end))
            added += values
    whole = filter(None, (_whole_words(text, span) for span in spans))
    kept = [span for span in _joined(text, list(whole)) if not _overlaps(span, taken) and not _is_mistaken(span)]
    kept += added
    peoples = list(_PEOPLE.finditer(text))
    places = {match.span() for match in peoples}  # 门巴族 is no place
    kept = [replace(span, label="种族") if (span.start, span.end) in places else span for span in kept]
    known = [(span.start, span.end) for span in kept]
    for match in peoples:
        people = Span("种族", match.group(), *match.span())
        if not _overlaps(people, [*taken, *known]):
            kept.append(people)
    return kept


def _whole(field: Field, value: str) -> Iterator[Span]:
    """The value as one span, or as several that are listed; nothing where it may be more than values."""
    if field.label is None or not has_words(value) or NOTHING.fullmatch(value):
        return
    start = field.start
    pieces = []
    first = _CLAUSE_ENDS.split(value)[0].rstrip()
    if first != value and _LATIN_VALUE.fullmatch(first) and field.label in (*_ONE_VALUE, "职位"):
        value = first  # Master of Science, Zhejiang University: the tagger tells the rest
    for piece in _LISTED.split(value):
        bare = piece.strip()
        joined = _CHINESE_GAP.sub("", bare) if field.label in _ONE_VALUE else bare
        is_latin = _LATIN_VALUE.fullmatch(bare) is not None
        if not bare or len(bare) > _MOST[field.label] + 20 * is_latin or (_PIECES.search(joined) and not is_latin):
            return
        at = start + piece.index(bare)
        pieces.append(Span(field.label, bare, at, at + len(bare)))
        start += len(piece) + 1
    yield from pieces


def _is_mistaken(span: Span) -> bool:
    """个 as a name, MySQL as a degree."""
    if span.label == "姓名":
        return span.text.casefold() in _NO_NAMES
    is_degree = _DEGREE.search(span.text) is not None
    return span.text.isascii() and (
        (span.label == "教育背景" and not is_degree) or (span.label == "种族" and is_degree)
    )


def _joined(text: str, spans: Sequence[Span]) -> list[Span]:
    """Latin spans grown to the whole run of words that they stand in, where no other label has some of it."""
    found: dict[tuple[str, int, int], Span] = {}
    runs = [match.span() for match in _LATIN_RUN.finditer(text)]
    for span in spans:
        start, end = next(
            (run for run in runs if run[0] <= span.start and span.end <= run[1]), (span.start, span.end)
        )
        if any(start < other.end and other.start < end and other.label != span.label for other in spans):
            start, end = span.start, span.end
        whole = replace(span, text=text[start:end], start=start, end=end)
        known = found.setdefault((span.label, start, end), whole)
        if (known.confidence or 0) < (whole.confidence or 0):
            found[span.label, start, end] = whole
    return list(found.values())


def _whole_words(text: str, span: Span) -> Span | None:
    """With the rest of the Latin words that it has at least half of; None where it has only bits of one."""
    start, end = span.start, span.end
    for word in _LATIN.finditer(text, max(0, start - 40), min(len(text), end + 40)):
        covered = min(end, word.end()) - max(start, word.start())
        if 0 < covered < len(word.group()):
            if 2 * covered < len(word.group()):
                return None
            start, end = min(start, word.start()), max(end, word.end())
    # 《南屏晚报》社, not 南屏晚报》社.
    if start and text[start - 1] in "《（(“" and _CLOSES[text[start - 1]] in text[start:end]:
        start -= 1
    return (
        span
        if (start, end) == (span.start, span.end)
        else replace(span, text=text[start:end], start=start, end=end)
    )


def _overlaps(span: Span, places: Sequence[tuple[int, int]]) -> bool:
    return any(span.start < end and start < span.end for start, end in places)
