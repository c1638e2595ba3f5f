"""Many resumes in one file: worked through with progress, stopped, gone on with, and given back in the same format."""

import time
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr

from src.errors import InputError
from src.extraction.jsonl import record_of
from src.extraction.schema import LABELS
from src.extraction.tables import TEXT_COLUMNS, joined
from src.extraction.visitors import MAX_ROWS, UPLOAD_KINDS, Batch, VisitorBatches
from src.runtime import Runtime
from src.ui import render
from src.ui.calls import calls
from src.ui.extraction import views
from src.ui.extraction.saving import content, save_after
from src.ui.guard import BATCH_SLOT, EXPORT_SLOT, PRIVATE, QUICK, SEARCH_SLOT, guarded_in, served, session_of
from src.ui.running import Leaving, Running, Views, until_stopped
from src.ui.wording import CHINESE, Words

PREVIEW_ROWS = 20
HEADERS = [CHINESE("行"), CHINESE("编号"), CHINESE("说明"), *LABELS]
_MAX_NAME_CHARS = 40
ABOUT = CHINESE(
    "上传 {kinds} 文件，一行一份简历，最多 {rows} 行。表格的第一行是列名，简历放在叫 "
    "{columns} 的列里，id 列可有可无；jsonl 每行是 {line}。"
    "结果用同样的格式下载：原来的列不变，后面加上八类实体和“错误”。"
    "结果只留在这次会话的内存里，关掉网页就没有了；停下后再点“开始”会从停下的地方接着做。"
)


def build(runtime: Runtime, words: Words) -> list[Leaving]:
    """Draw the tab inside the current Blocks; returns what must know when a visitor leaves, in order."""
    service = runtime.extraction
    batches = VisitorBatches(service, runtime.parser)
    guarded = guarded_in(words)
    about = words(ABOUT).format(
        kinds=words("、").join(UPLOAD_KINDS),
        rows=MAX_ROWS,
        columns=words("、").join(TEXT_COLUMNS),
        line='{"id": …, "text": "…"}',
    )
    gr.HTML(render.note(about))
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            # Every kind is taken, so that the reader can say in Chinese which ones it reads.
            upload = gr.File(
                label=words("上传 {kinds}").format(kinds=" ".join(UPLOAD_KINDS)), height=140, elem_id="batch-upload"
            )
            use_adapter = gr.Checkbox(
                service.has_adapter,
                label=words("使用简历适配器"),
                interactive=service.has_adapter,
                elem_id="batch-adapter",
            )
            with gr.Row():
                start_button = gr.Button(words("开始"), variant="primary", min_width=120, elem_id="batch-start")
                stop_button = gr.Button(words("■ 停止"), variant="stop", min_width=80, elem_id="batch-stop")
        with gr.Column(scale=3, min_width=320):
            status = gr.HTML(render.note(words("还没有上传文件。")), elem_id="batch-status")
            download = gr.Button(words("下载结果"), size="sm", elem_id="batch-download")
    preview = gr.Dataframe(
        headers=[words(header) for header in HEADERS], interactive=False, wrap=True, elem_id="batch-preview",
        label=words("前 {count} 行的结果").format(count=PREVIEW_ROWS),
        datatype="str", max_height=420,
        column_widths=["50px", "90px", "120px", *["120px"] * len(LABELS)],
    )  # fmt: skip

    running = Running()
    ticket = gr.Number(visible=False)
    file = gr.JSON(visible=False)

    @guarded
    @served("upload", "upload")
    def opened(path: str | None, request: gr.Request) -> tuple[Any, ...]:
        session = session_of(request)
        running.stop(session)
        if not path:
            return (gr.skip(),) * 3
        batch = batches.open(session, Path(path))
        return opened_note(batch, words), preview_rows(batch, words), None

    def begin(request: gr.Request) -> int:
        return running.ticket(session_of(request))

    @guarded
    def run(adapter: bool, number: int, request: gr.Request) -> Views:
        session = session_of(request)
        with running.answer(session, number) as stop, calls.open("batch", request, kind="batch", stop=stop):
            yield from until_stopped(batch_views(batches, session, adapter, stop, words), stop, 2)

    @guarded
    def halt(request: gr.Request) -> str:
        session = session_of(request)
        running.stop(session)
        return stopped_note(batches.get(session), words)

    @guarded
    def result(request: gr.Request) -> dict[str, str]:
        batch = batches.get(session_of(request))
        if not batch.done:
            raise InputError("还没有结果可以下载，请先点“开始”")
        return content(*batch.file())

    quick: dict[str, Any] = {"show_progress": "hidden", **PRIVATE, **QUICK}
    outputs = [status, preview]
    upload.upload(opened, upload, [*outputs, upload], show_progress="minimal", **PRIVATE, **SEARCH_SLOT)
    begun = start_button.click(begin, None, ticket, **quick)
    begun.success(
        run, [use_adapter, ticket], outputs,
        show_progress="hidden", trigger_mode="multiple", **PRIVATE, **BATCH_SLOT,
    )  # fmt: skip
    stop_button.click(halt, None, status, **quick)
    save_after(download.click(result, None, file, show_progress="minimal", **PRIVATE, **EXPORT_SLOT), file)
    return [running, batches]


def batch_views(batches: VisitorBatches, session: str, use_adapter: bool, stop: Event, words: Words) -> Views:
    """Status and preview at the start and after each row; the preview only while it changes.

    Raises:
        as ``VisitorBatches.run``.
    """
    started = time.monotonic()
    first: int | None = None
    for batch in batches.run(session, use_adapter, stop):
        first = batch.done if first is None else first
        seconds = time.monotonic() - started
        redrawn = batch.done == first or batch.done <= PREVIEW_ROWS
        yield progress_note(batch, first, seconds, words), preview_rows(batch, words) if redrawn else gr.skip()


def opened_note(batch: Batch, words: Words) -> str:
    """What was uploaded, and how far it is if it was here before."""
    if batch.done:
        text = words("{file}：{total} 行。之前已做完 {done} 行，点“开始”接着做。")
        return _with_bar(text.format(file=batch.file_name, total=batch.total, done=batch.done), batch, words)
    text = words("{file}：{total} 行。点“开始”抽取。")
    return render.note(text.format(file=batch.file_name, total=batch.total))


def progress_note(batch: Batch, first: int, seconds: float, words: Words) -> str:
    """How far the batch is; ``first`` rows were done ``seconds`` ago."""
    text = words("{file}：已完成 {done} / {total} 行").format(
        file=batch.file_name, done=batch.done, total=batch.total
    )
    if batch.failed:
        text += words("，其中 {failed} 行不能用").format(failed=batch.failed)
    if batch.done == batch.total:
        text += words("。全部做完，可以下载了。")
    elif batch.done > first:
        left = seconds / (batch.done - first) * (batch.total - batch.done)
        text += words("，大约还要 {time}……").format(time=duration(left, words))
    else:
        text += words("，正在抽取……")
    return _with_bar(text, batch, words)


def stopped_note(batch: Batch, words: Words) -> str:
    """What is there after a stop."""
    if batch.done == batch.total:
        return progress_note(batch, batch.done, 0, words)
    text = words("已停止，做完 {done} / {total} 行。再点“开始”会接着做，也可以先下载做完的部分。")
    return _with_bar(text.format(done=batch.done, total=batch.total), batch, words)


def preview_rows(batch: Batch, words: Words) -> list[list[Any]]:
    """Of the table: the first rows, those that are not done yet too."""
    rows: list[list[Any]] = []
    for number, (line, name) in enumerate(zip(batch.lines[:PREVIEW_ROWS], batch.names, strict=False), 1):
        record = record_of(line, batch.results[number - 1]) if number <= batch.done else None
        values = joined(record) if record else [""] * len(LABELS)
        about = record.get("error", "") if record else words("等待")
        rows.append([str(number), _short(name), about, *values])
    return rows


def duration(seconds: float, words: Words) -> str:
    """In words, rounded up to what matters."""
    if seconds < 60:
        return words("{count} 秒").format(count=max(1, round(seconds)))
    if seconds < 3600:
        return words("{count} 分钟").format(count=round(seconds / 60))
    return words("{count} 小时").format(count=f"{seconds / 3600:.1f}")


def _with_bar(text: str, batch: Batch, words: Words) -> str:
    return render.note(text) + views.bar(batch.done, batch.total, words)


def _short(name: str) -> str:
    return name if len(name) <= _MAX_NAME_CHARS else name[:_MAX_NAME_CHARS] + "…"
