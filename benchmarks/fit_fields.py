"""Fits src/extraction/field_choice.json and says how good the fit is on texts that it has not seen.

    python -m benchmarks.fit_fields --record FILE [--errors] [--write] [--threads 2]

On the splits ``dev`` and ``fit`` of tests/data/own_fields.jsonl: of each field's places and "nowhere" the right one gets
the greatest likelihood (a conditional logit). Printed is what ``benchmarks.fields`` prints, with weights that were fitted
without the text in question.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.fields import DATA, show
from benchmarks.recorded import extraction_service
from src.evaluation.extraction_fields import FieldText, read_fields
from src.extraction import field_choice
from src.extraction.field_choice import FEATURES, features, places_of
from src.extraction.layout import View
from src.extraction.own_fields import FieldReader, is_left_blank, named_value, question_of
from src.extraction.windows import split_windows

SPLITS = ("dev", "fit")
FOLDS = 9
PENALTY = 0.002
# (features of a field's places, which of them are right)
Item = tuple[torch.Tensor, torch.Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, required=True, metavar="FILE", help="what the model says")
    parser.add_argument("--errors", action="store_true", help="list what is wrong")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    rows = [row for row in read_fields(DATA) if row.split in SPLITS]
    service = extraction_service(given.record, threads=given.threads)
    reader = service._fields
    assert reader is not None
    items = [items_of(reader, row) for row in rows]
    left_out = [
        weights_of([one for number, some in enumerate(items) if number % FOLDS != fold for one in some])
        for fold in range(FOLDS)
    ]

    def extract(row: FieldText):  # type: ignore[no-untyped-def]
        field_choice._WEIGHTS = left_out[rows.index(row) % FOLDS]
        return service.extract(row.text, fields=list(row.fields))

    show("weights of the other texts", rows, extract, given.errors)
    weights = weights_of([one for some in items for one in some])
    print(weights)
    if given.write:
        content = {"made_by": "python -m benchmarks.fit_fields --write", "weights": weights}
        path = Path(field_choice.__file__).with_suffix(".json")
        path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def items_of(reader: FieldReader, row: FieldText) -> list[Item]:
    """Of the fields that the reader is asked for; texts of one window only."""
    text = View.of(row.text).text
    asked = [field for field in row.fields if not (named_value(text, field) or is_left_blank(text, field))]
    if len(split_windows(text, 300)) > 1 or not asked:
        return []
    (found,) = reader._model.read([("", text)], [question_of(field) for field in asked], reader._adapter)
    items = []
    for field, reading in zip(asked, found[0], strict=True):  # type: ignore[index]
        if places := places_of(text, field, reading):
            right = [text[slice(*place)] in row.fields[field] for place in places]
            items.append((torch.tensor(features(text, field, reading, places)), torch.tensor(right)))
    return items


def weights_of(items: Sequence[Item]) -> dict[str, float]:
    """The most likely ones, with a penalty on large ones."""
    most = max(len(right) for _, right in items)
    x = torch.zeros(len(items), most, len(FEATURES), dtype=torch.float64)
    outside = torch.full((len(items), most), -1e9, dtype=torch.float64)
    is_right = torch.zeros(len(items), most, dtype=torch.bool)
    for number, (values, right) in enumerate(items):
        x[number, : len(right)], outside[number, : len(right)], is_right[number, : len(right)] = values, 0, right
    weights = torch.zeros(len(FEATURES) + 1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        odds = x @ weights[:-1] + weights[-1] + outside
        total = torch.cat([odds, torch.zeros(len(items), 1)], 1).logsumexp(1)
        right = torch.where(is_right.any(1), odds.masked_fill(~is_right, -1e9).logsumexp(1), 0.0)
        value = (total - right).mean() + PENALTY * (weights[:-1] ** 2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)
    return {name: round(float(one), 3) for name, one in zip((*FEATURES, "constant"), weights.detach(), strict=True)}


if __name__ == "__main__":
    main()
