"""Support marks by kind of mistake: a right and a wrong sentence about each passage, all of them made up."""

import pytest

from src.chat.support import support_of
from src.chat.types import Span
from src.ingest.types import Chunk
from src.search.synonyms import default_lexicon
from src.search.types import Hit, Stages


def is_supported(question: str, sentence: str, *passages: str) -> bool:
    """A passage is its text, or title|text."""
    hits = [
        Hit(Chunk(f"c{rank}", "d", "s", title, text, 0, len(text)), 0.9, rank, Stages())
        for rank, passage in enumerate(passages, 1)
        for title, text in [passage.split("¦", 1) if "¦" in passage else ("", passage)]
    ]
    support = support_of(sentence, hits, question, None, default_lexicon().variants)
    assert len(support) == 1
    return support[0].rank is not None


POOL = "泳池规定：十二岁以下儿童不得单独下水。深水区禁止跳水，浅水区可以使用浮板。未经教练同意，任何人不得进入更衣区以外的设备间。"
CARS = "货车严禁驶入内环，夜间可以在外环临时停靠，白天不能停靠。"
GOODS = "生鲜商品概不退换，家电商品七天内可以退换。"
PETS = "携带宠物的乘客，一律谢绝乘车；导盲犬可以乘车。"
MUSEUM = "参观无需预约，凭身份证入馆。在展厅内使用三脚架是不允许的。非工作人员禁止进入库房。"
TENDER = "甲级供应商可以参加投标，丙级供应商拒绝参加投标。"

STORE = "未佩戴安全帽者禁止入内。访客登记后可以入内，但不得拍照。"
TRIAL = "试用期为三个月，试用期内不得请事假。转正后每月可以请一天事假。"
OPENED = "本品开封后须冷藏，保质期七天；未开封可以常温保存，保质期十二个月。"


@pytest.mark.parametrize(
    ("passage", "sentence", "supported"),
    [
        (STORE, "未佩戴安全帽者可以入内。", False),
        (STORE, "访客登记后可以入内。", True),
        (STORE, "访客登记后可以拍照。", False),
        (TRIAL, "试用期内可以请事假。", False),
        (TRIAL, "试用期内每月可以请一天事假。", False),
        (TRIAL, "转正后每月可以请一天事假。", True),
        (OPENED, "开封后保质期七天。", True),
        (OPENED, "开封后保质期十二个月。", False),
        (POOL, "十二岁以下儿童可以单独下水。", False),
        (POOL, "十二岁以下儿童不能单独下水。", True),
        (POOL, "深水区可以跳水。", False),
        (POOL, "深水区不可以跳水。", True),
        (POOL, "浅水区可以使用浮板。", True),
        (POOL, "可以进入设备间。", False),
        (CARS, "货车可以驶入内环。", False),
        (CARS, "白天可以停靠。", False),
        (CARS, "夜间可以在外环临时停靠。", True),
        (GOODS, "生鲜商品可以退换。", False),
        (GOODS, "生鲜商品七天内可以退换。", False),
        (GOODS, "家电商品七天内可以退换。", True),
        (GOODS, "家电商品不可以退换。", False),
        (PETS, "携带宠物的乘客可以乘车。", False),
        (PETS, "导盲犬可以乘车。", True),
        (MUSEUM, "参观需要预约。", False),
        (MUSEUM, "参观不需要预约。", True),
        (MUSEUM, "在展厅内可以使用三脚架。", False),
        (MUSEUM, "非工作人员可以进入库房。", False),
        (MUSEUM, "工作人员禁止进入库房。", False),
        (MUSEUM, "非工作人员不得进入库房。", True),
        (TENDER, "丙级供应商可以参加投标。", False),
        (TENDER, "甲级供应商可以参加投标。", True),
    ],
)
@pytest.mark.parametrize("asks", ["可以吗", "原样"])
def test_what_is_forbidden_is_not_allowed(passage: str, sentence: str, supported: bool, asks: str) -> None:
    question = f"{sentence[:-1].replace('不', '')}吗？" if asks == "可以吗" else ""
    assert is_supported(question, sentence, passage) is supported


LUZHOU = "泸州医科大学创办于1951年，校训是“厚德精业”，现有在校生一万五千人。它的附属医院有床位三千张。"
SICHUAN = "泸州职业技术学院创办于1978年，设有酿酒技术专业。与之相邻的泸州警官学院在2003年成立。"
FIRMS = "云帆科技公司成立于2011年，主营无人机。云岫科技公司成立于2016年，主营传感器，员工八百人。"
PUMPS = "DK-30A型水泵的扬程为42米；DK-30型水泵的扬程为35米。DK-50的功率是7.5千瓦。"
TWO_YEARS = "2022年，公司营收三亿元，净利润两千万元。2023年，公司营收四亿元，净利润五千万元。"
PEOPLE = "作曲家顾怀瑾1932年生于绍兴，代表作是《秋江夜泊》。画家沈若溪1941年生于无锡。"
VERSIONS = "青梧系统V2.10修复了登录超时，V2.1新增了暗色主题。"
BRIDGE = "清澜江全长380公里。清澜江大桥全长1670米，在1998年通车。"


@pytest.mark.parametrize(
    ("question", "sentence", "passages", "supported"),
    [
        ("泸州医科大学创办于哪一年？", "泸州医科大学创办于1951年。", (SICHUAN, LUZHOU), True),
        ("泸州师范大学创办于哪一年？", "泸州师范大学创办于1951年。", (LUZHOU, SICHUAN), False),
        ("西南医科大学的校训是什么？", "西南医科大学的校训是“厚德精业”。", (LUZHOU,), False),
        ("西南医科大学的校训是什么？", "校训是“厚德精业”。", (LUZHOU,), False),
        ("泸州医科大学的校训是什么？", "校训是“厚德精业”。", (LUZHOU,), True),
        ("泸州医科大学有多少在校生？", "它现有在校生一万五千人。", (LUZHOU,), True),
        ("泸州职业技术学院有多少在校生？", "泸州职业技术学院现有在校生一万五千人。", (LUZHOU, SICHUAN), False),
        ("泸州职业技术学院在哪一年成立？", "泸州职业技术学院在2003年成立。", (SICHUAN,), False),
        ("泸州警官学院在哪一年成立？", "泸州警官学院在2003年成立。", (SICHUAN,), True),
        ("云帆科技公司有多少员工？", "云帆科技公司有员工八百人。", (FIRMS,), False),
        ("云岫科技公司有多少员工？", "云岫科技公司有员工八百人。", (FIRMS,), True),
        ("云帆科技公司的主营业务是什么？", "云帆科技公司主营传感器。", (FIRMS,), False),
        ("云峰科技公司的主营业务是什么？", "云峰科技公司主营无人机。", (FIRMS,), False),
        ("DK-30B型水泵的扬程是多少？", "DK-30B型水泵的扬程是42米。", (PUMPS,), False),
        ("DK-30型水泵的扬程是多少？", "DK-30型水泵的扬程是42米。", (PUMPS,), False),
        ("DK-30A型水泵的扬程是多少？", "DK-30A型水泵的扬程是42米。", (PUMPS,), True),
        ("DK-30A的功率是多少？", "DK-30A的功率是7.5千瓦。", (PUMPS,), False),
        ("V2.1修复了什么？", "青梧系统V2.1修复了登录超时。", (VERSIONS,), False),
        ("V2.10修复了什么？", "青梧系统V2.10修复了登录超时。", (VERSIONS,), True),
        ("2023年的净利润是多少？", "2023年的净利润是两千万元。", (TWO_YEARS,), False),
        ("2023年的净利润是多少？", "净利润是两千万元。", (TWO_YEARS,), False),
        ("2024年的净利润是多少？", "净利润是五千万元。", (TWO_YEARS,), False),
        ("2023年的净利润是多少？", "2023年的净利润是五千万元。", (TWO_YEARS,), True),
        ("顾怀瑾是哪里人？", "顾怀瑾生于无锡。", (PEOPLE,), False),
        ("沈若溪是哪里人？", "沈若溪1941年生于无锡。", (PEOPLE,), True),
        ("沈若溪的代表作是什么？", "沈若溪的代表作是《秋江夜泊》。", (PEOPLE,), False),
        ("顾怀瑾的代表作是什么？", "顾怀瑾的代表作是《秋江夜泊》。", (PEOPLE,), True),
        ("谁写了《秋江夜泊》？", "《秋江夜泊》是顾怀瑜的代表作。", (PEOPLE,), False),
        ("清澜江有多长？", "清澜江全长1670米。", (BRIDGE,), False),
        ("清澜江有多长？", "清澜江全长380公里。", (BRIDGE,), True),
        ("清澜江大桥有多长？", "清澜江大桥全长380公里。", (BRIDGE,), False),
        ("清澜江大桥有多长？", "清澜江大桥全长1670米。", (BRIDGE,), True),
        ("老虎是群居动物吗？", "老虎是群居动物。", ("老虎是独居动物，狮子是群居动物。",), False),
        ("临江市中医院建于哪年？", "临江市中医院建于1952年。", ("临江市人民医院建于1952年。",), False),
        ("技术部经理是谁？", "技术部经理是周雨桐。", ("李文博任技术部经理，周雨桐任财务部经理。",), False),
        ("技术部经理是谁？", "技术部经理是李文博。", ("李文博任技术部经理，周雨桐任财务部经理。",), True),
        ("云岭大学在哪一年创办？", "云岭大学在1927年创办。", ("云岭大学¦学校在1927年创办，位于番禺区。",), True),
        ("海岬大学在哪一年创办？", "海岬大学在1927年创办。", ("云岭大学¦学校在1927年创办，位于番禺区。",), False),
        ("北大在哪一年创办？", "北大创办于1898年。", ("北京大学在1898年创办。",), True),
        ("土豆的原产地是哪里？", "土豆的原产地是南美洲。", ("马铃薯原产于南美洲，可以做主食。",), True),
        ("电脑死机怎么办？", "电脑死机时可以长按电源键。", ("计算机死机时，可以长按电源键十秒。",), True),
        ("红薯的原产地是哪里？", "红薯的原产地是南美洲。", ("马铃薯原产于南美洲，可以做主食。",), False),
    ],
)
def test_a_fact_belongs_to_its_own_thing(
    question: str, sentence: str, passages: tuple[str, ...], supported: bool
) -> None:
    assert is_supported(question, sentence, *passages) is supported


RIVERS = ("沅溪江全长420公里，流经三县。", "沱水河全长610公里，是本省最长的河。")
TOWERS = ("望月塔比听涛塔高，两塔都在湖边。",)
SCHOOLS = ("柳溪中学创办于1956年。", "松涛中学创办于1962年。")


@pytest.mark.parametrize(
    ("sentence", "passages", "supported"),
    [
        ("沅溪江比沱水河长。", RIVERS, False),
        # What no passage compares is not borne out, right or wrong: the chat quotes what each says instead.
        ("沱水河比沅溪江长。", RIVERS, False),
        ("沱水河长于沅溪江。", RIVERS, False),
        ("沅溪江比沱水河宽。", RIVERS, False),
        ("听涛塔比望月塔高。", TOWERS, False),
        ("望月塔比听涛塔更高。", TOWERS, True),
        ("柳溪中学和松涛中学分别创办于1956年。", SCHOOLS, False),
        ("柳溪中学和松涛中学分别创办于1962年和1956年。", SCHOOLS, False),
        ("柳溪中学和松涛中学分别创办于1956年和1962年。", SCHOOLS, True),
        ("柳溪中学和松涛中学都创办于1956年。", SCHOOLS, False),
        ("柳溪中学和松涛中学创办于1956年。", SCHOOLS, False),
        ("松涛中学创办于1962年。", SCHOOLS, True),
    ],
)
def test_several_things_at_once(sentence: str, passages: tuple[str, ...], supported: bool) -> None:
    for question in ("", f"{sentence[:-1]}吗？"):
        assert is_supported(question, sentence, *passages) is supported


TOWER = "听涛塔位于湖心岛，是一座七层砖塔。它从1532年开始修建，1540年完工，先后修缮过五次。每到中秋，塔上点灯，游人如织，湖面映出万点灯火。"
ALIAS = "广州简称穗，别称羊城和花城。"


@pytest.mark.parametrize(
    ("question", "sentence", "passage"),
    [
        ("介绍一下听涛塔", "它从1532年开始修建，1540年完工，先后修缮过五次。", TOWER),
        ("介绍一下听涛塔", "每到中秋，塔上点灯，游人如织，湖面映出万点灯火。", TOWER),
        ("介绍一下听涛塔", "听涛塔位于湖心岛。", TOWER),
        ("听涛塔修缮过几次？", "听涛塔先后修缮过五次。", TOWER),
        ("听涛塔哪一年完工？", "1540年完工。", TOWER),
        ("广州有哪些别称？", "广州的别称是羊城和花城。", ALIAS),
        ("广州有哪些别称？", "羊城和花城。", ALIAS),
        ("", "游人如织，湖面映出万点灯火。", TOWER),
    ],
)
def test_what_is_copied_or_goes_on_about_the_subject_is_supported(
    question: str, sentence: str, passage: str
) -> None:
    assert is_supported(question, sentence, "湖边有许多柳树。", passage)


PLANS = "套餐说明¦| 套餐 | 每月流量 | 通话分钟 | 办理代码 |\n| --- | --- | --- | --- |\n| 轻享版 | 20 | 300 | T108 |\n| 尊享版 | 80 | 不限 | T128 |"
ROOMS = "会议室：白鹭厅；时段：工作日；容量：24\n会议室：白鹭厅；时段：周末；容量：12\n会议室：苍鹰厅；时段：工作日；容量：60"
PROFITS = "项目：营业收入；2021年：4200；2022年：5100\n项目：营业成本；2021年：2900；2022年：3350"
CITIES = (
    "城市：南昌；住宿上限（元/晚）：380；餐补（元/天）：90\n城市：九江；住宿上限（元/晚）：300；餐补（元/天）：70"
)


@pytest.mark.parametrize(
    ("question", "sentence", "passage", "supported"),
    [
        ("尊享版的通话分钟是多少？", "尊享版的通话分钟是80。", PLANS, False),
        ("尊享版的通话分钟是多少？", "尊享版的通话分钟不限。", PLANS, True),
        ("尊享版的每月流量是多少？", "尊享版的每月流量是80。", PLANS, True),
        ("尊享版的每月流量是多少？", "尊享版的每月流量是20。", PLANS, False),
        ("尊享版的通话分钟是多少？", "80。", PLANS, False),
        ("豪华版的每月流量是多少？", "豪华版的每月流量是80。", PLANS, False),
        ("轻享版的办理代码是什么？", "轻享版的办理代码是T128。", PLANS, False),
        ("轻享版的办理代码是什么？", "轻享版的办理代码是T108。", PLANS, True),
        ("白鹭厅周末的容量是多少？", "白鹭厅周末的容量是12。", ROOMS, True),
        ("白鹭厅周末的容量是多少？", "白鹭厅周末的容量是24。", ROOMS, False),
        ("白鹭厅工作日的容量是多少？", "白鹭厅工作日的容量是60。", ROOMS, False),
        ("2022年的营业成本是多少？", "2022年的营业成本是3350。", PROFITS, True),
        ("2022年的营业成本是多少？", "2022年的营业成本是2900。", PROFITS, False),
        ("2022年的营业成本是多少？", "2022年的营业成本是5100。", PROFITS, False),
        ("九江的住宿上限是多少？", "九江的住宿上限是300元。", CITIES, True),
        ("九江的住宿上限是多少？", "九江的住宿上限是70元。", CITIES, False),
        ("九江的住宿上限是多少？", "九江的住宿上限是380元。", CITIES, False),
        ("上饶的住宿上限是多少？", "上饶的住宿上限是300元。", CITIES, False),
    ],
)
def test_a_cell_belongs_to_its_row_and_column(question: str, sentence: str, passage: str, supported: bool) -> None:
    assert is_supported(question, sentence, passage) is supported


@pytest.mark.parametrize("written", ["2021年3月5日", "2021-03-05", "2021/3/5", "二〇二一年三月五日", "2021.03.05"])
@pytest.mark.parametrize("said", ["2021年3月5日", "2021年03月05日", "2021-3-5", "二〇二一年三月五号"])
def test_a_date_in_any_writing_is_one_date(written: str, said: str) -> None:
    passage = f"鹭屿大桥于{written}合龙，全长两公里。"
    assert is_supported("鹭屿大桥哪天合龙？", f"鹭屿大桥于{said}合龙。", passage)
    assert not is_supported("鹭屿大桥哪天合龙？", "鹭屿大桥于2021年5月3日合龙。", passage)
    assert not is_supported("鹭屿大桥哪天合龙？", "鹭屿大桥于2021年3月15日合龙。", passage)


CHORUS = "星河合唱团由裴子衿在2009年创立，总部设在瑞士日内瓦，编号为110101199003070011。"


@pytest.mark.parametrize(
    ("sentence", "supported"),
    [
        ("星河合唱团由裴子衿在2009年创立。", True),
        ("星河合唱团由裴子衿创立于2009年。", True),
        ("星河合唱团由裴子青在2009年创立。", False),
        ("星河合唱团由陆子衿在2009年创立。", False),
        ("星河合唱团由裴子衿在2008年创立。", False),
        ("星河合唱团的总部设在德国日内瓦。", False),
        ("星河合唱团的总部设在瑞士苏黎世。", False),
        ("星河合唱团的编号为110101199003070022。", False),
        ("星河合唱团的编号为110101199003070011。", True),
    ],
)
def test_a_number_or_name_that_no_passage_has(sentence: str, supported: bool) -> None:
    for question in ("", "介绍一下星河合唱团"):
        assert is_supported(question, sentence, CHORUS) is supported


@pytest.mark.parametrize(
    "words", ["甲和乙都", "甲比乙", "长于", "甲和乙、", "|", "：；", "“", "不可以", "大学", "a-1."]
)
def test_strange_sentences_do_no_harm(words: str) -> None:
    sentence = words * (2000 // len(words)) + "好"
    hits = [Hit(Chunk("c", "d", "s", "", sentence[:300], 0, 300), 0.9, 1, Stages())]
    assert len(support_of(sentence, hits, sentence[:200])) >= 1


LODGES = "枕水客栈在北门。双人间每晚二百二十元，可以免费取消。倚山客栈在南门。双人间每晚三百元。"


@pytest.mark.parametrize(
    ("sentence", "supported"),
    [
        ("枕水客栈：双人间每晚二百二十元，可以免费取消。", True),
        ("倚山客栈：双人间每晚三百元。", True),
        ("枕水客栈：双人间每晚三百元。", False),
        ("听雨客栈：双人间每晚三百元。", False),
    ],
)
def test_a_sentence_quoted_of_a_thing_is_told_of_it(sentence: str, supported: bool) -> None:
    assert is_supported("哪家客栈便宜？", sentence, LODGES) is supported


@pytest.mark.parametrize(
    ("question", "sentence", "passage", "span", "supported"),
    [
        ("西安古时候叫什么？", "西安古时候叫长安。", "西安位于关中，古称长安。", "长安", True),
        ("西安古时候叫什么？", "西安古时候叫咸阳。", "西安位于关中，古称长安。", "长安", False),
        ("洛阳古时候叫什么？", "洛阳古时候叫长安。", "西安位于关中，古称长安。", "长安", False),
        ("钉子归谁看管？", "钉子归贺春看管。", "物品：钉子；保管员：贺春\n物品：木板；保管员：卢秋", "贺春", True),
        ("木板归谁看管？", "木板归贺春看管。", "物品：钉子；保管员：贺春\n物品：木板；保管员：卢秋", "贺春", False),
    ],
)
def test_what_was_read_may_be_said_in_the_questions_words(
    question: str, sentence: str, passage: str, span: str, supported: bool
) -> None:
    found = Hit(Chunk("c", "d", "s", "", passage, 0, len(passage)), 0.9, 1, Stages())
    start = passage.index(span)
    read = Span(1, span, start, start + len(span), 0.9)
    support = support_of(sentence, [found], question, None, default_lexicon().variants, read)
    assert (support[0].rank is not None) is supported
