"""The reader's training: LoRA on some layers of a frozen base and the pointer head on top, learned together."""

import json
import logging
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from tqdm import tqdm

from src.errors import InputError
from src.models.reading import (
    HEAD_FILE,
    MAX_SPAN_TOKENS,
    Packed,
    PointerHead,
    ReaderEncoder,
    hidden_states,
    load_head,
)
from src.training.lora import add_lora, start_lora
from src.training.optimizer import MasterAdamW
from src.training.questions import Window
from src.training.recipe import ReaderRecipe

log = logging.getLogger(__name__)

CHECKPOINT, CURVE_FILE = "checkpoint.pt", "curve.json"
SAVE_STEPS = 100
# Windows of which batches of about equal length are made.
_GROUPED = 32


@dataclass(frozen=True)
class Example:
    """A packed window; ``targets`` (questions, 2) int64: 0 for no answer, else 1 + the first and the last token."""

    row: Packed
    targets: Tensor


def encode(encoder: ReaderEncoder, window: Window) -> Example:
    """Spans become the tokens that cover them."""
    row = encoder(window.title, window.text, [target.question for target in window.targets])
    tokens = row.tokens
    places = []
    for target in window.targets:
        if target.span is None:
            places.append((0, 0))
            continue
        start, end = target.span
        first = next(i for i, ends in enumerate(tokens.ends) if ends > start)
        last = max(i for i, starts in enumerate(tokens.starts) if starts < end)
        places.append((first + 1, last + 1))
    return Example(row, torch.tensor(places, dtype=torch.long).reshape(-1, 2))


def batches(examples: Sequence[Example], tokens: int, seed: int) -> Iterator[list[Example]]:
    """In the order given but for small groups that are sorted by length, so that little is padding."""
    draw = random.Random(seed)  # noqa: S311 (no secret)
    for start in range(0, len(examples), _GROUPED):
        group = sorted(examples[start : start + _GROUPED], key=lambda one: len(one.row.ids))
        made: list[list[Example]] = [[]]
        for one in group:
            if made[-1] and (len(made[-1]) + 1) * len(one.row.ids) > tokens:
                made.append([])
            made[-1].append(one)
        draw.shuffle(made)
        yield from made


def loss_of(model: Any, head: PointerHead, batch: Sequence[Example], depth: int) -> Tensor:
    """Mean over the questions of the cross-entropies of begin and end (score 0 stands for "nowhere"), of the span where
    there is one, and twice the binary cross-entropy of being answerable."""
    hidden = hidden_states(model, [one.row for one in batch], depth)
    total = torch.zeros((), device=hidden.device)
    count = 0
    for number, one in enumerate(batch):
        targets = one.targets.to(hidden.device)
        passage = hidden[number, one.row.passage.start : one.row.passage.stop]
        begin, end, answerable = head(hidden[number, one.row.questions], passage)
        nowhere = begin.new_zeros(len(begin), 1)
        total = total + cross_entropy(torch.cat([nowhere, begin], 1), targets[:, 0], reduction="sum")
        total = total + cross_entropy(torch.cat([nowhere, end], 1), targets[:, 1], reduction="sum")
        known = (targets[:, 0] > 0).float()
        total = total + 2 * binary_cross_entropy_with_logits(answerable, known, reduction="sum")
        first, last = (targets - 1).T
        # Longer spans than are allowed cannot be learned.
        spanned = (targets[:, 0] > 0) & (last - first < MAX_SPAN_TOKENS)
        if spanned.any():
            spans = head.spans(begin[spanned], end[spanned], passage).flatten(1)
            total = total + cross_entropy(spans, (first * len(passage) + last)[spanned], reduction="sum")
        count += len(targets)
    return total / max(1, count)


def add_reader(model: Any, recipe: ReaderRecipe) -> tuple[Any, PointerHead]:
    """``model`` with a new LoRA adapter in the model's own dtype, and a new head.

    Raises:
        ModelError: the model has no such projections or layers.
    """
    # float32 adapters on a bf16 base would cast every activation twice: half the speed on a CPU.
    peft = add_lora(model, recipe, layers=range(recipe.first_layer, recipe.depth), autocast_adapter_dtype=False)
    return peft, PointerHead(peft.config.hidden_size).to(model.device)


def learn(
    model: Any,
    encoder: ReaderEncoder,
    windows: Sequence[Window],
    recipe: ReaderRecipe,
    output: Path,
    start_from: Path | None = None,
) -> list[dict[str, float]]:
    """Train, with a checkpoint every ``SAVE_STEPS`` from which a killed run goes on. The adapter, the head and the
    curve are left in ``output``; ``model`` is as it was.

    Args:
        start_from: a reader's folder whose weights are the first ones; None: new ones.

    Returns:
        The curve: ``{"step", "epoch", "loss", "tokens_s"}``.

    Raises:
        InputError: there is nothing to learn from.
        ModelError: the model has no such projections or layers, or ``start_from`` is another kind of adapter.
    """
    kept = [window for window in windows if window.targets]
    made = list(batches([encode(encoder, window) for window in kept], recipe.batch_tokens, recipe.seed))
    steps = min(len(made), recipe.max_steps or len(made))
    if not steps:
        raise InputError("没有可以学习的例子")
    peft, head = add_reader(model, recipe)
    if start_from:
        _start(start_from, peft, head)
    optimizer = MasterAdamW(
        [
            {"params": [p for p in peft.parameters() if p.requires_grad], "max_norm": 1.0},
            {"params": list(head.parameters())},
        ],
        weight_decay=recipe.weight_decay,
    )
    curve: list[dict[str, float]] = []
    first = _resume(output / CHECKPOINT, peft, head, optimizer, curve)
    if first:
        log.info("从第 %d 步接着训练", first)
    losses, tokens, started = [], 0, time.perf_counter()
    peft.train()
    for step in tqdm(range(first, steps), initial=first, total=steps, unit="步", disable=None):
        loss = loss_of(peft, head, made[step], recipe.depth)
        loss.backward()  # type: ignore[no-untyped-call]
        share = min(1.0, (step + 1) / recipe.warmup_steps) * max(0.02, 1 - step / steps)
        for group, rate in zip(optimizer.param_groups, (recipe.learning_rate, recipe.head_rate), strict=True):
            group["lr"] = rate * share
        optimizer.step()
        losses.append(float(loss.detach()))
        tokens += sum(len(one.row.ids) for one in made[step])
        if len(losses) == 20 or step == steps - 1:
            rate = tokens / (time.perf_counter() - started)
            curve.append({"step": step + 1, "epoch": recipe.epochs * (step + 1) / len(made), "loss": sum(losses) / len(losses), "tokens_s": rate})  # fmt: skip
            log.info("第 %d/%d 步，损失 %.3f，%.0f token/秒", step + 1, steps, curve[-1]["loss"], rate)
            losses, tokens, started = [], 0, time.perf_counter()
        if (step + 1) % SAVE_STEPS == 0:
            _save(output / CHECKPOINT, step + 1, peft, head, optimizer, curve)
    peft.eval()
    peft.save_pretrained(output)
    save_file({name: value.half() for name, value in head.state_dict().items()}, output / HEAD_FILE)
    (output / CURVE_FILE).write_text(json.dumps(curve), encoding="utf-8")
    (output / CHECKPOINT).unlink(missing_ok=True)
    peft.unload()
    return curve


def _start(folder: Path, model: Any, head: PointerHead) -> None:
    """Raises ModelError: as ``start_lora``; or the head is missing or another one."""
    start_lora(folder, model)
    head.load_state_dict(load_head(folder / HEAD_FILE, model.config.hidden_size, model.device).state_dict())


def learned(output: Path) -> list[dict[str, float]] | None:
    """The curve of a training that ``learn`` has finished in ``output``; None where it has not."""
    if (output / CHECKPOINT).exists() or not (output / CURVE_FILE).is_file():
        return None
    curve: list[dict[str, float]] = json.loads((output / CURVE_FILE).read_text(encoding="utf-8"))
    return curve


def _save(
    path: Path, step: int, model: Any, head: PointerHead, optimizer: MasterAdamW, curve: Sequence[Any]
) -> None:
    state = {
        "step": step,
        "adapter": get_peft_model_state_dict(model),
        "head": head.state_dict(),
        "optimizer": optimizer.state_dict(),
        "curve": json.dumps(list(curve)),
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def _resume(path: Path, model: Any, head: PointerHead, optimizer: MasterAdamW, curve: list[Any]) -> int:
    """The step to go on with; 0 where there is no checkpoint."""
    if not path.is_file():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    set_peft_model_state_dict(model, state["adapter"])
    head.load_state_dict(state["head"])
    optimizer.load_state_dict(state["optimizer"])
    curve.extend(json.loads(state["curve"]))
    return int(state["step"])
