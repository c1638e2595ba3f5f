"""Tab 3: what is in the index, is it sound, and why a question found what it found."""

import gradio as gr

from src.runtime import Runtime
from src.ui import render
from src.ui.guard import PRIVATE, SEARCH_SLOT, guarded_in
from src.ui.index import check_tab, chunks_tab, documents_tab, map_tab, probe_tab
from src.ui.index.facts import statistics
from src.ui.wording import Words


def build(runtime: Runtime, tab: gr.Tab, words: Words) -> None:
    """Draw the inside of ``tab`` in the current Blocks; figures are read anew whenever it is opened."""
    facts = gr.HTML(statistics(runtime, words), elem_id="index-stats")
    with gr.Tabs():
        with gr.Tab(words("检索探针"), id="probe"):
            query = probe_tab.build(runtime, words)
        if runtime.is_local:
            with gr.Tab(words("地图"), id="map") as map_:
                map_tab.build(runtime, map_, query, words)
            with gr.Tab(words("全部段落"), id="chunks") as chunks:
                chunks_tab.build(runtime, chunks, words)
        with gr.Tab(words("文档"), id="documents") as documents:
            documents_tab.build(runtime, documents, facts, words)
        if runtime.is_local:
            with gr.Tab(words("体检"), id="check") as check:
                check_tab.build(runtime, check, words)
        else:
            about = words("索引在 Milvus 里：地图、全部段落和体检请用 Milvus 自己的工具（例如 Attu）。")
            gr.HTML(render.note(about))

    @guarded_in(words)
    def enter() -> str:
        return statistics(runtime, words)

    tab.select(enter, None, facts, show_progress="hidden", **PRIVATE, **SEARCH_SLOT)
