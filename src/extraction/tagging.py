"""From label probabilities for each character to spans: BIO tags, the best legal sequence, and how sure it is."""

import numpy as np

from src.errors import ModelError
from src.extraction.schema import LABELS, Span

# Outside; the first character of a span of each label; its other characters (Ramshaw and Marcus 1995).
TAGS = ("O", *(f"B-{label}" for label in LABELS), *(f"I-{label}" for label in LABELS))
_COUNT = len(LABELS)
_NEVER = -1e9


def _legal_moves() -> np.ndarray:
    """Log-weights (from, to): I-x comes only after B-x or I-x."""
    moves = np.zeros((len(TAGS), len(TAGS)), dtype=np.float32)
    for label in range(_COUNT):
        inside = 1 + _COUNT + label
        moves[:, inside] = _NEVER
        moves[[1 + label, inside], inside] = 0
    return moves


_MOVES = _legal_moves()
_START = _MOVES[0]


def to_tags(text: str, spans: tuple[Span, ...]) -> list[int]:
    """One of ``TAGS``' indices for each character; the spans must not overlap."""
    tags = [0] * len(text)
    for span in spans:
        label = LABELS.index(span.label)
        tags[span.start : span.end] = [1 + _COUNT + label] * (span.end - span.start)
        tags[span.start] = 1 + label
    return tags


def decode_spans(text: str, scores: np.ndarray) -> list[Span]:
    """The spans of the most probable legal tag sequence (Viterbi), each with its probability.

    Args:
        scores: float (len(text), len(TAGS)), log-probabilities of each character's tag.

    A span's confidence is the share of all legal sequences, weighted by their probability, that hold exactly this
    span with this label (forward-backward). White space at a span's ends is cut off.

    Raises:
        ModelError: a score is not a number.
    """
    if not len(text):
        return []
    if not np.isfinite(scores).all():
        raise ModelError("适配器给出的概率不是数：它的权重坏了，请重新训练或下载")
    tags = _viterbi(scores)
    forward, backward = _forward(scores), _backward(scores)
    total = float(np.logaddexp.reduce(forward[-1]))
    spans = []
    start = 0
    while start < len(tags):
        label = tags[start] - 1
        if not 0 <= label < _COUNT:
            start += 1
            continue
        end = start + 1
        while end < len(tags) and tags[end] == 1 + _COUNT + label:
            end += 1
        inside = 1 + _COUNT + label
        log_p = forward[start, 1 + label] + scores[start + 1 : end, inside].sum()
        if end < len(tags):
            after = scores[end] + backward[end]
            after[inside] = _NEVER
            log_p += np.logaddexp.reduce(after + _MOVES[inside])
        confidence = min(1.0, float(np.exp(log_p - total)))
        piece = text[start:end]
        first = start + len(piece) - len(piece.lstrip())
        last = first + len(piece.strip())
        if last > first:
            spans.append(Span(LABELS[label], text[first:last], first, last, confidence))
        start = end
    return spans


def _viterbi(scores: np.ndarray) -> list[int]:
    best = scores[0] + _START
    came_from = []
    for row in scores[1:]:
        candidates = best[:, None] + _MOVES
        came_from.append(candidates.argmax(0))
        best = candidates.max(0) + row
    tags = [int(best.argmax())]
    for step in reversed(came_from):
        tags.append(int(step[tags[-1]]))
    return tags[::-1]


def _forward(scores: np.ndarray) -> np.ndarray:
    """Log-weight of all legal beginnings that end at a character with a tag."""
    table = np.empty_like(scores)
    table[0] = scores[0] + _START
    for at in range(1, len(scores)):
        table[at] = np.logaddexp.reduce(table[at - 1][:, None] + _MOVES, axis=0) + scores[at]
    return table


def _backward(scores: np.ndarray) -> np.ndarray:
    """Log-weight of all legal continuations behind a character with a tag."""
    table = np.zeros_like(scores)
    for at in range(len(scores) - 2, -1, -1):
        table[at] = np.logaddexp.reduce(_MOVES + scores[at + 1] + table[at + 1], axis=1)
    return table
