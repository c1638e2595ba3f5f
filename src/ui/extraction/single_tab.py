"""One resume: typed, pasted or uploaded, and the entities in it."""

from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from src.errors import YuanZhiError
from src.extraction.document import read_resume
from src.extraction.events import Queued
from src.extraction.schema import Extraction
from src.settings import ROOT
from src.ui.calls import Call
from src.ui.context import MODEL, QUICK, UPLOAD, Context, Views, skips
from src.ui.download import download
from src.ui.extraction import views
from src.ui.extraction.comparison import Comparison
from src.ui.extraction.work import Outputs, Work
from src.ui.session import IDLE_S
from src.ui.wording import CHINESE

_TRAIN = CHINESE(
    "还没有载入简历适配器（LoRA）：现在是基座模型用课程提示词抽取。训练一个：python -m src train --data 数据.json "
    "--output 适配器目录，再用 --adapter 适配器目录 启动。"
)


class SingleTab:
    """Text box and upload on the left, the result on the right, its technical side folded below."""

    def __init__(self, context: Context) -> None:
        self._context, self._words, self._service = context, context.words, context.runtime.extraction
        # None where nothing is shown, or while it comes.
        self.result = gr.State(None, time_to_live=IDLE_S)
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300):
                self._draw_input()
            with gr.Column(scale=3, min_width=320, elem_classes=["yz-result"]):
                self._draw_result()
        with gr.Accordion(self._words("给研究者"), open=False, elem_id="extract-details") as self.details:
            self._draw_details()
        self.cleared = list(self.clear())
        self._listen()

    def _draw_input(self) -> None:
        words = self._words
        about = words("把一段简历贴到这里，或上传 PDF、Word、PPT、Excel、网页、文本、图片（会先认字）")
        self.box = gr.Textbox(label=words("简历"), placeholder=about, lines=9, max_lines=18, elem_id="resume-input")
        with gr.Row():
            self.work = Work(self._context, "extract", words("抽取"), "extract-run", variant="primary")
            # Every kind is taken, so that the reader can say in Chinese which ones it reads.
            self.upload = gr.UploadButton(words("上传文件"), min_width=120, elem_id="resume-upload")
        self.uploaded = gr.HTML(elem_id="resume-uploaded")
        with gr.Accordion(words("自定字段"), open=False, visible=self._service.has_fields, elem_id="extract-own"):
            self.fields, self.sets = views.own_fields(words, "extract")
        examples = example_resumes()
        texts = [[text] for text in examples.values()]
        gr.Examples(
            texts,
            self.box,
            label=words("示例（虚构人物）"),
            example_labels=list(examples),
            api_visibility="private",
        )

    def _draw_result(self) -> None:
        words = self._words
        self._about = views.status(words("会找出这八类内容，例如："), words)
        self.status = gr.HTML(self._about, elem_id="extract-status")
        self.text = views.highlighted(
            words("原文标注"), "extract-text", words, value=views.sample(words), show_label=False
        )
        self.people = gr.HTML(visible=False, elem_id="extract-people")
        headers = words("类别"), words("内容"), words("核对")
        self.table = views.table(
            words("找到的内容"), headers, "extract-table", ["26%", "50%", "24%"], visible=False
        )
        with gr.Row(visible=False) as self.downloads:
            csv_button = gr.Button(words("下载 CSV"), size="sm", elem_id="extract-csv")
            json_button = gr.Button(words("下载 JSON"), size="sm", elem_id="extract-download")
            xlsx_button = gr.Button(words("下载 Excel（一人一行）"), size="sm", elem_id="extract-xlsx")
        download(self._context, csv_button, views.csv_file, self.result)
        download(self._context, json_button, views.json_file, self.result)
        download(self._context, xlsx_button, views.xlsx_file, self.result)

    def _draw_details(self) -> None:
        words, has_adapter = self._words, self._service.has_adapter
        if not has_adapter:
            gr.HTML(views.status(words(_TRAIN), words))
        self.use_adapter = views.adapter_box(self._service, words, "extract-adapter")
        with gr.Row(equal_height=False):
            headers = words("类别"), words("文字"), words("起"), words("止"), words("概率")
            label, widths = words("每一处的位置（从 0 数起，不含止）和概率"), ["22%", "32%", "13%", "13%", "20%"]
            self.spans = views.table(label, headers, "extract-spans", widths, min_width=320)
            self.json = gr.JSON(label="JSON", max_height=420, buttons=[], min_width=320, elem_id="extract-json")
        self.comparison = Comparison(self._context, self.box)

    def _listen(self) -> None:
        listen, compared = self._context.listen, self.comparison
        self.work.listen(self.extract, [self.box, self.use_adapter, self.fields], list(self._empty()), MODEL)
        listen(self.sets.input, views.chosen_set, self.sets, self.fields, **QUICK)
        listen(self.upload.upload, self.read, self.upload, self.cleared, show_progress="hidden", **UPLOAD)
        changes = [self.box.change, self.result.change, compared.result.change]
        inputs = [self.box, self.result, compared.result]
        outputs = [self.work.start, self.status, compared.work.start, compared.status]
        listen(changes, self.edited, inputs, outputs, **QUICK)
        # Gradio loses what a table is given as long as it lies in an accordion that was never open.
        outputs = [self.downloads, self.spans, self.json]
        listen([self.result.change, self.details.expand], self.technical, self.result, outputs, **QUICK)

    def extract(self, text: str, use_adapter: bool, fields: list[str], request: gr.Request) -> Views:
        """Extract, drawing what is found as it comes; after a stop or an error what is there stays."""
        words = self._words
        found, said = Extraction.of(""), ""

        def drawn(call: Call) -> Iterator[Outputs]:
            nonlocal found, said
            for event in call.follow(self._service.extract_stream(text, use_adapter, call.caller, fields)):
                said = views.event_text(event, words)
                view: Outputs = {self.status: views.status(said, words)}
                if not isinstance(event, Queued):
                    found = event.extraction
                    rows = views.value_rows(found, words)
                    table = gr.update(value=rows, visible=bool(rows))
                    # The legend names what is looked for.
                    marked = gr.update(
                        value=views.highlight(found, words), color_map=views.colours(words, own=bool(fields))
                    )
                    cards = views.people_html(found, words)
                    people = gr.update(value=cards, visible=bool(cards))
                    view |= {self.text: marked, self.people: people, self.table: table, self.result: None}
                yield view
            call.gave(found.to_json())

        def ended(error: Exception | None) -> Outputs:
            result = views.Result(found, views.cut_off_text(error, words) if error else said)
            return {self.status: result.status(found.text, words), self.result: result}

        yield from self.work.stream(request, drawn, ended, self._empty, text)

    def edited(self, text: str, result: views.Result | None, compared: views.Result | None) -> Outputs:
        """Buttons by whether there is a text, and a mark on results of another one."""
        start = gr.update(interactive=bool(text.strip()))
        return {
            self.work.start: start,
            self.status: result.status(text, self._words) if result else gr.skip(),
            self.comparison.work.start: start,
            self.comparison.status: compared.status(text, self._words) if compared else gr.skip(),
        }

    def technical(self, result: views.Result | None) -> Outputs:
        """What belongs to a whole result only."""
        found = result and result.extraction
        return {
            self.downloads: gr.update(visible=result is not None),
            self.spans: views.span_rows(found.spans, self._words) if found else [],
            self.json: found.to_json() if found else None,
        }

    def read(self, path: str, request: gr.Request) -> Views:
        """Put the text of an uploaded resume into the box; the result of the one before goes."""
        file, words, most = Path(path), self._words, self._service.max_chars
        session = self._context.sessions.of(request)
        for work in (self.work, self.comparison.work):
            session.stop(work.name)
        # The button is emptied, so that the same file can be chosen again.
        reading = words("正在读取 {file}……").format(file=file.name)
        yield {self.upload: None, self.uploaded: views.status(reading, words)}
        try:
            with self._context.calls.open("upload", request, kind="upload"):
                text, characters = read_resume(self._context.runtime.parser, file, most)
        except YuanZhiError:
            yield {self.uploaded: views.status(words("没有读入 {file}。").format(file=file.name), words)}
            raise
        about = words("已读入 {file}：{count} 个字符，请先核对文字。")
        if characters > most:
            about = words(
                "{file} 有 {count} 个字符，超过上限 {most}：只放入了前 {most} 个，其余 {rest} 个请另外抽取。"
            )
        said = about.format(file=file.name, count=characters, most=most, rest=characters - most)
        kept: Outputs = {self.fields: gr.skip(), self.sets: gr.skip()}
        yield self.clear() | kept | {self.box: text, self.uploaded: views.status(said, words)}
        yield skips(self.cleared)

    def clear(self) -> Outputs:
        """Nothing of a visitor's: no text either."""
        blank: Outputs = {self.box: "", self.upload: None, self.uploaded: "", self.fields: [], self.sets: None}
        return {**blank, **self._empty(), **self.comparison.empty()}

    def _empty(self) -> Outputs:
        """No result."""
        table = gr.update(value=[], visible=False)
        text = gr.update(value=views.sample(self._words), color_map=views.colours(self._words))
        people = gr.update(value="", visible=False)
        return {
            self.status: self._about, self.text: text, self.people: people, self.table: table, self.result: None,
        }  # fmt: skip


def example_resumes() -> dict[str, str]:
    """The texts of ``examples/resumes`` by the names that they begin with, the shortest first."""
    files = sorted((ROOT / "examples" / "resumes").glob("*.txt"))
    texts = sorted((file.read_text(encoding="utf-8").strip() for file in files), key=len)
    return {text.partition("，")[0].removesuffix("女士").removesuffix("先生"): text for text in texts}
