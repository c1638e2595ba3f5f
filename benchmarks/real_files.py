"""Recall of questions on real files, all of them in one index: is the answer in the first chunk, in the first five?

python -m benchmarks.real_files FOLDER QUESTIONS.jsonl [--threads 1] [--show] [--cache FILE]

A line asks ``{"file": [names], "query", "contains": [texts]}``: a chunk of one of the files is right when its title and
text hold every text, white space and case aside; ``|`` separates alternatives. Also ``title`` (in the title), ``not`` (not in
it), ``unbroken`` (in the text without a line break), ``nowhere`` (in no chunk of the files). The files are not ours to
keep: ``benchmarks/data/real_files.jsonl`` names the public repository and path of each, and so does
``more_real_files.jsonl``, whose questions were written before anything was mended by them.
"""

import argparse
import hashlib
import json
import pickle
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from src.errors import KnowledgeError
from src.ingest.limits import KNOWLEDGE_LIMITS
from src.ingest.split import split_document
from src.ingest.types import Chunk, Document
from src.ingest.worker import ParserPool
from src.models.embedders.use import UniversalSentenceEncoder
from src.search.indexing import base_of
from src.search.search import Retriever

TOP = 5
SECONDS = 300.0
Question = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="the first chunks where the first is not right")
    parser.add_argument("--cache", type=Path, help="what was read, by content and suffix, to read only once")
    given = parser.parse_args()
    questions = [json.loads(line) for line in given.questions.read_text("utf-8").splitlines() if line.strip()]
    documents = read(given.folder, sorted({name for one in questions for name in one["file"]}), given)
    embedder = UniversalSentenceEncoder(threads=given.threads)
    retriever = Retriever(base_of([one for found in documents.values() for one in found], embedder), embedder)
    ranks: dict[str, list[int]] = defaultdict(list)
    for question in questions:
        hits = [hit.chunk for hit in retriever.search(question["query"], top_k=TOP)]
        rank = next((n for n, chunk in enumerate(hits, 1) if is_right(question, chunk)), 0)
        if rank == 1 and (found := broken(question, documents)):
            print(f"×  {question['query']}  {found}")
            rank = 0
        ranks[Path(question["file"][0]).suffix.lower()].append(rank)
        if given.show and rank != 1:
            report(question, rank, hits, documents)
    everything = [rank for found in ranks.values() for rank in found]
    for kind, found in [*sorted(ranks.items()), ("all", everything)]:
        at = [100 * sum(0 < rank <= k for rank in found) / len(found) for k in (1, TOP)]
        print(f"{kind:8} {len(found):4} questions  R@1 {at[0]:5.1f}  R@{TOP} {at[1]:5.1f}")


def read(folder: Path, names: Sequence[str], given: argparse.Namespace) -> dict[str, list[Document]]:
    """Documents of every file, those of one that is refused with the reason printed."""
    kept = pickle.loads(given.cache.read_bytes()) if given.cache and given.cache.exists() else {}
    pool = ParserPool(limits=replace(KNOWLEDGE_LIMITS, max_seconds=SECONDS), threads=given.threads)
    documents: dict[str, list[Document]] = {}
    for name in names:
        path = folder / name
        key = hashlib.sha256(path.read_bytes()).hexdigest() + name
        if key not in kept:
            try:
                kept[key] = list(pool.read(path))
            except KnowledgeError as error:
                kept[key] = []
                print(f"×  {error}")
        documents[name] = [replace(one, doc_id=f"{name}|{one.doc_id}") for one in kept[key]]
    pool.close()
    if given.cache:
        given.cache.write_bytes(pickle.dumps(kept))
    return documents


def is_right(question: Question, chunk: Chunk) -> bool:
    """Whether the chunk is of one of the files and says what it must."""
    if not any(chunk.doc_id.startswith(f"{name}|") for name in question["file"]):
        return False
    whole = squeezed(chunk.title + chunk.text)
    return (
        all(any(squeezed(one) in whole for one in text.split("|")) for text in question["contains"])
        and all(squeezed(text) in squeezed(chunk.title) for text in question.get("title", []))
        and not any(squeezed(text) in whole for text in question.get("not", []))
        and all(text in chunk.text for text in question.get("unbroken", []))
    )


def broken(question: Question, documents: dict[str, list[Document]]) -> str:
    """What is somewhere in the files and must not be."""
    texts = [squeezed(one.title + one.text) for name in question["file"] for one in documents[name]]
    return next((one for one in question.get("nowhere", []) if any(squeezed(one) in text for text in texts)), "")


def squeezed(text: str) -> str:
    return "".join(text.split()).casefold()


def report(question: Question, rank: int, hits: Sequence[Chunk], documents: dict[str, list[Document]]) -> None:
    chunks = [chunk for name in question["file"] for one in documents[name] for chunk in split_document(one)]
    there = sum(is_right(question, chunk) for chunk in chunks)
    print(f"\n{rank or '-'}  {question['query']}  {question['contains']}  ({there} right chunks)")
    for chunk in hits[:2]:
        print(f"    {chunk.source} | {chunk.title} | {chunk.text[:160]!r}")


if __name__ == "__main__":
    main()
