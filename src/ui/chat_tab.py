"""Tab 1: RAG chat with its sources, and the same question without and with knowledge."""

from typing import Any

import gradio as gr

from src.ui.chat.compare import Comparison
from src.ui.chat.dialogue import Dialogue
from src.ui.context import Context
from src.ui.session import Session

EXAMPLES = {
    "zh": ["介绍一下广州大学", "广州大学的办学历史可以追溯到哪一年？", "LoRA 为什么省显存？", "端午节是哪一天？"],
    "en": [
        "When was Guangzhou University founded?",
        "Why is Kunming called the Spring City?",
        "Which three universities formed the National Southwestern Associated University?",
        "How tall is Taipei 101?",
    ],
}


class ChatTab:
    """The widgets of the tab inside the current Blocks.

    Attributes:
        restored: outputs of ``restore``.
    """

    def __init__(self, context: Context) -> None:
        words, examples = context.words, EXAMPLES[context.words.language]
        with gr.Tabs(elem_classes=["yz-sub"]):
            with gr.Tab(words("对话"), id="chat"):
                self.dialogue = Dialogue(context, examples)
            with gr.Tab(words("有无知识对照"), id="compare"):
                self.comparison = Comparison(context, examples[0])
        self.restored = self.dialogue.restored

    def restore(self, session: Session, kept: object) -> tuple[Any, ...]:
        """The values of ``restored`` for a page that has just loaded; ``kept`` is from the visitor's browser."""
        return self.dialogue.restore(session, kept)
