"""Every passage of the index, page by page, each with its neighbours."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from src.errors import InputError
from src.retrieval.export import passage_row
from src.retrieval.inspect import PAGE_ROWS, Look, every, look, neighbours
from src.retrieval.knowledge_base import KnowledgeBase
from src.runtime import Runtime
from src.ui import render
from src.ui.guard import PRIVATE, SEARCH_SLOT, guarded, session_of
from src.ui.index import cards
from src.ui.index.downloads import download

SHARED, OWN = "知识库", "我的文档"
ALL_FILES = "全部文件"
HEADERS = ["序号", "文字", "字数", "标题", "文件", "段"]
WIDTHS: list[str | int] = ["70px", "500px", "70px", "190px", "190px", "190px"]
MAX_FILES = 500
EXCERPT_CHARS = 90
FILTER_CHARS = 200


def build(runtime: Runtime, tab: gr.Tab) -> None:
    """Draw the tab inside the current Blocks."""
    with gr.Row(equal_height=True):
        scope = gr.Radio([SHARED, OWN], value=SHARED, label="范围", min_width=220, elem_id="chunk-scope")
        needle = gr.Textbox(
            label="筛选 Filter", placeholder="含有这些字的段落", max_length=FILTER_CHARS, scale=2, min_width=200,
            elem_id="chunk-filter",
        )  # fmt: skip
        file = gr.Dropdown(
            [ALL_FILES], value=ALL_FILES, label="文件 File", allow_custom_value=True, scale=2, min_width=200,
            elem_id="chunk-file",
        )  # fmt: skip
    count = gr.HTML(elem_id="chunk-count")
    table = gr.Dataframe(
        headers=HEADERS, interactive=False, wrap=True, label=f"段落（一页 {PAGE_ROWS} 段，点一行看全文和相邻的段落）",
        elem_id="chunk-table", max_height=440, column_widths=WIDTHS, type="array", buttons=[],
        datatype=["number", "str", "number", "str", "str", "str"],
    )  # fmt: skip
    with gr.Row():
        previous = gr.Button("← 上一页", size="sm", min_width=90, interactive=False, elem_id="chunk-previous")
        following = gr.Button("下一页 →", size="sm", min_width=90, interactive=False, elem_id="chunk-next")
        csv = gr.Button("导出 CSV", size="sm", min_width=90, elem_id="chunk-csv")
        jsonl = gr.Button("导出 JSON Lines", size="sm", min_width=90, elem_id="chunk-jsonl")
    detail = gr.HTML(elem_id="chunk-detail")
    # Where each page until now starts, and the next one (or None).
    pages = gr.State(([0], None), time_to_live=3600)

    def page(where: str, text: str, name: str, starts: list[int], session: str) -> tuple[Any, ...]:
        base = base_of(runtime, where, session)
        found = look(base, text, wanted_file(base, name), starts[-1]) if base else Look((), 0, 0, 0, None, 0)
        return (
            render.note(count_text(found, bool(text.strip()))),
            rows(found, text),
            gr.Button(interactive=len(starts) > 1),
            gr.Button(interactive=found.following is not None),
            (starts, found.following),
        )

    @guarded
    def choose(where: str, text: str, name: str, request: gr.Request) -> tuple[Any, ...]:
        return page(where, text, name, [0], session_of(request))

    @guarded
    def enter(where: str, text: str, name: str, request: gr.Request) -> tuple[Any, ...]:
        base = base_of(runtime, where, session_of(request))
        names = list(base.files()) if base else []
        name = name if name in names else ALL_FILES
        dropdown = gr.Dropdown([ALL_FILES, *names[:MAX_FILES]], value=name)
        return dropdown, *page(where, text, name, [0], session_of(request))

    @guarded
    def turn_on(where: str, text: str, name: str, state: Any, request: gr.Request) -> tuple[Any, ...]:
        starts, later = state
        return page(where, text, name, [*starts, later] if later is not None else starts, session_of(request))

    @guarded
    def turn_back(where: str, text: str, name: str, state: Any, request: gr.Request) -> tuple[Any, ...]:
        return page(where, text, name, state[0][:-1] or [0], session_of(request))

    @guarded
    def show(where: str, event: gr.SelectData, request: gr.Request) -> str:
        base = base_of(runtime, where, session_of(request))
        chunk_id = str(event.row_value[HEADERS.index("段")])
        if base is None:
            raise InputError("这一段已经不在索引里了；请重新筛选")
        return cards.passage_detail(neighbours(base, chunk_id))

    def chosen(session: str, where: str, text: str, name: str) -> Iterator[dict[str, Any]]:
        base = base_of(runtime, where, session)
        found = every(base, text, wanted_file(base, name)) if base else ()
        yield from map(passage_row, found)

    inputs = [scope, needle, file]
    outputs = [count, table, previous, following, pages]
    slot: dict[str, Any] = {"show_progress": "hidden", **PRIVATE, **SEARCH_SLOT}
    gr.on([tab.select, scope.input], enter, inputs, [file, *outputs], **slot)
    gr.on([needle.change, file.input], choose, inputs, outputs, trigger_mode="always_last", **slot)
    following.click(turn_on, [*inputs, pages], outputs, **slot)
    previous.click(turn_back, [*inputs, pages], outputs, **slot)
    table.select(show, scope, detail, **slot)
    download(csv, "chunks", "csv", chosen, inputs)
    download(jsonl, "chunks", "jsonl", chosen, inputs)


def base_of(runtime: Runtime, where: str, session: str) -> KnowledgeBase | None:
    """What the visitor looks at; None for own documents where there are none."""
    return runtime.sessions.base(session) if where == OWN else runtime.local_base


def wanted_file(base: KnowledgeBase, name: object) -> str | None:
    """The file of the dropdown, which takes typed names too, since it lists only the first ones; None for all.

    Raises:
        InputError: there is no such file.
    """
    if not isinstance(name, str) or name in ("", ALL_FILES):
        return None
    if name not in base.files():
        raise InputError(f"没有文件 {name[:100]}；请从列表里选，或输入完整的文件名")
    return name


def rows(found: Look, text: str) -> list[list[Any]]:
    """Of the table."""
    return [
        [number, excerpt(p.chunk.text, text), len(p.chunk.text), p.chunk.title, p.file, p.chunk.chunk_id]
        for number, p in found.rows
    ]


def count_text(found: Look, filtered: bool) -> str:
    """What the table shows, and how far was looked."""
    if not found.total:
        return "这里还没有段落。"
    if not filtered:
        return f"第 {found.start + 1}–{found.end} 段，共 {found.total} 段"
    read = f"全部 {found.total} 段" if found.end - found.start == found.total else (
        f"第 {found.start + 1}–{found.end} 段（共 {found.total} 段）"
    )  # fmt: skip
    shown = f"，列出前 {len(found.rows)} 段" if found.found > len(found.rows) else ""
    on = "；按“下一页”接着往后找" if found.following is not None else ""
    return f"在{read}里找到 {found.found} 段{shown}{on}"


def excerpt(text: str, wanted: str) -> str:
    """The beginning of a passage, or what stands around the first place of ``wanted``."""
    at = max(0, text.casefold().find(wanted.strip().casefold()))
    start = 0 if at + len(wanted) <= EXCERPT_CHARS else at - EXCERPT_CHARS // 3
    shown = text[start : start + EXCERPT_CHARS].replace("\n", " ")
    return f"{'…' if start else ''}{shown}{'…' if start + EXCERPT_CHARS < len(text) else ''}"
