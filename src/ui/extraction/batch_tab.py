"""Many resumes in one file: worked through with progress, stopped, gone on with, and given back in the same format."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from src.errors import InputError, YuanZhiError
from src.extraction.jsonl import record_of
from src.extraction.schema import LABELS
from src.extraction.tables import TEXT_COLUMNS, joined
from src.extraction.upload import MAX_FILES, MAX_ROWS, UPLOAD_KINDS, Batch, read_batch, read_resumes
from src.ui.calls import Call
from src.ui.context import BATCH, QUICK, UPLOAD, Context, Views, skips
from src.ui.download import download
from src.ui.extraction import views
from src.ui.extraction.work import Outputs, Work
from src.ui.wording import CHINESE, Words

PREVIEW_ROWS = 20
_MAX_NAME_CHARS = 40
# Fewer rows say nothing about the rest.
_ROWS_FOR_ESTIMATE = 3
_FORMATS = CHINESE(
    "表格（csv、xlsx）要有一行列名，上面可以有标题；简历在叫 {columns} 的列里，没有这样的列就取文字最长的一列。"
    "叫 id、编号、工号、序号、姓名等的列用来称呼每一行，可有可无。jsonl 每行是 {line}。"
    "结果用同样的格式下载：原来的列不变，后面加上八类内容和“错误”；简历文件的结果是一个 xlsx，一个文件一行。"
)


class BatchTab:
    """Upload, progress and the first rows of the result."""

    def __init__(self, context: Context) -> None:
        self._context, self._service = context, context.runtime.extraction
        words = self._words = context.words
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300):
                self._draw_input()
            with gr.Column(scale=3, min_width=320):
                self.status = gr.HTML(status(None, words), elem_id="batch-status")
                with gr.Row():
                    self.work = Work(context, "batch", words("开始"), "batch-start", variant="primary")
                    self.save = gr.Button(
                        words("下载结果"), interactive=False, min_width=120, elem_id="batch-download"
                    )
        label = words("前 {count} 行").format(count=PREVIEW_ROWS)
        headers = [words("行"), words("编号"), words("说明"), *map(words, LABELS)]
        widths = ["50px", "90px", "120px", *["120px"] * len(LABELS)]
        self.preview = views.table(label, headers, "batch-preview", widths, visible=False)
        self.outputs = list(self.idle(None))
        self.work.listen(self.run, self.use_adapter, self.outputs, BATCH)
        inputs = [self.upload, self.use_adapter]
        context.listen(self.upload.upload, self.open, inputs, self.outputs, show_progress="hidden", **UPLOAD)
        context.listen(self.use_adapter.input, self.chosen, self.use_adapter, self.work.start, **QUICK)
        download(context, self.save, self.file)

    def _draw_input(self) -> None:
        words = self._words
        about = words(
            "一次放进许多份简历：Word、PDF、图片等，最多 {files} 个文件，也可以打成一个 zip；或一个表格，一行一份，最多 {rows} 行。"
        )
        gr.HTML(views.status(about.format(rows=MAX_ROWS, files=MAX_FILES), words))
        # Every kind is taken, so that the reader can say in Chinese which ones it reads.
        self.upload = gr.File(
            label=words("上传简历文件、zip 或表格"), file_count="multiple", height=140, elem_id="batch-upload"
        )
        with gr.Accordion(words("文件格式和选项"), open=False):
            gr.HTML(
                views.status(
                    words(_FORMATS).format(line='{"id": …, "text": "…"}', columns=words("、").join(TEXT_COLUMNS)),
                    words,
                )
            )
            self.use_adapter = views.adapter_box(self._service, words, "batch-adapter")

    def open(self, paths: list[str], use_adapter: bool, request: gr.Request) -> Views:
        """Take what was uploaded as the session's batch; the same again keeps what is done of it."""
        files, words = [Path(path) for path in paths or []], self._words
        session = self._context.sessions.of(request)
        session.stop(self.work.name)
        reading = words("正在读取 {file}……").format(file=files[0].name if files else "")
        # The upload is emptied, so that another file can be dropped there at once, also where this one is refused.
        yield {self.upload: None, self.status: views.status(reading, words)}
        parser = self._context.runtime.parser
        try:
            with self._context.calls.open("upload", request, kind="upload"):
                if len(files) == 1 and files[0].suffix.lower() in UPLOAD_KINDS:
                    batch = read_batch(parser, files[0])
                else:
                    for item in read_resumes(parser, files):
                        if isinstance(item, Batch):
                            batch = item
                            continue
                        done, total = item
                        said = words("正在读取第 {now} 个文件，共 {total} 个……").format(now=done + 1, total=total)
                        yield {self.status: views.status(said, words, share=done / total)}
        except YuanZhiError:
            yield self.idle(session.batch, use_adapter)
            raise
        if session.batch is None or not batch.is_of(session.batch):
            session.batch = batch
        yield self.idle(session.batch, use_adapter)
        yield skips(self.outputs)

    def run(self, use_adapter: bool, request: gr.Request) -> Views:
        """Work on the batch, drawing each group of rows; after a stop or an error what is done stays."""
        batch, words = self._batch(request), self._words

        def drawn(call: Call) -> Iterator[Outputs]:
            first, started = None, time.monotonic()
            for _ in batch.run(self._service, use_adapter, call.caller):
                first = batch.done if first is None else first
                pace = going_on(batch, batch.done - first, time.monotonic() - started, words)
                yield {
                    self.status: status(batch, words, pace),
                    self.preview: preview_rows(batch, words),
                    self.save: gr.update(interactive=batch.done > 0),
                }

        def ended(_: Exception | None) -> Outputs:
            return self.idle(batch, use_adapter)

        yield from self.work.stream(request, drawn, ended, lambda: self.idle(None), kind="batch")

    def chosen(self, use_adapter: bool, request: gr.Request) -> Any:
        """The start button for this setting: with another one the rows are done again."""
        return gr.update(**self._start(self._context.sessions.of(request).batch, use_adapter))

    def file(self, request: gr.Request) -> tuple[str, bytes]:
        return self._batch(request).file()

    def idle(self, batch: Batch | None, use_adapter: bool | None = None) -> Outputs:
        """Outputs while nothing runs, by default with the setting that the batch was begun with."""
        settings = use_adapter, batch.use_adapter if batch else None, self._service.has_adapter
        use_adapter = next(setting for setting in settings if setting is not None)
        rows = preview_rows(batch, self._words) if batch else []
        return {
            self.upload: None,
            self.use_adapter: use_adapter,
            self.work.start: gr.update(visible=True, **self._start(batch, use_adapter)),
            self.status: status(batch, self._words),
            self.preview: gr.update(value=rows, visible=batch is not None),
            self.save: gr.update(interactive=batch is not None and batch.done > 0),
        }

    def _start(self, batch: Batch | None, use_adapter: bool) -> dict[str, Any]:
        is_left = batch is not None and batch.done < batch.total
        is_begun = batch is not None and batch.use_adapter == use_adapter
        label = self._words("继续") if is_left and is_begun else self._words("开始")
        return {"value": label, "interactive": batch is not None and (is_left or not is_begun)}

    def _batch(self, request: gr.Request) -> Batch:
        batch = self._context.sessions.of(request).batch
        if batch is None:
            raise InputError("还没有要批量抽取的文件，请先上传")
        return batch


def status(batch: Batch | None, words: Words, going_on: str = "") -> str:
    """How far a batch is, and what is ``going_on`` while it runs."""
    if batch is None:
        return views.status(words("上传一个文件，这里会列出每一行的结果。"), words)
    if batch.use_adapter is None:
        text = words("{file}：{total} 行，可以开始了。").format(file=batch.file_name, total=batch.total)
        if batch.table and batch.table.text_name:
            text += words("简历取自“{column}”一列。").format(column=batch.table.text_name[:_MAX_NAME_CHARS])
        if batch.unread:
            text += words("其中 {count} 个文件没有读出来，原因会列在结果里。").format(count=len(batch.unread))
        return views.status(text, words)
    text = words("{file}：已完成 {done} / {total} 行")
    text = text.format(file=batch.file_name, done=batch.done, total=batch.total)
    if batch.failed:
        text += words("，其中 {failed} 行不能用").format(failed=batch.failed)
    if batch.done == batch.total:
        going_on = words("。全部做完，可以下载了。")
    stopped = words("。已停止。点“继续”从这里接着做，也可以先下载做完的部分。")
    return views.status(text + (going_on or stopped), words, share=batch.done / batch.total)


def going_on(batch: Batch, rows: int, passed_s: float, words: Words) -> str:
    """Which row a batch is at, or how long it will take going by ``rows`` that took so long."""
    if rows < _ROWS_FOR_ESTIMATE:
        return words("，正在抽取第 {row} 行……").format(row=batch.done + 1)
    left_s = passed_s / rows * (batch.total - batch.done)
    unit, count = (words("{count} 秒"), left_s) if left_s < 60 else (words("{count} 分钟"), left_s / 60)
    return words("，大约还要 {time}……").format(time=unit.format(count=max(1, round(count))))


def preview_rows(batch: Batch, words: Words) -> list[list[str]]:
    """Of the table: the first rows, those that are not done yet too."""
    rows = []
    for number, name in enumerate(batch.names[:PREVIEW_ROWS]):
        about, values = words("等待"), [""] * len(LABELS)
        if number < batch.done:
            record = record_of(batch.lines[number], batch.results[number])
            about, values = words.error(record.get("error", "")), joined(record)
        rows.append([str(number + 1), name[:_MAX_NAME_CHARS], about, *values])
    return rows
