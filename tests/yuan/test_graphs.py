"""Decoding in fixed memory: the same tokens as with a cache that grows. What CUDA adds is ``benchmarks/cuda.py``'s."""

import random

import pytest
import torch

from src.models.generate import CachedModel, generate
from src.yuan import YuanForCausalLM
from src.yuan.graphs import RING, WIDE, GraphDecoder
from tests.yuan.tiny import EOD, alone, random_ids, tiny_model

EXACT = {"rtol": 1e-4, "atol": 1e-4}


def answer(model: YuanForCausalLM, ids: list[int], cached: object = None, **options: object) -> list[int]:
    options = {"end_tokens": frozenset([EOD]), "max_new_tokens": 24, "loops_end": False} | options
    return [token for step in generate(model, ids, cached=cached, **options) for token in step.tokens]


@torch.no_grad()
def in_pieces(decoder: GraphDecoder, ids: list[int], pieces: list[int]) -> torch.Tensor:
    rows, start = [], 0
    for size in pieces:
        rows.append(decoder.forward(ids[start : start + size], keep=size).clone())
        start += size
    assert start == len(ids) == decoder.length
    return torch.cat(rows)


@pytest.mark.parametrize("seed", range(5))
def test_any_pieces_give_the_logits_of_the_whole(seed):
    """Prompts, single tokens and drafts, ends of documents among them, over two spans of columns."""
    model, draw = tiny_model(seed), random.Random(seed)
    length = [3, 40, 60, 270, 90][seed]
    ids = random_ids(seed, length, model.config.vocab_size, draw.sample(range(length), min(length, seed % 4)))
    decoder = GraphDecoder(model, length)
    whole = alone(model, ids)
    pieces: list[int] = []
    while sum(pieces) < length:
        pieces.append(min(draw.choice([1, 1, 2, WIDE, WIDE + 1, 70]), length - sum(pieces)))
    for way in (pieces, [length], [1] * min(length, 60) + [length - 60] * (length > 60)):
        decoder.reset()
        torch.testing.assert_close(in_pieces(decoder, ids, way), whole, **EXACT)


@pytest.mark.parametrize("seed", range(4))
def test_answers_are_those_of_the_growing_cache(seed):
    """Drafts are taken and taken back; a second answer in the same memory knows nothing of the first."""
    model = tiny_model(seed)
    decoder = GraphDecoder(model, 400)
    for prompt in (random_ids(seed, 12, model.config.vocab_size, [4]) * 4, random_ids(seed + 9, 5, 50)):
        for options in ({}, {"lookup": False}, {"end_tokens": frozenset()}):
            decoder.reset()
            expected = answer(model, prompt, CachedModel(model, drafts=True), **options)
            assert answer(model, prompt, decoder, **options) == expected
    assert expected


def test_some_of_these_answers_take_back_a_draft():
    """The test above would be empty otherwise."""
    model = tiny_model(3)
    decoder, taken_back = GraphDecoder(model, 400), []
    crop = decoder.crop
    decoder.crop = lambda count: (taken_back.append(count), crop(count))
    answer(model, random_ids(3, 12, model.config.vocab_size) * 4, decoder, end_tokens=frozenset())
    assert taken_back


@pytest.mark.parametrize("seed", range(4))
def test_forgetting_is_exact_as_far_as_the_ring_reaches_and_else_refused(seed):
    model = tiny_model(seed)
    ids = random_ids(seed, 60, model.config.vocab_size, [50, 55])
    after = random_ids(seed + 1, 3, model.config.vocab_size)
    decoder = GraphDecoder(model, 100)
    for way in ([60], [51, *[1] * 9], [55, 5]):
        decoder.reset()
        in_pieces(decoder, ids, way)
        decoder.crop(20)
        torch.testing.assert_close(decoder.forward(after, keep=3), alone(model, ids[:40] + after)[40:], **EXACT)
    with pytest.raises(ValueError, match="states are kept"):
        decoder.crop(RING)
    decoder.reset()
    decoder.forward(ids[:5], keep=1)
    decoder.crop(5)
    torch.testing.assert_close(decoder.forward(ids, keep=60), alone(model, ids), **EXACT)


def test_rows_of_a_batch_are_apart():
    model = tiny_model(2)
    rows = [random_ids(i, 30, model.config.vocab_size, [10 + i]) for i in range(3)]
    decoder = GraphDecoder(model, 64, batch=3)
    tokens = torch.tensor(rows)
    got = torch.cat(
        [decoder.forward_batch(part, part.shape[1]).clone() for part in tokens.split([20, 1, 5, 4], 1)], 1
    )
    for row, logits in zip(rows, got, strict=True):
        torch.testing.assert_close(logits, alone(model, row), **EXACT)


def test_more_than_fits_is_refused():
    decoder = GraphDecoder(tiny_model(0), 20)
    decoder.forward([1] * 20, keep=1)
    with pytest.raises(ValueError, match="21 tokens are more than the 20"):
        decoder.forward([1], keep=1)
    assert decoder.length == 20
    assert decoder.bytes > 0


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_half_precision_is_as_close_as_the_growing_cache(attention):
    model = tiny_model(6)
    ids = random_ids(6, 60, model.config.vocab_size, [30])
    exact = alone(model, ids)
    model = model.to(torch.bfloat16)
    model.set_attn_implementation(attention)
    got = in_pieces(GraphDecoder(model, 100), ids, [40, *[1] * 11, 9])
    assert (got - exact).pow(2).mean().sqrt() / exact.std() < 0.05


def test_a_step_looks_at_no_value():
    """Traced as one piece without a break: nothing in it waits for the card, so that it can be captured."""
    model = tiny_model(1, num_hidden_layers=1)
    ids = random_ids(1, 30, model.config.vocab_size, [7])
    decoder = GraphDecoder(model, 100)
    decoder._computed = torch.compile(decoder._step, backend="eager", fullgraph=True)
    with torch.inference_mode():
        got = in_pieces(decoder, ids, [19, 1, 1, WIDE])
    torch.testing.assert_close(got, alone(model, ids), **EXACT)


def test_every_step_writes_the_same_again():
    """A capture warms up by repeating the step."""
    model = tiny_model(1)
    ids = random_ids(1, 30, model.config.vocab_size)
    decoder = GraphDecoder(model, 100)
    step = decoder._computed
    decoder._computed = lambda *where: (step(*where), step(*where))[1]
    torch.testing.assert_close(in_pieces(decoder, ids, [20, 1, 5, 4]), alone(model, ids), **EXACT)
