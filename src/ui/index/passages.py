"""Every passage of the index, page by page, each with its neighbours."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from src.errors import InputError
from src.retrieval.export import passage_row
from src.retrieval.inspect import Look, Neighbours, every, look, neighbours
from src.retrieval.knowledge_base import KnowledgeBase
from src.retrieval.passages import Passage
from src.ui.context import SEARCH, Context
from src.ui.index.exports import Exports
from src.ui.index.marking import excerpt, pieces, place
from src.ui.index.table import table
from src.ui.templating import note, render
from src.ui.wording import CHINESE, Words

SHARED, OWN = "shared", "own"
ALL_FILES = "*"
HEADERS = [CHINESE("序号"), CHINESE("文字"), CHINESE("标题"), CHINESE("字数"), CHINESE("文件")]
WIDTHS = [64, 330, 130, 64, 150]
TITLE = HEADERS.index("标题")
MAX_FILES = 500
FILTER_CHARS = 200


class Passages:
    """The sub-tab: scope, filter and file above; a page of passages, and one of them in full beside it."""

    def __init__(self, context: Context, tab: gr.Tab) -> None:
        self._context = context
        words = context.words
        with gr.Row(equal_height=True):
            self.scope = gr.Radio(
                [(words("知识库"), SHARED), (words("我的文档"), OWN)], value=SHARED, label=words("范围"), scale=2,
                min_width=220, elem_id="chunk-scope",
            )  # fmt: skip
            self.needle = gr.Textbox(
                label=words("筛选"), placeholder=words("含有这些字的段落"), max_length=FILTER_CHARS, scale=3,
                min_width=200, elem_id="chunk-filter",
            )  # fmt: skip
            self.file = gr.Dropdown(
                [(words("全部文件"), ALL_FILES)], value=ALL_FILES, label=words("文件"), allow_custom_value=True,
                scale=3, min_width=200, elem_id="chunk-file",
            )  # fmt: skip
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320):
                self.count = gr.HTML(elem_id="chunk-count")
                self.table = table(HEADERS, WIDTHS, words, "chunk-table", numbers=(0, 3), height=560)
                with gr.Row(elem_classes=["yz-left"]):
                    self.previous = _button(words("← 上一页"), "chunk-previous")
                    self.following = _button(words("下一页 →"), "chunk-next")
                    self.exports = Exports(context, "passages", self.rows, self._inputs, "chunk")
            with gr.Column(scale=2, min_width=300):
                self.detail = gr.HTML(elem_id="chunk-detail")
        # Where each page until now starts, the next one (or None), and the ids of this one by number.
        self.pages = gr.State(([0], None, {}), time_to_live=3600)
        self._listen(tab)

    @property
    def _inputs(self) -> list[Any]:
        return [self.scope, self.needle, self.file]

    @property
    def outputs(self) -> list[Any]:
        """The components that ``view`` fills."""
        buttons = [self.previous, self.following, *self.exports.buttons]
        return [self.file, self.count, self.table, self.detail, self.pages, *buttons]

    def _listen(self, tab: gr.Tab) -> None:
        listen, inputs, outputs = self._context.listen, self._inputs, self.outputs
        slot: dict[str, Any] = {"show_progress": "hidden", **SEARCH}
        listen([tab.select, self.scope.input], self.enter, inputs, outputs, **slot)
        changes = [self.needle.change, self.file.input]
        listen(changes, self.filter, inputs, outputs, trigger_mode="always_last", **slot)
        listen(self.following.click, self.turn_on, [*inputs, self.pages], outputs, **slot)
        listen(self.previous.click, self.turn_back, [*inputs, self.pages], outputs, **slot)
        listen(self.table.select, self.choose, [self.scope, self.needle, self.pages], self.detail, **slot)

    def enter(self, scope: str, needle: str, file: str, request: gr.Request) -> tuple[Any, ...]:
        """The first page, and the files there are by now."""
        base = self.base_of(scope, request)
        names = list(base.files()) if base else []
        file = file if file in names else ALL_FILES
        choices = [(self._context.words("全部文件"), ALL_FILES), *((name, name) for name in names[:MAX_FILES])]
        if file not in (ALL_FILES, *names[:MAX_FILES]):
            choices.append((file, file))
        return gr.Dropdown(choices, value=file), *self._page(scope, needle, file, [0], request)

    def filter(self, scope: str, needle: str, file: str, request: gr.Request) -> tuple[Any, ...]:
        """The first page of what is left; no passage is chosen any more."""
        return gr.skip(), *self._page(scope, needle, file, [0], request)

    def turn_on(self, scope: str, needle: str, file: str, pages: Any, request: gr.Request) -> tuple[Any, ...]:
        starts, later, _ = pages
        starts = [*starts, later] if later is not None else starts
        return gr.skip(), *self._page(scope, needle, file, starts, request)

    def turn_back(self, scope: str, needle: str, file: str, pages: Any, request: gr.Request) -> tuple[Any, ...]:
        return gr.skip(), *self._page(scope, needle, file, pages[0][:-1] or [0], request)

    def choose(self, scope: str, needle: str, pages: Any, event: gr.SelectData, request: gr.Request) -> str:
        """The passage of a row, with those around it."""
        return self.around(scope, needle, pages[2].get(int(event.row_value[0]), ""), request)

    def around(self, scope: str, needle: str, chunk_id: str, request: gr.Request) -> str:
        """A passage by its id, with those around it."""
        base = self.base_of(scope, request)
        if base is None:
            raise InputError("这一段已经不在索引里了；请重新筛选")
        return self.passage(neighbours(base, chunk_id), needle)

    def passage(self, around: Neighbours, needle: str = "") -> str:
        """A whole passage with its place, those before and after it, and the nearest ones."""
        words, chosen = self._context.words, around.passage
        nearest = [
            _beside(words("余弦 {cosine:.2f}").format(cosine=cosine), other, words)
            for other, cosine in around.nearest
        ]
        return render(
            "index/passage",
            words,
            chunk=chosen.chunk,
            lead=chosen.lead,
            place=place_of(chosen, words),
            pieces=pieces(chosen.chunk.text, [needle.strip()]),
            previous=_beside(words("上一段"), around.previous, words),
            following=_beside(words("下一段"), around.following, words),
            nearest=nearest,
        )

    def rows(self, scope: str, needle: str, file: str, request: gr.Request) -> Iterator[dict[str, Any]]:
        """What an export holds: all passages that the filter leaves."""
        base = self.base_of(scope, request)
        yield from map(passage_row, every(base, needle, wanted_file(base, file)) if base else ())

    def base_of(self, scope: str, request: gr.Request) -> KnowledgeBase | None:
        """The collection of a scope; None for own documents where there are none."""
        if scope == OWN:
            return self._context.sessions.documents_of(request)
        return self._context.runtime.local_base

    def _page(self, scope: str, needle: str, file: str, starts: list[int], request: gr.Request) -> tuple[Any, ...]:
        words, base = self._context.words, self.base_of(scope, request)
        found = look(base, needle, wanted_file(base, file), starts[-1]) if base else Look((), 0, 0, 0, None, 0)
        export = gr.Button(interactive=bool(found.found))
        return (
            note(count_text(found, bool(needle.strip()), words), words),
            table_rows(found, needle, words),
            "",
            (starts, found.following, {number: passage.chunk.chunk_id for number, passage in found.rows}),
            gr.Button(interactive=len(starts) > 1),
            gr.Button(interactive=found.following is not None),
            export,
            export,
        )


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


def table_rows(found: Look, needle: str, words: Words) -> gr.Dataframe:
    """The rows of one page; the column of titles only where there are any."""
    rows = [
        [number, excerpt(p.chunk.text, needle), p.chunk.title, len(p.chunk.text), p.file]
        for number, p in found.rows
    ]
    kept = [column for column in range(len(HEADERS)) if column != TITLE or any(row[TITLE] for row in rows)]
    value = {
        "headers": [words(HEADERS[column]) for column in kept],
        "data": [[row[column] for column in kept] for row in rows],
    }
    widths: list[str | int] = [f"{WIDTHS[column]}px" for column in kept]
    kinds: Any = ["number" if HEADERS[column] in ("序号", "字数") else "str" for column in kept]
    return gr.Dataframe(value, column_widths=widths, datatype=kinds)


def count_text(found: Look, filtered: bool, words: Words) -> str:
    """The extent of the page, and how far was looked."""
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


def place_of(passage: Passage, words: Words) -> str:
    """The file, and where in it, as a reader would look it up."""
    found = place(passage.chunk, words)
    return found if found.startswith(passage.file) else f"{passage.file} · {found}"


def _beside(label: str, passage: Passage | None, words: Words) -> dict[str, str] | None:
    """Another passage as the template shows it."""
    if passage is None:
        return None
    text = passage.chunk.text
    return {"label": label, "begin": excerpt(text, limit=40), "text": text, "place": place_of(passage, words)}


def _button(text: str, elem_id: str) -> gr.Button:
    return gr.Button(text, size="sm", scale=0, min_width=110, interactive=False, elem_id=elem_id)
