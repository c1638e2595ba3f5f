"""DESIGN.md's arrows: a room imports only from rooms below it, and a service never imports gradio."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent / "src"
LAYERS = [
    {"__main__"},
    {"serve"},
    {"ui"},
    {"runtime"},
    {"training"},
    {"evaluation"},
    {"chat", "extraction"},
    {"search"},
    {"ingest"},
    {"models"},
    {"yuan"},
    {"weights", "files"},
    {"settings"},
    {"caller"},
    {"errors"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
FILES = sorted(path for path in SRC.rglob("*.py") if path.stem != "__init__" or path.parent != SRC)


def room_of(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "src" and len(parts) > 1 and parts[1] != room:
            assert LEVEL[parts[1]] > LEVEL[room], f"{room} imports {name}"
        if parts[0] in ("gradio", "gradio_client"):
            assert room == "ui", f"{room} imports gradio"


def test_importing_everything_does_nothing(tmp_path: Path) -> None:
    """No file opened for writing, no network, no logging set up: a bare home stays bare."""
    modules = [".".join(("src", *path.relative_to(SRC).with_suffix("").parts)) for path in FILES]
    code = f"import logging, importlib\nfor m in {modules!r}:\n  importlib.import_module(m)\nassert not logging.root.handlers"
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(SRC.parent)}
    environment |= {"MPLCONFIGDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)
    assert not (tmp_path / ".cache" / "yuanzhi").exists()
