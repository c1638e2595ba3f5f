"""Every passage of the index, page by page, each with its neighbours; the owner switches them off and edits them."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from src.errors import InputError
from src.search.export import chunk_row
from src.search.inspect import Look, every, look, neighbours
from src.search.knowledge_base import MAX_EDITED_CHARS, KnowledgeBase
from src.search.rows import StoredChunk
from src.search.store import Shown
from src.ui.context import EDIT, Context
from src.ui.index.facts import Facts
from src.ui.index.marking import excerpt, marks, passage_html
from src.ui.index.parts import HIDDEN, OWN, SHARED, button, columns, exports, table
from src.ui.passage import page_link
from src.ui.templating import note
from src.ui.wording import CHINESE, Words

ALL_FILES = "*"
TITLE = CHINESE("标题")
COLUMNS = {CHINESE("序号"): 64, CHINESE("文字"): 330, TITLE: 130, CHINESE("字数"): 64, CHINESE("文件"): 150}
MAX_FILES = 500
Chosen = tuple[str, bool]
NONE: Chosen = ("", True)


class Passages:
    """The sub-tab: scope, filter and file above; a page of passages, and one of them in full beside it."""

    def __init__(self, context: Context, tab: gr.Tab, facts: Facts) -> None:
        self._context, self._facts, words = context, facts, context.words
        self._editable = context.runtime.settings.edit_knowledge
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
            self.only_off = gr.Checkbox(
                label=words("只看停用的"), scale=1, min_width=130, visible=self._editable, elem_id="chunk-off"
            )
        inputs = [self.scope, self.needle, file, self.only_off]
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
                with gr.Column(visible=False) as editor:
                    text = gr.Textbox(
                        label=words("改这一段的文字"), lines=4, max_lines=16, max_length=MAX_EDITED_CHARS,
                        elem_id="chunk-text",
                    )  # fmt: skip
                    with gr.Row(elem_classes=["yz-left"]):
                        save = button(words("存下改动"), "chunk-save", variant="primary")
                        switch = button(words("停用"), "chunk-switch")
                    lasting = words(
                        "停用和改动对所有人生效，重启后还在；它的文件变了，或用 --rebuild 重建，就恢复成文件里的样子。"
                    )
                    gr.HTML(note(lasting, words), elem_id="chunk-lasting")
                result = gr.HTML(elem_id="chunk-result")
        # Where the pages up to this one start; those up to the one before and the one after; the ids by number.
        first, here, before, after = (gr.State([0], time_to_live=3600) for _ in range(4))
        ids = gr.State({}, time_to_live=3600)
        # The id of the passage in full, and whether it was enabled as it was shown.
        chosen = gr.State(NONE, time_to_live=3600)
        beside = [detail, chosen, editor, text, switch, result]
        page = [count, rows, here, before, after, ids, previous, following, *saving, *beside]
        self.outputs = [file, *page]
        context.listen([tab.select, self.scope.input], self.enter, inputs, self.outputs, **HIDDEN)
        changes = [self.needle.change, file.input, self.only_off.input]
        context.listen(changes, self.page, [*inputs, first], page, trigger_mode="always_last", **HIDDEN)
        context.listen(previous.click, self.page, [*inputs, before], page, **HIDDEN)
        context.listen(following.click, self.page, [*inputs, after], page, **HIDDEN)
        context.listen(rows.select, self.choose, [self.scope, self.needle, ids], beside, **HIDDEN)
        if self._editable:
            slot: dict[str, Any] = {"show_progress": "minimal", **EDIT}
            changed = [facts.html, *page]
            context.listen(switch.click, self.switch, [*inputs, here, chosen], changed, **slot)
            context.listen(save.click, self.save, [*inputs, here, chosen, text], changed, **slot)

    def enter(self, scope: str, needle: str, file: str, only_off: bool, request: gr.Request) -> tuple[Any, ...]:
        """The first page, and the files there are by now."""
        base = self.base_of(scope, request)
        names = list(base.files()) if base is not None else []
        file = file if file in names else ALL_FILES
        listed = dict.fromkeys([*names[:MAX_FILES], *([file] if file != ALL_FILES else [])])
        choices = [(self._context.words("全部文件"), ALL_FILES), *((name, name) for name in listed)]
        return gr.Dropdown(choices, value=file), *self.page(scope, needle, file, only_off, [0], request)

    def page(
        self, scope: str, needle: str, file: str, only_off: bool, starts: list[int], request: gr.Request
    ) -> tuple[Any, ...]:
        """The page after those that ``starts`` leads through; no passage is chosen any more."""
        return *self._list(scope, needle, file, only_off, starts, request), *self._beside("", None)

    def _list(
        self, scope: str, needle: str, file: str, only_off: bool, starts: list[int], request: gr.Request
    ) -> tuple[Any, ...]:
        words, base = self._context.words, self.base_of(scope, request)
        found = Look((), 0, 0, 0, None, 0)
        if base is not None:
            found = look(base, needle, wanted_file(base, file), starts[-1], self._shown(scope, only_off))
        more = found.following is not None
        return (
            note(count_text(found, bool(needle.strip()), words), words),
            table_rows(found, needle, words),
            starts,
            starts[:-1] or starts,
            [*starts, found.following] if more else starts,
            {number: passage.chunk.chunk_id for number, passage in found.rows},
            gr.Button(interactive=len(starts) > 1),
            gr.Button(interactive=more),
            *[gr.Button(interactive=bool(found.found))] * 2,
        )

    def choose(
        self, scope: str, needle: str, ids: Any, event: gr.SelectData, request: gr.Request
    ) -> tuple[Any, ...]:
        """The passage of a row, with those around it, and what its owner can do with it."""
        chunk_id = ids.get(int(event.row_value[0]), "")
        detail = self.around(scope, needle, chunk_id, request)
        owned = self._editable and scope == SHARED
        return self._beside(detail, self._context.runtime.local_base.store.find(chunk_id) if owned else None)

    def switch(
        self, scope: str, needle: str, file: str, only_off: bool, starts: list[int], chosen: Chosen,
        request: gr.Request,
    ) -> tuple[Any, ...]:  # fmt: skip
        """Switch the chosen passage off, or on again: the other of what the visitor saw."""
        chunk_id, enabled = chosen
        self._context.runtime.local_base.switch(chunk_id, not enabled)
        words = self._context.words
        said = words("已停用：搜不到，也不再用来回答。") if enabled else words("已启用：又能搜到了。")
        return self._changed(said, chunk_id, (scope, needle, file, only_off, starts), request)

    def save(
        self, scope: str, needle: str, file: str, only_off: bool, starts: list[int], chosen: Chosen, text: str,
        request: gr.Request,
    ) -> tuple[Any, ...]:  # fmt: skip
        """Give the chosen passage the text that was typed."""
        self._context.runtime.local_base.edit(chosen[0], text)
        said = self._context.words("已存下；从现在起按新的文字检索和回答。")
        return self._changed(said, chosen[0], (scope, needle, file, only_off, starts), request)

    def around(self, scope: str, needle: str, chunk_id: str, request: gr.Request) -> str:
        """A passage by its id, with those around it."""
        base = self.base_of(scope, request)
        if base is None:
            raise InputError("这一段已经不在索引里了；请重新筛选")
        found = neighbours(base, chunk_id)
        page = page_link(found.chunk.chunk, self._context.words, own=scope == OWN)
        return passage_html(found.chunk, [needle.strip()], self._context.words, around=found, page=page)

    def rows(
        self, scope: str, needle: str, file: str, only_off: bool, request: gr.Request
    ) -> Iterator[dict[str, Any]]:
        """For an export: all passages that the filter leaves."""
        if (base := self.base_of(scope, request)) is not None:
            found = every(base, needle, wanted_file(base, file), self._shown(scope, only_off))
            yield from map(chunk_row, found)

    def base_of(self, scope: str, request: gr.Request) -> KnowledgeBase | None:
        """The collection of a scope; None for own documents where there are none."""
        return self._context.sessions.documents_of(request) if scope == OWN else self._context.runtime.local_base

    def _shown(self, scope: str, only_off: bool) -> Shown:
        """What is switched off is listed for those who can switch it on again."""
        return "on" if scope == OWN or not self._editable else "off" if only_off else "all"

    def _beside(self, detail: str, stored: StoredChunk | None, said: str = "") -> tuple[Any, ...]:
        """A passage in full; the part for changing it where it is given."""
        words = self._context.words
        if stored is None:
            return detail, NONE, gr.Column(visible=False), "", gr.Button(), ""
        chosen: Chosen = stored.chunk.chunk_id, stored.enabled
        label = words("停用") if stored.enabled else words("启用")
        return detail, chosen, gr.Column(visible=True), stored.chunk.text, gr.Button(label), note(said, words)

    def _changed(
        self, said: str, chunk_id: str, view: tuple[str, str, str, bool, list[int]], request: gr.Request
    ) -> tuple[Any, ...]:
        detail = self.around(view[0], view[1], chunk_id, request)
        stored = self._context.runtime.local_base.store.find(chunk_id)
        return self._facts.show(request), *self._list(*view, request), *self._beside(detail, stored, said)


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
        [number, marks(p, words) + excerpt(p.chunk.text, needle), p.chunk.title, len(p.chunk.text), p.file]
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
