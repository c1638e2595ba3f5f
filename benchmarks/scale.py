"""Building, opening and searching 10^3 to 10^6 short texts, beside a tutorial's loop over every vector.

python -m benchmarks.scale [SIZE …] [--threads 2] [--questions 300] [--embedded 20000]
                           [--texts FILE] [--vectors FILE.npy]

Texts: those of FILE, one a line; else the passages in ../shared/data/qa, or examples/knowledge.txt where that
is absent, in windows of 80 characters, and then clauses of different passages put together at random until
there are enough. Vectors: FILE.npy holds those of the first texts, or the first ``--embedded`` are computed;
the rest are mixtures of two of them plus noise. Questions are those that come with the passages. Each size is
measured in a fresh process that maps what was saved (from the page cache, if the machine has the memory).
"""

import argparse
import json
import multiprocessing
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

from src.embedding.use import UniversalSentenceEncoder
from src.retrieval.lexical import LexicalIndex, term_weights
from src.retrieval.vectors import build_vectors, load_vectors

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "qa"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
NEIGHBOURS = 10
# What src/retrieval/search.py asks of each side.
VECTORS_WANTED, TEXTS_WANTED = 200, 50
SLAB = 50_000


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
    """Distinct texts: windows first, then 55 to 100 characters of clauses from anywhere."""
    chance = random.Random(0)
    windows = [p[start : start + 80] for p in passages for start in range(0, max(1, len(p) - 20), 80)]
    texts = dict.fromkeys(" ".join(window.split()) for window in windows)
    clauses = [clause for p in passages for clause in re.findall(r"[^，。；！？\s]{4,45}[，。；！？]", p)]
    while len(texts) < count:
        length, text = chance.randint(55, 85), ""
        while len(text) < length:
            text += chance.choice(clauses)
        texts[text[:100]] = None
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
    """(questions, NEIGHBOURS) rows, by comparing every vector at full precision."""
    scores = np.full((len(questions), NEIGHBOURS), -np.inf, dtype=np.float32)
    rows = np.zeros((len(questions), NEIGHBOURS), dtype=np.int64)
    for start in range(0, len(vectors), SLAB):
        slab = questions @ vectors[start : start + SLAB].T
        scores = np.hstack([scores, slab])
        rows = np.hstack([rows, np.broadcast_to(np.arange(start, start + slab.shape[1]), slab.shape)])
        best = np.argpartition(-scores, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        scores, rows = np.take_along_axis(scores, best, 1), np.take_along_axis(rows, best, 1)
    return rows


def times(calls: list[Callable[[], object]]) -> str:
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


def all_at_once(vectors: np.ndarray, question: np.ndarray) -> np.ndarray:
    """The same as one numpy expression."""
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(question)
    return np.argsort(-(vectors @ question / norms))[:NEIGHBOURS]


def measure(directory: Path, size: int, questions: list[str], threads: int) -> dict[str, str]:
    """Searches of a saved index; runs in a process of its own."""
    encoder = UniversalSentenceEncoder(threads)
    asked = encoder.encode_queries(questions)  # (questions, d)
    process = psutil.Process()
    before = process.memory_info().rss
    start = time.perf_counter()
    dense, lexical = load_vectors(directory / "vectors.faiss"), LexicalIndex.load(directory / "lexical", size)
    opened = time.perf_counter() - start

    def words(question: str) -> np.ndarray:
        return lexical.top(term_weights(question, [lexical])[0], TEXTS_WANTED)[0]

    def hybrid(question: str) -> np.ndarray:
        vector = encoder.encode_queries([question])[0]
        rows = np.union1d(words(question), dense.search(vector, VECTORS_WANTED)[:TEXTS_WANTED])
        by_words = lexical.scores_at(term_weights(question, [lexical])[0], rows)
        return rows[np.argsort(-(0.8 * by_words + 0.2 * dense.scores(vector, rows)))]

    for question, vector in zip(questions[:20], asked, strict=False):
        words(question), dense.search(vector, VECTORS_WANTED)
    row = {
        "open ms": f"{1000 * opened:.0f}",
        "embed question ms": times([lambda q=q: encoder.encode_queries([q]) for q in questions]),
        "dense ms": times([lambda v=v: dense.search(v, VECTORS_WANTED) for v in asked]),
        "lexical ms": times([lambda q=q: words(q) for q in questions]),
        "hybrid ms": times([lambda q=q: hybrid(q) for q in questions]),
    }
    vectors, exact = (np.load(directory / f"{name}.npy", mmap_mode="r") for name in ("full", "exact"))
    found = [dense.search(vector, VECTORS_WANTED)[:NEIGHBOURS] for vector in asked]
    shared = sum(len(np.intersect1d(*pair)) for pair in zip(found, exact, strict=True))
    row["recall@10"] = f"{shared / exact.size:.4f}"
    row["store"] = dense.name
    memory = process.memory_info()
    row["RSS + MB (mapped)"] = f"{(memory.rss - before) / 1e6:.0f} ({(memory.shared) / 1e6:.0f})"
    row["numpy ms"] = times([lambda v=v: all_at_once(vectors, v) for v in asked[:3]])
    row["loop ms"] = times([lambda v=v: loop_over_vectors(vectors, v) for v in asked[:2]])
    return row


def build(directory: Path, texts: list[str], real: np.ndarray, asked: np.ndarray) -> dict[str, str]:
    """Both indexes and the true neighbours, saved; how fast each was made and how big it is."""
    size = len(texts)
    full = np.lib.format.open_memmap(directory / "full.npy", "w+", np.float32, (size, real.shape[1]))
    filled = 0
    for slab in mixed(real, size):
        full[filled : filled + len(slab)] = slab
        filled += len(slab)
    np.save(directory / "exact.npy", nearest_exactly(full, asked))
    start = time.perf_counter()
    lexical = LexicalIndex.build(texts)
    lexical.save(directory / "lexical")
    made_lexical = time.perf_counter()
    dense = build_vectors(full)
    dense.save(directory / "vectors.faiss")
    made_dense = time.perf_counter()
    return {
        "texts": f"{size:,}",
        "lexical build /s": f"{size / (made_lexical - start):,.0f}",
        "dense build /s": f"{size / (made_dense - made_lexical):,.0f}",
        "lexical MB": f"{lexical.nbytes / 1e6:.1f}",
        "dense MB": f"{dense.nbytes / 1e6:.1f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--embedded", type=int, default=20_000)
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
    real = encoder.encode(texts[: min(largest, given.embedded)])
    rate = len(real) / (time.perf_counter() - start)
    print(f"embedding: {rate:,.0f} texts/s of {np.mean([len(t) for t in texts]):.0f} characters on average")
    if given.vectors:
        real = np.load(given.vectors, mmap_mode="r")
    print(f"{min(len(real), largest):,} vectors are real, {len(questions)} questions\n", flush=True)
    asked = encoder.encode_queries(questions)
    for number, size in enumerate(sorted(given.sizes)):
        with tempfile.TemporaryDirectory() as name, threadpool_limits(given.threads):
            row = build(Path(name), texts[:size], real, asked)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                row |= pool.apply(measure, (Path(name), size, questions, given.threads))
        if number == 0:
            print("| " + " | ".join(row) + " |\n|" + "---:|" * len(row))
        print("| " + " | ".join(row.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
