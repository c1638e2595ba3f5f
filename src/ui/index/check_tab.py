"""Is the index what it should be, and how long are its passages."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from src.retrieval.checks import Finding, check
from src.retrieval.inspect import Lengths, lengths
from src.runtime import Runtime
from src.ui import render
from src.ui.guard import CHECK_SLOT, PRIVATE, guarded
from src.ui.index import cards
from src.ui.index.figures import length_figure


def build(runtime: Runtime, tab: gr.Tab) -> None:
    """Draw the tab inside the current Blocks."""
    button = gr.Button("开始体检 Check", variant="primary", elem_id="check-run")
    results = gr.HTML(
        render.note("逐项检查知识库的索引：数目、向量、重复、召回率、磁盘文件。几秒钟；百万段的索引要一两分钟。"),
        elem_id="check-results",
    )
    plot = gr.Plot(label="段落长度分布", elem_id="length-plot")
    about = gr.HTML(elem_id="length-note")

    @guarded
    def run() -> Iterator[str]:
        found: list[Finding] = []
        yield cards.findings(found, running=True)
        for finding in check(runtime.local_base):
            found.append(finding)
            yield cards.findings(found, running=True)
        yield cards.findings(found, running=False)

    @guarded
    def draw() -> tuple[Any, str]:
        measured = lengths(runtime.local_base)
        return length_figure(measured), render.note(length_text(measured))

    slot: dict[str, Any] = {**PRIVATE, **CHECK_SLOT}
    button.click(run, None, results, show_progress="minimal", **slot)
    tab.select(draw, None, [plot, about], show_progress="hidden", **slot)


def length_text(measured: Lengths) -> str:
    """The histogram in a line of words."""
    characters = measured.characters
    if not len(characters):
        return "索引是空的。"
    extent = "全部" if len(characters) == measured.total else f"均匀抽取的 {len(characters)} 段，共"
    ordered = sorted(characters.tolist())
    middle = ordered[len(ordered) // 2]
    return f"{extent} {measured.total} 段：最短 {ordered[0]} 字，中位数 {middle} 字，最长 {ordered[-1]} 字。"
