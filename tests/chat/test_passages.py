import pytest

from src.chat.passages import CUT, arrange, shortened
from src.ingest.types import Chunk
from src.search.types import Hit, Stages

DOCUMENT = "广州大学在番禺区。校训是博学笃行。图书馆藏书三百万册。每年九月开学。"


def hit(rank: int, text: str, doc_id: str = "d", start: int = 0, title: str = "") -> Hit:
    chunk = Chunk(f"{doc_id}-{start}", doc_id, "s", title, text, start, start + len(text))
    return Hit(chunk, 0.9, rank, Stages())


def part(rank: int, start: int, end: int, doc_id: str = "d") -> Hit:
    return hit(rank, DOCUMENT[start:end], doc_id, start)


def test_neighbours_are_joined_in_the_documents_order() -> None:
    passages = arrange([part(1, 9, 28), part(2, 0, 17), hit(3, "别的文档里的话。", "e")])
    assert [(p.ranks, p.text) for p in passages] == [((1, 2), DOCUMENT[:28]), ((3,), "别的文档里的话。")]


@pytest.mark.parametrize("other", [part(2, 17, 28, "e"), part(2, 19, 28)])
def test_other_documents_and_gaps_are_not_joined(other: Hit) -> None:
    assert len(arrange([part(1, 0, 17), other])) == 2


def test_offsets_that_do_not_fit_the_text_join_nothing() -> None:
    assert len(arrange([hit(1, "甲乙丙丁戊己", start=0), hit(2, "庚辛壬癸子丑", start=3)])) == 2


def test_copies_are_dropped() -> None:
    passages = arrange([hit(1, DOCUMENT, "a"), hit(2, DOCUMENT[:26], "b"), hit(3, "不同的一段话。", "c")])
    assert [p.ranks for p in passages] == [(1,), (3,)]


def test_a_title_is_read_where_the_text_lacks_it() -> None:
    assert [
        p.text for p in arrange([hit(1, "在番禺区。", title="广州大学"), hit(2, DOCUMENT, "e", title="广州大学")])
    ] == [
        "广州大学：在番禺区。",
        DOCUMENT,
    ]


def test_shortening_keeps_the_sentence_that_matters() -> None:
    passage = arrange([hit(1, DOCUMENT)])[0]
    assert shortened(passage, "图书馆藏书多少册？", 100) is passage
    cut = shortened(passage, "图书馆藏书多少册？", 14)
    assert cut is not None
    assert cut.text == f"{CUT}图书馆藏书三百万册。"
    assert shortened(passage, "图书馆", 2) is None


def test_one_endless_sentence_is_cut_too() -> None:
    passage = arrange([hit(1, "江水东流" * 200)])[0]
    cut = shortened(passage, "江水流向哪里？", 100)
    assert cut is not None
    assert 0 < len(cut.text) <= 100
