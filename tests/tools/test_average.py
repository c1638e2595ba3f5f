"""The mean of adapters."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from src.errors import InputError
from tools.average import average


def _adapter(folder: Path, value: float, rank: int = 2) -> Path:
    folder.mkdir()
    save_file({"a": torch.full((rank, 3), value)}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text("{}")
    (folder / "yuanzhi.json").write_text(json.dumps({"format": "labels"}))
    return folder


def test_the_mean_says_what_it_is_of(tmp_path: Path) -> None:
    folders = [_adapter(tmp_path / str(value), value) for value in (1.0, 2.0, 6.0)]
    average(folders, tmp_path / "mean")
    assert load_file(tmp_path / "mean" / "adapter_model.safetensors")["a"].tolist() == [[3.0] * 3] * 2
    manifest = json.loads((tmp_path / "mean" / "yuanzhi.json").read_text("utf-8"))
    assert [one["name"] for one in manifest["averaged"]] == ["1.0", "2.0", "6.0"]
    with pytest.raises(InputError, match="已经有了"):
        average(folders, tmp_path / "mean")
    with pytest.raises(InputError, match="层或秩不同"):
        average([*folders, _adapter(tmp_path / "other", 1.0, rank=4)], tmp_path / "none")
