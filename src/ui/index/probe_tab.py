"""Why a question finds what it finds."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from src.retrieval.explain import Explanation
from src.retrieval.search import MAX_QUERY_CHARS, check_top_k
from src.runtime import Runtime
from src.ui import render
from src.ui.guard import PRIVATE, SEARCH_SLOT, guarded_in, served, session_of
from src.ui.index import cards
from src.ui.index.downloads import download
from src.ui.index.figures import score_figure
from src.ui.wording import CHINESE, Words

MODES = [(CHINESE("混合"), "hybrid"), (CHINESE("向量"), "dense"), (CHINESE("字面"), "lexical")]
EXAMPLES = ["羊城是哪座城市的别称", "番茄炒蛋怎么做", "哪些大学在武汉"]
MAX_TOP_K = 20


def build(runtime: Runtime, words: Words) -> gr.Textbox:
    """Draw the tab inside the current Blocks; returns the box of the question."""
    guarded = guarded_in(words)
    modes = [(words(name), mode) for name, mode in MODES]
    with gr.Row(equal_height=True):
        query = gr.Textbox(
            label=words("检索词"), placeholder=words("例如：羊城是哪座城市的别称"), max_length=MAX_QUERY_CHARS,
            scale=4, min_width=260, elem_id="probe-input",
        )  # fmt: skip
        mode = gr.Radio(modes, value="hybrid", label=words("方式"), scale=3, min_width=260)
        top_k = gr.Slider(1, MAX_TOP_K, value=5, step=1, label=words("命中条数"), scale=2, min_width=180)
    button = gr.Button(words("检索"), variant="primary", elem_id="probe-run")
    gr.Examples([[example] for example in EXAMPLES], inputs=query, label=words("示例"))
    terms = gr.HTML(render.note(words("每个候选段落在每一阶段的名次和分数会列在下面。")), elem_id="probe-terms")
    table = gr.HTML(elem_id="probe-table")
    with gr.Row(visible=False) as buttons:
        csv = gr.Button(words("导出 CSV"), size="sm", min_width=100, elem_id="probe-csv")
        jsonl = gr.Button(words("导出 JSON"), size="sm", min_width=100, elem_id="probe-jsonl")
    scores = gr.Plot(label=words("候选段落的分数分布"), visible=False, elem_id="probe-scores")
    # The rows on the page, so that an export holds just those.
    rows = gr.State([], time_to_live=3600)

    @guarded
    @served("search", "search")
    def search(text: str, how: str, k: float, request: gr.Request) -> tuple[Any, ...]:
        limit = check_top_k(k, MAX_TOP_K)
        explanation = runtime.retriever.explain(text, how, runtime.sessions.base(session_of(request)))
        found = bool(explanation.candidates)
        return (
            cards.terms(explanation, words) + render.note(summary(explanation, limit, words)),
            cards.probe_table(explanation, limit, words),
            gr.Row(visible=found),
            gr.Plot(score_figure(explanation, words), visible=found),
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
    download(csv, "probe", "csv", listed, [rows], words)
    download(jsonl, "probe", "jsonl", listed, [rows], words)
    return query


def summary(explanation: Explanation, top_k: int, words: Words) -> str:
    """What the table below holds."""
    count = len(explanation.candidates)
    if not count:
        return words("没有候选段落。")
    text = words(
        "{count} 个候选段落，红线标出的前 {hits} 条就是检索的结果；"
        "每一格是这一阶段的分数和名次，命中的字词加了底色，点一行看全文。"
    )
    return text.format(count=count, hits=min(top_k, count))
