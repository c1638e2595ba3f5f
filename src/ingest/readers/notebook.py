"""``.ipynb``: a document a section, as of Markdown."""

import json
from collections.abc import Iterator
from typing import Any

from src.errors import KnowledgeError
from src.ingest.clean import decode
from src.ingest.limits import Limits
from src.ingest.readers import web
from src.ingest.readers.markdown import sections_of
from src.ingest.types import Document

# Of a long output the beginning: what follows is a log.
MAX_OUTPUT_CHARS = 2_000
_FENCE = "~" * 8


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Texts, code and what it wrote; pictures are left out."""
    try:
        notebook = json.loads(decode(data, name))
        cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
        text = "\n\n".join(_cell(cell, name, limits) for cell in cells)
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise KnowledgeError(f"{name} 不是完整的 Jupyter 笔记本；请重新导出，或另存为 md") from error
    yield from sections_of(text, name, limits, "")


def _cell(cell: dict[str, Any], name: str, limits: Limits) -> str:
    source = _joined(cell.get("source", cell.get("input", "")))
    if cell.get("cell_type") != "code":
        return source
    outputs = "\n".join(_output(output, name, limits) for output in cell.get("outputs", []))
    return "\n".join(
        f"{_FENCE}\n{part.strip()}\n{_FENCE}" for part in (source, outputs[:MAX_OUTPUT_CHARS]) if part.strip()
    )


def _output(output: dict[str, Any], name: str, limits: Limits) -> str:
    """A table that is shown as HTML as rows, any other output as text."""
    shown = _joined(output.get("data", {}).get("text/html", ""))
    if "<table" in shown:
        return "\n".join(web.lines_in(shown, name, limits))
    return _joined(output.get("text", output.get("data", {}).get("text/plain", "")))


def _joined(lines: Any) -> str:
    return lines if isinstance(lines, str) else "".join(map(str, lines))
