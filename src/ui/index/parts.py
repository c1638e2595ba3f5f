"""What several sub-tabs are made of: tables, buttons and exports."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gradio as gr

from src.search.export import Kind, rows_file
from src.ui.context import SEARCH, Context
from src.ui.download import download
from src.ui.wording import Words

Rows = Iterable[dict[str, Any]]
# Collections of passages: everyone's and the visitor's own.
SHARED, OWN = "shared", "own"
MINIMAL: dict[str, Any] = {"show_progress": "minimal", **SEARCH}
HIDDEN: dict[str, Any] = {"show_progress": "hidden", **SEARCH}
_FIGURES = {"名次", "序号", "段数", "重复", "字数"}
# A button that can do nothing now is disabled, without asking the server at every key.
_ENABLED_JS = "(text) => ({__type__: 'update', interactive: !!(text || '').trim()})"


def columns(widths: Mapping[str, int], words: Words) -> dict[str, Any]:
    """The properties of a table with these columns, by their widths in pixels."""
    return {
        "headers": [words(name) for name in widths],
        "datatype": ["number" if name in _FIGURES else "str" for name in widths],
        "column_widths": [f"{width}px" for width in widths.values()],
    }


def table(
    widths: Mapping[str, int], words: Words, elem_id: str, *, label: str = "", height: int = 480
) -> gr.Dataframe:
    """Rows to read and to choose from."""
    return gr.Dataframe(
        **columns(widths, words), type="array", interactive=False, wrap=True, buttons=[], label=label,
        show_label=bool(label), max_height=height, elem_id=elem_id, elem_classes=["yz-list"],
    )  # fmt: skip


def run_button(text: str, elem_id: str, box: gr.Textbox | None = None) -> gr.Button:
    """The sub-tab's main button; disabled while ``box`` is empty."""
    button = gr.Button(
        text, variant="primary", scale=1, min_width=120, interactive=box is None, elem_id=elem_id,
        elem_classes=["yz-run"],
    )  # fmt: skip
    if box is not None:
        box.change(None, box, button, js=_ENABLED_JS, api_visibility="private")
    return button


def button(text: str, elem_id: str, **options: Any) -> gr.Button:
    """One of several small ones in a row."""
    return gr.Button(text, size="sm", scale=0, min_width=120, elem_id=elem_id, **options)


def exports(
    context: Context, name: str, rows: Callable[..., Rows], inputs: list[Any], elem_id: str
) -> list[gr.Button]:
    """One button a format; ``rows(*values of inputs, request)`` gives what they hold."""

    def made(kind: Kind, label: str) -> gr.Button:
        def make(request: gr.Request, *values: Any) -> tuple[str, bytes]:
            return exported(name, rows(*values, request), kind, context.words)

        pressed = button(context.words("导出 {kind}").format(kind=label), f"{elem_id}-{kind}")
        download(context, pressed, make, inputs)
        return pressed

    return [made("csv", "CSV"), made("jsonl", "JSON Lines")]


def exported(name: str, rows: Rows, kind: Kind, words: Words) -> tuple[str, bytes]:
    """(name, content) of a file; a notice where not everything fitted."""
    data, written, more = rows_file(rows, kind)
    if more:
        gr.Warning(words("只导出了前 {rows} 行；请先筛选").format(rows=written), title=words("请注意"))
    return f"{name}.{kind}", data
