"""Tab 3: why a question found what it found, what is in the index, and is it sound."""

import gradio as gr

from src.ui.context import Context
from src.ui.index.check import Check
from src.ui.index.facts import Facts
from src.ui.index.files import FileList
from src.ui.index.map import Map
from src.ui.index.parts import HIDDEN, OWN, SHARED
from src.ui.index.passages import Passages
from src.ui.index.probe import Probe
from src.ui.templating import note


class IndexTab:
    """The inside of ``tab``; its figures are read anew whenever it is opened."""

    def __init__(self, context: Context, tab: gr.Tab) -> None:
        words = context.words
        # With Milvus only the searches are ours to look into.
        self.passages: Passages | None = None
        self.map: Map | None = None
        self.check: Check | None = None
        self.facts = Facts(context)
        with gr.Tabs(elem_classes=["yz-sub"]) as tabs:
            with gr.Tab(words("为什么这样答"), id="probe"):
                self.probe = Probe(context)
            files = gr.Tab(words("文件清单"), id="files")
            if context.runtime.is_local:
                with gr.Tab(words("段落"), id="passages") as passages:
                    self.passages = Passages(context, passages, self.facts)
                with gr.Tab(words("地图"), id="map") as map_:
                    self.map = Map(context, map_, self.probe.query, self.passages)
                with gr.Tab(words("体检"), id="check") as check:
                    self.check = Check(context, check)
        if not context.runtime.is_local:
            about = words("索引在 Milvus 里：地图、段落和体检请用 Milvus 自己的工具（例如 Attu）。")
            gr.HTML(note(about, words), elem_id="index-milvus")
        # Last, because it leads to the passages, and its tab stands before theirs.
        with files, gr.Row(equal_height=False):
            self.shared = FileList(context, SHARED, self.facts, files, tabs, self.passages)
            self.own = FileList(context, OWN, self.facts, files, tabs, self.passages)
        context.listen(tab.select, self.facts.show, None, self.facts.html, **HIDDEN)
