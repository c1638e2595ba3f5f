import json

from src.extraction.schema import LABELS, Extraction, Span, has_words, render_entities, replace_surrogates


def test_labels_are_the_courses_in_its_order() -> None:
    assert LABELS == ("姓名", "国籍", "种族", "职位", "教育背景", "专业", "组织名", "地名")


def test_json_has_every_label_and_spans_by_start() -> None:
    text = "甲任乙，丙任丁"
    spans = [
        Span("组织名", "丁", 6, 7),
        Span("姓名", "丙", 4, 5),
        Span("组织名", "乙", 2, 3),
        Span("姓名", "甲", 0, 1, 0.98765),
    ]
    found = Extraction.of(text, spans, {"total": 1.5, "model": 1.0}).to_json()
    assert list(found) == ["text", "entities", "spans", "people", "timings_ms"]
    assert list(found["entities"]) == list(LABELS)
    assert found["entities"]["姓名"] == ["甲", "丙"]
    assert found["entities"]["组织名"] == ["乙", "丁"]
    assert found["entities"]["地名"] == []
    assert [list(span) for span in found["spans"]] == [["label", "text", "start", "end", "confidence"]] * 4
    assert [span["confidence"] for span in found["spans"]] == [0.9877, None, None, None]
    assert all(text[span["start"] : span["end"]] == span["text"] for span in found["spans"])
    assert json.loads(json.dumps(found)) == found


def test_rendered_entities_are_complete_json_in_order() -> None:
    rendered = render_entities({"地名": ["北京"], "姓名": ['引"号']})
    assert rendered.startswith('{"姓名": ["引\\"号"],"国籍": [],')
    assert list(json.loads(rendered)) == list(LABELS)


def test_surrogates_are_replaced_one_for_one() -> None:
    assert replace_surrogates("a\ud83db\udc00\x00😀") == "a\ufffdb\ufffd\x00😀"


def test_words_are_letters_digits_and_ideographs() -> None:
    assert all(has_words(text) for text in ("中", "a", "7", "🙂é", "ש", "𠀀"))
    assert not any(has_words(text) for text in ("", "🙂", "，。!\n", "\x00\u2028", "—《》"))
