"""One training run of a resume adapter: data in, a served-as-it-is adapter folder out."""

import logging
import random
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import TrainingArguments

from src.errors import InputError, ModelError
from src.evaluation.extraction import score
from src.extraction.labelled import Labelled
from src.extraction.schema import Extraction
from src.extraction.service import ExtractionService
from src.extraction.tagging import TAGS
from src.extraction.windows import MAX_WINDOW_CHARS
from src.models.adapters import AdapterManifest, fingerprint, read_manifest
from src.models.engine import Engine
from src.models.tagging import EchoEncoder
from src.training.data import Data, join, read_data
from src.training.encode import Encoded, collate, encode_answer, encode_labels
from src.training.folder import WEIGHTS_FILE, claim, finish, last_checkpoint, processes, sha256
from src.training.forms import forms
from src.training.lora import add_lora, start_lora
from src.training.optimizer import MasterAdamW
from src.training.recipe import Recipe, command_of
from src.training.trainer import AdapterTrainer, MeasureMissed

log = logging.getLogger(__name__)

ADAPTER = "default"  # PEFT's own name
# What a killed run loses at most; on two cores six minutes.
_SAVE_STEPS = 50
# Of one forward pass: with more the largest products of matrices no longer fit into the cache, and take twice as long.
_CPU_TOKENS = 640
_HELD_OUT_SHARE, _HELD_OUT_MAX = 0.05, 200


def train(
    local: Engine,
    recipe: Recipe,
    data_path: Path,
    output: Path,
    *,
    dev_path: Path | None,
    start_from: Path | None = None,
) -> dict[str, Any]:
    """Train a LoRA adapter of ``local``, which must be dense, and put it into ``output`` with its manifest, card and
    curve. A run that was killed goes on from its last epoch when it is started again in the same way.

    Args:
        start_from: an adapter of the same base, kind and rank, whose training goes on.

    Returns:
        What the manifest holds beside the base: data, recipe, scores.

    Raises:
        InputError: the data cannot be used, or ``output`` belongs to another run.
        ModelError: the base model cannot be trained, or ``start_from`` is another kind of adapter.
    """
    assert local.path is not None
    before = _before(start_from, local, recipe) if start_from else None
    data, dev = _split(read_data(data_path), dev_path, recipe)
    about: dict[str, Any] = {
        "data": {"file": data_path.name, "sha256": sha256(data_path), "texts": len(data.texts)},
        "dev": {"file": dev_path.name if dev_path else data_path.name, "texts": len(dev)},
        "recipe": asdict(recipe),
        "started_from": before,
        "command": command_of(recipe, [data_path], dev_path, output, start_from),
    }
    marks = recipe.format == "labels"
    manifest = AdapterManifest(
        base=local.name,
        fingerprint=fingerprint(local.path),
        format=recipe.format,
        prompt=None if marks else (data.template.before, data.template.after),
        labels=len(TAGS) if marks else 0,
    )
    rows = _encode(local, data, recipe)
    kept = [row for row in rows if len(row.ids) <= recipe.max_tokens]
    if not kept:
        raise InputError(f"{data_path} 里每一条都超过 {recipe.max_tokens} 个 token；请用 --max-tokens 放宽")
    claim(
        output,
        {
            **{name: copy(about[name]) for name in ("data", "dev", "recipe", "started_from")},
            "dev_sha256": sha256(dev_path) if dev_path else None,
            "base": manifest.fingerprint,
            "dtype": str(local.model.dtype),
            "processes": processes(),
        },
    )
    if left_out := len(rows) - len(kept):
        log.warning("%d 条超过 %d 个 token，没有用来训练（--max-tokens 可放宽）", left_out, recipe.max_tokens)
    tokens = sum(len(row.ids) for row in kept)
    about["data"] |= {"examples": len(kept), "left_out": left_out, "tokens": tokens}
    room = _room_tokens(local)
    longest = max(len(row.ids) for row in kept)
    together = 1 if processes() == 1 else recipe.batch_size
    checkpointing = together * longest > room
    if local.model.device.type == "cpu":
        room = min(room, _CPU_TOKENS)
    add_adapter(local, recipe)
    if start_from:
        start_lora(start_from, local.model)
    local.describe_adapter(ADAPTER, manifest)
    measuring_s = 0.0

    def measure() -> float:
        nonlocal measuring_s
        started = time.perf_counter()
        f1 = measure_f1(local, manifest, dev)
        measuring_s += time.perf_counter() - started
        return f1

    trainer = AdapterTrainer(
        letters=EchoEncoder(local.prompt_format.encode, len(TAGS)).letters if marks else None,
        measure=measure,
        model=local.model,
        tokens_at_once=room,
        args=_arguments(local, recipe, output, checkpointing, len(kept)),
        train_dataset=[{"input_ids": row.ids, "positions": row.positions, "targets": row.targets} for row in kept],
        eval_dataset=[{}],  # measured by ``measure``
        data_collator=collate,
        **_optimizer(local, recipe),
    )
    trainer.add_callback(MeasureMissed(trainer))
    started = time.perf_counter()
    checkpoint = last_checkpoint(output)
    if checkpoint:
        log.info("从 %s 接着训练", Path(checkpoint).name)
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.measure_missed()
    history = trainer.state.log_history
    about["scores"] = {
        "dev_f1": trainer.best_f1,
        "epochs": [{"epoch": row["epoch"], "dev_f1": row["eval_f1"]} for row in history if "eval_f1" in row],
        # Of this process, without measuring; a run that went on after a kill did the rest in another.
        "training_s": round(time.perf_counter() - started - measuring_s, 1),
    }
    if trainer.is_world_process_zero():
        finish(trainer.best_folder, output, manifest, about, history)
    # A process that leaves while another still works takes torchrun down with it.
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()
    return about


def _split(data: Data, dev_path: Path | None, recipe: Recipe) -> tuple[Data, list[Labelled]]:
    """What is learned and what is held out: a file of its own, or a share of the data."""
    if dev_path is not None:
        dev = read_data(dev_path, data.template).texts
    else:
        order = list(range(len(data.texts)))
        random.Random(recipe.seed).shuffle(order)  # noqa: S311 (no secret)
        held = set(order[: min(_HELD_OUT_MAX, int(len(order) * _HELD_OUT_SHARE))])
        if not held:
            raise InputError("数据太少，留不出验证用的部分：至少要 20 条，或用 --dev 另给一个文件")
        dev = [data.texts[i] for i in sorted(held)]
        rest = [i for i in range(len(data.texts)) if i not in held]
        data = Data(data.template, [data.texts[i] for i in rest], [data.answers[i] for i in rest])
    if recipe.dev_limit and len(dev) > recipe.dev_limit:
        dev = random.Random(recipe.seed).sample(dev, recipe.dev_limit)  # noqa: S311 (no secret)
    return data, dev


def _encode(local: Engine, data: Data, recipe: Recipe) -> list[Encoded]:
    if recipe.format == "labels":
        encoder = EchoEncoder(local.prompt_format.encode, len(TAGS))
        return [
            encode_labels(encoder, text)
            for text in [*data.texts, *_joined(data.texts, recipe), *forms(data.texts, recipe.forms, recipe.seed)]
        ]
    end = local.tokenizer.eos_token_id
    return [
        encode_answer(local.prompt_format, end, data.template.messages(text.text), answer)
        for text, answer in zip(data.texts, data.answers, strict=True)
    ]


def _joined(texts: Sequence[Labelled], recipe: Recipe) -> list[Labelled]:
    """Resumes are longer than one sentence: neighbours in the file, which mostly are of one person."""
    chooser = random.Random(recipe.seed)  # noqa: S311 (no secret)
    joined = []
    room = int(recipe.join * len(texts))
    while room >= 2:
        count = min(chooser.randint(2, 4), room)
        start = chooser.randrange(max(1, len(texts) - count))
        one = join(texts[start : start + count])
        room -= count
        if len(one.text) <= MAX_WINDOW_CHARS:
            joined.append(one)
    return joined


def add_adapter(local: Engine, recipe: Recipe) -> None:
    """A new LoRA adapter, which changes nothing yet; the base is frozen.

    On a CPU it has the model's own dtype (float32 ones would cast every activation twice), and attention is the plain
    one: the backward pass of torch's fused one takes four times as long there in bfloat16.

    Raises:
        ModelError: the model has no such projections.
    """
    on_cpu = local.model.device.type == "cpu"
    if on_cpu:
        local.model.set_attn_implementation("eager")
    local.model = add_lora(local.model, recipe, dropout=recipe.dropout, autocast_adapter_dtype=not on_cpu)
    local.adapters = (ADAPTER,)


def _before(folder: Path, local: Engine, recipe: Recipe) -> dict[str, Any]:
    """What the card says of the adapter whose training goes on.

    Raises:
        ModelError: it cannot be read, or belongs to another base or another kind.
    """
    assert local.path is not None
    manifest = read_manifest(folder)
    if manifest is None or manifest.format != recipe.format:
        raise ModelError(f"{folder} 里没有 --format {recipe.format} 的适配器，不能从它接着训练")
    if manifest.fingerprint != fingerprint(local.path):
        raise ModelError(f"{folder} 是在 {manifest.base} 上训练的，不能用在 {local.name} 上")
    return {"name": folder.resolve().name, "sha256": sha256(folder / WEIGHTS_FILE)}


def measure_f1(local: Engine, manifest: AdapterManifest, dev: Sequence[Labelled]) -> float:
    """Micro F1 through the service, so that what is measured is what visitors get."""
    local.model.eval()
    service = ExtractionService(local, ADAPTER, manifest)
    found = service.extract_many([text.text for text in dev])
    results = [one if isinstance(one, Extraction) else Extraction.of(text.text) for one, text in zip(found, dev, strict=True)]  # fmt: skip
    local.model.train()
    return score(dev, results).micro.f1


def _arguments(
    local: Engine, recipe: Recipe, output: Path, checkpointing: bool, examples: int
) -> TrainingArguments:
    dtype, on_cpu = local.model.dtype, local.model.device.type == "cpu"
    return TrainingArguments(
        output_dir=str(output),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        gradient_accumulation_steps=recipe.accumulate,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        warmup_steps=recipe.warmup,
        activation_checkpointing=checkpointing,
        bf16=dtype == torch.bfloat16 and not on_cpu,
        fp16=dtype == torch.float16 and not on_cpu,
        use_cpu=on_cpu,
        logging_steps=10,
        eval_strategy="epoch",
        save_strategy="steps",
        # With little data an epoch is shorter than that.
        save_steps=min(_SAVE_STEPS, max(1, examples // (recipe.batch_size * recipe.accumulate * processes()))),
        save_total_limit=1,
        remove_unused_columns=False,
        dataloader_pin_memory=not on_cpu,
        report_to="none",
        seed=recipe.seed,
        ddp_find_unused_parameters=False,
    )


def _optimizer(local: Engine, recipe: Recipe) -> dict[str, Any]:
    if local.model.device.type != "cpu":
        return {}
    return {"optimizer_cls_and_kwargs": (MasterAdamW, {"lr": recipe.learning_rate})}


def _room_tokens(local: Engine) -> int:
    """How many tokens' activations fit into half of the free memory.

    For each token and layer about 24 vectors of the hidden size and 9 of the MLP's are kept for the backward pass,
    LoRA's float32 copies among them (measured on the embedded model: 3 MB a token).
    """
    config, model = local.model.config, local.model
    numbers = config.num_hidden_layers * (24 * config.hidden_size + 9 * config.intermediate_size)
    on_cpu = model.device.type == "cpu"
    free = psutil.virtual_memory().available if on_cpu else torch.cuda.mem_get_info()[0]
    return int(free // 2 // (numbers * model.dtype.itemsize))
