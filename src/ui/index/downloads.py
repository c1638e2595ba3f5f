"""A button that makes a file and gives it to the browser."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from src.retrieval.export import MAX_ROWS, Kind, write_rows
from src.ui.guard import EXPORT_SLOT, PRIVATE, guarded_in, session_of
from src.ui.wording import Words

# gradio has no download at the end of a handler: a hidden button gets the file, and is clicked once it has it.
_CLICK_JS = """() => {{
  const press = (left) => {{
    const link = document.querySelector("#{0}, #{0} a");
    if (link) link.click(); else if (left) setTimeout(() => press(left - 1), 100);
  }};
  setTimeout(() => press(20), 200);
}}"""

Rows = Iterable[dict[str, Any]]


def download(
    button: gr.Button,
    name: str,
    kind: Kind,
    rows: Callable[..., Rows],
    inputs: Sequence[Any],
    words: Words,
) -> None:
    """Let ``button`` download ``name.kind`` with what ``rows(session, *values of inputs)`` gives."""
    hidden = gr.DownloadButton(visible="hidden", elem_id=f"{name}-{kind}-file")
    folder = Path(hidden.GRADIO_CACHE)

    @guarded_in(words)
    def make(request: gr.Request, *values: Any) -> str:
        # One file of a kind for each visitor, however often it is made; gradio's delete_cache removes it.
        own = hashlib.sha256(session_of(request).encode()).hexdigest()[:32]
        path = folder / own / f"{name}.{kind}"
        _, more = write_rows(path, rows(session_of(request), *values), kind)
        if more:
            gr.Warning(words("只导出了前 {rows} 行；请先筛选").format(rows=MAX_ROWS), title=words("请注意"))
        return str(path)

    made = button.click(make, list(inputs), hidden, show_progress="minimal", **PRIVATE, **EXPORT_SLOT)
    made.success(None, None, None, js=_CLICK_JS.format(hidden.elem_id), **PRIVATE)
