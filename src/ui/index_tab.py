"""Tab 3: what is in the index, and why a query found what it found."""

from typing import Any

import gradio as gr

from src.retrieval.terms import matched_terms
from src.retrieval.types import Hit
from src.runtime import Runtime
from src.ui import render
from src.ui.guard import SEARCH_SLOT, guarded

MODES = [("混合 hybrid", "hybrid"), ("向量 dense", "dense"), ("字面 lexical", "lexical")]
CHUNK_HEADERS = ["段", "来源", "标题", "字数", "文字"]
PROBE_HEADERS = ["名次", "段", "字面分", "字面名次", "向量分", "向量名次", "融合分", "文字"]
ALL_SOURCES = "全部来源"
MAX_ROWS = 500


def build(runtime: Runtime) -> None:
    """Draw the tab inside the current Blocks."""
    base = runtime.base
    gr.HTML(statistics(runtime), elem_id="index-stats")
    with gr.Tabs():
        with gr.Tab("检索探针 Probe"):
            with gr.Row():
                query = gr.Textbox(
                    label="检索词", placeholder="例如：羊城是哪座城市的别称", scale=4, elem_id="probe-input"
                )
                mode = gr.Radio(MODES, value="hybrid", label="方式", scale=3)
                top_k = gr.Slider(1, 20, value=5, step=1, label="条数", scale=2)
            button = gr.Button("检索 Search", variant="primary", elem_id="probe-run")
            gr.Examples(
                [["羊城是哪座城市的别称"], ["番茄炒蛋怎么做"], ["哪些大学在武汉"]], inputs=query, label="示例"
            )
            terms = gr.HTML(render.note("每一阶段的名次和分数会列在下面。"))
            probe = gr.Dataframe(
                headers=PROBE_HEADERS, label="各阶段的名次与分数", interactive=False, wrap=True, elem_id="probe-table",
                column_widths=["6%", "12%", "8%", "8%", "8%", "8%", "8%", "42%"],
            )  # fmt: skip
            passages = gr.HTML(elem_id="probe-hits")
        with gr.Tab("全部段落 Chunks"):
            with gr.Row():
                needle = gr.Textbox(label="筛选", placeholder="含有这些字的段落", scale=3, elem_id="chunk-filter")
                source = gr.Dropdown(
                    [ALL_SOURCES, *base.stats()["sources"]], value=ALL_SOURCES, label="来源", scale=2
                )
            count = gr.HTML(render.note(chunk_count(len(base), len(base))))
            chunks = gr.Dataframe(
                value=chunk_rows(runtime, "", ALL_SOURCES)[0], headers=CHUNK_HEADERS, interactive=False, wrap=True,
                label="段落", elem_id="chunk-table", max_height=520, column_widths=["14%", "16%", "12%", "8%", "50%"],
            )  # fmt: skip

    @guarded
    def search(text: str, how: str, k: int, request: gr.Request) -> tuple[str, list[list[Any]], str]:
        return probe_view(runtime, text, how, int(k), str(request.session_hash))

    @guarded
    def choose(text: str, where: str) -> tuple[str, list[list[Any]]]:
        rows, found = chunk_rows(runtime, text, where)
        return render.note(chunk_count(found, len(base))), rows

    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **SEARCH_SLOT}
    gr.on([button.click, query.submit], search, [query, mode, top_k], [terms, probe, passages], **quiet)
    gr.on(
        [needle.change, source.change],
        choose,
        [needle, source],
        [count, chunks],
        trigger_mode="always_last",
        **quiet,
    )


def statistics(runtime: Runtime) -> str:
    """The index in a grid of facts."""
    stats = runtime.base.stats()
    return render.facts(
        {
            "文档": stats["documents"],
            "段落": stats["chunks"],
            "去掉的重复": stats["duplicates"],
            "向量维数": stats["dimension"],
            "向量模型": stats["embedder"],
            "向量库": stats["vector_store"],
            "占用": f"{stats['bytes'] / 1e6:.2f} MB",
            "建立时间（UTC）": str(stats["built_at"])[:16].replace("T", " "),
        }
    )


def chunk_rows(runtime: Runtime, needle: str, source: str) -> tuple[list[list[Any]], int]:
    """Rows of the chunks that hold ``needle`` and come from ``source`` (at most MAX_ROWS), and how many there are."""
    wanted = needle.strip().casefold()
    found = [
        chunk
        for passage in runtime.base.passages()
        for chunk in (passage.chunk,)
        if source in (ALL_SOURCES, passage.file) and wanted in f"{chunk.title} {chunk.text}".casefold()
    ]
    rows = [[c.chunk_id, c.source, c.title, len(c.text), c.text] for c in found[:MAX_ROWS]]
    return rows, len(found)


def chunk_count(found: int, total: int) -> str:
    """How many of how many chunks the table shows."""
    return f"{found} / {total} 段" + (f"，只列出前 {MAX_ROWS} 段" if found > MAX_ROWS else "")


def probe_view(
    runtime: Runtime, query: str, mode: str, top_k: int, session: str
) -> tuple[str, list[list[Any]], str]:
    """The terms searched for, the ranking of every stage, and the passages with the matched terms marked."""
    extra = runtime.sessions.base(session)
    hits = runtime.retriever.search(query, top_k=top_k, mode=mode, extra=extra)
    explained = runtime.retriever.explain(query, extra=extra)
    ranks = {
        stage: {row["chunk_id"]: row["rank"] for row in explained["stages"][stage]}
        for stage in ("lexical", "dense")
    }
    rows = [
        [
            hit.rank,
            hit.chunk.chunk_id,
            _number(hit.stages.lexical),
            ranks["lexical"].get(hit.chunk.chunk_id, "—"),
            _number(hit.stages.dense),
            ranks["dense"].get(hit.chunk.chunk_id, "—"),
            _number(hit.stages.fused),
            hit.chunk.text,
        ]
        for hit in hits
    ]
    terms = "、".join(explained["terms"]) or "（没有可查的字词）"
    return render.note(f"查的字词：{terms}"), rows, "".join(_hit_card(query, hit) for hit in hits)


def _hit_card(query: str, hit: Hit) -> str:
    return (
        f'<div class="yz-card"><b>[{hit.rank}]</b> <span class="yz-meta">{hit.score:.3f}</span>'
        f'<div class="yz-text">{render.marked(hit.chunk.text, matched_terms(query, hit.chunk.text))}</div></div>'
    )


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.3f}"
