"""What a field's name asks for, and spans that are widened, cut or refused for it."""

import random

import pytest

from src.extraction.field_kinds import beside_name, fitted, kinds_of


@pytest.mark.parametrize(
    ("text", "field", "pointed", "expected"),
    [
        ("于2025年10月31日前还清", "还款日期", "10月31日前", "2025年10月31日前"),
        ("自2022年5月9日起生效", "生效日期", "2022年5月9日起", "2022年5月9日"),
        ("自2021年7月1日起至2024年6月30日止", "合同终止日期", "2024年6月30日", "2024年6月30日"),
        ("自2021年7月1日起至2024年6月30日止", "起租日期", "2021年7月1日起至2024年6月30日", "2021年7月1日"),
        ("4月8日至12日在", "体检时间", "4月8日", "4月8日至12日"),
        ("工程由某某公司承建", "开工日期", "某某公司", None),
        ("三个月后复查", "复查时间", "三个月后", "三个月后"),
        ("合同总价为人民币一百二十六万元，", "合同金额", "合同总价为人民币一百二十六万元", "人民币一百二十六万元"),
        ("产量1.38万台，费用26万元列支", "检修费用", "产量1.38万台，费用26万元列支", "26万元"),
        ("按总额百分之十支付", "违约金", "百分之十", "按总额百分之十"),
        ("东山公司", "合同金额", "东山公司", None),
        ("联系人邱莹，电话6620。", "联系电话", "电话6620", "6620"),
        ("联系人邱莹。", "联系电话", "邱莹", None),
        ("请发邮件至lib@school.example，", "邮箱", "邮件至lib", "lib@school.example"),
        ("发票号码没有", "发票号码", "没有", None),
        ("保密期限为合同终止后三年", "保密期限", "保密期限为合同终止后三年", "合同终止后三年"),
        ("在实训楼305上课", "上课地点", "实训楼", "实训楼305"),
        ("位于科技园旁", "位置", "位于科技园旁", "科技园旁"),
        ("产品三号", "联系人", "三号", "三号"),
        ("降温8℃至10℃，", "降温幅度", "8℃", "8℃至10℃"),
        ("甲乙丙", "甲方", "甲乙丙", "甲乙丙"),
    ],
)
def test_a_span_becomes_a_value_of_its_kind(text: str, field: str, pointed: str, expected: str | None) -> None:
    at = text.index(pointed)
    place = fitted(text, field, at, at + len(pointed))
    assert (place and text[slice(*place)]) == expected


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("发票代码 044002100311 发票号码 27719046", "发票号码", "27719046"),
        ("开票日期 2024年02月18日 名称", "开票日期", "2024年02月18日"),
        ("月租金6800元", "租金", None),
        ("租金6800元一月", "租金", "6800元"),
        ("甲方 东山公司", "甲方", None),
        ("押金为两个月租金", "押金", None),
    ],
)
def test_a_value_right_behind_its_name(text: str, field: str, expected: str | None) -> None:
    place = beside_name(text, field)
    assert (place and text[slice(*place)]) == expected


@pytest.mark.parametrize(
    ("field", "value", "other"),
    [
        ("签订日期", "2023年6月1日", "东山公司"),
        ("合同金额", "三万元", "东山公司"),
        ("面积", "86㎡", "花溪路"),
        ("上课地点", "实训楼305", "每周三"),
        ("主持人", "曾宪章", "十一人"),
        ("甲方", "周小满", "三万元"),
        ("甲方", "清源食品加工厂", "九十天"),
    ],
)
def test_a_field_has_kinds_whose_values_have_a_shape(field: str, value: str, other: str) -> None:
    assert any(kind.shape.fullmatch(value) for kind in kinds_of(field))
    assert not any(kind.shape.fullmatch(other) for kind in kinds_of(field))
    assert kinds_of("主题") == ()


def test_whatever_comes_a_place_is_in_the_text() -> None:
    draw = random.Random(2)
    pieces = [
        "2023年",
        "6月",
        "1日",
        "至",
        "三万元",
        "¥",
        "，",
        "电话",
        "13800010021",
        "a@b.cn",
        "位于",
        "A座",
        " ",
        "\n",
        "（",
        "）",
        "百分之",
        "金额",
        "为",
    ]
    fields = ["签订日期", "合同金额", "电话", "邮箱", "地点", "编号", "人数", "联系人", "甲方", "起始日期", "金额"]
    for _ in range(500):
        text = "".join(draw.choices(pieces, k=draw.randint(1, 12)))
        start, end = sorted(draw.sample(range(len(text) + 1), 2))
        for field in fields:
            for place in (fitted(text, field, start, end), beside_name(text, field)):
                assert place is None or 0 <= place[0] < place[1] <= len(text)
