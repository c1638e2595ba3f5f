"""Is the index what it should be, and how long are its passages."""

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from src.retrieval.checks import Finding, check
from src.retrieval.inspect import Lengths, lengths
from src.ui.context import CHECK, Context
from src.ui.index import plots
from src.ui.index.verdict import MARKS
from src.ui.templating import note, render
from src.ui.wording import CHINESE, Words

# The names that ``retrieval.checks`` gives its findings, for their English form.
CHECKS = (
    CHINESE("段落与向量的数目"),
    CHINESE("向量模型"),
    CHINESE("文件"),
    CHINESE("删除未回收"),
    CHINESE("重复段落"),
    CHINESE("空的和过长的段落"),
    CHINESE("向量长度"),
    CHINESE("向量与文字相符"),
    CHINESE("近似检索的召回率 recall@10"),
    CHINESE("磁盘校验和"),
)
_LEVELS = {"ok": CHINESE("正常"), "warn": CHINESE("注意"), "bad": CHINESE("有问题")}


class Check:
    """The sub-tab."""

    def __init__(self, context: Context, tab: gr.Tab) -> None:
        self._context = context
        words = context.words
        about = words("逐项检查知识库的索引：数目、向量、重复、召回率、磁盘文件。几秒钟；百万段的索引要一两分钟。")
        with gr.Row(equal_height=True):
            with gr.Column(scale=5, min_width=260):
                gr.HTML(note(about, words))
            self.button = gr.Button(
                words("开始体检"),
                variant="primary",
                scale=1,
                min_width=130,
                elem_id="check-run",
                elem_classes=["yz-run"],
            )
        self.results = gr.HTML(elem_id="check-results")
        self.plot = gr.BarPlot(
            x="characters", y="passages", x_title=words("字数"), y_title=words("段数"), height=280,
            x_label_angle=-45, label=words("段落长度分布"), buttons=[], elem_id="length-plot",
        )  # fmt: skip
        self.spread = gr.HTML(elem_id="length-note")
        context.listen(self.button.click, self.run, None, self.results, show_progress="minimal", **CHECK)
        context.listen(tab.select, self.draw, None, [self.plot, self.spread], show_progress="hidden", **CHECK)

    def run(self) -> Iterator[str]:
        """The findings so far, each time there is one more."""
        words, found = self._context.words, list[Finding]()
        yield findings_html(found, running=True, words=words)
        for finding in check(self._context.runtime.local_base):
            found.append(finding)
            yield findings_html(found, running=True, words=words)
        yield findings_html(found, running=False, words=words)

    def draw(self) -> tuple[Any, str]:
        """The histogram of lengths, and its note."""
        words, measured = self._context.words, lengths(self._context.runtime.local_base)
        bars = plots.length_bars(measured)
        return gr.BarPlot(bars, sort=list(bars["characters"])), note(length_text(measured, words), words)


def findings_html(found: Sequence[Finding], running: bool, words: Words) -> str:
    """The checks made so far; folded once all are well."""
    lines = [
        {
            "level": finding.level,
            "mark": MARKS[finding.level],
            "state": words(_LEVELS[finding.level]),
            "name": words(finding.name),
            "detail": words.error(finding.detail),
        }
        for finding in found
    ]
    worst = [finding for finding in found if finding.level != "ok"]
    if running:
        summary = words("正在检查…")
    elif not worst:
        summary = words("查完了：{count} 项全部正常。").format(count=len(found))
    else:
        names = words("、").join(words(finding.name) for finding in worst)
        summary = words("查完了，要留意的有：{names}。").format(names=names)
    return render("index/findings", words, lines=lines, summary=summary, folded=not running and not worst)


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
