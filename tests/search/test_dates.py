import pytest

from src.ingest.types import Document
from src.models.embedders.fake import HashingEmbedder
from src.search.dates import Dated, dated
from src.search.indexing import base_of
from src.search.search import Retriever
from src.search.terms import matched_terms, query_terms, text_terms

WRITINGS = [
    "1987年6月9日",
    "1987-06-09",
    "1987/6/9",
    "1987.6.9",
    "一九八七年六月九日",
    "1987年06月09号",
    "1987 年 6 月 9 日",
    "１９８７年６月９日",
]


@pytest.mark.parametrize("written", WRITINGS)
def test_a_day_has_the_same_terms_in_any_writing(written: str) -> None:
    assert (
        text_terms(written)
        == query_terms(f"{written}发生了什么？")
        == ["6月9日", "1987", "年", "6", "月", "9", "日"]
    )


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("二〇二三年", "2023年"),
        ("二○二三年十二月三十一日", "2023年12月31日"),
        ("2023-11", "2023年11月"),
        ("十月二十日", "10月20日"),
        ("三月份", "3月份"),
        ("2023-05-06到2023-05-09", "2023年5月6日到2023年5月9日"),
        *((text, text) for text in (
            "V3.2.1", "2021.3", "2020-21", "192.168.1.1", "三个月", "十月革命", "1234-5678", "2021/13/5", "2021-03-05-07", "1998-1999",
        )),
    ],
)  # fmt: skip
def test_dates_and_what_only_looks_like_one(written: str, same: str) -> None:
    assert dated(written) == same


def test_what_a_date_shares_is_shown_as_written() -> None:
    assert matched_terms("2019年4月7日", "定于2019-04-07开工") == ["2019", "04-07"]
    assert matched_terms("2019-04-07", "二〇一九年四月七日") == ["二〇一九", "年", "四月七日"]


@pytest.mark.parametrize("asked", WRITINGS)
def test_a_day_is_found_in_any_writing(asked: str) -> None:
    texts = ["1987-06-09 望江桥合龙。", "1987年9月6日 望江塔落成。", "一九八八年六月九日，望江楼重建。"]
    base = base_of([Document(str(i), "f", "", text) for i, text in enumerate(texts)], HashingEmbedder())
    hits = Retriever(base, HashingEmbedder()).search(f"{asked}发生了什么？")
    assert hits[0].chunk.text == texts[0]
    assert hits[0].score > hits[1].score + 0.02


@pytest.mark.parametrize(
    ("text", "part", "original"),
    [
        ("一九八七年九月一日，东沙小学开学。", "1987年9月1日", "一九八七年九月一日"),
        ("一九八七年九月一日，东沙小学开学。", "东沙小学", "东沙小学"),
        ("馆藏：2015-11-30 完工；2019/7/16 贯通。", "2019年7月16日", "2019/7/16"),
        ("馆藏：2015-11-30 完工；2019/7/16 贯通。", "贯通", "贯通"),
        ("馆藏：2015-11-30 完工；2019/7/16 贯通。", "完工；2019", "完工；2019"),
        ("没有日期。", "日期", "日期"),
    ],
)
def test_what_is_found_in_one_writing_stands_in_the_other(text: str, part: str, original: str) -> None:
    made = Dated(text)
    start = made.text.index(part)
    assert text[slice(*made.there(start, start + len(part)))] == original
    assert made.there(0, len(made.text)) == (0, len(text))
