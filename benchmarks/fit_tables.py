"""Tables made up for the fit of the rerank weights: rows alike but for a name and some numbers, in Chinese and English."""

import random
from collections.abc import Iterator

from src.ingest.readers.tables import table_documents
from src.ingest.types import Document

ROWS = 40
_SURNAMES, _GIVEN = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨", "明华芳伟静强丽军洋勇艳杰娟涛磊敏霞秀兰桂英玉珍晨"
_PLACES = [
    "青石",
    "白鹭",
    "松溪",
    "云岭",
    "柳河",
    "枫林",
    "石桥",
    "临江",
    "望湖",
    "长塘",
    "沙洲",
    "竹园",
    "梅山",
    "桂花",
    "银滩",
    "龙泉",
]
_ZH = {
    "{}县{}年水稻生产情况": ("乡镇", "播种面积（亩）", "总产量（吨）", "单产（公斤）", "农户数"),
    "{}公司{}年度员工名册": ("姓名", "工号", "部门", "入职年份", "月薪（元）"),
    "{}机械厂{}年配件价目表": ("型号", "品名", "单价（元）", "库存", "供应商"),
    "{}中学{}届期末成绩": ("姓名", "语文", "数学", "英语", "总分"),
    "{}集团{}年前十名股东持股情况": ("股东名称", "持股数量", "持股比例", "报告期内增减", "股份类别"),
    "{}站{}年列车时刻": ("车次", "始发站", "到达", "开车", "票价（元）"),
}
_EN = {
    "{} county rice production {}": ("Township", "Area sown", "Total yield", "Households", "Price"),
    "{} Ltd employees {}": ("Name", "Staff number", "Department", "Salary", "Year of entry"),
    "{} works price list {}": ("Model", "Part", "Unit price", "Stock", "Supplier"),
    "{} airport traffic {}": ("Month", "Passengers", "Cargo tons", "Flights", "On-time rate"),
}
_ASKED_ZH = (
    "{key}的{column}是多少？",
    "{title}里{key}的{column}",
    "{title}中，{key}这一行的{column}是什么？",
    "{key}，{column}？",
)
_ASKED_EN = (
    "What is the {column} of {key}?",
    "{title}: {column} of {key}",
    "How much was the {column} for {key} in {title}?",
)
_SYLLABLES = [
    "ba",
    "ko",
    "ler",
    "min",
    "tar",
    "vel",
    "dos",
    "rin",
    "sha",
    "wick",
    "ton",
    "mor",
    "gan",
    "fel",
    "ius",
    "ria",
]


def tables(count: int = 60) -> Iterator[tuple[str, list[Document], list[tuple[str, str, int]]]]:
    """(title, documents, questions) of each table; a question is its text, the document of its row, and where in it."""
    chance = random.Random(0)
    kinds = [
        *((title, names, _ASKED_ZH) for title, names in _ZH.items()),
        *((t, n, _ASKED_EN) for t, n in _EN.items()),
    ]
    for number in range(count):
        pattern, names, asked = kinds[number % len(kinds)]
        english = asked is _ASKED_EN
        place = _word(chance).title() if english else chance.choice(_PLACES)
        title = pattern.format(place, chance.randint(2008, 2025))
        keys = list(dict.fromkeys(_key(chance, english, names[0]) for _ in range(ROWS)))
        rows = [[key, *(_value(chance, english, name) for name in names[1:])] for key in keys]
        documents = list(table_documents([list(names), *rows], f"table{number}", f"table{number}", title=title))
        questions = []
        for key in chance.sample(keys, 8):
            field = f"{names[0]}：{key}；"
            holder = next(one for one in documents if field in one.text)
            column = chance.choice(names[1:])
            column = column.lower() if english else column.split("（")[0]
            text = chance.choice(asked).format(title=title, key=key, column=column)
            questions.append((text, holder.doc_id, holder.text.index(field)))
        yield title, documents, questions


def _key(chance: random.Random, english: bool, column: str) -> str:
    if column in ("型号", "车次", "Model"):
        return f"{chance.choice('ABDGKTXZ')}{chance.choice('ABDGKTXZ')}-{chance.randint(100, 999)}"
    if english:
        return f"{_word(chance).title()} {_word(chance).title()}"
    if column == "乡镇":
        return "".join(chance.sample(_GIVEN, 2)) + chance.choice("乡镇")
    return chance.choice(_SURNAMES) + "".join(chance.sample(_GIVEN, 2))


def _value(chance: random.Random, english: bool, column: str) -> str:
    if column in ("部门", "Department"):
        return chance.choice(["Sales", "Finance", "Quality"] if english else ["销售部", "财务部", "质检科"])
    if column in ("品名", "始发站", "供应商", "Part", "Supplier", "股份类别"):
        return _word(chance) if english else "".join(chance.sample(_GIVEN, 2)) + chance.choice(_PLACES)
    return str(chance.randint(10, 99999))


def _word(chance: random.Random) -> str:
    return "".join(chance.choice(_SYLLABLES) for _ in range(chance.randint(2, 3)))
