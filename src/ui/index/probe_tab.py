"""Why a question finds what it finds."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from src.retrieval.explain import Explanation
from src.retrieval.search import MAX_QUERY_CHARS, check_top_k
from src.runtime import Runtime
from src.ui import render
from src.ui.guard import PRIVATE, SEARCH_SLOT, guarded, served, session_of
from src.ui.index import cards
from src.ui.index.downloads import download
from src.ui.index.figures import score_figure

MODES = [("混合 hybrid", "hybrid"), ("向量 dense", "dense"), ("字面 lexical", "lexical")]
EXAMPLES = ["羊城是哪座城市的别称", "番茄炒蛋怎么做", "哪些大学在武汉"]
MAX_TOP_K = 20


def build(runtime: Runtime) -> gr.Textbox:
    """Draw the tab inside the current Blocks; returns the box of the question."""
    with gr.Row(equal_height=True):
        query = gr.Textbox(
            label="检索词 Query", placeholder="例如：羊城是哪座城市的别称", max_length=MAX_QUERY_CHARS, scale=4,
            min_width=260, elem_id="probe-input",
        )  # fmt: skip
        mode = gr.Radio(MODES, value="hybrid", label="方式 Mode", scale=3, min_width=260)
        top_k = gr.Slider(1, MAX_TOP_K, value=5, step=1, label="命中条数 Hits", scale=2, min_width=180)
    button = gr.Button("检索 Search", variant="primary", elem_id="probe-run")
    gr.Examples([[example] for example in EXAMPLES], inputs=query, label="示例")
    terms = gr.HTML(render.note("每个候选段落在每一阶段的名次和分数会列在下面。"), elem_id="probe-terms")
    table = gr.HTML(elem_id="probe-table")
    with gr.Row(visible=False) as buttons:
        csv = gr.Button("导出 CSV", size="sm", min_width=100, elem_id="probe-csv")
        jsonl = gr.Button("导出 JSON", size="sm", min_width=100, elem_id="probe-jsonl")
    scores = gr.Plot(label="候选段落的分数分布", visible=False, elem_id="probe-scores")
    # The rows on the page, so that an export holds just those.
    rows = gr.State([], time_to_live=3600)

    @guarded
    @served("search", "search")
    def search(text: str, how: str, k: float, request: gr.Request) -> tuple[Any, ...]:
        limit = check_top_k(k, MAX_TOP_K)
        explanation = runtime.retriever.explain(text, how, runtime.sessions.base(session_of(request)))
        found = bool(explanation.candidates)
        return (
            cards.terms(explanation) + render.note(summary(explanation, limit)),
            cards.probe_table(explanation, limit),
            gr.Row(visible=found),
            gr.Plot(score_figure(explanation), visible=found),
            [candidate.to_json() for candidate in explanation.candidates],
        )

    def listed(_: str, shown: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        yield from shown

    @guarded
    def search_again(text: str, how: str, k: float, request: gr.Request) -> tuple[Any, ...]:
        """For the controls beside the box, which say nothing while it is empty."""
        return search(text, how, k, request) if text.strip() else (gr.skip(),) * len(outputs)

    inputs, outputs = [query, mode, top_k], [terms, table, buttons, scores, rows]
    slot: dict[str, Any] = {"trigger_mode": "always_last", "show_progress": "minimal", **PRIVATE, **SEARCH_SLOT}
    gr.on([button.click, query.submit], search, inputs, outputs, **slot)
    gr.on([mode.input, top_k.release], search_again, inputs, outputs, **slot)
    download(csv, "probe", "csv", listed, [rows])
    download(jsonl, "probe", "jsonl", listed, [rows])
    return query


def summary(explanation: Explanation, top_k: int) -> str:
    """What the table below holds."""
    count = len(explanation.candidates)
    if not count:
        return "没有候选段落。"
    return (
        f"{count} 个候选段落，红线标出的前 {min(top_k, count)} 条就是检索的结果；"
        "每一格是这一阶段的分数和名次，命中的字词加了底色，点一行看全文。"
    )
