import gradio as gr

from src.ui.context import Context


class ChatTab:
    def __init__(self, context: Context) -> None:
        gr.Markdown("…")
