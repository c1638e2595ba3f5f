"""The base model and the adapter on one text, side by side."""

from collections.abc import Iterator

import gradio as gr

from src.extraction.events import Finished, Queued
from src.extraction.schema import Extraction, replace_surrogates
from src.ui.calls import Call
from src.ui.context import MODEL, Context, Views
from src.ui.extraction import views
from src.ui.extraction.work import Outputs, Work
from src.ui.session import IDLE_S


class Comparison:
    """Button, both results and their differences; hidden where there is no adapter."""

    def __init__(self, context: Context, box: gr.Textbox) -> None:
        words = self._words = context.words
        self._service = context.runtime.extraction
        with gr.Column(visible=self._service.has_adapter):
            with gr.Row():
                self.work = Work(context, "extract-compare", words("对照基座和适配器"), "extract-compare")
            self.status = gr.HTML(elem_id="compare-status")
            with gr.Column(visible=False) as self.both:
                with gr.Row():
                    self.of_base = views.highlighted(words("基座"), "compare-base", words)
                    self.of_adapter = views.highlighted(words("适配器"), "compare-adapter", words)
                self.difference = gr.HTML(elem_id="compare-difference")
        self.result = gr.State(None, time_to_live=IDLE_S)
        self.work.listen(self.run, box, list(self.empty()), MODEL)

    def run(self, text: str, request: gr.Request) -> Views:
        """Extract with the base model first, then with the adapter."""
        words, found = self._words, list[Extraction]()

        def drawn(call: Call) -> Iterator[Outputs]:
            view = self.empty() | {self.both: gr.update(visible=True)}
            for step, side, use_adapter in (
                (words("第 1 步，共 2 步：基座正在抽取……"), self.of_base, False),
                (words("第 2 步，共 2 步：适配器正在抽取……"), self.of_adapter, True),
            ):
                for event in call.follow(self._service.extract_stream(text, use_adapter, call.caller)):
                    said = views.event_text(event, words) if isinstance(event, Queued) else step
                    view[self.status] = views.status(said, words)
                    if not isinstance(event, Queued):
                        view[side] = views.highlight(event.extraction, words)
                    yield view
                assert isinstance(event, Finished)
                found.append(event.extraction)
            call.gave([extraction.to_json() for extraction in found])

        def ended(error: Exception | None) -> Outputs:
            if error:
                said, difference = views.cut_off_text(error, words), ""
            else:
                base, adapted = found
                seconds = {"base": base.timings_ms["total"] / 1000, "adapter": adapted.timings_ms["total"] / 1000}
                said = words("基座用时 {base:.1f} 秒，适配器用时 {adapter:.1f} 秒。").format(**seconds)
                difference = views.differences(base, adapted, words)
            result = views.Result(Extraction.of(replace_surrogates(text)), said)
            return {self.status: views.status(said, words), self.difference: difference, self.result: result}

        yield from self.work.stream(request, drawn, ended, self.empty, text)

    def empty(self) -> Outputs:
        """Nothing compared."""
        return {
            self.status: "", self.both: gr.update(visible=False), self.of_base: [], self.of_adapter: [],
            self.difference: "", self.result: None,
        }  # fmt: skip
