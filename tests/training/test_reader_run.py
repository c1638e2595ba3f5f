"""Whole trainings of a reader on a tiny random checkpoint: what is left in the folder, what is refused."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from src.__main__ import main
from src.errors import InputError, ModelError, SettingsError
from src.evaluation.reading import ReadingScore
from src.models.adapters import fingerprint, read_manifest
from src.models.engine import Engine, load_engine
from src.models.reading import HEAD_FILE
from src.training import reader_run
from src.training.lookalikes import news
from src.training.questions import Window, read_articles
from src.training.reader import learn
from src.training.reader_run import train_reader
from src.training.recipe import ReaderRecipe, Recipe
from tests.tiny import tiny_checkpoint
from tests.yuan.tiny import released_checkpoint

RECIPE = ReaderRecipe(epochs=1, first_layer=0, depth=2, rank=2, max_steps=3)
FILES = {"adapter_config.json", "adapter_model.safetensors", "README.md", "curve.png", HEAD_FILE, "yuanzhi.json"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("base"))


def load(folder: Path, dtype: str = "float32") -> Engine:
    return load_engine(folder, dtype=dtype, threads=1, context_tokens=2048)


def write(path: Path, count: int, seed: int = 0) -> Path:
    rows = []
    for text, asked in news(random.Random(seed), count):
        for question, span in asked:
            answers = [{"text": text[slice(*span)], "start": span[0]}] if span else []
            rows.append({"context": text, "question": question, "answers": answers})
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "CMRC2018_part.jsonl", 45)


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    return write(tmp_path / "dev.jsonl", 8, seed=5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_training_leaves_an_adapter_that_reads(
    folder: Path, data: Path, dev: Path, tmp_path: Path, dtype: str
) -> None:
    output, more = tmp_path / "adapter", write(tmp_path / "own.jsonl", 5, seed=9)
    about = train_reader(load(folder, dtype), RECIPE, [data, more], output, dev_path=dev)
    assert {path.name for path in output.iterdir()} == FILES
    for name in ("adapter_model.safetensors", HEAD_FILE):
        assert {str(value.dtype) for value in load_file(output / name).values()} == {"torch.float16"}
    assert json.loads((output / "adapter_config.json").read_text("utf-8"))["base_model_name_or_path"] == folder.name
    manifest = read_manifest(output)
    assert manifest is not None
    assert (manifest.format, manifest.depth, manifest.fingerprint) == ("spans", 2, fingerprint(folder))
    assert manifest.calibration != (0.0, 1.0, 0.0)
    content = json.loads((output / "yuanzhi.json").read_text("utf-8"))
    assert {name: content[name] for name in about} == about
    assert [one["file"] for one in about["data"]] == [data.name, more.name]
    assert about["scores"].keys() > ReadingScore.__dataclass_fields__.keys()
    assert about["scores"]["steps"] == 3
    halves = about["dev"]["calibrated_on"], about["dev"]["scored_on"]
    assert [half["articles"] for half in halves] == [4, 4]
    assert about["scores"]["answered"] + about["scores"]["unanswered"] == halves[1]["questions"]
    assert about["command"] == (
        "python -m src train --task reader --data CMRC2018_part.jsonl own.jsonl --dev dev.jsonl --output adapter"
        " --epochs 1 --rank 2 --first-layer 0 --depth 2 --max-steps 3"
    )
    assert (output / "curve.png").read_bytes().startswith(b"\x89PNG")

    fresh = load(folder, dtype)
    fresh.add_adapter("reader", output)
    article = read_articles(dev)[0]
    ((found,),) = [one.values() for one in fresh.read([("", article.text)], [article.asked[0].question], "reader")]
    assert 0 <= found[0].start < found[0].end <= len(article.text)
    assert 0 < found[0].probability < 1


def test_a_training_that_goes_on_says_from_what(folder: Path, data: Path, dev: Path, tmp_path: Path) -> None:
    first, own = tmp_path / "first", write(tmp_path / "own.jsonl", 45, seed=9)
    train_reader(load(folder), RECIPE, [data], first, dev_path=dev)
    about = train_reader(load(folder), RECIPE, [own], tmp_path / "second", dev_path=dev, start_from=first)
    assert about["started_from"]["name"] == "first"
    assert about["started_from"]["data"][0]["file"] == data.name
    assert "--start-from first" in about["command"]
    card = (tmp_path / "second" / "README.md").read_text("utf-8")
    assert "从 first（" in card
    assert "CC BY-SA 4.0" in card  # of the data that it started from
    for recipe, start in ((RECIPE, tmp_path), (replace(RECIPE, depth=1), first)):
        with pytest.raises(ModelError, match="不能"):
            train_reader(load(folder), recipe, [own], tmp_path / "third", dev_path=dev, start_from=start)


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (["cmrc2018_train.jsonl", "DRCD_a.jsonl"], ["license: cc-by-sa-4.0", "CMRC 2018", "CC BY-SA 4.0", "DRCD", "CC BY-SA 3.0"]),
        (["own.jsonl"], ["请看数据的来源"]),
    ],
)  # fmt: skip
def test_the_card_says_whose_data_it_is_made_of(
    folder: Path, dev: Path, tmp_path: Path, names: list[str], named: list[str]
) -> None:
    paths = [write(tmp_path / name, 5, seed=i) for i, name in enumerate(names)]
    train_reader(load(folder), RECIPE, paths, tmp_path / "adapter", dev_path=dev)
    card = (tmp_path / "adapter" / "README.md").read_text("utf-8")
    assert [text for text in named if text not in card] == []
    assert ("CC BY-SA" in card) == (len(names) == 2)
    assert str(tmp_path) not in card


def test_held_out_articles_are_not_learned(
    folder: Path, data: Path, dev: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def spying(model: Any, encoder: Any, windows: list[Window], *rest: Any) -> Any:
        seen.extend(window.text for window in windows)
        return learn(model, encoder, windows, *rest)

    monkeypatch.setattr(reader_run, "learn", spying)
    monkeypatch.setattr(reader_run, "windows", lambda articles, *_: [Window("", a.text, ()) for a in articles])
    with pytest.raises(InputError, match="没有可以学习的例子"):
        train_reader(load(folder), RECIPE, [data], tmp_path / "a", dev_path=None)
    assert len(set(seen)) == 25  # of 45 at least twenty are kept back
    seen.clear()
    everything = tmp_path / "both.jsonl"
    everything.write_text(data.read_text("utf-8") + "\n" + dev.read_text("utf-8"), "utf-8")
    with pytest.raises(InputError, match="没有可以学习的例子"):
        train_reader(load(folder), RECIPE, [everything], tmp_path / "b", dev_path=dev)
    assert set(seen) == {article.text for article in read_articles(data)}


def test_a_kill_while_calibrating_loses_nothing_that_was_learned(
    folder: Path, data: Path, dev: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "adapter"
    with monkeypatch.context() as patched:
        patched.setattr(reader_run, "fit_calibration", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train_reader(load(folder), RECIPE, [data], output, dev_path=dev)
    with pytest.raises(InputError, match="另一次训练"):
        train_reader(load(folder), ReaderRecipe(first_layer=0, depth=2), [data], output, dev_path=dev)
    monkeypatch.setattr(reader_run, "learn", None)
    train_reader(load(folder), RECIPE, [data], output, dev_path=dev)
    assert {path.name for path in output.iterdir()} == FILES
    with pytest.raises(InputError, match="已经有一个适配器"):
        train_reader(load(folder), RECIPE, [data], output, dev_path=dev)


def test_what_was_learned_elsewhere_is_finished_and_left_as_it_is(
    folder: Path, data: Path, dev: Path, tmp_path: Path
) -> None:
    whole, elsewhere = tmp_path / "whole", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(InputError, match="没有训练完"):
        train_reader(load(folder), RECIPE, [data], tmp_path / "b", dev_path=dev, learned_in=elsewhere)
    local = load(folder)
    made = reader_run.windows(read_articles(data), RECIPE.seed, RECIPE.epochs)
    learn(local.model, local.reader_encoder, made, RECIPE, elsewhere)
    before = {path.name: path.read_bytes() for path in elsewhere.iterdir()}
    train_reader(load(folder), RECIPE, [data], tmp_path / "adapter", dev_path=dev, learned_in=elsewhere)
    assert {path.name: path.read_bytes() for path in elsewhere.iterdir()} == before
    train_reader(load(folder), RECIPE, [data], whole, dev_path=dev)
    for name in ("adapter_model.safetensors", HEAD_FILE, "adapter_config.json"):
        assert (tmp_path / "adapter" / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(
    ("recipe", "changes", "error", "says"),
    [
        ({"depth": 3}, {}, SettingsError, "--depth 应不大于模型的层数 2"),
        ({}, {"WORLD_SIZE": "2"}, SettingsError, "torchrun"),
        ({}, {"data": 39}, InputError, "至少要 40 篇文章，收到 39 篇"),
    ],
)
def test_what_is_refused_before_any_work(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    recipe: dict[str, int], changes: dict[str, Any], error: type[Exception], says: str,
) -> None:  # fmt: skip
    path = write(tmp_path / "a.jsonl", changes.pop("data", 45))
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(error, match=says):
        train_reader(load(folder), ReaderRecipe(**{"first_layer": 0, "depth": 2} | recipe), [path], tmp_path / "b", dev_path=None)  # fmt: skip
    assert not (tmp_path / "b").exists()


def test_data_for_calibration_is_asked_for_before_the_training(folder: Path, data: Path, tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", 1, seed=5)
    with pytest.raises(InputError, match="请多给一些文章"):
        train_reader(load(folder), RECIPE, [data], tmp_path / "b", dev_path=one)
    with pytest.raises(InputError, match="都在验证数据里"):
        train_reader(load(folder), RECIPE, [data], tmp_path / "b", dev_path=data)
    assert not (tmp_path / "b").exists()


def test_yuan2_is_refused_before_the_data_is_read(tmp_path: Path) -> None:
    (tmp_path / "yuan").mkdir()
    yuan = load(released_checkpoint(tmp_path / "yuan"))
    with pytest.raises(ModelError, match=r"不能训练阅读适配器.*--profile embedded"):
        train_reader(yuan, RECIPE, [tmp_path / "nowhere"], tmp_path / "b", dev_path=None)


@pytest.mark.parametrize(
    "wrong",
    [{"rank": 0}, {"epochs": 0}, {"epochs": 1.5}, {"learning_rate": 0}, {"head_rate": float("nan")}, {"warmup_steps": 0},
     {"batch_tokens": 1}, {"first_layer": 18}, {"first_layer": -1}, {"depth": 0}, {"max_steps": -1}, {"seed": 2**32}],
    ids=str,
)  # fmt: skip
def test_a_recipe_out_of_range_names_its_option(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(SettingsError, match=rf"--{name.replace('_', '-')}\b.*收到"):
        ReaderRecipe(**wrong)


def test_the_command_line_trains_a_reader(
    folder: Path, data: Path, dev: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "adapter"
    command = ["train", "--task", "reader", "--llm", str(folder), "--dtype", "float32", "--threads", "1"]
    command += ["--data", str(data), "--dev", str(dev), "--output", str(output)]
    command += ["--first-layer", "0", "--depth", "2", "--max-steps", "3", "--rank", "2", "--epochs", "1"]
    assert main(command) == 0
    assert str(output) in capsys.readouterr().out
    assert json.loads((output / "yuanzhi.json").read_text("utf-8"))["recipe"]["learning_rate"] == 3e-4
    assert main(command) == 1
    assert "已经有一个适配器" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--task", "reader", "--data", "nowhere.jsonl"], 1, "nowhere.jsonl"),
        (
            ["--task", "reader", "--data", "nowhere.jsonl", "--dropout", "0.1", "--join", "1"],
            2,
            "--dropout、--join",
        ),
        (["--data", "a", "--max-steps", "3"], 2, "--task resume 没有这些参数：--max-steps"),
        (["--data", "a", "b"], 2, "只用一个数据文件"),
        (["--data", "a", "--start-from", "elsewhere"], 1, "elsewhere 里没有 --format json 的适配器"),
        (["--task", "reader", "--data", "a", "--start-from", "nowhere"], 1, "nowhere"),
        (["--task", "reader", "--data", "a", "--epochs", "0.5"], 2, "--epochs 应为不小于 1 的整数，收到 0.5"),
        (["--task", "reader", "--data", "a", "--epochs", "many"], 2, "应为数"),
        (["--task", "poet", "--data", "a"], 2, "--task"),
        (["--task", "reader", "--data"], 2, "--data"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line_and_its_code(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    small = ["--first-layer", "0", "--depth", "2"] if {"nowhere", "nowhere.jsonl"} & {*arguments} else []
    common = ["--llm", str(folder), "--dtype", "float32", "--threads", "1", "--output", str(tmp_path / "o"), *small]
    assert main(["train", *common, *arguments]) == code
    captured = capsys.readouterr()
    assert says in captured.err.splitlines()[-1]
    assert "Traceback" not in captured.err
    assert not captured.out


def test_options_left_out_are_each_tasks_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from src import __main__ as program
    from src.training.recipe import recipe_of

    for task, recipe in (("resume", Recipe(rank=3)), ("reader", ReaderRecipe(rank=3))):
        given = program._parser("x").parse_args(
            ["train", "--task", task, "--data", "a", "--output", "b", "--rank", "3"]
        )
        assert recipe_of(given) == recipe
    given = program._parser("x").parse_args(["train", "--data", "a", "--output", "b", "--epochs", "2"])
    assert recipe_of(given) == Recipe(epochs=2.0)
    assert isinstance(recipe_of(given).epochs, float)
