"""Figures for ``gr.Plot``, as the JSON that gradio's own plotly.js draws; nothing is fetched from elsewhere.

Plotly shows a small part of HTML in its labels, so that every text is escaped here.
"""

import json
from collections import Counter
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
from gradio.components.plot import PlotData

from src.knowledge.split import MAX_CHARS
from src.retrieval.explain import Explanation
from src.retrieval.inspect import Lengths
from src.retrieval.projection import Projection
from src.ui.wording import Words

# Told apart also by those who see red and green alike, and on light and on dark.
COLOURS = ("#4e79a7", "#f28e2b", "#76b7b2", "#e15759", "#59a14f", "#b07aa1", "#edc948", "#9c755f", "#ff9da7")
OTHERS = "#9aa0a6"
ACCENT = "#d6336c"
STAGE_COLOURS = {"lexical": "#4e79a7", "dense": "#f28e2b", "final": "#59a14f"}
BIN_CHARS = 20
BINS = 20
_LEGEND = {"orientation": "h", "y": -0.04, "yanchor": "top", "x": 0}
_GRID = "rgba(128,128,128,.25)"
_HOVER_LINE, _HOVER_LINES, _NAME = 26, 5, 26


def length_figure(lengths: Lengths, words: Words) -> PlotData:
    """A histogram of passages' characters; what is longer than a passage may be has a bar of its own."""
    edges = np.arange(0, MAX_CHARS + 1, BIN_CHARS)
    # A bar holds its upper end, so that a passage of the greatest length allowed is not with the longer ones.
    counts, _ = np.histogram(lengths.characters - 0.5, [-np.inf, *edges[1:], np.inf])
    names = [f"{a + 1}–{b}" for a, b in pairwise(edges.tolist())] + [f">{MAX_CHARS}"]
    bar = {"type": "bar", "x": names, "y": counts.tolist(), "marker": {"color": COLOURS[0]}}
    xaxis = _axis(words("字数")) | {"showgrid": False}
    return _figure([bar], xaxis=xaxis, yaxis=_axis(words("段数")), showlegend=False, bargap=0.08)


def score_figure(explanation: Explanation, words: Words) -> PlotData:
    """Histograms of all candidates' scores in the stages that gave any, and in the end."""
    columns: dict[str, tuple[str, list[float | None]]] = {
        words("字面"): ("lexical", [c.stages.lexical for c in explanation.candidates]),
        words("向量"): ("dense", [c.stages.dense for c in explanation.candidates]),
        words("最终"): ("final", [*(c.score for c in explanation.candidates)]),
    }
    edges = np.linspace(0, 1, BINS + 1)
    centres = ((edges[:-1] + edges[1:]) / 2).round(3).tolist()
    bars = []
    for name, (stage, scores) in columns.items():
        known = [score for score in scores if score is not None]
        if known and (stage == "final" or explanation.query.mode != stage):
            counts, _ = np.histogram(np.clip(known, 0, 1), edges)
            bars.append(
                {
                    "type": "bar", "x": centres, "y": counts.tolist(), "name": name,
                    "marker": {"color": STAGE_COLOURS[stage]},
                }
            )  # fmt: skip
    return _figure(
        bars, xaxis=_axis("") | {"showgrid": False}, yaxis=_axis(words("候选段数")), barmode="group", bargap=0.1
    )


def map_figure(
    projected: Projection,
    words: Words,
    query: np.ndarray | None = None,
    hits: Sequence[tuple[np.ndarray, str]] = (),
) -> PlotData:
    """Passages as dots, a colour a file; the query (2,) as a star, its hits (point (2,), hover text) ringed, numbered."""
    passages = [place.passage for place in projected.places]
    counts = Counter(passage.file for passage in passages)
    shown = [name for name, _ in counts.most_common(len(COLOURS))]
    traces: list[dict[str, Any]] = []
    for number, name in enumerate([*shown, None]):
        members = [
            i for i, p in enumerate(passages) if (p.file == name if name is not None else p.file not in shown)
        ]
        if members:
            others = words("其余 {count} 个文件").format(count=len(counts) - len(shown))
            label = _short(name, _NAME) if name is not None else others
            texts = [hover_text(passages[i].chunk.chunk_id, passages[i].chunk.text) for i in members]
            colour = COLOURS[number] if name is not None else OTHERS
            marker = {"color": colour, "size": 8, "opacity": 0.75}
            traces.append(_dots(projected.points[members], texts, f"{escape(label, quote=False)}", marker))
    if hits:
        ring = {"symbol": "circle-open", "size": 17, "color": ACCENT, "line": {"width": 2.5}}
        trace = _dots(np.stack([point for point, _ in hits]), [text for _, text in hits], words("命中"), ring)
        numbers = [str(number) for number in range(1, len(hits) + 1)]
        traces.append(
            trace
            | {"mode": "markers+text", "text": numbers, "textposition": "top center", "textfont": {"size": 15}}
        )
    if query is not None:
        star = {"symbol": "star", "size": 18, "color": ACCENT, "line": {"width": 1, "color": "#ffffff"}}
        traces.append(_dots(query[None, :], [words("问题")], words("问题"), star))
    axis = {**_axis(""), "showticklabels": False, "zeroline": False}
    return _figure(
        traces,
        xaxis=axis,
        yaxis=axis,
        dragmode="pan",
        hovermode="closest",
        height=560,
        margin={"l": 16, "r": 16, "t": 36, "b": 16},
    )


def hover_text(name: str, text: str) -> str:
    """A name and the beginning of a text, wrapped, with nothing that plotly would take for markup."""
    shown = _short(text.replace("\n", " "), _HOVER_LINE * _HOVER_LINES)
    lines = [shown[i : i + _HOVER_LINE] for i in range(0, len(shown), _HOVER_LINE)]
    return "<br>".join(escape(line, quote=False) for line in [_short(name, _HOVER_LINE * 2), *lines])


def _dots(points: np.ndarray, texts: list[str], name: str, marker: dict[str, Any]) -> dict[str, Any]:
    x, y = np.round(points.astype(float), 4).T.tolist()
    return {
        "type": "scatter", "mode": "markers", "x": x, "y": y, "name": name, "marker": marker, "hovertext": texts,
        "hoverinfo": "text",
    }  # fmt: skip


def _axis(title: str) -> dict[str, Any]:
    return {"title": {"text": title}, "gridcolor": _GRID, "zerolinecolor": _GRID, "automargin": True}


def _figure(traces: list[dict[str, Any]], **layout: Any) -> PlotData:
    """Without a background, so that the page's own shows; the page's style colours the words (render.CSS)."""
    hover = {
        "bgcolor": "#1f2430",
        "bordercolor": "#888888",
        "align": "left",
        "font": {"color": "#ffffff", "size": 13},
    }
    base = {
        "height": 300, "margin": {"l": 50, "r": 16, "t": 48, "b": 46},
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"color": "#808080"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#909090", "activecolor": ACCENT},
        "hoverlabel": hover, "legend": _LEGEND,
    }  # fmt: skip
    config = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
    figure = {"data": traces, "layout": base | layout, "config": config}
    return PlotData(type="plotly", plot=json.dumps(figure, ensure_ascii=True))


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
