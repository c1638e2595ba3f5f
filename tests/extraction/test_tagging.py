"""Spans from label probabilities, against all sequences written out."""

import itertools

import numpy as np
import pytest

from src.extraction.schema import LABELS, Span
from src.extraction.tagging import TAGS, decode_spans, to_tags

N = len(LABELS)
TEXT = "甲乙丙丁"


def legal(tags: tuple[int, ...]) -> bool:
    before = 0
    for tag in tags:
        if tag > N and before not in (tag, tag - N):
            return False
        before = tag
    return True


def spans_of(tags: tuple[int, ...]) -> list[tuple[str, int, int]]:
    spans: list[tuple[str, int, int]] = []
    for at, tag in enumerate(tags):
        if 1 <= tag <= N:
            spans.append((LABELS[tag - 1], at, at + 1))
        elif tag > N:
            label, start, _ = spans.pop()
            spans.append((label, start, at + 1))
    return spans


@pytest.mark.parametrize("seed", range(8))
def test_best_sequence_and_confidence_are_those_of_all_sequences(seed: int) -> None:
    generator = np.random.default_rng(seed)
    # Three labels of the eight suffice to write all sequences out; the others are next to impossible.
    scores = np.full((len(TEXT), len(TAGS)), -30.0, dtype=np.float32)
    few = [0, 1, 2, 1 + N, 2 + N]
    scores[:, few] = generator.normal(0, 2, (len(TEXT), len(few)))
    scores -= np.logaddexp.reduce(scores, axis=1, keepdims=True)
    weights = {
        tags: np.exp(sum(scores[at, tag] for at, tag in enumerate(tags)))
        for tags in itertools.product(few, repeat=len(TEXT))
        if legal(tags)
    }
    best = max(weights, key=lambda tags: weights[tags])
    found = decode_spans(TEXT, scores)
    assert [(span.label, span.start, span.end) for span in found] == spans_of(best)
    total = sum(weights.values())
    for span in found:
        share = (
            sum(w for tags, w in weights.items() if (span.label, span.start, span.end) in spans_of(tags)) / total
        )
        assert span.confidence == pytest.approx(share, abs=1e-4)


def test_tags_and_back() -> None:
    text = "王小明，中国国籍，任蓝天公司蓝天公司董事"
    spans = (
        Span("姓名", "王小明", 0, 3),
        Span("国籍", "中国国籍", 4, 8),
        Span("组织名", "蓝天公司", 10, 14),
        Span("组织名", "蓝天公司", 14, 18),  # two neighbours with one label stay two
        Span("职位", "董事", 18, 20),
    )
    scores = np.full((len(text), len(TAGS)), -20.0, dtype=np.float32)
    scores[np.arange(len(text)), to_tags(text, spans)] = 0
    found = decode_spans(text, scores)
    assert tuple(found) == spans
    assert all(span.confidence == pytest.approx(1, abs=1e-5) for span in found)


def test_white_space_at_the_ends_is_cut_and_a_blank_span_is_none() -> None:
    text = " 王 明 　"
    scores = np.full((len(text), len(TAGS)), -20.0, dtype=np.float32)
    scores[:, 1 + N] = 0
    scores[0, 1] = 0
    (span,) = decode_spans(text, scores)
    assert (span.text, span.start, span.end) == ("王 明", 1, 4)
    assert decode_spans("  ", scores[:2]) == []
    assert decode_spans("", scores[:0]) == []
