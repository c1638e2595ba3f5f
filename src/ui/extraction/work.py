"""Work that one button starts and another one, in its place while it runs, stops."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from src.errors import Stopped
from src.ui.calls import Call, Kind
from src.ui.context import QUICK, Context, Views, skips
from src.ui.session import connection_of

# Values by component; properties as ``gr.update``, a plain dict: it can be compared, and adds nothing to the page.
Outputs = dict[Any, Any]


class Work:
    """Both buttons; a visitor has one work of a name at a time, and the log calls it by that name."""

    def __init__(self, context: Context, name: str, label: str, elem_id: str, **options: Any) -> None:
        self.name, self._context, self._stop_label = name, context, context.words("■ 停止")
        self.start = gr.Button(label, interactive=False, min_width=120, elem_id=elem_id, **options)
        self.stop = gr.Button(
            self._stop_label, variant="stop", visible=False, min_width=120, elem_id=f"{name}-stop"
        )

    def listen(self, run: Callable[..., Views], inputs: Any, outputs: list[Any], queue: dict[str, Any]) -> None:
        """Let the buttons start and stop ``run``; they are among its outputs."""
        self.outputs = list(dict.fromkeys([self.start, self.stop, *outputs]))
        # The work before it ends by itself (Session.work); ignoring clicks until then would look broken.
        options = {"trigger_mode": "multiple", "show_progress": "hidden", **queue}
        self._context.listen(self.start.click, run, inputs, self.outputs, **options)
        self._context.listen(self.stop.click, self.halt, None, self.stop, **QUICK)

    def halt(self, request: gr.Request) -> Views:
        """Say at once that it stops; the work draws its own end."""
        yield gr.update(value=self._context.words("正在停止……"), interactive=False)
        self._context.sessions.of(request).stop(self.name)
        yield skips(self.stop)

    def stream(
        self,
        request: gr.Request,
        views: Callable[[Call], Iterator[Outputs]],
        ended: Callable[[Exception | None], Outputs],
        empty: Callable[[], Outputs],
        *received: object,
        kind: Kind = "model",
    ) -> Views:
        """What changes from one of ``views`` to the next, then how it ``ended``; ``empty`` if all was deleted meanwhile.

        Raises:
            Busy: too many calls are there already.
            as ``views``; one that fails before it has drawn anything leaves the page as it is.
        """
        session = self._context.sessions.of(request)
        drawn: Outputs = {}
        failure: Exception | None = None
        with (
            session.work(self.name, connection_of(request)) as stop,
            self._context.calls.open(self.name, request, *received, kind=kind, stop=stop) as call,
        ):
            try:
                for view in views(call):
                    changes = {key: value for key, value in view.items() if key not in drawn or drawn[key] != value}
                    if not drawn:
                        changes |= {self.start: gr.update(visible=False), self.stop: gr.update(visible=True)}
                    # An item comes all the same: a visitor who leaves is noticed only where the stream yields.
                    yield changes or skips(self.outputs)
                    drawn |= view
            except Exception as error:
                if not drawn:
                    raise
                failure = error
            is_there = self._context.sessions.of(request) is session
            stop_button = gr.update(value=self._stop_label, interactive=True, visible=False)
            buttons = {self.start: gr.update(visible=True), self.stop: stop_button}
            yield buttons | (ended(failure) if is_there else empty())
            if failure and not isinstance(failure, Stopped):
                raise failure
        # Gradio sends the last item once more when the stream ends, perhaps after a newer event's result.
        yield skips(self.outputs)
