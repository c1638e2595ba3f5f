"""LoRA with the course's seven targets: the base never moves, merging is exact, the adapter is chosen per call."""

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from tests.yuan.tiny import alone, random_ids, tiny_model

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@pytest.fixture
def base():
    return tiny_model(11, num_hidden_layers=2, num_attention_heads=4, head_dim=8)


def adapted(base) -> PeftModel:
    """LoRA on ``base`` with adapter weights that change the answer."""
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=16, target_modules=TARGETS))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def test_all_seven_projections_of_every_layer_are_adapted(base):
    names = {name.split(".lora_")[0] for name, _ in adapted(base).named_parameters() if "lora_" in name}
    assert len(names) == len(TARGETS) * base.config.num_hidden_layers


def test_one_step_moves_only_the_adapter(base):
    before = {k: v.clone() for k, v in base.state_dict().items()}
    model = adapted(base).train()
    lora = {n: p.clone() for n, p in model.named_parameters() if p.requires_grad}
    ids = torch.tensor([random_ids(0, 12, base.config.vocab_size, [5])])
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    assert set(lora) == {n for n, _ in model.named_parameters() if "lora_" in n}
    assert all(not torch.equal(p, lora[n]) for n, p in model.named_parameters() if n in lora)
    after = model.unload().state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())


def test_merged_equals_unmerged_and_back(base):
    ids = random_ids(1, 15, base.config.vocab_size, [6])
    plain = alone(base, ids)
    model = adapted(base)
    with_adapter = alone(model, ids)
    assert (with_adapter - plain).abs().max() > 0.1
    model.merge_adapter()
    torch.testing.assert_close(alone(model, ids), with_adapter, rtol=1e-4, atol=1e-4)
    model.unmerge_adapter()
    torch.testing.assert_close(alone(model, ids), with_adapter, rtol=1e-4, atol=1e-4)
    merged = model.merge_and_unload()
    torch.testing.assert_close(alone(merged, ids), with_adapter, rtol=1e-4, atol=1e-4)


def test_adapter_on_and_off_per_call(base, tmp_path):
    ids = random_ids(2, 15, base.config.vocab_size)
    plain = alone(base, ids)
    model = adapted(base)
    with_adapter = alone(model, ids)
    with model.disable_adapter():
        torch.testing.assert_close(alone(model, ids), plain, rtol=0, atol=0)
    torch.testing.assert_close(alone(model, ids), with_adapter, rtol=0, atol=0)
    with torch.no_grad():
        both = model(torch.tensor([ids, ids]), adapter_names=["__base__", "default"]).logits
    torch.testing.assert_close(both, torch.stack((plain, with_adapter)), rtol=1e-4, atol=1e-4)
    prompt = torch.tensor([ids])
    with model.disable_adapter():
        off = model.generate(input_ids=prompt, max_new_tokens=8, do_sample=False)
    on = model.generate(input_ids=prompt, max_new_tokens=8, do_sample=False)
    assert on.tolist() != off.tolist()
    model.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(
        tiny_model(11, num_hidden_layers=2, num_attention_heads=4, head_dim=8), tmp_path
    )
    torch.testing.assert_close(alone(again.eval(), ids), with_adapter)


def test_checkpointed_training_of_the_adapter(base):
    model = adapted(base).train()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.enable_input_require_grads()
    ids = torch.tensor([random_ids(3, 12, base.config.vocab_size)])
    model(input_ids=ids, labels=ids).loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in model.named_parameters() if "lora_" in n)
