"""The two Milvus collections of a knowledge base, and every call to the server: its errors become clear lines."""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from src.errors import KnowledgeError
from src.settings import MILVUS_ADDRESS

logger = logging.getLogger(__name__)

CONNECT_S, SEARCH_S, WRITE_S = 5.0, 15.0, 300.0
# Milvus's limits: bytes of a text field, and results of one search.
MAX_TEXT_BYTES = 65_535
MAX_RESULTS = 16_384
# Far below the 64 MB that a server takes in one call.
CALL_BYTES = 8_000_000
PAGE = 1000
DEFAULT_COLLECTION = "yuanzhi"
INSTALL = "pip install -r requirements-milvus.txt"
# Numbers that entities are looked up by.
KEYS = ("window", "file", "exact", "near", "doc_id")


@dataclass(frozen=True)
class Address:
    """Where the collections are; ``uri`` is a file of Milvus Lite or an http(s) address."""

    uri: str
    database: str
    collection: str

    @classmethod
    def parse(cls, text: str) -> "Address":
        """What the setting vector_store says: ``milvus:URI[#[DATABASE/]COLLECTION]``."""
        found = MILVUS_ADDRESS.fullmatch(text)
        if found is None:
            raise KnowledgeError(f"Milvus 地址 {text[:100]} 不对；应为 milvus:文件.db 或 milvus:http://主机:19530")
        uri = found["server"] or str(Path(found["file"]).expanduser().absolute())
        return cls(uri, found["database"] or "", found["collection"] or DEFAULT_COLLECTION)

    @property
    def is_file(self) -> bool:
        """Whether Milvus Lite opens it in this process."""
        return "://" not in self.uri

    def __str__(self) -> str:
        return f"{self.uri}#{self.database}/{self.collection}" if self.database else f"{self.uri}#{self.collection}"


class Server:
    """A connection; any number of threads may use it.

    Every method raises KnowledgeError where the server cannot be reached, refuses the token or answers with an error.
    """

    def __init__(self, address: Address, token: str | None = None) -> None:
        """Connect, in ``CONNECT_S`` seconds or not at all."""
        try:
            import pymilvus  # noqa: PLC0415 (optional)

            if address.is_file:
                import milvus_lite  # noqa: F401, PLC0415 (optional)
        except ImportError as error:
            raise KnowledgeError(f"用 Milvus 要先安装 {error.name}：请运行 {INSTALL}") from error
        # What they report is reported again by what is raised here; Milvus Lite's server is inside this process.
        for chatty in (
            "pymilvus",
            "pymilvus.milvus_client",
            "milvus_lite",
            *(["grpc._server"] if address.is_file else []),
        ):
            logging.getLogger(chatty).setLevel(logging.CRITICAL)
        self.address = address
        self._token = token or ""
        self.api: Any = pymilvus
        if address.is_file:
            self._make_folder(Path(address.uri))
        try:
            self._client = pymilvus.MilvusClient(
                uri=address.uri, token=self._token, db_name=address.database, timeout=CONNECT_S
            )
        except Exception as error:  # pymilvus raises what it likes here
            raise self._problem(error) from error
        self.version = str(self.call("get_server_version", CONNECT_S))

    @property
    def is_lite(self) -> bool:
        """Whether it is Milvus Lite, here or in another process."""
        return self.version.startswith("milvus_lite")

    @property
    def collection(self) -> str:
        return self.address.collection

    @property
    def files_collection(self) -> str:
        return f"{self.collection}_files"

    def call(self, method: str, timeout_s: float, *args: Any, **kwargs: Any) -> Any:
        """One method of ``pymilvus.MilvusClient``."""
        run = getattr(self._client, method)
        try:
            try:
                return run(*args, timeout=timeout_s, **kwargs)
            except self.api.MilvusException as error:
                if not re.search("not loaded|released", error.message):
                    raise
                self.load()  # the server has been restarted
                return run(*args, timeout=timeout_s, **kwargs)
        except KnowledgeError:
            raise
        except Exception as error:  # MilvusException, grpc.RpcError, and for a closed channel ValueError
            raise self._problem(error) from error

    def has(self, collection: str) -> bool:
        return bool(self.call("has_collection", SEARCH_S, collection))

    def rows(self, collection: str, where: str, fields: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Every entity that ``where`` means, in the order of ids."""
        options = {"filter": where, "output_fields": list(fields), "batch_size": PAGE}
        pages = self.call("query_iterator", SEARCH_S, collection, **options)
        try:
            while page := pages.next():
                yield from page
        except Exception as error:
            raise self._problem(error) from error
        finally:
            pages.close()

    def count(self, where: str) -> int:
        found = self.call("query", SEARCH_S, self.collection, filter=where, output_fields=["count(*)"])
        return int(found[0]["count(*)"])

    def put(self, collection: str, rows: Iterable[dict[str, Any]]) -> None:
        """Write entities, in calls of a size that a server takes; those with an id that is there are replaced."""
        batch: list[dict[str, Any]] = []
        size = 0
        for row in rows:
            batch.append(row)
            size += sum(map(_size, row.values()))
            if size > CALL_BYTES:
                self.call("upsert", WRITE_S, collection, batch)
                batch, size = [], 0
        if batch:
            self.call("upsert", WRITE_S, collection, batch)

    def delete(self, collection: str, where: str) -> None:
        self.call("delete", WRITE_S, collection, filter=where)

    def search(self, field: str, data: Sequence[Any], limit: int) -> list[str]:
        """Keys of the chunks that are nearest to any of ``data``, ``limit`` entities of each, by inner product."""
        if not data:
            return []
        # Questions lie far from chunks, where a narrow search of the graph loses them.
        parameters = {"ef": max(256, limit)} if field == "dense" and not self.is_lite else {}
        options = {
            "anns_field": field, "limit": min(limit, MAX_RESULTS), "output_fields": ["id"],
            "search_params": {"metric_type": "IP", "params": parameters},
        }  # fmt: skip
        found = self.call("search", SEARCH_S, self.collection, data=list(data), **options)
        return [hit["id"][:-2] for hits in found for hit in hits if hit["distance"] > 0 or field == "dense"]

    def flush(self) -> None:
        """Let Milvus Lite index what it holds in its log; a cluster does so by itself."""
        if self.is_lite:
            for name in (self.collection, self.files_collection):
                self.call("flush", WRITE_S, name)

    def create(self, dimension: int) -> None:
        """Both collections, empty; what had their names is deleted."""
        for name in (self.collection, self.files_collection):
            self.call("drop_collection", WRITE_S, name)
        self._create(self.files_collection, self._files_schema, {"vector": ("FLAT", "L2", {})})
        kind = ("FLAT", {}) if self.is_lite else ("HNSW", {"M": 16, "efConstruction": 200})
        indexes: dict[str, tuple[str, str, dict[str, Any]]] = {
            "dense": (kind[0], "IP", kind[1]),
            "sparse": ("SPARSE_INVERTED_INDEX", "IP", {}),
            **{name: ("INVERTED", "", {}) for name in ("chunk", *KEYS)},
        }
        self._create(self.collection, self._schema(dimension), indexes)

    def load(self) -> None:
        """Make them searchable; Milvus forgets that when it is restarted."""
        for name in (self.collection, self.files_collection):
            self.call("load_collection", WRITE_S, name)

    def _create(self, name: str, schema: Any, indexes: dict[str, tuple[str, str, dict[str, Any]]]) -> None:
        parameters = self.api.MilvusClient.prepare_index_params()
        for field, (kind, metric, options) in indexes.items():
            named = {"metric_type": metric} if metric else {}
            parameters.add_index(field, index_type=kind, params=options, **named)
        # Strong: what has been added is found by the next search, on every machine.
        self.call("create_collection", WRITE_S, name, schema=schema, consistency_level="Strong")
        # There is nothing to index yet that would be worth pymilvus's half a second a field.
        self.call("create_index", WRITE_S, name, parameters, sync=False)

    @cached_property
    def _files_schema(self) -> Any:
        schema = self._empty_schema()
        schema.add_field("body", self.api.DataType.VARCHAR, max_length=MAX_TEXT_BYTES)
        # Milvus wants a vector in every collection.
        schema.add_field("vector", self.api.DataType.FLOAT_VECTOR, dim=2)
        return schema

    def _schema(self, dimension: int) -> Any:
        kinds, schema = self.api.DataType, self._empty_schema()
        schema.add_field("chunk", kinds.VARCHAR, max_length=64)
        schema.add_field("body", kinds.VARCHAR, max_length=MAX_TEXT_BYTES)
        for name in KEYS:
            schema.add_field(name, kinds.INT64)
        # Milvus Lite's "standard" cuts at what is no letter, digit or underscore; a cluster's would cut 中国 in two.
        tokenizer = {"tokenizer": "standard" if self.is_lite else "whitespace"}
        options = {"enable_analyzer": True, "enable_match": True, "analyzer_params": tokenizer}
        schema.add_field("terms", kinds.VARCHAR, max_length=MAX_TEXT_BYTES, **options)
        schema.add_field("dense", kinds.FLOAT_VECTOR, dim=dimension)
        schema.add_field("sparse", kinds.SPARSE_FLOAT_VECTOR)
        return schema

    def _empty_schema(self) -> Any:
        schema = self.api.MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", self.api.DataType.VARCHAR, max_length=64, is_primary=True)
        return schema

    def _make_folder(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KnowledgeError(
                f"建不了 {path.parent}：{error.strerror or error}；请检查 --vector-store"
            ) from error

    def _problem(self, error: Exception) -> KnowledgeError:
        reason = str(getattr(error, "message", "") or error)
        # Where the connection itself is refused, only the cause says why.
        if re.search(
            "unauthenticated|auth check|not authori|permission|privilege",
            f"{reason} {error.__cause__!r}",
            re.IGNORECASE,
        ):
            return KnowledgeError(f"Milvus（{self.address}）不认这个令牌；请检查环境变量 YUAN_VECTOR_STORE_TOKEN")
        if "Open local milvus failed" in reason:
            return KnowledgeError(
                f"打不开 Milvus Lite 文件 {self.address.uri}：可能另一个进程正开着它（一次只许一个），或者是旧版 Milvus Lite 的文件；"
                "请先关掉那个进程，或换一个文件名"
            )
        shown = " ".join((reason.replace(self._token, "***") if self._token else reason).split())[:200]
        return KnowledgeError(
            f"Milvus（{self.address}）没有正常答复：{shown or type(error).__name__}；请检查地址、网络和 Milvus 服务"
        )


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    return 8 * len(value) if isinstance(value, dict) else int(np.asarray(value).nbytes)
