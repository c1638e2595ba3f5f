"""A visitor's batch: an uploaded file of many resumes and the results so far, in memory only."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from src.caller import Caller
from src.errors import InputError
from src.extraction.jsonl import Line, Record, dump, read_lines, record_of
from src.extraction.schema import Extraction, replace_surrogates
from src.extraction.service import ExtractionService
from src.extraction.tables import KINDS, Table, table_bytes, table_of
from src.knowledge.worker import ParserPool

JSONL = ".jsonl"
UPLOAD_KINDS = (JSONL, *KINDS)
MAX_ROWS = 2_000
MAX_CHARACTERS = 1_000_000
# JSON takes up to six bytes for a character.
_MAX_FILE_BYTES = 6 * MAX_CHARACTERS
_MAX_LINE_BYTES = 1_000_000
# Rows that the model works on together. Few, because other visitors' questions wait meanwhile and the page shows a
# group when it is done: as many as take about this long, found by doubling and halving.
_GROUP = 8
_GROUP_S = 1.5
# A moment between two groups, longer than it takes someone who waits for the model to notice.
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

    def run(self, service: ExtractionService, use_adapter: bool, caller: Caller) -> Iterator[None]:
        """Work on from where it was left; an item at the start and after each group of rows.

        What was done with another setting of the adapter is done again.

        Raises:
            ModelError: the model cannot answer; what is done stays done.
            Stopped: ``caller.stop`` was set.
        """
        if self.use_adapter != use_adapter:
            self.results.clear()
            self.use_adapter = use_adapter
        yield
        size = 1
        while self.done < self.total:
            started = time.perf_counter()
            texts = [line.text for line in self.lines[self.done : self.done + size]]
            for result in service.extract_many(texts, use_adapter, caller):
                self.results.append(result)
            took_s = time.perf_counter() - started
            yield
            if took_s < _GROUP_S / 2:
                size = min(2 * size, _GROUP)
            elif took_s > _GROUP_S:
                size = max(1, size // 2)
            time.sleep(_PAUSE_S)

    def is_of(self, other: "Batch") -> bool:
        """Whether both come from the same content."""
        return (self.file_name, self.lines, self.table) == (other.file_name, other.lines, other.table)


def read_batch(parser: ParserPool, path: Path) -> Batch:
    """An upload as a batch that nothing is done of.

    Raises:
        InputError: not a kind that is read, too much of it, or not what it should be.
        KnowledgeError: the table cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix == JSONL:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InputError(f"{path.name} 有 {path.stat().st_size / 1e6:.1f} MB，太大了；请拆成几个文件")
        table, lines = None, read_lines(path, path.name, _MAX_LINE_BYTES)
        names = [replace_surrogates(str(line.id)) for line in lines]
    elif suffix in KINDS:
        table = table_of(parser.read_table(path), path.name)
        lines, names = table.lines(), [replace_surrogates(name) for name in table.names()]
    else:
        raise InputError(f"{path.name}：批量抽取读 {' '.join(UPLOAD_KINDS)}，收到的是 {suffix or '没有后缀的文件'}")
    if not lines:
        raise InputError(f"{path.name} 里没有一行简历")
    if len(lines) > MAX_ROWS:
        raise InputError(
            f"{path.name} 有 {len(lines)} 行，网页上一次最多 {MAX_ROWS} 行；请拆成几个文件，或用命令行"
        )
    batch = Batch(path.name, lines, names, table)
    characters = batch.characters
    if characters > MAX_CHARACTERS:
        raise InputError(f"{path.name} 有 {characters} 个字，网页上一次最多 {MAX_CHARACTERS} 个；请拆成几个文件")
    return batch
