import itertools
import json
import random

import pytest
from nervaluate import Evaluator

from src.evaluation.extraction import Counts, count, evaluate, is_valid, keys, score, spread, to_json
from src.evaluation.extraction_table import mistakes_text, table
from src.extraction.labelled import Labelled
from src.extraction.schema import LABELS, Extraction, Span, render_entities
from src.extraction.service import ExtractionService
from tests.extraction.fakes import RESUME, VALUES, ScriptedModel

TEXT = "王小明任蓝天公司副总经理。"


def span(label: str, start: int, end: int, confidence: float | None = None) -> Span:
    return Span(label, TEXT[start:end], start, end, confidence)


NAME, COMPANY, POST = span("姓名", 0, 3), span("组织名", 4, 8), span("职位", 8, 12)
GOLD = Labelled(TEXT, (NAME, COMPANY, POST))


def test_hand_counted_scores():
    # right: NAME; a wrong boundary; a wrong label; a second text with a span too many and none marked.
    guesses = [
        Extraction.of(TEXT, [NAME, span("地名", 4, 8), span("职位", 9, 12)]),
        Extraction.of(TEXT, [NAME]),
    ]
    scores = score([GOLD, Labelled(TEXT, ())], guesses)
    assert scores.micro == Counts(correct=1, predicted=4, gold=3)
    assert (scores.micro.precision, scores.micro.recall) == (1 / 4, 1 / 3)
    assert scores.micro.f1 == pytest.approx(2 / 7)
    assert scores.labels["姓名"] == Counts(1, 2, 1)
    assert scores.labels["姓名"].f1 == pytest.approx(2 / 3)
    assert scores.labels["组织名"] == Counts(0, 0, 1)
    assert scores.labels["职位"] == Counts(0, 1, 1)
    assert scores.labels["地名"] == Counts(0, 1, 0)
    assert scores.labels["国籍"] == Counts()
    assert tuple(scores.labels) == LABELS
    assert sum(scores.labels.values(), Counts()) == scores.micro
    assert (scores.texts, scores.valid, scores.spans, scores.verbatim) == (2, 2, 4, 4)
    assert [(one.number, [m.kind for m in one.mistakes]) for one in scores.wrong] == [
        (1, ["label", "boundary"]),
        (2, ["spurious"]),
    ]
    assert scores.calibration is None


def test_everything_right():
    scores = score([GOLD], [Extraction.of(TEXT, GOLD.spans)])
    assert scores.micro.precision == scores.micro.recall == scores.micro.f1 == 1
    assert scores.validity == scores.verbatim_share == 1
    assert scores.wrong == ()


@pytest.mark.parametrize(
    ("gold", "guess", "counts"),
    [
        ((), (), Counts(0, 0, 0)),
        ((NAME,), (), Counts(0, 0, 1)),
        ((), (NAME,), Counts(0, 1, 0)),
        ((NAME,), (NAME, NAME, NAME), Counts(1, 1, 1)),
        ((NAME,), (span("姓名", 0, 2),), Counts(0, 1, 1)),
    ],
)
def test_nothing_divides_by_zero_and_doubles_count_once(gold, guess, counts):
    scores = score([Labelled(TEXT, gold)], [Extraction.of(TEXT, guess)])
    assert scores.micro == counts == count(keys(gold), keys(guess))
    assert scores.micro.f1 == (1 if counts.correct else 0)
    assert scores.spans == len(guess)


def test_no_texts_at_all():
    scores = score([], [])
    assert (scores.texts, scores.validity, scores.micro.f1) == (0, 0, 0)


def test_micro_over_texts_is_the_sum_of_counts():
    pairs = [({("姓名", 0, 3)}, {("姓名", 0, 3)}), ({("姓名", 0, 3)}, set()), (set(), {("地名", 0, 3)})]
    assert sum((count(gold, guess) for gold, guess in pairs), Counts()) == Counts(1, 2, 2)


@pytest.mark.parametrize(
    ("guesses", "says"), [([], "zip"), ([Extraction.of("另一段")], "prediction 1 is about another text")]
)
def test_predictions_must_belong_to_the_texts(guesses, says):
    with pytest.raises(ValueError, match=says):
        score([GOLD], guesses)


def test_half_a_character_is_the_same_text():
    guess = Extraction.of("王\ufffd", [Span("姓名", "王\ufffd", 0, 2)])
    scores = score([Labelled("王\ud800", (Span("姓名", "王\ud800", 0, 2),))], [guess])
    assert scores.micro == Counts(1, 1, 1)
    assert scores.valid == 1


def entities(**given: list[str]) -> dict[str, list[str]]:
    return {label: given.get(label, []) for label in LABELS}


@pytest.mark.parametrize(
    ("extraction", "valid"),
    [
        (Extraction.of(TEXT, [NAME, POST]), True),
        (Extraction.of(TEXT), True),
        (Extraction(TEXT, {}, (), {}), False),
        (Extraction(TEXT, dict(reversed(entities().items())), (), {}), False),
        (Extraction(TEXT, entities(姓名=["王小明"]), (), {}), False),
        (Extraction(TEXT, entities(), (NAME,), {}), False),
        (Extraction(TEXT, entities(姓名=["小明"]), (Span("姓名", "小明", 0, 2),), {}), False),
        (Extraction(TEXT, entities(姓名=[""]), (Span("姓名", "", 3, 3),), {}), False),
        (Extraction(TEXT, entities(职位=["经理"]), (Span("职位", "经理", -3, -1),), {}), False),
        (Extraction(TEXT, entities(), (Span("爱好", "王小明", 0, 3),), {}), False),
    ],
)
def test_a_result_is_valid_when_its_three_parts_agree(extraction, valid):
    assert is_valid(extraction) is valid
    assert score([Labelled(TEXT, ())], [extraction]).valid == valid


def test_a_span_that_is_not_in_the_text_is_not_verbatim():
    guess = Extraction.of(TEXT, [NAME, Span("职位", "经理", 3, 5)])
    scores = score([GOLD], [guess])
    assert (scores.verbatim, scores.spans, scores.verbatim_share) == (1, 2, 0.5)


def test_confidence_is_compared_with_being_right():
    guess = Extraction.of(TEXT, [span("姓名", 0, 3, 0.95), span("职位", 9, 12, 0.75), COMPANY])
    calibration = score([GOLD], [guess]).calibration
    assert calibration is not None
    assert calibration.count == 2
    assert calibration.expected_error == pytest.approx((0.05 + 0.75) / 2)


def long_and_short() -> tuple[ExtractionService, list[Labelled]]:
    """A model that answers about ``RESUME`` and a text too long for the service."""
    service = ExtractionService(ScriptedModel(), "resume", max_chars=len(RESUME))
    spans = service.extract(RESUME).spans
    missing = next(one for one in spans if one.label == "种族")
    return service, [
        Labelled(RESUME, tuple(one for one in spans if one != missing)),
        Labelled(TEXT * 9, (NAME,)),
    ]


@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_refused_text_is_counted_and_the_rest_goes_on(one_by_one):
    service, labelled = long_and_short()
    run = evaluate(service, labelled, one_by_one=one_by_one)
    found = sum(map(len, VALUES.values()))
    assert run.scores.micro == Counts(found - 1, found, found)
    assert (run.failed, run.scores.valid, run.scores.texts) == (1, 1, 2)
    assert run.adapter
    assert len(run.seconds) == (2 if one_by_one else 0)
    assert run.total_s > 0
    if one_by_one:
        assert run.percentile_s(50) <= run.percentile_s(95) <= run.total_s
        assert run.total_s == pytest.approx(sum(run.seconds))


def test_a_sample_comes_from_everywhere():
    texts = [Labelled(char, ()) for char in "甲乙丙丁戊己庚"]
    assert [one.text for one in spread(texts, 3)] == ["甲", "丙", "戊"]
    assert spread(texts, 7) == spread(texts, 99) == texts
    assert spread([], 3) == spread(texts, 0) == []


def test_the_base_model_is_asked_without_the_adapter():
    model = ScriptedModel()
    run = evaluate(ExtractionService(model, "resume"), [Labelled(RESUME, ())], use_adapter=False)
    assert not run.adapter
    assert {options.adapter for options in model.options} == {None}
    assert not evaluate(ExtractionService(model), [Labelled(RESUME, ())]).adapter


def test_runs_stand_side_by_side():
    service, labelled = long_and_short()
    runs = [evaluate(service, labelled, use_adapter, one_by_one=use_adapter) for use_adapter in (True, False)]
    lines = table(runs).split("\n")
    assert lines[0].split() == ["适配器", "基座模型"]
    assert lines[1].split() == ["类别", "标注", *["精确率", "召回率", "F1"] * 2]
    assert [line.split()[0] for line in lines[2:11]] == [*LABELS, "合计"]
    assert lines[3].split() == ["国籍", "1", *["100.0"] * 6]
    assert lines[4].split() == ["种族", "0", *["0.0"] * 6]
    assert lines[9].split() == ["地名", "0", *["—"] * 6]
    assert any("p95" in line for line in lines)
    assert any("2 份共" in line for line in lines)
    assert sum("1/2 = 50.0%（1 份不能用）" in line for line in lines) == 2
    shown = mistakes_text(runs[0], 1)
    assert "第 1 条：多出 1" in shown
    assert "第 2 条" not in shown
    assert "第 2 条：漏掉 1" in mistakes_text(runs[0], 2)


def test_reliability_is_printed_where_there_are_confidences():
    model = ScriptedModel(render_entities({}))
    run = evaluate(ExtractionService(model), [GOLD])
    assert "校准" not in table([run])
    guess = Extraction.of(TEXT, [span("姓名", 0, 3, 0.95)])
    with_confidence = type(run)(False, score([GOLD], [guess]), 0, 1.0, ())
    printed = table([with_confidence])
    assert "期望校准误差 5.0%" in printed
    assert printed.split("\n")[-1].split() == ["0.9–1.0", "1", "95.0", "100.0"]


def test_json_has_everything():
    service, labelled = long_and_short()
    run = evaluate(service, labelled, one_by_one=True)
    written = json.loads(json.dumps(to_json([run], data="a.json", model="scripted", adapter="x", n=2)))
    assert (written["data"], written["model"], written["adapter"], written["n"]) == ("a.json", "scripted", "x", 2)
    (one,) = written["runs"]
    assert one["method"] == "adapter"
    assert one["micro"]["f1"] == run.scores.micro.f1
    assert one["labels"]["种族"] == {"correct": 0, "predicted": 1, "gold": 0, "precision": 0, "recall": 0, "f1": 0}
    assert list(one["labels"]) == list(LABELS)
    assert one["mistakes"]["missed"]["姓名"] == one["mistakes"]["spurious"]["种族"] == 1
    assert set(one["seconds"]) == {"total", "mean", "p50", "p95"}
    assert one["calibration"] is None
    assert [wrong["number"] for wrong in one["wrong"]] == [1, 2]
    assert one["wrong"][1]["gold"] == [["姓名", 0, 3]]
    assert "p50" not in to_json([evaluate(service, labelled)])["runs"][0]["seconds"]


def test_scores_are_those_of_nervaluate() -> None:
    """The strict scheme of nervaluate (SemEval 2013, exact boundaries and label) counts as we do; its ends are
    inclusive."""
    draw = random.Random(0)
    text = "字" * 40

    def spans() -> list[Span]:
        cuts = sorted(draw.sample(range(41), 12))
        chosen = draw.sample([(start, end) for start, end in itertools.pairwise(cuts) if end > start], 5)
        return [Span(draw.choice(LABELS[:4]), text[start:end], start, end) for start, end in sorted(chosen)]

    gold = [Labelled(text, tuple(spans())) for _ in range(60)]
    guesses = []
    for one in gold:
        kept = [span for span in one.spans if draw.random() < 0.6]
        others = [span for span in spans() if all(span.end <= k.start or k.end <= span.start for k in kept)]
        guesses.append(Extraction.of(text, kept + others))
    ours = score(gold, guesses)
    as_dicts = [
        [[{"label": s.label, "start": s.start, "end": s.end - 1} for s in one.spans] for one in many]
        for many in (gold, guesses)
    ]
    theirs = Evaluator(*as_dicts, tags=list(LABELS[:4]), loader="dict").evaluate()
    assert 0.2 < ours.micro.f1 < 0.9
    for counts, result in [
        (ours.micro, theirs["overall"]["strict"]),
        *((ours.labels[label], theirs["entities"][label]["strict"]) for label in LABELS[:4]),
    ]:
        assert (counts.correct, counts.predicted, counts.gold) == (result.correct, result.actual, result.possible)
        assert (counts.precision, counts.recall) == pytest.approx((result.precision, result.recall))
        assert counts.f1 == pytest.approx(result.f1)
