"""Fits src/search/rerank.json and says how good the fit is on articles that it has not seen.

python -m benchmarks.fit_rerank [--write] [--threads 2]

Collections: of the two files of questions each whole, samples of 40 and 120 passages, and each passage's first sentence
alone; and the rows of tables that are made up (``benchmarks/fit_tables.py``). Every question is asked four times: as it is; without its own passage and near copies of it (so
that no passage answers); "crowded", with its passage 15 times more; and "wordless", with every word feature zero, as a
question in another language has them (not of tables: their rows mean the same).
As many questions of the other file are asked too ("foreign"): nothing answers them either, and they are off the topic.

Two steps. (1) Order: a conditional logit over each pool (the right passage against all others). (2) Probability: a
logistic regression on that score and on what all candidates of a pool share, over the ten best of each pool.
"""

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.fit_tables import tables
from src.evaluation.retrieval import DENSE_WEIGHT
from src.ingest.split import sentence_spans
from src.ingest.types import Document
from src.models.embedders.base import Embedder
from src.models.embedders.use import UniversalSentenceEncoder
from src.runtime import MIN_SCORE
from src.search.indexing import base_of
from src.search.score import (
    FEATURES,
    SHARED,
    WEIGHTS,
    Pool,
    chunk_evidence,
    pool_features,
    reference,
)
from src.search.search import Retriever
from src.search.synonyms import Lexicon

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "qa"
FOLDS = 5
LISTED = 30
JUDGED = 10
NEAR_COPY = 0.5
COPIES = 15
TABLES = "tables"
# Half of the questions have an answer.
KIND_WEIGHTS = {"answer": 1.0, "none": 0.5, "foreign": 0.5, "wordless": 0.3, "crowded": 0.3}


@dataclass(frozen=True)
class Question:
    text: str
    doc_id: str
    article: int
    start: int


class Asked:
    """One pool: features (n, F), which passages are of the right document, which hold the answer."""

    def __init__(self, kind: str, fold: int, evidence: np.ndarray, right: np.ndarray, answers: np.ndarray) -> None:
        self.kind, self.fold, self.right, self.answers = kind, fold, right, answers
        self.weight = KIND_WEIGHTS[kind.split(" | ")[1]]
        self.features, self.silent, self.missing = pool_features(evidence)

    def judged(self, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the ten best by the weights of ``FEATURES``, and (10, 4): score, ``SHARED``, one."""
        scores = self.features @ order
        best = np.argsort(-scores, kind="stable")[:JUDGED]
        alike = np.tile([self.silent, self.missing, 1.0], (len(best), 1))
        return best, np.column_stack([scores[best], alike])


class Remembering:
    """Embeds each distinct text once."""

    def __init__(self, embedder: Embedder) -> None:
        self.name, self.fingerprint, self.dimension = embedder.name, embedder.fingerprint, embedder.dimension
        self._embedder = embedder
        self._known: dict[str, np.ndarray] = {}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known |= dict(zip(new, self._embedder.encode(new), strict=True))
        return np.stack([self._known[text] for text in texts])

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self.encode(texts)


@dataclass
class Recorder:
    """A reranker that keeps the features of the pool it was given last."""

    name: str = "recorder"
    pool: Pool | None = field(default=None)

    def scores(self, pool: Pool) -> np.ndarray:
        self.pool = pool
        return np.zeros(len(pool.chunks))


def read(path: Path) -> tuple[list[Document], list[Question]]:
    documents: list[Document] = []
    questions: list[Question] = []
    for number, article in enumerate(json.loads(path.read_text("utf-8"))["data"]):
        for paragraph in article["paragraphs"]:
            doc_id = f"{path.stem}-{len(documents)}"
            documents.append(Document(doc_id, path.name, "", paragraph["context"]))
            for qa in paragraph["qas"]:
                if qa["question"].strip() and qa["answers"]:
                    start = min(answer["answer_start"] for answer in qa["answers"])
                    questions.append(Question(qa["question"], doc_id, number, start))
    return documents, questions


def collections(path: Path) -> list[tuple[str, list[Document], list[Question]]]:
    documents, questions = read(path)
    made = [(path.stem, documents, questions)]
    order = [document.doc_id for document in documents]
    random.Random(0).shuffle(order)
    for start, size in ((0, 40), (40, 120)):
        kept = set(order[start : start + size])
        sample = [document for document in documents if document.doc_id in kept]
        made.append((f"{path.stem} {size}", sample, [q for q in questions if q.doc_id in kept]))
    ends = {document.doc_id: next(iter(sentence_spans(document.text)), (0, 0))[1] for document in documents}
    lines = [Document(d.doc_id, d.source, "", d.text[: ends[d.doc_id]]) for d in documents if ends[d.doc_id]]
    made.append((f"{path.stem} one line", lines, [q for q in questions if q.start < ends[q.doc_id]]))
    return made


def table_questions() -> tuple[list[Document], list[Question]]:
    documents: list[Document] = []
    questions: list[Question] = []
    for number, (_, found, asked) in enumerate(tables()):
        documents += found
        questions += [Question(text, doc_id, number, start) for text, doc_id, start in asked]
    return documents, questions


def ask_all(
    name: str, documents: list[Document], questions: list[Question], foreign: list[Question], embedder: Embedder
) -> list[Asked]:
    """Every question four times, and as many foreign ones."""
    index = base_of(documents, embedder)
    recorder = Recorder()
    retriever = Retriever(index, embedder, reranker=recorder, lexicon=Lexicon([]))
    chunks = {(p.chunk.title, p.chunk.text): p.chunk for p in index.chunks()}
    pairs = {passage: _pairs(passage[1]) for passage in chunks}
    whole = {document.doc_id: _pairs(document.text) for document in documents}
    asked: list[Asked] = []
    for question in questions:
        retriever.search(question.text, top_k=1)
        pool = recorder.pool
        assert pool is not None
        evidence = chunk_evidence(pool)[0]
        found = [chunks[passage] for passage in pool.chunks]
        right = np.array([chunk.doc_id == question.doc_id for chunk in found])
        answers = right & np.array([chunk.start <= question.start < chunk.end for chunk in found])
        own, fold = whole[question.doc_id], question.article % FOLDS
        near = np.array([len(pairs[p] & own) > NEAR_COPY * len(pairs[p]) for p in pool.chunks])
        asked.append(Asked(f"{name} | answer", fold, evidence, right, answers))
        if (away := ~(right | near)).any():
            nothing = np.zeros(int(away.sum()), dtype=bool)
            asked.append(Asked(f"{name} | none", fold, evidence[away], nothing, nothing))
        crowd = np.concatenate([np.arange(len(right)), np.repeat(np.flatnonzero(right), COPIES)])
        asked.append(Asked(f"{name} | crowded", fold, evidence[crowd], right[crowd], answers[crowd]))
        if name != TABLES:
            wordless = evidence.copy()
            wordless[:, [0, *range(2, evidence.shape[1])]] = 0
            asked.append(Asked(f"{name} | wordless", fold, wordless, right, answers))
    for question in foreign[:: max(1, len(foreign) // len(questions))][: len(questions)]:
        retriever.search(question.text, top_k=1)
        assert recorder.pool is not None
        nothing = np.zeros(len(recorder.pool.chunks), dtype=bool)
        evidence = chunk_evidence(recorder.pool)[0]
        asked.append(Asked(f"{name} | foreign", question.article % FOLDS, evidence, nothing, nothing))
    return asked


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}


def fit(asked: Sequence[Asked]) -> dict[str, float]:
    """The contents of ``rerank.json``."""
    order = conditional_logit(asked)
    judged = [one.judged(order) for one in asked]
    rows = np.concatenate([rows for _, rows in judged])
    answers = np.concatenate([one.answers[best] for one, (best, _) in zip(asked, judged, strict=True)])
    weights = np.repeat([one.weight for one in asked], [len(best) for best, _ in judged])
    scale, *others = logistic(rows, answers, weights)
    return dict(zip([*FEATURES, *SHARED, "bias"], [*scale * order, *others], strict=True))


def conditional_logit(asked: Sequence[Asked], ridge: float = 1.0, steps: int = 25) -> np.ndarray:
    """Newton's method on the likelihood that the chosen passage is a right one."""
    usable = [one for one in asked if one.right.any() and not one.kind.endswith("crowded")]
    pools = []
    for one in usable:
        # The right ones, and the strongest of the others.
        order = np.argsort(-(one.features[:, 0] + one.features[:, 1] + one.right), kind="stable")[:LISTED]
        pools.append((one.features[order], one.right[order], one.weight))
    rows = np.concatenate([features for features, _, _ in pools])
    right = np.concatenate([right for _, right, _ in pools])
    starts = np.cumsum([0, *(len(features) for features, _, _ in pools)])[:-1]
    owner = np.repeat(np.arange(len(pools)), np.diff(np.append(starts, len(rows))))
    weights = np.array([weight for _, _, weight in pools])[owner]
    center, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    rows = (rows - center) / spread

    def softmax(scores: np.ndarray) -> np.ndarray:
        raised = np.exp(scores - np.maximum.reduceat(scores, starts)[owner])
        return np.asarray(raised / np.add.reduceat(raised, starts)[owner])

    w = np.zeros(rows.shape[1])
    for _ in range(steps):
        scores = rows @ w
        p = softmax(scores)
        wanted = softmax(np.where(right, scores, -1e9))
        gradient = rows.T @ (weights * (wanted - p)) - ridge * w
        means = np.add.reduceat(p[:, None] * rows, starts)
        hessian = rows.T @ ((weights * p)[:, None] * rows) - means.T @ (weights[starts][:, None] * means)
        w += np.linalg.solve(hessian + ridge * np.eye(len(w)), gradient)
    return np.asarray(w / spread)


def logistic(rows: np.ndarray, answers: np.ndarray, weights: np.ndarray, steps: int = 30) -> np.ndarray:
    """Newton's method (iteratively reweighted least squares) from zero."""
    w = np.zeros(rows.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-rows @ w))
        gradient = rows.T @ (weights * (answers - p))
        hessian = rows.T @ ((weights * p * (1 - p))[:, None] * rows)
        w += np.linalg.solve(hessian + 1e-6 * np.eye(len(w)), gradient)
    return w


@dataclass
class Report:
    """The best passage of each pool: is it of the right document, does it answer, how sure was the model."""

    right: list[bool] = field(default_factory=list)
    answers: list[bool] = field(default_factory=list)
    probability: list[float] = field(default_factory=list)
    fused: list[float] = field(default_factory=list)

    def add(self, one: Asked, w: dict[str, float]) -> None:
        best, rows = one.judged(np.array([w[name] for name in FEATURES]))
        logit = float(rows[0] @ np.array([1.0, *(w[name] for name in [*SHARED, "bias"])]))
        self.right.append(bool(one.right[best[0]]))
        self.answers.append(bool(one.answers[best[0]]))
        self.probability.append(float(1 / (1 + np.exp(-logit))))
        lexical, dense = one.features[:, 0], one.features[:, 1]
        self.fused.append(float(((1 - DENSE_WEIGHT) * lexical + DENSE_WEIGHT * dense).max()))


def ece(probability: Sequence[float], answers: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error over equal bins."""
    p, a = np.array(probability), np.array(answers)
    bin_of = np.minimum((p * bins).astype(int), bins - 1)
    return float(sum(abs((p - a)[bin_of == b].sum()) for b in range(bins)) / len(p))


def evaluate(asked: Sequence[Asked]) -> dict[str, Report]:
    """Every pool judged by weights fitted on the other articles."""
    reports: dict[str, Report] = {}
    for fold in range(FOLDS):
        w = fit([one for one in asked if one.fold != fold])
        for one in asked:
            if one.fold == fold:
                reports.setdefault(one.kind, Report()).add(one, w)
    return reports


def show(reports: dict[str, Report]) -> None:
    print(f"{'held-out articles':42} {'n':>5} {'R@1':>6} {'answer@1':>8} {'mean P':>7} {'ECE':>6}")
    for kind, report in reports.items():
        n = len(report.right)
        shares = 100 * np.mean(report.right), 100 * np.mean(report.answers), np.mean(report.probability)
        error = ece(report.probability, report.answers)
        print(f"{kind:42} {n:5} {shares[0]:6.2f} {shares[1]:8.2f} {shares[2]:7.3f} {error:6.3f}")
    for name in dict.fromkeys(kind.split(" | ")[0] for kind in reports):
        kinds = [reports[f"{name} | {kind}"] for kind in ("answer", "none", "foreign")]
        copies = [kinds[0], kinds[0], kinds[1], kinds[2]]  # as in the fit, half of the questions have an answer
        error = ece([p for r in copies for p in r.probability], [a for r in copies for a in r.answers])
        for how, values in (
            ("probability", [r.probability for r in kinds]),
            ("fused", [r.fused for r in kinds]),
        ):
            # The threshold that refuses as many answerable questions as a probability of 0.15.
            lost = np.mean(np.array(kinds[0].probability) < MIN_SCORE)
            limit = np.quantile(values[0], lost)
            none, foreign = (100 * np.mean(np.array(v) < limit) for v in values[1:])
            print(f"{name:24} {how:11} at {limit:.2f} refuses {100 * lost:4.1f} % answerable, ", end="")
            print(f"{none:.1f} % answer removed, {foreign:.1f} % foreign")
        print(f"{name:24} ECE {error:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="replace src/search/rerank.json")
    given = parser.parse_args()
    run(Remembering(UniversalSentenceEncoder(given.threads)), given.write)


def run(embedder: Embedder, write: bool) -> None:
    asked: list[Asked] = []
    paths = sorted(DATA.glob("*.json"))
    for path, other in zip(paths, reversed(paths), strict=True):
        foreign = read(other)[1]
        for name, documents, questions in collections(path):
            asked += ask_all(name, documents, questions, foreign, embedder)
    documents, questions = table_questions()
    asked += ask_all(TABLES, documents, questions, foreign, embedder)
    show(evaluate(asked))
    weights = {name: round(float(value), 4) for name, value in fit(asked).items()}
    print(json.dumps(weights))
    if write:
        made = {
            "made_by": "python -m benchmarks.fit_rerank --write",
            "embedder": embedder.name,
            "background": asdict(reference()),
            "weights": weights,
        }
        WEIGHTS.write_text(json.dumps(made, ensure_ascii=False, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
