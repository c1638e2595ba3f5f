"""Every passage of the index, page by page, each with its neighbours."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from src.errors import InputError
from src.retrieval.export import chunk_row
from src.retrieval.inspect import Look, every, look, neighbours
from src.retrieval.knowledge_base import KnowledgeBase
from src.ui.context import Context
from src.ui.index.marking import excerpt, passage_html
from src.ui.index.parts import HIDDEN, OWN, SHARED, button, columns, exports, table
from src.ui.templating import note
from src.ui.wording import CHINESE, Words

ALL_FILES = "*"
TITLE = CHINESE("标题")
COLUMNS = {CHINESE("序号"): 64, CHINESE("文字"): 330, TITLE: 130, CHINESE("字数"): 64, CHINESE("文件"): 150}
MAX_FILES = 500


class Passages:
    """The sub-tab: scope, filter and file above; a page of passages, and one of them in full beside it."""

    def __init__(self, context: Context, tab: gr.Tab) -> None:
        self._context, words = context, context.words
        with gr.Row(equal_height=True):
            self.scope = gr.Radio(
                [(words("知识库"), SHARED), (words("我的文档"), OWN)], value=SHARED, label=words("范围"), scale=2,
                min_width=220, elem_id="chunk-scope",
            )  # fmt: skip
            self.needle = gr.Textbox(
                label=words("筛选"), placeholder=words("含有这些字的段落"), max_length=200, scale=3, min_width=200,
                elem_id="chunk-filter",
            )  # fmt: skip
            file = gr.Dropdown(
                [(words("全部文件"), ALL_FILES)], value=ALL_FILES, label=words("文件"), allow_custom_value=True,
                scale=3, min_width=200, elem_id="chunk-file",
            )  # fmt: skip
        inputs = [self.scope, self.needle, file]
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320):
                count = gr.HTML(elem_id="chunk-count")
                rows = table(COLUMNS, words, "chunk-table", height=560)
                with gr.Row(elem_classes=["yz-left"]):
                    previous = button(words("← 上一页"), "chunk-previous", interactive=False)
                    following = button(words("下一页 →"), "chunk-next", interactive=False)
                    saving = exports(context, "passages", self.rows, inputs, "chunk")
            with gr.Column(scale=2, min_width=300):
                detail = gr.HTML(elem_id="chunk-detail")
        # Where the pages up to this one start; those up to the one before and the one after; the ids by number.
        first, before, after = (gr.State([0], time_to_live=3600) for _ in range(3))
        ids = gr.State({}, time_to_live=3600)
        page = [count, rows, detail, before, after, ids, previous, following, *saving]
        self.outputs = [file, *page]
        context.listen([tab.select, self.scope.input], self.enter, inputs, self.outputs, **HIDDEN)
        changes = [self.needle.change, file.input]
        context.listen(changes, self.page, [*inputs, first], page, trigger_mode="always_last", **HIDDEN)
        context.listen(previous.click, self.page, [*inputs, before], page, **HIDDEN)
        context.listen(following.click, self.page, [*inputs, after], page, **HIDDEN)
        context.listen(rows.select, self.choose, [self.scope, self.needle, ids], detail, **HIDDEN)

    def enter(self, scope: str, needle: str, file: str, request: gr.Request) -> tuple[Any, ...]:
        """The first page, and the files there are by now."""
        base = self.base_of(scope, request)
        names = list(base.files()) if base else []
        file = file if file in names else ALL_FILES
        listed = dict.fromkeys([*names[:MAX_FILES], *([file] if file != ALL_FILES else [])])
        choices = [(self._context.words("全部文件"), ALL_FILES), *((name, name) for name in listed)]
        return gr.Dropdown(choices, value=file), *self.page(scope, needle, file, [0], request)

    def page(self, scope: str, needle: str, file: str, starts: list[int], request: gr.Request) -> tuple[Any, ...]:
        """The page after those that ``starts`` leads through; no passage is chosen any more."""
        words, base = self._context.words, self.base_of(scope, request)
        found = look(base, needle, wanted_file(base, file), starts[-1]) if base else Look((), 0, 0, 0, None, 0)
        more = found.following is not None
        return (
            note(count_text(found, bool(needle.strip()), words), words),
            table_rows(found, needle, words),
            "",
            starts[:-1] or starts,
            [*starts, found.following] if more else starts,
            {number: passage.chunk.chunk_id for number, passage in found.rows},
            gr.Button(interactive=len(starts) > 1),
            gr.Button(interactive=more),
            *[gr.Button(interactive=bool(found.found))] * 2,
        )

    def choose(self, scope: str, needle: str, ids: Any, event: gr.SelectData, request: gr.Request) -> str:
        """The passage of a row, with those around it."""
        return self.around(scope, needle, ids.get(int(event.row_value[0]), ""), request)

    def around(self, scope: str, needle: str, chunk_id: str, request: gr.Request) -> str:
        """A passage by its id, with those around it."""
        base = self.base_of(scope, request)
        if base is None:
            raise InputError("这一段已经不在索引里了；请重新筛选")
        found = neighbours(base, chunk_id)
        return passage_html(found.chunk, [needle.strip()], self._context.words, around=found)

    def rows(self, scope: str, needle: str, file: str, request: gr.Request) -> Iterator[dict[str, Any]]:
        """For an export: all passages that the filter leaves."""
        base = self.base_of(scope, request)
        yield from map(chunk_row, every(base, needle, wanted_file(base, file)) if base else ())

    def base_of(self, scope: str, request: gr.Request) -> KnowledgeBase | None:
        """The collection of a scope; None for own documents where there are none."""
        return self._context.sessions.documents_of(request) if scope == OWN else self._context.runtime.local_base


def wanted_file(base: KnowledgeBase, name: str | None) -> str | None:
    """The file of the dropdown, which takes typed names too, since it lists only the first ones; None for all."""
    if name in (None, "", ALL_FILES):
        return None
    if name not in base.files():
        raise InputError(f"没有文件 {name[:100]}；请从列表里选，或输入完整的文件名")
    return name


def table_rows(found: Look, needle: str, words: Words) -> gr.Dataframe:
    """The rows of one page; the column of titles only where there are any."""
    rows = [
        [number, excerpt(p.chunk.text, needle), p.chunk.title, len(p.chunk.text), p.file]
        for number, p in found.rows
    ]
    kept = COLUMNS
    if not any(passage.chunk.title for _, passage in found.rows):
        kept = {name: width for name, width in COLUMNS.items() if name != TITLE}
        rows = [[*row[:2], *row[3:]] for row in rows]
    made = columns(kept, words)
    return gr.Dataframe({"headers": made["headers"], "data": rows}, **made)


def count_text(found: Look, filtered: bool, words: Words) -> str:
    """The extent of the page, and how far was looked."""
    if not found.total:
        return words("这里还没有段落。")
    values = {"start": found.start + 1, "end": found.end, "total": found.total, "count": found.found}
    if not filtered:
        return words("第 {start}–{end} 段，共 {total} 段").format(**values)
    text = words("在第 {start}–{end} 段（共 {total} 段）里找到 {count} 段")
    if found.end - found.start == found.total:
        text = words("在全部 {total} 段里找到 {count} 段")
    text = text.format(**values)
    if found.found > len(found.rows):
        text += words("，列出前 {count} 段").format(count=len(found.rows))
    return text + words("；按“下一页”接着往后找") if found.following is not None else text
