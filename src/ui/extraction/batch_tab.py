"""Many resumes in one file: worked through with progress, stopped, gone on with, and given back in the same format."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from src.caller import Caller
from src.errors import InputError, Stopped, YuanZhiError
from src.extraction.jsonl import record_of
from src.extraction.schema import LABELS
from src.extraction.tables import TEXT_COLUMNS, joined
from src.extraction.upload import MAX_ROWS, UPLOAD_KINDS, Batch, read_batch
from src.ui.context import BATCH, QUICK, UPLOAD, Context, Views, skips
from src.ui.download import download
from src.ui.extraction import views
from src.ui.extraction.work import Outputs, Work
from src.ui.templating import note
from src.ui.wording import CHINESE, Words

PREVIEW_ROWS = 20
HEADERS = [CHINESE("行"), CHINESE("编号"), CHINESE("说明"), *LABELS]
_MAX_NAME_CHARS = 40
# Fewer rows say nothing about the rest.
_ROWS_FOR_ESTIMATE = 3
_FORMATS = CHINESE(
    "表格的第一行是列名；叫 id、编号、工号、序号、姓名等的列用来称呼每一行，可有可无。jsonl 每行是 {line}。"
    "结果用同样的格式下载：原来的列不变，后面加上八类内容和“错误”。"
)


@dataclass(frozen=True)
class Pace:
    """One run of a batch: where and when it began."""

    first: int
    started: float = field(default_factory=time.monotonic)

    def seconds_left(self, batch: Batch, now: float | None = None) -> float | None:
        """Estimate from the rows of this run; None as long as they are too few."""
        done = batch.done - self.first
        if done < _ROWS_FOR_ESTIMATE:
            return None
        passed = (time.monotonic() if now is None else now) - self.started
        return passed / done * (batch.total - batch.done)


class BatchTab:
    """Upload, progress and the first rows of the result.

    Attributes:
        outputs: everything that is drawn of a batch.
    """

    def __init__(self, context: Context) -> None:
        self._context, self._words, self._service = context, context.words, context.runtime.extraction
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300):
                self._draw_input()
            with gr.Column(scale=3, min_width=320):
                self._draw_progress()
        with gr.Column(visible=False) as self.rows:
            self.preview = gr.Dataframe(
                headers=[self._words(header) for header in HEADERS],
                label=self._words("前 {count} 行").format(count=PREVIEW_ROWS),
                interactive=False,
                wrap=True,
                datatype="str",
                max_height=420,
                column_widths=["50px", "90px", "120px", *["120px"] * len(LABELS)],
                buttons=[],
                elem_id="batch-preview",
            )
        self.work = Work(context, "batch", self.start, self.stop)
        self.outputs = [
            self.upload, self.start, self.stop, self.status, self.rows, self.preview, self.download_button,
            self.use_adapter,
        ]  # fmt: skip
        self._listen()

    def _draw_input(self) -> None:
        words, has_adapter = self._words, self._service.has_adapter
        about = words("一行一份简历，最多 {rows} 行；简历放在叫 {columns} 的列里。")
        gr.HTML(note(about.format(rows=MAX_ROWS, columns=words("、").join(TEXT_COLUMNS)), words))
        # Every kind is taken, so that the reader can say in Chinese which ones it reads.
        self.upload = gr.File(
            label=words("上传 {kinds}").format(kinds=" ".join(UPLOAD_KINDS)), height=140, elem_id="batch-upload"
        )
        with gr.Accordion(words("文件格式和选项"), open=False):
            formats = words(_FORMATS).format(line='{"id": …, "text": "…"}')
            gr.HTML(note(formats, words))
            self.use_adapter = gr.Checkbox(
                has_adapter, label=words("使用简历适配器"), interactive=has_adapter, elem_id="batch-adapter"
            )

    def _draw_progress(self) -> None:
        words = self._words
        self.status = gr.HTML(self._said(None), elem_id="batch-status")
        with gr.Row():
            self.start = gr.Button(
                words("开始"), variant="primary", interactive=False, min_width=120, elem_id="batch-start"
            )
            self.stop = gr.Button(
                words("■ 停止"), variant="stop", visible=False, min_width=120, elem_id="batch-stop"
            )
            self.download_button = gr.Button(
                words("下载结果"), interactive=False, min_width=120, elem_id="batch-download"
            )

    def _listen(self) -> None:
        context = self._context
        context.listen(
            self.upload.upload,
            self.open,
            [self.upload, self.use_adapter],
            self.outputs,
            show_progress="hidden",
            **UPLOAD,
        )
        context.listen(
            self.start.click,
            self.run,
            self.use_adapter,
            self.outputs,
            show_progress="hidden",
            trigger_mode="multiple",  # as in SingleTab
            **BATCH,
        )
        self.work.listen()
        context.listen(self.use_adapter.input, self.chosen, self.use_adapter, self.start, **QUICK)
        download(context, self.download_button, self.file)

    def open(self, path: str | None, use_adapter: bool, request: gr.Request) -> Views:
        """Take an uploaded file as the session's batch; the same file again keeps what is done of it.

        Raises:
            InputError, KnowledgeError: as ``read_batch``; the batch before stays.
        """
        if not path:
            return
        file = Path(path)
        session = self._context.sessions.of(request)
        session.stop(self.work.kind)
        reading = self._words("正在读取 {file}……").format(file=file.name)
        # The upload is emptied, so that another file can be dropped there at once, also where this one is refused.
        yield {self.upload: None, self.status: note(reading, self._words)}
        try:
            with self._context.calls.open("upload", request, kind="upload"):
                batch = read_batch(self._context.runtime.parser, file)
        except YuanZhiError:
            yield self.idle(session.batch, use_adapter)
            raise
        if session.batch is None or not batch.is_of(session.batch):
            session.batch = batch
        yield self.idle(session.batch, use_adapter)
        yield skips(self.outputs)

    def run(self, use_adapter: bool, request: gr.Request) -> Views:
        """Work on the batch, drawing each group of rows; after a stop or an error what is done stays.

        Raises:
            as ``Batch.run``.
            InputError: there is no batch.
        """
        session = self._context.sessions.of(request)
        batch = self._batch(request)
        with self.work.open(session, request, "batch", kind="batch") as call:
            try:
                for view in self._views(batch, use_adapter, call.caller):
                    yield view
                    if not self.work.is_of(session, request):
                        raise Stopped
            except Stopped:
                pass
            except YuanZhiError:
                yield self.idle(batch, use_adapter)
                raise
            shown = batch if self.work.is_of(session, request) else None
            yield self.idle(shown, use_adapter, stopped=call.caller.stopped)
        yield skips(self.outputs)

    def chosen(self, use_adapter: bool, request: gr.Request) -> Any:
        """The start button for this setting: with another one the rows are done again."""
        batch = self._context.sessions.of(request).batch
        return gr.Button(interactive=batch is not None and _is_open(batch, use_adapter))

    def file(self, request: gr.Request) -> tuple[str, bytes]:
        batch = self._batch(request)
        if not batch.done:
            raise InputError("还没有结果可以下载，请先点“开始”")
        return batch.file()

    def _views(self, batch: Batch, use_adapter: bool, caller: Caller) -> Iterator[Outputs]:
        """``view`` at the start and after each group; the table only while it changes."""
        pace: Pace | None = None
        drawn = -1
        for _ in batch.run(self._service, use_adapter, caller):
            pace = pace or Pace(batch.done)
            visible = min(batch.done, PREVIEW_ROWS)
            yield self.view(batch, pace) | (self._preview(batch) if visible != drawn else {})
            drawn = visible

    def view(self, batch: Batch, pace: Pace) -> Outputs:
        """Outputs while a batch runs, but for the table."""
        said = progress_text(batch, pace.seconds_left(batch), self._words)
        return self.work.running() | {
            self.status: self._with_bar(said, batch),
            self.download_button: gr.Button(interactive=batch.done > 0),
        }

    def restored(self, batch: Batch | None) -> Outputs:
        """Outputs of a page that has just loaded."""
        used = batch.use_adapter if batch else None
        use_adapter = self._service.has_adapter if used is None else used
        return self.idle(batch, use_adapter) | {self.use_adapter: use_adapter}

    def idle(self, batch: Batch | None, use_adapter: bool, *, stopped: bool = False) -> Outputs:
        """Outputs while nothing runs."""
        words = self._words
        begun = batch is not None and 0 < batch.done < batch.total
        is_open = batch is not None and _is_open(batch, use_adapter)
        return {
            self.upload: None,
            **self.work.ended(value=words("继续") if begun else words("开始"), interactive=is_open),
            self.status: self._said(batch, stopped),
            **self._preview(batch),
            self.download_button: gr.Button(interactive=batch is not None and batch.done > 0),
        }

    def _batch(self, request: gr.Request) -> Batch:
        batch = self._context.sessions.of(request).batch
        if batch is None:
            raise InputError("还没有要批量抽取的文件，请先上传")
        return batch

    def _said(self, batch: Batch | None, stopped: bool = False) -> str:
        if batch is None:
            return note(self._words("上传一个文件，这里会列出每一行的结果。"), self._words)
        said = idle_text(batch, stopped, self._words)
        return self._with_bar(said, batch) if batch.done else note(said, self._words)

    def _with_bar(self, said: str, batch: Batch) -> str:
        return views.status(said, self._words, share=batch.done / batch.total)

    def _preview(self, batch: Batch | None) -> Outputs:
        rows = preview_rows(batch, self._words) if batch else []
        return {self.rows: gr.Column(visible=batch is not None), self.preview: rows}


def progress_text(batch: Batch, seconds_left: float | None, words: Words) -> str:
    """How far a running batch is."""
    text = _counted(batch, words)
    if seconds_left is None:
        return text + words("，正在抽取第 {row} 行……").format(row=min(batch.done + 1, batch.total))
    return text + words("，大约还要 {time}……").format(time=duration(seconds_left, words))


def idle_text(batch: Batch, stopped: bool, words: Words) -> str:
    """How far a batch is that does not run."""
    if batch.done == batch.total:
        return _counted(batch, words) + words("。全部做完，可以下载了。")
    if not batch.done and not stopped:
        return words("{file}：{total} 行，可以开始了。").format(file=batch.file_name, total=batch.total)
    said = words("{counted}。点“继续”从这里接着做，也可以先下载做完的部分。").format(counted=_counted(batch, words))
    return words("已停止。{rest}").format(rest=said) if stopped else said


def preview_rows(batch: Batch, words: Words) -> list[list[Any]]:
    """Of the table: the first rows, those that are not done yet too."""
    rows: list[list[Any]] = []
    for number, (line, name) in enumerate(zip(batch.lines[:PREVIEW_ROWS], batch.names, strict=False), 1):
        record = record_of(line, batch.results[number - 1]) if number <= batch.done else None
        values = joined(record) if record else [""] * len(LABELS)
        about = words.error(record.get("error", "")) if record else words("等待")
        rows.append([str(number), _short(name), about, *values])
    return rows


def duration(seconds: float, words: Words) -> str:
    """In words, rounded up to what matters."""
    if seconds < 60:
        return words("{count} 秒").format(count=max(1, round(seconds)))
    if seconds < 3600:
        return words("{count} 分钟").format(count=round(seconds / 60))
    return words("{count} 小时").format(count=f"{seconds / 3600:.1f}")


def _counted(batch: Batch, words: Words) -> str:
    text = words("{file}：已完成 {done} / {total} 行")
    text = text.format(file=batch.file_name, done=batch.done, total=batch.total)
    return text + (words("，其中 {failed} 行不能用").format(failed=batch.failed) if batch.failed else "")


def _is_open(batch: Batch, use_adapter: bool) -> bool:
    """Whether there are rows that are not done with this setting."""
    return batch.done < batch.total or batch.use_adapter != use_adapter


def _short(name: str) -> str:
    return name if len(name) <= _MAX_NAME_CHARS else name[:_MAX_NAME_CHARS] + "…"
