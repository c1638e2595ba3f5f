"""What became of every knowledge file, kept in Milvus beside the passages, so that every machine sees it."""

import base64
import hashlib
import json
import logging
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from src.embedding.base import Embedder
from src.errors import KnowledgeError
from src.knowledge.split import SPLITTER_VERSION
from src.retrieval.manifest import FORMAT_VERSION
from src.retrieval.milvus_server import MAX_TEXT_BYTES, SEARCH_S, WRITE_S, Server
from src.retrieval.state import FileEntry

logger = logging.getLogger(__name__)

KIND = "yuanzhi-milvus"
_STATE = "state"
_PACKED = "zlib:"
_CURE = "请在 --vector-store 的 # 后面换一个集合名，或运行 python -m src index --rebuild 重建"


@dataclass(frozen=True)
class FileRow:
    """An entry, and the sums of its passages.

    Attributes:
        order: files with lower ones were indexed earlier.
        terms, windows, bytes: of all its passages: terms counted, vectors, and UTF-8 of the texts.
    """

    entry: FileEntry
    order: int = 0
    terms: int = 0
    windows: int = 0
    bytes: int = 0

    @property
    def key(self) -> str:
        """16 hexadecimal digits for its name: what ids begin with."""
        return hashlib.blake2b(self.entry.name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

    @property
    def number_key(self) -> int:
        """The same as a number: no file name is ever part of an expression that Milvus parses."""
        return signed(int(self.key, 16))

    def plus(self, terms: int, windows: int, size: int) -> "FileRow":
        """With one more passage."""
        return replace(self, terms=self.terms + terms, windows=self.windows + windows, bytes=self.bytes + size)

    def unfinished(self) -> "FileRow":
        """As it is to be found after an interruption: to be indexed anew."""
        return replace(self, entry=replace(self.entry, sha256="", mtime_ns=0, complete=False))


class Files:
    """The second collection of a knowledge base."""

    def __init__(self, server: Server, embedder: Embedder) -> None:
        """Nothing is asked of the server yet."""
        self._server = server
        self._embedder = embedder
        self.generation = 0
        self.built_at = ""

    def open(self, *, replace_other: bool) -> None:
        """Make both collections where they are missing.

        Raises:
            KnowledgeError: there is one that is not ours, or of another embedder or version (unless ``replace_other``).
        """
        server = self._server
        has_passages, has_files = server.has(server.collection), server.has(server.files_collection)
        if has_files:
            server.call("load_collection", WRITE_S, server.files_collection)
            self._check_kind()
        elif has_passages:
            raise KnowledgeError(
                f"Milvus 里的集合 {server.collection} 不是源知建的；请在 --vector-store 的 # 后面换一个集合名"
            )
        problem = self._difference() if has_files and has_passages else ""
        if problem and not replace_other:
            raise KnowledgeError(problem)
        if problem or not (has_files and has_passages):
            if lost := [name for name, row in self._readable().items() if row.entry.added] if has_files else []:
                logger.warning("这些从网页加入的文件只在原来的集合里，请重新加入：%s", "、".join(lost))
            self.generation = 0
            server.create(self._embedder.dimension)
            self._put_state()
        server.load()

    def read(self) -> dict[str, FileRow]:
        """Every file by name, in the order of indexing; also notes the generation.

        Raises:
            KnowledgeError: something there cannot be understood.
        """
        rows: list[FileRow] = []
        found = list(self._server.rows(self._server.files_collection, 'id != ""', ("body",)))
        try:
            for key, body in ((row["id"], _unpacked(row["body"])) for row in found):
                if key == _STATE:
                    self.generation, self.built_at = int(body["generation"]), str(body["built_at"])
                    continue
                entry = FileEntry(**{**body.pop("entry"), "copies_of": tuple(body.pop("copies_of"))})
                rows.append(FileRow(entry, **body))
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise KnowledgeError(
                f"Milvus 里的集合 {self._server.files_collection} 读不懂（{error}）；{_CURE}"
            ) from error
        return {row.entry.name: row for row in sorted(rows, key=lambda row: (row.order, row.entry.name))}

    def _readable(self) -> dict[str, FileRow]:
        try:
            return self.read()
        except KnowledgeError:
            return {}

    def put(self, rows: Iterable[FileRow]) -> None:
        """Write these; others stay."""
        self._server.put(self._server.files_collection, (_entity(row.key, _body(row)) for row in rows))

    def forget(self, names: Iterable[str]) -> None:
        """Delete these."""
        keys = [FileRow(FileEntry(name)).key for name in names]
        for start in range(0, len(keys), 1000):
            where = "id in [" + ", ".join(f'"{key}"' for key in keys[start : start + 1000]) + "]"
            self._server.delete(self._server.files_collection, where)

    def next_generation(self) -> None:
        """Tell other machines that something changed."""
        self.generation += 1
        self.built_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._put_state()

    def _state(self) -> dict[str, Any]:
        return {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "splitter": SPLITTER_VERSION,
            "embedder": self._embedder.name,
            "fingerprint": self._embedder.fingerprint,
            "dimension": self._embedder.dimension,
            "generation": self.generation,
            "built_at": self.built_at,
        }

    def _put_state(self) -> None:
        self._server.put(self._server.files_collection, [_entity(_STATE, self._state())])

    def _check_kind(self) -> None:
        """A collection that only happens to have this name is never changed."""
        server = self._server
        fields = {
            field["name"]
            for field in server.call("describe_collection", SEARCH_S, server.files_collection)["fields"]
        }
        if fields != {"id", "body", "vector"}:
            raise KnowledgeError(
                f"Milvus 里的集合 {server.files_collection} 不是源知建的；请在 --vector-store 的 # 后面换一个集合名"
            )

    def _difference(self) -> str:
        """Why what is there cannot be used with this embedder and version; empty if it can."""
        server = self._server
        try:
            self.read()
            found = list(server.rows(server.files_collection, f'id == "{_STATE}"', ("body",)))
            there: dict[str, Any] = _unpacked(found[0]["body"]) if found else {}
        except KnowledgeError as error:
            return str(error)
        here = self._state()
        if any(there.get(name) != here[name] for name in ("kind", "format_version", "splitter")):
            return f"Milvus 里的集合 {server.collection} 是另一个版本建的，或没有建完；{_CURE}"
        if any(there.get(name) != here[name] for name in ("fingerprint", "dimension")):
            return (
                f"Milvus 里的集合 {server.collection} 是用 {there.get('embedder')}（{there.get('dimension')} 维）建的，"
                f"与现在的向量模型 {here['embedder']}（{here['dimension']} 维）不是同一个；{_CURE}"
            )
        return ""


def signed(key: int) -> int:
    """The 64 bits of a key as Milvus's INT64."""
    return key - 2**64 if key >= 2**63 else key


def _entity(key: str, body: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(body)
    if len(text) > MAX_TEXT_BYTES:
        text = _PACKED + base64.b64encode(zlib.compress(text.encode())).decode()
    if len(text) > MAX_TEXT_BYTES:
        raise KnowledgeError("一个文件与太多别的文件有相同的段落，Milvus 里记不下；请去掉重复的文件")
    return {"id": key, "body": text, "vector": [0.0, 0.0]}


def _body(row: FileRow) -> dict[str, Any]:
    body = {**asdict(row)}
    body["copies_of"] = list(body["entry"].pop("copies_of"))
    return body


def _unpacked(text: str) -> dict[str, Any]:
    if text.startswith(_PACKED):
        text = zlib.decompress(base64.b64decode(text.removeprefix(_PACKED))).decode()
    body: dict[str, Any] = json.loads(text)
    return body
