"""Tab 3: what is in the index, is it sound, and why a question found what it found."""

import gradio as gr

from src.runtime import Runtime
from src.ui import render
from src.ui.guard import PRIVATE, SEARCH_SLOT, guarded
from src.ui.index import check_tab, chunks_tab, documents_tab, map_tab, probe_tab
from src.ui.index.facts import statistics


def build(runtime: Runtime, tab: gr.Tab) -> None:
    """Draw the inside of ``tab`` in the current Blocks; figures are read anew whenever it is opened."""
    facts = gr.HTML(statistics(runtime), elem_id="index-stats")
    with gr.Tabs():
        with gr.Tab("检索探针 Probe", id="probe"):
            query = probe_tab.build(runtime)
        if runtime.is_local:
            with gr.Tab("地图 Map", id="map") as map_:
                map_tab.build(runtime, map_, query)
            with gr.Tab("全部段落 Chunks", id="chunks") as chunks:
                chunks_tab.build(runtime, chunks)
        with gr.Tab("文档 Documents", id="documents") as documents:
            documents_tab.build(runtime, documents, facts)
        if runtime.is_local:
            with gr.Tab("体检 Check", id="check") as check:
                check_tab.build(runtime, check)
        else:
            gr.HTML(render.note("索引在 Milvus 里：地图、全部段落和体检请用 Milvus 自己的工具（例如 Attu）。"))

    @guarded
    def enter() -> str:
        return statistics(runtime)

    tab.select(enter, None, facts, show_progress="hidden", **PRIVATE, **SEARCH_SLOT)
