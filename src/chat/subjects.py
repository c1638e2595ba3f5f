"""Names of things, and whether a fact of a passage is told of the thing that a sentence names.

No list knows all names. But a name of an institution, place or building ends with its kind (长汀|医学院), a model number
is in Latin letters, and other names are what no common word is (李嘉庚). Two names are the same if one stands whole
where the other does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from src.chat.claims import CODE, FUNCTION
from src.search.vocabulary import cut


def word_set(text: str) -> frozenset[str]:
    """The words of a list that is written with spaces."""
    return frozenset(text.split())


# Last words of names, by what may be mistaken for each other.
_KINDS = {
    "school": "大学 学院 学校 中学 小学 高中 一中 二中 三中 幼儿园 党校",
    "company": "公司 集团 厂 银行 合作社 事务所 研究院 研究所 实验室 医院 院 诊所 协会 学会 基金会 委员会 出版社 报社 局 店 超市",
    "water": "江 河 湖 海 水库 运河 海峡 瀑布",
    "height": "山 岛 峰 岭 高原 盆地 沙漠 平原 半岛",
    "area": "国 省 市 县 区 镇 乡 村 州 园 街道 路 街",
    "building": "桥 隧道 铁路 高铁 公路 地铁 站 机场 港 码头 塔 寺 庙 宫 楼 馆 厅 广场 大厦 中心 电站 会议室 仓库 食堂 线",
    "unit": "部 部门 科 处 室 队 组 系",
    "product": "版 型 款 系列",
    "event": "奖 杯 节",
}  # fmt: skip
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words.split()}
_KIND = re.compile(rf"(?:{'|'.join(sorted(_KIND_OF, key=len, reverse=True))})$")
# End with a kind and are no name.
_COMMON = word_set(
    "城市 地区 校区 社区 小区 山区 市区 景区 郊区 城区 农村 乡村 全部 内部 外部 东部 西部 南部 北部 中部 我国 全国 爱国 各国 外国 本国 "
    "全市 全省 本市 全校 干部 总部 上部 下部 一部 大型 小型 中型 类型 典型 模型 新型 道路 一路 公园 校园 网站 车站 到处 用处 好处 分组 "
    "小组 体系 关系 联系 科系 院系 过节 季节 环节 细节 情节 主线 路线 干线 在线 上线 上海 大海 出版 改版 新版 旧版 公路 铁路 "
    "高铁 地铁 大桥 河流 江河 江山 门店 大楼 火车站 旧址 学校 公司 集团 医院 大学 中学 小学 学院 研究所 部门 团队 单位"
)
# The subject of the passage in other words: what stands before it is what it is about.
_SELF = word_set(
    "学校 公司 医院 集团 全校 本校 本市 全市 该校 它 其 他 她 这里 当地 单位 研究所 机构 方法 技术 系统 产品"
)
_SURNAMES = frozenset(
    "王李张刘陈杨赵黄周吴徐孙胡朱林何郭罗梁宋郑谢韩唐冯董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田姜范姚谭廖邹熊陆郝孔白崔康"
    "毛邱秦史顾侯邵孟龙段雷钱汤尹黎易武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂焦向柳邢路岳齐梅莫庄辛管祝左涂谷祁耿牟卜裴"
    "欧阳司马诸葛上官"
)
# What is said of a thing begins with these.
PREDICATES = word_set(
    "创办 创立 创建 成立 建立 建成 设立 组建 始建 开业 位于 坐落 地处 属于 隶属 简称 别称 又称 又叫 也叫 原名 初名 旧称 古称 全称 俗称 "
    "前身 改名 更名 定名 现有 拥有 共有 设有 分为 包括 全长 总长 海拔 面积 人口 可以 不得 不能 应当 必须 需要 分别 毕业 就读 考入 来自 "
    "出生 担任 发源 注入 流经 发布 推出 提出 发明 负责 采用 支持 使用 约为 大约 达到 超过 长度 高度 价格 每年 每天 每月 比 不 没 未 无 需 须 应 会 要 能 可 叫 称 原来 "
    "归 禁止 严禁 拒绝 谢绝 一律 任 兼任 获 公布 宣布 显示 表示 指出 认为 确定 测得 批准 介绍 限 限速 限高 限重 限制"
)
# Words that a name may have or lack.
_LOOSE = re.compile(r"^(?:原|今|前|后|新|国立|私立|公立|省立|中国|.*[省市县])?$")
_NO_KIND = re.compile(r"^(?:全.|[内外东西南北中上下总]部)$")
# Makes what stands before it a case that the rest of the clause is limited to.
_CASE = re.compile(r"以?后|期间|时(?!间)|内(?!部)")
_VERB = re.compile(r".[入于到自至往为]$")
_TIME = re.compile(r"^[\d年月日底初末春夏秋冬前后以\s至到-]+$")
_CLAUSE = re.compile(r"[^，,；;：:。！？!?\n|]+")
_TOKEN = re.compile(rf"{CODE.pattern}|\d[\d.]*|[\u3400-\u9fff]+")


@dataclass(frozen=True)
class Name:
    """A name at text[start:end].

    Attributes:
        kind: "" for what ends with none.
        last: the last of the words that it stands among, where there are several: 商品 of 生鲜商品.
    """

    text: str
    kind: str
    start: int
    last: str = ""

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@lru_cache(maxsize=10_000)
def names(text: str) -> tuple[Name, ...]:
    """The names of a plain text that can be told: by their kind, their letters, or as no common word."""
    return tuple(name for run in _runs(text) if (name := _name(run)) is not None)


@lru_cache(maxsize=10_000)
def subject(text: str) -> Name | None:
    """What the clauses of a plain text begin with, up to the predicate; None where they go on about something else."""
    for clause in _CLAUSE.finditer(text):
        if _TIME.match(clause.group()):
            continue
        run = next(_runs(clause.group(), clause.start()), None)
        if run is None or run[0][1] > clause.start() + len(clause.group()) - len(clause.group().lstrip(' “"《')):
            return None
        name = _name(run)
        if name is not None:
            return name
        words = [word for word, _ in run]
        size = next((i for i, word in enumerate(words) if len(word) > 1), len(words)) or 1
        return Name("".join(words[: min(size, 3)]), "", run[0][1], words[-1] if len(words) > 1 else "")
    return None


def stands_in(name: Name, text: str, said: str) -> bool:
    """Whether the name stands whole in ``text``: not as 北京大学 in 北京大学图书馆, unless ``said`` has the rest too."""
    if name.kind == "code":
        return name.text in CODE.findall(text)
    longer = [one for one in names(text) if name.text in one.text and one.kind != "person"]
    # 新排练厅 may stand as 新的排练厅.
    for match in re.finditer("的?".join(map(re.escape, cut(name.text))), text):
        around = [one for one in longer if one.start <= match.start() and match.end() <= one.end]
        if not around:
            return True
        before = text[around[0].start : match.start()]
        behind = text[match.end() : around[0].end]
        if (not name.kind or _LOOSE.match(before) or before in said) and (not behind or behind in said):
            return True
    return False


def is_told_of(name: Name, place: int, text: str, said: str) -> bool:
    """Whether what stands at ``place`` of a passage is told of ``name``: going back from there, no clause begins with
    another thing of its kind before one has it. Things that ``said`` names as well are no others."""
    for clause in reversed([match for match in _CLAUSE.finditer(text) if match.start() <= place]):
        words = clause.group()
        begins = subject(words)
        if begins is not None and is_self(begins):
            return True
        # 与之相邻的清华大学创办于1911年
        others = [begins] if begins else [n for n in names(words) if words[: n.start].endswith("的")]
        others = [one for one in others if clause.start() + one.start <= place and not _is_said(one, name, said)]
        if any(_is_other(one, name) or _is_parallel(one, name, words, text) for one in others):
            return False
        # 周雨桐任财务部经理 says nothing of 技术部, whatever stands before.
        if clause.end() > place and name.text not in words:
            beside = [one for one in names(words) if one.kind and one.kind == name.kind]
            if any(not _is_said(one, name, said) for one in beside):
                return False
        # 未开封的 is not told of 开封的.
        denied = [f"{mark}{name.text}" for mark in "未非无不"]
        if any(one in words and one not in said for one in denied):
            return False
        if stands_in(name, words, said):
            return True
    # 1898年，京师大学堂创办，这就是北京大学的前身
    return name.text in re.split(r"[。！？!?\n]", text[place:], maxsplit=1)[0]


def _is_parallel(one: Name, name: Name, words: str, text: str) -> bool:
    """Whether the clause is about another thing or case, as its form shows: 老虎是…，狮子是…; 转正后…."""
    behind = words[one.end :]
    return name.text not in words and bool(_CASE.match(behind) or (behind and f"{name.text}{behind[0]}" in text))


def _is_said(one: Name, name: Name, said: str) -> bool:
    """Whether ``said`` has it beside the name, or what it has more than the name: 广州地铁, where 广州的地铁 is said."""
    return one.text in said.replace(name.text, "") or (
        name.text in one.text and one.text.replace(name.text, "") in said
    )


def is_self(name: Name) -> bool:
    """Whether it stands for the passage's subject."""
    return name.text in _SELF


def _is_other(one: Name, name: Name) -> bool:
    """Whether it is another thing of the same kind, or one that has the name as a part or is a part of it."""
    if one.text == name.text or (name.text.endswith(one.text) and one.kind != "code"):
        return False
    longer = one.text.startswith(name.text) or (name.text.startswith(one.text) and bool(one.kind))
    alike = bool(one.kind) and one.kind == name.kind
    return alike or longer or (one.last == name.last and len(one.last) > 1)


Run = list[tuple[str, int]]


def _runs(text: str, offset: int = 0) -> Iterator[Run]:
    """Neighbouring words that may make up a name, each with its place."""
    run: Run = []
    end = -1
    for match in _TOKEN.finditer(text):
        words = list(_words(match.group(), match.start()))
        for (word, start), behind in zip(words, [*(word for word, _ in words[1:]), ""], strict=True):
            stops = word in FUNCTION or word in PREDICATES or word.isdigit() or bool(_VERB.match(word))
            # 上饶 and 临江市中医院 have what are words of their own elsewhere.
            if word in "上中下和" and (not start or (run and _KIND.search(behind))):
                stops = False
            if run and (stops or start != end):
                yield run
                run = []
            if not stops:
                run.append((word, start + offset))
            end = start + len(word)
    if run:
        yield run


def _words(text: str, start: int) -> Iterator[tuple[str, int]]:
    for word in cut(text) if "\u3400" <= text[0] <= "\u9fff" else [text]:
        yield word, start
        start += len(word)


def _name(run: Run) -> Name | None:
    words = [word for word, _ in run]
    for word, place in run:
        if CODE.fullmatch(word):
            return Name(word, "code", place)
    for last in range(len(run) - 1, -1, -1):
        kind = None if _NO_KIND.match(words[last]) else _KIND.search(words[last])
        whole = "".join(words[: last + 1])
        if (
            kind
            and whole not in _COMMON
            and len(whole) >= 2
            and (last or len(words[0]) > 2 or words[0] not in _COMMON)
        ):
            return Name(whole, _KIND_OF[kind.group()], run[0][1])
    for i, word in enumerate(words):
        given = "".join(words[i + 1 : i + 3]) if all(len(w) == 1 for w in words[i + 1 : i + 3]) else words[i + 1]
        if word in _SURNAMES and 1 <= len(given) <= 2:
            return Name(word + given, "person", run[i][1])
    return None
