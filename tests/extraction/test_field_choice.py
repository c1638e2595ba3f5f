"""Places that a reader points at, which of them are values, and two fields at one place."""

import math
import random
from dataclasses import replace

from src.extraction.field_choice import FEATURES, LEAST, Candidate, candidates, chosen, features, places_of
from src.extraction.schema import Span
from src.models.base import Reading

TEXT = "原定3月15日到货的2000只托盘推迟到3月22日送达，由周楠负责。"


def reading(*pieces: str, best: float = 8.0, probability: float = 0.5) -> Reading:
    """The pieces of ``TEXT``, each one logit below the one before."""
    spans = tuple((TEXT.index(one), TEXT.index(one) + len(one), best - rank) for rank, one in enumerate(pieces))
    return Reading(*spans[0][:2], probability, spans)


def best_of(field: str, *pieces: str) -> str:
    return max(candidates(TEXT, field, reading(*pieces)), key=lambda one: one.odds).span.text


def test_a_place_that_looks_like_a_value_is_better_than_one_that_scores_a_little_more() -> None:
    assert best_of("负责人", "，由周楠负责", "周楠") == "周楠"
    assert best_of("数量", "2000只托盘推迟到3月22日送达，由", "2000只") == "2000只"


def test_spans_that_are_fitted_to_one_place_are_one_candidate() -> None:
    places = places_of(TEXT, "到货日期", reading("15日到货", "3月15日", "到货的"))
    assert places == {(2, 7): 8.0}
    assert places_of(TEXT, "电话", reading("周楠")) == {}


def test_two_fields_share_the_places_as_is_best_for_both() -> None:
    first, second = Span("原到货日期", "3月15日", 2, 7), Span("原到货日期", "3月22日", 20, 25)
    found = {
        "原到货日期": [Candidate(second, 3.7), Candidate(first, 2.4)],
        "新到货日期": [Candidate(Span("新到货日期", "3月22日", 20, 25), 1.4)],
    }
    assert {span.label: span.text for span in chosen(found, [])} == {
        "原到货日期": "3月15日",
        "新到货日期": "3月22日",
    }
    assert [span.label for span in chosen(found, [replace(first, label="签约时间")])] == ["原到货日期"]


def test_fields_of_one_name_may_share_a_place() -> None:
    found = {field: [Candidate(Span(field, "3月15日", 2, 7), 2.0)] for field in ("日期", "到货日期")}
    assert [span.label for span in chosen(found, [])] == ["日期", "到货日期"]


def test_the_probability_is_the_share_of_all_places_and_of_none() -> None:
    span = Span("甲", "周楠", 27, 29)
    (one,) = chosen({"甲": [Candidate(span, 0.0), Candidate(Span("甲", "3月22日", 20, 25), -5.0)]}, [])
    assert one.confidence is not None
    assert math.isclose(one.confidence, 1 / (2 + math.exp(-5)))
    assert chosen({"甲": [Candidate(span, LEAST)], "乙": []}, []) == []


def test_whatever_is_pointed_at_there_is_a_number_for_each_feature() -> None:
    draw = random.Random(3)
    for _ in range(200):
        text = "".join(
            draw.choices(["3月", "，", "周楠", " ", "\n", "A8", "：", "负责人", "元", "🙂"], k=draw.randint(1, 9))
        )
        spans = [sorted(draw.sample(range(len(text) + 1), 2)) for _ in range(draw.randint(1, 5))]
        told = tuple((start, end, draw.uniform(-9, 9)) for start, end in spans)
        one = Reading(*told[0][:2], draw.random(), told)
        for field in ("负责人", "日期", "金额", "x"):
            places = places_of(text, field, one)
            assert all(0 <= start < end <= len(text) for start, end in places)
            if places:
                assert features(text, field, one, places).shape == (len(places), len(FEATURES))
