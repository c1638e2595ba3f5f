"""The index in one line, its figures folded behind it."""

from typing import Any

import gradio as gr

from src.ui.context import Context
from src.ui.templating import render


class Facts:
    """The line at the top of the tab."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.html = gr.HTML(self._html(0, 0), elem_id="index-facts")

    def show(self, request: gr.Request) -> str:
        """The figures of this moment, with the visitor's own documents."""
        own = self._context.sessions.documents_of(request)
        return self._html(len(own.files()), len(own)) if own else self._html(0, 0)

    def _html(self, own_files: int, own_chunks: int) -> str:
        words, stats = self._context.words, self._context.runtime.base.stats()
        line = [
            words("{count} 个文件").format(count=stats["files"]),
            words("{count} 段").format(count=stats["chunks"]),
            words("我的文档 {count} 个").format(count=own_files),
        ]
        if own_chunks:
            line[-1] += words("（{count} 段）").format(count=own_chunks)
        if stats["rejected"]:
            line.append(words("{count} 个文件用不了").format(count=stats["rejected"]))
        return render("index/facts", words, line=line, facts=self._facts(stats))

    def _facts(self, stats: dict[str, Any]) -> dict[str, str]:
        words = self._context.words
        deleted = words("（另有 {count} 段已删）").format(count=stats["deleted"]) if stats["deleted"] else ""
        vectors = words("{count} × {dimension} 维").format(count=stats["vectors"], dimension=stats["dimension"])
        return {
            words("文档数"): str(stats["documents"]),
            words("段落数"): f"{stats['chunks']}{deleted}",
            words("去掉的重复"): str(stats["duplicates"] + stats["near_duplicates"]),
            words("向量数"): vectors,
            words("向量模型"): str(stats["embedder"]),
            words("向量库"): str(stats["vector_store"]),
            words("分片"): str(stats["segments"]),
            words("占用"): f"{stats['bytes'] / 1e6:.2f} MB",
            words("更新时间（UTC）"): str(stats["built_at"])[:16].replace("T", " "),
        }
