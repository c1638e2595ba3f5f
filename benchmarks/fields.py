"""Fields of one's own on texts that we wrote: F1 of the values, and how often an absent field is left empty.

    python -m benchmarks.fields [--reader DIR] [--threads 2]

``tests/data/own_fields.jsonl``: the split ``dev`` is what the question's form and the threshold are chosen on, ``test`` is
measured. A value is right where it is one of those given, character by character.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from src.extraction import own_fields
from src.runtime import Runtime
from src.settings import load_settings

DATA = Path(__file__).parents[1] / "tests" / "data" / "own_fields.jsonl"
FORMS = ("{}？", "{}是什么？", "{}", "文中的{}是什么？")
THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", help="an adapter's folder; without it the shipped one")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    rows = [json.loads(line) for line in DATA.read_text("utf-8").splitlines()]
    settings = load_settings(
        profile="embedded", threads=given.threads, **({"reader": given.reader} if given.reader else {})
    )
    service = Runtime(settings).extraction
    shipped = own_fields.question_of("{}")
    own_fields.LEAST = 0.0
    for form in FORMS:
        own_fields.question_of = form.format
        found = []  # split, right values, value, probability
        for row in rows:
            spans = {span.label: span for span in service.extract(row["text"], fields=list(row["fields"])).spans}
            for field, value in row["fields"].items():
                right = [one for one in ([value] if isinstance(value, str) else value) if one]
                span = spans.get(field)
                probability = 0.0 if span is None else 1.0 if span.confidence is None else span.confidence
                found.append((row["split"], right, span.text if span else "", probability))
        for split in ("dev", "test"):
            for least in THRESHOLDS:
                print(f"{form:10} {split:4} {least:.2f}  {_line([one for one in found if one[0] == split], least)}"
                      + ("  <- shipped" if (form, least) == (shipped, 0.1) else ""))  # fmt: skip


def _line(found: list[tuple[str, list[str], str, float]], least: float) -> str:
    count = Counter()
    for _, right, text, probability in found:
        given = text if probability >= least else ""
        count["present" if right else "absent"] += 1
        count["given"] += bool(given)
        count["right"] += bool(right) and given in right
        count["left empty"] += not right and not given
    precision, recall = count["right"] / max(1, count["given"]), count["right"] / max(1, count["present"])
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    return (
        f"F1 {100 * f1:.1f}  P {100 * precision:.1f}  R {100 * recall:.1f}  of {count['present']}; "
        f"absent left empty {count['left empty']}/{count['absent']}"
    )


if __name__ == "__main__":
    main()
