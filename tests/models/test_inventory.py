"""The table of what was loaded."""

from pathlib import Path

from torch import nn

from src.models.engine import load_engine
from src.models.int8 import quantize_language_model
from src.models.inventory import Footprint, Part, files_of, footprint_of, table
from tests.tiny import tiny_checkpoint


def test_tied_weights_are_counted_once_and_dtypes_apart() -> None:
    first, second = nn.Linear(80, 40, bias=False), nn.Linear(80, 40, bias=False)
    second.weight = first.weight
    model = nn.Sequential(first, second, nn.BatchNorm1d(40))  # which counts batches in an int64
    assert footprint_of(model) == Footprint("cpu", "float32", 80 * 40 * 4 + 4 * 40 * 4 + 8)
    assert footprint_of(nn.Sequential(model, nn.Linear(80, 20).bfloat16())).dtype == "float32+bfloat16"


def test_int8_is_a_quarter_of_float32(tmp_path: Path) -> None:
    model = load_engine(tiny_checkpoint(tmp_path), dtype="float32", threads=1, context_tokens=64).model
    matrices = sum(m.weight.numel() for m in model.modules() if type(m) is nn.Linear)
    embedding = model.get_input_embeddings().weight.numel()
    after = footprint_of(quantize_language_model(model))
    assert after.dtype.startswith("int8")
    assert matrices + embedding <= after.nbytes < 2 * (matrices + embedding)


def test_columns_stand_under_each_other_in_chinese() -> None:
    lines = table(
        [
            Part("语言模型", "Yuan2-2B-Mars-hf", Footprint("cuda:0", "bfloat16", 4_180_000_000), 8.04),
            Part("知识库", "256 段，faiss", Footprint("", "", 0), 0.3),
        ]
    ).splitlines()
    assert lines[0].split() == ["部件", "来自", "设备", "精度", "GB", "秒"]
    assert lines[1].split() == ["语言模型", "Yuan2-2B-Mars-hf", "cuda:0", "bfloat16", "4.18", "8.0"]
    assert lines[2].split() == ["知识库", "256", "段，faiss", "0.3"]
    assert lines[3].split() == ["合计", "4.18"]
    columns = {
        len(line[: line.index(word)].encode("gb18030"))
        for line, word in zip(lines, ("秒", "8.0", "0.3"), strict=False)
    }
    assert len(columns) == 1


def test_a_folder_weighs_what_its_files_do(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "sub").mkdir()
    assert files_of(tmp_path) == files_of(tmp_path / "a") == 3
