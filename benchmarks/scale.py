"""Building, opening, searching and adding to collections of 10^2 to 10^6 chunks, beside a tutorial's loop over every vector.

python -m benchmarks.scale [SIZE …] [--threads 2] [--questions 300] [--embedded 20000] [--folder DIR]
                           [--texts FILE] [--vectors FILE.npy]

Texts: those of FILE, one a line; else the passages in ../shared/data/qa, or examples/knowledge.txt where that
is absent, in windows of 80 characters, and then clauses of different passages put together at random until
there are enough. Vectors: FILE.npy holds those of the first texts, or the first ``--embedded`` are computed;
the rest are mixtures of two of them plus noise. Questions are those that come with the passages. Each size is
measured in a fresh process that opens what was saved (from the page cache, if the machine has the memory); its searches
are the product's own, with and without the embedding of the question. Memory is what is resident but not mapped.
"""

import argparse
import json
import multiprocessing
import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

from src.ingest.types import Document
from src.models.embedders.use import UniversalSentenceEncoder
from src.search.indexing import add_documents, find_files, sync
from src.search.knowledge_base import KnowledgeBase
from src.search.search import Retriever

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "qa"
SIZES = (128, 1_000, 30_000, 1_000_000)
NEIGHBOURS = 10
VECTORS_WANTED = 200
SLAB = 50_000
FILE_CHUNKS = 10_000


class Known(UniversalSentenceEncoder):
    """Gives texts the vectors that were made for them, and embeds what is new; remembers questions on demand."""

    def __init__(self, threads: int, vectors: np.ndarray | None = None) -> None:
        super().__init__(threads)
        self.vectors, self.asked = vectors, dict[str, np.ndarray]()
        self.given = 0

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if self.vectors is None:
            return super().encode(texts)
        self.given += len(texts)
        return np.asarray(self.vectors[self.given - len(texts) : self.given], np.float32)

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        if texts[0] in self.asked:
            return self.asked[texts[0]]
        return super().encode(texts)


def passages_and_questions() -> tuple[list[str], list[str]]:
    """Of the question files, or of the examples that come with the program."""
    passages: list[str] = []
    questions: list[str] = []
    for path in sorted(DATA.glob("*.json")):
        for article in json.loads(path.read_text("utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                passages.append(paragraph["context"])
                questions += [qa["question"].strip() for qa in paragraph["qas"]]
    if not passages:
        passages = (ROOT / "examples" / "knowledge.txt").read_text("utf-8").splitlines()
        questions = (ROOT / "examples" / "questions.txt").read_text("utf-8").splitlines()
    return passages, list(dict.fromkeys(question for question in questions if question))


def windows_and_mixtures(passages: list[str], count: int) -> list[str]:
    """Distinct texts of one window each: windows first, then 55 to 80 characters of clauses from anywhere."""
    chance = random.Random(0)
    windows = [p[start : start + 80] for p in passages for start in range(0, max(1, len(p) - 20), 80)]
    texts = dict.fromkeys(" ".join(window.split()) for window in windows)
    clauses = [clause for p in passages for clause in re.findall(r"[^，。；！？\s]{4,45}[，。；！？]", p)]
    while len(texts) < count:
        length, text = chance.randint(55, 75), ""
        while len(text) < length:
            text += chance.choice(clauses)
        texts[text[:80]] = None
    return list(texts)[:count]


def mixed(real: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Slabs of unit vectors (n, d), ``count`` in all: the real ones, then mixtures of two plus noise."""
    chance = np.random.default_rng(0)
    yield np.asarray(real[:count])
    for start in range(len(real), count, SLAB):
        size = min(SLAB, count - start)
        share = chance.uniform(0.35, 0.9, (size, 1)).astype(np.float32)
        one, other = (real[chance.integers(len(real), size=size)] for _ in range(2))
        noise = chance.normal(size=one.shape).astype(np.float32) * np.float32(0.35 / real.shape[1] ** 0.5)
        slab = share * one + (1 - share) * other + noise
        yield slab / np.linalg.norm(slab, axis=1, keepdims=True)


def nearest_exactly(vectors: np.ndarray, questions: np.ndarray) -> np.ndarray:
    """float32 (questions, NEIGHBOURS), the greatest inner products, by comparing every vector."""
    best = np.full((len(questions), 0), -np.inf, dtype=np.float32)
    for start in range(0, len(vectors), SLAB):
        scores = np.hstack([best, questions @ np.asarray(vectors[start : start + SLAB], np.float32).T])
        best = -np.sort(-np.partition(scores, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:], axis=1)
    return best


def times(calls: Sequence[Callable[[], object]]) -> str:
    """Median and 95th percentile in ms."""
    took = []
    for call in calls:
        start = time.perf_counter()
        call()
        took.append(1000 * (time.perf_counter() - start))
    return "{:.1f} / {:.1f}".format(*np.percentile(took, [50, 95]))


def loop_over_vectors(vectors: np.ndarray, question: np.ndarray) -> list[int]:
    """What tutorials do: one cosine after the other, then sort."""
    norm = np.linalg.norm(question)
    scores = [float(np.dot(v, question) / (np.linalg.norm(v) * norm)) for v in vectors]
    return sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[:NEIGHBOURS]


def measure(directory: Path, questions: list[str], threads: int) -> dict[str, str]:
    """Searches of a saved collection, and one addition; runs in a process of its own."""
    encoder = Known(threads)
    asked = encoder.encode_queries(questions)  # (questions, d)
    process = psutil.Process()
    before = process.memory_info()
    start = time.perf_counter()
    base = KnowledgeBase(encoder, directory)
    now = base.snapshot()
    opened = time.perf_counter() - start
    retriever = Retriever(base, encoder)
    for question in questions[:20]:
        retriever.search(question)
    row = {
        "open ms": f"{1000 * opened:.0f}",
        "embed question ms": times([lambda q=q: encoder.encode_queries([q]) for q in questions]),
        "hybrid with it ms": times([lambda q=q: retriever.search(q) for q in questions]),
    }
    encoder.asked = {question: vector[None] for question, vector in zip(questions, asked, strict=True)}
    row |= {
        mode: times([lambda q=q, m=mode: retriever.search(q, mode=m) for q in questions])
        for mode in ("hybrid", "dense", "lexical")
    }
    store = now.main.vectors
    got = [store.scores(v, store.search(v, VECTORS_WANTED)[:NEIGHBOURS]) for v in asked]
    exact = np.load(directory / "exact.npy")
    found = sum(int((scores >= truth[-1] - 1e-3).sum()) for scores, truth in zip(got, exact, strict=True))
    memory = process.memory_info()
    own = (memory.rss - memory.shared - before.rss + before.shared) / 1e6
    row |= {"recall@10": f"{found / exact.size:.4f}", "store": store.name, "own MB": f"{own:.0f}"}
    start = time.perf_counter()
    add_documents(base, "new.txt", [Document("new", "new.txt", "", "源知新添的一段话讲的是火星基地的自动售货机。")])
    hit = retriever.search("火星基地的自动售货机")[0]
    row["added and found s"] = f"{time.perf_counter() - start:.2f}" if hit.chunk.doc_id == "new" else "lost"
    few = store.vectors(np.arange(min(len(store), 30_000)))
    row["loop ms"] = times([lambda v=v: loop_over_vectors(few, v) for v in asked[:2]])
    return row


def build(directory: Path, texts: list[str], real: np.ndarray, asked: np.ndarray, threads: int) -> dict[str, str]:
    """A collection of files of ``FILE_CHUNKS`` lines, and the true neighbours; how fast it was made and how big it is."""
    size = len(texts)
    full = np.lib.format.open_memmap(directory / "full.npy", "w+", np.float16, (size, real.shape[1]))
    filled = 0
    for slab in mixed(real, size):
        full[filled : filled + len(slab)] = slab
        filled += len(slab)
    np.save(directory / "exact.npy", nearest_exactly(full, asked))
    folder = directory / "files"
    folder.mkdir()
    for first in range(0, size, FILE_CHUNKS):
        # Each a document: as lines of a .txt file they would be taken for paragraphs that are wrapped.
        rows = enumerate(texts[first : first + FILE_CHUNKS], first)
        lines = (json.dumps({"id": str(number), "text": text}, ensure_ascii=False) for number, text in rows)
        (folder / f"{first:08}.jsonl").write_text("\n".join(lines), "utf-8")
    base = KnowledgeBase(Known(threads, full), directory)
    start = time.perf_counter()
    sync(base, find_files([folder]))
    took = time.perf_counter() - start
    assert len(base) > 0.99 * size, (len(base), size)  # few of the mixtures are near copies
    with base.exclusive():
        start = time.perf_counter()
        base._publish()
        published = time.perf_counter() - start
    shutil.rmtree(folder)
    (directory / "full.npy").unlink()
    disk = {path.name: path.stat().st_size / 1e6 for path in directory.rglob("*") if path.is_file()}
    return {
        "chunks": f"{size:,}",
        "stored /s": f"{size / took:,.0f}",
        "index built s": f"{published:.1f}",
        "database MB": f"{sum(mb for name, mb in disk.items() if name.startswith('store.db')):.0f}",
        "index MB": f"{sum(mb for name, mb in disk.items() if not name.startswith('store.db')):.0f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--embedded", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="keep the collections here instead of in a temporary folder")
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--vectors", type=Path)
    given = parser.parse_args()
    passages, questions = passages_and_questions()
    questions = random.Random(1).sample(questions, min(given.questions, len(questions)))
    largest = max(given.sizes)
    texts = given.texts.read_text("utf-8").splitlines() if given.texts else windows_and_mixtures(passages, largest)
    encoder = UniversalSentenceEncoder(given.threads)
    encoder.encode(["load"])
    start = time.perf_counter()
    if given.vectors:
        real = np.load(given.vectors, mmap_mode="r")
    else:
        real = encoder.encode(texts[: min(largest, given.embedded)])
        print(f"embedding: {len(real) / (time.perf_counter() - start):,.0f} texts/s")
    print(f"{min(len(real), largest):,} vectors are real, {len(questions)} questions\n", flush=True)
    asked = encoder.encode_queries(questions)
    for number, size in enumerate(sorted(given.sizes)):
        directory = Path(tempfile.mkdtemp(dir=given.folder))
        try:
            with threadpool_limits(given.threads):
                row = build(directory, texts[:size], real, asked, given.threads)
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    row |= pool.apply(measure, (directory, questions, given.threads))
        finally:
            if given.folder is None:
                shutil.rmtree(directory)
        if number == 0:
            print("| " + " | ".join(row) + " |\n|" + "---:|" * len(row))
        print("| " + " | ".join(row.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
