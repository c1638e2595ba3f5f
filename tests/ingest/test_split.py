import itertools
import random

import pytest

from src.ingest.split import sentence_spans, split_document, window_spans
from src.ingest.types import Document


def doc(text, title="", doc_id="d"):
    return Document(doc_id, "s.txt", title, text)


def random_text(seed):
    rng = random.Random(seed)
    return "".join(rng.choice("广州大学在番禺，。！？”\n ab.1；🐑") for _ in range(rng.randrange(0, 2_000)))


@pytest.mark.parametrize("seed", range(30))
def test_offsets_are_exact_and_nothing_visible_is_lost(seed):
    text = random_text(seed)
    chunks = split_document(doc(text))
    covered = set()
    for chunk in chunks:
        assert chunk.text == text[chunk.start : chunk.end]
        assert 0 < len(chunk.text) <= 300
        covered.update(range(chunk.start, chunk.end))
    assert all(i in covered for i, c in enumerate(text) if not c.isspace())
    assert [c.start for c in chunks] == sorted({c.start for c in chunks})
    assert "".join(text[a:b] for a, b in sentence_spans(text)) == text


def test_short_document_is_one_chunk():
    (chunk,) = split_document(doc("一句。两句。" * 50, title="题"))
    assert (chunk.chunk_id, chunk.title, chunk.end) == ("d#1", "题", 300)
    assert split_document(doc(" \n ")) == []


def test_windows_end_at_sentences_and_share_one():
    sentences = [f"这是第{i}句话，它不长也不短，刚好用来试验“切分”这件事情。" for i in range(40)]
    chunks = split_document(doc("".join(sentences)))
    assert len(chunks) > 3
    for before, after in itertools.pairwise(chunks):
        assert before.text.endswith("。")
        shared = before.text[after.start - before.start :]
        assert shared in sentences
    assert [c.chunk_id for c in chunks] == [f"d#{i}" for i in range(1, len(chunks) + 1)]


def test_closing_quotes_stay_with_their_sentence():
    text = "他说：“走吧。”然后就走了！（真的。）Yes. No 3.5 end"
    assert [text[a:b] for a, b in sentence_spans(text)] == [
        "他说：“走吧。”", "然后就走了！", "（真的。）", "Yes. ", "No 3.5 end",
    ]  # fmt: skip


def test_endless_sentences_are_cut_behind_a_comma_or_hard():
    assert [b - a for a, b in window_spans("字" * 700, 300)] == [300, 300, 100]
    text = "字" * 250 + "，" + "字" * 250
    assert window_spans(text, 300) == [(0, 251), (251, 501)]


def test_windows_without_overlap_do_not_share():
    spans = window_spans("短句一。短句二。" * 30, 80, overlap=False)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_rows_of_a_table_are_not_cut_where_they_fit():
    rows = [f"姓名：员工{i}；简介：第一句。第二句！第三句；电话：{i}" for i in range(40)]
    text = "名单如下。\n" + "\n".join(rows) + "\n以上。"
    for size in (300, 80):
        chunks = split_document(doc(text), size)
        assert {line for chunk in chunks for line in chunk.text.split("\n")} == {"名单如下。", *rows, "以上。"}
        assert all(chunk.text == text[chunk.start : chunk.end] and len(chunk.text) <= size for chunk in chunks)


def test_a_row_that_does_not_fit_is_cut_behind_a_field():
    text = "；".join(f"字段{i}：{'值' * 30}" for i in range(20))
    windows = [text[start:end] for start, end in window_spans(text, 300)]
    assert all(window.startswith("字段") and len(window) <= 300 for window in windows)
