"""Work that one button starts and another one, in its place while it runs, stops."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr

from src.errors import InputError
from src.ui.calls import Call, Kind
from src.ui.context import QUICK, Context
from src.ui.session import Session, connection_of

Outputs = dict[Any, Any]


@dataclass(frozen=True)
class Work:
    """Work of one kind; a visitor has one of a kind at a time.

    Attributes:
        kind: the name that the session knows it by.
        start: shown while it does not run.
        stop: shown while it runs.
    """

    context: Context
    kind: str
    start: gr.Button
    stop: gr.Button

    def listen(self) -> None:
        """Let the stop button stop: it says so at once, and the work ends by itself, with its own last view."""
        self.context.listen(self.stop.click, self.stopping, None, self.stop, **QUICK)
        self.context.listen(self.stop.click, self.halt, None, None, **QUICK)

    def stopping(self) -> Any:
        return gr.Button(self.context.words("正在停止……"), interactive=False)

    def halt(self, request: gr.Request) -> None:
        self.context.sessions.of(request).stop(self.kind)

    @contextmanager
    def open(
        self, session: Session, request: gr.Request, endpoint: str, *received: object, kind: Kind = "model"
    ) -> Iterator[Call]:
        """One call of this work, after the one before it has ended.

        Raises:
            Busy: too many calls are there already.
        """
        with (
            session.work(self.kind, connection_of(request)) as stop,
            self.context.calls.open(endpoint, request, *received, kind=kind, stop=stop) as call,
        ):
            yield call

    def running(self) -> Outputs:
        """The two buttons while it runs."""
        stop = gr.Button(self.context.words("■ 停止"), interactive=True, visible=True)
        return {self.start: gr.Button(visible=False), self.stop: stop}

    def ended(self, **start: Any) -> Outputs:
        """The two buttons while it does not run."""
        return {self.start: gr.Button(visible=True, **start), self.stop: gr.Button(visible=False)}

    def is_of(self, session: Session, request: gr.Request) -> bool:
        """Whether the session is still the visitor's; it is not once everything was deleted. Counts as its use."""
        try:
            return self.context.sessions.of(request) is session
        except InputError:  # the page is closed
            return False
