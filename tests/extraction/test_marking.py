"""The service with an adapter that marks characters, and confidences of one that writes JSON."""

import math
from collections.abc import Iterator, Sequence

import pytest

from src.caller import ANYONE, Caller
from src.errors import InputError, ModelError, Stopped
from src.extraction.batch import in_chunks
from src.extraction.events import Finished, Found, Queued
from src.extraction.schema import Extraction, render_entities
from src.extraction.service import ExtractionService
from src.extraction.tagging import TAGS
from src.models.adapters import AdapterManifest
from src.models.base import Delta, GenerationOptions, Message
from tests.extraction.fakes import RESUME, MarkingScript, ScriptedModel

MARKS = AdapterManifest("假", "", "labels", labels=len(TAGS))
VALUES = {"姓名": ["王小明"], "职位": ["经理", "董事"], "组织名": ["蓝天公司", "白云公司"]}


def service(model: MarkingScript, **options: int) -> ExtractionService:
    return ExtractionService(model, "resume", MARKS, **options)


def found(result: Extraction) -> list[tuple[str, str, int]]:
    assert all(result.text[span.start : span.end] == span.text for span in result.spans)
    return [(span.label, span.text, span.start) for span in result.spans]


def test_every_occurrence_has_its_own_place_and_nothing_is_generated() -> None:
    model = MarkingScript(VALUES)
    result = service(model).extract(RESUME)
    posts = [start for label, text, start in found(result) if text == "经理"]
    assert posts == [i for i in range(len(RESUME)) if RESUME.startswith("经理", i)]
    assert len(posts) == 2
    assert model.prompts == []
    by_rule = {"汉族"}
    assert all(0.5 < (span.confidence or 0) < 1 for span in result.spans if span.text not in by_rule)


def test_without_the_adapter_the_base_model_writes() -> None:
    model = MarkingScript(VALUES)
    service(model).extract(RESUME, use_adapter=False)
    assert len(model.prompts) == 1
    assert model.asked == []


def test_a_long_text_is_cut_at_sentences_and_merged() -> None:
    model = MarkingScript(VALUES)
    text = "。".join([RESUME] * 40) + "。"
    result = service(model).extract(text)
    assert len(model.asked[0]) > 1
    assert all(window.endswith("。") for window in model.asked[0])
    assert len(result.spans) == 40 * len(service(model).extract(RESUME).spans)
    assert found(result) == sorted(found(result), key=lambda span: span[2])


def test_many_texts_share_passes_and_come_back_in_order() -> None:
    model = MarkingScript(VALUES)
    texts = [RESUME, "", "王小明", "长" * 6000, "  ", "无", RESUME * 3]
    results = list(service(model).extract_many(texts))
    assert [isinstance(result, InputError) for result in results] == [not t.strip() or len(t) > 5000 for t in texts]
    for text, result in zip(texts, results, strict=True):
        if isinstance(result, Extraction):
            assert result.text == text
            assert found(result) == found(service(MarkingScript(VALUES)).extract(text))
    assert len(model.asked) == 1


def test_a_span_that_is_rather_wrong_than_right_is_left_out() -> None:
    assert service(MarkingScript(VALUES, sure=0.2)).extract("王小明").spans == ()
    assert service(MarkingScript(VALUES, sure=0.95)).extract("王小明").spans != ()


def test_stop_and_leaving_free_the_model() -> None:
    model = MarkingScript(VALUES)
    caller = Caller()
    stream = service(model).extract_stream(RESUME * 30, caller=caller)
    next(stream), next(stream)
    caller.stop.set()
    with pytest.raises(Stopped):
        list(stream)
    assert model.left == 1
    stream = service(model).extract_stream(RESUME * 30)
    next(stream), next(stream)
    stream.close()
    assert model.left == 2


def test_progress_counts_windows() -> None:
    *steps, last = service(MarkingScript(VALUES)).extract_stream(RESUME * 30)
    done = [step.windows_done for step in steps]
    assert done == sorted(done)
    assert done[-1] == steps[-1].windows_total > 1
    assert isinstance(last, Finished)


def test_an_adapter_with_other_labels_is_refused() -> None:
    with pytest.raises(ModelError, match="八类"):
        ExtractionService(MarkingScript(VALUES), "resume", AdapterManifest("假", "", "labels", labels=5))
    with pytest.raises(ModelError, match="八类"):
        ExtractionService(ScriptedModel(), "resume", MARKS)


def test_an_adapter_is_asked_with_the_prompt_it_was_trained_with() -> None:
    model = ScriptedModel()
    ExtractionService(model, "resume", AdapterManifest("假", "", "json", ("前面\n", "\n后面"))).extract(RESUME)
    assert model.prompts == [f"前面\n{RESUME}\n后面"]


class Sure(ScriptedModel):
    """Says one character at a time, each with a probability of a half inside the value it doubts."""

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions,
        caller: Caller = ANYONE,
    ) -> Iterator[str | Queued]:
        answer = render_entities({"姓名": ["王小明"], "组织名": ["蓝天公司"]})
        doubted = range(answer.index("蓝天"), answer.index("蓝天") + 3)
        for at, character in enumerate(answer):
            yield Delta(character, math.log(0.5) if at in doubted else 0.0)


def test_a_written_values_confidence_is_the_product_of_its_tokens() -> None:
    result = ExtractionService(Sure()).extract(RESUME)
    assert {span.text: span.confidence for span in result.spans} == {
        "王小明": 1.0,
        "蓝天公司": pytest.approx(0.125),
        "汉族": None,  # by a rule, not by the model
    }
    silent = ExtractionService(ScriptedModel()).extract(RESUME)
    assert {span.confidence for span in silent.spans} == {None}


@pytest.mark.parametrize("use_adapter", [True, False])
def test_who_waits_is_told_how_many_are_ahead(use_adapter: bool) -> None:
    model = MarkingScript(VALUES)
    model.waits = [3, 2, 2, 1]
    items = list(service(model).extract_stream(RESUME, use_adapter, Caller("甲")))
    assert [item.ahead for item in items if isinstance(item, Queued)] == [3, 2, 2, 1]
    assert isinstance(items[0], Found)
    assert model.users == ["甲"]
    model.waits = []
    assert found(items[-1].extraction) == found(service(model).extract(RESUME, use_adapter))


@pytest.mark.parametrize("use_adapter", [True, False])
def test_who_asks_is_passed_on(use_adapter: bool) -> None:
    model = MarkingScript(VALUES)
    list(in_chunks(service(model), [RESUME] * 3, use_adapter, Caller("乙"), chunk=2))
    service(model).extract(RESUME, use_adapter, Caller("丙"))
    assert set(model.users[:-1]) == {"乙"}
    assert model.users[-1] == "丙"
