"""Old office files by way of LibreOffice: the real one where it is installed."""

import http.server
import os
import stat
import threading
import time
import zipfile
from pathlib import Path

import pytest
from docx import Document as Word
from pptx import Presentation

from src.errors import KnowledgeError
from src.ingest import libreoffice
from src.ingest.limits import UPLOAD_LIMITS
from src.ingest.locate import Box
from src.ingest.pages import Wanted, is_pictured
from src.ingest.parse import knowledge_files, readable_kinds
from src.ingest.worker import ParserPool

needs_office = pytest.mark.skipif(libreoffice.program() is None, reason="LibreOffice is not installed")


@pytest.fixture(scope="module")
def pool() -> ParserPool:
    return ParserPool()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A document and slides as Office of today writes them."""
    folder = tmp_path_factory.mktemp("office")
    word = Word()
    word.add_heading("差旅规定", 1)
    word.add_paragraph("出差须提前三日申请。")
    table = word.add_table(2, 2)
    for row, values in enumerate((("城市", "每日补贴"), ("青岛", "180 元"))):
        for column, value in enumerate(values):
            table.cell(row, column).text = value
    word.add_paragraph("自印发之日起施行。")  # as Word has it: a table is never the last thing
    word.save(folder / "规定.docx")
    slides = Presentation()
    for title, body in (("本季小结", "新签合同十七份"), ("下季打算", "开设两家分店"), ("谢谢", "联系人：周工")):
        slide = slides.slides.add_slide(slides.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
    slides.slides[1]._element.set("show", "0")  # hidden
    slides.save(folder / "汇报.pptx")
    return folder


def _as(path: Path, suffix: str, folder: Path) -> Path:
    """``path`` as LibreOffice saves it in an old format."""
    with libreoffice._made(path.read_bytes(), path.suffix, path.name, suffix, UPLOAD_LIMITS) as made:
        target = folder / f"{path.stem}{suffix}"
        target.write_bytes(made.read_bytes())
    return target


@needs_office
def test_old_documents_and_slides_are_read_as_the_new_ones_are(
    pool: ParserPool, files: Path, tmp_path: Path
) -> None:
    for name, suffix in (("规定.docx", ".doc"), ("汇报.pptx", ".ppt")):
        new = pool.read(files / name)
        old = pool.read(_as(files / name, suffix, tmp_path))
        assert [(one.title, one.text, one.page) for one in old] == [(one.title, one.text, one.page) for one in new]
        assert all(one.source.startswith(Path(name).stem + suffix) for one in old)
    assert any("城市：青岛；每日补贴：180 元" in one.text for one in pool.read(tmp_path / "规定.doc"))
    assert [file for _, file in knowledge_files([tmp_path])] == ["汇报.ppt", "规定.doc"]
    assert ".doc " in readable_kinds()


@needs_office
def test_the_page_of_a_slide_is_shown_with_its_words_boxed(pool: ParserPool, files: Path) -> None:
    assert is_pictured("汇报.pptx")
    assert is_pictured("汇报.PPT")
    for number, text in ((1, "新签合同十七份"), (2, "开设两家分店")):  # the second one is hidden
        (page,) = pool.page(files / "汇报.pptx", "汇报.pptx", Wanted(number, text))
        assert page.page == number
        assert page.found == 1
        left, top, right, bottom = _around([box for group in page.boxes for box in group])
        assert 0 < left < right < 1
        assert 0 < top < bottom < 1
        assert page.image[8:12] == b"WEBP"
    started = time.perf_counter()
    pool.page((files / "汇报.pptx").read_bytes(), "汇报.pptx", Wanted(3, "联系人：周工"))
    assert time.perf_counter() - started < 30
    assert len(pool._pdfs) == 1


def _around(boxes: list[Box]) -> Box:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


@needs_office
def test_nothing_that_a_file_links_to_is_fetched(pool: ParserPool, files: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    class Server(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_GET = do_OPTIONS = do_HEAD = do_PROPFIND = _answer

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        secret = tmp_path / "secret.txt"
        secret.write_text("不该读到的话", encoding="utf-8")
        target = tmp_path / "模板.docm"
        _link(files / "规定.docx", target, f"http://127.0.0.1:{server.server_port}/picture.png", secret.as_uri())
        documents = pool.read(target)
        server.shutdown()
    assert "出差须提前三日申请" in documents[0].text
    assert "不该读到的话" not in "".join(one.text for one in documents)
    assert asked == []


def _link(source: Path, target: Path, picture: str, text: str) -> None:
    """``source`` with a linked picture and a field that includes another file."""
    drawn = (
        '<w:p><w:r><w:pict xmlns:v="urn:schemas-microsoft-com:vml"><v:shape style="width:9pt;height:9pt">'
        '<v:imagedata xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" r:id="rIdX"/>'
        '</v:shape></w:pict></w:r></w:p><w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r>'
        f'<w:instrText> INCLUDETEXT "{text}" </w:instrText></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>'
    )
    relation = (
        '<Relationship Id="rIdX" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" '
        f'Target="{picture}" TargetMode="External"/></Relationships>'
    )
    with zipfile.ZipFile(source) as given, zipfile.ZipFile(target, "w") as made:
        for name in given.namelist():
            content = given.read(name).decode("utf-8", "surrogateescape")
            if name == "word/document.xml":
                content = content.replace("<w:sectPr", f"{drawn}<w:sectPr", 1)
            elif name == "word/_rels/document.xml.rels":
                content = content.replace("</Relationships>", relation)
            made.writestr(name, content.encode("utf-8", "surrogateescape"))


@needs_office
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000, "可能加了密码或已损坏"),
        (b"%PDF-1.7 ...", "内容其实是 pdf"),
        (b"MZ" + b"\0" * 200, "内容其实是 程序"),
        ("只是一些字".encode(), "内容不是这种格式"),
    ],
)
def test_what_is_no_document_is_refused(pool: ParserPool, tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "-坏的.doc"
    path.write_bytes(content)
    with pytest.raises(KnowledgeError, match=says):
        pool.read(path)


@needs_office
def test_rich_text_that_is_called_doc_is_read(pool: ParserPool, tmp_path: Path) -> None:
    path = tmp_path / "旧文.doc"
    path.write_bytes(rb"{\rtf1\ansi Office hours are nine to five.\par}")
    assert "nine to five" in pool.read(path)[0].text


def test_without_libreoffice_the_cure_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(libreoffice, "program", lambda: None)
    path = tmp_path / "旧.doc"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    with pytest.raises(KnowledgeError, match="另存为 docx"):
        ParserPool().read(path)
    assert libreoffice.convertible_kinds() == ()


def test_a_conversion_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The program is one of ours: what is tested is that it is stopped, with all that it started."""
    program, pid = tmp_path / "soffice", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {pid}\nwait\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(libreoffice, "program", lambda: str(program))
    monkeypatch.setattr(libreoffice, "_SECONDS", 1.0)
    path = tmp_path / "慢.doc"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    with (
        pytest.raises(KnowledgeError, match="转换超过 1 秒"),
        libreoffice.converted(path, path.name, UPLOAD_LIMITS),
    ):
        pass
    for _ in range(50):
        try:
            os.kill(int(pid.read_text()), 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("its child still runs")
