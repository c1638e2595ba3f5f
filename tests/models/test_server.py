"""An OpenAI-compatible server, for real over HTTP on this machine."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from src.caller import Caller
from src.errors import ModelError
from src.models.base import GenerationOptions, Message
from src.models.server import ServerModel

SECRET = "sk-very-secret"


class Handler(BaseHTTPRequestHandler):
    requests: list[dict[str, Any]]
    disconnected: threading.Event

    def log_message(self, *_: object) -> None:
        pass

    def _json(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.headers["Authorization"] != f"Bearer {SECRET}":
            return self._json(401, {"error": {"message": "bad key"}})
        return self._json(200, {"data": [{"id": "served-model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        question = body["messages"][-1]["content"]
        if question == "400":
            return self._json(400, {"error": {"message": "too long"}})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            while question == "keep alive":
                self.wfile.write(b": nothing yet\n\n")
                time.sleep(0.01)
            for piece in ["无限"] * 2000 if question == "endless" else ["你", "好", "，世界"]:
                if question == "broken":
                    self.wfile.write(b"data: {oops\n\n")
                    return None
                event = {"choices": [{"delta": {"content": piece}}]}
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
                self.wfile.flush()
                if question == "endless":
                    time.sleep(0.01)
            self.wfile.write(b': comment\n\ndata: {"choices": []}\n\ndata: [DONE]\n\n')
        except OSError:
            self.server.disconnected.set()
        return None


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    httpd.requests, httpd.disconnected = [], threading.Event()
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


def connect(server: ThreadingHTTPServer, key: str | None = SECRET, **more: Any) -> ServerModel:
    return ServerModel(f"http://127.0.0.1:{server.server_port}/v1/", None, key, 4096, **more)


def ask(model: ServerModel, question: str) -> str:
    return "".join(model.stream([Message("system", "s"), Message("user", question)], GenerationOptions(50, 0.5)))


def test_streams_an_answer_from_the_first_model_listed(server) -> None:
    model = connect(server)
    assert model.name == "served-model"
    assert ask(model, "你好") == "你好，世界"
    sent = server.requests[0]
    assert sent["model"] == "served-model"
    assert sent["messages"] == [{"role": "system", "content": "s"}, {"role": "user", "content": "你好"}]
    assert (sent["max_tokens"], sent["temperature"], sent["stream"]) == (50, 0.5, True)


@pytest.mark.parametrize("how", ["close", "event"])
def test_a_stop_closes_the_connection(server, how: str) -> None:
    caller = Caller()
    pieces = connect(server).stream([Message("user", "endless")], GenerationOptions(), caller)
    assert next(piece for piece in pieces if piece) == "无限"
    if how == "close":
        pieces.close()
    else:
        caller.stop.set()
        assert "".join(pieces) == ""
    assert server.disconnected.wait(10)


def test_what_utf_8_cannot_hold_reaches_the_server_as_a_question_mark(server) -> None:
    history = [Message("user", "坏\ud800字"), Message("assistant", "好\udfff")]
    pieces = connect(server).stream([*history, Message("user", "你好")], GenerationOptions())
    assert "".join(pieces) == "你好，世界"
    assert [message["content"] for message in server.requests[0]["messages"]] == ["坏?字", "好?", "你好"]


def test_an_error_that_is_not_of_http_ends_the_answer(server) -> None:
    model = connect(server)
    model.name = b"not json"
    with pytest.raises(ModelError, match="TypeError"):
        ask(model, "你好")


def test_a_server_that_only_keeps_the_connection_alive_is_left(server) -> None:
    with pytest.raises(ModelError, match="没有算完"):
        ask(connect(server, answer_s=0.2), "keep alive")
    assert server.disconnected.wait(10)


@pytest.mark.parametrize(("question", "expected"), [("400", "400"), ("broken", "JSON")])
def test_a_failing_server_gives_a_clear_line(server, question: str, expected: str) -> None:
    with pytest.raises(ModelError, match=expected):
        ask(connect(server), question)


def test_a_wrong_key_is_named_and_never_shown(server, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ModelError, match="YUAN_LLM_API_KEY") as caught:
        connect(server, key="sk-wrong")
    ask(connect(server), "你好")
    assert "sk-wrong" not in str(caught.value)
    assert SECRET not in caplog.text


def test_no_server_gives_a_clear_line() -> None:
    with pytest.raises(ModelError, match="--llm-url"):
        ServerModel("http://127.0.0.1:9/v1", None, None, 4096)
