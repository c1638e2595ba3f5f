"""The output folder of a run: whose it is, where it was left, and the adapter at the end."""

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from src.errors import InputError
from src.models.adapters import AdapterManifest
from src.models.reading import HEAD_FILE
from src.training.report import write_card, write_curve

log = logging.getLogger(__name__)

RUN_FILE = "run.json"
CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"


def claim(output: Path, run: dict[str, Any]) -> None:
    """Say which run ``output`` belongs to, or find that it is this one.

    Raises:
        InputError: it belongs to another run, or is finished, or cannot be written.
    """
    stamp = output / RUN_FILE
    try:
        if (output / CONFIG_FILE).exists():
            raise InputError(f"{output} 里已经有一个适配器；请换一个 --output，或先移走它")
        output.mkdir(parents=True, exist_ok=True)
        # Other processes of the same torchrun may be writing their stamps just now.
        found = {path.name for path in output.iterdir() if not path.name.startswith(f".{RUN_FILE}.")}
        if RUN_FILE in found:
            if json.loads(stamp.read_text(encoding="utf-8")) != run:
                raise InputError(f"{output} 里是另一次训练（数据、参数或模型不同）；请换一个 --output，或先移走它")
            return
        if found:
            raise InputError(f"{output} 不是空目录；请换一个 --output")
        # Whole or not at all: under torchrun several processes come here at once.
        partial = output / f".{RUN_FILE}.{os.getpid()}"
        partial.write_text(json.dumps(run, ensure_ascii=False, indent=2), encoding="utf-8")
        os.replace(partial, stamp)
    except (OSError, ValueError) as error:
        raise InputError(f"用不了输出目录 {output}：{error}") from error


def last_checkpoint(output: Path) -> str | None:
    """The newest checkpoint that is whole; those that a kill left broken are removed."""
    folders = sorted(output.glob("checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))
    while folders:
        newest = folders.pop()
        try:
            json.loads((newest / "trainer_state.json").read_text(encoding="utf-8"))
            load_file(newest / WEIGHTS_FILE)
            return str(newest)
        except (OSError, ValueError, SafetensorError):
            log.warning("%s 不完整，没有用它", newest)
            shutil.rmtree(newest)
    return None


def finish(
    best: Path, output: Path, manifest: AdapterManifest, about: dict[str, Any], history: list[dict[str, Any]]
) -> None:
    """Put the best adapter and what belongs beside it into ``output``; its configuration, which makes it one, last.
    Checkpoints in ``output`` are removed, ``best`` too if it is there."""
    for name in (WEIGHTS_FILE, HEAD_FILE):
        if (best / name).is_file():
            # Half the size, and ten binary digits are more than LoRA's own noise.
            halves = {key: value.half() for key, value in load_file(best / name).items()}
            save_file(halves, output / name, metadata={"format": "pt"})
    manifest.write(output, **about)
    write_curve(output / "curve.png", history)
    write_card(output / "README.md", manifest, about)
    config = json.loads((best / CONFIG_FILE).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = manifest.base  # not a path on the machine it was trained on
    partial = output / f".{CONFIG_FILE}"
    partial.write_text(json.dumps(config, indent=2), encoding="utf-8")
    os.replace(partial, output / CONFIG_FILE)
    (output / RUN_FILE).unlink()
    (output / "training_args.bin").unlink(missing_ok=True)
    for folder in (best, *output.glob("checkpoint-*")):
        if folder.parent == output:
            shutil.rmtree(folder)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def processes() -> int:
    """How many train together under torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))
