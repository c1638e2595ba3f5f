"""How much of what is marked in a resume is found, and how much of what is found is marked.

Exact match as in the CoNLL shared tasks (Tjong Kim Sang 2002, https://aclanthology.org/W02-2024): a predicted
span is correct only if label, start and end are those of a gold span; half right is wrong. Precision is
correct / predicted, recall correct / gold, F1 their harmonic mean. Micro: one count over all labels and texts.
A span given twice counts once. As in conlleval, a share of nothing is 0: precision without predictions, recall
without gold, F1 without either, validity without texts.
"""

import time
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from src.errors import InputError
from src.evaluation.calibration import Calibration, calibrate
from src.evaluation.mistakes import KINDS, Key, WrongText, by_key, count_mistakes, find_mistakes
from src.extraction.labelled import Labelled
from src.extraction.schema import LABELS, Extraction, Span, replace_surrogates
from src.extraction.service import ExtractionService

_T = TypeVar("_T")


@dataclass(frozen=True)
class Counts:
    """Numbers of spans; ``sum(counts, Counts())`` is their micro average."""

    correct: int = 0
    predicted: int = 0
    gold: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.correct + other.correct, self.predicted + other.predicted, self.gold + other.gold)

    @property
    def precision(self) -> float:
        return _share(self.correct, self.predicted)

    @property
    def recall(self) -> float:
        return _share(self.correct, self.gold)

    @property
    def f1(self) -> float:
        return _share(2 * self.correct, self.predicted + self.gold)


@dataclass(frozen=True)
class ExtractionScores:
    """Of predictions about ``texts`` texts.

    Attributes:
        valid: how many results hold what they promise, see ``is_valid``.
        spans, verbatim: spans predicted (doubles too), and how many of them stand in the text as they are.
        micro: over all labels; labels: each of the eight, in order.
        wrong: the texts with mistakes.
        calibration: of the spans that have a confidence; None where none has.
    """

    texts: int
    valid: int
    spans: int
    verbatim: int
    micro: Counts
    labels: Mapping[str, Counts]
    wrong: tuple[WrongText, ...]
    calibration: Calibration | None

    @property
    def validity(self) -> float:
        return _share(self.valid, self.texts)

    @property
    def verbatim_share(self) -> float:
        return _share(self.verbatim, self.spans)


@dataclass(frozen=True)
class Evaluation:
    """One run of a service over labelled texts.

    Attributes:
        adapter: whether the resume adapter was used, or else the base model alone.
        failed: texts that the service refused; they count as invalid and as nothing found.
        total_s: seconds for all texts.
        seconds: each text's, where they were given one by one; empty where the service had all at once.
    """

    adapter: bool
    scores: ExtractionScores
    failed: int
    total_s: float
    seconds: tuple[float, ...]

    @property
    def mean_s(self) -> float:
        return self.total_s / max(1, self.scores.texts)

    def percentile_s(self, percent: int) -> float:
        """Seconds within which that many percent of the texts were done; only with ``seconds``."""
        return float(np.percentile(self.seconds, percent))


def keys(spans: Iterable[Span]) -> set[Key]:
    """What ``count`` compares."""
    return set(by_key(spans))


def count(gold: Set[Key], predicted: Set[Key]) -> Counts:
    """Of one text: ``sum((count(g, p) for g, p in pairs), Counts()).f1`` is the micro F1 of many."""
    return Counts(len(gold & predicted), len(predicted), len(gold))


def score(gold: Sequence[Labelled], predicted: Sequence[Extraction]) -> ExtractionScores:
    """Compare each text with what was predicted about it.

    Raises:
        ValueError: another number of predictions than texts, or a prediction about another text.
    """
    labels = dict.fromkeys(LABELS, Counts())
    micro = Counts()
    wrong: list[WrongText] = []
    outcomes: list[tuple[float, bool]] = []
    for number, (one, guess) in enumerate(zip(gold, predicted, strict=True), 1):
        if replace_surrogates(one.text) != replace_surrogates(guess.text):
            raise ValueError(f"prediction {number} is about another text")
        right, found = keys(one.spans), by_key(guess.spans)
        micro += count(right, found.keys())
        for label in LABELS:
            labels[label] += count(_of(label, right), _of(label, found))
        outcomes += [(span.confidence, key in right) for key, span in found.items() if span.confidence is not None]
        if mistakes := find_mistakes(one.spans, guess.spans):
            wrong.append(WrongText(number, replace_surrogates(one.text), one.spans, guess.spans, mistakes))
    return ExtractionScores(
        texts=len(gold),
        valid=sum(map(is_valid, predicted)),
        spans=sum(len(guess.spans) for guess in predicted),
        verbatim=sum(_is_verbatim(span, guess.text) for guess in predicted for span in guess.spans),
        micro=micro,
        labels=labels,
        wrong=tuple(wrong),
        calibration=calibrate(outcomes) if outcomes else None,
    )


def is_valid(extraction: Extraction) -> bool:
    """All eight labels in order, every span is a piece of the text, ``entities`` are the spans' texts."""
    spans = extraction.spans
    return (
        tuple(extraction.entities) == LABELS
        and all(span.label in LABELS and _is_verbatim(span, extraction.text) for span in spans)
        and all(
            list(extraction.entities[label]) == [span.text for span in spans if span.label == label]
            for label in LABELS
        )
    )


def spread(labelled: Sequence[_T], count: int) -> list[_T]:
    """``count`` texts from everywhere in the file, in order; all where there are fewer."""
    count = min(count, len(labelled))
    return [labelled[i * len(labelled) // count] for i in range(count)]


def evaluate(
    service: ExtractionService,
    labelled: Sequence[Labelled],
    use_adapter: bool = True,
    *,
    one_by_one: bool = False,
    show_progress: bool = False,
) -> Evaluation:
    """Extract from every text and compare; ``one_by_one`` keeps a service that works in batches from doing so.

    Raises:
        ModelError: the model cannot answer.
    """
    texts = [one.text for one in labelled]
    # What only the first extraction of a process has to prepare is not measured.
    list(service.extract_many(texts[:1], use_adapter))
    calls = [[text] for text in texts] if one_by_one else [texts]
    items: list[Extraction | InputError] = []
    seconds: list[float] = []
    with tqdm(total=len(texts), desc="抽取", unit="份", disable=None if show_progress else True) as bar:
        for call in calls:
            started = time.perf_counter()
            for item in service.extract_many(call, use_adapter):
                items.append(item)
                bar.update()
            seconds.append(time.perf_counter() - started)
    predicted = [
        _refused(text) if isinstance(item, InputError) else item for text, item in zip(texts, items, strict=True)
    ]
    return Evaluation(
        adapter=use_adapter and service.has_adapter,
        scores=score(labelled, predicted),
        failed=sum(isinstance(item, InputError) for item in items),
        total_s=sum(seconds),
        seconds=tuple(seconds) if one_by_one else (),
    )


def to_json(evaluations: Sequence[Evaluation], **about: Any) -> dict[str, Any]:
    """``about`` (data file, model, adapter) beside the runs; offsets of wrong texts count code points."""
    return {**about, "runs": [_run_json(one) for one in evaluations]}


def _run_json(run: Evaluation) -> dict[str, Any]:
    scores = run.scores
    seconds = {"total": run.total_s, "mean": run.mean_s}
    if run.seconds:
        seconds |= {"p50": run.percentile_s(50), "p95": run.percentile_s(95)}
    mistakes = count_mistakes(scores.wrong)
    calibration = scores.calibration
    return {
        "method": "adapter" if run.adapter else "base",
        "texts": scores.texts,
        "failed": run.failed,
        "valid": scores.valid,
        "validity": scores.validity,
        "spans": scores.spans,
        "verbatim": scores.verbatim,
        "verbatim_share": scores.verbatim_share,
        "micro": _counts_json(scores.micro),
        "labels": {label: _counts_json(counts) for label, counts in scores.labels.items()},
        "seconds": seconds,
        "mistakes": {kind: {label: mistakes[kind, label] for label in LABELS} for kind in KINDS},
        "calibration": None
        if calibration is None
        else {
            "spans": calibration.count,
            "expected_error": calibration.expected_error,
            "bins": [asdict(one) for one in calibration.bins],
        },
        "wrong": [_wrong_json(one) for one in scores.wrong],
    }


def _counts_json(counts: Counts) -> dict[str, float]:
    return {**asdict(counts), "precision": counts.precision, "recall": counts.recall, "f1": counts.f1}


def _wrong_json(wrong: WrongText) -> dict[str, Any]:
    gold, predicted = ([[s.label, s.start, s.end] for s in spans] for spans in (wrong.gold, wrong.predicted))
    return {"number": wrong.number, "text": wrong.text, "gold": gold, "predicted": predicted}


def _refused(text: str) -> Extraction:
    return Extraction(replace_surrogates(text), {}, (), {})


def _is_verbatim(span: Span, text: str) -> bool:
    return 0 <= span.start < span.end and text[span.start : span.end] == span.text


def _of(label: str, spans: Iterable[Key]) -> set[Key]:
    return {key for key in spans if key[0] == label}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
