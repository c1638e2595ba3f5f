"""The files of the knowledge base and of this visitor: listed, added, deleted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from src.ingest.parse import readable_kinds
from src.search.indexing import add_file, remove_file
from src.search.own import add_each, told
from src.search.rows import FileEntry
from src.ui.context import EDIT, UPLOAD, Context
from src.ui.index.facts import Facts
from src.ui.index.parts import HIDDEN, MINIMAL, OWN, button, table
from src.ui.index.passages import Passages
from src.ui.reading import changed, reading
from src.ui.templating import note, render
from src.ui.wording import CHINESE, Words

COLUMNS = {
    CHINESE("文件"): 200, CHINESE("段数"): 76, CHINESE("字数"): 84, CHINESE("重复"): 76, CHINESE("情况"): 176,
}  # fmt: skip
MAX_FILES = 500


class FileList:
    """The files of one collection, and what can be done with the chosen one."""

    def __init__(
        self, context: Context, scope: str, facts: Facts, tab: gr.Tab, tabs: gr.Tabs, passages: Passages | None
    ) -> None:
        self._context, self._facts, self._passages, self._scope = context, facts, passages, scope
        words, own = context.words, scope == OWN
        self._editable = own or context.runtime.settings.edit_knowledge
        self._about = words("所有人都看得到。")
        if own:
            about = words("只有您看得到，问答也会用到它们；一小时不用就会删掉。能读 {kinds}。")
            self._about = about.format(kinds=readable_kinds())
        elif not self._editable:
            self._about = words("这里只能看。站长用 --edit-knowledge 启动后可以在网页上增删，所有访客都能改。")
        with gr.Column(min_width=320):
            gr.Markdown(f"#### {words('我的文档') if own else words('知识库')}")
            count = gr.HTML(elem_id=f"{scope}-count")
            rows = table(COLUMNS, words, f"{scope}-files", height=360)
            with gr.Row(elem_classes=["yz-left"]):
                # Every kind is taken, so that the reader can say in the visitor's language which ones it reads.
                self.upload = gr.UploadButton(
                    words("加入我的文档") if own else words("加入知识库"), file_count="multiple", size="sm", scale=0,
                    variant="primary" if own else "secondary", min_width=150, visible=self._editable,
                    elem_id=f"{scope}-upload",
                )  # fmt: skip
                show = button(words("看它的段落"), f"{scope}-show", visible=passages is not None)
                self.delete = button(words("删除"), f"{scope}-delete", variant="stop", visible=self._editable)
            detail = gr.HTML(elem_id=f"{scope}-reading")
            result = gr.HTML(elem_id=f"{scope}-result")
        chosen = gr.State("", time_to_live=3600)
        selection = [chosen, show, self.delete, detail]
        listed = [count, rows, *selection]
        context.listen(tab.select, self.view, None, listed, **HIDDEN)
        context.listen(rows.select, self.choose, None, selection, **HIDDEN)
        if self._editable:
            slot: dict[str, Any] = {"show_progress": "minimal", **(UPLOAD if own else EDIT)}
            changed = [result, self.upload, facts.html, *listed]
            context.listen(self.upload.upload, self.add, self.upload, changed, **slot)
            context.listen(self.delete.click, self.remove, chosen, changed, **slot)
        if passages is not None:
            jump = [tabs, passages.scope, passages.needle, passages.only_off, *passages.outputs]
            context.listen(show.click, self.show, chosen, jump, **MINIMAL)

    def view(self, request: gr.Request) -> tuple[Any, ...]:
        """All files; none is chosen."""
        words, files = self._context.words, self._files(request)
        rows = gr.Dataframe(file_rows(files, words), visible=bool(files))
        return note(f"{count_text(files, words)}{self._about}", words), rows, *self._selected(None)

    def choose(self, event: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        """The file of a row, unless it is gone."""
        return self._selected(self._files(request).get(str(event.row_value[0])))

    def add(self, paths: list[str], request: gr.Request) -> tuple[Any, ...]:
        """Each of the uploaded files, or the reason why it was not added."""
        with self._context.calls.open("upload", request, kind="upload") as call:
            if self._scope == OWN:
                result = self._context.sessions.of(request).add(paths)
            else:
                result = add_each(paths, self._add_shared)
            call.gave(result)
        return self._changed(
            render("index/added", self._context.words, reading=reading, changed=changed, **result), request
        )

    def remove(self, name: str, request: gr.Request) -> tuple[Any, ...]:
        words = self._context.words
        if self._scope == OWN:
            self._context.sessions.of(request).documents.remove(name)
        else:
            remove_file(self._context.runtime.base, name)
        return self._changed(note(words("已删除 {file}。").format(file=name), words), request)

    def show(self, name: str, request: gr.Request) -> tuple[Any, ...]:
        """The sub-tab of passages, at one file."""
        assert self._passages is not None
        return (
            gr.Tabs(selected="passages"),
            self._scope,
            "",
            False,
            *self._passages.enter(self._scope, "", name, False, request),
        )

    def _add_shared(self, path: Path) -> dict[str, Any]:
        runtime = self._context.runtime
        documents = runtime.parser.read(path)
        return told(*add_file(runtime.base, path, path.name, documents))

    def _changed(self, result: str, request: gr.Request) -> tuple[Any, ...]:
        return result, None, self._facts.show(request), *self.view(request)

    def _files(self, request: gr.Request) -> Mapping[str, FileEntry]:
        own = self._scope == OWN
        base = self._context.sessions.documents_of(request) if own else self._context.runtime.base
        return base.files() if base is not None else {}

    def _selected(self, entry: FileEntry | None) -> tuple[Any, ...]:
        words, name = self._context.words, entry.name if entry else ""
        deletable = entry is not None and self._editable and (self._scope == OWN or entry.added)
        label = words("删除 {file}").format(file=name[:30]) if deletable else words("删除")
        told = render("index/reading", words, entry=entry, reading=reading) if entry and not entry.problem else ""
        return name, gr.Button(interactive=bool(name)), gr.Button(label, interactive=deletable), told


def file_rows(files: Mapping[str, FileEntry], words: Words) -> list[list[Any]]:
    """Of the table: the files with problems first."""
    entries = sorted(files.values(), key=lambda entry: not entry.problem)[:MAX_FILES]
    return [
        [e.name, e.chunks, e.characters, e.duplicates + e.near_duplicates, state_text(e, words)] for e in entries
    ]


def state_text(entry: FileEntry, words: Words) -> str:
    """What became of a file."""
    if entry.problem:
        return words.error(entry.problem)
    if not entry.complete:
        return words("还没有建完索引")
    copies = words("，与 {files} 有重复").format(files=words("、").join(entry.copies_of[:3]))
    left_out = words("，有没读的部分（点这一行看）") if entry.warnings else ""
    return (words("网页加入") if entry.added else words("已索引")) + left_out + (copies if entry.copies_of else "")


def count_text(files: Mapping[str, FileEntry], words: Words) -> str:
    """The number of files, and how many of them are shown."""
    text = words("{count} 个文件").format(count=len(files))
    if len(files) > MAX_FILES:
        text += words("，列出 {count} 个").format(count=MAX_FILES)
    if refused := sum(bool(entry.problem) for entry in files.values()):
        text += words("，其中 {count} 个用不了").format(count=refused)
    return text + words("。")
