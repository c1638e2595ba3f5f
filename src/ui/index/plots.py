"""Values of this tab's ``gr.BarPlot`` and ``gr.ScatterPlot``."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from src.knowledge.split import MAX_CHARS
from src.retrieval.explain import Explanation
from src.retrieval.inspect import Lengths
from src.retrieval.projection import Projection
from src.retrieval.themes import Theme
from src.ui.index.marking import excerpt
from src.ui.wording import Words

# Told apart also by those who see red and green alike, and on light and on dark.
COLOURS = ("#4e79a7", "#f28e2b", "#76b7b2", "#e15759", "#59a14f", "#b07aa1", "#edc948", "#9c755f", "#ff9da7")
OTHERS, HIT, QUESTION = "#9aa0a6", "#d6336c", "#7b2ff7"
REACHED, BELOW = "#59a14f", "#9aa0a6"
BARS = 10
BIN_CHARS = 20
TOOLTIP_CHARS = 60
NAME_CHARS = 30


def score_bars(explanation: Explanation, threshold: float, words: Words) -> pd.DataFrame:
    """The first candidates' scores, and whether they reach the chat's threshold."""
    names = {True: words("过了门槛"), False: words("没过门槛")}
    # A bar without height of each kind: gradio goes on drawing with the kinds that were there first.
    rows: list[tuple[str, float, str, str]] = [("1", 0.0, name, "") for name in names.values()]
    for c in explanation.candidates[:BARS]:
        text = excerpt(c.chunk.text, limit=TOOLTIP_CHARS)
        rows.append((str(c.rank), round(c.score, 4), names[c.score >= threshold], text))
    return pd.DataFrame(rows, columns=["rank", "score", "kind", words("段落")])


def score_colours(words: Words) -> dict[str, str]:
    return {words("过了门槛"): REACHED, words("没过门槛"): BELOW}


def length_bars(lengths: Lengths) -> pd.DataFrame:
    """Passages by their characters; what is longer than a passage may be has a bar of its own."""
    edges = np.arange(0, MAX_CHARS + 1, BIN_CHARS)
    # A bar holds its upper end, so that a passage of the greatest length allowed is not with the longer ones.
    counts, _ = np.histogram(lengths.characters - 0.5, [-np.inf, *edges[1:], np.inf])
    names = [f"{a + 1}–{b}" for a, b in pairwise(edges.tolist())] + [f">{MAX_CHARS}"]
    return pd.DataFrame({"characters": names, "passages": counts.tolist()})


def map_dots(
    projected: Projection,
    names: Sequence[str],
    words: Words,
    hits: Sequence[tuple[np.ndarray, str]] = (),
    question: np.ndarray | None = None,
) -> pd.DataFrame:
    """A dot a passage, named as ``names`` says, then the hits, (point, text), and the question, which lie on top."""
    texts = [excerpt(place.passage.chunk.text, limit=TOOLTIP_CHARS) for place in projected.places]
    rows = [
        (*_rounded(point), name, text) for point, name, text in zip(projected.points, names, texts, strict=True)
    ]
    rows += [(*_rounded(point), words("命中"), text) for point, text in hits]
    if question is not None:
        rows.append((*_rounded(question), words("问题"), words("问题")))
    return pd.DataFrame(rows, columns=["x", "y", "kind", words("段落")])


def map_colours(dots: pd.DataFrame, words: Words) -> dict[str, str]:
    """A colour for every name in ``dots``."""
    fixed = {words("命中"): HIT, words("问题"): QUESTION, words("其余文件"): OTHERS}
    names = [name for name in dict.fromkeys(dots["kind"]) if name not in fixed]
    return {**dict(zip(names, COLOURS, strict=False)), **{k: v for k, v in fixed.items() if k in set(dots["kind"])}}


def file_names(projected: Projection, words: Words) -> list[str]:
    """The file of each passage; those beyond as many as there are colours share a name."""
    files = [place.passage.file for place in projected.places]
    shown = {name for name, _ in Counter(files).most_common(len(COLOURS))}
    return [excerpt(name, limit=NAME_CHARS) if name in shown else words("其余文件") for name in files]


def theme_names(projected: Projection, found: Sequence[Theme], words: Words) -> list[str]:
    """The cluster of each passage."""
    names = [""] * len(projected.places)
    for number, theme in enumerate(found, 1):
        for member in theme.members.tolist():
            names[member] = theme_name(theme, number, words)
    return names


def theme_name(theme: Theme, number: int, words: Words) -> str:
    """Its words, or its number where it has none."""
    return " · ".join(theme.words) or words("第 {number} 片").format(number=number)


def _rounded(point: np.ndarray) -> list[float]:
    return [round(float(value), 3) for value in point]
