"""Made-up layouts keep what the sentences say."""

from src.extraction.labelled import Labelled
from src.extraction.schema import Span
from src.training.forms import forms


def _texts() -> list[Labelled]:
    made = []
    for number in range(12):
        name, place, post = f"王{'一二三四五六七八九十甲乙'[number]}", f"第{number}机床厂", "总经理"
        text = f"{name}，男，{number}年任{place}{post}。"
        spans = [Span(label, value, text.index(value), text.index(value) + len(value)) for label, value in
                 (("姓名", name), ("组织名", place), ("职位", post))]  # fmt: skip
        made.append(Labelled(text, tuple(spans)))
    return made


def test_every_value_stands_where_its_span_says_and_is_one_of_the_sentences() -> None:
    texts = _texts()
    known = {(span.label, span.text) for text in texts for span in text.spans}
    made = forms(texts, 20.0, seed=1)
    assert len(made) == 240
    layouts = set()
    for one in made:
        assert all(one.text[span.start : span.end] == span.text for span in one.spans)
        assert [s.start for s in one.spans] == sorted(s.start for s in one.spans)
        assert {(span.label, "".join(span.text.split())) for span in one.spans} <= known
        assert one.text == one.text.strip()
        layouts.add(("：" in one.text or ":" in one.text, "\n" in one.text, "|" in one.text))
    assert len(layouts) >= 4


def test_the_same_seed_makes_the_same_and_no_share_makes_none() -> None:
    texts = _texts()
    assert forms(texts, 1.0, 3) == forms(texts, 1.0, 3)
    assert forms(texts, 1.0, 3) != forms(texts, 1.0, 4)
    assert forms(texts, 0.0, 3) == []
