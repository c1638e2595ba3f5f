"""Language model behind an OpenAI-compatible server (vLLM, SGLang, llama.cpp, Ollama, a cloud).

The server is not trusted to behave: whatever it sends or fails to send, an answer ends with a clear error, in bounded
time and memory, and leaves neither a thread nor a connection behind.
"""

import json
import logging
import queue
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import anyio
import httpx
from anyio.from_thread import start_blocking_portal

from src.caller import ANYONE, Caller
from src.errors import ModelError
from src.models.base import GenerationOptions, Message
from src.models.fair_queue import too_slow

log = logging.getLogger(__name__)

_CONNECT_S = 10.0
_READ_S = 120.0  # of silence
_LIST_S = 20.0  # for the list of models
_POLL_S = 0.05
_QUEUED_EVENTS = 256
_LINE_BYTES = 1 << 20
# No tokenizer has more characters a token over a whole answer.
_TOKEN_CHARS = 32


class _End(NamedTuple):
    """No more events; ``error`` is what went wrong."""

    error: ModelError | None = None


class ServerModel:
    """Streams ``POST {url}/chat/completions``.

    A grammar cannot be enforced over this interface, so ``supports_grammar`` is False and extraction keeps only
    what stands verbatim in the text; what a special token typed by a user becomes is up to the server. Tokens are
    estimated at one a character, never too few for Chinese. Queueing is the server's business.

    Args:
        url: base address, ``…/v1``.
        model: name on the server; None takes the first the server lists.
        api_key: sent as a bearer token, never logged.
        answer_s: how long one answer may take, waiting included.

    Raises:
        ModelError: the server cannot be reached or lists no model.
    """

    supports_grammar = False
    adapters: tuple[str, ...] = ()

    def __init__(
        self, url: str, model: str | None, api_key: str | None, context_tokens: int, *, answer_s: float = 300.0
    ) -> None:
        self._answer_s = answer_s
        self._url = url.rstrip("/")
        # An address may hold a password, and errors are shown to visitors.
        self._host = _host_of(url)
        self._headers = {"Accept-Encoding": "identity"} | (
            {"Authorization": f"Bearer {api_key}"} if api_key else {}
        )
        self._tls = httpx.create_ssl_context()
        self.context_tokens = context_tokens
        self.name = model or self._first_model()

    def warm_up(self) -> None:
        """Nothing to prepare."""

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) + 8 for message in messages)

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions,
        caller: Caller = ANYONE,
    ) -> Iterator[str]:
        body = {
            "model": self.name,
            "messages": [{"role": m.role, "content": _encodable(m.content)} for m in messages],
            "max_tokens": options.max_new_tokens,
            "temperature": options.temperature,
            "stream": True,
        }
        room = 1000 + _TOKEN_CHARS * options.max_new_tokens
        ends_at = time.monotonic() + self._answer_s
        events: queue.Queue[str | _End] = queue.Queue(_QUEUED_EVENTS)
        # An event loop of its own, so that whoever leaves need not wait until the server says something; leaving this
        # block cancels the request, which closes the connection: that is how such servers are told to stop.
        with start_blocking_portal() as portal:
            reading = portal.start_task_soon(self._read, body, events)
            try:
                while not caller.stopped:
                    if time.monotonic() > ends_at:  # a server that says nothing of use keeps the connection alive
                        raise too_slow(self._answer_s)
                    try:
                        event = events.get(timeout=_POLL_S)
                    except queue.Empty:
                        event = ""
                    if isinstance(event, _End):
                        if event.error:
                            raise event.error
                        return
                    room -= len(event)
                    if room < 0:
                        raise ModelError("语言模型服务不停地送来文字，超出了要求的长度，已断开：请检查它的设置")
                    yield event
            finally:
                reading.cancel()

    async def _read(self, body: dict[str, Any], events: "queue.Queue[str | _End]") -> None:
        """Put the answer's deltas and one ``_End`` into ``events``, waiting while it is full."""
        end = _End()
        try:
            async with (
                self._client() as client,
                client.stream("POST", f"{self._url}/chat/completions", json=body) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    end = _End(self._complaint(response.status_code))
                else:
                    async for delta in _deltas(response):
                        await _put(events, delta)
        except ModelError as error:
            end = _End(error)
        except Exception as error:  # an error of this task reaches the reader only through the queue
            end = _End(ModelError(f"语言模型服务没有答完（{type(error).__name__}），请稍后再试"))
        await _put(events, end)

    def _client(self) -> httpx.AsyncClient:
        timeout = httpx.Timeout(_READ_S, connect=_CONNECT_S)
        return httpx.AsyncClient(headers=self._headers, timeout=timeout, verify=self._tls)

    def _first_model(self) -> str:
        with start_blocking_portal() as portal:
            status, body = portal.call(self._models)
        if status != httpx.codes.OK:
            raise self._complaint(status)
        try:
            return str(json.loads(body)["data"][0]["id"])
        except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
            raise ModelError(f"语言模型服务 {self._host} 没有列出模型：请用 --llm-model 指明") from error

    async def _models(self) -> tuple[int, bytes]:
        body = b""
        try:
            with anyio.fail_after(_LIST_S):
                async with self._client() as client, client.stream("GET", f"{self._url}/models") as response:
                    async for part in response.aiter_raw():
                        body += part
                        if len(body) > _LINE_BYTES:
                            break
                    return response.status_code, body
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, OSError) as error:
            raise ModelError(
                f"连不上语言模型服务 {self._host}（{type(error).__name__}）：请检查 --llm-url"
            ) from error

    def _complaint(self, status: int) -> ModelError:
        log.warning("语言模型服务 %s 返回 %d", self._host, status)
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return ModelError("语言模型服务不接受密钥：请站长检查 YUAN_LLM_API_KEY")
        return ModelError(f"语言模型服务返回了 {status}：请稍后再试，或请站长查看日志")


async def _put(events: "queue.Queue[str | _End]", event: str | _End) -> None:
    while events.full():
        await anyio.sleep(_POLL_S)
    events.put_nowait(event)


async def _deltas(response: httpx.Response) -> AsyncIterator[str]:
    """Text of a server-sent event stream.

    Raises:
        ModelError: it is none, it is broken, or it ends before the answer does.
    """
    finished = False
    async for line in _lines(response):
        if not line.startswith("data:"):
            continue  # comments, names of events, blank lines
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        text, ends = _parse(data)
        finished = finished or ends
        if text:
            yield text
    if not finished:
        raise ModelError(
            "语言模型服务没有答完就断开了，或它送来的不是 OpenAI 格式的回答：请稍后再试，或请站长检查 --llm-url"
        )


async def _lines(response: httpx.Response) -> AsyncIterator[str]:
    """Lines of a body as it came, not decompressed: a small one could be gigabytes."""
    rest = b""
    async for part in response.aiter_raw():
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")
        if len(rest) > _LINE_BYTES:
            raise ModelError("语言模型服务送来的数据读不懂（一行超过 1 MB）")
    yield rest.decode("utf-8", "replace")


def _parse(data: str) -> tuple[str, bool]:
    """Text of one event, and whether it says that the answer ends here."""
    try:
        event = json.loads(data)
        if event.get("error"):
            raise ModelError("语言模型服务在回答中途报告了错误：请稍后再试，或请站长查看它的日志")
        if not event["choices"]:
            return "", False
        choice = event["choices"][0]
        text = (choice.get("delta") or {}).get("content") or ""
        if not isinstance(text, str):
            raise TypeError
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError("语言模型服务送来的数据读不懂（不是 OpenAI 格式的 JSON）") from error
    return _encodable(text), bool(choice.get("finish_reason"))


def _encodable(text: str) -> str:
    """``text`` without lone surrogates, which UTF-8 cannot hold and JSON can."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or "（地址不对）"
    except ValueError:
        return "（地址不对）"
