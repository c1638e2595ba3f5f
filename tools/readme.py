"""The settings table of docs/settings.md, made from ``src.settings``; ``--check`` fails when it is out of date."""

import sys
from pathlib import Path

from src.settings import ENV_PREFIX, Settings, default_text

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
BEGIN, END = "<!-- settings:begin -->", "<!-- settings:end -->"


def settings_table() -> str:
    """The Markdown table of every setting."""
    lines = ["| 命令行 | 环境变量 | 默认 | 说明 |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        lines.append(f"| `{flag}` | `{ENV_PREFIX}{name.upper()}` | {default_text(name)} | {field.description} |")
    return "\n".join(lines)


def main() -> int:
    """Rewrite the table, or say that it needs rewriting."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    fresh = f"{before}{BEGIN}\n{settings_table()}\n{END}{after}"
    if "--check" in sys.argv:
        if fresh != text:
            print("docs/settings.md 的表过期了：请运行 make readme", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
