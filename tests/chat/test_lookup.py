"""Which question a message of a conversation is, where only the search can tell, over a real index."""

import pytest

from src.chat.lookup import Lookup
from src.ingest.types import Document
from src.models.base import Message
from src.models.embedders.fake import HashingEmbedder
from src.search.indexing import base_of
from src.search.search import Retriever

TEXTS = {
    "inn": "枕水客栈在北门，店主叫薛小楼，双人间每晚二百二十元。",
    "inn2": "倚山客栈在南门，有客房九间。",
    "marks": "姓名：祝青；语文：91；英语：78\n姓名：裴野；语文：66；英语：95",
    "sea": "海豚生活在海里。",
}


@pytest.fixture(scope="module")
def lookup() -> Lookup:
    documents = [Document(name, f"{name}.txt", "", text) for name, text in TEXTS.items()]
    return Lookup(Retriever(base_of(documents, HashingEmbedder()), HashingEmbedder()), 4, None)


@pytest.mark.parametrize(
    ("before", "message", "question"),
    [
        ("枕水客栈在哪里？", "店主叫啥名字？", "枕水客栈店主叫啥名字"),
        ("枕水客栈在哪里？", "双人间每晚多少钱", "枕水客栈双人间每晚多少钱"),
        ("枕水客栈在哪里？", "倚山客栈呢？", "倚山客栈在哪里？"),
        ("枕水客栈在哪里？", "海豚生活在哪里", "海豚生活在哪里"),
        ("祝青的语文多少分？", "英语呢？", "祝青的英语多少分？"),
        ("祝青的语文多少分？", "裴野呢？", "裴野的语文多少分？"),
    ],
)
def test_the_search_tells_what_a_short_message_means(
    lookup: Lookup, before: str, message: str, question: str
) -> None:
    history = [Message("user", before), Message("assistant", "好。")]
    assert lookup.of(message, history, 0.05)[0] == question


def test_names_are_found_however_they_are_spaced() -> None:
    documents = [Document(n, f"{n}.txt", "", f"青岩 K{n} 重 {n} 克。") for n in ("3", "5")]
    spaced = Lookup(Retriever(base_of(documents, HashingEmbedder()), HashingEmbedder()), 4, None)
    hits, ranks = spaced.of_each(["青岩K3", "青岩K5"], ["青岩K3有多重", "青岩K5有多重"])
    assert [[hits[rank - 1].chunk.doc_id for rank in of_one] for of_one in ranks] == [["3"], ["5"]]
