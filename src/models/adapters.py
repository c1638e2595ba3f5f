"""What stands beside an adapter's weights: which base it belongs to, and how it writes."""

import hashlib
import json
import math
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors import SafetensorError, safe_open

from src.errors import ModelError

MANIFEST_FILE = "yuanzhi.json"
Format = Literal["json", "labels", "spans"]
MAX_LABELS = 26  # one letter each
# Of every tensor this many numbers enter the fingerprint: reading all of it would take as long as loading it.
_SAMPLED = 256


@dataclass(frozen=True)
class AdapterManifest:
    """Attributes:
    base: name of the model it was trained on.
    fingerprint: of that model's weights.
    format: ``json``, it writes the answer out; ``labels``, it marks each character (``src/models/tagging.py``);
        ``spans``, it points at words of a passage (``src/models/reading.py``).
    prompt: for ``json``, what stands before and behind the text it is asked about; None: the service's own.
    labels: for ``labels``, how many it marks characters with.
    depth: for ``spans``, how many of the base's layers are run.
    calibration: for ``spans``, constant and weights of ``Read.features`` in the log-odds of an answer.
    """

    base: str
    fingerprint: str
    format: Format
    prompt: tuple[str, str] | None = None
    labels: int = 0
    depth: int = 0
    calibration: tuple[float, float, float] = (0.0, 1.0, 0.0)

    def write(self, folder: Path, **about: Any) -> None:
        """``about``: whatever else a reader should know, such as data, hyper-parameters and scores."""
        content = {
            "base": {"name": self.base, "fingerprint": self.fingerprint},
            "format": self.format,
            "prompt": self.prompt,
            "labels": self.labels,
            "depth": self.depth,
            "calibration": self.calibration,
            **about,
        }
        text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        (folder / MANIFEST_FILE).write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> AdapterManifest | None:
    """None where there is none: an adapter made elsewhere, which is taken to write JSON.

    Raises:
        ModelError: there is one, but it cannot be used.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        base, prompt = content["base"], content.get("prompt")
        if prompt is not None and not (isinstance(prompt, list) and len(prompt) == 2):
            raise ValueError("prompt")
        calibration = tuple(map(float, content.get("calibration", (0.0, 1.0, 0.0))))
        if len(calibration) != 3 or not all(map(math.isfinite, calibration)):
            raise ValueError("calibration")
        manifest = AdapterManifest(
            str(base["name"]),
            str(base["fingerprint"]),
            content["format"],
            (str(prompt[0]), str(prompt[1])) if prompt else None,
            int(content.get("labels", 0)),
            int(content.get("depth", 0)),
            calibration,
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelError(f"{path} 读不懂：应由 python -m src train 写成") from error
    if manifest.format not in get_args(Format) or not 0 <= manifest.labels <= MAX_LABELS:
        raise ModelError(f"{path} 的格式 {manifest.format!r} 不认识：这个适配器可能由更新的版本训练，请更新程序")
    return manifest


def named_base(folder: Path) -> str:
    """The base that PEFT's configuration names, where a manifest is missing."""
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        return str(config.get("base_model_name_or_path") or "没有写")
    except (OSError, ValueError, AttributeError):
        return "没有写"


def check_weights(model: Any, folder: Path, name: str) -> None:
    """Raises ValueError unless adapter ``name`` of ``model`` is what ``folder`` holds and can compute.

    PEFT takes a file that lacks the adapter's matrices, or has others, and only warns: they would be random.
    """
    from peft import get_peft_model_state_dict  # noqa: PLC0415 (slow import, only with an adapter)

    loaded = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    file = folder / "adapter_model.safetensors"
    if file.is_file():
        with safe_open(file, "pt") as given:
            stored = set(given.keys())
        if stored != set(loaded):
            raise ValueError("其中的矩阵与配置说的不是同一些")
    if not all(bool(matrix.isfinite().all()) for matrix in loaded.values()):
        raise ValueError("其中有的数不是有限的数（NaN 或无穷大）")


def remove_adapters(model: Any) -> None:
    """Take whatever PEFT has put into a base model out of it again, however far it came."""
    from peft.tuners.tuners_utils import BaseTunerLayer  # noqa: PLC0415 (slow import, only with an adapter)

    for name, layer in list(model.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            model.set_submodule(name, layer.get_base_layer())
    vars(model).pop("peft_config", None)


def fingerprint(checkpoint: Path) -> str:
    """Names, shapes and a sample of the values of every tensor, whatever files they are in; 16 hex digits.

    Raises:
        ModelError: the folder's weights cannot be read.
    """
    try:
        samples = sorted(_samples(checkpoint))
    except (OSError, RuntimeError, ValueError, SafetensorError, pickle.UnpicklingError, AttributeError) as error:
        raise ModelError(f"读不了 {checkpoint} 里的权重：{' '.join(str(error).split())[:200]}") from error
    if not samples:
        raise ModelError(f"{checkpoint} 里没有权重文件（*.safetensors 或 pytorch_model*.bin）")
    digest = hashlib.sha256()
    for name, shape, values in samples:
        digest.update(f"{name}{shape}".encode() + values)
    return digest.hexdigest()[:16]


def _samples(checkpoint: Path) -> list[tuple[str, tuple[int, ...], bytes]]:
    found = []
    for path in checkpoint.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 (not a dictionary)
                part = file.get_slice(name)
                shape = tuple(part.get_shape())
                found.append((name, shape, _bytes(part[:1] if shape else file.get_tensor(name))))
    if not found:
        for path in checkpoint.glob("pytorch_model*.bin"):
            tensors = torch.load(path, map_location="cpu", mmap=zipfile.is_zipfile(path), weights_only=True)
            found += [(name, tuple(tensor.shape), _bytes(tensor)) for name, tensor in tensors.items()]
    return found


def _bytes(part: torch.Tensor) -> bytes:
    first = part[:1] if part.ndim else part
    return first.flatten()[:_SAMPLED].float().numpy().tobytes()
