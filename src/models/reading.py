"""Extractive reading with a causal language model: in one pass, the words of a passage that answer a question, and
whether any do.

The passage stands first and its questions behind it; every question sees the passage and itself, none another, so
that the passage is computed once for all of them. A small head (``PointerHead``) compares the last token of a
question with each token of the passage, as a pointer network does (Vinyals et al. 2015,
https://arxiv.org/abs/1506.03134): once for where the answer begins, once for where it ends; a biaffine term (Dozat
and Manning 2017, https://arxiv.org/abs/1611.01734) and the length say which begin and end belong together. What it
finds is a substring of the passage by construction. A LoRA adapter and the head are trained together
(``src/training/reader.py``); the layers above the adapter are not run.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from src.errors import ModelError
from src.models.base import Reading

HEAD_FILE = "reader_head.safetensors"
BEFORE, BETWEEN, BEHIND = "资料：", "\n问题：", "\n答案："
HEAD_SIZE, PAIR_SIZE = 128, 64
MAX_SPAN_TOKENS = 80
# Places that a reading tells, for those who choose among them.
TOLD_SPANS = 30
# Longer ones are cut: a chunk has 300 characters, and a title or a question is no place for a novel.
MAX_PASSAGE_CHARS, MAX_QUESTION_CHARS, MAX_TITLE_CHARS = 1200, 200, 60

# Tokens may not cross these borders: a token of two punctuation marks, or of a mark and a word, would make answers
# that end between them unreachable (7 % of CMRC's; so cut 1.5 %).
_PIECE = re.compile(r"[A-Za-z]+|\d|\s+|[\u3400-\u9fff]+|.", re.DOTALL)
# Ids and (start, end) offsets of a text's tokens.
Tokenize = Callable[[str], tuple[list[int], list[tuple[int, int]]]]


@dataclass(frozen=True)
class Tokens:
    """Ids with the character offsets of each: ``text[starts[i]:ends[i]]``."""

    ids: list[int]
    starts: list[int]
    ends: list[int]


@dataclass(frozen=True)
class Packed:
    """One passage and its questions as one row.

    Attributes:
        ids: of all of it.
        segments: 0 for the passage, n for the n-th question; a token sees segment 0 and its own.
        places: position ids; every question begins right behind the passage.
        passage: where in ``ids`` the passage's tokens stand.
        questions: where in ``ids`` the last token of each question stands.
        tokens: the passage's.
    """

    ids: list[int]
    segments: list[int]
    places: list[int]
    passage: range
    questions: list[int]
    tokens: Tokens


class ReaderEncoder:
    """Passages and questions to ``Packed``."""

    def __init__(self, tokenize: Tokenize) -> None:
        self._tokenize = tokenize
        self._pieces: dict[str, tuple[list[int], list[tuple[int, int]]]] = {}
        self._before, self._between, self._behind = (tokenize(text)[0] for text in (BEFORE, BETWEEN, BEHIND))

    def __call__(self, title: str, passage: str, questions: Sequence[str]) -> Packed:
        """``title`` stands before the passage unless the passage has it; spans never lie in it."""
        ids = list(self._before)
        if title and title not in passage:
            ids += self.tokens(f"{title[:MAX_TITLE_CHARS]}：").ids
        tokens = self.tokens(passage[:MAX_PASSAGE_CHARS])
        place = range(len(ids), len(ids) + len(tokens.ids))
        ids += tokens.ids
        length = len(ids)
        segments, places, ends = [0] * length, list(range(length)), []
        for number, question in enumerate(questions, 1):
            asked = [*self._between, *self.tokens(question[:MAX_QUESTION_CHARS]).ids, *self._behind]
            ids += asked
            segments += [number] * len(asked)
            places += range(length, length + len(asked))
            ends.append(len(ids) - 1)
        return Packed(ids, segments, places, place, ends, tokens)

    def tokens(self, text: str) -> Tokens:
        """No marker that a user types can become a special token: a piece is a word or a single mark."""
        text = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate becomes ?
        found = Tokens([], [], [])
        for match in _PIECE.finditer(text):
            ids, offsets = self._piece(match.group())
            found.ids.extend(ids)
            found.starts.extend(match.start() + start for start, _ in offsets)
            found.ends.extend(match.start() + end for _, end in offsets)
        return found

    def _piece(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        known = self._pieces.get(text)
        if known is None:
            known = self._tokenize(text)
            if len(self._pieces) < 1 << 16 and len(text) <= 16:
                self._pieces[text] = known
        return known


class PointerHead(nn.Module):
    """Scores of a passage's tokens as the begin and the end of an answer, of spans, and of the question as answerable."""

    def __init__(self, hidden_size: int, size: int = HEAD_SIZE) -> None:
        super().__init__()
        self.asked, self.read = nn.LayerNorm(hidden_size), nn.LayerNorm(hidden_size)
        self.begin_query, self.end_query = nn.Linear(hidden_size, size), nn.Linear(hidden_size, size)
        self.begin_key, self.end_key = nn.Linear(hidden_size, size), nn.Linear(hidden_size, size)
        self.answerable = nn.Linear(hidden_size, 1)
        self.pair_begin, self.pair_end = nn.Linear(hidden_size, PAIR_SIZE), nn.Linear(hidden_size, PAIR_SIZE)
        self.length = nn.Parameter(torch.zeros(MAX_SPAN_TOKENS))
        self._scale = 4 / math.sqrt(size)
        for layer in (self.begin_query, self.end_query, self.begin_key, self.end_key, self.answerable):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
        # Spans begin as the sum of their ends.
        nn.init.zeros_(self.pair_end.weight)
        nn.init.zeros_(self.pair_end.bias)

    def forward(self, questions: Tensor, passage: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden states (N, H) and (T, H) -> float32 begin and end scores (N, T), answerable scores (N,)."""
        asked, read = self.asked(questions.float()), self.read(passage.float())
        begin = self.begin_query(asked) @ self.begin_key(read).T * self._scale
        end = self.end_query(asked) @ self.end_key(read).T * self._scale
        return begin, end, self.answerable(asked)[:, 0]

    def spans(self, begin: Tensor, end: Tensor, passage: Tensor) -> Tensor:
        """Begin and end scores (N, T), hidden states (T, H) -> scores (N, T, T) of the spans from one token through
        another, -inf where none is allowed."""
        read = self.read(passage.float())
        pairs = self.pair_begin(read) @ self.pair_end(read).T / math.sqrt(PAIR_SIZE)
        places = torch.arange(len(passage), device=passage.device)
        length = places[None, :] - places[:, None]
        pairs = pairs + self.length[length.clamp(0, MAX_SPAN_TOKENS - 1)]
        pairs = pairs.masked_fill((length < 0) | (length >= MAX_SPAN_TOKENS), -math.inf)
        scores: Tensor = begin[:, :, None] + end[:, None, :] + pairs
        return scores


def load_head(path: Path, hidden_size: int, device: Any) -> PointerHead:
    """The head that stands beside an adapter.

    Raises:
        ModelError: the file is missing or fits another model.
    """
    try:
        weights = load_file(path)
        head = PointerHead(hidden_size, weights["begin_query.weight"].shape[0])
        # Heads from before there were pairs: the ones of a new head say nothing.
        new = {name: value for name, value in head.state_dict().items() if name.startswith(("pair_", "length"))}
        head.load_state_dict({**new, **{name: value.float() for name, value in weights.items()}})
        if not all(bool(value.isfinite().all()) for value in weights.values()):
            raise ValueError("NaN")
    except (OSError, RuntimeError, ValueError, KeyError, IndexError, SafetensorError) as error:
        raise ModelError(f"{path} 缺失、读不懂，或不属于这个模型：{' '.join(str(error).split())[:200]}") from error
    return head.to(device).eval()


@dataclass(frozen=True)
class Read:
    """What a pass says about one question and one passage.

    Attributes:
        start, end: the best span of the passage, whether it answers or not.
        features: what its probability is made of: the question's score, and how far the best begin and end stand
            above "nowhere" (0), as log-sum-exp over the passage.
        spans: the best ones with their scores.
    """

    start: int
    end: int
    features: tuple[float, float]
    spans: tuple[tuple[int, int, float], ...] = ()

    def calibrated(self, calibration: tuple[float, float, float]) -> Reading:
        """With its probability: a logistic function of the features."""
        constant, *weights = calibration
        odds = constant + sum(weight * feature for weight, feature in zip(weights, self.features, strict=True))
        return Reading(self.start, self.end, 1 / (1 + math.exp(-max(-60.0, min(60.0, odds)))), self.spans)


def hidden_states(model: Any, rows: Sequence[Packed], depth: int) -> Tensor:
    """Hidden states (B, T, H) behind layer ``depth`` of a decoder (the whole one if it has fewer)."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    decoder = base.model
    longest = max(len(row.ids) for row in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    segments = torch.full((len(rows), longest), -1)
    places = torch.zeros((len(rows), longest), dtype=torch.long)
    for number, row in enumerate(rows):
        length = len(row.ids)
        ids[number, :length] = torch.tensor(row.ids)
        segments[number, :length] = torch.tensor(row.segments)
        places[number, :length] = torch.tensor(row.places)
    seen = (segments[:, None, :] == 0) | (segments[:, None, :] == segments[:, :, None])
    seen &= torch.ones((longest, longest), dtype=torch.bool).tril()
    dtype = decoder.layers[0].input_layernorm.weight.dtype
    mask = torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)[:, None]
    ids, places, mask = ids.to(model.device), places.to(model.device), mask.to(model.device)
    hidden: Tensor = decoder.embed_tokens(ids)
    rotary = decoder.rotary_emb(hidden, places)
    for layer in decoder.layers[:depth]:
        hidden = layer(
            hidden, attention_mask=mask, position_ids=places, position_embeddings=rotary, use_cache=False
        )
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    return hidden


@torch.inference_mode()
def read(model: Any, head: PointerHead, rows: Sequence[Packed], depth: int) -> list[list[Read]]:
    """One forward pass: for each row the reading of each of its questions."""
    hidden = hidden_states(model, rows, depth)
    found = []
    for number, row in enumerate(rows):
        questions = hidden[number, row.questions]
        passage = hidden[number, row.passage.start : row.passage.stop]
        begin, end, answerable = head(questions, passage)
        if not row.tokens.ids:
            found.append([Read(0, 0, (-100.0, -100.0))] * len(questions))
            continue
        told = []
        spans = head.spans(begin, end, passage).flatten(1)
        best = spans.topk(min(TOLD_SPANS, spans.shape[1]))
        scores = (begin.logsumexp(1) + end.logsumexp(1)).tolist()
        for question in range(len(questions)):
            places = tuple(
                (row.tokens.starts[place // len(passage)], row.tokens.ends[place % len(passage)], value)
                for place, value in zip(
                    best.indices[question].tolist(), best.values[question].tolist(), strict=True
                )
                if value > -math.inf
            )
            start, last, _ = places[0]
            told.append(Read(start, last, (float(answerable[question]), scores[question]), places))
        found.append(told)
    return found
