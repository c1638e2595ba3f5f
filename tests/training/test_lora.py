"""Dropout by pieces of one mask."""

import pytest
import torch

from src.training.lora import PooledDropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_share_is_dropped_and_the_mean_is_kept(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    inputs = torch.ones(400, 500, dtype=dtype, requires_grad=True)
    one = PooledDropout(0.1, seed=1)
    first, second = one(inputs), one(inputs)
    for found in (first, second):
        assert found.dtype == dtype
        assert abs(float((found == 0).float().mean()) - 0.1) < 0.005
        assert abs(float(found.float().mean()) - 1) < 0.01
    assert not torch.equal(first, second)
    first.sum().backward()
    assert torch.equal(inputs.grad, first)  # what was dropped learns nothing
    one.eval()
    assert one(inputs) is inputs


def test_seeds_decide_and_more_than_the_mask_holds_is_dropped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PooledDropout, "_ELEMENTS", 1000)
    monkeypatch.setattr(PooledDropout, "_pools", {})
    inputs = torch.ones(900)

    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(0)
        return PooledDropout(0.5, seed)(inputs)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    large = PooledDropout(0.5, 1)(torch.ones(5000))
    assert 0.45 < float((large == 0).float().mean()) < 0.55
