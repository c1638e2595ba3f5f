"""Tab 1: RAG chat with its sources, and the same question without and with knowledge."""

import gradio as gr

from src.runtime import Runtime
from src.ui.chat import compare_tab, dialogue_tab
from src.ui.chat.documents import upload_summary as upload_summary
from src.ui.running import Running
from src.ui.wording import Words

EXAMPLES = ["介绍一下广州大学", "广州大学的办学历史可以追溯到哪一年？", "LoRA 为什么省显存？", "端午节是哪一天？"]


def build(runtime: Runtime, words: Words) -> list[Running]:
    """Draw the tab inside the current Blocks; returns what knows the visitors' running answers."""
    with gr.Tabs():
        with gr.Tab(words("对话"), id="chat"):
            chat = dialogue_tab.build(runtime, words, EXAMPLES)
        with gr.Tab(words("有无知识对照"), id="compare"):
            comparison = compare_tab.build(runtime, words, EXAMPLES[0])
    return [chat, comparison]
