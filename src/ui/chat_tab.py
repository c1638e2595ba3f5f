"""Tab 1: RAG chat with its sources, and the same question without and with knowledge."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import gradio as gr

from src.chat.service import MAX_MESSAGE_CHARS, MAX_TOP_K, check_message
from src.knowledge.parse import readable_kinds
from src.language.base import Message
from src.runtime import Runtime
from src.ui import render
from src.ui.guard import MODEL_SLOT, PRIVATE, QUICK, SEARCH_SLOT, guarded, session_of
from src.ui.running import Running
from src.ui.wording import Words

Turns = list[dict[str, Any]]
_CITATION = re.compile(r" \[\d+\]")
_JOINER = "\u2060"
_MARKUP = re.compile(r"<(?=[A-Za-z/!?])|&(?=[A-Za-z#])")
_JOINED = re.compile(f"([<&]){_JOINER}")
EXAMPLES = ["介绍一下广州大学", "广州大学的办学历史可以追溯到哪一年？", "LoRA 为什么省显存？", "端午节是哪一天？"]


def build(runtime: Runtime, words: Words) -> list[Running]:
    """Draw the tab inside the current Blocks; returns what knows the visitors' running answers."""
    with gr.Tabs():
        with gr.Tab("对话", id="chat"):
            chat = _build_chat(runtime, words)
        with gr.Tab("有无知识对照 Compare", id="compare"):
            comparison = _build_compare(runtime)
    return [chat, comparison]


def _build_chat(runtime: Runtime, words: Words) -> Running:
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            chatbot = gr.Chatbot(
                label="对话",
                height=460,
                # No Markdown, so that no image named by a document is fetched; see _shown for HTML.
                render_markdown=False,
                latex_delimiters=[],
                buttons=["copy", "copy_all"],
                placeholder="问一个知识库里的问题，回答会附上来源。",
                elem_id="chatbot",
            )
            box = gr.Textbox(
                placeholder="输入问题，回车发送",
                show_label=False,
                label="问题",
                max_length=MAX_MESSAGE_CHARS,
                submit_btn="发送",
                stop_btn=False,
                autofocus=True,
                elem_id="chat-input",
            )
            with gr.Row():
                stop_button = gr.Button("■ 停止", variant="stop", size="sm", min_width=60, elem_id="chat-stop")
                retry_button = gr.Button("↻ 重答", size="sm", min_width=60, elem_id="chat-retry")
                undo_button = gr.Button("↶ 撤销", size="sm", min_width=60, elem_id="chat-undo")
                clear_button = gr.Button("✕ 清空", size="sm", min_width=60, elem_id="chat-clear")
            gr.Examples([[example] for example in EXAMPLES], inputs=box, label="试试这些问题")
        with gr.Column(scale=2, min_width=280):
            with gr.Row():
                use_knowledge = gr.Checkbox(True, label="使用知识库", elem_id="use-knowledge")
                top_k = gr.Slider(1, MAX_TOP_K, value=4, step=1, label="资料条数", elem_id="top-k")
            with gr.Accordion("加入我的文档（只有这次会话看得到）", open=False):
                upload = gr.File(
                    # Every kind is taken, so that the reader can say in Chinese which ones it reads.
                    label=f"可用 {readable_kinds()}",
                    file_count="multiple",
                    height=120,
                )
                upload_result = gr.HTML(render.note("尚未加入文档。"))
            status = gr.HTML(render.note("回答后这里会说明依据。"), elem_id="chat-status")
            sources = gr.HTML(render.sources(()), elem_id="sources")

    running = Running()
    ticket = gr.Number(visible=False)

    @guarded
    def submit(message: str, turns: Turns, request: gr.Request) -> tuple[str, Turns, int]:
        asked = check_message(message)
        return "", [*turns, _shown("user", asked)], running.ticket(session_of(request))

    @guarded
    def again(turns: Turns, request: gr.Request) -> tuple[Turns, int]:
        return before_last_answer(turns), running.ticket(session_of(request))

    @guarded
    def answer(turns: Turns, use: bool, k: int, number: int, request: gr.Request) -> Iterator[tuple[Any, Any, Any]]:
        with running.answer(session_of(request), number) as stop:
            if not stop.is_set():
                yield from stream_turn(runtime, turns, use, k, session_of(request), stop)
            if stop.is_set():
                # Gradio sends the last item once more when a generator ends; whoever stopped it draws the page now.
                yield gr.skip(), gr.skip(), gr.skip()

    def halt(request: gr.Request) -> str:
        running.stop(session_of(request))
        return render.note("已停止。")

    def undo(turns: Turns, request: gr.Request) -> tuple[Turns, str, str, str]:
        running.stop(session_of(request))
        kept, message = without_last_exchange(turns)
        return kept, message, render.note("已撤销。"), render.sources(())

    def clear(request: gr.Request) -> tuple[Turns, str, str]:
        running.stop(session_of(request))
        return [], render.note("对话已清空。"), render.sources(())

    @guarded
    def add(paths: list[str] | None, request: gr.Request) -> tuple[str, None]:
        return upload_summary(runtime.sessions.add(session_of(request), paths or []), words), None

    outputs = [chatbot, status, sources]
    inputs = [chatbot, use_knowledge, top_k, ticket]
    # "multiple": a question asked while an answer is still ending must not be dropped.
    model: dict[str, Any] = {"show_progress": "minimal", "trigger_mode": "multiple", **PRIVATE, **MODEL_SLOT}
    quick: dict[str, Any] = {"show_progress": "hidden", **PRIVATE, **QUICK}
    asked = box.submit(submit, [box, chatbot], [box, chatbot, ticket], **quick)
    asked.success(answer, inputs, outputs, **model)
    asked_again = gr.on([retry_button.click, chatbot.retry], again, chatbot, [chatbot, ticket], **quick)
    asked_again.success(answer, inputs, outputs, **model)
    stop_button.click(halt, None, status, **quick)
    gr.on([undo_button.click, chatbot.undo], undo, chatbot, [chatbot, box, status, sources], **quick)
    gr.on([clear_button.click, chatbot.clear], clear, None, outputs, **quick)
    upload.upload(add, upload, [upload_result, upload], **PRIVATE, **SEARCH_SLOT)
    return running


def _build_compare(runtime: Runtime) -> Running:
    with gr.Row():
        box = gr.Textbox(
            value=EXAMPLES[0], label="问题", max_length=MAX_MESSAGE_CHARS, submit_btn="对照", scale=4,
            elem_id="compare-input",
        )  # fmt: skip
        stop_button = gr.Button("■ 停止", variant="stop", scale=0, min_width=90)
    with gr.Row(equal_height=True):
        with gr.Column(min_width=280):
            gr.Markdown("#### 不用知识库 Without knowledge")
            without = gr.HTML(elem_id="compare-without", container=True)
        with gr.Column(min_width=280):
            gr.Markdown("#### 用知识库 With knowledge")
            grounded = gr.HTML(elem_id="compare-with", container=True)
    sources = gr.HTML(render.sources(()))

    running = Running()
    ticket = gr.Number(visible=False)

    @guarded
    def begin(message: str, request: gr.Request) -> int:
        check_message(message)
        return running.ticket(session_of(request))

    @guarded
    def compare(message: str, number: int, request: gr.Request) -> Iterator[tuple[str, str, str]]:
        extra = runtime.sessions.base(session_of(request))
        with running.answer(session_of(request), number) as stop:
            if stop.is_set():
                return
            for both in runtime.chat.compare(message, extra=extra, stop=stop):
                answer = both.with_knowledge
                yield (
                    render.plain(both.without),
                    render.plain(render.cited_text(answer)),
                    render.sources(answer.hits, {s.rank for s in answer.support if s.rank}),
                )

    def halt(request: gr.Request) -> None:
        running.stop(session_of(request))

    quick: dict[str, Any] = {"show_progress": "hidden", **PRIVATE, **QUICK}
    model: dict[str, Any] = {"show_progress": "minimal", "trigger_mode": "multiple", **PRIVATE, **MODEL_SLOT}
    asked = box.submit(begin, box, ticket, **quick)
    asked.success(compare, [box, ticket], [without, grounded, sources], **model)
    stop_button.click(halt, **quick)
    return running


def stream_turn(
    runtime: Runtime, turns: Turns, use_knowledge: bool, top_k: int, session: str, stop: threading.Event
) -> Iterator[tuple[Turns, str, str]]:
    """Answer the last turn: the conversation with the growing answer, a status line, the sources."""
    history = [Message(turn["role"], plain_content(turn)) for turn in turns]
    for answer in runtime.chat.stream(
        history[-1].content,
        history[:-1],
        use_knowledge=use_knowledge,
        top_k=top_k,
        extra=runtime.sessions.base(session),
        stop=stop,
    ):
        supported = {support.rank for support in answer.support if support.rank is not None}
        reply = _shown("assistant", render.cited_text(answer) or "…")
        yield [*turns, reply], render.support_note(answer), render.sources(answer.hits, supported)


def _shown(role: str, text: str) -> dict[str, Any]:
    """A turn for the Chatbot, which inserts its content as HTML even where it renders no Markdown.

    An invisible word joiner after each ``<`` or ``&`` that would begin a tag or an entity keeps it plain text;
    entities would do that too, but would also be what the copy button copies.
    """
    return {"role": role, "content": _MARKUP.sub(rf"\g<0>{_JOINER}", text)}


def plain_content(turn: dict[str, Any]) -> str:
    """The text of a turn as gradio hands it back (a string or a list of parts), what we added removed."""
    content = turn["content"]
    parts = content if isinstance(content, list) else [content]
    text = "".join(part.get("text") or "" if isinstance(part, dict) else str(part) for part in parts)
    text = _JOINED.sub(r"\1", text)
    return _CITATION.sub("", text) if turn["role"] == "assistant" else text


def before_last_answer(turns: Turns) -> Turns:
    """The conversation up to and including the last question."""
    last = _last_question(turns)
    if last is None:
        raise gr.Error("还没有可以重答的问题", title="提示", print_exception=False)
    return turns[: last + 1]


def without_last_exchange(turns: Turns) -> tuple[Turns, str]:
    """The conversation before the last question, and that question."""
    last = _last_question(turns)
    return (turns[:last], plain_content(turns[last])) if last is not None else (turns, "")


def _last_question(turns: Turns) -> int | None:
    return next((i for i in range(len(turns) - 1, -1, -1) if turns[i]["role"] == "user"), None)


def upload_summary(result: dict[str, list[dict[str, Any]]], words: Words) -> str:  # noqa: ARG001 (the chat branch uses it)
    """What became of the uploaded files, one line each."""
    lines = [f"已加入 {item['source']}：{item['chunks']} 段" for item in result["added"]]
    lines += [f"未加入 {item['source']}：{item['reason']}" for item in result["rejected"]]
    return "".join(render.note(line) for line in lines) or render.note("没有收到文件。")
