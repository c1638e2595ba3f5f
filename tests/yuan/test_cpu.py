"""Packed matrices give the same answers, with adapters too, and refuse what they cannot do."""

import pytest
import torch

from src.yuan.cpu import PackedLinear, can_pack, pack
from tests.yuan.test_lora import adapted
from tests.yuan.tiny import alone, random_ids, tiny_model

pytestmark = pytest.mark.skipif(not can_pack(torch.bfloat16), reason="this CPU or torch has no oneDNN bf16 kernels")


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.float() - b.float()).pow(2).mean().sqrt() / b.float().std())


@pytest.mark.parametrize("output", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_packed_equals_unpacked(seed, output):
    exact = tiny_model(seed)
    ids = random_ids(seed, 40, exact.config.vocab_size, [20])
    expected = alone(exact, ids)
    model = tiny_model(seed, torch.bfloat16)
    assert pack(model, output=output)
    assert isinstance(model.lm_head, PackedLinear) is output
    assert distance(alone(model, ids), expected) < 0.05
    prompt = torch.tensor([ids])
    greedy = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=4, do_sample=False)
    assert greedy.shape[1] > 40


def test_adapters_stay_switchable():
    base = tiny_model(11, num_hidden_layers=2, num_attention_heads=4, head_dim=8)
    ids = random_ids(1, 15, base.config.vocab_size)
    plain = alone(base, ids)
    model = adapted(base)
    expected = alone(model, ids)
    model = model.to(torch.bfloat16)
    assert pack(model)
    assert distance(alone(model, ids), expected) < 0.1  # adapters this large round coarsely
    with model.disable_adapter():
        assert distance(alone(model, ids), plain) < 0.1


def test_packed_models_are_neither_trained_nor_saved(tmp_path):
    model = tiny_model(0, torch.bfloat16)
    pack(model)
    with pytest.raises(RuntimeError, match="cannot be saved"):
        model.save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="cannot be trained"):
        model(torch.tensor([[1, 2]])).logits.sum().backward()


def test_other_dtypes_stay_as_they_are():
    model = tiny_model(0)
    assert not pack(model)
    assert isinstance(model.lm_head, torch.nn.Linear)
