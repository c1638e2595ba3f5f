"""Retrieval in one go: each mode and weight on SQuAD-shaped files, then the peers, then the table from 10^3 to 10^6 texts.

python -m benchmarks.retrieval [FILE.json …] [--threads 2] [--questions 0] [--only modes|peers|scale]

Modes: recall@1/@5 and MRR, every passage a document, no titles. Peers and scale are programs of their own with more
options (``benchmarks/peers.py``, ``benchmarks/scale.py``).
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from src.ingest.types import Document
from src.models.embedders.use import UniversalSentenceEncoder
from src.search.indexing import base_of
from src.search.score import Pool
from src.search.search import Retriever

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "qa"
WEIGHTS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.5)


class Fused:
    """No rerank stage: the weighted sum decides."""

    name = "fused"

    def __init__(self, dense_weight: float) -> None:
        self.dense_weight = dense_weight

    def scores(self, pool: Pool) -> np.ndarray:
        return np.asarray((1 - self.dense_weight) * pool.lexical + self.dense_weight * pool.dense)


def read(path: Path) -> tuple[list[Document], list[tuple[str, str]]]:
    """Passages, and (question, doc_id of its passage)."""
    documents: list[Document] = []
    questions: list[tuple[str, str]] = []
    for article in json.loads(path.read_text("utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            doc_id = str(len(documents))
            documents.append(Document(doc_id, path.name, "", paragraph["context"]))
            questions += [(qa["question"], doc_id) for qa in paragraph["qas"] if qa["question"].strip()]
    return documents, questions


def measure(retriever: Retriever, questions: list[tuple[str, str]], mode: str) -> str:
    """One line: recall at 1 and 5 and MRR@10 over documents, median milliseconds a question."""
    ranks: list[int] = []
    times: list[float] = []
    for question, doc_id in questions:
        start = time.perf_counter()
        hits = retriever.search(question, top_k=30, mode=mode)
        times.append(1000 * (time.perf_counter() - start))
        found = list(dict.fromkeys(hit.chunk.doc_id for hit in hits))[:10]
        ranks.append(found.index(doc_id) + 1 if doc_id in found else 0)
    at = [100 * sum(0 < rank <= k for rank in ranks) / len(ranks) for k in (1, 5)]
    mrr = 100 * sum(1 / rank for rank in ranks if rank) / len(ranks)
    return f"@1 {at[0]:5.1f}  @5 {at[1]:5.1f}  MRR {mrr:5.1f}  p50 {statistics.median(times):5.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=sorted(DATA.glob("*.json")))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--questions", type=int, default=0, help="a sample of at least this many; 0: all")
    parser.add_argument("--only", choices=("modes", "peers", "scale"))
    given = parser.parse_args()
    if given.only in (None, "modes"):
        modes(given)
    for name in ("peers", "scale"):
        if given.only in (None, name):
            subprocess.run(
                [sys.executable, "-m", f"benchmarks.{name}", "--threads", str(given.threads)], check=True
            )


def modes(given: argparse.Namespace) -> None:
    """Print recall of lexical, dense and hybrid with each weight."""
    embedder = UniversalSentenceEncoder(given.threads)
    embedder.encode(["load"])
    for path in given.files:
        documents, questions = read(path)
        if given.questions:
            questions = questions[:: max(1, len(questions) // given.questions)]
        start = time.perf_counter()
        index = base_of(documents, embedder)
        took = time.perf_counter() - start
        stats = index.stats()
        print(f"\n{path.name}: {len(questions)} questions, {len(documents)} passages, {stats['chunks']} chunks,")
        print(f"  {stats['vectors']} vectors, {stats['bytes'] / 1e6:.1f} MB; built in {took:.1f} s")
        for mode in ("lexical", "dense"):
            print(f"  {mode:12} {measure(Retriever(index, embedder), questions, mode)}")
        for weight in WEIGHTS:
            line = measure(Retriever(index, embedder, Fused(weight)), questions, "hybrid")
            print(f"  hybrid {weight:<5} {line}")
        print(f"  reranked     {measure(Retriever(index, embedder), questions, 'hybrid')}")


if __name__ == "__main__":
    main()
