"""The public endpoints. Parameters arrive as the client sent them, so every one is checked here or in the service.

The docstrings are what ``--mcp`` shows to other programs' language models; people read ``docs/api.md``.
"""

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import gradio as gr
from gradio.events import api

from src.chat.answer import Answer
from src.chat.service import ChatOptions, check_message, parse_history
from src.errors import InputError
from src.extraction.events import Queued
from src.ingest.locate import Span
from src.ingest.pages import FORMAT, PagePicture
from src.search.own import MAX_CHARACTERS, MAX_FILES
from src.search.source_page import SourcePage
from src.ui.context import MODEL, SEARCH, UPLOAD, Context, raising
from src.ui.page_view import source_page
from src.ui.session import is_mcp

MAX_REMOVED = 100


def build(context: Context) -> None:
    """Register the endpoints of DESIGN.md in the current Blocks."""
    runtime, sessions, calls = context.runtime, context.sessions, context.calls

    @raising
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
            options = ChatOptions(use_knowledge=_flag(use_knowledge, "use_knowledge"), top_k=top_k)
            answer = Answer(check_message(message))
            extra = sessions.documents_of(request)
            events = runtime.chat.ask(message, parse_history(history), call.caller, options, extra)
            for event in call.follow(events):
                answer.add(event)
                yield answer.to_json()
            call.gave(answer.written, len(answer.hits))

    @raising
    def compare(message: str, top_k: int = 4, request: gr.Request | None = None) -> Iterator[dict[str, Any]]:
        """同一个问题的两个回答：不用知识库的 without，用知识库的 with。
        Answer the same question twice: without and with the knowledge base.

        Args:
            message: 问题，最多 2000 字。The question.
            top_k: 最多用几条资料，1 到 20。How many passages at most.
        """
        with calls.open("compare", request, message) as call:
            asked = check_message(message)
            answers = {"without": Answer(asked), "with": Answer(asked)}
            extra = sessions.documents_of(request)
            for side, event in runtime.chat.compare(message, call.caller, top_k, extra):
                call.note(event)
                answers[side].add(event)
                yield {"without": answers["without"].text, "with": answers["with"].to_json()}
            call.gave([answer.written for answer in answers.values()], len(answers["with"].hits))

    @raising
    def extract(
        text: str, use_adapter: bool = True, fields: list[str] | None = None, request: gr.Request | None = None
    ) -> Iterator[dict[str, Any]]:
        """从一段中文简历抽取八类实体（姓名、国籍、种族、职位、教育背景、专业、组织名、地名），或从任何文字抽取自定的字段；每个值都是原文的一段。
        Extract eight kinds of entities from a Chinese resume, or fields of one's own from any text, each verbatim with its place.

        Args:
            text: 简历或别的文字，最多 5000 字。The text.
            use_adapter: 是否用简历适配器；false 只用基座模型。Whether to use the resume adapter.
            fields: 自定的字段，如 ["甲方", "合同金额"]，最多 30 个；不填抽取八类实体。Fields of one's own.
        """
        with calls.open("extract", request, text) as call:
            flag = _flag(use_adapter, "use_adapter")
            value: dict[str, Any] = {}
            for event in call.follow(runtime.extraction.extract_stream(text, flag, call.caller, fields)):
                # A call that waits says so by repeating what it has: a client that is gone is noticed only then.
                value = value if isinstance(event, Queued) else event.extraction.to_json()
                yield value
            call.gave(value)

    @raising
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
        with calls.open("search", request, query, kind="search") as call:
            hits = runtime.retriever.search(query, top_k=top_k, mode=mode, extra=sessions.documents_of(request))
            elapsed = (time.perf_counter() - started) * 1000
            value = {"hits": [hit.to_json() for hit in hits], "timings_ms": {"total": round(elapsed, 1)}}
            call.gave(value, len(hits))
            return value

    @raising
    def index_stats() -> dict[str, Any]:
        """知识库索引的统计：文档数、段落数、向量模型等。
        Figures about the knowledge base: documents, passages, embedding model.
        """
        return runtime.base.stats()

    @raising
    def add_documents(files: list[str] | None, request: gr.Request) -> dict[str, Any]:
        """把文件加入这次会话的知识库，别的会话看不到。MCP 没有会话，请用网页或 gradio_client。
        Add files to this session's own knowledge. Not through MCP, which has no sessions.

        Args:
            files: 要加入的文件。The files.
        """
        with calls.open("upload", request, kind="upload") as call:
            value = sessions.of(request).add([Path(file) for file in files or []])
            call.gave(value)
            return value

    @raising
    def list_documents(request: gr.Request) -> dict[str, Any]:
        """这次会话加入过的文档，每个文件读到了多少、漏了什么。MCP 没有会话，请用网页或 gradio_client。
        The documents of this session, with what was read of each file. Not through MCP, which has no sessions.
        """
        documents = sessions.of(request).documents
        listed = [{"source": entry.name, "chunks": entry.chunks, **entry.read()} for entry in documents.files()]
        limits = {"max_files": MAX_FILES, "max_characters": MAX_CHARACTERS}
        return {"documents": listed, "characters": documents.characters, **limits}

    @raising
    def remove_documents(sources: list[str], request: gr.Request) -> dict[str, Any]:
        """删掉这次会话加入过的文档。MCP 没有会话，请用网页或 gradio_client。
        Remove documents from this session. Not through MCP, which has no sessions.

        Args:
            sources: 文件名的列表，如 ["年假.txt"]。The files' names.
        """
        if not isinstance(sources, list) or not all(isinstance(name, str) for name in sources):
            raise InputError('sources 应为文件名的列表，如 ["年假.txt"]')
        if len(sources) > MAX_REMOVED:
            raise InputError(f"一次最多删除 {MAX_REMOVED} 个文件，收到 {len(sources)} 个")
        with calls.open("remove", request, kind="upload"):
            return sessions.of(request).documents.remove_each(sources)

    @raising
    def page(
        chunk_id: str,
        start: int | None = None,
        end: int | None = None,
        own: bool | None = None,
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """一个段落所在的那一页：图片，和框住它（或其中几个字）的方框；PDF、图片和（装有 LibreOffice 时）幻灯片才有。
        The page of a passage as a picture, with boxes around it or around some of its words; of PDFs, pictures and
        (where LibreOffice is installed) slides.

        Args:
            chunk_id: 段落的 chunk_id。The passage's chunk_id.
            start: 从这一段的第几个字起，默认整段。Where in the passage's text the words begin; default all of it.
            end: 到第几个字为止（不含）。Where they end.
            own: true 只在自己的文档里找，false 只在知识库里找，默认先自己的。Where the passage is.
        """
        if not isinstance(chunk_id, str) or not chunk_id:
            raise InputError("chunk_id 应为一段的编号，如 search 返回的 chunk_id")
        with calls.open("page", request, chunk_id, kind="page") as call:
            mine = sessions.documents_of(request)
            is_own = own if own is not None else mine is not None and mine.store.find(chunk_id) is not None
            found = source_page(context, chunk_id, _flag(is_own, "own"), _span(start, end), request)
            call.gave(None, len(found.pages))
            # A language model would read a picture as a hundred thousand letters.
            return page_json(found, with_images=not is_mcp(request))

    api(chat, **MODEL)
    api(compare, **MODEL)
    api(extract, **MODEL)
    api(search, **SEARCH)
    api(index_stats, **SEARCH)
    api(page, **SEARCH)
    api(list_documents, **SEARCH)
    api(remove_documents, **UPLOAD)
    # Files go through a real component, so that gradio checks their size and that they were uploaded.
    files = gr.File(file_count="multiple", visible=False, label="files")
    added = gr.JSON(visible=False, label="result")
    gr.Button(visible=False).click(add_documents, files, added, api_name="add_documents", **UPLOAD)


def page_json(found: SourcePage, *, with_images: bool = True) -> dict[str, Any]:
    """A source's page for clients: pictures as data URLs, boxes in parts of the page's width and height."""

    def image(page: PagePicture) -> str | None:
        return f"data:{FORMAT};base64,{base64.b64encode(page.image).decode('ascii')}" if with_images else None

    pages = [
        {
            "page": page.page,
            "image": image(page),
            "width": page.width,
            "height": page.height,
            "shown": list(page.shown),
            "boxes": [list(box) for group in page.boxes for box in group],
        }
        for page in found.pages
    ]
    about = {"chunk_id": found.chunk.chunk_id, "source": found.chunk.source, "file": found.file}
    return {
        **about,
        "page": found.chunk.page,
        "pages": pages,
        "found": round(found.found, 4),
        "edited": found.edited,
    }


def _span(start: object, end: object) -> list[Span]:
    if start is None and end is None:
        return []
    for value in (start, end):
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError("start 和 end 应都是整数，或都不填")
    return [(cast(int, start), cast(int, end))]


def _flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{name} 应为 true 或 false，收到 {str(value)[:40]}")
    return value
