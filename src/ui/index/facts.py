"""What the index is, in a grid of facts."""

from src.runtime import Runtime
from src.ui import render
from src.ui.wording import Words


def statistics(runtime: Runtime, words: Words) -> str:
    """The knowledge base of this moment."""
    stats = runtime.base.stats()
    refused = words("（{count} 个用不了）").format(count=stats["rejected"]) if stats["rejected"] else ""
    deleted = words("（另有 {count} 段已删）").format(count=stats["deleted"]) if stats["deleted"] else ""
    return render.facts(
        {
            words("文件数"): f"{stats['files']}{refused}",
            words("文档数"): stats["documents"],
            words("段落数"): f"{stats['chunks']}{deleted}",
            words("去掉的重复"): stats["duplicates"] + stats["near_duplicates"],
            words("向量数"): words("{count} × {dimension} 维").format(
                count=stats["vectors"], dimension=stats["dimension"]
            ),
            words("向量模型"): stats["embedder"],
            words("向量库"): stats["vector_store"],
            words("分片"): stats["segments"],
            words("占用"): f"{stats['bytes'] / 1e6:.2f} MB",
            words("更新时间（UTC）"): str(stats["built_at"])[:16].replace("T", " "),
        }
    )
