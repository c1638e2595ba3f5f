import json

import pytest

from src.caller import Caller
from src.errors import InputError, Stopped
from src.extraction.events import Finished, Found
from src.extraction.grammar import build_grammar
from src.extraction.prompt import SHORT, instruction_messages
from src.extraction.schema import LABELS, Extraction, render_entities
from src.extraction.service import ExtractionService
from tests.extraction.fakes import RESUME, VALUES, ScriptedModel


def check(found: Extraction) -> None:
    assert list(found.entities) == list(LABELS)
    assert all(found.text[span.start : span.end] == span.text for span in found.spans)
    assert {"total", "model"} <= set(found.timings_ms)
    json.dumps(found.to_json(), ensure_ascii=False).encode()


def test_extracts() -> None:
    model = ScriptedModel()
    found = ExtractionService(model).extract(RESUME)
    check(found)
    assert found.text == RESUME
    assert {label: values for label, values in found.entities.items() if values} == VALUES
    assert model.options[0].grammar == build_grammar(RESUME)
    assert model.options[0].temperature == 0


@pytest.mark.parametrize("text", [None, 3, b"abc", ["a"]])
def test_not_a_text(text: object) -> None:
    with pytest.raises(InputError, match="一段文字"):
        ExtractionService(ScriptedModel()).extract(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "  \n\u3000"])
def test_empty(text: str) -> None:
    with pytest.raises(InputError, match="空"):
        ExtractionService(ScriptedModel()).extract(text)


def test_too_long_says_length_limit_and_cure() -> None:
    service = ExtractionService(ScriptedModel(), max_chars=10)
    with pytest.raises(InputError, match=r"11 .*10.*分成"):
        service.extract_stream("中" * 11)  # at the call, not at the first item


@pytest.mark.parametrize("text", ["😀🎉", "，。!", "\x00\x01", "\ud83d"])
def test_nothing_to_find_does_not_ask_the_model(text: str) -> None:
    model = ScriptedModel()
    found = ExtractionService(model).extract(text)
    check(found)
    assert found.spans == ()
    assert model.prompts == []


def test_adapter_only_where_there_is_one() -> None:
    model = ScriptedModel()
    without, service = ExtractionService(model), ExtractionService(model, adapter="resume")
    assert (without.has_adapter, service.has_adapter) == (False, True)
    without.extract(RESUME, use_adapter=True)
    service.extract(RESUME, use_adapter=False)
    service.extract(RESUME, use_adapter=True)
    assert [options.adapter for options in model.options] == [None, None, "resume"]
    instruction, short = instruction_messages(RESUME)[0].content, SHORT.messages(RESUME)[0].content
    assert model.prompts == [instruction, instruction, short]


def test_without_grammar_only_verbatim_values_remain() -> None:
    model = ScriptedModel('```json\n{"姓名": ["王小明", "王大明"], "年龄": 3}\n```', supports_grammar=False)
    found = ExtractionService(model).extract(RESUME)
    check(found)
    assert model.options[0].grammar is None
    assert [span.text for span in found.spans] == ["王小明", "汉族"]  # the people is known by a rule


def test_an_answer_cut_off_gives_what_is_closed() -> None:
    whole = render_entities(VALUES)
    cut = whole[: whole.index("白云公")]
    found = ExtractionService(ScriptedModel(cut)).extract(RESUME)
    check(found)
    assert found.entities["组织名"] == ["蓝天公司"]
    assert found.entities["职位"] == VALUES["职位"]


def test_long_texts_go_through_windows_and_offsets_are_of_the_whole() -> None:
    sentence = "王小明任蓝天公司经理。"
    text = "\n" * 3 + sentence * 100 + "😀" * 500 + sentence

    def answer(prompt: str) -> str:
        times = prompt.count(sentence)
        return render_entities({"姓名": ["王小明"] * times, "职位": ["经理"] * times})

    model = ScriptedModel(answer)
    found = ExtractionService(model).extract(text)
    check(found)
    assert found.text == text
    assert [span.start for span in found.spans if span.label == "姓名"] == [
        at for at in range(len(text)) if text.startswith("王小明", at)
    ]
    assert len(found.entities["职位"]) == 101
    assert len(model.prompts) == 4  # the windows of nothing but emoji are left out


def test_budget_grows_with_the_window_and_fits_the_context() -> None:
    model = ScriptedModel()
    service = ExtractionService(model)
    service.extract("短文")
    service.extract("长" * 400)
    short, long = (options.max_new_tokens for options in model.options)
    assert short < long <= 1024
    model.context_tokens = model.count_tokens(instruction_messages("长" * 400)) + 50
    service.extract("长" * 400)
    assert model.options[-1].max_new_tokens == 50


def test_stream_shows_life_and_ends_complete() -> None:
    text = RESUME + "\n" * 400 + RESUME
    *items, last = ExtractionService(ScriptedModel()).extract_stream(text)
    assert isinstance(last, Finished)
    assert all(isinstance(item, Found) for item in items)
    for item in [*items, last]:
        check(item.extraction)
    assert (items[0].windows_done, items[0].windows_total) == (0, 2)
    assert (items[-1].windows_done, items[-1].windows_total) == (2, 2)
    assert [item.windows_done for item in items] == sorted(item.windows_done for item in items)
    assert any(item.raw.startswith('{"姓名') for item in items)
    assert any(0 < len(item.extraction.spans) < len(last.extraction.spans) for item in items)
    again = ExtractionService(ScriptedModel()).extract(text)
    assert last.extraction.spans == again.spans


def test_leaving_frees_the_model() -> None:
    model = ScriptedModel()
    stream = ExtractionService(model).extract_stream(RESUME)
    next(stream)
    next(stream)
    assert model.closed == 0
    stream.close()  # type: ignore[attr-defined]
    assert model.closed == 1


def test_stop() -> None:
    caller = Caller()
    stream = ExtractionService(ScriptedModel()).extract_stream(RESUME, caller=caller)
    next(stream)
    next(stream)
    caller.stop.set()
    with pytest.raises(Stopped):
        list(stream)
    with pytest.raises(Stopped):
        ExtractionService(ScriptedModel()).extract(RESUME, caller=caller)


def test_surrogates_and_nul_crash_nothing() -> None:
    text = "王\ud83d\x00小明，王小明\udc00"
    found = ExtractionService(ScriptedModel(render_entities({"姓名": ["王小明"]}))).extract(text)
    check(found)
    assert found.text == "王\ufffd\x00小明，王小明\ufffd"
    assert [(span.start, span.end) for span in found.spans] == [(6, 9)]
