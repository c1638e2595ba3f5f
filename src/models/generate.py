"""Decoding loop: a generator of tokens, so that whoever stops reading frees the model within one token.

``generate`` is what ``model.generate`` is, with three differences:

1. A long prompt is read in pieces of ``PREFILL_TOKENS`` and can be left between any two; ``model.generate`` has to be
   read from another thread through a streamer and cannot be left before its first token.
2. Tokens that a grammar has decided already are committed without the model.
3. Drafts of prompt look-up (https://github.com/apoorvumang/prompt-lookup-decoding) are checked in one forward pass, as
   ``prompt_lookup_num_tokens`` does; greedy output is the same as without them.

The naive loop that it has to equal token by token is in ``tests/models/test_generate.py``; NOTES.md has both speeds.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from transformers import DynamicCache

# A prompt is computed in pieces, between which a reader can stop: each a fraction of a second.
PREFILL_TOKENS = 128
PREFILL_TOKENS_ON_CUDA = 2048
LOOKUP_TOKENS = 8
LOOKUP_NGRAMS = (3, 2)
# A small model decoding greedily can fall into a loop; this many equal blocks in a row end the answer.
LOOP_REPEATS = 4
LOOP_MAX_PERIOD = 48


class Step(NamedTuple):
    """Newly decided tokens, and under a constraint the log-probability of those that were chosen, among what was
    allowed; 0 for what was forced."""

    tokens: list[int]
    log_probability: float = 0.0


class Constraint(Protocol):
    """Which token may come next; ``src/models/grammar.py`` is one."""

    def allowed(self) -> torch.Tensor | None:
        """Boolean mask (vocabulary,), or None where everything is allowed."""
        ...

    def forced(self) -> list[int]:
        """Tokens that must come next whatever the model says."""
        ...

    def accept(self, token: int) -> None:
        """Move on by one token."""
        ...


class Cached(Protocol):
    """Model and memory of one answer: one forward pass and taking back are all that decoding asks of it."""

    @property
    def length(self) -> int:
        """Tokens it remembers."""
        ...

    def forward(self, ids: list[int], keep: int) -> torch.Tensor:
        """Read ``ids`` behind what is there: logits of the last ``keep`` positions, float32 (keep, vocabulary)."""
        ...

    def crop(self, count: int) -> None:
        """Take the last ``count`` tokens back."""
        ...


class CachedModel:
    """``Cached`` with a KV cache that grows; for every model and device."""

    def __init__(self, model: Any, *, drafts: bool = False) -> None:
        """``drafts``: tokens will be taken back."""
        self._model = model
        self._cache = DynamicCache(config=model.config)
        if drafts and hasattr(self._cache, "activate_past_recording"):
            self._cache.activate_past_recording()

    @property
    def length(self) -> int:
        return int(self._cache.get_seq_length())

    def forward(self, ids: list[int], keep: int) -> torch.Tensor:
        tokens = torch.tensor([ids], device=self._model.device)
        output = self._model(input_ids=tokens, past_key_values=self._cache, use_cache=True, logits_to_keep=keep)
        return output.logits[0].float()  # type: ignore[no-any-return]

    def crop(self, count: int) -> None:
        if count:
            self._cache.crop(-count)


@torch.inference_mode()
def generate(
    model: Any,
    prompt: Sequence[int],
    *,
    end_tokens: frozenset[int],
    max_new_tokens: int,
    temperature: float = 0.0,
    constraint: Constraint | None = None,
    lookup: bool = True,
    loops_end: bool = True,
    cached: Cached | None = None,
) -> Iterator[Step]:
    """Newly decided tokens, several at once where they were forced or drafted; end tokens are not yielded.

    ``lookup`` drafts tokens from what is there already; ``loops_end`` ends an answer that repeats itself; ``cached``
    is used instead of a cache that grows, and must be empty.

    An empty step is yielded between pieces of a long prompt, so that a reader can stop there too.
    """
    ids = list(prompt)
    limit = len(ids) + max_new_tokens
    lookup = lookup and temperature == 0 and constraint is None
    if cached is None:
        cached = CachedModel(model, drafts=lookup)
    at_once = PREFILL_TOKENS_ON_CUDA if model.device.type == "cuda" else PREFILL_TOKENS
    for start in range(0, len(ids) - 1, at_once):
        cached.forward(ids[start : min(start + at_once, len(ids) - 1)], keep=1)
        yield Step([])
    while len(ids) < limit:
        forced = _forced(constraint, end_tokens, limit - len(ids))
        if forced is None:
            return
        if forced:
            ids += forced
            yield Step(forced)
            continue
        draft = look_up(ids)[: limit - len(ids) - 1] if lookup else []
        logits = cached.forward(ids[cached.length :] + draft, keep=len(draft) + 1)
        new, log_probability = _accepted(logits, draft, end_tokens, temperature, constraint)
        cached.crop(len(draft) + 1 - len(new))
        ended = new[-1] in end_tokens
        if ended:
            new.pop()
        if constraint is None and loops_end:
            new, looping = _extend(ids, new, len(prompt))
            ended = ended or looping
        else:
            ids += new
        if new:
            yield Step(new, log_probability)
        if ended:
            return


def _accepted(
    logits: torch.Tensor,
    draft: Sequence[int],
    end_tokens: frozenset[int],
    temperature: float,
    constraint: Constraint | None,
) -> tuple[list[int], float]:
    """The model's own tokens as far as they follow ``draft``, and one more; their log-probability."""
    new: list[int] = []
    log_probability = 0.0
    for i, scores in enumerate(logits):
        if constraint:
            scores = _masked(scores, constraint.allowed())
        token = _choose(scores, temperature)
        new.append(token)
        if constraint:
            log_probability += float(scores[token] - scores.logsumexp(-1))
            constraint.accept(token)
        if token in end_tokens or i == len(draft) or token != draft[i]:
            break
    return new, log_probability


def _forced(constraint: Constraint | None, end_tokens: frozenset[int], room: int) -> list[int] | None:
    """Tokens the grammar has decided; None when it has decided that this is the end."""
    if constraint is None:
        return []
    new: list[int] = []
    for token in constraint.forced():
        if token in end_tokens:
            return new or None
        if len(new) == room:
            break
        constraint.accept(token)
        new.append(token)
    return new


def _masked(scores: torch.Tensor, allowed: torch.Tensor | None) -> torch.Tensor:
    if allowed is None:
        return scores
    mask = torch.zeros_like(scores, dtype=torch.bool)
    shared = min(len(mask), len(allowed))
    mask[:shared] = allowed[:shared].to(mask.device)
    return scores.masked_fill(~mask, -torch.inf)


def _choose(scores: torch.Tensor, temperature: float) -> int:
    if temperature > 0:
        return int(torch.multinomial(torch.softmax(scores / temperature, dim=-1), 1))
    return int(scores.argmax())


def look_up(ids: list[int]) -> list[int]:
    """What followed the latest earlier occurrence of the last n-gram; empty when there was none."""
    for n in LOOKUP_NGRAMS:
        tail = ids[-n:]
        for start in range(len(ids) - n - 1, -1, -1):
            if ids[start] == tail[0] and ids[start : start + n] == tail:
                return ids[start + n : start + n + LOOKUP_TOKENS]
    return []


def _extend(ids: list[int], new: Sequence[int], prompt_length: int) -> tuple[list[int], bool]:
    """Append ``new`` to ``ids`` until the answer is in a loop: what was appended, and whether it is.

    Token by token, so that an answer ends at the same place however many were drafted at once.
    """
    for count, token in enumerate(new, start=1):
        ids.append(token)
        if is_looping(ids, prompt_length):
            return list(new[:count]), True
    return list(new), False


def is_looping(ids: list[int], prompt_length: int) -> bool:
    """Whether the answer behind the prompt ends in the same block again and again."""
    generated = len(ids) - prompt_length
    for period in range(1, min(LOOP_MAX_PERIOD, generated // LOOP_REPEATS) + 1):
        # Short periods may be a ruled line or an ellipsis: ask for more of them.
        repeats = LOOP_REPEATS if period >= 8 else max(LOOP_REPEATS, 32 // period)
        if generated < repeats * period:
            continue
        block = ids[-period:]
        if all(ids[-(k + 1) * period : -k * period] == block for k in range(1, repeats)):
            return True
    return False


_REPLACEMENT = "\ufffd"
# A character has at most four bytes; what is still broken after this many tokens was never one.
_PATIENCE_TOKENS = 8


class TextStream:
    """Text of a growing answer, never half a character; ``tokenizers``' own DecodeStream raises on bytes that are none.

    Only the tokens since the last but one piece are decoded again: enough that a space between two pieces is not
    lost, and no more however long the answer grows.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._ids: list[int] = []
        self._shown = 0  # characters of the decoded ids that have been given out
        self._given = 0  # ids that have been given out

    def push(self, tokens: Sequence[int]) -> str:
        """The text that is certain now; special tokens have none."""
        return "".join(map(self._push_one, tokens))

    def _push_one(self, token: int) -> str:
        self._ids.append(token)
        text = self._decode()
        if text.endswith(_REPLACEMENT) and len(self._ids) - self._given < _PATIENCE_TOKENS:
            return ""
        return self._give(text)

    def finish(self) -> str:
        """What is left, however broken."""
        return self._give(self._decode())

    def _give(self, text: str) -> str:
        new = text[self._shown :]
        if new:
            self._ids = self._ids[self._given :]
            self._given = len(self._ids)
            self._shown = len(self._decode())
        return new

    def _decode(self) -> str:
        return str(self._backend.decode(self._ids, skip_special_tokens=True))
