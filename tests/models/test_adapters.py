"""An adapter knows its base."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from src.errors import ModelError
from src.models.adapters import MANIFEST_FILE, AdapterManifest, fingerprint, read_manifest
from src.models.engine import load_engine
from tests.models.test_engine import random_adapter
from tests.tiny import tiny_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("base"))


def test_the_fingerprint_is_the_weights_not_the_files(folder: Path, tmp_path: Path) -> None:
    whole = fingerprint(folder)
    tensors = load_file(folder / "model.safetensors")
    as_bin, sharded, changed = (tmp_path / name for name in ("bin", "sharded", "changed"))
    for path in (as_bin, sharded, changed):
        path.mkdir()
    torch.save(tensors, as_bin / "pytorch_model.bin")
    names = sorted(tensors)
    save_file({name: tensors[name] for name in names[:5]}, sharded / "b.safetensors")
    save_file({name: tensors[name] for name in names[5:]}, sharded / "a.safetensors")
    assert fingerprint(as_bin) == fingerprint(sharded) == whole
    tensors[names[3]] = tensors[names[3]] * 1.01
    save_file(tensors, changed / "model.safetensors")
    assert fingerprint(changed) != whole
    with pytest.raises(ModelError, match="没有权重"):
        fingerprint(tmp_path)
    (tmp_path / "x.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="读不了"):
        fingerprint(tmp_path)


def test_a_manifest_comes_back(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    for manifest in (
        AdapterManifest("甲", "f", "json", ("前", "后")),
        AdapterManifest("甲", "f", "labels", labels=17),
    ):
        manifest.write(tmp_path, scores={"dev_f1": 0.9})
        assert read_manifest(tmp_path) == manifest
        assert json.loads((tmp_path / MANIFEST_FILE).read_text("utf-8"))["scores"] == {"dev_f1": 0.9}


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"base": {"name": "a", "fingerprint": "b"}, "format": "poem"}',
     '{"base": {"name": "a", "fingerprint": "b"}, "format": "json", "prompt": ["one"]}',
     '{"base": {"name": "a", "fingerprint": "b"}, "format": "labels", "labels": "many"}'],
)  # fmt: skip
def test_a_broken_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST_FILE).write_text(content, "utf-8")
    with pytest.raises(ModelError, match=r"yuanzhi\.json"):
        read_manifest(tmp_path)


def test_an_adapter_of_other_weights_is_refused_with_both_names(folder: Path, tmp_path: Path) -> None:
    adapter = random_adapter(folder, tmp_path / "adapter", 1)
    model = load_engine(folder, dtype="float32", threads=1, context_tokens=600)
    AdapterManifest("别的模型", "0" * 16, "json").write(adapter)
    with pytest.raises(ModelError, match=f"别的模型.*{model.name}"):
        model.add_adapter("resume", adapter)
    assert model.adapters == ()
    AdapterManifest("随便什么名字", fingerprint(folder), "json").write(adapter)
    model.add_adapter("resume", adapter)
    assert model.adapters == ("resume",)
