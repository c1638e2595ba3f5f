"""The reader's part in the chat, over a fake that reads what the test tells it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from src.caller import ANYONE, Caller
from src.chat.answer import Answer
from src.chat.events import Finished, Queued, Read, Replaced, Retrieved
from src.chat.reader import Evidence, Reader, brief, decide, finished, quoted, says
from src.chat.service import ChatOptions, ChatService
from src.chat.types import Span
from src.errors import Busy, ModelError
from src.ingest.types import Document
from src.models.base import Reading
from src.models.embedders.fake import HashingEmbedder
from src.models.fake import FakeModel
from src.search.indexing import base_of
from src.search.search import Retriever
from tests.ui.chat.scripted import hit

QUESTION = "云溪大桥通车时间是什么时候"
PASSAGES = {
    "bridge": "云溪大桥横跨云溪江。大桥于2011年5月通车，全长三百米。",
    "other": "云溪隧道于2014年通车，全长二百米。",
    "third": "云溪公园每天六点开门。",
}


class FakeReader:
    """Finds the first of ``answers`` that a passage has, with its probability; remembers what it read."""

    def __init__(self, answers: dict[str, float], queued: int = 0, fails: type[Exception] | None = None) -> None:
        self.answers = answers
        self.queued = queued
        self.fails = fails
        self.read_texts: list[str] = []
        self.on_read: Callable[[], object] = lambda: None

    def read(
        self, passages: Sequence[tuple[str, str]], questions: Sequence[str], adapter: str, caller: Caller = ANYONE
    ) -> Iterator[dict[int, list[Reading]] | Queued]:
        if self.fails:
            raise self.fails("阅读出错（测试用）")
        if self.queued:
            yield Queued(self.queued)
        for number, (_, text) in enumerate(passages):
            self.read_texts.append(text)
            self.on_read()
            if caller.stopped:
                return
            found = next((answer for answer in self.answers if answer in text), text[:1])
            start = text.index(found)
            yield {number: [Reading(start, start + len(found), self.answers.get(found, 0.01)) for _ in questions]}


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    documents = [Document(name, f"{name}.txt", "", text) for name, text in PASSAGES.items()]
    return Retriever(base_of(documents, HashingEmbedder()), HashingEmbedder())


def chat(retriever: Retriever, reader: FakeReader, reply: str = "云溪大桥于2011年5月通车。") -> ChatService:
    model = FakeModel(lambda _: reply)
    return ChatService(model, retriever, min_score=0.1, max_new_tokens=100, reader=Reader(reader, "reader"))


def ask(service: ChatService, question: str = QUESTION, **options: object) -> Answer:
    return Answer.of(question, service.ask(question, options=ChatOptions(**options)))  # type: ignore[arg-type]


def test_what_is_read_decides_and_is_cited_by_its_words(retriever) -> None:
    answer = ask(chat(retriever, FakeReader({"2011年5月": 0.97})))
    value = answer.to_json()
    span = value["span"]
    assert (span["text"], value["answerable"], value["refused"]) == ("2011年5月", 0.97, False)
    assert value["hits"][span["rank"] - 1]["text"][span["start"] : span["end"]] == span["text"]
    assert value["hits"][span["rank"] - 1]["stages"]["read"] == 0.97
    assert answer.quote is not None
    assert answer.quote.text == "大桥于2011年5月通车，全长三百米。"
    assert "2011" in answer.text
    assert answer.timings_ms["retrieve"] <= answer.timings_ms["read"] <= answer.timings_ms["total"]


def test_a_look_alike_is_refused_though_it_is_near(retriever) -> None:
    reader = FakeReader({"2014年": 0.09, "2011年5月": 0.05})
    service = chat(retriever, reader)
    value = ask(service).to_json()
    assert (value["refused"], value["span"], value["answerable"]) == (True, None, 0.09)
    assert len(reader.read_texts) == len(value["hits"])  # all were looked at before it gave up
    assert all(0 <= found["stages"]["read"] <= 0.09 for found in value["hits"])


def test_the_threshold_is_the_readers(retriever) -> None:
    service = chat(retriever, FakeReader({"2011年5月": 0.6}))
    assert not ask(service).refused
    assert ask(service, min_score=0.61).refused
    assert not ask(chat(retriever, FakeReader({"2011年5月": 0.05})), min_score=0.0).refused


@pytest.mark.parametrize(
    ("question", "probability", "refused"),
    [
        ("云溪大桥是哪年通车的？", 0.06, True),
        ("云溪大桥为什么通车？", 0.06, False),
        ("云溪大桥为什么通车？", 0.04, True),
        ("云溪大桥怎么通车？", 0.04, True),
        ("云溪大桥通车了吗？", 0.01, False),
    ],
)
def test_reasons_and_ways_need_half_the_probability_and_yes_or_no_none(
    retriever, question: str, probability: float, refused: bool
) -> None:
    answer = ask(chat(retriever, FakeReader({"2011年5月": probability})), question)
    assert (answer.refused, answer.answerable) == (refused, probability)


@pytest.mark.parametrize(
    ("question", "decisions"),
    [
        ("馆长是谁？", ["refuse", "refuse", "span"]),
        ("怎么借书？", ["refuse", "search", "span"]),
        ("可以借书吗？", ["search", "search", "span"]),
        ("什么是蓝鲸？", ["refuse", "search", "search"]),
    ],
)
def test_one_rule_for_chat_and_inspector(question: str, decisions: list[str]) -> None:
    read = [Evidence((), Span(1, "甲", 0, 1, p), p) for p in (0.04, 0.07, 0.2)]
    assert [decide(question, evidence, 0.1) for evidence in read] == decisions
    assert decide("馆长是谁？", Evidence((), None, 0.0), 0.1) == "refuse"


def test_passages_are_read_best_first_and_no_more_than_needed(retriever) -> None:
    reader = FakeReader({"2011年5月": 0.95})
    answer = ask(chat(retriever, reader))
    assert reader.read_texts == [PASSAGES["bridge"]]
    assert [found.stages.read is not None for found in answer.hits] == [True] + [False] * (len(answer.hits) - 1)


def test_an_answer_that_says_something_else_gives_way_to_the_passage(retriever) -> None:
    service = chat(retriever, FakeReader({"2011年5月": 0.97}), "云溪大桥于2014年通车。")
    events = list(service.ask(QUESTION))
    assert [event.text for event in events if isinstance(event, Replaced)] == ["大桥于2011年5月通车，全长三百米。"]
    answer = Answer.of(QUESTION, events)
    assert "2014" not in answer.written
    assert all(support.rank == 1 for support in answer.support)
    same = list(chat(retriever, FakeReader({"2011年5月": 0.97}), "二〇一一年五月。").ask(QUESTION))
    assert not any(isinstance(event, Replaced) for event in same)


def test_what_has_no_short_answer_is_not_read(retriever) -> None:
    reader = FakeReader({"2011年5月": 0.97})
    answer = ask(chat(retriever, reader), "介绍一下云溪大桥")
    assert reader.read_texts == []
    assert (answer.answerable, answer.span, answer.refused) == (None, None, False)


@pytest.mark.parametrize(
    "question", ["介绍一下云溪大桥公园", "说说云溪大桥公园", "云溪大桥二号", "什么是横跨大桥？"]
)
@pytest.mark.parametrize(("probability", "refused"), [(0.04, True), (0.06, False), (0.9, False)])
def test_of_a_name_that_no_passage_has_the_reader_says_whether_it_is_told_of(
    retriever, question: str, probability: float, refused: bool
) -> None:
    reader = FakeReader({"2011年5月": probability, "2014年": 0.01, "每天六点": 0.01})
    answer = ask(chat(retriever, reader), question)
    assert (answer.refused, answer.answerable, answer.span) == (refused, probability, None)
    assert reader.read_texts


def test_of_a_name_that_a_passage_has_nothing_is_read(retriever) -> None:
    # The parts of the last ones stand in one passage.
    for question in (
        "什么是云溪公园？",
        "云溪隧道",
        "介绍一下云溪大桥通车",
        "云溪公园开门",
        "介绍一下云溪公园管理制度",
    ):
        reader = FakeReader({"2011年5月": 0.01})
        assert ask(chat(retriever, reader), question).answerable is None
        assert not reader.read_texts


def test_waiting_is_passed_on_and_a_stop_ends_the_reading(retriever) -> None:
    reader = FakeReader({"2011年5月": 0.2}, queued=3)
    assert Queued(3) in list(chat(retriever, reader).ask(QUESTION))
    caller = Caller()
    reader.read_texts.clear()
    reader.on_read = caller.stop.set
    events = list(chat(retriever, reader).ask(QUESTION, caller=caller))
    assert len(reader.read_texts) == 1
    assert not any(isinstance(event, Read | Finished) for event in events)
    assert isinstance(events[0], Retrieved)


@pytest.mark.parametrize("error", [Busy, ModelError])
def test_a_reader_that_fails_says_so(retriever, error) -> None:
    with pytest.raises(error, match="阅读出错"):
        list(chat(retriever, FakeReader({}, fails=error)).ask(QUESTION))


def test_nothing_to_read_is_no_answer() -> None:
    reading = Reader(FakeReader({}), "reader").read(QUESTION, (), ANYONE)
    assert finished(reading) == Evidence((), None, 0.0)


@pytest.mark.parametrize(
    ("answer", "span", "same"),
    [
        ("桥在2011年通车。", "2011年", True),
        ("桥在二〇一一年通车。", "2011年", True),
        ("桥在2012年通车。", "2011年", False),
        ("由张三建成。", "张三丰", False),
        ("全长 6,300 公里", "6300公里", True),
        ("它由工程师张三、李四和王五共同设计建成", "由工程师张三、李四、王五共同设计建成", True),
        ("它由工程师设计", "由工程师张三、李四、王五共同设计建成", False),
        ("", "2011年", False),
        ("全长15公里。", "5公里", False),
        ("编号1234。", "123", False),
        ("法定节日值班可以补休。", "法定节日值班不得补休", False),
        ("编号是 123，见附表。", "123", True),
    ],
)
def test_an_answer_says_the_span(answer: str, span: str, same: bool) -> None:
    assert says(answer, Span(1, span, 0, len(span), 0.9)) is same


def test_the_quote_is_whole_sentences_around_the_span() -> None:
    text = "  第一句。第二句说到甲。\n第三句说到乙。"
    found = hit(1, text)
    one, both = text.index("甲"), text.index("乙")
    assert quoted(Span(1, "甲", one, one + 1, 0.9), [found]).text == "第二句说到甲。"
    quote = quoted(Span(1, text[one : both + 1], one, both + 1, 0.9), [found])
    assert quote.text == "第二句说到甲。\n第三句说到乙。"
    assert text[quote.start : quote.end] == quote.text


def test_a_long_sentence_gives_its_clauses_only() -> None:
    text = (
        "主校区位于岛上的大学城，另有桂花岗等三个校区和一处实验基地，校训是“博学笃行，与时俱进”，校庆日是九月十日。"
    )
    start = text.index("博学")
    span = Span(1, "博学笃行，与时俱进", start, start + 9, 0.9)
    quote = quoted(span, [hit(1, text)])
    assert quote.text == text
    assert brief(quote, span) == "校训是“博学笃行，与时俱进”"
    short = "未经批准，任何人不得入内。"
    span = Span(1, "任何人不得入内", 5, 12, 0.9)
    assert brief(quoted(span, [hit(1, short)]), span) == short


def test_a_longer_name_or_another_model_gives_way() -> None:
    both = [hit(1, "QRoad于2023年开通。"), hit(2, "Road于2021年开通。")]
    reader = FakeReader({"2023年": 0.95, "2021年": 0.9})
    evidence = finished(Reader(reader, "reader").read("Road是哪一年开通的", both, ANYONE))
    assert evidence.span is not None
    assert evidence.span.text == "2021年"
    alone = finished(Reader(reader, "reader").read("Road是哪一年开通的", both[:1], ANYONE))
    assert 0.4 < alone.answerable < 0.5
    other = [hit(1, "泵RT-70于2023年上市。")]
    assert finished(Reader(reader, "reader").read("泵RT-71哪一年上市", other, ANYONE)).answerable < 0.1
    assert finished(Reader(reader, "reader").read("泵RT-70哪一年上市", other, ANYONE)).answerable == 0.95
    assert finished(Reader(reader, "reader").read("When was pump B opened?", other, ANYONE)).answerable == 0.95


def test_the_questions_own_words_are_no_answer() -> None:
    echo = [hit(1, "问题：云溪大桥什么时候通车？答案：")]
    found = finished(
        Reader(FakeReader({"云溪大桥什么时候通车？": 0.9}), "reader").read("云溪大桥什么时候通车", echo, ANYONE)
    )
    assert found.answerable == 0


def test_several_things_are_read_each_for_itself_at_the_askers_threshold(retriever) -> None:
    asked = "云溪大桥和云溪隧道分别于哪一年通车？"
    service = chat(retriever, FakeReader({"2011年5月": 0.6, "2014年": 0.55}))
    value = ask(service, asked).to_json()
    assert (
        value["answer"]
        == "云溪大桥：大桥于2011年5月通车，全长三百米。\n\n云溪隧道：云溪隧道于2014年通车，全长二百米。"
    )
    assert (value["answerable"], value["span"], value["refused"]) == (0.55, None, False)
    assert "云溪隧道：资料里没有写。" in ask(service, asked, min_score=0.58).text
    assert ask(service, asked, min_score=0.7).refused


def test_dates_are_read_in_one_writing_and_cited_as_written() -> None:
    text = "一九八七年九月一日，东沙小学开学。"
    reader = FakeReader({"1987年9月1日": 0.9})
    found = finished(Reader(reader, "reader").read("东沙小学哪天开学", [hit(1, text)], ANYONE))
    assert reader.read_texts == ["1987年9月1日，东沙小学开学。"]
    assert found.span is not None
    assert text[found.span.start : found.span.end] == found.span.text == "一九八七年九月一日"


@pytest.mark.parametrize(
    ("question", "read"),
    [
        ("旗舰版每日上限是多少？", "套餐：旗舰版；每秒请求数：200；每日上限：不限"),
        ("货号563的金额", "货号：563；金额：249"),
        ("哪个套餐的每日上限最高？", None),
        ("套餐有哪些", None),
    ],
)
def test_of_a_table_the_row_that_is_asked_for_is_read(question: str, read: str | None) -> None:
    table = "套餐：标准版；每秒请求数：50；每日上限：100\n套餐：旗舰版；每秒请求数：200；每日上限：不限\n货号：563；金额：249\n货号：564；金额：155"
    reader = FakeReader({"不限": 0.9, "249": 0.9})
    found = finished(Reader(reader, "reader").read(question, [hit(1, table)], ANYONE))
    assert reader.read_texts == [table, *([read] if read else [])]
    assert found.span is not None
    assert found.span.text in (read or table)
    assert table[found.span.start : found.span.end] == found.span.text


def test_the_whole_table_tells_whether_there_is_an_answer() -> None:
    table = "项目：营业成本；2023年：2405；2024年：2688\n项目：净利润；2023年：516；2024年：633"
    row = table.split("\n")[1]

    class Unsure(FakeReader):
        """Of a row alone it is not sure."""

        def read(self, passages, questions, adapter, caller=ANYONE):
            for item in super().read(passages, questions, adapter, caller):
                assert isinstance(item, dict)
                low = {
                    n: [replace(one, probability=0.02) for one in many]
                    for n, many in item.items()
                    if passages[n][1] == row
                }
                yield item | low

    found = finished(Reader(Unsure({"633": 0.9}), "reader").read("2024年的净利润是多少", [hit(1, table)], ANYONE))
    assert found.span is not None
    assert (found.span.text, found.answerable) == ("633", 0.9)
    found = finished(
        Reader(Unsure({"2688": 0.9, "633": 0.9}), "reader").read("2024年的净利润", [hit(1, table)], ANYONE)
    )
    assert found.span is not None
    assert (found.span.text, found.answerable) == ("633", 0.9)


def test_a_comparison_without_a_figure_quotes_the_nearest_of_each(retriever, monkeypatch) -> None:
    monkeypatch.setattr("src.chat.service.MIN_SIDE", 0.0)
    asked = "云溪大桥和云溪隧道哪个更长？"
    answer = ask(chat(retriever, FakeReader({})), asked)
    assert answer.text.startswith("云溪大桥：")
    assert "云溪隧道：云溪隧道于2014年通车" in answer.text
    assert all(one.rank for one in answer.support)
    assert ask(chat(retriever, FakeReader({})), asked, min_score=0.3).refused
    assert ask(chat(retriever, FakeReader({})), "云溪大桥和云溪隧道分别有多长？").refused


def test_a_passage_that_says_otherwise_is_named_though_it_was_not_read() -> None:
    documents = [Document(n, f"{n}.txt", "", f"云溪大桥全长{n}米。") for n in ("300", "320")]
    both = Retriever(base_of(documents, HashingEmbedder()), HashingEmbedder())
    reader = FakeReader({"300米": 0.9, "320米": 0.9})
    answer = ask(chat(both, reader, "云溪大桥全长300米。"), "云溪大桥全长多少米？")
    assert len(reader.read_texts) == 1
    assert [{one.value, one.other_value} for one in answer.conflicts] == [{"300米", "320米"}]


@pytest.mark.parametrize("reply", ["是", "可以。", "云溪公园可以带宠物入内。"])
def test_a_yes_that_nothing_bears_out_gives_way_to_what_is_written(reply: str) -> None:
    documents = [Document("park", "park.txt", "", "云溪公园谢绝宠物入内。")]
    park = Retriever(base_of(documents, HashingEmbedder()), HashingEmbedder())
    answer = ask(chat(park, FakeReader({}), reply), "云溪公园可以带宠物入内吗？")
    assert answer.text == "云溪公园谢绝宠物入内。"
    assert [one.rank for one in answer.support] == [1]


def test_politeness_is_not_read() -> None:
    seen: list[str] = []

    class Listening(FakeReader):
        def read(self, passages, questions, adapter, caller=ANYONE):
            seen.extend(questions)
            return super().read(passages, questions, adapter, caller)

    finished(Reader(Listening({}), "reader").read("你好，请问云溪公园几点开门？谢谢", [hit(1, "云溪公园")], ANYONE))
    assert seen == ["云溪公园几点开门？"]
