"""The index as a map, with a question and its hits on it."""

from typing import Any

import gradio as gr
import numpy as np
from gradio.components.plot import PlotData

from src.retrieval.inspect import find
from src.retrieval.knowledge_base import KnowledgeBase
from src.retrieval.projection import Projection, projection
from src.retrieval.search import MAX_QUERY_CHARS
from src.runtime import Runtime
from src.ui import render
from src.ui.guard import CHECK_SLOT, PRIVATE, guarded_in, session_of
from src.ui.index.figures import hover_text, map_figure
from src.ui.wording import CHINESE, Words

HITS = 10
ABOUT = CHINESE(
    "每个点是一段，位置是它的向量在两个主成分上的投影（同样的索引总是同一张图），颜色是文件；"
    "投影只留下一部分信息，图上离得近的不一定真的最近。悬停看文字，拖动平移，右上角的按钮缩放。"
)


def build(runtime: Runtime, tab: gr.Tab, probe_query: gr.Textbox, words: Words) -> None:
    """Draw the tab inside the current Blocks; its box takes over the question of the probe."""
    guarded = guarded_in(words)
    with gr.Row(equal_height=True):
        query = gr.Textbox(
            label=words("在地图上找"), placeholder=words("输入问题，看它落在哪里"), max_length=MAX_QUERY_CHARS, scale=5,
            min_width=240, elem_id="map-input",
        )  # fmt: skip
        button = gr.Button(words("定位"), variant="primary", scale=1, min_width=120, elem_id="map-run")
    note = gr.HTML(render.note(words(ABOUT)), elem_id="map-note")
    plot = gr.Plot(label=words("地图"), show_label=False, elem_id="map-plot")

    @guarded
    def draw(text: str, request: gr.Request) -> tuple[str, Any]:
        figure, about = view(runtime, text, session_of(request), words)
        return render.note(about), figure

    @guarded
    def enter(text: str, probed: str, request: gr.Request) -> tuple[str, str, Any]:
        asked = text if text.strip() else probed
        return asked, *draw(asked, request)

    slot: dict[str, Any] = {"show_progress": "minimal", **PRIVATE, **CHECK_SLOT}
    gr.on([button.click, query.submit], draw, query, [note, plot], **slot)
    tab.select(enter, [query, probe_query], [query, note, plot], **slot)


def view(runtime: Runtime, text: str, session: str, words: Words) -> tuple[PlotData | None, str]:
    """The figure, and what it shows in words; without a question only the passages.

    Raises:
        InputError: a question that cannot be used.
    """
    own = runtime.sessions.base(session)
    bases = [base for base in (runtime.local_base, own) if base is not None and len(base)]
    if not bases:
        return None, words("索引是空的，没有可以画的段落。")
    projected = projection(bases)
    shares = words("、").join(f"{share:.0%}" for share in projected.share)
    count = len(projected.places)
    if count == projected.total:
        extent = words("图上有 {count} 段，两个方向各占差异的 {shares}。")
    else:
        extent = words("图上有 {total} 段里均匀取出的 {count} 段，两个方向各占差异的 {shares}。")
    about = words(ABOUT) + extent.format(count=count, total=projected.total, shares=shares)
    if not text.strip():
        return map_figure(projected, words), about
    explanation = runtime.retriever.explain(text, "hybrid", own)
    hits = [
        (
            point,
            hover_text(f"{words('第 {rank}').format(rank=found.rank)} · {found.chunk.chunk_id}", found.chunk.text),
        )
        for found in explanation.candidates[:HITS]
        if (point := _point(projected, own if found.extra else runtime.local_base, found.chunk.chunk_id))
        is not None
    ]
    assert explanation.query.vector is not None  # hybrid embeds
    star = projected.place(explanation.query.vector[None, :])[0]
    marks = words("星是问题，圈是前 {count} 条命中，数字是名次。").format(count=len(hits))
    return map_figure(projected, words, star, hits), about + marks


def _point(projected: Projection, base: KnowledgeBase | None, chunk_id: str) -> np.ndarray | None:
    """Where a passage lies, also one that is not among the dots; None if it is gone since."""
    place = find(base, chunk_id) if base is not None else None
    return None if place is None else projected.place(place.vector[None, :])[0]
