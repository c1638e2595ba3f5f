"""What the index is, in a grid of facts."""

from src.runtime import Runtime
from src.ui import render


def statistics(runtime: Runtime) -> str:
    """The knowledge base of this moment."""
    stats = runtime.base.stats()
    refused = f"（{stats['rejected']} 个用不了）" if stats["rejected"] else ""
    deleted = f"（另有 {stats['deleted']} 段已删）" if stats["deleted"] else ""
    return render.facts(
        {
            "文件": f"{stats['files']}{refused}",
            "文档": stats["documents"],
            "段落": f"{stats['chunks']}{deleted}",
            "去掉的重复": stats["duplicates"] + stats["near_duplicates"],
            "向量": f"{stats['vectors']} × {stats['dimension']} 维",
            "向量模型": stats["embedder"],
            "向量库": stats["vector_store"],
            "分片": stats["segments"],
            "占用": f"{stats['bytes'] / 1e6:.2f} MB",
            "更新时间（UTC）": str(stats["built_at"])[:16].replace("T", " "),
        }
    )
