"""One resume: typed, pasted or uploaded, and the entities in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import gradio as gr

from src.errors import InputError, Stopped, YuanZhiError
from src.extraction.document import read_resume
from src.extraction.events import Event, Finished, Found, Queued
from src.extraction.schema import Extraction, replace_surrogates
from src.settings import ROOT
from src.ui.context import MODEL, QUICK, UPLOAD, Context, Views, skips
from src.ui.download import download
from src.ui.extraction import views
from src.ui.extraction.comparison import Comparison, highlighted
from src.ui.extraction.work import Outputs, Work
from src.ui.session import IDLE_S
from src.ui.templating import note
from src.ui.wording import CHINESE

_TRAIN = CHINESE(
    "还没有载入简历适配器（LoRA）：现在是基座模型用课程提示词抽取。训练一个：python -m src train --data 数据.json "
    "--output 适配器目录，再用 --adapter 适配器目录 启动。"
)


@dataclass(eq=False)  # gradio hashes what it keeps, and an extraction holds dicts
class Result:
    """A result on the page, whole or as far as it came."""

    extraction: Extraction
    ended: Literal["done", "stopped", "failed"]


class SingleTab:
    """Text box and upload on the left, the result on the right, its technical side folded below.

    Attributes:
        result: ``Result`` of what is shown; None where nothing is, or while it comes.
        outputs: everything that the extraction draws.
        cleared: everything that holds something of a visitor's.
    """

    def __init__(self, context: Context) -> None:
        self._context, self._words, self._service = context, context.words, context.runtime.extraction
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300):
                self._draw_input()
            with gr.Column(scale=3, min_width=320, elem_classes=["yz-result"]):
                self._draw_result()
        with gr.Accordion(self._words("给研究者"), open=False, elem_id="extract-details") as self.details:
            self._draw_details()
        self.result = gr.State(None, time_to_live=IDLE_S)
        self.work = Work(context, "extract", self.start, self.stop)
        self.outputs = [
            self.start, self.stop, self.status, self.text, self.found, self.table, self.csv_button,
            self.spans, self.json, self.json_button, self.result,
        ]  # fmt: skip
        self.cleared = [self.box, self.uploaded, *self.outputs, *self.comparison.outputs]
        self._read_outputs = [self.upload, *self.cleared]
        self._listen()

    def _draw_input(self) -> None:
        words = self._words
        self.box = gr.Textbox(
            label=words("简历"),
            lines=9,
            max_lines=18,
            elem_id="resume-input",
            placeholder=words("把一段简历贴到这里，或上传一个文件"),
        )
        with gr.Row():
            self.start = gr.Button(
                words("抽取"), variant="primary", interactive=False, min_width=120, elem_id="extract-run"
            )
            self.stop = gr.Button(
                words("■ 停止"), variant="stop", visible=False, min_width=120, elem_id="extract-stop"
            )
            # Every kind is taken, so that the reader can say in Chinese which ones it reads.
            self.upload = gr.UploadButton(words("上传文件"), min_width=120, elem_id="resume-upload")
        self.uploaded = gr.HTML(self._kinds(), elem_id="resume-uploaded")
        self.examples = gr.Examples(
            [[text] for text in example_resumes()],
            inputs=self.box,
            label=words("示例（虚构人物）"),
            example_labels=[name_in(text) for text in example_resumes()],
        )

    def _draw_result(self) -> None:
        words = self._words
        self.status = gr.HTML(note(words("会找出这八类内容，例如："), words), elem_id="extract-status")
        self.text = highlighted(
            words("原文标注"), "extract-text", self._context, value=views.sample(words), show_label=False
        )
        with gr.Column(visible=False) as self.found:
            self.table = gr.Dataframe(
                headers=[words(header) for header in views.HEADERS],
                label=words("找到的内容"),
                interactive=False,
                wrap=True,
                datatype="str",
                column_widths=["26%", "50%", "24%"],
                max_height=420,
                buttons=[],
                elem_id="extract-table",
            )
            self.csv_button = gr.Button(words("下载 CSV"), size="sm", interactive=False, elem_id="extract-csv")

    def _draw_details(self) -> None:
        words, has_adapter = self._words, self._service.has_adapter
        if not has_adapter:
            gr.HTML(note(words(_TRAIN), words))
        self.use_adapter = gr.Checkbox(
            has_adapter,
            label=words("使用简历适配器"),
            info=words("不用时由基座模型按课程提示词抽取，慢得多。"),
            interactive=has_adapter,
            elem_id="extract-adapter",
        )
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                self.spans = gr.Dataframe(
                    headers=[words(header) for header in views.SPAN_HEADERS],
                    label=words("每一处的位置和概率"),
                    interactive=False,
                    wrap=True,
                    datatype=["str", "str", "number", "number", "str"],
                    column_widths=["22%", "32%", "13%", "13%", "20%"],
                    max_height=380,
                    buttons=[],
                    elem_id="extract-spans",
                )
                about = words(
                    "位置从 0 数起，止是后面一个字。概率是模型给这处文字和类别的；⚠ 低于 {low:.0%}；— 没有算。"
                )
                gr.HTML(note(about.format(low=views.LOW_CONFIDENCE), words))
            with gr.Column(min_width=320):
                self.json = gr.JSON(label="JSON", max_height=380, buttons=[], elem_id="extract-json")
                self.json_button = gr.Button(
                    words("下载 JSON"), size="sm", interactive=False, elem_id="extract-download"
                )
        self.comparison = Comparison(self._context, self.box)

    def _listen(self) -> None:
        context, comparison = self._context, self.comparison
        context.listen(
            self.start.click,
            self.run,
            [self.box, self.use_adapter],
            self.outputs,
            show_progress="hidden",
            # The work before it ends by itself (Session.work); ignoring clicks until then would look broken.
            trigger_mode="multiple",
            **MODEL,
        )
        self.work.listen()
        context.listen(
            self.upload.upload, self.read, self.upload, self._read_outputs, show_progress="hidden", **UPLOAD
        )
        context.listen(
            [self.box.change, self.result.change, comparison.compared.change],
            self.edited,
            [self.box, self.result, comparison.compared],
            [self.start, self.status, comparison.start, comparison.status],
            **QUICK,
        )
        # Gradio loses what a table is given as long as it lies in an accordion that was never open.
        context.listen(self.details.expand, self.expanded, self.result, [self.spans, self.json], **QUICK)
        download(context, self.csv_button, self.csv_file, self.result)
        download(context, self.json_button, self.json_file, self.result)

    def run(self, text: str, use_adapter: bool, request: gr.Request) -> Views:
        """Extract, drawing what is found as it comes; after a stop or an error what is there stays.

        Raises:
            as ``ExtractionService.extract_stream``.
        """
        session = self._context.sessions.of(request)
        with self.work.open(session, request, "extract", text) as call:
            events = call.follow(self._service.extract_stream(text, use_adapter, call.caller))
            found = Extraction.of(replace_surrogates(text))
            try:
                for event in views.changed(events):
                    found = event.extraction if isinstance(event, Found | Finished) else found
                    yield skips(self.outputs) if event is None else self.view(event)
                call.gave(found.to_json())
            except Stopped:
                is_there = self.work.is_of(session, request)
                yield self.ended(Result(found, "stopped")) if is_there else self.empty()
            except YuanZhiError:
                yield self.ended(Result(found, "failed"))
                raise
        # Gradio sends the last item once more when the stream ends, perhaps after a newer event's result.
        yield skips(self.outputs)

    def view(self, event: Event) -> Outputs:
        """Outputs for one event of an extraction."""
        if isinstance(event, Finished):
            return self.ended(Result(event.extraction, "done"))
        outputs = self.work.running() | {
            self.status: views.status(views.progress_text(event, self._words), self._words)
        }
        if isinstance(event, Queued):
            return outputs
        return outputs | self._drawn(event.extraction) | self._details(None) | {self.result: None}

    def ended(self, result: Result) -> Outputs:
        """Outputs once nothing more comes."""
        return {
            **self.work.ended(),
            self.status: views.status(self.said(result), self._words),
            **self._drawn(result.extraction),
            **self._details(result.extraction),
            self.result: result,
        }

    def said(self, result: Result) -> str:
        """The line about a result."""
        if result.ended == "done":
            return views.result_text(result.extraction, self._words)
        stopped = self._words("已停止，到这里找到 {count} 处。")
        said = stopped if result.ended == "stopped" else self._words("没有做完，到这里找到 {count} 处。")
        return said.format(count=len(result.extraction.spans))

    def edited(self, text: str, result: Result | None, compared: str | None) -> Outputs:
        """Buttons by whether there is a text, and a mark on results of another one."""
        outputs: Outputs = {self.start: gr.Button(interactive=bool(text.strip()))}
        if result is not None:
            outdated = replace_surrogates(text) != result.extraction.text
            changed = self._words("文字改过了，下面是改动之前的结果。")
            said = changed if outdated else self.said(result)
            outputs[self.status] = views.status(said, self._words, outdated=outdated)
        return outputs | self.comparison.edited(text, compared)

    def expanded(self, result: Result | None) -> Outputs:
        """The technical side once it can be seen."""
        return self._technical(result.extraction if result else None)

    def read(self, path: str | None, request: gr.Request) -> Views:
        """Put the text of an uploaded resume into the box; the result of the one before goes.

        Raises:
            KnowledgeError: as ``read_resume``.
        """
        if not path:
            return
        file, words, most = Path(path), self._words, self._service.max_chars
        session = self._context.sessions.of(request)
        for work in (self.work, self.comparison.work):
            session.stop(work.kind)
        reading = note(words("正在读取 {file}……").format(file=file.name), words)
        # The button is emptied, so that the same file can be chosen again.
        yield {self.upload: None, self.uploaded: reading}
        try:
            with self._context.calls.open("upload", request, kind="upload"):
                text, characters = read_resume(self._context.runtime.parser, file, most)
        except YuanZhiError:
            yield {self.uploaded: note(words("没有读入 {file}。").format(file=file.name), words)}
            raise
        about = words("已读入 {file}：{count} 个字符，请先核对文字。")
        if characters > most:
            about = words(
                "{file} 有 {count} 个字符，超过上限 {most}：只放入了前 {most} 个，其余 {rest} 个请另外抽取。"
            )
        said = about.format(file=file.name, count=characters, most=most, rest=characters - most)
        yield self.empty() | {self.box: text, self.uploaded: note(said, words)}
        yield skips(self._read_outputs)

    def csv_file(self, result: Result | None) -> tuple[str, bytes]:
        return views.csv_file(_existing(result).extraction)

    def json_file(self, result: Result | None) -> tuple[str, bytes]:
        return views.json_file(_existing(result).extraction)

    def empty(self) -> Outputs:
        """No result; buttons as they are without work."""
        words = self._words
        return {
            **self.work.ended(),
            self.status: note(words("会找出这八类内容，例如："), words),
            self.text: views.sample(words),
            self.found: gr.Column(visible=False),
            self.table: [],
            **self._details(None),
            self.result: None,
            **self.comparison.empty(),
        }

    def clear(self) -> Outputs:
        """Nothing of a visitor's: no text either."""
        return self.empty() | {self.box: "", self.uploaded: self._kinds()}

    def _kinds(self) -> str:
        return note(self._words("能读 PDF、Word、PPT、Excel、网页、文本和图片（会先认字）。"), self._words)

    def _drawn(self, extraction: Extraction) -> Outputs:
        return {
            self.text: views.highlight(extraction, self._words),
            self.found: gr.Column(visible=bool(extraction.spans)),
            self.table: views.table_rows(extraction.spans, self._words),
        }

    def _details(self, extraction: Extraction | None) -> Outputs:
        """The technical side, and whether there is something to be downloaded."""
        return self._technical(extraction) | {
            self.csv_button: gr.Button(interactive=extraction is not None),
            self.json_button: gr.Button(interactive=extraction is not None),
        }

    def _technical(self, extraction: Extraction | None) -> Outputs:
        return {
            self.spans: views.span_rows(extraction.spans, self._words) if extraction else [],
            self.json: extraction.to_json() if extraction else None,
        }


def example_resumes() -> list[str]:
    """The texts of ``examples/resumes``, the shortest first."""
    folder = ROOT / "examples" / "resumes"
    texts = [path.read_text(encoding="utf-8").strip() for path in sorted(folder.glob("*.txt"))]
    return sorted(texts, key=len)


def name_in(text: str) -> str:
    """The name that one of our examples begins with."""
    return text.partition("，")[0].removesuffix("女士").removesuffix("先生")


def _existing(result: Result | None) -> Result:
    if result is None:
        raise InputError("还没有结果可以下载，请先抽取")
    return result
