"""Whole runs on a tiny random checkpoint: what is left in the folder, going on after a kill, what is refused."""

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from src.errors import InputError, ModelError, SettingsError
from src.extraction.service import ExtractionService
from src.models.adapters import read_manifest
from src.models.engine import Engine, load_engine
from src.training import run
from src.training.folder import last_checkpoint
from src.training.recipe import Recipe
from src.training.run import train
from tests.tiny import tiny_checkpoint
from tests.yuan.tiny import released_checkpoint

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    {"text": f"{name}任{post}", "entities": [["姓名", 0, len(name)], ["职位", len(name) + 1, len(name) + 3]]}
    for name in ("王明", "李小红", "赵六", "钱多多")
    for post in ("董事", "经理", "监事", "校长", "工人")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def yuan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released_checkpoint(tmp_path_factory.mktemp("yuan"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(ROWS, ensure_ascii=False), "utf-8")
    return path


def load(folder: Path, dtype: str = "float32") -> Engine:
    return load_engine(folder, dtype=dtype, threads=1, context_tokens=2048)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("form", ["json", "labels"])
@pytest.mark.parametrize("base", ["folder", "yuan"])
def test_a_run_leaves_an_adapter_that_is_served(
    base: str, data: Path, tmp_path: Path, form: str, dtype: str, request: pytest.FixtureRequest
) -> None:
    """The embedded model and Yuan2 go the same way, in bfloat16 as they do by default."""
    folder: Path = request.getfixturevalue(base)
    recipe = Recipe(format=form, epochs=2, learning_rate=0.01, rank=4, dev_limit=2)
    local = load(folder, dtype)
    before = {name: tensor.clone() for name, tensor in local.model.state_dict().items()}
    output = tmp_path / "adapter"
    about = train(local, recipe, data, output, dev_path=data)
    assert {path.name for path in output.iterdir()} == {
        *("adapter_config.json", "adapter_model.safetensors", "README.md", "curve.png", "yuanzhi.json")
    }
    # One training moves the adapter and nothing else.
    after = local.model.get_base_model().state_dict()
    for name, tensor in before.items():
        torch.testing.assert_close(after[_in_peft(name, after)], tensor, atol=0, rtol=0)
    assert any(
        value.any() for name, value in load_file(output / "adapter_model.safetensors").items() if "lora_B" in name
    )
    assert [row["epoch"] for row in about["scores"]["epochs"]] == [1, 2]
    card = (output / "README.md").read_text("utf-8")
    assert about["data"]["sha256"][:16] in card
    assert "0.01" in card
    assert (output / "curve.png").read_bytes().startswith(b"\x89PNG")

    fresh = load(folder, dtype)
    fresh.add_adapter("resume", output)
    service = ExtractionService(fresh, "resume", fresh.manifests["resume"])
    result = service.extract("王明任董事")
    assert all(result.text[span.start : span.end] == span.text for span in result.spans)
    assert all(span.confidence is not None for span in result.spans)


def _in_peft(name: str, state: dict[str, torch.Tensor]) -> str:
    head, _, last = name.rpartition(".")
    wrapped = f"{head}.base_layer.{last}"
    return wrapped if wrapped in state else name


def test_marking_is_learned(folder: Path, data: Path, tmp_path: Path) -> None:
    """Twenty texts by heart: the whole way from data to spans must be right for that."""
    recipe = Recipe(format="labels", epochs=60, learning_rate=0.02, rank=8, alpha=16, dropout=0.0, warmup=0.1)
    about = train(load(folder), recipe, data, tmp_path / "adapter", dev_path=data)
    assert about["scores"]["dev_f1"] > 0.9


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_training_goes_on_from_another_adapter(folder: Path, data: Path, tmp_path: Path, dtype: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    recipe = Recipe(format="labels", epochs=1, learning_rate=1e-2, rank=4, seed=1)
    train(load(folder, dtype), recipe, data, first, dev_path=data)
    # A step so small moves nothing that can be seen: what is left is what it began with.
    still = Recipe(
        format="labels", epochs=1, learning_rate=1e-9, rank=4, seed=2, weight_decay=0.1, forms=0.5, join=0.5
    )
    about = train(load(folder, dtype), still, data, second, dev_path=data, start_from=first)
    told, found = (load_file(output / "adapter_model.safetensors") for output in (first, second))
    assert any(value.any() for name, value in told.items() if "lora_B" in name)
    for name, value in told.items():
        torch.testing.assert_close(found[name], value, atol=1e-4, rtol=1e-2)
    assert about["data"]["examples"] > len(ROWS)
    assert about["started_from"]["name"] == "first"
    card = (second / "README.md").read_text("utf-8")
    assert "从 first（" in card
    assert "--start-from first" in card
    for other, kind in (
        (Recipe(format="json", rank=4), "--format json"),
        (Recipe(format="labels", rank=8), "层或秩不同"),
    ):
        with pytest.raises(ModelError, match=kind):
            train(load(folder), other, data, tmp_path / f"third{other.rank}", dev_path=data, start_from=first)
    manifest = json.loads((first / "yuanzhi.json").read_text("utf-8"))
    (first / "yuanzhi.json").write_text(
        json.dumps({**manifest, "base": {"name": "另一个", "fingerprint": "0"}}), "utf-8"
    )
    with pytest.raises(ModelError, match="不能用在"):
        train(load(folder), recipe, data, tmp_path / "fourth", dev_path=data, start_from=first)


def started(folder: Path, data: Path, output: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "src", "train", "--llm", str(folder), "--data", str(data), "--dev", str(data)]
    command += ["--output", str(output), "--epochs", "25", "--batch-size", "4", "--dev-limit", "1"]
    command += ["--format", "labels", "--threads", "1", "--dtype", "float32"]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def states(output: Path) -> list[str]:
    """What the checkpoints say; one may be removed meanwhile."""
    found = []
    for path in output.glob("checkpoint-*/trainer_state.json"):
        with suppress(OSError):
            found.append(path.read_text("utf-8"))
    return found


def test_a_killed_run_goes_on_as_if_it_had_not_been(folder: Path, data: Path, tmp_path: Path) -> None:
    """Killed after half of the steps and started again it is, to the bit, the run that nobody killed."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert started(folder, data, whole).wait(240) == 0
    first = started(folder, data, killed)
    deadline = time.monotonic() + 240
    while not any("eval_f1" in text for text in states(killed)):
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    checkpoint = Path(str(last_checkpoint(killed)))
    assert 0 < int(checkpoint.name.rpartition("-")[2]) < 125
    with pytest.raises(InputError, match="另一次训练"):
        train(load(folder), Recipe(epochs=1), data, killed, dev_path=None)
    # A mark in the log shows that the second one went on from here and did not begin anew.
    state = json.loads((checkpoint / "trainer_state.json").read_text("utf-8"))
    # It may not make that epoch worse than it was: the best one is kept.
    next(row for row in state["log_history"] if "eval_f1" in row)["eval_f1"] += 1e-9
    (checkpoint / "trainer_state.json").write_text(json.dumps(state), "utf-8")
    second = started(folder, data, killed)
    assert second.wait(240) == 0
    for name, value in load_file(whole / "adapter_model.safetensors").items():
        torch.testing.assert_close(load_file(killed / "adapter_model.safetensors")[name], value, atol=0, rtol=0)
    scores = [
        json.loads((path / "yuanzhi.json").read_text("utf-8"))["scores"]["epochs"] for path in (whole, killed)
    ]
    assert scores[1][0]["dev_f1"] == scores[0][0]["dev_f1"] + 1e-9
    assert scores[0][1:] == scores[1][1:]


def test_a_kill_while_measuring_loses_no_measurement(
    folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(epochs=2, format="labels", dev_limit=1)
    real, calls = run.measure_f1, []

    def killed_at_last(*arguments: object) -> float:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(run, "measure_f1", killed_at_last)
    with pytest.raises(KeyboardInterrupt):
        train(load(folder), recipe, data, tmp_path / "a", dev_path=data)
    about = train(load(folder), recipe, data, tmp_path / "a", dev_path=data)
    assert [row["epoch"] for row in about["scores"]["epochs"]] == [1, 2]
    assert len(calls) == 3


def test_a_broken_checkpoint_or_another_base_is_not_gone_on_from(folder: Path, data: Path, tmp_path: Path) -> None:
    output = tmp_path / "a"
    first = started(folder, data, output)
    while not list(output.glob("checkpoint-*/trainer_state.json")):
        assert first.poll() is None
        time.sleep(0.01)
    first.kill()
    first.wait()
    other = tiny_checkpoint(tmp_path / "other", seed=7)
    assert started(other, data, output).wait(120) == 1
    (checkpoint,) = output.glob("checkpoint-*")
    (checkpoint / "trainer_state.json").write_text("{", "utf-8")
    assert last_checkpoint(output) is None
    assert not checkpoint.exists()


def test_nothing_secret_or_local_is_in_the_card(folder: Path, data: Path, tmp_path: Path) -> None:
    recipe = Recipe(epochs=1, format="labels", dev_limit=1, join=0.2)
    about = train(load(folder), recipe, data, tmp_path / "adapter", dev_path=data)
    assert about["command"] == (
        "python -m src train --data data.json --dev data.json --output adapter"
        " --format labels --epochs 1 --join 0.2 --dev-limit 1"
    )
    assert str(tmp_path) not in (tmp_path / "adapter" / "README.md").read_text("utf-8")
    assert str(folder) not in (tmp_path / "adapter" / "adapter_config.json").read_text("utf-8")


def test_two_processes_train_one_adapter(folder: Path, data: Path, tmp_path: Path) -> None:
    output = tmp_path / "adapter"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [
        "-m",
        "src",
        "train",
        "--llm",
        str(folder),
        "--data",
        str(data),
        "--dev",
        str(data),
        "--output",
        str(output),
    ]
    command += ["--dtype", "float32", "--threads", "1", "--epochs", "1", "--batch-size", "2", "--dev-limit", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("已存到") == 1
    manifest = json.loads((output / "yuanzhi.json").read_text("utf-8"))
    assert manifest["scores"]["epochs"][-1]["epoch"] == 1


def test_what_is_refused(folder: Path, data: Path, tmp_path: Path) -> None:
    local = load(folder)
    occupied = tmp_path / "occupied"
    occupied.mkdir()
    (occupied / "thesis.docx").write_text("x")
    with pytest.raises(InputError, match="不是空目录"):
        train(local, Recipe(), data, occupied, dev_path=None)
    (occupied / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="已经有一个适配器"):
        train(local, Recipe(), data, occupied, dev_path=None)
    with pytest.raises(InputError, match="--max-tokens"):
        train(local, Recipe(max_tokens=16), data, tmp_path / "a", dev_path=None)
    few = tmp_path / "few.json"
    few.write_text(json.dumps(ROWS[:5]), "utf-8")
    with pytest.raises(InputError, match="--dev"):
        train(local, Recipe(), few, tmp_path / "b", dev_path=None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rank": 0},
        {"epochs": 0},
        {"learning_rate": float("nan")},
        {"dropout": 1.0},
        {"join": -1.0},
        {"forms": 1.0},
        {"weight_decay": 1.0, "format": "labels"},
    ],
)
def test_a_recipe_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        Recipe(**wrong)


@pytest.mark.parametrize("base", ["folder", "yuan"])
def test_with_little_memory_activations_are_recomputed_and_it_learns_the_same(
    base: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(base)
    recipe = Recipe(epochs=1, dropout=0.0, learning_rate=0.01, dev_limit=1)
    for name, room in (("much", 100_000), ("little", 1)):
        monkeypatch.setattr(run, "_room_tokens", lambda local, room=room: room)
        local = load(folder)
        train(local, recipe, data, tmp_path / name, dev_path=data)
        # transformers switches it on in the base, PEFT's wrapper only asks it.
        assert bool(local.model.get_base_model().is_gradient_checkpointing) == (name == "little")
    much, little = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("much", "little"))
    assert any(value.any() for name, value in little.items() if "lora_B" in name)
    for name, value in much.items():
        torch.testing.assert_close(little[name], value, atol=2e-3, rtol=0.05)


def test_held_out_texts_are_not_learned_from(folder: Path, data: Path, tmp_path: Path) -> None:
    about = train(load(folder), Recipe(epochs=1, dev_limit=1), data, tmp_path / "a", dev_path=None)
    assert about["dev"]["texts"] == 1
    assert about["data"]["examples"] == len(ROWS) - 1


def test_the_manifest_says_how_the_adapter_is_asked(folder: Path, tmp_path: Path) -> None:
    rows = [{"input": f"抽取\n第{i}人王明\n完", "output": '{"姓名": ["王明"]}'} for i in range(24)]
    path = tmp_path / "course.json"
    path.write_text(json.dumps(rows), "utf-8")
    train(load(folder), Recipe(epochs=1, dev_limit=1), path, tmp_path / "a", dev_path=None)
    manifest = read_manifest(tmp_path / "a")
    assert manifest is not None
    assert manifest.prompt == ("抽取\n", "\n完")
