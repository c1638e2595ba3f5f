"""Passages with questions, and what they become for a reader: windows as a search returns them, each with questions
that it answers and, as many, look-alikes that it does not.

Without an answer are: what another part of the same passage answers; the nearest windows of other passages; a window
whose answering sentence is gone; a question whose name, year or number is another one's; and made-up news
(``lookalikes.py``) in which only year, round or place tells one from another.
"""

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from src.errors import InputError
from src.files import read_jsonl
from src.ingest.split import sentence_spans, window_spans
from src.search.script import simplified
from src.search.terms import fold
from src.training.lookalikes import news

NEAR, POSITIVES, NEGATIVES = 3, 6, 6
# Shares of the windows that are taken once more, changed.
WITHOUT_EVIDENCE, RENAMED, NEWS = 0.35, 0.2, 0.12
# Shares of the questions that are put in another way.
BARE, UNMARKED, EXCHANGED = 0.15, 0.3, 0.5
TITLED = 0.7
SIMPLIFIED = 0.3
_NOT_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Asked:
    """A question of a passage; ``answers`` are (text, start) in it, none where the passage does not answer it."""

    question: str
    answers: tuple[tuple[str, int], ...]


@dataclass
class Article:
    """A passage with its questions."""

    title: str
    text: str
    asked: list[Asked] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """A question of a window and the answer's place in it; None: the window does not answer it."""

    question: str
    span: tuple[int, int] | None
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Window:
    """What is read at once, with its questions."""

    title: str
    text: str
    targets: tuple[Target, ...]


def read_articles(path: Path) -> list[Article]:
    """SQuAD's JSON, or JSON lines ``{"context", "question", "answers": [{"text", "start"}], "title"?}``.

    Raises:
        InputError: the file cannot be read or has another layout, or an answer does not stand where it says.
    """
    articles: dict[str, Article] = {}
    for row in _lines(path) if path.suffix == ".jsonl" else _squad(path):
        context, question = row["context"], row["question"].strip()
        answers = []
        for answer in row["answers"]:
            if answer["text"].strip():
                start = _place(context, answer["text"], answer["start"])
                if start is None:
                    raise InputError(
                        f"{path} 里问题“{question[:40]}”的答案“{answer['text'][:20]}”不在它说的位置 {answer['start']}"
                    )
                answers.append((answer["text"], start))
        if question:
            title = row.get("title")
            article = articles.setdefault(context, Article(title if isinstance(title, str) else "", context))
            article.asked.append(Asked(question, tuple(answers)))
    if not any(one.answers for article in articles.values() for one in article.asked):
        raise InputError(f"{path} 里没有一个有答案的问题")
    return list(articles.values())


def _place(context: str, text: str, start: int) -> int | None:
    """Where ``text`` stands: at ``start`` in characters, or else in UTF-16 units, in which some of CMRC's files count a
    rare character as two."""
    if start >= 0 and context[start : start + len(text)] == text:
        return start
    before = context.encode("utf-16-le", "surrogatepass")[: 2 * max(0, start)]
    start = len(before.decode("utf-16-le", "surrogatepass"))
    return start if context[start : start + len(text)] == text else None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for number, row in read_jsonl(path, required={"context": str, "question": str, "answers": list}):
        try:
            answers = [{"text": str(one["text"]), "start": int(one["start"])} for one in row["answers"]]
        except (TypeError, KeyError, ValueError) as error:
            raise InputError(f'{path} 第 {number} 行的 answers 应为 [{{"text", "start"}}, …]') from error
        yield {**row, "answers": answers}


def _squad(path: Path) -> Iterator[dict[str, Any]]:
    try:
        for article in json.loads(path.read_text("utf-8-sig"))["data"]:
            for paragraph in article["paragraphs"]:
                for qa in paragraph["qas"]:
                    row = {
                        "title": article.get("title"),
                        "context": paragraph["context"],
                        "question": qa["question"],
                        "answers": [{"text": a["text"], "start": a["answer_start"]} for a in qa.get("answers", ())],
                    }
                    texts = [row["context"], row["question"], *(answer["text"] for answer in row["answers"])]
                    if not all(isinstance(text, str) for text in texts):
                        raise TypeError(f"问题 {str(row['question'])[:40]} 或它的资料、答案不是文字")
                    if not all(isinstance(answer["start"], int) for answer in row["answers"]):
                        raise TypeError(f"问题 {row['question'][:40]} 的 answer_start 不是整数")
                    yield row
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} 读不了，或不是 SQuAD 格式：{error}") from error


def windows(articles: Sequence[Article], seed: int, passes: int = 1) -> list[Window]:
    """Windows to learn from, shuffled; every pass draws its questions and changes anew."""
    plain = with_near(articles, NEAR)
    titles = sorted({article.title for article in articles if article.title})
    found: list[Window] = []
    for number in range(passes):
        draw = random.Random(f"{seed}/{number}")  # noqa: S311 (no secret)
        once = [window for window in (_with_alias(one, draw) for one in plain) if window.targets]
        once += [gone for window in draw.sample(once, int(WITHOUT_EVIDENCE * len(once))) if (gone := _without_evidence(window, draw))]  # fmt: skip
        once += [other for window in plain if draw.random() < RENAMED if (other := _renamed(window, titles, draw))]
        once = [_drawn(window, titles, draw) for window in once]
        once += [Window("", text, tuple(Target(q, span) for q, span in asked)) for text, asked in news(draw, int(NEWS * len(once)))]  # fmt: skip
        draw.shuffle(once)
        found += once
    return found


def with_near(articles: Sequence[Article], near: int) -> list[Window]:
    """Every window with the questions of its own article, and those of others to which it is among the ``near``
    nearest by character pairs."""
    places = [(i, start, end) for i, article in enumerate(articles) for start, end in window_spans(article.text)]
    texts = [articles[i].text[start:end] for i, start, end in places]
    bare = [_bare(text) for text in texts]
    own: dict[int, list[int]] = {}
    for number, (i, _, _) in enumerate(places):
        own.setdefault(i, []).append(number)
    targets: list[list[Target]] = [[] for _ in places]
    nearest = _Nearest(texts)
    for i, article in enumerate(articles):
        for asked in article.asked:
            answers = tuple(text for text, _ in asked.answers)
            gone = [_bare(text) for text in answers]
            for number in own.get(i, ()):
                _, start, end = places[number]
                inside = [(at - start, at - start + len(text)) for text, at in asked.answers if start <= at and at + len(text) <= end]  # fmt: skip
                if inside:
                    targets[number].append(Target(asked.question, inside[0], answers))
                elif not any(text in bare[number] for text in gone):
                    targets[number].append(Target(asked.question, None))
            others = (n for n in nearest(asked.question) if places[n][0] != i and not any(text in bare[n] for text in gone))  # fmt: skip
            for number in list(others)[:near]:
                targets[number].append(Target(asked.question, None))
    return [
        Window(articles[i].title, text, tuple(asked))
        for (i, _, _), text, asked in zip(places, texts, targets, strict=True)
    ]


def _drawn(window: Window, titles: Sequence[str], draw: random.Random) -> Window:
    """As many questions as are learned at once, some put in another way."""
    answered = [one for one in window.targets if one.span]
    others = [one for one in window.targets if not one.span]
    draw.shuffle(answered)
    draw.shuffle(others)
    made = [
        other for one in answered if draw.random() < EXCHANGED if (other := _exchanged(one, window, titles, draw))
    ]
    kept = answered[:POSITIVES] + made[:3]
    kept += others[: max(4, min(NEGATIVES, len(answered))) - len(made[:3]) // 2]
    draw.shuffle(kept)
    title = window.title if draw.random() < TITLED else ""
    return Window(
        title, window.text, tuple(replace(one, question=_in_script(_put(one.question, draw), draw)) for one in kept)
    )


_ALIAS = re.compile(
    r"(?P<kind>又[称稱名]|[别別][称稱名號]|[简簡俗古旧舊][称稱]|[旧舊原本]名|[亦也][称稱])(?:[为為作是：:])?"
    r"[“「『《]?(?P<name>[\u4e00-\u9fff]{2,8})(?=[”」』》，。、；,）)])"
)
_ASKED_BY_ALIAS = (
    "{name}是什么的{kind}？",
    "{name}是{kind}，它指的是什么？",
    "{name}指的是什么？",
    "什么又叫{name}？",
    "{name}是谁的{kind}？",
)
_ALIAS_KINDS = {"又": "别称", "亦": "别称", "也": "别称"}


def _with_alias(window: Window, draw: random.Random) -> Window:
    """The window with questions by an alias of its subject, which few annotators ask: 羊城是什么的别称？"""
    found = []
    for match in _ALIAS.finditer(window.text):
        start = window.text.rfind(window.title, 0, match.start()) if window.title else -1
        if (
            start < 0
            or match["name"] in window.title
            or re.search(r"[。！？\n]", window.text[start : match.start()])
        ):
            continue
        kind = _ALIAS_KINDS.get(match["kind"][0], match["kind"])
        asked = draw.choice(_ASKED_BY_ALIAS).format(name=match["name"], kind=kind)
        found.append(Target(asked, (start, start + len(window.title)), (window.title,)))
    return replace(window, targets=(*window.targets, *found)) if found else window


_ENDING = re.compile(r"(?:是|为|叫|有)?(?:什么|谁|多少|几|哪[里儿]?)?[?？]?$")
_WHEN = re.compile(
    r"(?:是)?(?:在)?(?:何时|什么时候|哪一?年|什么时间|几时)(?P<what>[\u4e00-\u9fff]{2,4})(?:的|了)?[?？]?$"
)
_WHERE = re.compile(r"(?:位于|在)(?:哪里|哪儿|何处|什么地方)[?？]?$")


def _put(question: str, draw: random.Random) -> str:
    """A question as a noun phrase (桥的长度是多少 -> 桥的长度), or without its mark."""
    if draw.random() < BARE:
        when = _WHEN.search(question)
        where = _WHERE.search(question)
        if when and when.start() >= 2:
            return question[: when.start()] + when["what"] + draw.choice(["时间", "日期", "年份"])
        if where and where.start() >= 2:
            return question[: where.start()] + draw.choice(["位置", "所在地", "地点"])
        bare = _ENDING.sub("", question)
        if len(bare) >= 4 and bare != question:
            return bare
    return question.rstrip("?？") if draw.random() < UNMARKED else question


def _in_script(question: str, draw: random.Random) -> str:
    """Who asks in simplified characters reads traditional passages too."""
    return simplified(question) if draw.random() < SIMPLIFIED else question


_YEAR = re.compile(r"(?<!\d)(1[5-9]|20)\d{2}(?!\d)")
_NUMBER = re.compile(r"(?<![\d.])\d{1,3}(?![\d.])")
_ORDINAL = re.compile(r"第([一二三四五六七八九十]{1,3})")
_QUOTED = re.compile(r"[《“「『]([^》”」』]{2,20})[》”」』]")
_NUMERALS = "一二三四五六七八九十"


def _exchanged(target: Target, window: Window, titles: Sequence[str], draw: random.Random) -> Target | None:
    """The question about another year, number, name or title than the passage's; None where it has none."""
    question = target.question
    options = []
    for pattern, other in ((_YEAR, _other_year), (_NUMBER, _other_number), (_ORDINAL, _other_ordinal)):
        for match in pattern.finditer(question):
            written = other(match.group(), draw)
            if written not in window.text:
                options.append((match.span(), written))
    names = [match.span(1) for match in _QUOTED.finditer(question)]
    if window.title and window.title in question:
        at = question.index(window.title)
        names.append((at, at + len(window.title)))
    for span in names:
        new = _other_name(question[slice(*span)], titles, draw)
        if new and new not in window.text:
            options.append((span, new))
    if not options:
        return None
    (start, end), new = draw.choice(options)
    return Target(question[:start] + new + question[end:], None)


def _other_year(written: str, draw: random.Random) -> str:
    return str(int(written) + draw.choice([-12, -5, -3, -2, -1, 1, 2, 3, 4, 10]))


def _other_number(written: str, draw: random.Random) -> str:
    return str(max(1, int(written) + draw.choice([-3, -2, -1, 1, 2, 3, 7])))


def _other_ordinal(written: str, draw: random.Random) -> str:
    return "第" + draw.choice([n for n in _NUMERALS if n not in written])


def _other_name(name: str, titles: Sequence[str], draw: random.Random) -> str | None:
    """A title that ends like ``name`` (another 大学), or one of about its length."""
    alike = [title for title in titles if title != name and title[-2:] == name[-2:]]
    alike = alike or [title for title in titles if title != name and title[-1:] == name[-1:]]
    alike = alike or [title for title in titles if title != name and abs(len(title) - len(name)) <= 1]
    return draw.choice(alike) if alike else None


def _without_evidence(window: Window, draw: random.Random) -> Window | None:
    """Without one sentence that answers: its questions have no answer any more."""
    spans = sentence_spans(window.text)
    holding = [
        span for span in spans if any(one.span and span[0] <= one.span[0] < span[1] for one in window.targets)
    ]
    if len(spans) < 2 or not holding:
        return None
    start, end = draw.choice(holding)
    text = window.text[:start] + window.text[end:]
    bare = _bare(text)
    kept = []
    for one in window.targets:
        if one.span is None or (one.span[0] < end and one.span[1] > start):
            if not one.span or not any(_bare(answer) in bare for answer in one.answers):
                kept.append(Target(one.question, None))
        else:
            by = end - start if one.span[0] >= end else 0
            kept.append(replace(one, span=(one.span[0] - by, one.span[1] - by)))
    return Window(window.title, text, tuple(kept))


def _renamed(window: Window, titles: Sequence[str], draw: random.Random) -> Window | None:
    """The passage about something else: who asks by the old name gets no answer, who asks by the new one does."""
    old = window.title
    if len(old) < 2 or old not in window.text:
        return None
    new = _other_name(old, titles, draw)
    if not new or new in window.text:
        return None
    text = window.text.replace(old, new)
    kept = []
    for one in window.targets:
        if one.span is None:
            continue
        if old not in one.question:
            continue
        kept.append(Target(one.question, None))
        before, inside = window.text[: one.span[0]], window.text[slice(*one.span)]
        start = one.span[0] + before.count(old) * (len(new) - len(old))
        renamed = inside.replace(old, new)
        if text[start : start + len(renamed)] == renamed:
            kept.append(Target(one.question.replace(old, new), (start, start + len(renamed))))
    return Window(new, text, tuple(kept)) if kept else None


class _Nearest:
    """Windows by the idf of the character pairs that they share with a question."""

    def __init__(self, texts: Sequence[str], most: int = 30) -> None:
        self._most = most
        self._texts: dict[str, list[int]] = {}
        for number, text in enumerate(texts):
            for pair in _pairs(text):
                self._texts.setdefault(pair, []).append(number)
        self._count = len(texts)

    def __call__(self, question: str) -> list[int]:
        scores = np.zeros(self._count, dtype=np.float32)
        for pair in _pairs(question):
            if having := self._texts.get(pair):
                scores[having] += np.log1p(self._count / len(having))
        return [int(number) for number in np.argsort(-scores, kind="stable")[: self._most]]


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}


def _bare(text: str) -> str:
    return _NOT_WORD.sub("", fold(text))
