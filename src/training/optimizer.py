"""AdamW for weights of 16 bits."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class MasterAdamW(torch.optim.AdamW):
    """AdamW on float32 copies of 16-bit weights, whose last digit is larger than a step.

    The copies (``masters``) are what ``param_groups`` hold, and are saved and loaded with the state. A weight that is
    float32 is its own copy.

    Args:
        groups: as of ``torch.optim.AdamW``; each one's "params" are weights of a model, its "max_norm", where it has
            one, is what the norm of their gradients is clipped to.
    """

    def __init__(self, groups: Sequence[dict[str, Any]], **options: Any) -> None:
        self.weights: list[Tensor] = [weight for group in groups for weight in group["params"]]
        self.masters: list[Tensor] = [_master(weight) for weight in self.weights]
        masters = iter(self.masters)
        super().__init__(
            [{**group, "params": [next(masters) for _ in group["params"]]} for group in groups], **options
        )

    def step(self, closure: Any = None) -> Any:
        """One step from the gradients that stand at the model's weights; they are used up."""
        for weight, master in self._pairs():
            master.grad = None if weight.grad is None else weight.grad.float()
            weight.grad = None
        for group in self.param_groups:
            if "max_norm" in group:
                torch.nn.utils.clip_grad_norm_(group["params"], group["max_norm"])
        loss = super().step(closure)
        super().zero_grad()
        self._copy_back()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients at the model's weights."""
        for weight in self.weights:
            weight.grad = None
        super().zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "masters": [master.detach() for master in self.masters]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The copies come back too, and the model's weights are set to them."""
        given = dict(state_dict)
        with torch.no_grad():
            for master, stored in zip(self.masters, given.pop("masters"), strict=True):
                master.copy_(stored)
        super().load_state_dict(given)
        self._copy_back()

    def _pairs(self) -> list[tuple[Tensor, Tensor]]:
        return [(w, m) for w, m in zip(self.weights, self.masters, strict=True) if w is not m]

    @torch.no_grad()
    def _copy_back(self) -> None:
        for weight, master in self._pairs():
            weight.copy_(master)


def _master(weight: Tensor) -> Tensor:
    return weight if weight.dtype == torch.float32 else weight.detach().float().clone().requires_grad_()
