"""Servers that misbehave, for real over sockets: a clear line, and nothing left running."""

import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from src.caller import Caller
from src.errors import ModelError
from src.models.base import GenerationOptions, Message
from src.models.server import ServerModel

Behaviour = Callable[[socket.socket], None]
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
CHUNKED = STREAM.replace(b"Connection: close", b"Transfer-Encoding: chunked")


def event(text: str, **more: object) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}, **more}]}).encode() + b"\n\n"


class Server:
    """Listens, reads a request's head and lets ``behave`` answer; ``left`` counts the clients that closed on it."""

    def __init__(self, behave: Behaviour) -> None:
        self._behave = behave
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/v1"
        self.left = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._answer, args=(client,), daemon=True))
            self._threads[-1].start()

    def _answer(self, client: socket.socket) -> None:
        with client:
            head = b""
            while b"\r\n\r\n" not in head and (part := client.recv(65536)):
                head += part
            try:
                self._behave(client)
                client.shutdown(socket.SHUT_WR)
                client.settimeout(10)
                while client.recv(65536):
                    pass
            except OSError:
                pass
        self.left.release()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(15)
            assert not thread.is_alive()


@pytest.fixture
def serve() -> Iterator[Callable[[Behaviour], Server]]:
    before = set(threading.enumerate())
    servers: list[Server] = []

    def start(behave: Behaviour) -> Server:
        servers.append(Server(behave))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
    assert [thread for thread in threading.enumerate() if thread not in before] == []


def send(*parts: bytes) -> Behaviour:
    def behave(client: socket.socket) -> None:
        for part in parts:
            client.sendall(part)

    return behave


def for_ever(part: bytes, pause_s: float = 0.0) -> Behaviour:
    def behave(client: socket.socket) -> None:
        client.sendall(STREAM)
        while True:
            client.sendall(part)
            time.sleep(pause_s)

    return behave


def silent(client: socket.socket) -> None:
    client.settimeout(30)
    while client.recv(65536):  # the request's body, then until the client closes
        pass


def ask(server: Server, caller: Caller | None = None, answer_s: float = 20.0) -> Iterator[str]:
    model = ServerModel(server.url, "m", None, 4096, answer_s=answer_s)
    return model.stream([Message("user", "你好")], GenerationOptions(50), caller or Caller())


HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 30\r\n\r\n<html><h1>Welcome!</h1></html>"
BROKEN = {
    "HTML with status 200": (send(HTML), "不是 OpenAI 格式"),
    "nothing at all": (send(), "没有答完（RemoteProtocolError）"),
    "an empty stream": (send(STREAM), "没有答完就断开"),
    "closes in the middle": (send(STREAM, event("你")), "没有答完就断开"),
    "closes in the middle of a chunk": (send(CHUNKED, b"ff\r\n", event("你")), "没有答完（RemoteProtocolError）"),
    "closes in the middle of an event": (send(STREAM, event("你")[:20]), "读不懂"),
    "no JSON": (send(STREAM, b"data: {oops\n\n"), "读不懂"),
    "JSON of another kind": (send(STREAM, b'data: {"choices": [{"delta": {"content": [1]}}]}\n\n'), "读不懂"),
    "a list": (send(STREAM, b"data: [1]\n\n"), "读不懂"),
    "deep JSON": (send(STREAM, b"data: " + b"[" * 100_000 + b"\n\n"), "读不懂"),
    "an error event": (send(STREAM, b'data: {"error": {"message": "out of memory"}}\n\n'), "中途报告了错误"),
    "no HTTP": (send(b"SSH-2.0-OpenSSH_9.6\r\n"), "没有答完（RemoteProtocolError）"),
    "a redirect": (send(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), "返回了 302"),
    "gigabytes of text": (for_ever(event("字" * 1000) * 20), "超出了要求的长度"),
    "gigabytes without a line's end": (for_ever(b"data: " + b"x" * 65536), "一行超过 1 MB"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_told_and_left(serve, name: str) -> None:
    behave, expected = BROKEN[name]
    server = serve(behave)
    started = time.monotonic()
    with pytest.raises(ModelError, match=expected):
        list(ask(server))
    assert server.left.acquire(timeout=10)
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("end", [b"data: [DONE]\n\n", event("", finish_reason="stop")])
def test_an_answer_is_whole_with_either_of_its_ends(serve, end: bytes) -> None:
    server = serve(send(STREAM, b": hello\r\n\r\n", event("你").replace(b"\n", b"\r\n"), event("好"), end))
    assert "".join(ask(server)) == "你好"


def test_a_server_that_stays_after_the_end_is_left(serve) -> None:
    def behave(client: socket.socket) -> None:
        client.sendall(STREAM + event("好") + b"data: [DONE]\n\n")
        silent(client)

    server = serve(behave)
    assert "".join(ask(server)) == "好"
    assert server.left.acquire(timeout=5)


SLOW = {
    "never answers": silent,
    "trickles its head": lambda client: [(client.sendall(b"H"), time.sleep(0.02)) for _ in range(10**6)],
    "trickles an event": for_ever(b"d", 0.02),
    "only keeps alive": for_ever(b": ping\n\n", 0.02),
    "gigabytes of comments": for_ever(b": ping\n\n" * 10_000),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_answer_ends_at_the_deadline(serve, name: str) -> None:
    server = serve(SLOW[name])
    started = time.monotonic()
    with pytest.raises(ModelError, match=r"没有算完|没有答完"):
        list(ask(server, answer_s=0.5))
    assert server.left.acquire(timeout=10)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("how", ["stop", "close"])
@pytest.mark.parametrize("name", SLOW)
def test_who_leaves_a_slow_server_is_free_at_once(serve, name: str, how: str) -> None:
    server, caller = serve(SLOW[name]), Caller()
    pieces = ask(server, caller)
    next(pieces)
    started = time.monotonic()
    if how == "stop":
        caller.stop.set()
        assert "".join(pieces) == ""
    else:
        pieces.close()
    assert time.monotonic() - started < 5
    assert server.left.acquire(timeout=10)


def test_what_is_not_read_stays_with_the_server(serve) -> None:
    """A reader slower than the server: its text waits in the sockets, not in our memory."""
    server = serve(for_ever(event("字")))
    pieces = ask(server)
    next(pieces)
    tracemalloc.start()
    time.sleep(1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    pieces.close()
    assert peak < 5_000_000
    assert server.left.acquire(timeout=10)


@pytest.mark.parametrize(
    ("behave", "expected"),
    [(send(HTML), "没有列出模型"), (send(), "连不上"), (for_ever(b"[" * 65536), "没有列出模型")],
)  # fmt: skip
def test_a_list_of_models_that_is_none(serve, behave: Behaviour, expected: str) -> None:
    with pytest.raises(ModelError, match=expected):
        ServerModel(serve(behave).url, None, None, 4096)


@pytest.mark.parametrize(
    "url", ["http://[::1", "ftp://host/v1", "nonsense", "http://\ud800/v1", "http://host:99999/v1"]
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ModelError, match="--llm-url"):
        ServerModel(url, None, None, 4096)
