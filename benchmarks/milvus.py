"""recall@1/@5, MRR and milliseconds of Milvus beside the local base, on a SQuAD-shaped file, in one run.

python -m benchmarks.milvus [--vector-store milvus:FILE.db] [--file FILE.json] [--threads 2] [--every 1]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.ingest.types import Document
from src.models.embedders.use import UniversalSentenceEncoder
from src.search.indexing import add_documents, base_of
from src.search.milvus import MilvusBase
from src.search.milvus_server import Address, Server
from src.search.search import Retriever

FILE = Path(__file__).resolve().parents[2] / "shared" / "data" / "qa" / "cmrc2018_trial.json"


class Remembering(UniversalSentenceEncoder):
    """Embeds a question once, so that every line below is timed without it."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads=threads)
        self._seen: dict[str, np.ndarray] = {}

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        for text in texts:
            if text not in self._seen:
                self._seen[text] = super().encode_queries([text])[0]
        return np.stack([self._seen[text] for text in texts])


def measure(retriever: Retriever, questions: list[tuple[str, str]], mode: str) -> str:
    """One line of figures."""
    ranks, times = [], []
    for question, doc_id in questions:
        start = time.perf_counter()
        hits = retriever.search(question, 10, mode)
        times.append(1000 * (time.perf_counter() - start))
        found = list(dict.fromkeys(hit.chunk.doc_id for hit in hits))
        ranks.append(found.index(doc_id) + 1 if doc_id in found else 0)
    at = [100 * sum(0 < rank <= k for rank in ranks) / len(ranks) for k in (1, 5)]
    mrr = 100 * sum(1 / rank for rank in ranks if rank) / len(ranks)
    return f"@1 {at[0]:5.1f}  @5 {at[1]:5.1f}  MRR {mrr:5.1f}  p50 {statistics.median(times):6.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vector-store", default="")
    parser.add_argument("--file", type=Path, default=FILE)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="ask every n-th question")
    given = parser.parse_args()
    documents, questions = [], []
    for article in json.loads(given.file.read_text("utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            doc_id = str(len(documents))
            documents.append(Document(doc_id, given.file.name, "", paragraph["context"]))
            questions += [(qa["question"], doc_id) for qa in paragraph["qas"] if qa["question"].strip()]
    embedder = Remembering(given.threads)
    questions = questions[:: given.every]
    for question, _ in questions:
        embedder.encode_queries([question])
    with tempfile.TemporaryDirectory() as folder:
        address = Address.parse(given.vector_store or f"milvus:{folder}/bench.db")
        base = MilvusBase(Server(address), embedder)
        start = time.perf_counter()
        add_documents(base, given.file.name, documents)
        stats = base.stats()
        print(
            f"{len(questions)} questions, {stats['chunks']} chunks, {stats['vectors']} vectors in {stats['vector_store']}"
        )
        print(f"built in {time.perf_counter() - start:.1f} s")
        local = base_of(documents, embedder)
        for mode in ("lexical", "dense", "hybrid"):
            print(f"  {mode:8} local   {measure(Retriever(local, embedder), questions, mode)}", flush=True)
            print(f"  {mode:8} milvus  {measure(Retriever(base, embedder), questions, mode)}", flush=True)


if __name__ == "__main__":
    main()
