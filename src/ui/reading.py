"""What was read of a file and what was left out, in words."""

from collections.abc import Mapping
from typing import Any

from src.ui.wording import CHINESE, Words

# Kinds of ``ingest/report.py``: those that were read, and those that were not.
READ = {
    "pages": CHINESE("{count} 页"), "tables": CHINESE("{count} 个表格"), "charts": CHINESE("{count} 个图表"),
    "pictures": CHINESE("{count} 张图认出文字"), "notes": CHINESE("{count} 条脚注"),
    "unsure_lines": CHINESE("{count} 行字认得不太准"),
}  # fmt: skip
LEFT_OUT = {
    "pictures_unread": CHINESE("{count} 处图片或附件"), "formulas_unread": CHINESE("{count} 个公式"),
    "attachments": CHINESE("{count} 个附件"),
    "contents_pages": CHINESE("{count} 页目录"),
}  # fmt: skip


def reading(characters: int, counts: Mapping[str, int], words: Words) -> str:
    """How much was read; what was not follows behind."""
    shown = f"{characters:,}"
    read = [words("{count} 字").format(count=shown), *_counted(READ, counts, words)]
    text = words("、").join(read)
    if left_out := _counted(LEFT_OUT, counts, words):
        text += words("；没有读：{parts}").format(parts=words("、").join(left_out))
    return text


def changed(changes: Mapping[str, Any], words: Words) -> str:
    """What a new version of a file changed."""
    return words("新的 {new} 段，没变的 {kept} 段，去掉的 {gone} 段").format(**changes)


def _counted(kinds: Mapping[str, str], counts: Mapping[str, int], words: Words) -> list[str]:
    return [words(text).format(count=counts[kind]) for kind, text in kinds.items() if counts.get(kind)]
