"""Downloads that the browser makes itself, so that no copy of a visitor's text is left on the server's disk."""

import base64
import functools
from collections.abc import Callable
from typing import Any

import gradio as gr

from src.errors import InputError
from src.ui.context import EXPORT, Context

MAX_BYTES = 50 << 20
TYPES = {
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv;charset=utf-8",
    "md": "text/markdown;charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_SAVE_JS = """(file) => {
  if (!file) return [null];
  const bytes = Uint8Array.from(atob(file.base64), (character) => character.charCodeAt(0));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], {type: file.type}));
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  return [null];
}"""


def download(
    context: Context, button: gr.Button, make: Callable[..., tuple[str, bytes]], inputs: Any = None
) -> None:
    """Let ``button`` save the (name, content) that ``make(*inputs, request?)`` gives; gradio forgets it at once."""
    file = gr.JSON(visible=False)
    made = context.listen(button.click, _as_browser_takes(make), inputs, file, show_progress="minimal", **EXPORT)
    made.success(None, file, file, js=_SAVE_JS, api_visibility="private")


def _as_browser_takes(make: Callable[..., tuple[str, bytes]]) -> Callable[..., dict[str, str]]:
    @functools.wraps(make)
    def made(*args: Any, **kwargs: Any) -> dict[str, str]:
        name, data = make(*args, **kwargs)
        if len(data) > MAX_BYTES:
            raise InputError(f"文件有 {len(data) >> 20} MB，网页上最多下载 {MAX_BYTES >> 20} MB；请先筛选")
        kind = TYPES[name.rpartition(".")[2]]
        return {"name": name, "type": kind, "base64": base64.b64encode(data).decode("ascii")}

    made.__annotations__ = {k: v for k, v in made.__annotations__.items() if k != "return"}
    return made
