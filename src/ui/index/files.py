"""The files of the knowledge base and of this visitor: listed, added, deleted."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from src.errors import KnowledgeError
from src.knowledge.parse import readable_kinds
from src.retrieval.indexing import add_file, remove_file
from src.retrieval.state import FileEntry
from src.runtime import Runtime
from src.ui.context import EDIT, SEARCH, UPLOAD, Context
from src.ui.index.facts import Facts
from src.ui.index.passages import OWN, SHARED, Passages
from src.ui.index.table import table
from src.ui.templating import note, render
from src.ui.wording import CHINESE, Words

HEADERS = [CHINESE("文件"), CHINESE("段数"), CHINESE("重复"), CHINESE("情况")]
WIDTHS = [216, 92, 100, 186]
MAX_FILES = 500


class FileList:
    """A table of files and what can be done with the chosen one; ``upload`` and ``delete`` only where it may change."""

    def __init__(self, words: Words, name: str, *, about: str, editable: bool, adding: str, primary: bool) -> None:
        self._words, self._about = words, about
        self.count = gr.HTML(elem_id=f"{name}-count")
        self.table = table(HEADERS, WIDTHS, words, f"{name}-files", numbers=(1, 2), height=360)
        with gr.Row(elem_classes=["yz-left"]):
            # Every kind is taken, so that the reader can say in the visitor's language which ones it reads.
            self.upload = gr.UploadButton(
                adding, file_count="multiple", variant="primary" if primary else "secondary", size="sm",
                scale=0, min_width=150, visible=editable, elem_id=f"{name}-upload",
            )  # fmt: skip
            self.show = gr.Button(words("看它的段落"), size="sm", scale=0, min_width=130, elem_id=f"{name}-show")
            self.delete = gr.Button(
                words("删除"),
                variant="stop",
                size="sm",
                scale=0,
                min_width=130,
                visible=editable,
                elem_id=f"{name}-delete",
            )
        self.result = gr.HTML(elem_id=f"{name}-result")
        self.chosen = gr.State("", time_to_live=3600)

    @property
    def outputs(self) -> list[Any]:
        """The components that ``view`` fills."""
        return [self.count, self.table, *self.selection]

    @property
    def selection(self) -> list[Any]:
        """The components that ``choose`` fills."""
        return [self.chosen, self.show, self.delete]

    def view(self, files: Mapping[str, FileEntry]) -> tuple[Any, ...]:
        """All files; none is chosen."""
        text = note(f"{count_text(files, self._words)}{self._about}", self._words)
        rows = gr.Dataframe(file_rows(files, self._words), visible=bool(files))
        return text, rows, *self.choose("")

    def choose(self, name: str, *, deletable: bool = True) -> tuple[Any, ...]:
        """The chosen file, and what can be done with it."""
        delete = self._words("删除 {file}").format(file=name[:30]) if name and deletable else self._words("删除")
        return name, gr.Button(interactive=bool(name)), gr.Button(delete, interactive=bool(name) and deletable)


class Files:
    """The sub-tab: the knowledge base's files beside the visitor's own."""

    def __init__(
        self, context: Context, tab: gr.Tab, facts: Facts, passages: Passages | None, tabs: gr.Tabs
    ) -> None:
        self._context, self._facts, self._passages, self._tabs = context, facts, passages, tabs
        words = context.words
        self.allowed = context.runtime.settings.edit_knowledge
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                gr.Markdown(f"#### {words('知识库')}")
                everyone = words("所有人都看得到。")
                locked = words("这里只能看。站长用 --edit-knowledge 启动后可以在网页上增删，所有访客都能改。")
                self.shared = FileList(
                    words,
                    "shared",
                    about=everyone if self.allowed else locked,
                    editable=self.allowed,
                    adding=words("加入知识库"),
                    primary=False,
                )
            with gr.Column(min_width=320):
                gr.Markdown(f"#### {words('我的文档')}")
                about = words("只有您看得到，问答也会用到它们；一小时不用就会删掉。能读 {kinds}。")
                about = about.format(kinds=readable_kinds())
                self.own = FileList(
                    words, "own", about=about, editable=True, adding=words("加入我的文档"), primary=True
                )
        self._listen(tab)

    def _listen(self, tab: gr.Tab) -> None:
        listen, shared, own, facts = self._context.listen, self.shared, self.own, self._facts.html
        minimal: dict[str, Any] = {"show_progress": "minimal"}
        listen(
            tab.select, self.enter, None, [*shared.outputs, *own.outputs, facts], show_progress="hidden", **SEARCH
        )
        listen(shared.table.select, self.choose_shared, None, shared.selection, show_progress="hidden", **SEARCH)
        listen(own.table.select, self.choose_own, None, own.selection, show_progress="hidden", **SEARCH)
        changed_own = [own.result, own.upload, *own.outputs, facts]
        listen(own.upload.upload, self.add_own, own.upload, changed_own, **minimal, **UPLOAD)
        listen(own.delete.click, self.delete_own, own.chosen, changed_own, **minimal, **UPLOAD)
        if self.allowed:
            changed = [shared.result, shared.upload, *shared.outputs, facts]
            listen(shared.upload.upload, self.add_shared, shared.upload, changed, **minimal, **EDIT)
            listen(shared.delete.click, self.delete_shared, shared.chosen, changed, **minimal, **EDIT)
        if self._passages is None:
            return
        jump = [self._tabs, self._passages.scope, self._passages.needle, *self._passages.outputs]
        for files, handler in ((shared, self.show_shared), (own, self.show_own)):
            listen(files.show.click, handler, files.chosen, jump, **minimal, **SEARCH)

    def enter(self, request: gr.Request) -> tuple[Any, ...]:
        return *self.shared.view(self._context.runtime.base.files()), *self._own_view(request)

    def choose_shared(self, event: gr.SelectData) -> tuple[Any, ...]:
        name = str(event.row_value[0])
        entry = self._context.runtime.base.files().get(name)
        return self.shared.choose(name if entry else "", deletable=self.allowed and bool(entry and entry.added))

    def choose_own(self, event: gr.SelectData) -> tuple[Any, ...]:
        return self.own.choose(str(event.row_value[0]))

    def add_own(self, paths: list[str] | None, request: gr.Request) -> tuple[Any, ...]:
        with self._context.calls.open("upload", request, kind="upload") as call:
            result = self._context.sessions.of(request).add(paths or [])
            call.gave(result)
        return self._added(result), None, *self._own_view(request)

    def delete_own(self, name: str, request: gr.Request) -> tuple[Any, ...]:
        self._context.sessions.of(request).documents.remove(name)
        return self._deleted(name), None, *self._own_view(request)

    def add_shared(self, paths: list[str] | None, request: gr.Request) -> tuple[Any, ...]:
        with self._context.calls.open("upload", request, kind="upload") as call:
            result = add_to_base(self._context.runtime, paths or [])
            call.gave(result)
        return self._added(result), None, *self._shared_view(request)

    def delete_shared(self, name: str, request: gr.Request) -> tuple[Any, ...]:
        remove_from_base(self._context.runtime, name)
        return self._deleted(name), None, *self._shared_view(request)

    def show_shared(self, name: str, request: gr.Request) -> tuple[Any, ...]:
        return self._jump(SHARED, name, request)

    def show_own(self, name: str, request: gr.Request) -> tuple[Any, ...]:
        return self._jump(OWN, name, request)

    def _jump(self, scope: str, name: str, request: gr.Request) -> tuple[Any, ...]:
        """The sub-tab of passages, at one file."""
        assert self._passages is not None
        return gr.Tabs(selected="passages"), scope, "", *self._passages.enter(scope, "", name, request)

    def _shared_view(self, request: gr.Request) -> tuple[Any, ...]:
        return *self.shared.view(self._context.runtime.base.files()), self._facts.show(request)

    def _own_view(self, request: gr.Request) -> tuple[Any, ...]:
        store = self._context.sessions.documents_of(request)
        return *self.own.view(store.files() if store else {}), self._facts.show(request)

    def _added(self, result: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
        words = self._context.words
        refused = [(entry["source"], words.error(str(entry["reason"]))) for entry in result["rejected"]]
        return render("index/added", words, added=result["added"], refused=refused)

    def _deleted(self, name: str) -> str:
        return note(self._context.words("已删除 {file}。").format(file=name), self._context.words)


def add_to_base(runtime: Runtime, paths: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Add files to everyone's knowledge base; the result is that of ``OwnDocuments.add``.

    Raises:
        KnowledgeError: the owner does not allow it.
    """
    _check_allowed(runtime)
    added: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    for path in map(Path, paths):
        try:
            entry = add_file(runtime.base, path, path.name, runtime.parser.read(path))
            added.append({"source": path.name, "chunks": entry.chunks})
        except KnowledgeError as error:
            rejected.append({"source": path.name, "reason": str(error)})
    return {"added": added, "rejected": rejected}


def remove_from_base(runtime: Runtime, name: str) -> None:
    """Delete a file that was added through the page.

    Raises:
        KnowledgeError: the owner does not allow it, there is no such file, or it comes from the settings.
    """
    _check_allowed(runtime)
    if not name:
        raise KnowledgeError("请先选一个要删除的文件")
    remove_file(runtime.base, name)


def file_rows(files: Mapping[str, FileEntry], words: Words) -> list[list[Any]]:
    """Of the table: the files with problems first."""
    entries = sorted(files.values(), key=lambda entry: not entry.problem)[:MAX_FILES]
    return [[e.name, e.chunks, e.duplicates + e.near_duplicates, state_text(e, words)] for e in entries]


def state_text(entry: FileEntry, words: Words) -> str:
    """What became of a file, in words."""
    if entry.problem:
        return words.error(entry.problem)
    if not entry.complete:
        return words("还没有建完索引")
    state = words("网页加入") if entry.added else words("已索引")
    if not entry.copies_of:
        return state
    return state + words("，与 {files} 有重复").format(files=words("、").join(entry.copies_of[:3]))


def count_text(files: Mapping[str, FileEntry], words: Words) -> str:
    """The number of files, and how many of them are shown."""
    text = words("{count} 个文件").format(count=len(files))
    if len(files) > MAX_FILES:
        text += words("，列出 {count} 个").format(count=MAX_FILES)
    refused = sum(bool(entry.problem) for entry in files.values())
    if refused:
        text += words("，其中 {count} 个用不了").format(count=refused)
    return text + words("。")


def _check_allowed(runtime: Runtime) -> None:
    if not runtime.settings.edit_knowledge:
        raise KnowledgeError("站长没有允许在网页上改知识库；请用“我的文档”，或请站长用 --edit-knowledge 启动")
