"""Parser processes: killed, crashed, shared, and never left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from src.errors import KnowledgeError
from src.ingest.limits import KNOWLEDGE_LIMITS, UPLOAD_LIMITS
from src.ingest.types import Document
from src.ingest.worker import ROOT, ParserPool, read_files
from tests.ingest import samples
from tests.ingest.hostile import CASES

# Takes all the memory it may have, some 300 MB a second.
GREEDY = next(case for case in CASES if case.name == "自引用.pdf")


@pytest.fixture
def greedy(tmp_path: Path) -> Path:
    path = tmp_path / "贪心.pdf"
    path.write_bytes(GREEDY.make())
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "好.docx"
    path.write_bytes(samples.word(lambda document: document.add_paragraph("好的。")))
    return path


@pytest.fixture(autouse=True)
def alone() -> None:
    """Parsers that other tests have left idle would be counted here."""
    for process in parsers():
        process.kill()
    assert soon(lambda: parsers() == [])


def parsers(parent: int | None = None) -> list[psutil.Process]:
    try:
        children = psutil.Process(parent).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if _is_parser(child)]


def _is_parser(process: psutil.Process) -> bool:
    try:
        return "src.ingest.parser_process" in process.cmdline()
    except psutil.Error:
        return False


def soon(condition: Callable[[], bool], seconds: float = 15) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_a_process_is_started_for_the_first_file_and_kept(good: Path) -> None:
    pool = ParserPool()
    assert parsers() == []
    pool.read(good)
    (process,) = parsers()
    assert pool.read(good, "别名.docx") == [Document("别名.docx:1", "别名.docx", "别名", "好的。")]
    assert parsers() == [process]
    pool.close()
    assert parsers() == []
    with pytest.raises(KnowledgeError, match="退出"):
        pool.read(good)


def test_a_file_that_takes_too_long_is_refused_and_the_next_is_read(greedy: Path, good: Path) -> None:
    pool = ParserPool(limits=replace(UPLOAD_LIMITS, max_seconds=1.0))
    started = time.monotonic()
    with pytest.raises(KnowledgeError, match=r"贪心\.pdf 解析超过 1 秒，已停止；请"):
        pool.read(greedy)
    assert time.monotonic() - started < 5
    assert pool.read(good)
    pool.close()


def test_a_file_that_takes_too_much_memory_ends_its_process_only(greedy: Path, good: Path) -> None:
    pool = ParserPool(limits=replace(UPLOAD_LIMITS, max_memory_bytes=600_000_000))
    assert pool.read(good)
    (before,) = parsers()
    with pytest.raises(KnowledgeError, match=r"贪心\.pdf 使解析程序中断了"):
        pool.read(greedy)
    assert pool.read(good)
    (after,) = parsers()
    assert before != after
    pool.close()


def test_a_process_that_has_gone_is_replaced(good: Path) -> None:
    pool = ParserPool()
    for end in (signal.SIGKILL, signal.SIGTERM):
        assert pool.read(good)
        (process,) = parsers()
        process.send_signal(end)
        assert soon(lambda process=process: process.status() == psutil.STATUS_ZOMBIE)
        assert pool.read(good)
    pool.close()


def test_an_idle_process_leaves_and_another_comes(good: Path) -> None:
    """Also where it leaves just as it is asked."""
    pool = ParserPool(idle_s=0.02)
    for pause in (0.0, 0.01, 0.02, 0.03, 0.5):
        assert pool.read(good)
        time.sleep(pause)
    assert not [p for p in parsers() if p.status() != psutil.STATUS_ZOMBIE]
    pool.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_threads_share_a_pool(tmp_path: Path, greedy: Path, workers: int) -> None:
    pool = ParserPool(workers, limits=replace(UPLOAD_LIMITS, max_seconds=1.0))
    files = []
    for number in range(6):
        files.append(tmp_path / f"{number}.docx")
        text = f"第{number}份。"
        files[-1].write_bytes(samples.word(lambda document, text=text: document.add_paragraph(text)))
    results: dict[str, str] = {}

    def read(path: Path) -> None:
        try:
            results[path.name] = pool.read(path)[0].text
        except KnowledgeError as error:
            results[path.name] = str(error)

    threads = [threading.Thread(target=read, args=(path,)) for path in (greedy, *files)]
    for thread in threads:
        thread.start()
    assert soon(lambda: len(parsers()) == workers)
    for thread in threads:
        thread.join(30)
    assert "已停止" in results.pop("贪心.pdf")
    assert results == {f"{number}.docx": f"第{number}份。" for number in range(6)}
    pool.close()


def test_read_files_gives_all_in_order(tmp_path: Path, greedy: Path, good: Path) -> None:
    text = tmp_path / "文.txt"
    text.write_text("一行。\n两行。", encoding="utf-8")
    files = [(greedy, "贪心.pdf"), (good, "好.docx"), (text, "夹/文.txt"), (tmp_path / "无.txt", "无.txt")]
    files += [(good, f"{n}.docx") for n in range(20)]
    found = list(read_files(files, workers=2, limits=replace(KNOWLEDGE_LIMITS, max_seconds=1.0)))
    assert [name for name, _ in found] == [name for _, name in files]
    results = dict(found)
    assert isinstance(results["贪心.pdf"], KnowledgeError)
    assert isinstance(results["无.txt"], KnowledgeError)
    assert results["夹/文.txt"] == [
        Document("夹/文.txt:1", "夹/文.txt", "", "一行。"),
        Document("夹/文.txt:2", "夹/文.txt", "", "两行。"),
    ]
    assert results["19.docx"] == [Document("19.docx:1", "19.docx", "", "好的。")]
    assert parsers() == []


def test_read_files_left_early_leaves_nothing(greedy: Path, good: Path) -> None:
    results = read_files([(good, "1.docx"), *((greedy, f"{n}.pdf") for n in range(20))], workers=2)
    started = time.monotonic()
    assert next(results)[0] == "1.docx"
    assert len(parsers()) == 2
    results.close()
    assert time.monotonic() - started < 5
    assert parsers() == []


@pytest.mark.parametrize("how", ["killed", "exits"])
def test_no_process_outlives_its_parent(good: Path, greedy: Path, how: str) -> None:
    """Killed while a file is being parsed; or done, without having closed the pool."""
    code = (
        "import sys, threading; from pathlib import Path; from src.ingest.worker import ParserPool\n"
        "pool = ParserPool(); pool.read(Path(sys.argv[1])); print('ready', flush=True)\n"
        "if sys.argv[3] == 'killed': pool.read(Path(sys.argv[2]))\n"
        "else: sys.stdin.readline()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(good), str(greedy), how],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    (worker,) = parsers(parent.pid)
    if how == "killed":
        time.sleep(0.3)
        parent.kill()
    parent.communicate()
    assert soon(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 8)


def test_a_parser_knows_no_secrets(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YUANZHI_LLM_API_KEY", "sk-secret")
    pool = ParserPool(threads=3)
    pool.read(good)
    environment = parsers()[0].environ()
    assert "YUANZHI_LLM_API_KEY" not in environment
    assert environment["OMP_NUM_THREADS"] == "3"
    pool.close()


def test_a_parser_loads_no_model_library(good: Path) -> None:
    pool = ParserPool()
    pool.read(good)
    loaded = {Path(region.path).name for region in parsers()[0].memory_maps()}
    assert any(name.startswith("etree.") for name in loaded)
    assert not any("torch" in name or "onnxruntime" in name for name in loaded)
    assert os.getpid() != parsers()[0].pid
    pool.close()
