"""Fields of one's own on texts that we wrote and judged: F1, and how often an absent field is left empty.

    python -m benchmarks.fields [--data FILE] [--split dev] [--kind 合同] [--errors] [--record FILE] [--writer N]
                                [--reader DIR] [--threads 2]

``tests/data/own_fields.jsonl``: rules and weights (``benchmarks.fit_fields``) are made on the splits ``dev`` and ``fit``;
``test`` is measured. ``--writer N`` lets the chat model write the values of
the first N texts as JSON instead, every value a verbatim piece of the text by its grammar, and scores both.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.fields_writer import written
from benchmarks.recorded import extraction_service
from src.evaluation.extraction_fields import FieldText, fields_table, mistakes_of, read_fields, scored
from src.extraction.schema import Extraction
from src.runtime import Runtime
from src.settings import load_settings

DATA = Path(__file__).parents[1] / "tests" / "data" / "own_fields.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--split", help="only the texts of this half")
    parser.add_argument("--kind", help="only the texts of this kind")
    parser.add_argument("--errors", action="store_true", help="list what is wrong")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="what the model says: kept there, not asked again"
    )
    parser.add_argument("--writer", type=int, default=0, metavar="N")
    parser.add_argument("--reader", help="an adapter's folder; without it the shipped one")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    rows = [
        row
        for row in read_fields(given.data)
        if given.split in (None, row.split) and given.kind in (None, row.kind)
    ]
    settings = {"threads": given.threads} | ({"reader": given.reader} if given.reader else {})
    service = extraction_service(given.record, **settings)
    if given.writer:
        rows = rows[:: max(1, len(rows) // given.writer)][: given.writer]
        model = Runtime(load_settings(profile="embedded", **settings)).model
        show("the chat model, by grammar", rows, lambda row: written(model, row), given.errors)
    show("the reader", rows, lambda row: service.extract(row.text, fields=list(row.fields)), given.errors)


def show(name: str, rows: list[FieldText], extract: Callable[[FieldText], Extraction], errors: bool) -> None:
    """Run one way over the texts and print how good it is."""
    started = time.perf_counter()
    texts = []
    for row in rows:
        texts.append(scored(row, extract(row)))
        for line in mistakes_of(texts[-1]) if errors else ():
            print(f"  [{row.split} {row.kind}] {line}", flush=True)
    print(f"{name}: {(time.perf_counter() - started) / max(1, len(rows)):.2f} s a text")
    print(fields_table(texts), flush=True)


if __name__ == "__main__":
    main()
