"""The shipped reader on what a search really brings: how often it refuses look-alikes and answers, and how well its
probability means what it says.

    python -m benchmarks.reader --questions 100 [--fit] FILE...

A file is in SQuAD's layout or RGB's. Every question is searched for twice, with
its evidence there and with only its look-alikes left, and the first four passages are read. ``--fit`` prints the calibration
that fits the best passage of each question: constant and two weights for ``calibration`` in ``yuanzhi.json``. RGB files:
the split ``dev`` is fitted on, the split ``test`` is measured; of the others every second question.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.evaluation.answers import Evidence, Without, character_f1
from src.evaluation.measures import normalised
from src.evaluation.questions import read_questions, spread
from src.evaluation.reading import fit_calibration
from src.evaluation.rgb import is_rgb, read_cases
from src.ingest.types import Document
from src.models.engine import Engine
from src.models.reading import Read, read
from src.runtime import READER_ADAPTER, Runtime
from src.search.indexing import base_of
from src.search.search import Retriever
from src.search.types import Hit
from src.settings import load_settings

THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
TOP_K = 4


@dataclass(frozen=True)
class Asked:
    """One search: ``held`` where its evidence is in the collection; ``fitted`` where it is for fitting."""

    question: str
    answers: tuple[str, ...]
    held: bool
    fitted: bool
    hits: Sequence[Hit]


def searches(path: Path, questions: int, runtime: Runtime) -> Iterator[Asked]:
    embedder = runtime.embedder
    if is_rgb(path):
        for case in read_cases(path)[:questions] if questions else read_cases(path):
            texts = {True: [case.positive[0], *case.negative[:4]], False: list(case.negative[:5])}
            for held, some in texts.items():
                documents = [Document(str(n), path.name, "", text) for n, text in enumerate(some)]
                hits = Retriever(base_of(documents, embedder), embedder).search(case.question.text, top_k=TOP_K)
                yield Asked(case.question.text, case.question.answers, held, case.split == "dev", hits)
        return
    documents, asked = read_questions(path)
    base, evidence = base_of(documents, embedder), Evidence(documents)
    for number, one in enumerate(spread(asked, questions or len(asked))):
        for held in (True, False):
            collection = base if held else Without(base, evidence.of(one))
            hits = Retriever(collection, embedder).search(one.text, top_k=TOP_K)
            yield Asked(one.text, one.answers, held, number % 2 == 0, hits)


def best(model: Engine, asked: Asked) -> tuple[Read, Hit] | None:
    """The passage with the highest odds, as the manifest weighs them."""
    manifest = model.manifests[READER_ADAPTER]
    rows = [model.reader_encoder(hit.chunk.title, hit.chunk.text, [asked.question]) for hit in asked.hits]
    model.model.set_adapter(READER_ADAPTER)
    found = [
        one for row in rows for one in read(model.model, model._heads[READER_ADAPTER], [row], manifest.depth)[0]
    ]
    pairs = list(zip(found, asked.hits, strict=True))
    return max(pairs, key=lambda pair: pair[0].calibrated(manifest.calibration).probability, default=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--questions", type=int, default=100, help="of each file, 0 for all")
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    runtime = Runtime(load_settings(profile="embedded"))
    model = runtime.small_model
    assert model is not None
    rows: dict[Path, list[tuple[Asked, Read, Hit]]] = {}
    for path in given.files:
        rows[path] = [
            (one, *found) for one in searches(path, given.questions, runtime) if (found := best(model, one))
        ]
    calibration = model.manifests[READER_ADAPTER].calibration
    if given.fit:
        fitted = [row for some in rows.values() for row in some if row[0].fitted]
        calibration = fit_calibration([one.features for _, one, _ in fitted], [_is_right(row) for row in fitted])
        print("calibration", [round(value, 4) for value in calibration])
    for path, some in rows.items():
        for fitted_on in (True, False):
            part = [row for row in some if row[0].fitted is fitted_on]
            if part:
                print(f"{path.name} {'fitted on' if fitted_on else 'held out':9} {_line(part, calibration)}")


def _is_right(row: tuple[Asked, Read, Hit]) -> bool:
    asked, _, _ = row
    held = (normalised(hit.chunk.text) for hit in asked.hits)
    return asked.held and any(normalised(answer) in text for text in held for answer in asked.answers)


def _line(rows: Sequence[tuple[Asked, Read, Hit]], calibration: tuple[float, float, float]) -> str:
    probabilities = np.array([one.calibrated(calibration).probability for _, one, _ in rows])
    right = np.array([_is_right(row) for row in rows])
    held = np.array([asked.held for asked, _, _ in rows])
    spans = [(hit.chunk.text[one.start : one.end], asked.answers) for asked, one, hit in rows if asked.held]
    exact = np.mean([any(normalised(text) == normalised(answer) for answer in answers) for text, answers in spans])
    f1 = np.mean([max(character_f1(text, answer) for answer in answers) for text, answers in spans])
    bins = np.minimum((probabilities * 10).astype(int), 9)
    error = sum(abs(probabilities[bins == n].sum() - right[bins == n].sum()) for n in range(10)) / len(rows)
    shares = " ".join(
        f"{threshold:g}:{100 * np.mean(probabilities[held] < threshold):.1f}/{100 * np.mean(probabilities[~held] < threshold):.1f}"
        for threshold in THRESHOLDS
    )
    return f"n {len(rows)}  EM {100 * exact:.1f}  F1 {100 * f1:.1f}  ECE {error:.3f}  threshold:wrong/right refusals {shares}"


if __name__ == "__main__":
    main()
