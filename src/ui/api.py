"""The public endpoints. Parameters arrive as the client sent them, so every one is checked here or in the service.

The docstrings are what the API page and, with ``--mcp``, other programs' language models are shown.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from src.chat.service import parse_history
from src.errors import InputError
from src.runtime import Runtime
from src.ui.calls import calls
from src.ui.guard import MODEL_SLOT, SEARCH_SLOT, guarded, served, session_of


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
        """回答一个问题，并给出所依据的资料；边生成边返回，最后一个值的 done 为 true。
        Answer a question (best in Chinese) from the knowledge base, with the passages it rests on.

        Args:
            message: 问题，最多 2000 字。The question.
            history: 之前的对话 [{"role": "user" 或 "assistant", "content": "文字"}]。Earlier turns.
            use_knowledge: 是否先检索知识库。Whether to search the knowledge base first.
            top_k: 最多用几条资料，1 到 20。How many passages at most.
        """
        with calls.open("chat", request, message, history) as call:
            answers = runtime.chat.stream(
                message,
                parse_history(history),
                use_knowledge=_flag(use_knowledge, "use_knowledge"),
                top_k=top_k,
                extra=runtime.sessions.base(session_of(request)),
                stop=call.stop,
                user=call.visitor,
            )
            for answer in call.follow(answers):
                value = answer.to_json()
                call.gave(value)
                yield value

    @guarded
    def compare(message: str, top_k: int = 4, request: gr.Request | None = None) -> Iterator[dict[str, Any]]:
        """同一个问题的两个回答：不用知识库的 without，用知识库的 with。
        Answer the same question twice: without and with the knowledge base.

        Args:
            message: 问题，最多 2000 字。The question.
            top_k: 最多用几条资料，1 到 20。How many passages at most.
        """
        with calls.open("compare", request, message) as call:
            extra = runtime.sessions.base(session_of(request))
            both = runtime.chat.compare(message, top_k=top_k, extra=extra, stop=call.stop, user=call.visitor)
            for answers in call.follow(both):
                value = answers.to_json()
                call.gave(value)
                yield value

    @guarded
    def extract(text: str, use_adapter: bool = True, request: gr.Request | None = None) -> Iterator[dict[str, Any]]:
        """从一段中文简历抽取八类实体（姓名、国籍、种族、职位、教育背景、专业、组织名、地名）；每个实体都是原文的一段。
        Extract eight kinds of entities from a Chinese resume, each verbatim with its place.

        Args:
            text: 简历文字，最多 5000 字。The resume.
            use_adapter: 是否用简历适配器；false 只用基座模型。Whether to use the resume adapter.
        """
        with calls.open("extract", request, text) as call:
            flag = _flag(use_adapter, "use_adapter")
            stream = runtime.extraction.extract_stream(text, use_adapter=flag, stop=call.stop, user=call.visitor)
            for progress in call.follow(stream):
                value = progress.partial.to_json()
                call.gave(value)
                yield value

    @guarded
    @served("search", "search")
    def search(
        query: str, top_k: int = 10, mode: str = "hybrid", request: gr.Request | None = None
    ) -> dict[str, Any]:
        """只检索知识库，不生成回答；返回最相关的段落。
        Search the knowledge base and return the most relevant passages, with their sources and scores.

        Args:
            query: 检索词或问题。A question or keywords, best in Chinese.
            top_k: 返回几条，1 到 100。How many passages.
            mode: hybrid（默认）、dense（向量）或 lexical（字词）。
        """
        started = time.perf_counter()
        extra = runtime.sessions.base(session_of(request))
        hits = runtime.retriever.search(query, top_k=top_k, mode=mode, extra=extra)
        elapsed = (time.perf_counter() - started) * 1000
        return {"hits": [hit.to_json() for hit in hits], "timings_ms": {"total": round(elapsed, 1)}}

    @guarded
    def index_stats() -> dict[str, Any]:
        """知识库索引的统计：文档数、段落数、向量模型等。
        Figures about the knowledge base: documents, passages, embedding model.
        """
        return runtime.base.stats()

    @guarded
    @served("upload", "upload")
    def add_documents(files: list[str] | None, request: gr.Request) -> dict[str, Any]:
        """把文件加入这次会话的知识库，别的会话看不到。MCP 没有会话，请用网页或 gradio_client。
        Add files to this session's own knowledge. Not through MCP, which has no sessions.

        Args:
            files: 要加入的文件。The files.
        """
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
