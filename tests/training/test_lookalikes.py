"""Made-up news: with every value marked by its slot, text and question say by themselves what is right."""

import random
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from src.training import lookalikes
from src.training.lookalikes import KINDS, Kind, Slots, news

MARK = re.compile(r"〔(\w+)=(.*?)〕")


def marked(make: Callable[[random.Random], Slots]) -> Callable[[random.Random], Slots]:
    return lambda draw: {name: f"〔{name}={value}〕" for name, value in make(draw).items()}


def slots(text: str) -> Slots:
    return dict(MARK.findall(text))


def passages(kind: Kind) -> list[tuple[str, list[lookalikes.Question]]]:
    kind = replace(kind, theme=marked(kind.theme), report=marked(kind.report))
    return [lookalikes._passage(kind, random.Random(seed)) for seed in range(150)]


def slot_asked(kind: Kind, question: str) -> str:
    pattern = MARK.sub(r"{\1}", question)
    (slot,) = (slot for slot, patterns in kind.asks.items() if pattern in patterns)
    return slot


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: next(iter(kind.asks)))
def test_every_answer_is_the_asked_slot_of_the_one_report_with_the_asked_keys(kind: Kind) -> None:
    answered = 0
    for text, asked in passages(kind):
        for question, span in asked:
            if span is None:
                continue
            answered += 1
            found = MARK.fullmatch(text[slice(*span)])
            assert found is not None
            assert found[1] == slot_asked(kind, question)
            named = slots(question)
            matching = [one for one in text.split("。") if named.items() <= slots(one).items()]
            sentence = text[text.rfind("。", 0, span[0]) + 1 : text.index("。", span[1])]
            keys = named.keys() & set(kind.keys)
            assert {key: slots(sentence)[key] for key in keys} == {key: named[key] for key in keys}
            assert matching in ([sentence], [])  # none where a sentence leaves part of the theme unsaid
    assert answered > 100


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: next(iter(kind.asks)))
def test_a_question_without_an_answer_fits_no_sentence_that_says_what_it_asks(kind: Kind) -> None:
    unanswered = 0
    for text, asked in passages(kind):
        for question, span in asked:
            if span is not None:
                continue
            unanswered += 1
            named, slot = slots(question), slot_asked(kind, question)
            for sentence in map(slots, text.split("。")):
                fits = all(sentence.get(name, value) == value for name, value in named.items())
                assert not (fits and slot in sentence), (question, text)
    assert unanswered > 100


def test_the_same_draw_makes_the_same_news() -> None:
    first, again, other = (list(news(random.Random(seed), 50)) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 50


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: next(iter(kind.asks)))
def test_a_kind_asks_only_what_its_reports_have(kind: Kind) -> None:
    draw = random.Random(0)
    theme, report = kind.theme(draw), kind.report(draw)
    assert not theme.keys() & report.keys()
    assert set(kind.keys) <= report.keys()
    assert kind.asks.keys() <= report.keys()
    for pattern in (*kind.sentences, *(ask for asks in kind.asks.values() for ask in asks)):
        assert set(re.findall(r"\{(\w+)\}", pattern)) <= theme.keys() | report.keys()
