"""What an extraction got wrong, in what way, and which sentences show it best."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from src.extraction.schema import Span

Key = tuple[str, int, int]
# missed: nothing else explains it; boundary: same label, overlapping; label: same span under another label.
KINDS = {"missed": "漏掉", "spurious": "多出", "boundary": "边界", "label": "类别"}


@dataclass(frozen=True)
class Mistake:
    """``gold`` is None for a spurious span, ``predicted`` for a missed one."""

    kind: str
    gold: Span | None
    predicted: Span | None

    @property
    def label(self) -> str:
        """The gold label; that of the prediction where nothing was marked."""
        span = self.gold or self.predicted
        assert span is not None
        return span.label


@dataclass(frozen=True)
class WrongText:
    """A text with at least one mistake; ``number`` counts texts from 1."""

    number: int
    text: str
    gold: tuple[Span, ...]
    predicted: tuple[Span, ...]
    mistakes: tuple[Mistake, ...]


def by_key(spans: Iterable[Span]) -> dict[Key, Span]:
    """Each span under (label, start, end), which is what makes two spans the same; doubles fall together."""
    return {(span.label, span.start, span.end): span for span in spans}


def find_mistakes(gold: Iterable[Span], predicted: Iterable[Span]) -> tuple[Mistake, ...]:
    """Every gold span that was not found and every span found that is not gold, each in exactly one mistake.

    One of each makes a pair where they are the same piece under two labels, or overlap under one; the pair
    that shares most characters first. So a wrong boundary is one mistake here, while exact match counts
    it twice, as missed and as spurious.
    """
    missed, extra = by_key(gold), by_key(predicted)
    for key in missed.keys() & extra.keys():
        del missed[key], extra[key]
    pairs = [
        (_shared(one, other), kind, key, other_key)
        for key, one in missed.items()
        for other_key, other in extra.items()
        if (kind := _pair_kind(one, other))
    ]
    mistakes = []
    for _, kind, key, other_key in sorted(pairs, key=lambda pair: (-pair[0], pair[1] != "label", pair[2:])):
        if key in missed and other_key in extra:
            mistakes.append(Mistake(kind, missed.pop(key), extra.pop(other_key)))
    mistakes += [Mistake("missed", span, None) for span in missed.values()]
    mistakes += [Mistake("spurious", None, span) for span in extra.values()]
    return tuple(sorted(mistakes, key=_place))


def count_mistakes(wrong: Iterable[WrongText]) -> Counter[tuple[str, str]]:
    """How many of each (kind, label)."""
    return Counter((mistake.kind, mistake.label) for one in wrong for mistake in one.mistakes)


def most_informative(wrong: Sequence[WrongText], count: int) -> list[WrongText]:
    """At most ``count``: from every kind of mistake under every label, the most frequent first, the shortest text.

    Then the second shortest of each, and so on: a list of the texts with most mistakes would show the longest
    texts and one kind of mistake again and again.
    """
    groups: dict[tuple[str, str], list[WrongText]] = defaultdict(list)
    for one in sorted(wrong, key=lambda one: len(one.text)):
        for group in dict.fromkeys((mistake.kind, mistake.label) for mistake in one.mistakes):
            groups[group].append(one)
    queues = [iter(groups[group]) for group, _ in count_mistakes(wrong).most_common()]
    chosen: dict[int, WrongText] = {}
    while queues and len(chosen) < count:
        for queue in list(queues):
            one_more = next((one for one in queue if one.number not in chosen), None)
            if one_more is None:
                queues.remove(queue)
            elif len(chosen) < count:
                chosen[one_more.number] = one_more
    return list(chosen.values())


def describe(wrong: WrongText) -> str:
    """Lines to print: the text with its gold spans marked, with the predicted ones, then each mistake."""
    counts = Counter(mistake.kind for mistake in wrong.mistakes)
    summary = "，".join(f"{name} {counts[kind]}" for kind, name in KINDS.items() if counts[kind])
    return "\n".join(
        [
            f"第 {wrong.number} 条：{summary}",
            f"  标注  {_marked(wrong.text, wrong.gold)}",
            f"  结果  {_marked(wrong.text, wrong.predicted)}",
            *(f"  {KINDS[mistake.kind]}  {_line(mistake)}" for mistake in wrong.mistakes),
        ]
    )


def _shared(one: Span, other: Span) -> int:
    return min(one.end, other.end) - max(one.start, other.start)


def _pair_kind(gold: Span, predicted: Span) -> str:
    """Empty where neither explains the other."""
    if (gold.start, gold.end) == (predicted.start, predicted.end):
        return "label"
    return "boundary" if gold.label == predicted.label and _shared(gold, predicted) > 0 else ""


def _place(mistake: Mistake) -> tuple[int, bool, int]:
    """In reading order; what was marked stands before what was found in its place."""
    span = mistake.gold or mistake.predicted
    assert span is not None
    return span.start, mistake.gold is None, span.end


def _marked(text: str, spans: Sequence[Span]) -> str:
    """``text`` with 〔label piece〕; a span that overlaps one before it is named at the end."""
    pieces, aside = [], []
    at = 0
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        mark = f"〔{span.label} {text[span.start : span.end]}〕"
        if span.start < at:
            aside.append(mark)
        else:
            pieces += [text[at : span.start], mark]
            at = span.end
    overlapping = f"  另有{''.join(aside)}" if aside else ""
    return _printable("".join([*pieces, text[at:], overlapping]))


def _line(mistake: Mistake) -> str:
    gold, predicted = mistake.gold, mistake.predicted
    sure = "" if predicted is None or predicted.confidence is None else f"（置信度 {predicted.confidence:.2f}）"
    if mistake.kind == "label":
        assert gold is not None
        assert predicted is not None
        line = f"{gold.text}：{gold.label} → {predicted.label}"
    else:
        line = f"{mistake.label}：{' → '.join(span.text for span in (gold, predicted) if span is not None)}"
    return _printable(line) + sure


def _printable(text: str) -> str:
    """On one line, and without anything a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in text)
