"""Training data, in the course's form or in span form."""

import logging
import math
import os.path
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.errors import InputError
from src.extraction.align import align_values, read_values
from src.extraction.labelled import Labelled, parse_labelled, parse_rows
from src.extraction.prompt import SHORT, Template
from src.extraction.schema import LABELS, Span, render_entities

log = logging.getLogger(__name__)

EXPECTED = '{"input": "…", "output": "…"} 或 {"text": "…", "entities": [["姓名", 0, 2], …]}'


@dataclass(frozen=True)
class Data:
    """``answers[i]`` is what an adapter that writes JSON should answer when asked about ``texts[i]``."""

    template: Template
    texts: list[Labelled]
    answers: list[str]


def read_data(path: Path, template: Template | None = None) -> Data:
    """JSON list or JSON lines of ``{"input", "output"}`` as in the course or ``{"text", "entities"}``.

    A course line's input is a whole prompt. What almost all of them begin and end with is kept as the template with
    which the trained adapter will be asked (unless ``template`` gives it, as for held-out data); what differs is the
    resume. Values that do not stand in it verbatim stay in the answer that is learned, as the data has them, but
    cannot become spans.

    Raises:
        InputError: the file cannot be read, some of it is neither, or a prompt is unlike the others; every bad line
            is named by its number.
    """
    rows: list[Labelled | tuple[str, str]] = parse_rows(path, _parse, EXPECTED)
    prompts = [row[0] for row in rows if not isinstance(row, Labelled)]
    if not prompts:
        return Data(template or SHORT, rows, [_answer(row) for row in rows])  # type: ignore[arg-type]
    template = template or find_template(prompts)
    log.info("课程格式：提示词里简历之前有 %d 字，之后有 %d 字", len(template.before), len(template.after))
    data = Data(template, [], [])
    unlike: list[str] = []
    values = placed = 0
    for number, row in enumerate(rows, 1):
        if isinstance(row, Labelled):  # asked with the same template
            text, answer = row, _answer(row)
        elif (resume := _between(row[0], template)) is None:
            unlike.append(f"第 {number} 条")
            continue
        else:
            found = align_values(read_values(row[1]), resume)
            values += len(found.spans) + found.not_verbatim + found.surplus
            placed += len(found.spans)
            text = Labelled(resume, _without_overlap(found.spans))
            answer = row[1]
        data.texts.append(text)
        data.answers.append(answer)
    if unlike:
        raise InputError(
            f"{path} 里有 {len(unlike)} 条的 input 与其余的提示词不同，或其中没有简历：{'、'.join(unlike[:10])}。"
            f"提示词应以“{template.before[-30:]}”接简历，再接“{template.after[:30]}”"
        )
    if values and not placed:
        raise InputError(
            f"{path} 的 {values} 个答案没有一个原样出现在它的简历里：学不到东西；请检查 input 和 output 是否对得上"
        )
    if placed < values:
        log.warning("%s 的 %d 个答案里有 %d 个没有原样出现在简历里，标注用不上它们", path, values, values - placed)
    return data


def find_template(prompts: Sequence[str]) -> Template:
    """The text that nine of ten prompts begin with and the one that they end with, cut at a line break.

    Where there is none, what they begin with is cut behind a colon. Two resumes may begin alike; whole lines do not.
    """
    distinct = sorted(set(prompts))
    if len(distinct) < 2:
        return Template("")
    before = _shared(distinct)
    before = before[: (before.rfind("\n") if "\n" in before else max(before.rfind("："), before.rfind(":"))) + 1]
    rests = [prompt[len(before) :] for prompt in distinct if prompt.startswith(before)]
    after = _shared([rest[::-1] for rest in rests])[::-1]
    return Template(before, after[after.find("\n") :] if "\n" in after else "")


def _shared(texts: Sequence[str]) -> str:
    """What nine of ten begin with."""
    middle = sorted(texts)[len(texts) // 2]
    lengths = sorted((len(os.path.commonprefix([middle, text])) for text in texts), reverse=True)  # noqa: RUF071
    enough = min(math.ceil(0.9 * len(texts)), max(2, len(texts) - 1))
    return middle[: lengths[min(enough, len(texts)) - 1]]


def _between(prompt: str, template: Template) -> str | None:
    """The resume; None where the prompt is another one, or holds none."""
    fits = prompt.startswith(template.before) and prompt.endswith(template.after)
    end = len(prompt) - len(template.after)
    resume = prompt[len(template.before) : max(end, len(template.before))]
    return resume if fits and resume.strip() else None


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
    if not read_values(row["output"]):
        raise ValueError("的 output 里没有 JSON 对象，或其中没有一个认识的类别")
    # Alpaca's form has the prompt's beginning apart.
    instruction = row.get("instruction") or ""
    if not isinstance(instruction, str):
        raise ValueError("的 instruction 不是文字")
    return f"{instruction}\n{row['input']}" if instruction.strip() else row["input"], row["output"]
