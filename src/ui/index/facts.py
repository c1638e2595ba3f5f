"""The index in one line, its figures folded behind it."""

import gradio as gr

from src.ui.context import Context
from src.ui.templating import render


class Facts:
    """The line at the top of the tab."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.html = gr.HTML(self.show(), elem_id="index-facts")

    def show(self, request: gr.Request | None = None) -> str:
        """The figures of this moment, with the visitor's own documents."""
        stats, own = self._context.runtime.base.stats(), self._context.sessions.documents_of(request)
        files, passages = (len(own.files()), len(own)) if own else (0, 0)
        return render("index/facts", self._context.words, stats=stats, own_files=files, own_passages=passages)
