import gradio as gr

from src.ui.context import Context


class IndexTab:
    def __init__(self, context: Context, tab: gr.Tab) -> None:
        gr.Markdown("…")
