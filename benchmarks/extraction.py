"""Resumes a second and F1 of each way to extract, side by side in one run over the same sentences.

python -m benchmarks.extraction [--sentences 100] [--data FILE] [--adapter DIR] [--threads 2] [--only adapter,base]

adapter, base: with and without the resume adapter, one text at a time and all handed over at once. The rest take the
base model apart, one text at a time: "no grammar" writes JSON freely, as a model behind a server does; "no forced
tokens" keeps the grammar as a mask and runs the model for every token the grammar has already decided.
"""

import argparse
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from src.evaluation.extraction import Evaluation, evaluate, spread
from src.extraction.labelled import read_labelled
from src.extraction.service import ExtractionService
from src.models import local
from src.models.grammar import GrammarConstraint
from src.runtime import Runtime
from src.settings import load_settings

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "resume_ner" / "dev.json"


class Ungrammatical:
    """A model as it is, except that it says it knows no grammars."""

    supports_grammar = False

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


class MaskOnly(GrammarConstraint):
    """The grammar forbids; it never decides."""

    def forced(self) -> list[int]:
        return []


# Name, service, whether the adapter is used, whether texts go one by one, what holds meanwhile.
Way = tuple[str, ExtractionService, bool, bool, AbstractContextManager[Any]]


def ways(runtime: Runtime) -> Iterator[Way]:
    service = runtime.extraction
    if service.has_adapter:
        yield "adapter", service, True, True, nullcontext()
        yield "adapter, all at once", service, True, False, nullcontext()
    yield "base", service, False, True, nullcontext()
    yield "base, all at once", service, False, False, nullcontext()
    yield "base, no grammar", ExtractionService(Ungrammatical(runtime.model)), False, True, nullcontext()
    mask_only = patch.object(local, "GrammarConstraint", MaskOnly)
    yield "base, no forced tokens", service, False, True, mask_only


def line(name: str, run: Evaluation, first: float) -> str:
    micro = run.scores.micro
    per_second = run.scores.texts / run.total_s
    spread = f"{run.percentile_s(50):7.3f}{run.percentile_s(95):8.3f}" if run.seconds else f"{'':15}"
    shares = "".join(f"{100 * share:7.1f}" for share in (micro.precision, micro.recall, micro.f1))
    return f"{name:24}{per_second:10.2f}{per_second / first:8.2f}{spread}{shares}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sentences", type=int, default=100, help="spread evenly over the file")
    parser.add_argument("--adapter", help="a LoRA folder; default: what the product uses")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", help="names that a way must begin with, separated by commas")
    given = parser.parse_args()
    labelled = spread(read_labelled(given.data), given.sentences)
    adapter = {"adapter": given.adapter} if given.adapter else {}
    runtime = Runtime(load_settings(profile="embedded", threads=given.threads, **adapter))
    wanted = tuple(given.only.split(",")) if given.only else ("",)
    print(f"{given.data.name}: {len(labelled)} sentences, {runtime.model.name}, {given.threads} threads")
    if not runtime.extraction.has_adapter:
        print("no adapter: give one with --adapter")
    print(f"{'way':24}{'resumes/s':>10}{'ratio':>8}{'p50 s':>7}{'p95 s':>8}{'P':>7}{'R':>7}{'F1':>7}")
    first = 0.0
    for name, service, use_adapter, one_by_one, context in ways(runtime):
        if name.startswith(wanted):
            with context:
                run = evaluate(service, labelled, use_adapter, one_by_one=one_by_one, show_progress=True)
            first = first or run.scores.texts / run.total_s
            print(line(name, run, first), flush=True)
    print("ratio: to the first line")


if __name__ == "__main__":
    main()
