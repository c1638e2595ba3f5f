"""Made-up news in which a question's answer is there, or only its look-alike: another year's winner, another round's
score, another branch's number.

A passage has a few reports of one kind (``Kind``). Each report is a sentence with slots; its ``keys`` tell it from the
others (year, round, place, team). Questions name the keys: those of a report that is there, those that none has, or a
slot that the report leaves out. All names are put together at random.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

Draw = random.Random
Slots = dict[str, str]
Question = tuple[str, tuple[int, int] | None]

SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹严华金魏陶姜谢邹喻苏潘葛范彭郎鲁韦马苗方任袁柳史唐薛雷贺汤罗齐郝安常于傅卞康伍余顾孟黄穆萧尹姚邵汪毛狄宋庞熊纪舒项祝董梁杜阮蓝季贾江童郭梅林钟徐邱骆高夏蔡田樊胡霍万柯管卢莫房解丁邓洪包左石崔吉龚程陆翁段侯宁仇甘厉祖武刘景詹束龙叶司黎白蒲邰从赖卓屠蒙池乔胥闻党翟谭贡姬申冉郦雍桑桂牛寿通边燕浦尚农温庄柴瞿阎连茹习艾容向古易廖庾居步都耿满弘匡国文寇广禄东殳沃利蔚越师巩聂晁勾敖融冷辛阚简饶曾沙鞠关相查游权益"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰涛明超兰霞平刚桂英华建国文辉力志远思源雨晨子涵浩然嘉怡梓萱宇轩博学海波晓东春梅秋菊冬雪立新永康振宇家豪俊彦雅琴"
FOREIGN = ["马克·埃文斯", "安娜·林德", "约翰·哈珀", "玛丽·科尔曼", "卡洛斯·门多萨", "伊万·彼得罗夫", "索菲亚·罗西", "大卫·奥康纳", "拉吉夫·梅农", "艾米丽·沃森", "皮埃尔·杜邦", "汉斯·韦伯", "佐藤健一", "山本美咲", "金秀贤", "朴智妍", "阿里·哈桑", "法蒂玛·努尔", "奥拉夫·延森", "卢卡斯·诺瓦克"]  # fmt: skip
CITIES = ["北京", "上海", "广州", "深圳", "杭州", "南京", "苏州", "成都", "重庆", "武汉", "西安", "长沙", "青岛", "大连", "厦门", "宁波", "无锡", "合肥", "郑州", "济南", "福州", "昆明", "南宁", "贵阳", "太原", "兰州", "银川", "海口", "沈阳", "长春", "哈尔滨", "石家庄", "乌鲁木齐", "拉萨", "呼和浩特", "东京", "巴黎", "伦敦", "柏林", "罗马", "马德里", "悉尼", "多伦多", "首尔", "曼谷", "新加坡", "开罗", "里约热内卢", "莫斯科", "墨西哥城"]  # fmt: skip
COUNTRIES = ["中国", "美国", "日本", "韩国", "法国", "德国", "英国", "意大利", "西班牙", "巴西", "阿根廷", "加拿大", "澳大利亚", "印度", "俄罗斯", "荷兰", "瑞典", "挪威", "葡萄牙", "墨西哥", "埃及", "土耳其", "泰国", "越南"]  # fmt: skip
FIRST, LAST = "星远华腾恒盛中科东海云智天元鼎新蓝金宏图百川锦绣华阳长风", ["科技", "汽车", "生物", "能源", "电子", "银行", "地产", "航空", "物流", "食品", "通信", "医药"]  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """Attributes:
    theme: what all reports of one passage share.
    report: what differs between them.
    keys: the slots that a question names.
    sentences: with ``{slots}``.
    asks: for a slot, questions that name theme and keys.
    """

    theme: Callable[[Draw], Slots]
    report: Callable[[Draw], Slots]
    keys: tuple[str, ...]
    sentences: tuple[str, ...]
    asks: dict[str, tuple[str, ...]]


def person(draw: Draw) -> str:
    if draw.random() < 0.3:
        return draw.choice(FOREIGN)
    return draw.choice(SURNAMES) + "".join(draw.sample(GIVEN, draw.choice([1, 2, 2])))


def company(draw: Draw) -> str:
    return "".join(draw.sample(FIRST, 2)) + draw.choice(LAST)


def year(draw: Draw) -> str:
    return str(draw.randint(2008, 2025))


def date(draw: Draw) -> str:
    return f"{draw.randint(1, 12)}月{draw.randint(1, 28)}日"


def amount(draw: Draw, unit: str) -> str:
    return f"{draw.randint(2, 9800) / draw.choice([1, 10, 100]):g}{unit}"


def pick(*options: str) -> Callable[[Draw], str]:
    return lambda draw: draw.choice(options)


def _slots(**makers: Callable[[Draw], str]) -> Callable[[Draw], Slots]:
    return lambda draw: {name: make(draw) for name, make in makers.items()}


def _ordinal(draw: Draw) -> str:
    return f"第{draw.randint(2, 60)}届"


KINDS = (
    Kind(
        _slots(prize=pick("金橡奖", "银河文学奖", "长江诗歌奖", "国际建筑大奖", "青年科学家奖", "蓝鲸电影节", "华语音乐盛典", "世界物理学奖")),
        _slots(year=year, class_=pick("最佳导演", "最佳男主角", "最佳新人", "特等奖", "终身成就奖"), who=person, city=pick(*CITIES), work=pick("《远山》", "《无声的河》", "《第七日》", "《灯火》", "《旧城往事》", "《北方来信》")),
        ("year", "class_"),
        (
            "{year}年{prize}在{city}揭晓，{who}凭借{work}获得{class_}。",
            "在{city}举行的{year}年{prize}颁奖典礼上，{class_}由{who}夺得。",
            "{who}当选{year}年{prize}{class_}，评委会称赞其作品{work}。",
        ),
        {
            "who": ("{year}年{prize}{class_}得主是谁？", "谁获得了{year}年{prize}的{class_}？", "{year}年{prize}{class_}颁给了谁"),
            "city": ("{year}年{prize}在哪里揭晓？", "{year}年{prize}颁奖典礼在哪个城市举行？"),
            "work": ("{year}年{prize}{class_}的获奖作品是什么？",),
        },
    ),
    Kind(
        _slots(cup=pick("亚洲杯", "世界青年锦标赛", "俱乐部冠军杯", "春城马拉松", "全国女排联赛", "城市网球公开赛", "大学生辩论赛")),
        _slots(year=year, winner=pick(*COUNTRIES, *CITIES), loser=pick(*COUNTRIES, *CITIES), score=lambda d: f"{d.randint(0, 5)}比{d.randint(0, 5)}", city=pick(*CITIES), mvp=person, date=date),
        ("year",),
        (
            "{year}年{cup}决赛{date}在{city}结束，{winner}队以{score}战胜{loser}队夺冠，{mvp}当选最有价值选手。",
            "{winner}队在{year}年{cup}决赛中击败{loser}队，捧起冠军奖杯，{mvp}被评为最佳选手。",
            "{year}年{cup}由{city}承办，冠军是{winner}队，亚军是{loser}队。",
        ),
        {
            "winner": ("{year}年{cup}的冠军是谁？", "{year}年{cup}哪支队伍夺冠？", "谁赢得了{year}年{cup}"),
            "loser": ("{year}年{cup}亚军是哪支队伍？", "{year}年{cup}决赛中谁输了？"),
            "score": ("{year}年{cup}决赛比分是多少？",),
            "city": ("{year}年{cup}在哪里举办？", "{year}年{cup}的举办城市"),
            "mvp": ("{year}年{cup}的最佳选手是谁？", "{year}年{cup}谁当选最有价值选手？"),
            "date": ("{year}年{cup}决赛是哪一天？",),
        },
    ),
    Kind(
        _slots(firm=company),
        _slots(year=year, quarter=pick("第一季度", "第二季度", "第三季度", "第四季度", "全年"), revenue=lambda d: amount(d, "亿元"), profit=lambda d: amount(d, "亿元"), growth=lambda d: f"{d.randint(1, 900) / 10:g}%", ceo=person),
        ("year", "quarter"),
        (
            "{firm}公布{year}年{quarter}业绩，营业收入{revenue}，净利润{profit}，同比增长{growth}。",
            "财报显示，{firm}{year}年{quarter}实现营收{revenue}，同比增长{growth}。",
            "{firm}首席执行官{ceo}表示，{year}年{quarter}净利润为{profit}，好于预期。",
        ),
        {
            "revenue": ("{firm}{year}年{quarter}营业收入是多少？", "{year}年{quarter}{firm}营收多少"),
            "profit": ("{firm}{year}年{quarter}净利润是多少？", "{firm}{year}年{quarter}的净利润"),
            "growth": ("{firm}{year}年{quarter}营收同比增长多少？",),
            "ceo": ("{year}年{firm}的首席执行官是谁？", "谁是{firm}的CEO？"),
        },
    ),
    Kind(
        _slots(post=pick("外交部长", "市长", "校长", "总理", "央行行长", "国家队主教练", "驻华大使", "证监会主席")),
        _slots(place=pick(*COUNTRIES, *CITIES), who=person, old=person, date=date, year=year),
        ("place",),
        (
            "{year}年{date}，{who}正式就任{place}{post}，接替{old}。",
            "{place}{post}{old}宣布辞职，由{who}接任。",
            "{place}新任{post}{who}{date}宣誓就职。",
        ),
        {
            "who": ("{place}新任{post}是谁？", "谁将成为{place}的{post}？", "现任{place}{post}是谁", "谁接任{place}{post}？"),
            "old": ("{place}前任{post}是谁？", "{place}哪位{post}辞职了？"),
            "date": ("{place}新任{post}哪一天就职？",),
        },
    ),
    Kind(
        _slots(maker=company, thing=pick("手机", "电动车", "无人机", "平板电脑", "智能手表")),
        _slots(model=lambda d: f"{d.choice('ABKMPRSTXZ')}{d.randint(2, 90)}{d.choice(['', ' Pro', ' Max', 'e'])}", price=lambda d: f"{d.randint(5, 299) * 100 - 1}元", battery=lambda d: f"{d.randint(30, 70) * 100}毫安时", date=date, year=year, weight=lambda d: f"{d.randint(120, 900)}克"),
        ("model",),
        (
            "{maker}{date}发布{thing}{model}，售价{price}起，配备{battery}电池。",
            "{maker}{model}{thing}于{year}年{date}上市，重{weight}，起售价{price}。",
            "{model}是{maker}推出的{thing}，重量{weight}，电池容量{battery}。",
        ),
        {
            "price": ("{maker}{model}多少钱？", "{maker}{thing}{model}的售价是多少？", "{model}起售价"),
            "battery": ("{maker}{model}的电池容量是多少？", "{model}电池多大？"),
            "date": ("{maker}{model}什么时候上市？", "{model}的发布日期"),
            "weight": ("{maker}{model}有多重？", "{thing}{model}的重量是多少？"),
        },
    ),
    Kind(
        _slots(what=pick("地震", "台风", "洪水", "火灾", "列车脱轨事故", "矿难")),
        _slots(place=pick(*CITIES, *COUNTRIES), year=year, date=date, dead=lambda d: f"{d.randint(2, 900)}人", hurt=lambda d: f"{d.randint(2, 900)}人", level=lambda d: f"{d.randint(40, 80) / 10:g}级", loss=lambda d: amount(d, "亿元")),
        ("place", "year"),
        (
            "{year}年{date}，{place}发生{what}，造成{dead}死亡、{hurt}受伤。",
            "{place}{year}年的{what}造成直接经济损失{loss}，{hurt}受伤。",
            "据官方通报，{year}年{place}{what}已致{dead}遇难。",
        ),
        {
            "dead": ("{year}年{place}{what}造成多少人死亡？", "{place}{year}年{what}的死亡人数"),
            "hurt": ("{year}年{place}{what}有多少人受伤？",),
            "loss": ("{year}年{place}{what}的经济损失是多少？",),
            "date": ("{year}年{place}{what}是哪一天发生的？", "{place}{year}年{what}发生时间"),
        },
    ),
    Kind(
        _slots(film=pick("《长风渡》", "《星海归途》", "《南城旧事》", "《破晓行动》", "《小镇夏天》")),
        _slots(role=pick("导演", "女主角", "男主角", "编剧", "配乐", "制片人", "摄影"), who=person),
        ("role",),
        ("电影{film}的{role}是{who}。", "{who}担任影片{film}的{role}。", "{film}由{who}出任{role}。"),
        {"who": ("电影{film}的{role}是谁？", "谁是{film}的{role}？", "{film}{role}")},
    ),
    Kind(
        _slots(school=lambda d: d.choice(CITIES) + d.choice(["理工大学", "师范大学", "医学院", "财经大学", "第一中学", "图书馆", "博物馆", "人民医院"])),
        _slots(unit=pick("东校区", "西校区", "南校区", "老馆", "新馆", "附属分院", "研究生院", "国际学院"), founded=lambda d: f"{d.randint(1890, 2020)}年", area=lambda d: f"{d.randint(20, 3000)}亩", people=lambda d: f"{d.randint(3, 400) * 100}人", head=person, hours=lambda d: f"{d.randint(6, 10)}点至{d.randint(17, 22)}点"),
        ("unit",),
        (
            "{school}{unit}建于{founded}，占地{area}，现有师生{people}。",
            "{school}{unit}负责人是{head}，每天{hours}开放。",
            "{unit}是{school}的一部分，{founded}启用，由{head}主持工作，可容纳{people}。",
        ),
        {
            "founded": ("{school}{unit}建于哪一年？", "{school}{unit}什么时候启用？"),
            "area": ("{school}{unit}占地多少？", "{school}{unit}的面积"),
            "people": ("{school}{unit}有多少人？",),
            "head": ("{school}{unit}的负责人是谁？", "谁主持{school}{unit}的工作？"),
            "hours": ("{school}{unit}几点开放？", "{school}{unit}开放时间"),
        },
    ),
    Kind(
        _slots(index=pick("粮食产量", "常住人口", "地区生产总值", "机动车保有量", "游客人数", "平均房价")),
        _slots(place=pick(*CITIES), year=year, value=lambda d: amount(d, d.choice(["万吨", "万人", "亿元", "万辆", "万人次"])), rate=lambda d: f"{d.randint(1, 300) / 10:g}%", rank=lambda d: f"第{d.randint(2, 30)}位"),
        ("place", "year"),
        (
            "统计局数据显示，{year}年{place}{index}为{value}，比上年增长{rate}。",
            "{place}{year}年{index}达到{value}，居全国{rank}。",
            "{year}年，{place}的{index}增速为{rate}，排名{rank}。",
        ),
        {
            "value": ("{year}年{place}{index}是多少？", "{place}{year}年的{index}"),
            "rate": ("{year}年{place}{index}增长了多少？", "{place}{year}年{index}的增速是多少？"),
            "rank": ("{year}年{place}{index}排第几？",),
        },
    ),
    Kind(
        _slots(rule=pick("报销", "请假", "借阅", "停车", "会议室使用", "门禁卡补办", "体检")),
        _slots(whom=pick("正式员工", "实习生", "访客", "部门经理", "外包人员", "研究生", "本科生", "教师"), limit=lambda d: f"{d.randint(1, 60)}{d.choice(['天', '个工作日', '小时'])}", fee=lambda d: f"{d.randint(1, 90) * 5}元", desk=pick("人事处", "行政部", "财务部", "前台", "保卫处", "教务处", "后勤中心")),
        ("whom",),
        (
            "{whom}办理{rule}须提前{limit}向{desk}申请，费用{fee}。",
            "{rule}规定：{whom}的期限为{limit}，由{desk}审批。",
            "{whom}的{rule}费用为{fee}，到{desk}缴纳。",
        ),
        {
            "limit": ("{whom}{rule}的期限是多久？", "{whom}办理{rule}要提前多久申请？"),
            "fee": ("{whom}{rule}要交多少钱？", "{whom}的{rule}费用是多少？"),
            "desk": ("{whom}办理{rule}找哪个部门？", "{whom}{rule}由谁审批？"),
        },
    ),
)  # fmt: skip
_SLOT = re.compile(r"\{(\w+)\}")
_PIECES = re.compile(r"\{\w+\}|[^{]+")
_OPENINGS = ("", "", "", "【本报讯】", "据报道，", "新华网消息 ", "记者获悉，", "来源：综合 ")


def news(draw: Draw, count: int) -> Iterator[tuple[str, list[Question]]]:
    """``count`` passages, each with questions and their answers' places (None: not there)."""
    for _ in range(count):
        yield _passage(draw.choice(KINDS), draw)


def _passage(kind: Kind, draw: Draw) -> tuple[str, list[Question]]:
    theme = kind.theme(draw)
    reports = [theme | kind.report(draw) for _ in range(draw.choice([1, 2, 2, 3, 3, 4]))]
    if len(kind.keys) > 1 and draw.random() < 0.6:
        same = draw.choice(kind.keys)  # another class of the same year, another year of the same place
        reports = [report | {same: reports[0][same]} for report in reports]
    reports = list({_key(report, kind.keys): report for report in reports}.values())
    text = draw.choice(_OPENINGS)
    found: list[Question] = []
    for report in reports:
        places: dict[str, tuple[int, int]] = {}
        for piece in _PIECES.findall(draw.choice(kind.sentences)):
            written = report[piece[1:-1]] if piece[0] == "{" else piece
            if piece[0] == "{":
                places[piece[1:-1]] = (len(text), len(text) + len(written))
            text += written
        for slot in draw.sample(sorted(kind.asks), min(2, len(kind.asks))):
            pattern = draw.choice(kind.asks[slot])
            named = {key for key in kind.keys if f"{{{key}}}" in pattern}
            alone = [one for one in reports if _key(one, named) == _key(report, named)] == [report]
            if alone and (slot not in places or named <= places.keys()):
                found.append((pattern.format_map(report), places.get(slot)))
    others = [theme | reports[0] | {key: kind.report(draw)[key] for key in kind.keys} for _ in range(2)]
    for other in [*others, theme | reports[0] | kind.theme(draw)]:
        pattern = draw.choice(kind.asks[draw.choice(sorted(kind.asks))])
        named = set(_SLOT.findall(pattern))
        if all(_key(other, named) != _key(one, named) for one in reports):
            found.append((pattern.format_map(other), None))
    return text, found


def _key(report: Slots, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(report[name] for name in sorted(names))
