"""Many resumes in one file: worked through with progress, stopped, gone on with, and given back in the same format."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from src.errors import InputError, YuanZhiError
from src.extraction.jsonl import record_of
from src.extraction.schema import LABELS
from src.extraction.tables import TEXT_COLUMNS, columns, person_rows, shown
from src.extraction.upload import (
    JSON,
    MAX_FILES,
    MAX_ROWS,
    RESULT_KINDS,
    UPLOAD_KINDS,
    Batch,
    read_batch,
    read_resumes,
)
from src.ui.calls import Call
from src.ui.context import BATCH, QUICK, UPLOAD, Context, Views, skips
from src.ui.download import download
from src.ui.extraction import views
from src.ui.extraction.work import Outputs, Work
from src.ui.wording import CHINESE, Words

PREVIEW_ROWS = 20
_MAX_NAME_CHARS = 40
_MAX_CELL_CHARS, _MAX_SHOWN_COLUMNS = 80, 12
# Fewer rows say nothing about the rest.
_ROWS_FOR_ESTIMATE = 3
_FORMATS = CHINESE(
    "表格（csv、xlsx）要有一行列名，上面可以有标题；简历在叫 {columns} 的列里，没有这样的列就取文字最长的一列，可以改选。"
    "叫 id、编号、工号、序号、姓名等的列用来称呼每一行，可有可无。jsonl 每行是 {line}。"
    "结果一人一行：原来的列不变，后面加上八类内容、经历、联系方式、待核对的内容和“错误”；一份里有几个人就有几行。"
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
                self._draw_choices()
        label = words("前 {count} 行").format(count=PREVIEW_ROWS)
        self.preview = views.table(label, headers_of((), words), "batch-preview", [], visible=False)
        settings = [self.use_adapter, self.fields]
        self.outputs = list(self.idle(None))
        self.work.listen(self.run, settings, self.outputs, BATCH)
        inputs = [self.upload, *settings]
        context.listen(self.upload.upload, self.open, inputs, self.outputs, show_progress="hidden", **UPLOAD)
        changes = [self.use_adapter.input, self.fields.change]
        context.listen(changes, self.chosen, settings, self.work.start, **QUICK)
        context.listen(self.column.input, self.choose, [self.column, *settings], self.outputs, **QUICK)
        context.listen(self.sets.input, views.chosen_set, self.sets, self.fields, **QUICK)
        download(context, self.save, self.file, self.format)

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
        with gr.Accordion(words("自定字段"), open=False, visible=self._service.has_fields, elem_id="batch-own"):
            self.fields, self.sets = views.own_fields(words, "batch")

    def _draw_choices(self) -> None:
        """Which column holds the texts, and what kind of file the result is."""
        words = self._words
        with gr.Row():
            self.column = gr.Dropdown(
                [],
                label=words("哪一列是要抽取的文字"),
                visible=False,
                interactive=True,
                min_width=180,
                elem_id="batch-column",
            )
            kinds = [(words("同上传的文件"), ""), ("Excel", ".xlsx"), ("CSV", ".csv"), ("JSON", JSON)]
            assert {kind for _, kind in kinds if kind} == set(RESULT_KINDS)
            self.format = gr.Dropdown(
                kinds, value="", label=words("结果的格式"), interactive=True, min_width=140, elem_id="batch-format"
            )

    def open(self, paths: list[str], use_adapter: bool, fields: list[str], request: gr.Request) -> Views:
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
            yield self.idle(session.batch, use_adapter, fields)
            raise
        if session.batch is None or not batch.is_of(session.batch):
            session.batch = batch
        yield self.idle(session.batch, use_adapter, fields)
        yield skips(self.outputs)

    def run(self, use_adapter: bool, fields: list[str], request: gr.Request) -> Views:
        """Work on the batch, drawing each group of rows; after a stop or an error what is done stays."""
        batch, words = self._batch(request), self._words

        def drawn(call: Call) -> Iterator[Outputs]:
            first, started = None, time.monotonic()
            for _ in batch.run(self._service, use_adapter, call.caller, fields):
                first = batch.done if first is None else first
                pace = going_on(batch, batch.done - first, time.monotonic() - started, words)
                yield {
                    self.status: status(batch, words, pace),
                    self.preview: preview(batch, words),
                    self.column: gr.update(interactive=False),
                    self.save: gr.update(interactive=batch.done > 0),
                }

        def ended(_: Exception | None) -> Outputs:
            return self.idle(batch, use_adapter, fields)

        yield from self.work.stream(request, drawn, ended, lambda: self.idle(None), kind="batch")

    def chosen(self, use_adapter: bool, fields: list[str], request: gr.Request) -> Any:
        """The start button for these settings: with others the rows are done again."""
        return gr.update(**self._start(self._context.sessions.of(request).batch, use_adapter, fields))

    def choose(self, column: int, use_adapter: bool, fields: list[str], request: gr.Request) -> Views:
        """Take the texts from another column."""
        batch = self._batch(request)
        if batch.can_choose and column in range(len(batch.header)):
            self._context.sessions.of(request).stop(self.work.name)
            batch.choose(column)
        yield self.idle(batch, use_adapter, fields)
        yield skips(self.outputs)

    def file(self, kind: str, request: gr.Request) -> tuple[str, bytes]:
        return self._batch(request).file(kind if kind in RESULT_KINDS else "")

    def idle(
        self, batch: Batch | None, use_adapter: bool | None = None, fields: list[str] | None = None
    ) -> Outputs:
        """Outputs while nothing runs, by default with the settings that the batch was begun with."""
        begun = batch is not None and batch.use_adapter is not None
        settings = use_adapter, batch.use_adapter if batch else None, self._service.has_adapter
        use_adapter = next(setting for setting in settings if setting is not None)
        if fields is None:
            fields = list(batch.fields) if batch and begun else []
        return {
            self.upload: None,
            self.use_adapter: use_adapter,
            self.fields: fields,
            self.work.start: gr.update(visible=True, **self._start(batch, use_adapter, fields)),
            self.status: status(batch, self._words),
            self.column: column_choice(batch, self._words),
            self.preview: preview(batch, self._words),
            self.save: gr.update(interactive=batch is not None and batch.done > 0),
        }

    def _start(self, batch: Batch | None, use_adapter: bool, fields: list[str]) -> dict[str, Any]:
        is_left = batch is not None and batch.done < batch.total
        is_begun = batch is not None and batch.is_made_with(use_adapter, fields or ())
        label = self._words("继续") if is_left and is_begun else self._words("开始")
        return {"value": label, "interactive": batch is not None and batch.is_chosen and (is_left or not is_begun)}

    def _batch(self, request: gr.Request) -> Batch:
        batch = self._context.sessions.of(request).batch
        if batch is None:
            raise InputError("还没有要批量抽取的文件，请先上传")
        return batch


def status(batch: Batch | None, words: Words, going_on: str = "") -> str:
    """How far a batch is, and what is ``going_on`` while it runs."""
    if batch is None:
        return views.status(words("上传一个文件，这里会列出每一行的结果。"), words)
    if not batch.is_chosen:
        text = words("{file}：{total} 行。没有看出哪一列放着要抽取的文字，请在下面选择。")
        return views.status(text.format(file=batch.file_name, total=batch.total), words, outdated=True)
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


def column_choice(batch: Batch | None, words: Words) -> Any:
    """The columns of a table, the one that is taken chosen."""
    if batch is None or not batch.can_choose:
        return gr.update(visible=False, choices=[], value=None)
    assert batch.table is not None
    names = [shown(cell).strip()[:_MAX_NAME_CHARS] for cell in batch.header]
    choices = [
        (name or words("第 {number} 列").format(number=number + 1), number) for number, name in enumerate(names)
    ]
    return gr.update(visible=True, choices=choices, value=batch.table.text_column, interactive=True)


def preview(batch: Batch | None, words: Words) -> Any:
    """The first rows: of the table as it came until something is done of it, then of the result."""
    if batch is None:
        return gr.update(value=[], visible=False)
    if batch.use_adapter is None and batch.can_choose:
        return gr.update(**source_rows(batch, words), visible=True)
    headers = headers_of(batch.fields, words)
    widths = ["50px", "90px", "120px", *["130px"] * (len(headers) - 3)]
    return gr.update(headers=headers, value=preview_rows(batch, words), column_widths=widths, visible=True)


def headers_of(fields: Sequence[str], words: Words) -> list[str]:
    return [words("行"), words("编号"), words("说明"), *map(words, columns(fields or LABELS))]


def source_rows(batch: Batch, words: Words) -> dict[str, Any]:
    """Headers, first rows and widths of an uploaded table."""
    assert batch.table is not None
    header = [shown(cell).strip()[:_MAX_NAME_CHARS] for cell in batch.header[:_MAX_SHOWN_COLUMNS]]
    rows = [
        [str(number), *(shown(cell)[:_MAX_CELL_CHARS] for cell in row[: len(header)])]
        for number, row in enumerate(batch.table.rows[:PREVIEW_ROWS], 1)
    ]
    return {"headers": [words("行"), *header], "value": rows, "column_widths": ["50px", *["140px"] * len(header)]}


def preview_rows(batch: Batch, words: Words) -> list[list[str]]:
    """Of the result: a row a person, rows that are not done yet too."""
    labels = batch.fields or LABELS
    rows: list[list[str]] = []
    for number, name in enumerate(batch.names):
        if len(rows) >= PREVIEW_ROWS:
            break
        about, found = words("等待"), [[""] * len(columns(labels))]
        if number < batch.done:
            record = record_of(batch.lines[number], batch.results[number], labels)
            about, found = words.error(record.get("error", "")), person_rows(record, labels)
        rows += [[str(number + 1), name[:_MAX_NAME_CHARS], about, *cells] for cells in found]
    return rows[:PREVIEW_ROWS]
