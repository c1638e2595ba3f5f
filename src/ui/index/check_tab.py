"""Is the index what it should be, and how long are its passages."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from src.retrieval.checks import Finding, check
from src.retrieval.inspect import Lengths, lengths
from src.runtime import Runtime
from src.ui import render
from src.ui.guard import CHECK_SLOT, PRIVATE, guarded_in
from src.ui.index import cards
from src.ui.index.figures import length_figure
from src.ui.wording import Words


def build(runtime: Runtime, tab: gr.Tab, words: Words) -> None:
    """Draw the tab inside the current Blocks."""
    guarded = guarded_in(words)
    button = gr.Button(words("开始体检"), variant="primary", elem_id="check-run")
    about = words("逐项检查知识库的索引：数目、向量、重复、召回率、磁盘文件。几秒钟；百万段的索引要一两分钟。")
    results = gr.HTML(render.note(about), elem_id="check-results")
    plot = gr.Plot(label=words("段落长度分布"), elem_id="length-plot")
    spread = gr.HTML(elem_id="length-note")

    @guarded
    def run() -> Iterator[str]:
        found: list[Finding] = []
        yield cards.findings(found, running=True, words=words)
        for finding in check(runtime.local_base):
            found.append(finding)
            yield cards.findings(found, running=True, words=words)
        yield cards.findings(found, running=False, words=words)

    @guarded
    def draw() -> tuple[Any, str]:
        measured = lengths(runtime.local_base)
        return length_figure(measured, words), render.note(length_text(measured, words))

    slot: dict[str, Any] = {**PRIVATE, **CHECK_SLOT}
    button.click(run, None, results, show_progress="minimal", **slot)
    tab.select(draw, None, [plot, spread], show_progress="hidden", **slot)


def length_text(measured: Lengths, words: Words) -> str:
    """The histogram in a line of words."""
    characters = measured.characters
    if not len(characters):
        return words("索引是空的。")
    ordered = sorted(characters.tolist())
    middle = ordered[len(ordered) // 2]
    if len(characters) == measured.total:
        text = words("全部 {total} 段：最短 {least} 字，中位数 {middle} 字，最长 {most} 字。")
    else:
        text = words("均匀抽取的 {count} 段，共 {total} 段：最短 {least} 字，中位数 {middle} 字，最长 {most} 字。")
    return text.format(
        count=len(characters), total=measured.total, least=ordered[0], middle=middle, most=ordered[-1]
    )
