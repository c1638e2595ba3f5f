"""Passages to the entities that Milvus keeps of them, and back."""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from src.embedding.base import Embedder
from src.knowledge.copies import copy_keys
from src.knowledge.types import Chunk
from src.retrieval.lexical import K1, B
from src.retrieval.milvus_files import FileRow, signed
from src.retrieval.milvus_server import MAX_TEXT_BYTES, TEXTS
from src.retrieval.passages import Passage
from src.retrieval.segment import Progress, dense_texts, document_key, embed, lexical_text
from src.retrieval.state import FileEntry
from src.retrieval.terms import text_terms

_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
_STAND_INS = re.compile("[\U0010f000-\U0010f7ff]")
_STAND_IN = 0x10F000 - 0xD800


@dataclass(frozen=True)
class Made:
    """A passage's entities, and what they add to its file's sums."""

    file: str
    entities: list[dict[str, Any]]
    terms: list[str]
    bytes: int


def make_entities(
    passages: Sequence[Passage], rows: Mapping[str, FileRow], embedder: Embedder, progress: Progress | None
) -> list[Made]:
    """Embed passages; ``rows`` say how many passages of their files are kept already."""
    texts = [dense_texts(passage.chunk) for passage in passages]
    vectors = iter(embed([text for group in texts for text in group], embedder, progress))
    places = {name: row.entry.chunks for name, row in rows.items()}
    made: list[Made] = []
    for passage, windows in zip(passages, texts, strict=True):
        place = places.get(passage.file, 0)
        places[passage.file] = place + 1
        made.append(_make(passage, place, [next(vectors) for _ in windows]))
    return made


def _make(passage: Passage, place: int, vectors: Sequence[np.ndarray]) -> Made:
    chunk, row = passage.chunk, FileRow(FileEntry(passage.file))
    exact, near = copy_keys(chunk.title, chunk.text)
    terms = text_terms(lexical_text(passage))
    key = f"{row.key}{place:08x}"
    common = {
        "passage": key,
        "exact": signed(exact),
        "near": signed(near),
        "documents": signed(document_key(chunk.doc_id)),
        "file_key": row.number_key,
        "terms": _cut(" ".join(map(stored_term, terms))),
        "start": chunk.start,
        "end": chunk.end,
    }
    texts = {name: stored(str(getattr(chunk, name, ""))) for name in TEXTS}
    texts |= {"file": stored(passage.file), "lead": stored(passage.lead)}
    empty = dict.fromkeys(TEXTS, "")
    entities = [
        {"id": f"{key}{window:02x}", "window": window, **common, **(empty if window else texts), "dense": vector}
        for window, vector in enumerate(vectors)
    ]
    return Made(passage.file, entities, terms, sum(len(text.encode()) for text in texts.values()))


def add_sparse(made: Sequence[Made], rows: Iterable[FileRow]) -> None:
    """Give every entity what its terms add to a score, but for their inverse document frequency."""
    new = [FileRow(FileEntry(row.file, chunks=1), terms=len(row.terms)) for row in made]
    average = average_terms([*rows, *new])
    for row in made:
        # Milvus Lite wants something in every sparse vector.
        vector = {term_number(t): part for t, part in saturated(row.terms, average).items()} or {0: 1e-6}
        for entity in row.entities:
            entity["sparse"] = vector


def average_terms(rows: Iterable[FileRow]) -> float:
    """Terms a passage."""
    rows = list(rows)
    return max(1.0, sum(row.terms for row in rows) / max(1, sum(row.entry.chunks for row in rows)))


def saturated(terms: Sequence[str], average: float) -> dict[str, float]:
    """BM25 of each term but for its inverse document frequency, below 1."""
    norm = K1 * (1 - B + B * len(terms) / average)
    return {term: count / (count + norm) for term, count in Counter(terms).items()}


def term_number(term: str) -> int:
    """A term's place in a sparse vector: 32 bits but the greatest."""
    return zlib.crc32(term.encode()) % (2**32 - 1)


def passage_of(found: Mapping[str, Any]) -> Passage:
    """Of a passage's first entity."""
    texts = {name: restored(found[name]) for name in TEXTS}
    file, lead = texts.pop("file"), texts.pop("lead")
    return Passage(Chunk(start=int(found["start"]), end=int(found["end"]), **texts), file, lead)


def stored_term(term: str) -> str:
    """3.14 as one token also for Milvus Lite's tokenizer; no term has an underscore of its own."""
    return term.replace(".", "_")


def stored(text: str) -> str:
    """Milvus takes UTF-8 only; names of files may hold bytes that are none."""
    return _LONE_SURROGATES.sub(lambda found: chr(ord(found[0]) + _STAND_IN), text)


def restored(text: str) -> str:
    """What ``stored`` was given."""
    return _STAND_INS.sub(lambda found: chr(ord(found[0]) - _STAND_IN), text)


def _cut(terms: str) -> str:
    """Whole terms, as many as fit into a field (titles of many thousand characters are indexed in part)."""
    data = terms.encode()
    return terms if len(data) <= MAX_TEXT_BYTES else data[:MAX_TEXT_BYTES].rpartition(b" ")[0].decode()
