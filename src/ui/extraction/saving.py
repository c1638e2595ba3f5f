"""Downloads that the browser makes itself: no copy of a resume is left on the server's disk."""

import base64
from typing import Any

import gradio as gr

from src.ui.guard import PRIVATE

TYPES = {
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".csv": "text/csv;charset=utf-8",
    ".md": "text/markdown;charset=utf-8",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_SAVE_JS = """(file) => {
  if (!file || !file.name) return [];
  const bytes = Uint8Array.from(atob(file.base64), (character) => character.charCodeAt(0));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], {type: file.type}));
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  return [];
}"""


def content(name: str, data: bytes) -> dict[str, str]:
    """A file as the browser takes it."""
    kind = TYPES["." + name.rpartition(".")[2]]
    return {"name": name, "type": kind, "base64": base64.b64encode(data).decode("ascii")}


def save_on_click(button: gr.Button, file: gr.JSON) -> None:
    """Let ``button`` save what ``content`` has put into ``file``."""
    button.click(None, file, None, js=_SAVE_JS, **PRIVATE)


def save_after(event: Any, file: gr.JSON) -> None:
    """Save once ``event``, which makes the file, has succeeded; the page then forgets it."""
    saved = event.success(None, file, None, js=_SAVE_JS, **PRIVATE)
    saved.then(None, None, file, js="() => [null]", **PRIVATE)
