"""The same question without and with knowledge, side by side."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gradio as gr

from src.chat.answer import Answer
from src.chat.service import MAX_MESSAGE_CHARS, ChatOptions, check_message
from src.errors import Stopped
from src.ui.chat import view
from src.ui.context import MODEL, QUICK, Context, message_of, skips
from src.ui.conversation import Turn
from src.ui.session import connection_of

WORK = "compare"


class Comparison:
    """The widgets of the sub-tab inside the current Blocks, and their handlers."""

    def __init__(self, context: Context, example: str) -> None:
        self._context = context
        words = context.words
        with gr.Row(equal_height=True):
            self.box = gr.Textbox(
                value=example, show_label=False, label=words("问题"), max_length=MAX_MESSAGE_CHARS, scale=5,
                min_width=200, max_lines=4, elem_id="compare-input",
            )  # fmt: skip
            self.button = gr.Button(words("对照"), variant="primary", scale=1, min_width=90, elem_id="compare-run")
            self.stop_button = gr.Button(
                words("■ 停止"), variant="stop", scale=1, min_width=90, visible=False, elem_id="compare-stop"
            )
        with gr.Row(equal_height=True):
            self.without = self._side(words("不用知识库"), "compare-without")
            self.grounded = self._side(words("用知识库"), "compare-with")
        self.sources = gr.HTML(elem_id="compare-sources")
        outputs = [self.without, self.grounded, self.sources, self.button, self.stop_button]
        self._outputs = outputs
        model: dict[str, Any] = {"trigger_mode": "multiple", "show_progress": "hidden", **MODEL}
        context.listen([self.box.submit, self.button.click], self.compare, self.box, outputs, **model)
        context.listen(self.stop_button.click, self.stop, None, None, **QUICK)

    def _side(self, label: str, elem_id: str) -> gr.Chatbot:
        return gr.Chatbot(
            label=label, elem_id=elem_id, elem_classes=["yz-chat"], height="calc(60dvh)", min_height=220, buttons=["copy"], allow_tags=False,
            placeholder=self._context.words("点“对照”，看同一个问题的两种回答"),
        )  # fmt: skip

    def compare(self, message: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Both answers as they come."""
        question = check_message(message)
        session = self._context.sessions.of(request)
        sides = {
            "without": Turn(Answer(question), ChatOptions(use_knowledge=False)),
            "with": Turn(Answer(question), ChatOptions(min_score=self._context.runtime.threshold)),
        }
        with session.work(WORK, connection_of(request)) as stop:
            yield self._drawn(sides, running=True)
            try:
                yield from self._streamed(sides, session.documents.store, stop, request)
            finally:
                for turn in sides.values():
                    if turn.state == "running":
                        turn.state = "stopped"
            yield self._drawn(sides, running=False)
        # Gradio sends a generator's last item once more when it has ended, perhaps after a newer event's first.
        yield skips(self._outputs)

    def stop(self, request: gr.Request) -> None:
        """End both answers; the running event draws their end."""
        self._context.sessions.of(request).stop(WORK)

    def _streamed(
        self, sides: dict[str, Turn], extra: Any, stop: Any, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        words, chat = self._context.words, self._context.runtime.chat
        question = sides["with"].question
        try:
            with (
                self._context.calls.open("compare", request, question, stop=stop) as call,
                closing(chat.compare(question, call.caller, extra=extra)) as events,  # type: ignore[type-var]
            ):
                for side, event in events:
                    call.note(event)
                    sides[side].add(event)
                    yield self._drawn(sides, running=True)
                call.gave([turn.answer.written for turn in sides.values()], len(sides["with"].answer.hits))
        except Stopped:
            return
        except Exception as error:
            _fail(sides, str(message_of(error, words).message))

    def _drawn(self, sides: dict[str, Turn], *, running: bool) -> tuple[Any, ...]:
        words = self._context.words
        return (
            view.messages([sides["without"]], words, name="w", with_choices=False),
            view.messages([sides["with"]], words, name="c", with_choices=False),
            view.panel(
                [sides["with"]], words, name="c", back="compare-with", shared_pages=self._context.runtime.is_local
            ),
            gr.Button(visible=not running),
            gr.Button(visible=running),
        )


def _fail(sides: dict[str, Turn], problem: str) -> None:
    for turn in sides.values():
        if turn.state == "running":
            turn.fail(problem)
