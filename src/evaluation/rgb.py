"""The layout of the RGB benchmark (Chen et al. 2023, https://arxiv.org/abs/2309.01431): every question with texts that
answer it and look-alikes that do not. Each is asked of a small collection of its own, with more and more look-alikes,
and of look-alikes only."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tqdm import tqdm

from src.chat.answer import Answer
from src.chat.service import ChatService
from src.errors import InputError, SettingsError
from src.evaluation.answers import OURS, Answered, AnswerEvaluation, evaluation_of, judge, score
from src.evaluation.questions import Question
from src.files import read_jsonl
from src.ingest.types import Document
from src.models.embedders.base import Embedder
from src.search.indexing import base_of
from src.search.types import Collection

PASSAGES = 5
NOISES = (0.0, 0.2, 0.4, 0.6, 0.8)
NEGATIVES = "negatives"


@dataclass(frozen=True)
class Case:
    """A question with its texts; ``least`` of the positive ones are needed, one for each part of the answer.

    ``split`` says what it is for (dev, test), "" where the file does not.
    """

    question: Question
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    least: int = 1
    split: str = ""

    def texts(self, noise: float) -> tuple[str, ...]:
        """``PASSAGES`` texts, the ``noise`` share of them negative; where one kind runs out, more of the other."""
        positive = PASSAGES - min(round(PASSAGES * noise), len(self.negative))
        chosen = self.positive[: max(positive, self.least)]
        return chosen + self.negative[: max(0, PASSAGES - len(chosen))]


def is_rgb(path: Path) -> bool:
    """Whether the first line is an object with a query and its positive texts."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            row = json.loads(next(line for line in lines if line.strip()))
    except (OSError, ValueError, RecursionError, StopIteration):
        return False  # whoever reads it says why
    return isinstance(row, dict) and {"query", "positive"} <= row.keys()


def parse_noises(text: str) -> list[float]:
    """Shares of negative texts, as in ``0,0.4,0.8``.

    Raises:
        SettingsError: not numbers, or they leave no positive text.
    """
    try:
        noises = [float(part) for part in text.split(",")]
    except ValueError:
        noises = []
    if not noises or not all(0 <= noise <= NOISES[-1] for noise in noises):
        raise SettingsError(f"--noise 应为 0 到 {NOISES[-1]:g} 的数，以逗号隔开，收到的是 {text[:40]}")
    return noises


def read_cases(path: Path, split: str = "") -> list[Case]:
    """JSON lines ``{"id", "query", "answer", "positive", "negative", "split"?}``; of one ``split``, "" for all.

    As in the benchmark, ``answer`` is a text or a list of parts that all have to be there; a part is a text or the
    list of its wordings. ``positive`` is a list of texts, or of lists of them, one list for each part.

    Raises:
        InputError: the file cannot be read or has another layout.
    """
    cases = []
    for number, row in read_jsonl(path, required={"query": str, "positive": list, "negative": list}):
        try:
            cases.append(_case(row, str(row.get("id", number))))
        except (TypeError, ValueError) as error:
            raise InputError(f"{path} 第 {number} 行不是 RGB 的格式：{error}") from error
    chosen = [case for case in cases if split in ("", case.split)]
    if not chosen:
        raise InputError(f"{path} 里没有{f' split 是 {split} 的' if split else ''}问题")
    return chosen


def evaluate(
    cases: Sequence[Case],
    noises: Sequence[float],
    embedder: Embedder,
    chat: Callable[[Collection], ChatService],
    *,
    source: str = "rgb",
    show_progress: bool = False,
) -> AnswerEvaluation:
    """Ask every question at each share of negative texts, then with negative texts only.

    ``chat`` makes our chat over a collection, ``source`` names where the texts are from.
    """
    bar = partial(tqdm, unit="题", disable=None if show_progress else True)

    def ask(case: Case, texts: Sequence[str], condition: str) -> Answered:
        documents = [Document(f"{case.question.doc_id}-{n}", source, "", text) for n, text in enumerate(texts, 1)]
        service = chat(base_of(documents, embedder))
        answer = Answer.of(case.question.text, service.ask(case.question.text))
        return judge(OURS, condition, condition != NEGATIVES, case.question, answer)

    ask(cases[0], cases[0].texts(0.0), "")  # the first call of a process loads weights and tables
    rounds = []
    for noise in noises:
        name = f"noise {noise:g}"
        rounds.append([ask(case, case.texts(noise), name) for case in bar(cases, desc=name)])
    rounds.append([ask(case, case.negative[:PASSAGES], NEGATIVES) for case in bar(cases, desc=NEGATIVES)])
    answered = [one for answers in rounds for one in answers]
    scores = [score(OURS, answers, condition=answers[0].condition) for answers in rounds]
    return evaluation_of(answered, [*scores, score(OURS, answered)])


def _case(row: dict[str, Any], name: str) -> Case:
    positive, negative = row["positive"], row["negative"]
    least = 1
    if positive and all(isinstance(one, list) for one in positive):
        least = len(positive)
        positive = [text for texts in zip_longest(*positive) for text in texts if text is not None]
    for field, texts in (("positive", positive), ("negative", negative)):
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise ValueError(f"{field} 应为至少一段文字的列表")
    answer = row.get("answer")
    listed = answer if isinstance(answer, list) else [answer]
    parts = tuple(tuple(part) if isinstance(part, list) else (part,) for part in listed)
    if not parts or not all(part and all(isinstance(one, str) and one.strip() for one in part) for part in parts):
        raise ValueError("answer 应为文字，或各部分的列表（每部分是文字或几种写法的列表）")
    if not row["query"].strip():
        raise ValueError("query 是空的")
    answers = parts[0] if len(parts) == 1 else ("、".join(part[0] for part in parts),)
    question = Question(row["query"], name, answers=answers, parts=parts)
    return Case(question, tuple(positive), tuple(negative), least, str(row.get("split", "")))
