"""Tab 2: a resume in, entities out: highlighted, as a table, as JSON."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import gradio as gr

from src.errors import Stopped
from src.extraction.schema import LABELS, Extraction, Span
from src.extraction.service import ExtractionProgress
from src.runtime import Runtime
from src.settings import ROOT
from src.ui import render
from src.ui.guard import MODEL_SLOT, PRIVATE, QUICK, guarded, session_of
from src.ui.running import Running

# One colour a label, apart in hue and readable on light and dark.
COLOURS = dict(
    zip(LABELS, ("#e5484d", "#f76b15", "#d4a017", "#30a46c", "#12a594", "#0090ff", "#8e4ec6", "#d6409f"), strict=True)
)  # fmt: skip
_DOWNLOAD_JS = """(value) => {
  if (!value || !value.text) return;
  const blob = new Blob([JSON.stringify(value, null, 2)], {type: "application/json"});
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "extraction.json";
  link.click();
  URL.revokeObjectURL(link.href);
}"""


def build(runtime: Runtime) -> list[Running]:
    """Draw the tab inside the current Blocks; returns what knows the visitors' running work."""
    service = runtime.extraction
    if service.has_adapter:
        about = "已载入简历适配器。取消勾选可看基座模型的结果。"
    else:
        about = "尚未载入简历适配器（LoRA）：下面是基座模型用课程提示词抽取的结果，会有遗漏和类别错误。可用 --adapter 指定适配器。"
    gr.HTML(render.note(about + "简历属于个人信息：文字只在内存里处理，不落盘、不写日志。"))
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            box = gr.Textbox(
                label="简历 Resume", lines=9, max_lines=18, placeholder="把一段简历贴到这里", elem_id="resume-input"
            )
            use_adapter = gr.Checkbox(service.has_adapter, label="使用简历适配器", interactive=service.has_adapter)
            with gr.Row():
                run_button = gr.Button("抽取 Extract", variant="primary", elem_id="extract-run")
                stop_button = gr.Button("■ 停止", variant="stop", elem_id="extract-stop")
            gr.Examples(
                [[text] for text in _example_resumes()], inputs=box, label="示例（虚构人物）", examples_per_page=6
            )
        with gr.Column(scale=3, min_width=320):
            status = gr.HTML(render.note("抽取结果会显示在这里。"), elem_id="extract-status")
            highlighted = gr.HighlightedText(
                label="原文标注",
                color_map=COLOURS,
                show_legend=True,
                combine_adjacent=False,
                elem_id="extract-text",
            )
            table = gr.Dataframe(
                headers=["类别", "文字", "起", "止"], label="实体", interactive=False, wrap=True, elem_id="extract-table",
                datatype=["str", "str", "number", "number"],
            )  # fmt: skip
            with gr.Accordion("JSON", open=False):
                result = gr.JSON(show_label=False, elem_id="extract-json")
            download = gr.Button("下载 JSON", size="sm", elem_id="extract-download")

    running = Running()
    ticket = gr.Number(visible=False)

    def begin(request: gr.Request) -> int:
        return running.ticket(session_of(request))

    @guarded
    def extract(text: str, adapter: bool, number: int, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        with running.answer(session_of(request), number) as stop:
            if not stop.is_set():
                with suppress(Stopped):
                    yield from views(service.extract_stream(text, use_adapter=adapter, stop=stop))
            if stop.is_set():
                # Gradio sends the last item once more when a generator ends; whoever stopped it draws the page now.
                yield (gr.skip(),) * 4

    def halt(request: gr.Request) -> str:
        running.stop(session_of(request))
        return render.note("已停止。")

    quick: dict[str, Any] = {"show_progress": "hidden", **PRIVATE, **QUICK}
    model: dict[str, Any] = {"show_progress": "minimal", "trigger_mode": "multiple", **PRIVATE, **MODEL_SLOT}
    begun = run_button.click(begin, None, ticket, **quick)
    begun.success(extract, [box, use_adapter, ticket], [status, highlighted, table, result], **model)
    stop_button.click(halt, None, status, **quick)
    # The browser makes the file from what it already shows: no copy of a resume is left on the server.
    download.click(None, result, None, js=_DOWNLOAD_JS, **PRIVATE)
    return [running]


def views(stream: Iterator[ExtractionProgress]) -> Iterator[tuple[Any, ...]]:
    """One item for each of ``stream``, so that a reader who leaves frees the model at once; the page is only drawn
    anew when there is something new on it."""
    shown: tuple[int, int, bool] | None = None
    for progress in stream:
        state = (progress.windows_done, len(progress.partial.spans), progress.done)
        yield view(progress) if state != shown else (gr.skip(),) * 4
        shown = state


def view(progress: ExtractionProgress) -> tuple[Any, ...]:
    """Status, highlighted text, table rows and JSON of a result so far."""
    extraction = progress.partial
    found = f"已找到 {len(extraction.spans)} 个实体"
    if progress.done:
        seconds = extraction.timings_ms.get("total", 0) / 1000
        status = f"{found}，用时 {seconds:.1f} 秒。每个实体都是原文里的一段。"
    else:
        status = f"正在抽取：{progress.windows_total} 段中的第 {progress.windows_done + 1} 段，{found}……"
    rows = [[span.label, span.text, span.start, span.end] for span in extraction.spans]
    return render.note(status), highlight(extraction), rows, extraction.to_json()


def highlight(extraction: Extraction) -> list[tuple[str, str | None]]:
    """The text in pieces, each with its label or None; where two entities overlap, the first one is shown."""
    pieces: list[tuple[str, str | None]] = []
    position = 0
    for span in _without_overlap(extraction.spans):
        if span.start > position:
            pieces.append((extraction.text[position : span.start], None))
        pieces.append((span.text, span.label))
        position = span.end
    if position < len(extraction.text):
        pieces.append((extraction.text[position:], None))
    return pieces


def _without_overlap(spans: Sequence[Span]) -> list[Span]:
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def _example_resumes() -> list[str]:
    folder = ROOT / "examples" / "resumes"
    texts = [path.read_text(encoding="utf-8").strip() for path in sorted(folder.glob("*.txt"))]
    return sorted(texts, key=len)
