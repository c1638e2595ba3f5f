"""What visitors of the page work through: one batch each, in memory only, gone when they are."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from src.errors import InputError
from src.extraction.batch import in_chunks
from src.extraction.jsonl import Line, Record, dump, read_lines, record_of
from src.extraction.schema import Extraction, replace_surrogates
from src.extraction.service import ExtractionService
from src.extraction.tables import KINDS, Table, table_bytes, table_of
from src.knowledge.worker import ParserPool

JSONL = ".jsonl"
UPLOAD_KINDS = (JSONL, *KINDS)
MAX_ROWS = 2_000
MAX_CHARACTERS = 1_000_000
MAX_TOTAL_CHARACTERS = 20_000_000
# JSON takes up to six bytes for a character.
_MAX_FILE_BYTES = 6 * MAX_CHARACTERS
_MAX_LINE_BYTES = 1_000_000
IDLE_S = 3600.0
SWEEP_S = 60.0
# Few, because other visitors' questions wait while the model works on these.
_CHUNK = 8
# And a moment between two, longer than it takes someone who waits for the model to notice.
_PAUSE_S = 0.02


@dataclass
class Batch:
    """One uploaded file, and what was found in its first rows.

    Attributes:
        names: what to call the rows on the page.
        table: None for JSON lines.
        results: of ``lines[: len(results)]``; a row that cannot be used has the reason.
        use_adapter: what the results were made with.
    """

    file_name: str
    lines: list[Line]
    names: list[str]
    table: Table | None
    results: list[Extraction | InputError] = field(default_factory=list)
    use_adapter: bool | None = None
    used: float = field(default_factory=time.monotonic)
    working: threading.Lock = field(default_factory=threading.Lock, compare=False)

    @property
    def total(self) -> int:
        return len(self.lines)

    @property
    def done(self) -> int:
        return len(self.results)

    @property
    def failed(self) -> int:
        return sum(isinstance(result, InputError) for result in self.results)

    @property
    def characters(self) -> int:
        """That are kept in memory: the other columns too."""
        return self.table.characters if self.table else sum(len(line.text) for line in self.lines)

    def records(self) -> Iterator[Record]:
        """Of the rows that are done."""
        return (record_of(*pair) for pair in zip(self.lines, self.results, strict=False))

    def file(self) -> tuple[str, bytes]:
        """(name, content) of a file of the same kind as the upload, rows that are not done marked or left out."""
        path = Path(self.file_name)
        name = f"{path.stem}_抽取{path.suffix.lower()}"
        if self.table is None:
            return name, b"".join(map(dump, self.records()))
        return name, table_bytes(self.table, {record["id"]: record for record in self.records()})

    def is_of(self, other: "Batch") -> bool:
        """Whether both come from the same content."""
        return (self.file_name, self.lines, self.table) == (other.file_name, other.lines, other.table)


class VisitorBatches:
    """One batch a session; safe to call from several threads.

    A batch that was not used for ``IDLE_S`` is dropped; beyond ``MAX_TOTAL_CHARACTERS`` the longest unused go.
    """

    def __init__(self, service: ExtractionService, parser: ParserPool) -> None:
        self._service = service
        self._parser = parser
        self._batches: dict[str, Batch] = {}
        # How many files of a session are being read; one that leaves meanwhile is no longer there.
        self._reading: dict[str, int] = {}
        self._lock = threading.Lock()
        self._sweeper: threading.Thread | None = None

    def open(self, session: str, path: Path) -> Batch:
        """Read an upload; the same content as before keeps its results, any other takes its place.

        Raises:
            InputError: no session to keep it for, not a kind that is read, too much of it, or not what it should be.
            KnowledgeError: the table cannot be read.
        """
        if not session:
            raise InputError("这次调用没有会话，无法保存结果：请用浏览器")
        with self._lock:
            self._reading[session] = self._reading.get(session, 0) + 1
        try:
            batch = self._read(path)
        finally:
            with self._lock:
                left = session not in self._reading
                if not left:
                    self._reading[session] -= 1
                    if not self._reading[session]:
                        del self._reading[session]
        with self._lock:
            if left:
                raise InputError("页面已经关闭，文件没有保存")
            before = self._batches.get(session)
            if before is not None and before.is_of(batch):
                batch = before
            batch.used = time.monotonic()
            self._batches[session] = batch
            self._forget_surplus()
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep, daemon=True)
                self._sweeper.start()
        return batch

    def get(self, session: str) -> Batch:
        """Raises InputError where the session has none (any more)."""
        with self._lock:
            batch = self._batches.get(session)
            if batch is None:
                raise InputError("请先上传一个 jsonl、csv 或 xlsx 文件；太久没有操作的批次会被删掉，需要重新上传")
            batch.used = time.monotonic()
            return batch

    def run(self, session: str, use_adapter: bool, stop: threading.Event) -> Iterator[Batch]:
        """Work on from where it was left; an item at the start and after each row.

        What was done with another setting of the adapter is done again.

        Raises:
            InputError: the session has no batch.
            ModelError: the model cannot answer; what is done stays done.
            Stopped: ``stop`` was set.
        """
        batch = self.get(session)
        with batch.working:  # until the one before, stopped already, has left
            if batch.use_adapter != use_adapter:
                batch.results.clear()
                batch.use_adapter = use_adapter
            yield batch
            texts = [line.text for line in batch.lines[batch.done :]]
            for result in in_chunks(self._service, texts, use_adapter, stop, _CHUNK, user=session):
                batch.results.append(result)
                batch.used = time.monotonic()
                yield batch
                time.sleep(_PAUSE_S)

    def drop(self, session: str) -> None:
        """Forget the batch of a visitor who has left."""
        with self._lock:
            self._batches.pop(session, None)
            self._reading.pop(session, None)

    def _read(self, path: Path) -> Batch:
        suffix = path.suffix.lower()
        if suffix == JSONL:
            if path.stat().st_size > _MAX_FILE_BYTES:
                raise InputError(f"{path.name} 有 {path.stat().st_size / 1e6:.1f} MB，太大了；请拆成几个文件")
            table, lines = None, read_lines(path, path.name, _MAX_LINE_BYTES)
            names = [replace_surrogates(str(line.id)) for line in lines]
        elif suffix in KINDS:
            table = table_of(self._parser.read_table(path), path.name)
            lines, names = table.lines(), [replace_surrogates(name) for name in table.names()]
        else:
            raise InputError(
                f"{path.name}：批量抽取读 {' '.join(UPLOAD_KINDS)}，收到的是 {suffix or '没有后缀的文件'}"
            )
        if not lines:
            raise InputError(f"{path.name} 里没有一行简历")
        if len(lines) > MAX_ROWS:
            raise InputError(
                f"{path.name} 有 {len(lines)} 行，网页上一次最多 {MAX_ROWS} 行；请拆成几个文件，或用命令行"
            )
        batch = Batch(path.name, lines, names, table)
        characters = batch.characters
        if characters > MAX_CHARACTERS:
            raise InputError(
                f"{path.name} 有 {characters} 个字，网页上一次最多 {MAX_CHARACTERS} 个；请拆成几个文件"
            )
        return batch

    def _forget_surplus(self) -> None:
        """Drop the longest unused batches until time and size limits hold; the newest one stays. Under the lock."""
        oldest_first = sorted(self._batches, key=lambda session: self._batches[session].used)
        total = sum(batch.characters for batch in self._batches.values())
        now = time.monotonic()
        for session in oldest_first:
            batch = self._batches[session]
            too_much = total > MAX_TOTAL_CHARACTERS and len(self._batches) > 1
            if not too_much and now - batch.used <= IDLE_S:
                return
            total -= batch.characters
            del self._batches[session]

    def _sweep(self) -> None:
        """Forget idle batches also on a server that nobody else uses; ends when there are none."""
        while True:
            time.sleep(SWEEP_S)
            with self._lock:
                self._forget_surplus()
                if not self._batches:
                    self._sweeper = None
                    return
