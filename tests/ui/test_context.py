"""How handlers are registered: what gradio hands them, and what becomes of their errors."""

import inspect
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client

from src.errors import Busy, InputError, KnowledgeError, Stopped
from src.models.fake import FakeModel
from src.ui import server
from src.ui.calls import Calls
from src.ui.context import Context, raising, skips
from src.ui.session import Sessions
from src.ui.wording import Words
from tests.ui.app import completed, fake_runtime

MARKER = "访客写的字"


class Tab:
    """Handlers as tabs write them: methods, with what gradio injects in every place."""

    kept = "self"

    def asks(self, text: str, request: gr.Request) -> str:
        return f"{self.kept} {text} {request.session_hash}"

    def perhaps(self, text: str, request: gr.Request | None = None) -> str:
        return f"{text} {request is not None and request.session_hash}"

    def streams(self, text: str, request: gr.Request) -> Iterator[str]:
        yield text
        yield f"{self.kept} {text} {request.session_hash}"

    def selects(self, text: str, event: gr.SelectData, request: gr.Request) -> str:
        return f"{text} {event.index} {event.value} {request.session_hash}"

    def likes(self, event: gr.LikeData) -> str:
        return f"{event.index} {event.liked}"

    def fails(self, how: str) -> str:
        raise ERRORS[how]

    def fails_in_the_middle(self, how: str) -> Iterator[str]:
        yield "before"
        raise ERRORS[how]


ERRORS = {
    "mistake": InputError("请输入问题"),
    "busy": Busy("现在请求太多"),
    "file": KnowledgeError("读不了"),
    "stopped": Stopped("已停止"),
    "bug": ValueError(MARKER),
    "own": gr.Error("自己的话", print_exception=False),
}


def context(language: Any = "zh") -> Context:
    runtime = fake_runtime(FakeModel())
    return Context(runtime, Sessions(runtime.own_documents), Calls(8), Words(language))


@pytest.fixture(scope="module", params=["zh", "en"])
def app(request: pytest.FixtureRequest) -> Iterator[Any]:
    """(address, number of each handler): a page of the handlers above."""
    tab, numbers = Tab(), {}
    with server.Page() as page:
        box, other, chatbot = gr.Textbox(), gr.Textbox(), gr.Chatbot()
        listen = context(request.param).listen
        made = {
            "asks": listen(box.submit, tab.asks, box, other),
            "perhaps": listen(box.submit, tab.perhaps, box, other),
            "streams": listen(box.submit, tab.streams, box, other),
            "selects": listen(chatbot.select, tab.selects, box, other),
            "likes": listen(chatbot.like, tab.likes, None, other),
            "several": listen([box.submit, box.change], tab.asks, box, other),
            "fails, one output": listen(box.submit, tab.fails, box, other),
            "fails, a list of one": listen(box.submit, tab.fails, box, [other]),
            "fails, two outputs": listen(box.submit, tab.fails, box, [other, box]),
            "fails, no output": listen(box.submit, tab.fails, box, None),
            "fails late": listen(box.submit, tab.fails_in_the_middle, box, [other]),
        }
        numbers = {name: dependency["id"] for name, dependency in made.items()}
        with gr.Row():
            gr.Button().click(raising(tab.fails), box, other, api_name="ends")
            gr.Button().click(tab.fails, box, other, api_name="bare")
            gr.Button().click(lambda: [MARKER], None, [box, other], api_name="misshapen")
            gr.Button().click(tab.asks, gr.Dropdown(["a"]), other, api_name="choosing")
            gr.Button().click(raising(tab.fails_in_the_middle), box, other, api_name="ends_late")
    server.prepare(page)
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True)
    yield address, numbers, request.param
    page.close()


def call(app: Any, name: str, *data: Any, event: Any = None) -> tuple[list[Any], list[dict[str, Any]]]:
    """The values that a handler gave, the last one of the end, and the notices that came with them."""
    address, numbers, _ = app
    return completed_with(address, numbers[name], list(data), event)


def completed_with(
    address: str, number: Any, data: list[Any], event: Any
) -> tuple[list[Any], list[dict[str, Any]]]:
    from tests.ui.app import events_of, join

    join(address, number, {"data": data, "session_hash": "s1", "event_data": event}).raise_for_status()
    values, notices = [], []
    for message in events_of(address, "s1"):
        if message["msg"] == "log":
            notices.append(message)
        elif message["msg"] == "process_completed":
            values.append(message)
            return values, notices
        elif message["msg"] == "process_generating":
            values.append(message)
    raise AssertionError("the stream ended")


def value(message: dict[str, Any]) -> Any:
    assert message["success"], message
    return message["output"]["data"][0]


@pytest.mark.parametrize(
    ("name", "expected"), [("asks", "self x s1"), ("perhaps", "x s1"), ("several", "self x s1")]
)
def test_a_method_is_given_the_request(app: Any, name: str, expected: str) -> None:
    assert value(call(app, name, "x")[0][-1]) == expected


def test_a_generator_method_streams_and_is_given_the_request(app: Any) -> None:
    values, notices = call(app, "streams", "x")
    assert len(values) > 1
    assert value(values[-1]) == "self x s1"
    assert notices == []


def test_a_method_is_given_what_was_selected_or_liked(app: Any) -> None:
    selected = {"index": [1, 0], "value": "字"}
    assert value(call(app, "selects", "x", event=selected)[0][-1]) == "x [1, 0] 字 s1"
    assert value(call(app, "likes", event={"index": 3, "value": "字", "liked": True})[0][-1]) == "3 True"


def test_handlers_are_no_endpoints_and_keep_their_names(app: Any) -> None:
    client = Client(app[0], verbose=False)
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {
        "/ends", "/ends_late", "/bare", "/misshapen", "/choosing",
    }  # fmt: skip
    made = context().listen
    wrapped = raising(Tab().asks)
    assert (wrapped.__name__, wrapped.__module__, wrapped.__qualname__) == ("asks", __name__, "Tab.asks")
    assert list(inspect.signature(wrapped).parameters) == ["text", "request"]
    assert made is not None


@pytest.mark.parametrize("outputs", ["one output", "a list of one", "two outputs", "no output"])
@pytest.mark.parametrize("how", ["mistake", "busy", "file"])
def test_a_mistake_is_a_notice_and_changes_nothing(app: Any, outputs: str, how: str) -> None:
    values, (notice,) = call(app, f"fails, {outputs}", how)
    assert values[-1]["success"]
    assert all(item == {"__type__": "update"} for item in values[-1]["output"]["data"] if outputs != "no output")
    assert str(ERRORS[how]) in notice["log"] if app[2] == "zh" else notice["log"]
    assert (notice["level"], notice["title"]) == ("warning", Words(app[2])("提示"))


def test_a_mistake_in_the_middle_keeps_what_was_there(app: Any) -> None:
    values, (notice,) = call(app, "fails late", "mistake")
    assert value(values[0]) == "before"
    assert values[-1]["success"]
    assert notice["level"] == "warning"


@pytest.mark.parametrize("name", ["fails, one output", "fails late"])
def test_who_stopped_it_is_told_nothing(app: Any, name: str) -> None:
    values, notices = call(app, name, "stopped")
    assert values[-1]["success"]
    assert notices == []


@pytest.mark.parametrize("name", ["fails, two outputs", "fails late"])
def test_a_bug_is_an_error_in_general_words_and_logged_with_its_place(
    app: Any, name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    values, notices = call(app, name, "bug")
    assert not values[-1]["success"]
    assert notices == []
    told = values[-1]["output"]["error"]
    assert told == Words(app[2])("出了意料之外的错误，已记入日志。请重试")
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    text = logging.Formatter().format(record)
    assert "ValueError" in text
    assert "raise ERRORS[how]" in text
    output = capfd.readouterr()
    for place in (text, output.out, output.err, str(values)):
        assert MARKER not in place
    assert "Traceback" not in output.out + output.err.replace(text, "")


@pytest.mark.parametrize(("endpoint", "data"), [("bare", ["bug"]), ("misshapen", [])])
def test_a_bug_outside_of_our_wrappers_is_ours_too(
    app: Any, endpoint: str, data: list[str], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Or outside of any handler: gradio cannot show what the handler gave."""
    event = completed(app[0], endpoint, "s3", *data)
    assert not event["success"]
    assert event["output"]["error"].startswith("出了意料之外的错误，已记入日志。请重试 · An unexpected error")
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    text = logging.Formatter().format(record)
    assert "ValueError" in text
    assert "line" in text
    output = capfd.readouterr()
    assert MARKER not in text + output.out + output.err


@pytest.mark.parametrize("data", [[MARKER], [], [[MARKER]], [MARKER, MARKER]])
def test_values_that_do_not_fit_are_the_callers_mistake(
    app: Any, data: list[Any], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    event = completed(app[0], "choosing", "s3", *data)
    assert not event["success"]
    assert "请对照" in event["output"]["error"]
    assert "please see docs/api.md" in event["output"]["error"]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    output = capfd.readouterr()
    assert MARKER not in caplog.text + output.out + output.err


def test_an_error_that_a_handler_words_itself_is_told_as_it_is(app: Any) -> None:
    values, _ = call(app, "fails, one output", "own")
    assert (values[-1]["success"], values[-1]["output"]["error"]) == (False, "自己的话")


@pytest.mark.parametrize("endpoint", ["ends", "ends_late"])
@pytest.mark.parametrize("how", ["mistake", "busy", "bug"])
def test_an_endpoints_errors_reach_its_client(app: Any, endpoint: str, how: str) -> None:
    event = completed(app[0], endpoint, "s2", how)
    assert not event["success"]
    told = event["output"]["error"]
    assert told == ("出了意料之外的错误，已记入日志。请重试" if how == "bug" else str(ERRORS[how]))


def test_an_endpoint_that_was_stopped_ends(app: Any) -> None:
    assert completed(app[0], "ends_late", "s2", "stopped")["success"]


def test_skips() -> None:
    assert skips(None) is None
    assert skips([1, 2]) == skips(1) == gr.skip()


def test_a_handler_called_without_gradio_is_told_too() -> None:
    """As our own tests call it."""
    calls: list[Any] = []
    context().listen(lambda made, *_, **__: calls.append(made), Tab().fails, None, [1])
    with warnings.catch_warnings(record=True):
        assert calls[0]("mistake") == gr.skip()
    with pytest.raises(gr.Error, match="意料之外") as caught:
        calls[0]("bug")
    assert caught.value.__suppress_context__
