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
from src.ui import render
from src.ui.chat_tab import upload_summary
from src.ui.guard import EDIT_SLOT, PRIVATE, SEARCH_SLOT, guarded_in, served, session_of
from src.ui.index.facts import statistics
from src.ui.wording import CHINESE, Words

HEADERS = [CHINESE("文件"), CHINESE("文档"), CHINESE("段落"), CHINESE("重复"), CHINESE("情况")]
WIDTHS: list[str | int] = ["150px", "92px", "92px", "92px", "150px"]
MAX_FILES = 500


def build(runtime: Runtime, tab: gr.Tab, facts: gr.HTML, words: Words) -> None:
    """Draw the tab inside the current Blocks; ``facts`` shows the index's figures and is kept up to date."""
    guarded = guarded_in(words)
    with gr.Row(equal_height=False):
        with gr.Column(min_width=320):
            gr.Markdown(f"#### {words('知识库的文件')}")
            shared_count = gr.HTML(elem_id="shared-count")
            shared = _table(words("知识库的文件"), "shared-files", words)
            if runtime.settings.edit_knowledge:
                shared_upload, shared_result, shared_name, shared_delete = _controls(
                    words("加入知识库（所有人看得到）"), "shared", words
                )
            else:
                locked = words("这里只能看。站长用 --edit-knowledge 启动后可以在网页上增删，所有访客都能改。")
                gr.HTML(render.note(locked), elem_id="shared-locked")
        with gr.Column(min_width=320):
            gr.Markdown(f"#### {words('我的文档')}")
            about = words("只有这次会话看得到，关掉网页就没有了；问答和检索探针也会用到它们。")
            gr.HTML(render.note(about))
            own = _table(words("我的文档"), "own-files", words)
            own_upload, own_result, own_name, own_delete = _controls(words("加入我的文档"), "own", words)

    def shared_view() -> tuple[Any, ...]:
        files = runtime.base.files()
        added = [name for name, entry in files.items() if entry.added]
        view: tuple[Any, ...] = (render.note(count_text(files, words)), file_rows(files, words))
        if runtime.settings.edit_knowledge:
            view += (_choices(added),)
        return (*view, statistics(runtime, words))

    def own_view(session: str) -> tuple[Any, ...]:
        files = {entry.name: entry for entry in runtime.sessions.files(session)}
        return file_rows(files, words), _choices(list(files))

    @guarded
    def enter(request: gr.Request) -> tuple[Any, ...]:
        return *shared_view(), *own_view(session_of(request))

    @guarded
    @served("upload", "upload")
    def add_own(paths: list[str] | None, request: gr.Request) -> tuple[Any, ...]:
        session = session_of(request)
        return upload_summary(runtime.sessions.add(session, paths or []), words), None, *own_view(session)

    @guarded
    def delete_own(name: str | None, request: gr.Request) -> tuple[Any, ...]:
        session = session_of(request)
        runtime.sessions.remove(session, name or "")
        return render.note(words("已删除 {file}。").format(file=name)), *own_view(session)

    @guarded
    @served("upload", "upload")
    def add_shared(paths: list[str] | None, request: gr.Request) -> tuple[Any, ...]:  # noqa: ARG001 (its limits)
        return upload_summary(add_to_base(runtime, paths or []), words), None, *shared_view()

    @guarded
    def delete_shared(name: str | None) -> tuple[Any, ...]:
        remove_from_base(runtime, name or "")
        return render.note(words("已删除 {file}。").format(file=name)), *shared_view()

    quick: dict[str, Any] = {"show_progress": "minimal", **PRIVATE, **SEARCH_SLOT}
    edit: dict[str, Any] = {"show_progress": "minimal", **PRIVATE, **EDIT_SLOT}
    shared_outputs = [shared_count, shared]
    if runtime.settings.edit_knowledge:
        shared_outputs.append(shared_name)
    shared_outputs.append(facts)
    tab.select(enter, None, [*shared_outputs, own, own_name], **quick)
    own_upload.upload(add_own, own_upload, [own_result, own_upload, own, own_name], **quick)
    own_delete.click(delete_own, own_name, [own_result, own, own_name], **quick)
    if runtime.settings.edit_knowledge:
        shared_upload.upload(add_shared, shared_upload, [shared_result, shared_upload, *shared_outputs], **edit)
        shared_delete.click(delete_shared, shared_name, [shared_result, *shared_outputs], **edit)


def add_to_base(runtime: Runtime, paths: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Add files to everyone's knowledge base; the result is that of ``SessionDocuments.add``.

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
    return [
        [e.name, e.documents, e.chunks, e.duplicates + e.near_duplicates, state_text(e, words)] for e in entries
    ]


def state_text(entry: FileEntry, words: Words) -> str:
    """What became of a file, in words; a problem is told in Chinese."""
    if entry.problem:
        return entry.problem
    if not entry.complete:
        return words("还没有建完索引")
    state = words("网页加入") if entry.added else words("已索引")
    if not entry.copies_of:
        return state
    return state + words("，与 {files} 有重复").format(files=words("、").join(entry.copies_of[:3]))


def count_text(files: Mapping[str, FileEntry], words: Words) -> str:
    """How many files there are, and how many of them are shown."""
    text = words("{count} 个文件").format(count=len(files))
    if len(files) > MAX_FILES:
        text += words("，列出 {count} 个").format(count=MAX_FILES)
    refused = sum(bool(entry.problem) for entry in files.values())
    return text + (words("，其中 {count} 个用不了").format(count=refused) if refused else "")


def _check_allowed(runtime: Runtime) -> None:
    if not runtime.settings.edit_knowledge:
        raise KnowledgeError("站长没有允许在网页上改知识库；请用“我的文档”，或请站长用 --edit-knowledge 启动")


def _table(label: str, elem_id: str, words: Words) -> gr.Dataframe:
    return gr.Dataframe(
        headers=[words(header) for header in HEADERS], label=label, show_label=False, interactive=False, wrap=True,
        elem_id=elem_id, max_height=320, column_widths=WIDTHS, type="array",
        datatype=["str", "number", "number", "number", "str"], buttons=[],
    )  # fmt: skip


def _controls(label: str, name: str, words: Words) -> tuple[gr.File, gr.HTML, gr.Dropdown, gr.Button]:
    # Every kind is taken, so that the reader can say in Chinese which ones it reads.
    upload = gr.File(label=label, file_count="multiple", height=140, elem_id=f"{name}-upload")
    gr.HTML(render.note(words("能读 {kinds}").format(kinds=readable_kinds())))
    result = gr.HTML(elem_id=f"{name}-result")
    with gr.Row(equal_height=True):
        chosen = gr.Dropdown([], label=words("要删除的文件"), scale=3, min_width=160, elem_id=f"{name}-name")
        delete = gr.Button(words("删除"), variant="stop", scale=1, min_width=80, elem_id=f"{name}-delete")
    return upload, result, chosen, delete


def _choices(names: list[str]) -> gr.Dropdown:
    return gr.Dropdown(names[:MAX_FILES], value=names[0] if len(names) == 1 else None)
