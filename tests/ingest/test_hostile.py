"""Files that were made to break a reader are refused in Chinese, or read safely; the next file is read all the same."""

import http.server
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from src.errors import KnowledgeError
from src.ingest.limits import UPLOAD_LIMITS
from src.ingest.worker import ParserPool
from tests.ingest import samples
from tests.ingest.hostile import CASES, Case, book, show, word

LIMITS = replace(UPLOAD_LIMITS, max_seconds=20.0, max_memory_bytes=2_000_000_000)


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    pool = ParserPool(limits=LIMITS)
    yield pool
    pool.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_file(pool: ParserPool, tmp_path: Path, case: Case) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.make())
    if case.read:
        documents = pool.read(path)
        assert any(case.expected in document.text for document in documents)
        assert "root:" not in "".join(document.text for document in documents)
        return
    with pytest.raises(KnowledgeError, match=case.expected) as caught:
        pool.read(path)
    assert case.name in str(caught.value)
    assert re.search("请|应为", str(caught.value))
    # All but two are refused by a reader that knew why, not by the end of the process.
    assert ("中断" in str(caught.value)) == (case.expected == "中断")
    assert "已停止" not in str(caught.value)


def test_what_is_no_file_at_all(pool: ParserPool, tmp_path: Path) -> None:
    """Opening a pipe would wait for its writer for ever."""
    os.mkfifo(tmp_path / "管道.txt")
    (tmp_path / "目录.pdf").mkdir()
    (tmp_path / "断链.docx").symlink_to(tmp_path / "无")
    for name in ("管道.txt", "目录.pdf", "断链.docx", "没有.xlsx"):
        with pytest.raises(KnowledgeError, match=name):
            pool.read(tmp_path / name)


def test_nothing_is_fetched(pool: ParserPool, tmp_path: Path) -> None:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

    def linked(rels: bytes, name: str) -> bytes:
        link = f'<Relationship Id="rIdX" Type="{kind}/{name}" Target="{address}/{name}" TargetMode="External"/>'
        return rels.replace(b"</Relationships>", f"{link}</Relationships>".encode())

    files = {
        "a.html": f'<link rel=stylesheet href="{address}/css"><img src="{address}/img"><script src="{address}/js">'
        f'</script><iframe src="{address}/frame"></iframe><base href="{address}"><p>正文'.encode(),
        "a.docx": samples.replaced(
            word(),
            {
                "word/_rels/document.xml.rels": lambda rels: linked(linked(rels, "image"), "attachedTemplate"),
            },
        ),
        "a.pptx": samples.replaced(
            show(), {"ppt/slides/_rels/slide1.xml.rels": lambda rels: linked(rels, "image")}
        ),
        "a.xlsx": samples.replaced(
            book(), {"xl/_rels/workbook.xml.rels": lambda rels: linked(rels, "externalLink")}
        ),
        "a.md": f"![]({address}/md)\n正文".encode(),
    }
    try:
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
            assert pool.read(tmp_path / name)
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []
