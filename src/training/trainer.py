"""transformers' Trainer with the loss only where it is asked for, and entity F1 as its measure."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import Sampler
from transformers import Trainer, TrainerCallback

from src.models.tagging import letter_logits, token_logits

# So many batches' examples, drawn at random, are sorted by length together.
_GROUPED_BATCHES = 25


class LengthGroups(Sampler[int]):
    """Indices such that batches hold examples of about equal length, and the batches come in random order.

    transformers' own sampler goes from long to short again and again, so that the steps before every measurement
    see nothing but the shortest. The order depends on ``seed`` and epoch alone: a resumed run goes on with what was
    left of its epoch.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = torch.tensor(lengths)
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        shuffled = torch.randperm(len(self), generator=generator)
        pieces = torch.split(shuffled, _GROUPED_BATCHES * self._batch_size)
        grouped = torch.cat([piece[self._lengths[piece].argsort()] for piece in pieces])
        *batches, last = torch.split(grouped, self._batch_size)
        order = torch.randperm(len(batches), generator=generator).tolist()
        for batch in (*(batches[i] for i in order), last):
            yield from batch.tolist()


class AdapterTrainer(Trainer):  # type: ignore[misc]
    """Trains the LoRA adapter of a ``PeftModel``.

    Args:
        letters: the label letters' token ids for an adapter that marks characters; None: targets are tokens.
        measure: entity F1 in [0, 1] of the model as it is.
        tokens_at_once: of one forward pass, padding included, unless a single example has more.
    """

    def __init__(
        self, *, letters: list[int] | None, measure: Callable[[], float], tokens_at_once: int, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self._tokens_at_once = tokens_at_once
        self._share = 1.0
        self._letters = letters
        self._measure = measure
        # Our loss is a mean over the batch; the Trainer divides it when gradients are accumulated.
        self.model_accepts_loss_kwargs = False

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGroups:
        rows = self.train_dataset if train_dataset is None else train_dataset
        lengths = [len(row["input_ids"]) for row in rows]
        return LengthGroups(lengths, self.args.per_device_train_batch_size, self.args.seed)

    def training_step(self, model: Any, inputs: dict[str, Tensor], num_items_in_batch: Any = None) -> Tensor:
        """One step of a batch in parts that fit into memory; the gradients are those of the whole batch."""
        # Processes that train together must take the same number of parts.
        room = self._tokens_at_once if self.args.world_size == 1 else inputs["input_ids"].numel()
        loss = torch.zeros((), device=self.args.device)
        for part in split(inputs, room):
            self._share = len(part["targets"]) / len(inputs["targets"])
            loss += super().training_step(model, part, num_items_in_batch)
        self._share = 1.0
        return loss

    def compute_loss(self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, **_: Any) -> Any:
        """Mean cross-entropy at the asked positions, times the part's share of the batch.

        The output head runs there and nowhere else: over a vocabulary of 150,000 it would cost as much as a third of
        the model, and gigabytes.
        """
        outputs = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            use_cache=False,
            output_hidden_states=True,
            # One column of the head, which costs nothing. As a number (a slice) it would: torch multiplies what is
            # not contiguous by a copy of the head for each row, seconds and gigabytes.
            logits_to_keep=torch.zeros(1, dtype=torch.long, device=inputs["input_ids"].device),
        )
        hidden = outputs.hidden_states[-1][inputs["rows"], inputs["columns"]]  # (N, H)
        base = self.accelerator.unwrap_model(model).get_base_model()
        if self._letters is None:
            logits = token_logits(base, hidden)  # (N, vocabulary)
        else:
            logits = letter_logits(base, hidden, torch.tensor(self._letters, device=hidden.device))  # (N, labels)
        loss = self._share * cross_entropy(logits, inputs["targets"])
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Entity F1 on held-out data, through the same service that visitors use; the best so far is kept."""
        metrics = {"eval_f1": self._measure()}
        if self.is_world_process_zero() and metrics["eval_f1"] > self.best_f1:
            self.model.save_pretrained(self.best_folder)
        self.log(metrics)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def measure_missed(self) -> None:
        """Measure an epoch that a kill has left unmeasured: its last checkpoint is written before its measurement."""
        steps = math.ceil(len(self.get_train_dataloader()) / self.args.gradient_accumulation_steps)
        at_end = self.state.global_step % steps == 0 or self.state.global_step == self.state.max_steps
        measured = any(row["step"] == self.state.global_step for row in self.state.log_history if "eval_f1" in row)
        if self.state.global_step and at_end and not measured:
            self.evaluate()

    @property
    def best_folder(self) -> Path:
        return Path(self.args.output_dir) / "best"

    @property
    def best_f1(self) -> float:
        """-1 before the first measurement; survives a resumed run, because the log does."""
        return max((row["eval_f1"] for row in self.state.log_history if "eval_f1" in row), default=-1.0)


class MeasureMissed(TrainerCallback):  # type: ignore[misc]
    """Looks back when a resumed run begins."""

    def __init__(self, trainer: AdapterTrainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._trainer.measure_missed()


def split(inputs: dict[str, Tensor], tokens: int) -> Iterator[dict[str, Tensor]]:
    """A collated batch in parts of whole examples, about equally large."""
    count, length = inputs["input_ids"].shape
    parts = math.ceil(count / max(1, tokens // length))
    step = math.ceil(count / parts)
    for start in range(0, count, step):
        mine = (inputs["rows"] >= start) & (inputs["rows"] < start + step)
        yield {
            "input_ids": inputs["input_ids"][start : start + step],
            "attention_mask": inputs["attention_mask"][start : start + step],
            "rows": inputs["rows"][mine] - start,
            "columns": inputs["columns"][mine],
            "targets": inputs["targets"][mine],
        }
