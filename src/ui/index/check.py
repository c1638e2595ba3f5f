"""The index's health, checked point by point, and the lengths of its passages."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from src.search.checks import Finding, check
from src.search.inspect import Lengths, lengths
from src.ui.context import CHECK, Context
from src.ui.index.parts import run_button
from src.ui.templating import note, render
from src.ui.wording import CHINESE, Words

# The names that ``retrieval.checks`` gives its findings, for their English form.
CHECKS = (
    CHINESE("段落与向量的数目"), CHINESE("向量模型"), CHINESE("文件"), CHINESE("删除未回收"), CHINESE("重复段落"),
    CHINESE("空的和过长的段落"), CHINESE("向量长度"), CHINESE("向量与文字相符"), CHINESE("近似检索的召回率 recall@10"),
    CHINESE("磁盘校验和"),
)  # fmt: skip


class Check:
    """The sub-tab."""

    def __init__(self, context: Context, tab: gr.Tab) -> None:
        self._context, words = context, context.words
        about = words("逐项检查知识库的索引：数目、向量、重复、召回率、磁盘文件。几秒钟；百万段的索引要一两分钟。")
        with gr.Row(equal_height=True):
            with gr.Column(scale=5, min_width=260):
                gr.HTML(note(about, words))
            run = run_button(words("开始体检"), "check-run")
        results = gr.HTML(elem_id="check-results")
        plot = gr.BarPlot(
            x="characters", y="passages", x_bin=20, y_aggregate="sum", x_title=words("字数"),
            y_title=words("段数"), height=280, title=words("段落长度分布"), show_label=False, buttons=[], elem_id="length-plot",
        )  # fmt: skip
        spread = gr.HTML(elem_id="length-note")
        context.listen(run.click, self.run, None, results, show_progress="minimal", **CHECK)
        context.listen(tab.select, self.draw, None, [plot, spread], show_progress="hidden", **CHECK)

    def run(self) -> Iterator[str]:
        """The findings so far, each time there is one more."""
        found: list[Finding] = []
        yield findings_html(found, True, self._context.words)
        for finding in check(self._context.runtime.local_base):
            found.append(finding)
            yield findings_html(found, True, self._context.words)
        yield findings_html(found, False, self._context.words)

    def draw(self) -> tuple[Any, str]:
        """The histogram of lengths, and its note."""
        words, measured = self._context.words, lengths(self._context.runtime.local_base)
        bars = pd.DataFrame(Counter(measured.characters.tolist()).items(), columns=["characters", "passages"])
        return bars, note(length_text(measured, words), words)


def findings_html(found: Sequence[Finding], running: bool, words: Words) -> str:
    """The checks made so far; folded once all are well."""
    lines = [(finding.level, words(finding.name), words.error(finding.detail)) for finding in found]
    worst = [name for level, name, _ in lines if level != "ok"]
    return render("index/findings", words, lines=lines, running=running, worst=worst)


def length_text(measured: Lengths, words: Words) -> str:
    """The histogram in a line of words."""
    count, total = len(measured.characters), measured.total
    if not count:
        return words("索引是空的。")
    least, middle, most = np.quantile(measured.characters, [0, 0.5, 1]).astype(int).tolist()
    text = words("全部 {total} 段：最短 {least} 字，中位数 {middle} 字，最长 {most} 字。")
    if count < total:
        text = words("均匀抽取的 {count} 段，共 {total} 段：最短 {least} 字，中位数 {middle} 字，最长 {most} 字。")
    return text.format(count=count, total=total, least=least, middle=middle, most=most)
