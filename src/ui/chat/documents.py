"""Documents of this visitor alone: dropped in, listed, taken out."""

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from src.knowledge.parse import readable_kinds
from src.retrieval.sessions import IDLE_S, MAX_CHARACTERS, MAX_FILES
from src.retrieval.state import FileEntry
from src.runtime import Runtime
from src.ui import render
from src.ui.guard import PRIVATE, SEARCH_SLOT, UPLOAD_LIFE_S, guarded_in, served, session_of
from src.ui.wording import CHINESE, Words


def build(runtime: Runtime, words: Words) -> None:
    """Draw the controls inside the current Blocks."""
    with gr.Accordion(words("加入我的文档（只有这次会话看得到）"), open=False, elem_id="my-documents") as accordion:
        # Every kind is taken, so that the reader can say which ones it reads.
        upload = gr.File(
            label=words("把文件拖到这里或对话里，或点击选择"),
            file_count="multiple",
            height=150,
            elem_id="my-upload",
        )
        listed = gr.HTML(file_list((), words), elem_id="my-files")
        with gr.Row(visible=False) as row:
            chosen = gr.Dropdown([], label=words("要移除的文档"), scale=3, min_width=140, elem_id="my-name")
            remove_button = gr.Button(
                words("移除"), variant="stop", scale=1, min_width=80, elem_id="my-remove", size="sm"
            )
        gr.HTML(render.note(about(words)))
    # Outside, because a file may be dropped on the chat while this is closed.
    result = gr.HTML(elem_id="my-result", html_template='<div role="status">${value}</div>')

    def view(session: str) -> tuple[Any, ...]:
        files = runtime.sessions.files(session)
        names = [entry.name for entry in files]
        chosen = gr.Dropdown(names, value=names[-1] if names else None)
        return file_list(files, words), gr.Row(visible=bool(names)), chosen

    @guarded_in(words)
    def refresh(request: gr.Request) -> tuple[Any, ...]:
        return view(session_of(request))

    @guarded_in(words)
    @served("upload", "upload")
    def add(paths: list[str] | None, request: gr.Request) -> tuple[Any, ...]:
        session = session_of(request)
        added = runtime.sessions.add(session, paths or [])
        # The area is emptied, so that the same file can be dropped again.
        return upload_summary(added, words), None, *view(session)

    @guarded_in(words)
    def remove(name: str | None, request: gr.Request) -> tuple[Any, ...]:
        session = session_of(request)
        runtime.sessions.remove(session, name or "")
        return render.note(words("已移除 {name}，之后的回答不再用它。").format(name=name)), *view(session)

    events: dict[str, Any] = {"show_progress": "minimal", **PRIVATE, **SEARCH_SLOT}
    files = [listed, row, chosen]
    upload.upload(add, upload, [result, upload, *files], **events)
    remove_button.click(remove, chosen, [result, *files], **events)
    # They can be changed in the index tab too.
    accordion.expand(refresh, None, files, **(events | {"show_progress": "hidden"}))


def file_list(files: Sequence[FileEntry], words: Words) -> str:
    """Name and passages of each file."""
    if not files:
        return render.note(words("还没有加入文档。"))
    count = words("{count} 段")
    items = "".join(
        f'<li>{escape(entry.name)} <span class="yz-meta">{escape(count.format(count=entry.chunks))}</span></li>'
        for entry in files
    )
    return f'<ul class="yz-files" aria-label="{escape(words("我的文档"))}">{items}</ul>'


def about(words: Words) -> str:
    """What may be added, who sees it, and when it is gone."""
    return words(
        "只有这次会话用得到这些文档；关掉网页就删除，{idle} 分钟没有使用也会删除，上传的原文件约 {life} 分钟后从磁盘删除。"
        "一次会话最多 {files} 个文件、共 {characters} 字；能读 {kinds}。"
    ).format(
        idle=int(IDLE_S // 60),
        life=UPLOAD_LIFE_S // 60,
        files=MAX_FILES,
        characters=MAX_CHARACTERS,
        kinds=readable_kinds(),
    )


def upload_summary(result: dict[str, list[dict[str, Any]]], words: Words = CHINESE) -> str:
    """What became of the uploaded files, one line each."""
    added, rejected = words("已加入 {source}：{chunks} 段"), words("未加入 {source}：{reason}")
    lines = [added.format(**item) for item in result["added"]]
    lines += [rejected.format(**item) for item in result["rejected"]]
    return "".join(render.note(line) for line in lines) or render.note(words("没有收到文件。"))
