"""A language model behind an OpenAI-compatible server (vLLM, llama.cpp, Ollama, a cloud)."""

import json
import logging
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from src.caller import ANYONE, Caller
from src.errors import ModelError
from src.models.base import GenerationOptions, Message
from src.models.turns import too_slow

log = logging.getLogger(__name__)

_CONNECT_S = 10.0
_READ_S = 120.0
_POLL_S = 0.05
Lines = queue.SimpleQueue[str | ModelError | None]


class ServerModel:
    """Streams ``POST {url}/chat/completions``.

    A grammar cannot be enforced over this interface, so ``supports_grammar`` is False and extraction keeps only
    what stands verbatim in the text; what a special token typed by a user becomes is up to the server. Tokens are
    estimated at one a character, never too few for Chinese.

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
        self._host = urlsplit(url).hostname or "（地址不对）"
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(headers=headers, timeout=httpx.Timeout(_READ_S, connect=_CONNECT_S))
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
        lines: Lines = queue.SimpleQueue()
        left = threading.Event()
        # Read in a thread, so that whoever leaves need not wait until the server says something.
        threading.Thread(target=self._read, args=(body, lines, left), daemon=True).start()
        ends_at = time.monotonic() + self._answer_s
        try:
            while not caller.stopped:
                if time.monotonic() > ends_at:  # a server that says nothing of use keeps the connection alive
                    raise too_slow(self._answer_s)
                try:
                    line = lines.get(timeout=_POLL_S)
                except queue.Empty:
                    yield ""
                    continue
                if line is None:
                    return
                if isinstance(line, ModelError):
                    raise line
                yield _delta(line)
        finally:
            left.set()

    def _read(self, body: dict[str, Any], lines: Lines, left: threading.Event) -> None:
        try:
            with self._client.stream("POST", f"{self._url}/chat/completions", json=body) as response:
                if response.status_code != httpx.codes.OK:
                    lines.put(self._complaint(response))
                    return
                # Leaving this block closes the connection, which is how such servers are told to stop.
                for line in response.iter_lines():
                    if left.is_set():
                        return
                    lines.put(line)
            lines.put(None)
        except Exception as error:  # a thread's error reaches the reader only through the queue
            lines.put(ModelError(f"语言模型服务没有答完（{type(error).__name__}），请稍后再试"))

    def _first_model(self) -> str:
        try:
            response = self._client.get(f"{self._url}/models")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ModelError(
                f"连不上语言模型服务 {self._host}（{type(error).__name__}）：请检查 --llm-url"
            ) from error
        if response.status_code != httpx.codes.OK:
            raise self._complaint(response)
        try:
            return str(response.json()["data"][0]["id"])
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise ModelError(f"语言模型服务 {self._host} 没有列出模型：请用 --llm-model 指明") from error

    def _complaint(self, response: httpx.Response) -> ModelError:
        log.warning("语言模型服务 %s 返回 %d", self._host, response.status_code)
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return ModelError("语言模型服务不接受密钥：请站长检查 YUAN_LLM_API_KEY")
        return ModelError(f"语言模型服务返回了 {response.status_code}：请稍后再试，或请站长查看日志")


def _encodable(text: str) -> str:
    """``text`` without lone surrogates, which UTF-8 cannot hold and JSON can."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _delta(line: str) -> str:
    """The text in one line of a server-sent event stream."""
    data = line.removeprefix("data:").strip()
    if not line.startswith("data:") or data == "[DONE]":
        return ""
    try:
        choices = json.loads(data)["choices"]
        return _encodable(str(choices[0]["delta"].get("content") or "")) if choices else ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelError("语言模型服务送来的数据读不懂（不是 OpenAI 格式的 JSON）") from error
