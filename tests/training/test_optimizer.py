"""Steps on float32 copies, without and with a stop between."""

import copy

import pytest
import torch

from src.training.optimizer import MasterAdamW


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_steps_on_float32_copies_are_those_of_adamw(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    start, goal, inputs = torch.randn(4, 4).to(dtype), torch.randn(8, 4), torch.randn(8, 4)
    ours, theirs = start.clone().requires_grad_(), start.float().clone().requires_grad_()
    our_head, their_head = (torch.ones(4, requires_grad=True) for _ in range(2))
    groups = [{"params": [ours], "lr": 1e-4, "max_norm": 1.0}, {"params": [our_head], "lr": 1e-3}]
    master = MasterAdamW(groups, weight_decay=0.01)
    plain = torch.optim.AdamW(
        [{"params": [theirs], "lr": 1e-4}, {"params": [their_head], "lr": 1e-3}], weight_decay=0.01
    )
    for _ in range(30):
        ((inputs @ ours.float() * our_head - goal) ** 2).mean().backward()
        # The gradient is that of the rounded weight; the plain optimizer is given the same one.
        assert ours.grad is not None
        theirs.grad, their_head.grad = ours.grad.float().clone(), our_head.grad.clone()
        torch.nn.utils.clip_grad_norm_([theirs], 1.0)
        plain.step()
        master.step()
        assert ours.grad is None
    torch.testing.assert_close(master.masters[0], theirs)
    torch.testing.assert_close(our_head, their_head)
    torch.testing.assert_close(ours, theirs.to(dtype))
    assert not torch.equal(ours, start)


def test_a_saved_state_goes_on_where_it_was() -> None:
    def step(weight: torch.Tensor, optimizer: MasterAdamW) -> None:
        (weight.float() ** 2).sum().backward()
        optimizer.step()

    whole = torch.ones(8, dtype=torch.bfloat16, requires_grad=True)
    optimizer = MasterAdamW([{"params": [whole]}], lr=1e-4)
    step(whole, optimizer)
    state = copy.deepcopy(optimizer.state_dict())
    step(whole, optimizer)

    # What is loaded wins over what the weights are: bfloat16 alone would have lost the first step.
    other = torch.full((8,), 5.0, dtype=torch.bfloat16, requires_grad=True)
    resumed = MasterAdamW([{"params": [other]}], lr=1e-4)
    resumed.load_state_dict(state)
    step(other, resumed)
    torch.testing.assert_close(resumed.masters[0], optimizer.masters[0], atol=0, rtol=0)
    assert not torch.equal(resumed.masters[0], other.float())


def test_gradients_can_be_forgotten() -> None:
    weight = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    optimizer = MasterAdamW([{"params": [weight]}], lr=0.1, weight_decay=0.0)
    weight.sum().backward()
    optimizer.zero_grad()
    optimizer.step()
    assert weight.tolist() == [1, 1]
