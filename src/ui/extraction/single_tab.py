"""One resume: typed, pasted or uploaded; what is in it, and what the base model and the adapter each find."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr

from src.extraction.document import read_resume
from src.extraction.schema import Extraction
from src.extraction.service import ExtractionProgress, ExtractionService
from src.knowledge.parse import readable_kinds
from src.runtime import Runtime
from src.settings import ROOT
from src.ui import render
from src.ui.calls import Call, calls
from src.ui.extraction import views
from src.ui.extraction.saving import save_on_click
from src.ui.guard import MODEL_SLOT, PRIVATE, QUICK, SEARCH_SLOT, guarded_in, served, session_of
from src.ui.running import Running, Views, until_stopped
from src.ui.wording import Words

_OUTPUTS = 6


def build(runtime: Runtime, words: Words) -> Running:
    """Draw the tab inside the current Blocks; returns what knows the visitors' running work."""
    guarded = guarded_in(words)
    service = runtime.extraction
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            box = gr.Textbox(
                label=words("简历"), lines=9, max_lines=18, elem_id="resume-input",
                placeholder=words("把一段简历贴到这里，或在下面上传文件"),
            )  # fmt: skip
            # Every kind is taken, so that the reader can say in Chinese which ones it reads.
            upload = gr.UploadButton(
                words("上传简历文件 pdf docx pptx txt 图片"), size="sm", elem_id="resume-upload"
            )
            kinds = words("能读 {kinds}；文字会放进上面的框，改好再抽取。").format(kinds=readable_kinds())
            uploaded = gr.HTML(render.note(kinds), elem_id="resume-uploaded")
            use_adapter = gr.Checkbox(
                service.has_adapter, label=words("使用简历适配器"), interactive=service.has_adapter
            )
            with gr.Row():
                run_button = gr.Button(words("抽取"), variant="primary", min_width=120, elem_id="extract-run")
                stop_button = gr.Button(words("■ 停止"), variant="stop", min_width=80, elem_id="extract-stop")
            compare_button = gr.Button(
                words("基座与适配器对照"), visible=service.has_adapter, elem_id="extract-compare"
            )
            gr.Examples(
                [[text] for text in _example_resumes()],
                inputs=box,
                label=words("示例（虚构人物）"),
                examples_per_page=6,
            )
        with gr.Column(scale=3, min_width=320):
            status = gr.HTML(render.note(words("抽取结果会显示在这里。")), elem_id="extract-status")
            with gr.Column(visible=True) as one:
                highlighted = _highlighted(words("原文标注"), "extract-text", words)
                table = gr.Dataframe(
                    headers=[words(header) for header in views.HEADERS], label=words("实体"), interactive=False, wrap=True,
                    elem_id="extract-table",
                    datatype=["str", "str", "number", "number", "str"],
                    column_widths=["20%", "34%", "13%", "13%", "20%"],
                )  # fmt: skip
                about = words("置信度是模型给这一处文字和类别的概率；⚠ 低于 {low:.0%}，请核对；— 表示没有算。")
                gr.HTML(render.note(about.format(low=views.LOW_CONFIDENCE)))
                with gr.Row():
                    json_button = gr.Button(
                        words("下载 JSON"), size="sm", min_width=100, elem_id="extract-download"
                    )
                    csv_button = gr.Button(words("下载 CSV"), size="sm", min_width=100, elem_id="extract-csv")
                with gr.Accordion("JSON", open=False):
                    result = gr.JSON(show_label=False, elem_id="extract-json")
            with gr.Column(visible=False) as two:
                with gr.Row():
                    with gr.Column(min_width=280):
                        of_base = _highlighted(words("基座"), "compare-base", words)
                    with gr.Column(min_width=280):
                        of_adapter = _highlighted(words("适配器"), "compare-adapter", words)
                difference = gr.HTML(elem_id="compare-difference")

    running = Running()
    ticket = gr.Number(visible=False)
    json_file, csv_file = gr.JSON(visible=False), gr.JSON(visible=False)

    @guarded
    @served("upload", "upload")
    def read(path: str | None, request: gr.Request) -> tuple[Any, ...]:  # noqa: ARG001 (for its limits)
        # The upload button is emptied, so that the same file can be chosen again.
        return (*uploaded_text(runtime, Path(path), words), None) if path else (gr.skip(),) * 3

    def begin_one(request: gr.Request) -> tuple[Any, ...]:
        return running.ticket(session_of(request)), gr.Column(visible=True), gr.Column(visible=False)

    def begin_two(request: gr.Request) -> tuple[Any, ...]:
        return running.ticket(session_of(request)), gr.Column(visible=False), gr.Column(visible=True)

    def open_call(text: str, request: gr.Request, stop: Event) -> AbstractContextManager[Call]:
        return calls.open("extract", request, text, stop=stop)

    @guarded
    def extract(text: str, adapter: bool, number: int, request: gr.Request) -> Views:
        with running.answer(session_of(request), number) as stop, open_call(text, request, stop) as call:
            yield from until_stopped(extraction_views(service, text, adapter, call, words), stop, _OUTPUTS)

    @guarded
    def compare(text: str, number: int, request: gr.Request) -> Views:
        with running.answer(session_of(request), number) as stop, open_call(text, request, stop) as call:
            yield from until_stopped(comparison_views(service, text, call, words), stop, 4)

    def halt(request: gr.Request) -> str:
        running.stop(session_of(request))
        return render.note(words("已停止。"))

    quick: dict[str, Any] = {"show_progress": "hidden", **PRIVATE, **QUICK}
    model: dict[str, Any] = {"show_progress": "minimal", "trigger_mode": "multiple", **PRIVATE, **MODEL_SLOT}
    upload.upload(read, upload, [box, uploaded, upload], show_progress="minimal", **PRIVATE, **SEARCH_SLOT)
    begun = run_button.click(begin_one, None, [ticket, one, two], **quick)
    outputs = [status, highlighted, table, result, json_file, csv_file]
    begun.success(extract, [box, use_adapter, ticket], outputs, **model)
    begun = compare_button.click(begin_two, None, [ticket, one, two], **quick)
    begun.success(compare, [box, ticket], [status, of_base, of_adapter, difference], **model)
    stop_button.click(halt, None, status, **quick)
    save_on_click(json_button, json_file)
    save_on_click(csv_button, csv_file)
    return running


def uploaded_text(runtime: Runtime, path: Path, words: Words) -> tuple[str, str]:
    """The text of an uploaded resume, and a line about it.

    Raises:
        KnowledgeError: as ``read_resume``.
    """
    most = runtime.extraction.max_chars
    text, characters = read_resume(runtime.parser, path, most)
    if characters > most:
        about = words("{file} 有 {count} 个字符，超过上限 {most}：只放入了前 {most} 个，其余 {rest} 个请另外抽取。")
    else:
        about = words("已读入 {file}：{count} 个字符。请核对上面的文字，再点“抽取”。")
    return text, render.note(about.format(file=path.name, count=characters, most=most, rest=characters - most))


def extraction_views(service: ExtractionService, text: str, use_adapter: bool, call: Call, words: Words) -> Views:
    """``views.view`` of a result while it comes, or nothing new.

    Raises:
        as ``ExtractionService.extract_stream``.
    """
    for progress in views.changed(_progress(service, text, use_adapter, call)):
        yield views.view(progress, words) if progress else (gr.skip(),) * _OUTPUTS


def _progress(service: ExtractionService, text: str, use_adapter: bool, call: Call) -> Iterator[ExtractionProgress]:
    stream = service.extract_stream(text, use_adapter=use_adapter, stop=call.stop, user=call.visitor)
    return _counted(call.follow(stream), call)


def _counted(stream: Iterator[ExtractionProgress], call: Call) -> Iterator[ExtractionProgress]:
    for progress in stream:
        if progress.done:
            call.gave(progress.partial.to_json())
        yield progress


def comparison_views(service: ExtractionService, text: str, call: Call, words: Words) -> Views:
    """Status, both highlighted texts and what differs: the base model first, then the adapter.

    Raises:
        as ``ExtractionService.extract_stream``.
    """
    found: list[Extraction] = []
    empty: views.Pieces = []
    steps = words("第 1 步，共 2 步：基座正在抽取……"), words("第 2 步，共 2 步：适配器正在抽取……")
    for use_adapter, step in zip((False, True), steps, strict=True):
        stream = _progress(service, text, use_adapter, call)
        status = render.note(step)
        yield (status, gr.skip(), empty, "") if use_adapter else (status, empty, empty, "")
        for progress in views.changed(stream):
            shown = views.highlight(progress.partial, words) if progress else gr.skip()
            yield (
                (gr.skip(), gr.skip(), shown, gr.skip())
                if use_adapter
                else (gr.skip(), shown, gr.skip(), gr.skip())
            )
            if progress and progress.done:
                found.append(progress.partial)
    base, adapted = found
    seconds = [extraction.timings_ms.get("total", 0) / 1000 for extraction in found]
    took = words("基座用时 {base:.1f} 秒，适配器用时 {adapter:.1f} 秒。")
    status = render.note(took.format(base=seconds[0], adapter=seconds[1]))
    yield (
        status,
        views.highlight(base, words),
        views.highlight(adapted, words),
        views.differences(base, adapted, words),
    )


def _highlighted(label: str, elem_id: str, words: Words) -> gr.HighlightedText:
    return gr.HighlightedText(
        label=label, color_map=views.colours(words), show_legend=True, combine_adjacent=False, elem_id=elem_id
    )


def _example_resumes() -> list[str]:
    folder = ROOT / "examples" / "resumes"
    texts = [path.read_text(encoding="utf-8").strip() for path in sorted(folder.glob("*.txt"))]
    return sorted(texts, key=len)
