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
from src.ui.guard import PRIVATE, SEARCH_SLOT, guarded_in, session_of
from src.ui.index import cards
from src.ui.index.downloads import download
from src.ui.wording import CHINESE, Words

SHARED, OWN = "shared", "own"
ALL_FILES = "*"
HEADERS = [CHINESE("序号"), CHINESE("文字"), CHINESE("字数"), CHINESE("标题"), CHINESE("文件"), CHINESE("段")]
WIDTHS: list[str | int] = ["70px", "500px", "100px", "190px", "190px", "190px"]
MAX_FILES = 500
EXCERPT_CHARS = 90
FILTER_CHARS = 200


def build(runtime: Runtime, tab: gr.Tab, words: Words) -> None:
    """Draw the tab inside the current Blocks."""
    guarded = guarded_in(words)
    scopes = [(words("知识库"), SHARED), (words("我的文档"), OWN)]
    all_files = (words("全部文件"), ALL_FILES)
    with gr.Row(equal_height=True):
        scope = gr.Radio(scopes, value=SHARED, label=words("范围"), min_width=220, elem_id="chunk-scope")
        needle = gr.Textbox(
            label=words("筛选"), placeholder=words("含有这些字的段落"), max_length=FILTER_CHARS, scale=2, min_width=200,
            elem_id="chunk-filter",
        )  # fmt: skip
        file = gr.Dropdown(
            [all_files], value=ALL_FILES, label=words("文件"), allow_custom_value=True, scale=2, min_width=200,
            elem_id="chunk-file",
        )  # fmt: skip
    count = gr.HTML(elem_id="chunk-count")
    table = gr.Dataframe(
        headers=[words(header) for header in HEADERS], interactive=False, wrap=True,
        label=words("段落（一页 {rows} 段，点一行看全文和相邻的段落）").format(rows=PAGE_ROWS),
        elem_id="chunk-table", max_height=440, column_widths=WIDTHS, type="array", buttons=[],
        datatype=["number", "str", "number", "str", "str", "str"],
    )  # fmt: skip
    with gr.Row():
        previous = gr.Button(
            words("← 上一页"), size="sm", min_width=90, interactive=False, elem_id="chunk-previous"
        )
        following = gr.Button(words("下一页 →"), size="sm", min_width=90, interactive=False, elem_id="chunk-next")
        csv = gr.Button(words("导出 CSV"), size="sm", min_width=90, elem_id="chunk-csv")
        jsonl = gr.Button(words("导出 JSON Lines"), size="sm", min_width=90, elem_id="chunk-jsonl")
    detail = gr.HTML(elem_id="chunk-detail")
    # Where each page until now starts, and the next one (or None).
    pages = gr.State(([0], None), time_to_live=3600)

    def page(where: str, text: str, name: str, starts: list[int], session: str) -> tuple[Any, ...]:
        base = base_of(runtime, where, session)
        found = look(base, text, wanted_file(base, name), starts[-1]) if base else Look((), 0, 0, 0, None, 0)
        return (
            render.note(count_text(found, bool(text.strip()), words)),
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
        dropdown = gr.Dropdown([all_files, *names[:MAX_FILES]], value=name)
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
        chunk_id = str(event.row_value[len(HEADERS) - 1])
        if base is None:
            raise InputError("这一段已经不在索引里了；请重新筛选")
        return cards.passage_detail(neighbours(base, chunk_id), words)

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
    download(csv, "chunks", "csv", chosen, inputs, words)
    download(jsonl, "chunks", "jsonl", chosen, inputs, words)


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


def count_text(found: Look, filtered: bool, words: Words) -> str:
    """What the table shows, and how far was looked."""
    if not found.total:
        return words("这里还没有段落。")
    extent = {"start": found.start + 1, "end": found.end, "total": found.total}
    if not filtered:
        return words("第 {start}–{end} 段，共 {total} 段").format(**extent)
    if found.end - found.start == found.total:
        text = words("在全部 {total} 段里找到 {count} 段").format(total=found.total, count=found.found)
    else:
        text = words("在第 {start}–{end} 段（共 {total} 段）里找到 {count} 段").format(**extent, count=found.found)
    if found.found > len(found.rows):
        text += words("，列出前 {count} 段").format(count=len(found.rows))
    if found.following is not None:
        text += words("；按“下一页”接着往后找")
    return text


def excerpt(text: str, wanted: str) -> str:
    """The beginning of a passage, or what stands around the first place of ``wanted``."""
    at = max(0, text.casefold().find(wanted.strip().casefold()))
    start = 0 if at + len(wanted) <= EXCERPT_CHARS else at - EXCERPT_CHARS // 3
    shown = text[start : start + EXCERPT_CHARS].replace("\n", " ")
    return f"{'…' if start else ''}{shown}{'…' if start + EXCERPT_CHARS < len(text) else ''}"
