"""A language model behind an OpenAI-compatible server (vLLM, llama.cpp, Ollama, a cloud)."""

import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from src.errors import ModelError
from src.language.base import GenerationOptions, Message

_CONNECT_S = 10.0
_READ_S = 300.0


class ServerModel:
    """Streams ``POST {url}/chat/completions``.

    A grammar cannot be enforced over this interface, so ``supports_grammar`` is False and extraction keeps only
    what stands verbatim in the text. Tokens are estimated at one a character, never too few for Chinese.

    Args:
        url: base address, ``…/v1``.
        model: name on the server; None takes the first the server lists.
        api_key: sent as a bearer token, never logged.
    """

    supports_grammar = False
    adapters: tuple[str, ...] = ()

    def __init__(self, url: str, model: str | None, api_key: str | None, context_tokens: int) -> None:
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        timeout = httpx.Timeout(_READ_S, connect=_CONNECT_S)
        self._client = httpx.Client(headers=headers, timeout=timeout)
        self.context_tokens = context_tokens
        self.name = model or self._first_model()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) + 8 for message in messages)

    def stream(
        self, messages: Sequence[Message], options: GenerationOptions, stop: threading.Event | None = None
    ) -> Iterator[str]:
        body = {
            "model": self.name,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "max_tokens": options.max_new_tokens,
            "temperature": options.temperature,
            "stream": True,
        }
        try:
            with self._client.stream("POST", f"{self._url}/chat/completions", json=body) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                    raise ModelError(self._complaint(response))
                # Leaving this block closes the connection, which is how such servers are told to stop.
                for line in response.iter_lines():
                    if stop is not None and stop.is_set():
                        return
                    if piece := _delta(line):
                        yield piece
        except httpx.HTTPError as error:
            raise ModelError(f"语言模型服务 {self._url} 没有答完：{type(error).__name__}") from error

    def _first_model(self) -> str:
        try:
            response = self._client.get(f"{self._url}/models")
            response.raise_for_status()
            return str(response.json()["data"][0]["id"])
        except httpx.HTTPStatusError as error:
            raise ModelError(self._complaint(error.response)) from error
        except httpx.HTTPError as error:
            raise ModelError(
                f"连不上语言模型服务 {self._url}（{type(error).__name__}）：请检查 --llm-url"
            ) from error
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise ModelError(f"{self._url} 没有列出模型：请用 --llm-model 指明") from error

    def _complaint(self, response: httpx.Response) -> str:
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return f"语言模型服务 {self._url} 不接受密钥：请检查 YUAN_LLM_API_KEY"
        try:
            detail = response.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            detail = response.text[:200]
        return f"语言模型服务 {self._url} 返回 {response.status_code}：{detail}"


def _delta(line: str) -> str:
    """The text in one line of a server-sent event stream."""
    if not line.startswith("data:"):
        return ""
    data = line.removeprefix("data:").strip()
    if data == "[DONE]":
        return ""
    try:
        event: Any = json.loads(data)
    except ValueError as error:
        raise ModelError("语言模型服务送来的数据不是 JSON") from error
    if "error" in event:
        raise ModelError(f"语言模型服务报错：{event['error']}")
    choices = event.get("choices") or [{}]
    return str((choices[0].get("delta") or {}).get("content") or "")
