"""A visitor's batch: an uploaded file of many resumes and the results so far, in memory only."""

import json
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from src.caller import Caller
from src.errors import InputError, KnowledgeError
from src.extraction.document import read_resume
from src.extraction.jsonl import Line, Record, dump, read_lines, record_of
from src.extraction.schema import LABELS, Extraction, replace_surrogates
from src.extraction.service import ExtractionService
from src.extraction.tables import KINDS, Table, table_bytes, table_of
from src.ingest.limits import UPLOAD_LIMITS
from src.ingest.types import Row
from src.ingest.worker import ParserPool

JSONL, JSON = ".jsonl", ".json"
UPLOAD_KINDS = (JSONL, *KINDS)
# Of the table that files make, one a row.
FILE_HEADER = ("文件", "简历")
RESULT_KINDS = (".xlsx", ".csv", JSON)
MAX_ROWS = 2_000
MAX_FILES = 200
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
        use_adapter, fields: what the results were made with; None where nothing was begun.
        unread: why a file that is a row could not be read, by index.
    """

    file_name: str
    lines: list[Line]
    names: list[str]
    table: Table | None
    results: list[Extraction | InputError] = field(default_factory=list)
    use_adapter: bool | None = None
    fields: tuple[str, ...] = ()
    unread: dict[int, str] = field(default_factory=dict)

    @property
    def is_chosen(self) -> bool:
        """Whether it is known which column of the table holds the texts."""
        return self.table is None or self.table.text_column is not None

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

    @property
    def can_choose(self) -> bool:
        """Whether it is a table in which another column may hold the texts."""
        return self.table is not None and tuple(self.table.header) != FILE_HEADER

    @property
    def header(self) -> Row:
        """Names of the table's columns."""
        return self.table.header if self.table else []

    def records(self) -> Iterator[Record]:
        """Of the rows that are done."""
        labels = self.fields or LABELS
        return (record_of(*pair, labels) for pair in zip(self.lines, self.results, strict=False))

    def choose(self, column: int) -> None:
        """Take the texts from another column of the table; what was done is done again."""
        assert self.table is not None
        if column == self.table.text_column:
            return
        self.table = replace(self.table, text_column=column)
        self.lines = self.table.lines()
        self.results.clear()
        self.use_adapter = None

    def file(self, kind: str = "") -> tuple[str, bytes]:
        """(name, content): of the same kind as the upload, or of another of ``RESULT_KINDS``; rows that are not done are
        marked or left out."""
        path = Path(self.file_name)
        kind = kind or path.suffix.lower()
        name, labels = f"{path.stem}_抽取{kind}", self.fields or LABELS
        if kind == JSONL:
            return name, b"".join(map(dump, self.records()))
        if kind == JSON:
            return name, json.dumps(list(self._people()), ensure_ascii=False, indent=2).encode("utf-8", "replace")
        table = self.table or Table(kind, ["id", "text"], [[str(one.id), one.text] for one in self.lines], 1, 0)
        numbered = dict(enumerate(self.records(), 1))
        return name, table_bytes(replace(table, kind=kind), numbered, labels)

    def _people(self) -> Iterator[Record]:
        """One item a person; a row that could not be used, or was asked for fields of one's own, is one."""
        for number, record in enumerate(self.records()):
            about = {"row": number + 1, "id": self.names[number]}
            if "error" in record:
                yield about | {"error": record["error"]}
            elif self.fields:
                yield about | {"entities": record["entities"], "spans": record["spans"]}
            for person in record["people"]:
                yield about | person | {"spans": [record["spans"][place] for place in person["spans"]]}

    def run(
        self, service: ExtractionService, use_adapter: bool, caller: Caller, fields: Sequence[str] | None = None
    ) -> Iterator[None]:
        """Work on from where it was left; an item at the start and after each group of rows.

        What was done with another setting of the adapter or with other fields is done again.

        Raises:
            InputError: the fields cannot be used, or no column was chosen.
            ModelError: the model cannot answer; what is done stays done.
            Stopped: ``caller.stop`` was set.
        """
        names = service.checked_fields(fields)
        if not self.is_chosen:
            raise InputError("还没有选哪一列是要抽取的文字，请先选择")
        if not self.is_made_with(use_adapter, names):
            self.results.clear()
            self.use_adapter, self.fields = use_adapter, names
        yield
        size = 1
        while self.done < self.total:
            started = time.perf_counter()
            chosen = range(self.done, min(self.done + size, self.total))
            texts = [self.lines[number].text for number in chosen if number not in self.unread]
            found = service.extract_many(texts, use_adapter, caller, names)
            for number in chosen:
                self.results.append(InputError(self.unread[number]) if number in self.unread else next(found))
            took_s = time.perf_counter() - started
            yield
            if took_s < _GROUP_S / 2:
                size = min(2 * size, _GROUP)
            elif took_s > _GROUP_S:
                size = max(1, size // 2)
            time.sleep(_PAUSE_S)

    def is_made_with(self, use_adapter: bool, fields: Sequence[str]) -> bool:
        """Whether the results are of this setting; with fields of one's own no adapter marks."""
        own = tuple(fields)
        return (
            self.use_adapter is not None and self.fields == own and (bool(own) or self.use_adapter == use_adapter)
        )

    def is_of(self, other: "Batch") -> bool:
        """Whether both come from the same content, whichever column was chosen."""
        return self.file_name == other.file_name and self._content() == other._content()

    def _content(self) -> object:
        return (self.table.header, self.table.rows) if self.table else self.lines


def read_resumes(parser: ParserPool, paths: Sequence[Path]) -> Iterator[tuple[int, int] | Batch]:
    """Files of any readable kind, or zips of them, as a batch of one row a file, the last item; before it
    (files read, files in all).

    A file that cannot be read is a row that says why.

    Raises:
        InputError: too many files or too much text, or a zip that cannot be unpacked.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [file for path in paths for file in _unpacked(path, Path(folder))]
        if not files:
            raise InputError("没有收到文件；请再选一次")
        if len(files) > MAX_FILES:
            raise InputError(f"收到 {len(files)} 个文件，网页上一次最多 {MAX_FILES} 个；请分几次上传")
        texts: list[str] = []
        unread: dict[int, str] = {}
        for number, (name, path) in enumerate(files):
            yield number, len(files)
            try:
                texts.append(read_resume(parser, path, MAX_CHARACTERS).text)
            except KnowledgeError as error:
                texts.append("")
                unread[number] = str(error).replace(path.name, name)
    rows: list[Row] = [[name, text] for (name, _), text in zip(files, texts, strict=True)]
    table = Table(".xlsx", list(FILE_HEADER), rows, text_column=1, id_column=0)
    title = paths[0].stem if len(paths) == 1 else "简历"
    batch = Batch(f"{title}.xlsx", table.lines(), table.names(), table, unread=unread)
    if batch.characters > MAX_CHARACTERS:
        raise InputError(f"这些文件共有 {batch.characters} 个字，网页上一次最多 {MAX_CHARACTERS} 个；请分几次上传")
    yield batch


def _unpacked(path: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """(name to show, file) of a file, or of each in a zip; what office programs and systems leave there is not taken.

    Raises:
        InputError: the zip is damaged, locked, or too much of it.
    """
    if path.suffix.lower() != ".zip":
        yield path.name, path
        return
    try:
        with zipfile.ZipFile(path) as package:
            inside = [
                entry for entry in package.infolist() if not entry.is_dir() and not _is_left_over(_name_of(entry))
            ]
            if len(inside) > MAX_FILES:
                raise InputError(
                    f"{path.name} 里有 {len(inside)} 个文件，网页上一次最多 {MAX_FILES} 个；请分几次上传"
                )
            if sum(entry.file_size for entry in inside) > UPLOAD_LIMITS.max_unpacked_bytes:
                raise InputError(f"{path.name} 解压后太大；请分几次上传")
            for number, entry in enumerate(inside):
                name = _name_of(entry)
                # Under a name of our own: the entry's may lead out of the folder.
                target = folder / f"{path.stem[:40]}-{number}{Path(name).suffix.lower()[:10]}"
                with package.open(entry) as source, target.open("wb") as copy:
                    shutil.copyfileobj(
                        source, copy
                    )  # zipfile gives no more than the entry's size, which was added up
                yield name, target
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path.name} 解不开：已损坏、加了密码，或不是 zip；请重新打包") from error


def _name_of(entry: zipfile.ZipInfo) -> str:
    """The file's name; old Chinese Windows writes GBK without saying so, which is read as code page 437."""
    name = entry.filename
    if not entry.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("gb18030")
    return replace_surrogates(name.replace("\\", "/").rpartition("/")[2])


def _is_left_over(name: str) -> bool:
    return not name or name.startswith((".", "~$")) or name == "Thumbs.db"


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
        table = table_of(parser.read_table(path), path.name, may_choose=True)
        lines, names = table.lines(), [replace_surrogates(name) for name in table.names()]
    else:
        raise InputError(f"{path.name} 不是表格；请把它作为简历文件上传")
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
