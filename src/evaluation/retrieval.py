"""How often the right passage comes first: our stages beside the course's method and plain BM25, in one run."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
from tqdm import tqdm

from src.evaluation.questions import Question
from src.files import read_jsonl
from src.ingest.types import Document
from src.models.embedders.base import Embedder
from src.search.index import K1, B
from src.search.indexing import base_of
from src.search.score import Pool, Reranker
from src.search.search import Retriever
from src.search.terms import query_terms, text_terms

RANKS = 10
# A document may hold several chunks; this many hold ten documents, and take a pool of the usual size.
CHUNKS = 25
EMBED_BATCH = 512
# Share of the dense score where no reranker decides: 0.1 to 0.3 are within half a point of each other, more lets a weak
# dense ranking push good lexical matches down (benchmarks/retrieval.py).
DENSE_WEIGHT = 0.2


@dataclass(frozen=True)
class Score:
    """Of one method over one group of questions; shares in [0, 1]."""

    method: str
    group: str
    questions: int
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    mrr_at_10: float
    p50_ms: float


# A question to document ids, best first.
Method = Callable[[str], list[str]]


def read_distractors(path: Path) -> list[Document]:
    """JSON lines ``{"text", "title"?}``: documents that answer nothing.

    Raises:
        InputError: the file cannot be read or a line has no text.
    """
    rows = read_jsonl(path, required={"text": str})
    return [Document(f"distractor-{n}", path.name, str(row.get("title", "")), row["text"]) for n, row in rows]


def evaluate(
    documents: Sequence[Document],
    questions: Sequence[Question],
    embedder: Embedder,
    reranker: Reranker | None = None,
    show_progress: bool = False,
) -> list[Score]:
    """Every method over every question; groups of questions, where there are any, follow the whole.

    Raises:
        KnowledgeError: the documents hold no text.
    """
    bar = partial(tqdm, disable=None if show_progress else True)
    scores: list[Score] = []
    for name, method in _methods(documents, embedder, reranker, bar):
        # The first search of a process loads weights and tables.
        method(questions[0].text)
        ranks: list[int] = []
        times: list[float] = []
        for question in bar(questions, desc=name, unit="题"):
            started = time.perf_counter()
            found = method(question.text)
            times.append(1000 * (time.perf_counter() - started))
            ranks.append(found.index(question.doc_id) + 1 if question.doc_id in found else 0)
        groups = dict.fromkeys(question.group for question in questions)
        for group in dict.fromkeys(["", *groups]):
            chosen = [i for i, question in enumerate(questions) if group in ("", question.group)]
            scores.append(_score(name, group, [ranks[i] for i in chosen], [times[i] for i in chosen]))
    return scores


def table(scores: Sequence[Score]) -> str:
    """Lines to print: the whole, then R@1 of each group."""
    lines = [f"{'方法':28}{'R@1':>7}{'R@5':>7}{'R@10':>7}{'MRR@10':>8}{'p50 ms':>8}"]
    for one in scores:
        if not one.group:
            shares = (one.recall_at_1, one.recall_at_5, one.recall_at_10)
            cells = "".join(f"{100 * share:7.1f}" for share in shares)
            lines.append(f"{one.method:28}{cells}{100 * one.mrr_at_10:8.1f}{one.p50_ms:8.1f}")
    for group in dict.fromkeys(one.group for one in scores if one.group):
        chosen = [one for one in scores if one.group == group]
        cells = "  ".join(f"{one.method} {100 * one.recall_at_1:.1f}" for one in chosen)
        lines.append(f"{group}（{chosen[0].questions} 题）R@1：{cells}")
    return "\n".join(lines)


def to_json(scores: Sequence[Score], **about: Any) -> dict[str, Any]:
    """``about`` (data file, embedder, counts) beside the scores."""
    return {**about, "scores": [asdict(score) for score in scores]}


def whole_vectors(documents: Sequence[Document], embedder: Embedder, bar: Any = tqdm) -> Method:
    """The course's method: one vector a document, ranked by cosine."""
    texts = [document.text for document in documents]
    starts = bar(range(0, len(texts), EMBED_BATCH), desc="course", unit="批")
    vectors = np.concatenate([embedder.encode(texts[start : start + EMBED_BATCH]) for start in starts])

    def method(question: str) -> list[str]:
        scores = vectors @ embedder.encode_queries([question])[0]
        return [documents[row].doc_id for row in np.argsort(-scores, kind="stable")[:RANKS]]

    return method


class _Unranked:
    """The weighted sum of both sides: what hybrid search is without its last stage."""

    name = "fused"

    def scores(self, pool: Pool) -> np.ndarray:
        return np.asarray((1 - DENSE_WEIGHT) * pool.lexical + DENSE_WEIGHT * pool.dense)


def _methods(
    documents: Sequence[Document], embedder: Embedder, reranker: Reranker | None, bar: Any
) -> Iterable[tuple[str, Method]]:
    """One at a time, so that the baselines' vectors are gone before the next is measured."""
    yield "course: 1 vector/document", whole_vectors(documents, embedder, bar)
    yield "BM25", _plain_bm25(documents)
    with bar(desc="index", unit="字", unit_scale=True) as progress:

        def on_progress(done: int, total: int) -> None:
            progress.total = total
            progress.update(done - progress.n)

        index = base_of(documents, embedder, progress=on_progress)
    unranked = Retriever(index, embedder, reranker=_Unranked())
    ranked = Retriever(index, embedder, reranker=reranker)
    yield "lexical", partial(_search, unranked, "lexical")
    yield "dense", partial(_search, unranked, "dense")
    yield "hybrid, not reranked", partial(_search, unranked, "hybrid")
    yield "hybrid, reranked", partial(_search, ranked, "hybrid")


def _search(retriever: Retriever, mode: str, question: str) -> list[str]:
    hits = retriever.search(question, top_k=CHUNKS, mode=mode)
    return list(dict.fromkeys(hit.chunk.doc_id for hit in hits))[:RANKS]


def _plain_bm25(documents: Sequence[Document]) -> Method:
    index = bm25s.BM25(k1=K1, b=B, method="lucene")
    index.index([text_terms(document.text) for document in documents], show_progress=False)

    def method(question: str) -> list[str]:
        known = index.get_tokens_ids(query_terms(question))
        scores = index.get_scores_from_ids(known)
        return [documents[row].doc_id for row in np.argsort(-scores, kind="stable")[:RANKS] if scores[row] > 0]

    return method


def _score(method: str, group: str, ranks: Sequence[int], times: Sequence[float]) -> Score:
    first, five, ten = (sum(0 < rank <= k for rank in ranks) / len(ranks) for k in (1, 5, 10))
    mrr = sum(1 / rank for rank in ranks if rank) / len(ranks)
    return Score(method, group, len(ranks), first, five, ten, mrr, statistics.median(times))
