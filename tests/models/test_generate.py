"""Decoding loop against the naive one and transformers' own, with and without drafts and grammars."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from src.errors import ModelError
from src.models import generate as module
from src.models.generate import generate
from src.models.grammar import GrammarConstraint, grammar_tokenizer
from tests.tiny import tiny_checkpoint


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, object]:
    folder = tiny_checkpoint(tmp_path_factory.mktemp("tiny"))
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


@torch.inference_mode()
def naive(model: object, prompt: list[int], count: int) -> list[int]:
    """The reference: no cache, no drafts, one whole pass for every token."""
    ids = list(prompt)
    for _ in range(count):
        token = int(model(torch.tensor([ids])).logits[0, -1].argmax())
        if token == model.generation_config.eos_token_id:
            break
        ids.append(token)
    return ids[len(prompt) :]


def greedy(model: object, prompt: list[int], count: int) -> list[int]:
    output = model.generate(torch.tensor([prompt]), max_new_tokens=count, do_sample=False)
    return [t for t in output[0, len(prompt) :].tolist() if t != model.generation_config.eos_token_id]


def run(model: object, prompt: list[int], count: int, **options: object) -> list[int]:
    ends = frozenset([model.generation_config.eos_token_id])
    return [
        t for new in generate(model, prompt, end_tokens=ends, max_new_tokens=count, **options) for t in new.tokens
    ]


@pytest.mark.parametrize("lookup", [False, True])
@pytest.mark.parametrize("length", [1, 2, 40, 300])
def test_greedy_equals_the_naive_loop_and_transformers(tiny, length: int, lookup: bool) -> None:
    model, _ = tiny
    generator = torch.Generator().manual_seed(length)
    # A small alphabet makes repeated n-grams, so that drafts happen and are wrong as often as right.
    prompt = torch.randint(0, 6, (length,), generator=generator).tolist()
    found = run(model, prompt, 40, lookup=lookup, loops_end=False)
    assert found == naive(model, prompt, 40) == greedy(model, prompt, 40)


def test_drafts_save_forward_passes(tiny) -> None:
    model, _ = tiny
    passes = []
    handle = model.register_forward_hook(lambda *_: passes.append(1))
    try:
        prompt = [1, 2, 3, 4] * 10
        copied = run(model, prompt, 60, lookup=True, loops_end=False)
        with_drafts = len(passes)
        passes.clear()
        assert run(model, prompt, 60, lookup=False, loops_end=False) == copied
    finally:
        handle.remove()
    assert with_drafts < len(passes)


def test_a_long_prompt_can_be_left_before_its_end(tiny) -> None:
    model, _ = tiny
    pieces = generate(model, [5] * (3 * module.PREFILL_TOKENS), end_tokens=frozenset(), max_new_tokens=5)
    assert next(pieces).tokens == []
    pieces.close()
    assert list(pieces) == []


def test_an_endless_repetition_ends(tiny) -> None:
    ids = [9] * 3 + [1, 2, 3, 4, 5, 6, 7, 8] * 4
    assert module.is_looping(ids, 3)
    assert not module.is_looping(ids[:-8], 3)
    assert not module.is_looping([9] * 3 + [7] * 20, 3)
    assert module.is_looping([9] * 3 + [7] * 40, 3)


@pytest.mark.parametrize("temperature", [0.0, 5.0])
def test_a_grammar_holds_whatever_the_model_prefers(tiny, temperature: float) -> None:
    model, tokenizer = tiny
    view = grammar_tokenizer(tokenizer, model.config.vocab_size)
    grammar = 'start: "{\\"职位\\":[" ("1" | "22" | "333") "]}"'
    for seed in range(8):
        torch.manual_seed(seed)
        ids = run(model, [1, 2, 3], 60, constraint=GrammarConstraint(view, grammar), temperature=temperature)
        assert tokenizer.decode(ids) in ['{"职位":[1]}', '{"职位":[22]}', '{"职位":[333]}']


def test_forced_tokens_cost_no_forward_pass(tiny) -> None:
    model, tokenizer = tiny
    view = grammar_tokenizer(tokenizer, model.config.vocab_size)
    passes = []
    handle = model.register_forward_hook(lambda *_: passes.append(1))
    try:
        ids = run(model, [1], 100, constraint=GrammarConstraint(view, 'start: "完全固定的输出"'))
    finally:
        handle.remove()
    assert tokenizer.decode(ids) == "完全固定的输出"
    assert len(passes) <= 1


def test_a_wrong_grammar_is_an_error_not_silence(tiny) -> None:
    model, tokenizer = tiny
    with pytest.raises(ModelError, match="语法"):
        GrammarConstraint(grammar_tokenizer(tokenizer, model.config.vocab_size), "start: nothing_defined")


def test_the_token_budget_also_bounds_forced_tokens(tiny) -> None:
    model, tokenizer = tiny
    view = grammar_tokenizer(tokenizer, model.config.vocab_size)
    ids = run(model, [1], 4, constraint=GrammarConstraint(view, 'start: "abcdefgh"'))
    assert tokenizer.decode(ids) == "abcd"
