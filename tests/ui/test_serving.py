"""The app under load and for its owner, through its real server; only the models are fakes."""

import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from starlette.middleware import Middleware

from src.models.fake import FakeModel
from src.models.server import ServerModel
from src.ui import server
from src.ui.admission import MAX_CALL_BYTES, Admission, call_budget, upload_budget
from src.ui.calls import Calls
from src.ui.health import report
from src.ui.page import MAX_STATES, App
from tests.models.test_server import connect
from tests.models.test_server import server as model_server
from tests.ui.app import (
    Broken,
    Failing,
    OneAtATime,
    completed,
    events_of,
    fake_runtime,
    join,
    number_of,
    running_app,
    text_file,
    until,
    uploaded,
)

__all__ = ["model_server"]  # a fixture
LONG_ANSWER = "很长的回答。" * 500


@pytest.fixture(scope="module")
def model() -> OneAtATime:
    return OneAtATime()


@pytest.fixture(scope="module")
def whole(model: OneAtATime) -> Iterator[tuple[App, str]]:
    """The app and its address."""
    app = App(fake_runtime(model))
    with running_app(app.runtime, app) as address:
        yield app, address


@pytest.fixture(scope="module")
def app(whole: tuple[App, str]) -> str:
    return whole[1]


@pytest.fixture(scope="module")
def calls(whole: tuple[App, str]) -> Calls:
    return whole[0].calls


@pytest.fixture(autouse=True)
def _as_before(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test finds the model free."""
    yield
    if "model" in request.fixturenames:
        model = request.getfixturevalue("model")
        model.gate.set()
        model.reply, model.delay_s = FakeModel.reply, 0.0
        assert until(lambda: not model._turn.locked())
        model.asked.clear()


def ask(client: Client, question: str = "你好", **more: Any) -> Any:
    return client.submit(question, **({"use_knowledge": False} | more), api_name="/chat")


def outcome(job: Any) -> str:
    try:
        job.result(30)
    except AppError as error:
        return str(error)
    return "done"


def test_who_sends_thirty_calls_leaves_room_and_is_told_why(app: str, model: OneAtATime) -> None:
    model.gate.clear()
    greedy, other = Client(app, verbose=False), Client(app, verbose=False)
    many = [ask(greedy) for _ in range(30)]
    assert until(lambda: sum(job.done() for job in many) == 22)
    own = ask(other)
    assert until(lambda: httpx.get(f"{app}health").json()["waiting"] >= 8)
    started = time.monotonic()
    assert other.predict(api_name="/index_stats")["chunks"] == 2
    assert other.predict("长江", api_name="/search")["hits"]
    assert time.monotonic() - started < 5, "who waits for the model delays what does not"
    model.gate.set()
    assert outcome(own) == "done"
    outcomes = [outcome(job) for job in many]
    assert outcomes.count("done") == 8
    refusals = [text for text in outcomes if text != "done"]
    assert len(refusals) == 22
    assert all("您已有 8 个请求" in text for text in refusals)
    assert set(model.asked) == {greedy.session_hash, other.session_hash}


def test_all_places_taken_is_said_in_chinese(app: str, model: OneAtATime, calls: Calls) -> None:
    model.gate.clear()
    clients = [Client(app, verbose=False) for _ in range(5)]
    jobs = [ask(client) for client in clients[:4] for _ in range(8)]
    assert until(lambda: len(calls._inside) == 32)
    assert "现在请求太多" in outcome(ask(clients[4]))
    model.gate.set()
    assert [outcome(job) for job in jobs] == ["done"] * 32


def test_forty_searches_of_one_visitor_are_all_answered_or_told(app: str) -> None:
    client = Client(app, verbose=False)
    outcomes = [outcome(client.submit("长江", api_name="/search")) for _ in range(3)]
    jobs = [client.submit("长江", api_name="/search") for _ in range(40)]
    outcomes += [outcome(job) for job in jobs]
    assert "done" in outcomes
    assert all(text == "done" or "您已有" in text for text in outcomes)


def test_who_searches_much_does_not_delay_another() -> None:
    release = threading.Event()

    class Slow:
        def search(self, query: str, **_: Any) -> list[Any]:
            if query == "慢":
                release.wait(30)
            return []

    runtime = fake_runtime(FakeModel())
    vars(runtime)["retriever"] = Slow()
    app = App(runtime)
    with running_app(runtime, app) as address:
        greedy, other = Client(address, verbose=False), Client(address, verbose=False)
        jobs = [greedy.submit("慢", api_name="/search") for _ in range(9)]
        assert until(lambda: app.calls.waiting() == 8)
        assert other.predict("快", api_name="/search")["hits"] == []
        assert not any(job.done() for job in jobs)
        release.set()
        assert [outcome(job) for job in jobs] == ["done"] * 9


@pytest.mark.parametrize("endpoint", ["chat", "compare", "extract"])
@pytest.mark.parametrize("how", ["cancel", "close"])
def test_who_leaves_frees_the_model_within_a_token(app: str, model: OneAtATime, endpoint: str, how: str) -> None:
    model.reply, model.delay_s = lambda _: LONG_ANSWER, 0.05
    before = model.abandoned
    arguments: dict[str, list[Any]] = {
        "chat": ["写一篇长文", [], False, 4],
        "compare": ["写一篇长文", 4],
        "extract": ["王小明，经理", True, None],
    }
    if how == "cancel":
        job = Client(app, verbose=False).submit(*arguments[endpoint], api_name=f"/{endpoint}")
        assert until(lambda: len(job.outputs()) > 3)
        job.cancel()
    else:
        session = f"leaving {endpoint}"
        join(app, endpoint, {"data": arguments[endpoint], "session_hash": session}).raise_for_status()
        for number, _ in enumerate(events_of(app, session)):
            if number > 3:
                break
    assert until(lambda: model.abandoned == before + 1, 3)
    assert until(lambda: not model._turn.locked(), 1)


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_who_leaves_while_he_waits_never_has_the_model(app: str, model: OneAtATime, calls: Calls, how: str) -> None:
    model.gate.clear()
    first, second = Client(app, verbose=False), Client(app, verbose=False)
    ahead = ask(first)
    assert until(lambda: model.asked == [first.session_hash])
    if how == "cancel":
        waiting = ask(second)
        assert until(lambda: calls.waiting() == 1)
        waiting.cancel()
    else:
        join(app, "chat", {"data": ["你好", [], False, 4], "session_hash": "gone"}).raise_for_status()
        for _ in events_of(app, "gone"):
            if calls.waiting() == 1:
                break
    assert until(lambda: calls.waiting() == 0, 4)
    model.gate.set()
    assert outcome(ahead) == "done"
    time.sleep(0.3)
    assert model.asked == [first.session_hash]


@pytest.mark.parametrize("endpoint", ["chat", "compare"])
def test_the_log_says_how_long_it_waited(app: str, model: OneAtATime, calls: Calls, endpoint: str, caplog) -> None:
    caplog.set_level(logging.INFO, "src.ui.log")
    model.gate.clear()
    ahead = ask(Client(app, verbose=False))
    assert until(lambda: len(model.asked) == 1)
    use = {"use_knowledge": False} if endpoint == "chat" else {}
    job = Client(app, verbose=False).submit("长江", api_name=f"/{endpoint}", **use)
    assert until(lambda: calls.waiting() == 1)
    time.sleep(1.2)
    model.gate.set()
    assert (outcome(ahead), outcome(job)) == ("done", "done")
    waited = [float(re.findall(r"wait_s=([\d.]+)", record.getMessage())[0]) for record in caplog.records]
    assert waited[0] == 0
    assert waited[1] > 0.9


def test_health_says_little_and_quickly(app: str) -> None:
    response = httpx.get(f"{app}health")
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {"status", "model", "chunks", "waiting", "uptime_s"}
    assert (body["status"], body["model"], body["chunks"], body["waiting"]) == ("ok", "fake", 2, 0)
    assert body["uptime_s"] >= 0
    assert httpx.get(app).status_code == 200  # the page is still there


@pytest.mark.parametrize("broken", [Broken(), Failing()], ids=["bug", "server down"])
def test_health_is_bad_while_the_model_fails(broken: FakeModel) -> None:
    with running_app(fake_runtime(broken)) as address:
        client = Client(address, verbose=False)
        for _ in range(3):
            assert httpx.get(f"{address}health").status_code == 200
            assert outcome(ask(client)) != "done"
        response = httpx.get(f"{address}health")
        assert (response.status_code, response.json()["status"]) == (503, "failing")


def test_health_is_bad_before_the_model_is_loaded() -> None:
    status, body = report(fake_runtime(None), Calls(32))
    assert (status, body["status"]) == (503, "loading")


def test_health_never_asks_a_knowledge_base_that_is_elsewhere() -> None:
    """As Milvus is: it may be slow or away."""

    class Elsewhere:
        size = 7  # at its last search

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"asked for {name}")

        def __len__(self) -> int:
            raise AssertionError("counted")

    runtime = fake_runtime(FakeModel())
    vars(runtime)["base"] = Elsewhere()
    status, body = report(runtime, Calls(32))
    assert (status, body["status"], body["chunks"]) == (200, "ok", 7)


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[tuple[str, int, threading.Event]]:
    """A page of one slow handler behind our front door, with small limits: address, number, what lets it end."""
    release = threading.Event()
    with server.Page() as page:
        box = gr.Textbox()
        made = box.submit(lambda text: release.wait(20) and text, box, box, concurrency_limit=1)
    page.queue(api_open=False, max_size=2)
    budgets = {"calls": call_budget(), "uploads": upload_budget(max_bytes=4 << 20)}
    middleware = [Middleware(Admission, folder=tmp_path, **budgets)]
    _, address, _ = page.launch(
        prevent_thread_lock=True, quiet=True, max_file_size="2mb", app_kwargs={"middleware": middleware}
    )
    yield address, made["id"], release
    release.set()
    page.close()


def test_gradios_full_queue_says_so_in_both_languages(busy: tuple[str, int, threading.Event]) -> None:
    address, number, release = busy
    assert join(address, number, {"data": ["x"], "session_hash": "s"}).status_code == 200
    time.sleep(0.3)  # taken out of the queue
    answers = [join(address, number, {"data": ["x"], "session_hash": f"s{i}"}) for i in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json() == {
        "detail": "现在请求太多，请过一会儿再试 · Too many requests, please try again later"
    }
    release.set()
    ended = [event for event in events_of(address, "s1") if event["msg"] == "process_completed"]
    assert ended[0]["success"]


def upload(address: str, *sizes: int, pieces: bool = False) -> httpx.Response:
    files = [("files", (f"{i}.txt", b"x" * size)) for i, size in enumerate(sizes)]
    sent = httpx.Request("POST", f"{address}gradio_api/upload", files=files)
    headers = {"content-type": sent.headers["content-type"]}
    whole = sent.read()
    content = (whole[at : at + 65536] for at in range(0, len(whole), 65536)) if pieces else whole
    return httpx.post(f"{address}gradio_api/upload", content=content, headers=headers)


def test_uploads_end_where_the_budget_does(busy: tuple[str, int, threading.Event], tmp_path: Path, caplog) -> None:
    address, _, _ = busy
    assert upload(address, 1 << 20).status_code == 200
    too_large = upload(address, (2 << 20) + 1)
    assert (too_large.status_code, "文件太大" in too_large.text) == (413, True)
    full = upload(address, 1 << 20)
    assert (full.status_code, "过几分钟" in full.text) == (429, True)
    assert "Traceback" not in caplog.text


def test_an_upload_of_unknown_length_is_cut_off_at_the_budget(
    busy: tuple[str, int, threading.Event], tmp_path: Path, caplog, capfd
) -> None:
    address, _, _ = busy
    cut = upload(address, 1 << 20, 1 << 20, 1 << 20, 1 << 20, pieces=True)
    assert (cut.status_code, "过几分钟" in cut.text) == (429, True)
    assert upload(address, 10).status_code == 429
    assert "Traceback" not in caplog.text + capfd.readouterr().err


@contextmanager
def page_open(address: str, session: str) -> Iterator[None]:
    """A connection that gradio watches to know that the page is there."""
    with httpx.stream("GET", f"{address}gradio_api/heartbeat/{session}", timeout=30) as response:
        lines = response.iter_lines()
        next(lines)
        yield
        lines.close()


def test_gradio_remembers_only_so_many_who_have_left(
    whole: tuple[App, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, address = whole
    states = app.page.state_holder
    assert states.capacity == MAX_STATES
    completed(address, "search", "first", "长江", 1, "hybrid")
    monkeypatch.setattr(states, "capacity", len(states.session_data))
    for number in range(5):
        completed(address, "search", f"once {number}", "长江", 1, "hybrid")
    assert len(states.session_data) <= states.capacity + 1


def test_a_clients_session_ends_when_it_leaves_and_no_late_call_opens_it_again(
    whole: tuple[App, str], tmp_path: Path
) -> None:
    app, address = whole
    file = uploaded(address, text_file(tmp_path, "我的.txt", "蓝鲸计划的负责人是赵小满。"))
    before = len(app.sessions)
    with page_open(address, "client"):
        event = completed(address, "add_documents", "client", [file])
        assert event["success"], event
        added = event["output"]["data"][0]
        assert [item["chunks"] for item in added["added"]] == [1]
        hits = completed(address, "search", "client", "蓝鲸计划", 1, "hybrid")["output"]["data"][0]["hits"]
        assert "赵小满" in hits[0]["text"]
        assert len(app.sessions) == before + 1
    assert until(lambda: len(app.sessions) == before)
    late = completed(address, "add_documents", "client", [file])
    assert not late["success"]
    assert "页面已经关闭" in late["output"]["error"]
    assert len(app.sessions) == before
    hits = completed(address, "search", "client", "蓝鲸计划", 1, "hybrid")["output"]["data"][0]["hits"]
    assert "赵小满" not in json.dumps(hits, ensure_ascii=False)


def test_what_utf_8_cannot_hold_reaches_a_model_server_and_never_hangs(model_server) -> None:
    """A lone surrogate in the conversation of a client once made an answer endless."""
    model = connect(model_server)
    assert isinstance(model, ServerModel)
    history = [{"role": "user", "content": "坏\ud800字"}, {"role": "assistant", "content": "\udfff"}]
    with running_app(fake_runtime(model)) as address:
        for message in ("你好", "你\ud800好 "):
            answer = completed(address, "chat", "s", message, history, False, 4)["output"]["data"][0]
            assert answer["answer"] == "你好，世界"
            assert answer["question"] == "你好"
            assert answer["done"]
        assert httpx.get(f"{address}health").json()["waiting"] == 0
    contents = [message["content"] for message in model_server.requests[-1]["messages"]]
    assert contents[-3:] == ["坏字", "", "你好"]


def test_a_body_without_a_length_is_read_up_to_the_limit(app: str) -> None:
    """As some proxies send it on."""

    def join_in_pieces(padding: int) -> httpx.Response:
        call = {"fn_index": number_of(app, "search"), "data": ["长江", 1, "lexical"], "session_hash": "pieces"}
        body = json.dumps(call).encode() + b" " * padding
        pieces = (body[start : start + 65536] for start in range(0, len(body), 65536))
        return httpx.post(
            f"{app}gradio_api/queue/join", content=pieces, headers={"content-type": "application/json"}
        )

    assert join_in_pieces(100_000).status_code == 200
    refused = join_in_pieces(MAX_CALL_BYTES)
    assert refused.status_code == 413
    assert "太大" in refused.json()["detail"]


MARKER = "马克标记七七"
LINE = re.compile(
    r"request endpoint=(chat|compare|extract|search|upload|batch) session=[0-9a-f]{8} outcome=([\w:]+) "
    r"duration_s=[\d.]+ wait_s=[\d.]+ in=\d+ out=\d+ hits=(\d+|-)"
)


def everything(address: str, folder: Path) -> None:
    """Every endpoint with the marker in all that a visitor can send, good and bad."""
    client = Client(address, verbose=False)
    good = text_file(folder, f"{MARKER}.txt", f"{MARKER}的负责人是{MARKER}。")
    bad = text_file(folder, f"{MARKER}.jsonl", f"{MARKER} 不是 JSON")
    unknown = text_file(folder, f"{MARKER}.{MARKER}", MARKER)
    history = [{"role": "user", "content": MARKER}, {"role": "assistant", "content": MARKER}]
    tries: list[tuple[str, list[Any]]] = [
        ("add_documents", [[handle_file(str(file)) for file in (good, bad, unknown)]]),
        ("chat", [MARKER, history, True, 4]),
        ("chat", [MARKER, history, False, 4]),
        ("chat", [MARKER, [{"role": MARKER, "content": MARKER}], False, 4]),
        ("chat", [MARKER, MARKER, MARKER, MARKER]),
        ("chat", [MARKER * 1000, [], False, 4]),
        ("compare", [MARKER, 4]),
        ("compare", [MARKER, MARKER]),
        ("extract", [f"{MARKER}，经理", True, None]),
        ("extract", [MARKER * 2000, True, None]),
        ("extract", [MARKER, MARKER, None]),
        ("search", [MARKER, 3, "hybrid"]),
        ("search", [MARKER, MARKER, MARKER]),
    ]
    for endpoint, values in tries:
        outcome(client.submit(*values, api_name=f"/{endpoint}"))


@pytest.mark.parametrize("kind", [OneAtATime, Broken, Failing], ids=lambda kind: kind.__name__)
def test_the_log_has_a_line_for_each_request_and_nothing_that_a_visitor_sent(
    kind: type[FakeModel], tmp_path: Path, caplog, capfd
) -> None:
    caplog.set_level(logging.DEBUG)
    with running_app(fake_runtime(kind())) as address:
        everything(address, tmp_path)
        lines = [record.getMessage() for record in caplog.records if record.name == "src.ui.log"]
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found), lines
    assert [match[1] for match in found] == (
        ["upload", *["chat"] * 5, "compare", "compare", "extract", "extract", "extract", "search", "search"]
    )
    ends = [match[2] for match in found]
    assert ends.count("refused") == 7
    assert ends[1] == {OneAtATime: "done", Broken: "error:ValueError", Failing: "error:ModelError"}[kind]
    assert len({line.split()[2] for line in lines}) == 1
    ours = [record for record in caplog.records if record.name.startswith("src")]
    for record in ours:
        text = logging.Formatter().format(record)
        assert MARKER not in text
        assert json.dumps(MARKER)[1:-1] not in text
    assert MARKER not in caplog.text
    output = capfd.readouterr()
    assert MARKER not in output.out + output.err


def test_a_call_that_does_not_fit_is_refused_in_both_languages_and_not_printed(app: str, caplog, capfd) -> None:
    never_uploaded = {"path": f"/etc/{MARKER}", "meta": {"_type": "gradio.FileData"}}
    for endpoint, data in (
        ("chat", [MARKER]),
        ("chat", []),
        ("add_documents", [[never_uploaded]]),
        ("add_documents", [MARKER]),
        ("add_documents", [{"path": MARKER}]),
    ):
        event = completed(app, endpoint, "misfit", *data)
        assert not event["success"]
        assert "请对照" in event["output"]["error"], event
        assert "do not fit" in event["output"]["error"], event
    assert "gradio 没有接受" in caplog.text
    assert MARKER not in caplog.text
    output = capfd.readouterr()
    assert MARKER not in output.out + output.err
    assert "Traceback" not in output.out + output.err


def test_clients_at_once_each_get_their_own_answer(app: str, model: OneAtATime) -> None:
    clients = [Client(app, verbose=False) for _ in range(20)]
    barrier = threading.Barrier(20)

    def work(number: int) -> None:
        barrier.wait()
        assert ask(clients[number], f"第{number}号").result(30)["answer"] == f"回答：第{number}号"

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(work, range(20)))
    assert sorted(model.asked) == sorted(client.session_hash for client in clients)
