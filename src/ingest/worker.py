"""Files parsed in processes of their own: a file that takes too long, too much memory or crashes costs only itself."""

import base64
import datetime
import hashlib
import json
import logging
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Literal, cast

from src.errors import KnowledgeError
from src.ingest.libreoffice import SLIDES, converted, slides_as_pdf
from src.ingest.limits import KNOWLEDGE_LIMITS, UPLOAD_LIMITS, Limits
from src.ingest.pages import PagePicture, Wanted
from src.ingest.parse import read_file
from src.ingest.readers import PLAIN
from src.ingest.report import Documents, Report
from src.ingest.types import Cell, Document, Row

logger = logging.getLogger(__name__)

Kind = Literal["documents", "rows", "page"]
EMPTY: Mapping[str, Any] = {}
Answer = tuple[list[Any], Report]
ROOT = Path(__file__).resolve().parents[2]
# Of the environment only this reaches a parser: no tokens, no keys.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
# Files that may be finished before their turn to be given out comes, for each worker.
_AHEAD = 4
GRACE_S = 1.0
KEPT_PDFS = 4


class ParserPool:
    """``workers`` parser processes, each started for its first file; safe to call from several threads.

    Args:
        limits: of every file, time and memory of its process included.
        threads: for the recognition of pictures, in each process; two and more also spin while they wait.
        idle_s: a process without work for so long ends, and with it what a recognition has loaded (600 MB).
    """

    def __init__(
        self, workers: int = 1, limits: Limits = UPLOAD_LIMITS, threads: int = 1, idle_s: float = 60.0
    ) -> None:
        self.limits = limits
        self._parsers = [_Parser(threads, idle_s) for _ in range(workers)]
        self._free: queue.LifoQueue[_Parser] = queue.LifoQueue()
        for parser in self._parsers:
            self._free.put(parser)
        self._pdfs: dict[str, bytes] = {}

    def read(self, path: Path, name: str | None = None) -> Documents:
        """``read_file`` in a process apart; waits until one is free.

        Raises:
            KnowledgeError: as ``read_file``; also when the process took too long or died.
        """
        items, report = self._read("documents", path, name)
        for warning in report.warnings:
            logger.warning("%s", warning)
        return Documents((_document(*fields) for fields in items), report)

    def read_table(self, path: Path, name: str | None = None) -> list[Row]:
        """``parse.read_table`` in a process apart; waits until one is free.

        Raises:
            KnowledgeError: as ``read``.
        """
        return [[_cell(cell) for cell in row] for row in self._read("rows", path, name)[0]]

    def page(self, file: Path | bytes, name: str, wanted: Wanted) -> list[PagePicture]:
        """``pages.page_pictures`` in a process apart, of a file or of what it holds; waits until one is free.

        Raises:
            KnowledgeError: as ``page_pictures``, and as ``read``.
        """
        page = {**vars(wanted), "spans": [list(span) for span in wanted.spans]}
        if Path(name).suffix.lower() in SLIDES:
            file, name = self._pdf(file, name), f"{name}.pdf"
        if isinstance(file, bytes):
            more = {"page": page, "data": base64.b64encode(file).decode("ascii")}
            items, _ = self._read("page", Path(name), name, more)
        else:
            items, _ = self._read("page", file, name, {"page": page})
        return [PagePicture.from_json(item) for item in items]

    def _pdf(self, file: Path | bytes, name: str) -> bytes:
        """Slides as PDF; of the last ones that were asked for it is kept, as making it takes seconds."""
        data = file if isinstance(file, bytes) else file.read_bytes()
        key = hashlib.sha256(data).hexdigest()
        pdf = self._pdfs.get(key) or slides_as_pdf(data, name, self.limits)
        others = [(other, kept) for other, kept in self._pdfs.items() if other != key]
        self._pdfs = dict([*others[1 - KEPT_PDFS :], (key, pdf)])
        return pdf

    def _read(self, kind: Kind, path: Path, name: str | None, more: Mapping[str, Any] = EMPTY) -> Answer:
        parser = self._free.get()
        try:
            with converted(path, name or path.name, self.limits) as readable:
                return parser.read(kind, readable, name or path.name, self.limits, more)
        finally:
            self._free.put(parser)

    def close(self) -> None:
        """End the processes; they also end by themselves, idle, or with this one."""
        for parser in self._parsers:
            parser.close()


def read_files(
    files: Iterable[tuple[Path, str]], workers: int = 1, limits: Limits = KNOWLEDGE_LIMITS, threads: int = 1
) -> Iterator[tuple[str, list[Document] | KnowledgeError]]:
    """(name, documents, or why there are none) of the owner's files, in their order, ``workers`` at a time.

    Formats without a foreign parser are read in this process.
    """
    pool = ParserPool(workers, limits, threads)

    def read(path: Path, name: str) -> list[Document] | KnowledgeError:
        try:
            if path.suffix.lower() in PLAIN:
                return read_file(path, name, limits)
            return pool.read(path, name)
        except KnowledgeError as error:
            return error

    coming: deque[tuple[str, Future[list[Document] | KnowledgeError]]] = deque()
    executor = ThreadPoolExecutor(workers)
    try:
        for path, name in files:
            coming.append((name, executor.submit(read, path, name)))
            if len(coming) > workers * _AHEAD:
                first, result = coming.popleft()
                yield first, result.result()
        while coming:
            first, result = coming.popleft()
            yield first, result.result()
    finally:  # also when the caller takes no more
        executor.shutdown(wait=False, cancel_futures=True)
        pool.close()
        executor.shutdown()


class _Parser:
    """One process, one file at a time."""

    def __init__(self, threads: int, idle_s: float) -> None:
        self._threads = threads
        self._idle_s = idle_s
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def read(self, kind: Kind, path: Path, name: str, limits: Limits, more: Mapping[str, Any] = EMPTY) -> Answer:
        about = {"wanted": kind, "path": str(path.absolute()), "name": name, "limits": asdict(limits)}
        request = json.dumps({**about, **more})
        for _ in range(2):
            process, fresh = self._running(name)
            answer = self._ask(process, request, name, limits)
            if answer is not None:
                return answer
            # One that was there before may have been leaving, or dying of an earlier file: a fresh one will tell.
            if fresh and process.returncode != 0:
                break
        raise KnowledgeError(
            f"{name} 使解析程序中断了：文件可能已损坏，或需要的内存太多；请用原来的软件重新保存，或拆成几个文件"
        )

    def close(self) -> None:
        """Also from another thread, whose file is then refused."""
        self._closed = True
        self._stop()

    def _running(self, name: str) -> tuple[subprocess.Popen[bytes], bool]:
        """The process, and whether it was started just now."""
        if self._process is not None and self._process.poll() is not None:
            self._stop()
        if self._process is not None:
            return self._process, False
        if self._closed:
            raise KnowledgeError(f"{name} 没有读：程序正在退出，请重新启动后再试")
        self._process = self._start()
        return self._process, True

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                cast(IO[bytes], pipe).close()

    def _ask(self, process: subprocess.Popen[bytes], request: str, name: str, limits: Limits) -> Answer | None:
        """None if the process died."""
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limits.max_seconds, end)
        timer.start()
        try:
            process.stdin.write(request.encode("ascii") + b"\n")
            process.stdin.flush()
            answers = _answers(process.stdout)
        except (OSError, ValueError):  # no reader any more, or half an answer
            answers = None
        except BaseException:
            self._stop()  # what it still answers would be taken for the next file's
            raise
        finally:
            timer.cancel()
        if answers is not None:
            if isinstance(answers, str):
                raise KnowledgeError(answers)
            return answers
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)  # its own exit status tells why it ended
        self._stop()
        if late.is_set():
            raise KnowledgeError(
                f"{name} 解析超过 {limits.max_seconds:.0f} 秒，已停止；请拆成几个文件，或先另存为 txt"
            )
        return None

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {key: os.environ[key] for key in _KEPT if key in os.environ}
        environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(self._threads)}
        return subprocess.Popen(  # noqa: S603 (this program's own module)
            [sys.executable, "-m", "src.ingest.parser_process", str(os.getpid()), str(self._idle_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl+C is for this process
        )


def _answers(stream: Iterable[bytes]) -> Answer | str | None:
    """All items, the reason there are none, or None where the stream ends before its last line."""
    items: list[Any] = []
    for line in stream:
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            return str(answer["error"])
        if "done" in answer:
            return items, Report.from_json(answer["report"]) if "report" in answer else Report()
        items += answer["items"]
    return None


def _document(doc_id: Any, source: Any, title: Any, text: Any, page: Any) -> Document:
    return Document(str(doc_id), str(source), str(title), str(text), None if page is None else int(page))


def _cell(value: Any) -> Cell:
    if isinstance(value, dict):
        return datetime.datetime.fromisoformat(value["time"])
    return value if value is None or isinstance(value, str | int | float) else str(value)
