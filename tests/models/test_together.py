"""Answers in the same passes are the answers alone, whoever comes, leaves or fails in between."""

import gc
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, Qwen2Config, Qwen3Config

from src.errors import ModelError
from src.models.base import GenerationOptions
from src.models.decode import PREFILL_TOKENS, decode
from src.models.packed import PackedCache, Part, can_pack
from src.models.together import Together
from tests.yuan.tiny import tiny_model as tiny_yuan

ENDS = frozenset([0])
SIZES = {
    "vocab_size": 40,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "initializer_range": 0.3,
    "eos_token_id": 0,
    "bos_token_id": None,
}
CONFIGS = {"qwen2": Qwen2Config, "llama": LlamaConfig, "qwen3": Qwen3Config}


def tiny(kind: str, **more: object) -> Any:
    torch.manual_seed(1)
    return AutoModelForCausalLM.from_config(CONFIGS[kind](**SIZES, **more)).eval()


@pytest.fixture(params=CONFIGS)
def model(request: pytest.FixtureRequest) -> Any:
    return tiny(request.param)


@pytest.fixture
def qwen() -> Any:
    return tiny("qwen2")


def prompt(seed: int, length: int) -> list[int]:
    """Of few different tokens, so that there are drafts, and wrong ones as often as right ones."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, 7, (length,), generator=generator).tolist()


PROMPTS = [prompt(i, length) for i, length in enumerate([40, 1, 300, 2, 129, 7, 256])]


def alone(model: Any, asked: list[int], count: int = 60) -> list[int]:
    steps = decode(model, asked, end_tokens=ENDS, max_new_tokens=count)
    return [token for step in steps for token in step.tokens]


def shared(model: Any) -> Together:
    return Together(lambda: nullcontext(model), ENDS)


def test_rows_that_join_and_leave_at_different_times_equal_those_alone(model: Any) -> None:
    together = shared(model)
    got: dict[int, list[int]] = {i: [] for i in range(len(PROMPTS))}
    coming = list(range(len(PROMPTS)))
    running: dict[int, Any] = {}
    rounds = 0
    while coming or running:
        if coming and rounds % 3 == 0:
            number = coming.pop(0)
            running[number] = together.answer(PROMPTS[number], GenerationOptions(40 + 10 * number))
        for number, steps in list(running.items()):
            step = next(steps, None)
            if step is None:
                del running[number]
            else:
                got[number] += step.tokens
        rounds += 1
    expected = {i: alone(model, asked, 40 + 10 * i) for i, asked in enumerate(PROMPTS)}
    assert got == expected
    assert sum(map(len, expected.values())) > 100


def test_those_who_share_a_pass_save_passes(qwen: Any) -> None:
    passes = []
    qwen.register_forward_hook(lambda *_: passes.append(1))
    for asked in PROMPTS[:4]:
        alone(qwen, asked)
    one_by_one = len(passes)
    passes.clear()
    assert in_threads(shared(qwen), PROMPTS[:4]) == [alone(qwen, asked) for asked in PROMPTS[:4]]
    assert len(passes) - one_by_one < 0.7 * one_by_one


def in_threads(together: Together, prompts: Sequence[list[int]], count: int = 60) -> list[list[int] | str]:
    got: list[Any] = [None] * len(prompts)
    together_now = threading.Barrier(len(prompts))

    def ask(i: int) -> None:
        together_now.wait(10)
        try:
            got[i] = [
                token for step in together.answer(prompts[i], GenerationOptions(count)) for token in step.tokens
            ]
        except ModelError as error:
            got[i] = str(error)

    threads = [threading.Thread(target=ask, args=(i,), daemon=True) for i in range(len(prompts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return got


def test_threads_each_get_their_own_answer(model: Any) -> None:
    together = shared(model)
    for _ in range(3):
        assert in_threads(together, PROMPTS) == [alone(model, asked) for asked in PROMPTS]


def test_who_leaves_midway_takes_nothing_along(model: Any) -> None:
    together = shared(model)
    leaving = together.answer(PROMPTS[2], GenerationOptions(200))
    staying = together.answer(PROMPTS[4], GenerationOptions(60))
    next(leaving)
    got = next(staying).tokens
    for _ in range(8):
        next(leaving)
        got += next(staying).tokens
    leaving.close()
    for step in staying:
        got += step.tokens
    assert got == alone(model, PROMPTS[4])
    assert together._rows == []
    assert together._cache is None


def test_a_long_prompt_does_not_stall_the_others(qwen: Any) -> None:
    together = shared(qwen)
    short = together.answer(PROMPTS[0], GenerationOptions(60))
    got = next(short).tokens
    long = together.answer([1, 2, 3] * PREFILL_TOKENS, GenerationOptions(5))
    for _ in range(2):
        assert next(long).tokens == []
    behind = len(got)
    got += next(short).tokens
    assert len(got) > behind
    long.close()
    for step in short:
        got += step.tokens
    assert got == alone(qwen, PROMPTS[0])


def test_sampled_answers_join_too(qwen: Any) -> None:
    together = shared(qwen)
    sampled = together.answer(PROMPTS[0], GenerationOptions(40, temperature=3.0))
    greedy = together.answer(PROMPTS[2], GenerationOptions(60))
    drawn, got = [], []
    for one, other in zip(sampled, greedy, strict=False):
        drawn += one.tokens
        got += other.tokens
    for step in greedy:
        got += step.tokens
    assert got == alone(qwen, PROMPTS[2])
    assert 0 < len(drawn) <= 40


def test_an_error_of_the_model_reaches_everybody_and_the_next_answer_works(qwen: Any) -> None:
    calls = []

    def breaks(*_: object) -> None:
        calls.append(1)
        if len(calls) == 6:
            raise RuntimeError("broken")

    handle = qwen.register_forward_hook(breaks)
    together = shared(qwen)
    got = in_threads(together, [PROMPTS[2]] * 3)
    handle.remove()
    assert all("RuntimeError" in answer for answer in got)
    assert in_threads(together, PROMPTS[:3]) == [alone(qwen, asked) for asked in PROMPTS[:3]]


def test_an_error_of_one_row_ends_that_row_alone(qwen: Any) -> None:
    together = shared(qwen)
    greedy = together.answer(PROMPTS[0], GenerationOptions(60))
    got = next(greedy).tokens
    sampled = together.answer(PROMPTS[3], GenerationOptions(60, temperature=1.0))
    next(sampled)

    def spoil(_: object, __: object, output: Any) -> None:
        output.logits[:, -1] = torch.nan

    handle = qwen.register_forward_hook(spoil)
    with pytest.raises(ModelError, match="这个回答出错了"):
        list(sampled)
    handle.remove()
    for step in greedy:
        got += step.tokens
    assert got == alone(qwen, PROMPTS[0])


def test_an_interrupt_while_computing_leaves_nothing_behind(qwen: Any) -> None:
    def interrupts(*_: object) -> None:
        raise KeyboardInterrupt

    together = shared(qwen)
    handle = qwen.register_forward_hook(interrupts)
    with pytest.raises(KeyboardInterrupt):
        list(together.answer(PROMPTS[0], GenerationOptions(60)))
    handle.remove()
    assert in_threads(together, PROMPTS[:2]) == [alone(qwen, asked) for asked in PROMPTS[:2]]


def test_an_answer_dropped_unclosed_is_left_even_while_another_computes(qwen: Any) -> None:
    together = shared(qwen)
    dropped = together.answer(PROMPTS[2], GenerationOptions(60))
    next(dropped)
    cycle: list[Any] = [dropped]
    cycle.append(cycle)
    del dropped, cycle

    def collect(*_: object) -> None:
        gc.collect()

    handle = qwen.register_forward_pre_hook(collect)
    got = in_threads(together, PROMPTS[:2])
    handle.remove()
    assert got == [alone(qwen, asked) for asked in PROMPTS[:2]]
    assert together._rows == []


def test_conversations_in_one_row_do_not_see_each_other(model: Any) -> None:
    cache = PackedCache(model)
    first, second, third = prompt(1, 50), prompt(2, 30), prompt(3, 20)
    with torch.inference_mode():
        expected = [model(torch.tensor([ids])).logits[0] for ids in (first, second, third)]
        one, two = cache.forward([Part(7, first[:20], 0, 20), Part(8, second[:29], 0, 1)])
        torch.testing.assert_close(one, expected[0][:20], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(two[0], expected[1][28], atol=1e-4, rtol=1e-4)
        cache.take_back(7, 15)
        cache.forward([Part(9, third[:10], 0, 0), Part(7, first[5:30], 5, 0)])
        cache.forget(8)  # now more than a quarter are holes
        one, three = cache.forward([Part(7, first[30:], 30, 20), Part(9, third[10:], 10, 10)])
        torch.testing.assert_close(one, expected[0][30:], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(three, expected[2][10:], atol=1e-4, rtol=1e-4)
        assert len(cache._owners) == len(first) + len(third)
    assert model.config._attn_implementation == "sdpa"


def test_models_whose_conversations_would_mix_answer_one_at_a_time() -> None:
    assert all(can_pack(tiny(kind)) for kind in CONFIGS)
    assert not can_pack(tiny_yuan())  # its convolution runs along the row
    sliding = {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}
    assert not can_pack(tiny("qwen2", **sliding))
    assert not can_pack(tiny("llama", rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}))
    assert not can_pack(tiny("llama", attn_implementation="eager"))
    assert not can_pack(AutoModelForCausalLM.from_config(GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=9)))
