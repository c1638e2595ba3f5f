"""The fold of events: each event, every order in which they may come, and the two forms in which it is read."""

import json
from itertools import combinations, pairwise

import pytest

from src.chat.answer import REFUSAL, Answer
from src.chat.events import Delta, Event, Finished, Queued, Quoted, Retrieved, Rewritten, Supported
from src.chat.types import Conflict, Quote, Support
from src.ingest.types import Chunk
from src.search.types import Hit, Stages

HIT = Hit(Chunk("d#0", "d", "d.txt", "题", "它在2000年合并组建。后来改名。", 0, 16), 0.9, 1, Stages())
QUOTE = Quote(1, "它在2000年合并组建。", 0, 11)
SUPPORT = Support("2000年。", 1, 0.8, (2, 7))
CONFLICT = Conflict(1, "2000年", 2, "2001年")
QUEUED = Queued(3)
REWRITTEN = Rewritten("广州大学何时组建？")
RETRIEVED = Retrieved((HIT,), 12.34)
QUOTED = Quoted(QUOTE)
DELTAS = [Delta(""), Delta(" \n"), Delta("2000"), Delta(""), Delta("年。\n")]
SUPPORTED = Supported((SUPPORT,), (CONFLICT,))
FINISHED = Finished(timings_ms={"retrieve": 12.34, "first_token": 20.0, "total": 30.06})
ASKED = "它何时组建？"


def test_nothing_has_come_yet() -> None:
    answer = Answer(ASKED)
    assert (answer.asked, answer.question, answer.text, answer.done) == (ASKED, ASKED, "", False)
    assert not answer.is_follow_up
    assert answer.to_json() == {
        "answer": "", "done": False, "question": ASKED, "hits": [], "support": [], "conflicts": [], "refused": False,
        "span": None, "answerable": None, "timings_ms": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("event", "changed"),
    [
        (QUEUED, {}),
        (REWRITTEN, {"question": REWRITTEN.question}),
        (RETRIEVED, {"hits": (HIT,), "timings_ms": {"retrieve": 12.34}}),
        (QUOTED, {"quote": QUOTE}),
        (Delta(""), {}),
        (Delta("  字 "), {"text": "字 "}),
        (SUPPORTED, {"support": (SUPPORT,), "conflicts": (CONFLICT,)}),
        (FINISHED, {"timings_ms": FINISHED.timings_ms, "done": True}),
        (Finished(refused=True), {"text": REFUSAL, "refused": True, "done": True}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_event_changes_its_own_part(event: Event, changed: dict[str, object]) -> None:
    answer, before = Answer(ASKED), vars(Answer(ASKED))
    answer.add(event)
    assert vars(answer) == before | changed


@pytest.mark.parametrize("left_out", [some for n in range(4) for some in combinations(range(4), n)])
@pytest.mark.parametrize("waits", ["never", "first", "in between"])
def test_every_order_in_which_events_come(left_out: tuple[int, ...], waits: str) -> None:
    """A question may be rewritten or not, search or not, have a quote or not, support or not, and wait or not."""
    parts: list[list[Event]] = [[REWRITTEN], [RETRIEVED], [QUOTED], DELTAS, [SUPPORTED]]
    optional = {0: 0, 1: 1, 2: 2, 3: 4}
    kept = [part for number, part in enumerate(parts) if number not in {optional[out] for out in left_out}]
    events = [event for part in kept for event in part]
    if waits == "first":
        events.insert(0, QUEUED)
    elif waits == "in between":
        events = [other for event in events for other in (event, QUEUED)]
    answer = Answer.of(ASKED, [*events, FINISHED])
    assert answer.text == "2000年。"
    assert answer.done
    assert answer.is_follow_up == (REWRITTEN in events)
    assert bool(answer.hits) == (RETRIEVED in events)
    assert answer.quote == (QUOTE if QUOTED in events else None)
    assert answer.support == ((SUPPORT,) if SUPPORTED in events else ())
    json.dumps(answer.to_json())


def test_the_text_only_grows_and_no_update_is_done_but_the_last() -> None:
    answer, seen = Answer(ASKED), []
    for event in [REWRITTEN, RETRIEVED, QUOTED, *DELTAS, SUPPORTED, FINISHED]:
        answer.add(event)
        seen.append((answer.text.rstrip(), answer.done))
    assert all(later[0].startswith(earlier[0]) for earlier, later in pairwise(seen))
    assert [done for _, done in seen] == [False] * (len(seen) - 1) + [True]


def test_one_that_was_stopped_keeps_what_has_come_and_is_not_done() -> None:
    answer = Answer.of(ASKED, [RETRIEVED, QUOTED, Delta("20")])
    assert (answer.text, answer.done, answer.refused) == ("20", False, False)
    assert answer.written == "20"  # the quote waits for the end


def test_a_refusal_has_the_passages_and_its_own_words() -> None:
    answer = Answer.of(ASKED, [RETRIEVED, Finished(refused=True, timings_ms={"retrieve": 12.34})])
    value = answer.to_json()
    assert (value["answer"], value["refused"], value["done"]) == (REFUSAL, True, True)
    assert len(value["hits"]) == 1
    assert value["timings_ms"] == {"retrieve": 12.3}


def test_the_quote_is_written_unless_the_answer_says_just_that() -> None:
    quote = Quote(2, "它在2000年合并组建。", 0, 11)
    answer = Answer("?", text="2000年。", done=True, quote=quote)
    assert not answer.says_quote
    assert answer.written == "2000年。\n\n原文：“它在2000年合并组建。”[2]"
    assert answer.to_json()["answer"] == answer.written
    assert Answer("?", text="2000年。", quote=quote).written == "2000年。"
    said = Answer("?", text="广州大学：它在２０００年合并组建", done=True, quote=quote)
    assert said.says_quote
    assert said.written.endswith("合并组建")
