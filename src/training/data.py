"""Training data, in the course's form or in span form."""

import os.path
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.extraction.align import align_values, read_values
from src.extraction.labelled import Labelled, parse_labelled, parse_rows
from src.extraction.prompt import SHORT, Template
from src.extraction.schema import LABELS, Span, render_entities

EXPECTED = '{"input": "…", "output": "…"} 或 {"text": "…", "entities": [["姓名", 0, 2], …]}'


@dataclass(frozen=True)
class Data:
    """``answers[i]`` is what an adapter that writes JSON should answer when asked about ``texts[i]``."""

    template: Template
    texts: list[Labelled]
    answers: list[str]


def read_data(path: Path) -> Data:
    """JSON list or JSON lines, all ``{"input", "output"}`` as in the course or all ``{"text", "entities"}``.

    A course line's input is a whole prompt. What all of them begin and end with is kept as the template with which
    the trained adapter will be asked; what differs is the resume. Values that do not stand in it verbatim stay in
    the answer that is learned, as the data has them, but cannot become spans.

    Raises:
        InputError: the file cannot be read, or some of it is neither; every bad line is named by its number.
    """
    rows: list[Labelled | tuple[str, str]] = parse_rows(path, _parse, EXPECTED)
    texts = [row for row in rows if isinstance(row, Labelled)]
    if len(texts) == len(rows):
        return Data(SHORT, texts, [_answer(text) for text in texts])
    # A span-form row among course-form ones is asked with their template.
    pairs = [row for row in rows if not isinstance(row, Labelled)]
    template = find_template([asked for asked, _ in pairs])
    for asked, answer in pairs:
        end = len(asked) - len(template.after)
        text = asked[len(template.before) : end]
        texts.append(Labelled(text, _without_overlap(align_values(read_values(answer), text).spans)))
    return Data(template, texts, [_answer(text) for text in texts[: -len(pairs)]] + [answer for _, answer in pairs])


def find_template(prompts: Sequence[str]) -> Template:
    """The text that all prompts begin with and the one that all end with, up to a line break or a colon.

    Two resumes may begin alike; whole lines do not.
    """
    distinct = sorted(set(prompts))
    if len(distinct) < 2:
        return Template("")
    before = os.path.commonprefix(distinct)  # noqa: RUF071 (of characters is what is meant)
    before = before[: max(before.rfind("\n"), before.rfind("："), before.rfind(":")) + 1]
    rests = [prompt[len(before) :] for prompt in distinct]
    after = os.path.commonprefix([rest[::-1] for rest in rests])[::-1]  # noqa: RUF071
    return Template(before, after[after.find("\n") :] if "\n" in after else "")


def join(parts: Sequence[Labelled]) -> Labelled:
    """One text of several, one after the other."""
    text = ""
    spans: list[Span] = []
    for part in parts:
        spans += [span.moved(len(text)) for span in part.spans]
        text += part.text
    return Labelled(text, tuple(spans))


def _answer(labelled: Labelled) -> str:
    return render_entities(
        {label: [span.text for span in labelled.spans if span.label == label] for label in LABELS}
    )


def _without_overlap(spans: Sequence[Span]) -> tuple[Span, ...]:
    kept: list[Span] = []
    for span in spans:
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return tuple(kept)


def _parse(row: Any) -> Labelled | tuple[str, str]:
    if isinstance(row, dict) and "text" in row:
        return parse_labelled(row)
    if not isinstance(row, dict):
        raise ValueError("不是 JSON 对象")
    for name in ("input", "output"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise ValueError(f"没有 {name}，或 {name} 是空的")
    return row["input"], row["output"]
