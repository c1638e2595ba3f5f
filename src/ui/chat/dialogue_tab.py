"""The conversation, what it may use, and what its answers rest on."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from src.chat.service import MAX_MESSAGE_CHARS, MAX_TOP_K, check_message
from src.runtime import MIN_SCORE, Runtime
from src.ui import feedback, render
from src.ui.calls import Call, calls
from src.ui.chat import bubbles, documents, export, sources
from src.ui.chat.conversation import Conversation, Exchange, asked_again, ended, history, own_ranks, without_last
from src.ui.chat.script import ANSWERS_JS, COPY_ALL_JS, DROP_JS, FOLLOW_JS
from src.ui.extraction.saving import content, save_after
from src.ui.guard import MODEL_SLOT, PRIVATE, QUICK, guarded_in, session_of
from src.ui.running import Running, Views, until_stopped
from src.ui.wording import Words

_OUTPUTS = 5


@dataclass(frozen=True)
class Choices:
    """What the visitor has set."""

    use_knowledge: bool = True
    rewrite: bool = True
    top_k: int = 4
    min_score: float = MIN_SCORE


def build(runtime: Runtime, words: Words, examples: list[str]) -> Running:
    """Draw the tab inside the current Blocks; returns what knows the visitors' running answers."""
    ratings = runtime.settings.feedback
    turns = gr.State([])
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=300, elem_id="chat-main"):
            talk = gr.HTML(
                bubbles.conversation([], words),
                html_template=f'<div class="yz-talk" role="log" tabindex="0" aria-label="{escape(words("对话"))}">'
                '${value.join("")}</div>',
js_on_load=ANSWERS_JS + FOLLOW_JS,
                container=True,
                elem_id="chatbot",
            )  # fmt: skip
            status = gr.HTML(
                render.note(words("回答后这里会说明依据。")), elem_id="chat-status",
                html_template='<div role="status">${value}</div>', js_on_load=DROP_JS,
            )  # fmt: skip
            own_button = gr.Button(
                words("不用知识库，直接让模型回答"), variant="primary", visible=False, elem_id="chat-own"
            )
            box = gr.Textbox(
                placeholder=words("输入问题，回车发送"), show_label=False, label=words("问题"),
                max_length=MAX_MESSAGE_CHARS, submit_btn=words("发送"), stop_btn=False, autofocus=True,
                elem_id="chat-input",
            )  # fmt: skip
            with gr.Row():
                stop_button = _small(words("■ 停止"), "chat-stop", variant="stop")
                retry_button = _small(words("↻ 重答"), "chat-retry")
                undo_button = _small(words("↶ 撤销"), "chat-undo")
                clear_button = _small(words("✕ 清空"), "chat-clear")
                copy_button = _small(words("复制全部"), "chat-copy")
                export_button = _small(words("⇩ 导出对话"), "chat-export")
            # Questions to the knowledge base that comes with us, which is Chinese.
            gr.Examples([[example] for example in examples], inputs=box, label=words("试试这些问题"))
        with gr.Column(scale=2, min_width=280):
            with gr.Row():
                use_knowledge = gr.Checkbox(True, label=words("使用知识库"), min_width=120, elem_id="use-knowledge")
                rewrite = gr.Checkbox(True, label=words("联系上文（追问）"), min_width=120, elem_id="use-history")
            with gr.Accordion(words("设置"), open=False, elem_id="chat-settings"):
                top_k = gr.Slider(1, MAX_TOP_K, value=4, step=1, label=words("资料条数"), elem_id="top-k")
                min_score = gr.Slider(
                    0, 1, value=MIN_SCORE, step=0.01, label=words("相关度门槛"), elem_id="min-score",
                    info=words("越高越严格，宁可不答；越低越宽松"),
                )  # fmt: skip
            documents.build(runtime, words)
            found = gr.HTML(sources.panel((), words), elem_id="sources")
            if ratings:
                gr.HTML(
                    render.note(words("点 👍 或 👎 会把这个问题、回答和资料的名字存给站长，用来改进；不点就不存。"))
                )

    running = Running()
    ticket = gr.Number(visible=False)
    file = gr.JSON(visible=False)

    def shown(conversation: Conversation) -> list[str]:
        return bubbles.conversation(conversation, words, feedback=bool(ratings))

    def begun(conversation: Conversation, request: gr.Request) -> tuple[Any, ...]:
        number = running.ticket(session_of(request))
        status_now = bubbles.status(conversation[-1], words)
        return conversation, shown(conversation), status_now, number, gr.Button(visible=False)

    @guarded_in(words)
    def submit(message: str, conversation: Conversation, request: gr.Request) -> tuple[Any, ...]:
        asked = [*ended(conversation), Exchange(check_message(message))]
        return "", *begun(asked, request)

    @guarded_in(words)
    def again(conversation: Conversation, request: gr.Request) -> tuple[Any, ...]:
        return begun(asked_again(conversation), request)

    def views(conversation: Conversation, choices: Choices, session: str, call: Call) -> Views:
        listed: tuple[Any, ...] = ()
        for now in stream_turn(runtime, conversation, choices, session, call):
            answer = now[-1].answer
            # The passages are drawn when they come and when the answer has ended, not at every word.
            parts = (answer.hits, answer.done) if answer else ()
            panel = gr.skip() if parts == listed else sources.panel(now, words)
            listed = parts
            refused = gr.Button(visible=True) if answer and answer.refused else gr.skip()
            yield now, shown(now), bubbles.status(now[-1], words), panel, refused

    def answered_by(conversation: Conversation, choices: Choices, number: int, request: gr.Request) -> Views:
        session = session_of(request)
        with (
            running.answer(session, number) as stop,
            calls.open("chat", request, conversation[-1].question, stop=stop) as call,
        ):
            yield from until_stopped(views(conversation, choices, session, call), stop, _OUTPUTS)

    @guarded_in(words)
    def answer(
        conversation: Conversation, use: bool, follow: bool, k: int, least: float, number: int, request: gr.Request
    ) -> Views:
        yield from answered_by(conversation, Choices(use, follow, k, least), number, request)

    @guarded_in(words)
    def answer_own(conversation: Conversation, number: int, request: gr.Request) -> Views:
        yield from answered_by(conversation, Choices(use_knowledge=False), number, request)

    def failed() -> str:
        return render.note(words("没有答完：出了错。可以重答，或换一个问题。"))

    def halt(request: gr.Request) -> str:
        running.stop(session_of(request))
        return render.note(words("已停止。"))

    def redraw(conversation: Conversation) -> tuple[Any, ...]:
        # After ``halt``, so that this is what the stopped answer left.
        left = ended(conversation)
        return left, shown(left)

    def undo(conversation: Conversation, request: gr.Request) -> tuple[Any, ...]:
        running.stop(session_of(request))
        kept, message = without_last(conversation)
        note = render.note(words("已撤销。"))
        return message, kept, shown(kept), note, sources.panel(kept, words), gr.Button(visible=False)

    def clear(request: gr.Request) -> tuple[Any, ...]:
        running.stop(session_of(request))
        note = render.note(words("对话已清空。"))
        return [], shown([]), note, sources.panel((), words), gr.Button(visible=False)

    @guarded_in(words)
    def save(conversation: Conversation) -> dict[str, str]:
        if not conversation:
            raise gr.Error(words("还没有可以导出的对话"), title=words("提示"), print_exception=False)
        return content("yuanzhi-chat.md", export.markdown(conversation, words).encode())

    @guarded_in(words)
    def like(conversation: Conversation, event: gr.EventData) -> str:
        if ratings:
            record(ratings, conversation, event._data)
        return render.note(words("谢谢，已存下这条评价。"))

    def copied() -> str:
        return render.note(words("已复制全部对话。"))

    outputs = [turns, talk, status, found, own_button]
    begins = [turns, talk, status, ticket, own_button]
    inputs = [turns, use_knowledge, rewrite, top_k, min_score, ticket]
    # "multiple": a question asked while an answer is still ending must not be dropped.
    model: dict[str, Any] = {"trigger_mode": "multiple", **PRIVATE, **MODEL_SLOT}
    model |= {"show_progress": "minimal", "show_progress_on": status}
    quick: dict[str, Any] = {"show_progress": "hidden", **PRIVATE, **QUICK}
    asked = box.submit(submit, [box, turns], [box, *begins], **quick)
    answered = [asked.success(answer, inputs, outputs, **model)]
    asked = retry_button.click(again, turns, begins, **quick)
    answered.append(asked.success(answer, inputs, outputs, **model))
    asked = own_button.click(again, turns, begins, **quick)
    answered.append(asked.success(answer_own, [turns, ticket], outputs, **model))
    for event in answered:
        event.failure(failed, None, status, **quick)
    stop_button.click(halt, None, status, **quick).then(redraw, turns, [turns, talk], **quick)
    undo_button.click(undo, turns, [box, *outputs], **quick)
    clear_button.click(clear, None, outputs, **quick)
    copy_button.click(copied, None, status, js=COPY_ALL_JS, **quick)
    save_after(export_button.click(save, turns, file, **quick), file)
    if ratings:
        talk.like(like, turns, status, **quick)
    return running


def stream_turn(
    runtime: Runtime, turns: Conversation, choices: Choices, session: str, call: Call
) -> Iterator[Conversation]:
    """Answer the last question: the conversation with the growing answer.

    Raises:
        as ``ChatService.stream``.
    """
    asked = Exchange(turns[-1].question, grounded=choices.use_knowledge, min_score=choices.min_score)
    documents_of_session = runtime.sessions.base(session)
    own: frozenset[int] | None = None
    answers = runtime.chat.stream(
        asked.question,
        history(turns[:-1]),
        use_knowledge=choices.use_knowledge,
        rewrite=choices.rewrite,
        top_k=choices.top_k,
        min_score=choices.min_score,
        extra=documents_of_session,
        stop=call.stop,
        user=call.visitor,
    )
    for answer in call.follow(answers):
        call.gave(answer.to_json())
        if own is None and answer.hits:
            own = own_ranks(answer, documents_of_session)
        now = Exchange(asked.question, answer, asked.grounded, asked.min_score, own or frozenset())
        yield [*turns[:-1], now]


def record(path: Path, turns: Conversation, sent: Any) -> None:
    """Keep what a visitor thinks of an answer, which the page names by its number."""
    number, liked = (sent.get("number"), sent.get("liked")) if isinstance(sent, dict) else (None, None)
    if not isinstance(number, int) or not isinstance(liked, bool) or not 0 <= number < len(turns):
        return
    answer = turns[number].answer
    if answer is not None and answer.done:
        names = [f"{hit.chunk.source} {hit.chunk.chunk_id}" for hit in answer.hits]
        feedback.record(path, liked=liked, question=turns[number].question, answer=answer.written, sources=names)


def _small(text: str, elem_id: str, variant: Any = "secondary") -> gr.Button:
    return gr.Button(text, variant=variant, size="sm", min_width=72, elem_id=elem_id)
