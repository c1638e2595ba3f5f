"""The same question without and with knowledge, side by side."""

from html import escape
from typing import Any

import gradio as gr

from src.chat.service import MAX_MESSAGE_CHARS, check_message
from src.chat.types import Comparison
from src.runtime import MIN_SCORE, Runtime
from src.ui import render
from src.ui.calls import calls
from src.ui.chat import bubbles, sources
from src.ui.chat.conversation import Exchange, own_ranks
from src.ui.chat.script import ANSWERS_JS
from src.ui.guard import MODEL_SLOT, PRIVATE, QUICK, guarded_in, session_of
from src.ui.running import Running, Views, until_stopped
from src.ui.wording import Words

NAME = "compare"


def build(runtime: Runtime, words: Words, example: str) -> Running:
    """Draw the tab inside the current Blocks; returns what knows the visitors' running answers."""
    with gr.Row():
        box = gr.Textbox(
            value=example, label=words("问题"), max_length=MAX_MESSAGE_CHARS, submit_btn=words("对照"), scale=4,
            min_width=200, elem_id="compare-input",
        )  # fmt: skip
        stop_button = gr.Button(words("■ 停止"), variant="stop", scale=0, min_width=90)
    with gr.Row(equal_height=True):
        with gr.Column(min_width=280):
            gr.HTML(f"<h4>{escape(words('不用知识库'))}</h4>")
            without = gr.HTML(elem_id="compare-without", container=True)
        with gr.Column(min_width=280):
            gr.HTML(f"<h4>{escape(words('用知识库'))}</h4>")
            grounded = gr.HTML(elem_id="compare-with", container=True, js_on_load=ANSWERS_JS)
    found = gr.HTML(sources.panel((), words), elem_id="compare-sources")

    running = Running()
    ticket = gr.Number(visible=False)

    @guarded_in(words)
    def begin(message: str, request: gr.Request) -> int:
        check_message(message)
        return running.ticket(session_of(request))

    @guarded_in(words)
    def compare(message: str, number: int, request: gr.Request) -> Views:
        session = session_of(request)
        with (
            running.answer(session, number) as stop,
            calls.open("compare", request, message, stop=stop) as call,
        ):
            extra = runtime.sessions.base(session)

            def views() -> Views:
                answers = runtime.chat.compare(message, extra=extra, stop=stop, user=call.visitor)
                for both in call.follow(answers):
                    call.gave(both.to_json())
                    own = own_ranks(both.with_knowledge, extra)
                    yield comparison_view(both, message, own, words)

            yield from until_stopped(views(), stop, 3)

    def halt(request: gr.Request) -> None:
        running.stop(session_of(request))

    quick: dict[str, Any] = {"show_progress": "hidden", **PRIVATE, **QUICK}
    model: dict[str, Any] = {"show_progress": "minimal", "trigger_mode": "multiple", **PRIVATE, **MODEL_SLOT}
    asked = box.submit(begin, box, ticket, **quick)
    asked.success(compare, [box, ticket], [without, grounded, found], **model)
    stop_button.click(halt, **quick)
    return running


def comparison_view(both: Comparison, question: str, own: frozenset[int], words: Words) -> tuple[str, str, str]:
    """Both answers and the passages."""
    turn = Exchange(question, both.with_knowledge, min_score=MIN_SCORE, own=own)
    reply = bubbles.reply(turn, words)
    return (
        render.plain(both.without),
        f'<div class="yz-answer" data-answer="{NAME}">{reply}</div>',
        sources.section(turn, NAME, words),
    )
