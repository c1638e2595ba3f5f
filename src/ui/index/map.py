"""The index as a map, its clouds named, with a question and its hits on it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr
import numpy as np

from src.retrieval.explain import Explained, Explanation
from src.retrieval.inspect import find
from src.retrieval.knowledge_base import KnowledgeBase
from src.retrieval.projection import Projection, projection
from src.retrieval.search import MAX_QUERY_CHARS
from src.retrieval.themes import Theme, themes
from src.runtime import MIN_SCORE
from src.ui.context import CHECK, SEARCH, Context
from src.ui.index import marking, plots, verdict
from src.ui.index.passages import OWN, SHARED, Passages
from src.ui.index.probe import ENABLED_JS
from src.ui.index.table import table
from src.ui.templating import render
from src.ui.wording import CHINESE

HITS = 10
FILE, THEME = "file", "theme"
HEADERS = [CHINESE("名次"), CHINESE("段落"), CHINESE("相关")]
WIDTHS = [60, 290, 106]


class Map:
    """The sub-tab: a dot a passage; colours are clouds or files."""

    def __init__(self, context: Context, tab: gr.Tab, probed: gr.Textbox, passages: Passages) -> None:
        self._context, self._passages = context, passages
        words = context.words
        with gr.Row(equal_height=True):
            self.query = gr.Textbox(
                label=words("在地图上找"), placeholder=words("输入问题，看它落在哪里"), max_length=MAX_QUERY_CHARS,
                max_lines=3, scale=5, min_width=240, elem_id="map-input",
            )  # fmt: skip
            self.colour = gr.Radio(
                [(words("主题"), THEME), (words("文件"), FILE)], value=THEME, label=words("颜色"), scale=2,
                min_width=170, elem_id="map-colour",
            )  # fmt: skip
            self.button = gr.Button(
                words("定位"),
                variant="primary",
                scale=1,
                min_width=110,
                interactive=False,
                elem_id="map-run",
                elem_classes=["yz-run"],
            )
        self.about = gr.HTML(elem_id="map-about")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320):
                self.plot = gr.ScatterPlot(
                    x="x", y="y", color="kind", x_title=" ", y_title=" ", color_title=" ",
                    x_axis_labels_visible=False, tooltip=[words("段落")], height=520, show_label=False, buttons=[],
                    elem_id="map-plot",
                )  # fmt: skip
            with gr.Column(scale=2, min_width=300, visible=False) as self.beside:
                self.hits = table(
                    HEADERS,
                    WIDTHS,
                    words,
                    "map-hits",
                    numbers=(0,),
                    label=words("问题的前几条命中（点一行看全文）"),
                )
                self.detail = gr.HTML(elem_id="map-detail")
        # The collection and the id of each hit on the page.
        self.shown = gr.State([], time_to_live=3600)
        self._listen(tab, probed)

    def _listen(self, tab: gr.Tab, probed: gr.Textbox) -> None:
        outputs = [self.about, self.plot, self.beside, self.hits, self.detail, self.shown]
        slot: dict[str, Any] = {"show_progress": "minimal", **CHECK}
        events = [self.button.click, self.query.submit, self.colour.input]
        self._context.listen(events, self.draw, [self.query, self.colour], outputs, **slot)
        entering = [self.query, probed, self.colour]
        self._context.listen(tab.select, self.enter, entering, [self.query, *outputs], **slot)
        self._context.listen(
            self.hits.select, self.choose, self.shown, self.detail, show_progress="hidden", **SEARCH
        )
        self.query.change(None, self.query, self.button, js=ENABLED_JS, api_visibility="private")

    def enter(self, query: str, probed: str, colour: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """The map, with the question of the first sub-tab where there is none of its own."""
        asked = query if query.strip() else probed
        for view in self.draw(asked, colour, request):
            yield asked, *view

    def draw(self, query: str, colour: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """The view, after the old plot has been taken away: gradio draws new data with the old names of colours."""
        view = self.view(query, colour, request)
        yield gr.skip(), None, *[gr.skip()] * (len(view) - 2)
        yield view

    def view(self, query: str, colour: str, request: gr.Request) -> tuple[Any, ...]:
        """The map of all passages; with a question also where it lies, and its hits."""
        words, runtime = self._context.words, self._context.runtime
        own = self._context.sessions.documents_of(request)
        bases = [base for base in (runtime.local_base, own) if base is not None and len(base)]
        if not bases:
            text = words("索引是空的，没有可以画的段落。")
            return self._about([text]), gr.ScatterPlot(None), *self._beside(None)
        projected = projection(bases)
        found = themes(projected)
        names = plots.file_names(projected, words) if colour == FILE else plots.theme_names(projected, found, words)
        if not query.strip():
            dots = plots.map_dots(projected, names, words)
            return self._about([], dots, projected), self._plot(dots), *self._beside(None)
        explanation = runtime.retriever.explain(query, "hybrid", own)
        hits = explanation.candidates[:HITS]
        marks = [
            (point, marking.excerpt(hit.chunk.text, limit=plots.TOOLTIP_CHARS))
            for hit in hits
            if (point := self._point(projected, own if hit.extra else runtime.local_base, hit)) is not None
        ]
        assert explanation.query.vector is not None  # hybrid embeds
        question = projected.place(explanation.query.vector[None, :])[0]
        dots = plots.map_dots(projected, names, words, marks, question)
        where = self._where([point for point, _ in marks], found)
        return (
            self._about([where] if where else [], dots, projected),
            self._plot(dots),
            *self._beside(explanation),
        )

    def _plot(self, dots: Any) -> gr.ScatterPlot:
        colours = plots.map_colours(dots, self._context.words)
        return gr.ScatterPlot(dots, color_map=colours, colors_in_legend=[])

    def choose(self, shown: list[tuple[str, str]], event: gr.SelectData, request: gr.Request) -> str:
        """The passage of a row of hits, with those around it."""
        scope, chunk_id = shown[int(event.row_value[0]) - 1]
        return self._passages.around(scope, "", chunk_id, request)

    def _beside(self, explanation: Explanation | None) -> tuple[Any, ...]:
        """The list of hits; nothing without a question."""
        words, hits = self._context.words, explanation.candidates[:HITS] if explanation else ()
        rows = [
            [c.rank, marking.excerpt(c.chunk.text, limit=60), verdict.relation_text(c.score, MIN_SCORE, words)]
            for c in hits
        ]
        return (
            gr.Column(visible=bool(hits)),
            rows,
            "",
            [(OWN if c.extra else SHARED, c.chunk.chunk_id) for c in hits],
        )

    def _where(self, points: Sequence[np.ndarray], found: Sequence[Theme]) -> str:
        """The cloud that most hits lie in."""
        if not points or len(found) < 2:
            return ""
        centres = np.stack([theme.centre for theme in found])
        nearest = [int(((centres - point) ** 2).sum(axis=1).argmin()) for point in points]
        number, count = Counter(nearest).most_common(1)[0]
        name = plots.theme_name(found[number], number + 1, self._context.words)
        text = self._context.words("前 {total} 条命中里有 {count} 条在“{name}”这一片。")
        return text.format(total=len(points), count=count, name=name)

    def _about(self, lines: Sequence[str], dots: Any = None, projected: Projection | None = None) -> str:
        """The legend, which a narrow plot has no room for, and what the map leaves out."""
        words = self._context.words
        if dots is None or projected is None:
            return render("index/map", words, lines=lines, legend=[], extent="", shares="")
        colours, counts = plots.map_colours(dots, words), Counter(dots["kind"])
        legend = [(name, counts[name], colour) for name, colour in colours.items()]
        count = len(projected.places)
        extent = words("图上有 {count} 段。")
        if count != projected.total:
            extent = words("图上有 {total} 段里均匀取出的 {count} 段。")
        extent = extent.format(count=count, total=projected.total)
        shares = words("、").join(f"{share:.0%}" for share in projected.share)
        return render("index/map", words, lines=lines, legend=legend, extent=extent, shares=shares)

    @staticmethod
    def _point(projected: Projection, base: KnowledgeBase | None, hit: Explained) -> np.ndarray | None:
        """Where a passage lies, also one that is not among the dots; None if it is gone since."""
        place = find(base, hit.chunk.chunk_id) if base is not None else None
        return None if place is None else projected.place(place.vector[None, :])[0]
