"""Buttons that export rows as CSV and as JSON Lines."""

from collections.abc import Callable, Iterable
from typing import Any

import gradio as gr

from src.retrieval.export import Kind, rows_file
from src.ui.context import Context
from src.ui.download import download

_NAMES: dict[Kind, str] = {"csv": "CSV", "jsonl": "JSON Lines"}


class Exports:
    """One button a format; ``rows(*values of inputs, request)`` gives what they hold."""

    def __init__(
        self,
        context: Context,
        name: str,
        rows: Callable[..., Iterable[dict[str, Any]]],
        inputs: list[Any],
        elem_id: str,
    ) -> None:
        self._words, self._name, self._rows = context.words, name, rows
        self.buttons: list[gr.Button] = []
        for kind, label in _NAMES.items():
            text = self._words("导出 {kind}").format(kind=label)
            button = gr.Button(text, size="sm", scale=0, min_width=130, elem_id=f"{elem_id}-{kind}")
            download(context, button, self._maker(kind), inputs)
            self.buttons.append(button)

    def file(self, kind: Kind, *values: Any) -> tuple[str, bytes]:
        """(name, content); a notice where not everything fitted."""
        data, written, more = rows_file(self._rows(*values), kind)
        if more:
            text = self._words("只导出了前 {rows} 行；请先筛选").format(rows=written)
            gr.Warning(text, title=self._words("请注意"))
        return f"{self._name}.{kind}", data

    def _maker(self, kind: Kind) -> Callable[..., tuple[str, bytes]]:
        def make(request: gr.Request, *values: Any) -> tuple[str, bytes]:
            return self.file(kind, *values, request)

        return make
