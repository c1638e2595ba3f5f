"""transformers' Trainer with the loss only where it is asked for, and entity F1 as its measure."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import Trainer, TrainerCallback

from src.language.tagging import letter_logits


class AdapterTrainer(Trainer):
    """Trains the LoRA adapter of a ``PeftModel``.

    Args:
        letters: the label letters' token ids for an adapter that marks characters; None: targets are tokens.
        measure: entity F1 in [0, 1] of the model as it is.
    """

    def __init__(self, *, letters: list[int] | None, measure: Callable[[], float], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._letters = letters
        self._measure = measure
        # Our loss is a mean over the batch; the Trainer divides it when gradients are accumulated.
        self.model_accepts_loss_kwargs = False

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean cross-entropy at the asked positions. The output head runs there and nowhere else: over a
        vocabulary of 150,000 it would cost as much as a third of the model, and gigabytes."""
        outputs = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            use_cache=False,
            output_hidden_states=True,
            logits_to_keep=1,
        )
        hidden = outputs.hidden_states[-1][inputs["rows"], inputs["columns"]]  # (N, H)
        base = self.accelerator.unwrap_model(model).get_base_model()
        if self._letters is None:
            logits = base.get_output_embeddings()(hidden).float()  # (N, vocabulary)
        else:
            logits = letter_logits(base, hidden, torch.tensor(self._letters, device=hidden.device))  # (N, labels)
        loss = cross_entropy(logits, inputs["targets"])
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Entity F1 on held-out data, through the same service that visitors use."""
        metrics = {"eval_f1": self._measure()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class SaveBeside(TrainerCallback):
    """Writes what belongs beside the weights into every checkpoint, so that each of them can be served."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self._write(f"{args.output_dir}/checkpoint-{state.global_step}")
