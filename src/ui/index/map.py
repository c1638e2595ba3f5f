"""The index as a map, its clouds named, with a question and its hits on it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from src.search.explain import Explained
from src.search.inspect import mean_vectors
from src.search.projection import Projection, projection
from src.search.search import MAX_QUERY_CHARS
from src.search.themes import Theme, themes
from src.ui.context import CHECK, Context
from src.ui.index.marking import ROW_CHARS, excerpt
from src.ui.index.parts import HIDDEN, OWN, SHARED, run_button, table
from src.ui.index.passages import Passages
from src.ui.passage import relevance
from src.ui.templating import render
from src.ui.wording import CHINESE, Words

HITS = 10
COLUMNS = {CHINESE("名次"): 60, CHINESE("段落"): 290, CHINESE("相关"): 106}
# Told apart also by those who see red and green alike, and on light and on dark.
COLOURS = ("#4e79a7", "#f28e2b", "#76b7b2", "#e15759", "#59a14f", "#b07aa1", "#edc948", "#9c755f", "#ff9da7")


class Map:
    """The sub-tab: a dot a passage; colours are clouds or files."""

    def __init__(self, context: Context, tab: gr.Tab, probed: gr.Textbox, passages: Passages) -> None:
        self._context, self._passages, words = context, passages, context.words
        with gr.Row(equal_height=True):
            query = gr.Textbox(
                label=words("在地图上找"), placeholder=words("输入问题，看它落在哪里"), max_length=MAX_QUERY_CHARS,
                max_lines=3, scale=5, min_width=240, elem_id="map-input",
            )  # fmt: skip
            colour = gr.Radio(
                [(words("主题"), "theme"), (words("文件"), "file")], value="theme", label=words("颜色"), scale=2,
                min_width=170, elem_id="map-colour",
            )  # fmt: skip
            run = run_button(words("定位"), "map-run", query)
        about = gr.HTML(elem_id="map-about")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320):
                plot = gr.ScatterPlot(
                    x="x", y="y", color="kind", x_title=" ", y_title=" ", color_title=" ", x_axis_labels_visible=False,
                    tooltip=[words("段落")], height=520, show_label=False, buttons=[], elem_id="map-plot",
                )  # fmt: skip
            with gr.Column(scale=2, min_width=300, visible=False) as beside:
                hits = table(COLUMNS, words, "map-hits", label=words("问题的前几条命中（点一行看全文）"))
                detail = gr.HTML(elem_id="map-detail")
        # The collection and the id of each hit on the page, by rank.
        shown = gr.State({}, time_to_live=3600)
        outputs = [about, plot, beside, hits, detail, shown]
        slot: dict[str, Any] = {"show_progress": "minimal", **CHECK}
        events = [run.click, query.submit, colour.input]
        context.listen(events, self.draw, [query, colour], outputs, **slot)
        context.listen(tab.select, self.enter, [query, probed, colour], [query, *outputs], **slot)
        context.listen(hits.select, self.choose, shown, detail, **HIDDEN)

    def enter(self, query: str, probed: str, colour: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """The map, with the question of the first sub-tab where there is none of its own."""
        asked = query if query.strip() else probed
        yield from ((asked, *view) for view in self.draw(asked, colour, request))

    def draw(self, query: str, colour: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """The view, after the old plot has been taken away: gradio draws new data with the old names of colours."""
        view = self.view(query, colour, request)
        yield gr.skip(), None, *[gr.skip()] * (len(view) - 2)
        yield view

    def view(self, query: str, colour: str, request: gr.Request) -> tuple[Any, ...]:
        """The map of all passages; with a question also where it lies, and its hits."""
        words, runtime = self._context.words, self._context.runtime
        own = self._context.sessions.documents_of(request)
        bases = [base for base in (runtime.local_base, own) if base]
        if not bases:
            return render("index/map", words, colours={}), None, *self._beside(())
        projected = projection(bases)
        names = file_names(projected, words) if colour == "file" else theme_names(themes(projected), words)
        hits: Sequence[Explained] = ()
        marks: list[tuple[np.ndarray, str, str]] = []
        if query.strip():
            explanation = runtime.retriever.explain(query, "hybrid", own)
            hits = explanation.candidates[:HITS]
            for hit in hits:
                base = own if hit.extra else runtime.local_base
                # One that is gone since has no place; others may, also where they are not among the dots.
                if base and (stored := base.store.find(hit.chunk.chunk_id)):
                    text = excerpt(hit.chunk.text, limit=ROW_CHARS)
                    marks.append((projected.place(mean_vectors(base, [stored]))[0], words("命中"), text))
            assert explanation.query.vector is not None  # hybrid embeds
            marks.append((projected.place(explanation.query.vector[None, :])[0], words("问题"), words("问题")))
        dots = dots_of(projected, names, marks, words)
        colours = colours_of(dots, words)
        about = render("index/map", words, colours=colours, counts=Counter(dots["kind"]), projected=projected)
        return about, gr.ScatterPlot(dots, color_map=colours, colors_in_legend=[]), *self._beside(hits)

    def choose(self, shown: dict[int, tuple[str, str]], event: gr.SelectData, request: gr.Request) -> str:
        """The passage of a row of hits, with those around it."""
        scope, chunk_id = shown.get(int(event.row_value[0]), (SHARED, ""))
        return self._passages.around(scope, "", chunk_id, request)

    def _beside(self, hits: Sequence[Explained]) -> tuple[Any, ...]:
        """The list of hits; hidden without a question."""
        words = self._context.words
        rows = [[c.rank, excerpt(c.chunk.text, limit=ROW_CHARS), relevance(c.score, words)] for c in hits]
        shown = {c.rank: (OWN if c.extra else SHARED, c.chunk.chunk_id) for c in hits}
        return gr.Column(visible=bool(hits)), rows, "", shown


def dots_of(
    projected: Projection, names: Sequence[str], marks: Sequence[tuple[np.ndarray, str, str]], words: Words
) -> pd.DataFrame:
    """A dot a passage, named as ``names`` says, then ``marks``, (point, name, text), which lie on top."""
    texts = [excerpt(stored.chunk.text, limit=ROW_CHARS) for stored in projected.chunks]
    dots = [*zip(projected.points, names, texts, strict=True), *marks]
    rows = [(*point.astype(float).round(3).tolist(), name, text) for point, name, text in dots]
    return pd.DataFrame(rows, columns=["x", "y", "kind", words("段落")])


def colours_of(dots: pd.DataFrame, words: Words) -> dict[str, str]:
    """A colour for every name in ``dots``, those of marks last."""
    fixed = {words("命中"): "#d6336c", words("问题"): "#7b2ff7", words("其余文件"): "#9aa0a6"}
    shown = list(dict.fromkeys(dots["kind"]))
    colours = dict(zip([name for name in shown if name not in fixed], COLOURS, strict=False))
    return colours | {name: colour for name, colour in fixed.items() if name in shown}


def file_names(projected: Projection, words: Words) -> list[str]:
    """The file of each passage; those beyond as many as there are colours share a name."""
    files = [stored.file for stored in projected.chunks]
    shown = {name for name, _ in Counter(files).most_common(len(COLOURS))}
    return [excerpt(name, limit=30) if name in shown else words("其余文件") for name in files]


def theme_names(found: Sequence[Theme], words: Words) -> list[str]:
    """The name of the cluster of each passage: its words, or its number where it has none."""
    named = {
        member: " · ".join(theme.words) or words("第 {number} 片").format(number=number)
        for number, theme in enumerate(found, 1)
        for member in theme.members.tolist()
    }
    return [named[member] for member in range(len(named))]
