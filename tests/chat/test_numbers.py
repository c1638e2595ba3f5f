import pytest

from src.chat.numbers import values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1927年", {1927}),
        ("一九二七年", {1927}),
        ("１９２７", {1927}),
        ("二〇二三年", {2023}),
        ("6,300公里", {6300}),
        ("6300.5", {6300.5}),
        ("三百零五", {305}),
        ("2.5万人", {25000}),
        ("六千三百万", {63_000_000}),
        ("十二个，两所", {12, 2}),
        ("第十届", {10}),
        ("一般来说，万一统一", set()),
        ("1998年3月5日", {1998, 3, 5}),
        ("", set()),
    ],
)
def test_values(text: str, expected: set[float]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize("text", ["9" * 500, "万" * 500, "十百千万亿" * 100, "1" + "亿" * 200, "1,2,3,", "٣٤"])
def test_strange_numbers_do_no_harm(text: str) -> None:
    assert isinstance(values(text), set)
