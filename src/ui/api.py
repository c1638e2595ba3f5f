"""The public endpoints. Parameters arrive as the client sent them, so every one is checked here or in the service."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from src.chat.service import parse_history
from src.errors import InputError
from src.runtime import Runtime
from src.ui.guard import MODEL_SLOT, SEARCH_SLOT, guarded, session_of


def build(runtime: Runtime) -> None:
    """Register the endpoints of DESIGN.md in the current Blocks."""

    @guarded
    def chat(
        message: str,
        history: list[Any] = [],  # noqa: B006 (the documented default; never changed)
        use_knowledge: bool = True,
        top_k: int = 4,
        request: gr.Request | None = None,
    ) -> Iterator[dict[str, Any]]:
        """回答一个问题，边生成边返回；最后一个值的 done 为 true。"""
        stop = threading.Event()
        try:
            for answer in runtime.chat.stream(
                message,
                parse_history(history),
                use_knowledge=_flag(use_knowledge, "use_knowledge"),
                top_k=top_k,
                extra=runtime.sessions.base(session_of(request)),
                stop=stop,
            ):
                yield answer.to_json()
        finally:
            stop.set()

    @guarded
    def compare(message: str, top_k: int = 4, request: gr.Request | None = None) -> Iterator[dict[str, Any]]:
        """同一个问题，不用和使用知识库的两个回答。"""
        stop = threading.Event()
        extra = runtime.sessions.base(session_of(request))
        try:
            for both in runtime.chat.compare(message, top_k=top_k, extra=extra, stop=stop):
                yield both.to_json()
        finally:
            stop.set()

    @guarded
    def extract(text: str, use_adapter: bool = True) -> Iterator[dict[str, Any]]:
        """从一段简历抽取八类实体；每个实体都是原文的一段。"""
        stop = threading.Event()
        flag = _flag(use_adapter, "use_adapter")
        try:
            for progress in runtime.extraction.extract_stream(text, use_adapter=flag, stop=stop):
                yield progress.partial.to_json()
        finally:
            stop.set()

    @guarded
    def search(
        query: str, top_k: int = 10, mode: str = "hybrid", request: gr.Request | None = None
    ) -> dict[str, Any]:
        """只检索，不生成。mode：hybrid、dense 或 lexical。"""
        started = time.perf_counter()
        extra = runtime.sessions.base(session_of(request))
        hits = runtime.retriever.search(query, top_k=top_k, mode=mode, extra=extra)
        elapsed = (time.perf_counter() - started) * 1000
        return {"hits": [hit.to_json() for hit in hits], "timings_ms": {"total": round(elapsed, 1)}}

    @guarded
    def index_stats() -> dict[str, Any]:
        """知识库索引的统计。"""
        return runtime.base.stats()

    @guarded
    def add_documents(files: list[str] | None, request: gr.Request) -> dict[str, Any]:
        """把文件加入这次会话的知识库，别的会话看不到。"""
        return runtime.sessions.add(session_of(request), [Path(file) for file in files or []])

    api(chat, **MODEL_SLOT)
    api(compare, **MODEL_SLOT)
    api(extract, **MODEL_SLOT)
    api(search, **SEARCH_SLOT)
    api(index_stats, **SEARCH_SLOT)
    # Files go through a real component, so that gradio checks their size and that they were uploaded.
    files = gr.File(file_count="multiple", visible=False, label="files")
    added = gr.JSON(visible=False, label="result")
    gr.Button(visible=False).click(add_documents, files, added, api_name="add_documents", **SEARCH_SLOT)


def _flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{name} 应为 true 或 false，收到 {str(value)[:40]}")
    return value
