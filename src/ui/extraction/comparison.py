"""The base model and the adapter on one text, side by side."""

from collections.abc import Generator, Iterator
from typing import Any

import gradio as gr

from src.errors import Stopped, YuanZhiError
from src.extraction.events import Event, Finished, Queued
from src.extraction.schema import Extraction
from src.ui.calls import Call
from src.ui.context import MODEL, Context, Views, skips
from src.ui.extraction import views
from src.ui.extraction.work import Outputs, Work
from src.ui.session import IDLE_S


class Comparison:
    """Button, both results and their differences; hidden where there is no adapter.

    Attributes:
        compared: the text that the results are of; None where there are none.
    """

    def __init__(self, context: Context, box: gr.Textbox) -> None:
        words = context.words
        self._context, self._words, self._service = context, words, context.runtime.extraction
        with gr.Column(visible=self._service.has_adapter):
            with gr.Row():
                self.start = gr.Button(
                    words("对照基座和适配器"), interactive=False, min_width=160, elem_id="extract-compare"
                )
                self.stop = gr.Button(
                    words("■ 停止"), variant="stop", visible=False, min_width=80, elem_id="compare-stop"
                )
            self.status = gr.HTML(elem_id="compare-status")
            with gr.Column(visible=False) as self.both:
                with gr.Row():
                    self.of_base = highlighted(words("基座"), "compare-base", context)
                    self.of_adapter = highlighted(words("适配器"), "compare-adapter", context)
                self.difference = gr.HTML(elem_id="compare-difference")
        self.compared = gr.State(None, time_to_live=IDLE_S)
        self.work = Work(context, "compare", self.start, self.stop)
        self.outputs = [
            self.start, self.stop, self.status, self.both, self.of_base, self.of_adapter, self.difference, self.compared,
        ]  # fmt: skip
        context.listen(
            self.start.click, self.run, box, self.outputs, trigger_mode="multiple", show_progress="hidden", **MODEL
        )
        self.work.listen()

    def run(self, text: str, request: gr.Request) -> Views:
        """Extract with the base model first, then with the adapter.

        Raises:
            as ``ExtractionService.extract_stream``.
        """
        session = self._context.sessions.of(request)
        with self.work.open(session, request, "extract", text) as call:
            of_base = self._service.extract_stream(text, use_adapter=False, caller=call.caller)
            try:
                yield from self._compared(of_base, text, call)
            except Stopped:
                said = self._words("已停止。")
                yield self._ended(said, text) if self.work.is_of(session, request) else self.empty()
            except YuanZhiError:
                yield self._ended(self._words("没有做完。"), text)
                raise
        yield skips(self.outputs)

    def edited(self, text: str, compared: str | None) -> Outputs:
        """The button by whether there is a text, and a mark on results of another one."""
        outputs: Outputs = {self.start: gr.Button(interactive=bool(text.strip()))}
        if compared is not None and compared != text:
            changed = self._words("文字改过了，下面是改动之前的结果。")
            outputs[self.status] = views.status(changed, self._words, outdated=True)
        return outputs

    def empty(self) -> Outputs:
        """Nothing compared."""
        return self._cleared() | {self.status: "", self.both: gr.Column(visible=False)} | self.work.ended()

    def _compared(self, of_base: Iterator[Event], text: str, call: Call) -> Views:
        steps = self._words("第 1 步，共 2 步：基座正在抽取……"), self._words("第 2 步，共 2 步：适配器正在抽取……")
        yield self._begun(steps[0])
        base = yield from self._side(call.follow(of_base), self.of_base, steps[0])
        of_adapter = self._service.extract_stream(text, use_adapter=True, caller=call.caller)
        adapted = yield from self._side(call.follow(of_adapter), self.of_adapter, steps[1])
        call.gave([base.to_json(), adapted.to_json()])
        seconds = [found.timings_ms.get("total", 0) / 1000 for found in (base, adapted)]
        took = self._words("基座用时 {base:.1f} 秒，适配器用时 {adapter:.1f} 秒。")
        yield {
            **self._ended(took.format(base=seconds[0], adapter=seconds[1]), text),
            self.difference: views.differences(base, adapted, self._words),
        }

    def _side(
        self, events: Iterator[Event], side: gr.HighlightedText, step: str
    ) -> Generator[Any, None, Extraction]:
        """Draw one of the two extractions and return it."""
        for event in views.changed(events):
            yield skips(self.outputs) if event is None else self.view(event, side, step)
            if isinstance(event, Finished):
                return event.extraction
        raise Stopped

    def view(self, event: Event, side: gr.HighlightedText, step: str) -> Outputs:
        """Outputs for one event of one of the two extractions."""
        if isinstance(event, Queued):
            return {self.status: views.status(views.progress_text(event, self._words), self._words)}
        return {
            self.status: views.status(step, self._words),
            side: views.highlight(event.extraction, self._words),
        }

    def _begun(self, step: str) -> Outputs:
        return {
            **self.work.running(),
            **self._cleared(),
            self.status: views.status(step, self._words),
            self.both: gr.Column(visible=True),
        }

    def _cleared(self) -> Outputs:
        return {self.of_base: [], self.of_adapter: [], self.difference: "", self.compared: None}

    def _ended(self, said: str, text: str) -> Outputs:
        return {**self.work.ended(), self.status: views.status(said, self._words), self.compared: text}


def highlighted(label: str, elem_id: str, context: Context, **options: Any) -> gr.HighlightedText:
    """A text with its entities in colours."""
    return gr.HighlightedText(
        label=label,
        color_map=views.colours(context.words),
        show_legend=True,
        combine_adjacent=False,
        elem_id=elem_id,
        **options,
    )
