"""Hyper-parameters, in one place: training, command line and model card read them here."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from src.errors import SettingsError


def _option(
    default: Any,
    help_text: str,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    below: float = math.inf,
    most: float = math.inf,
) -> Any:
    """A field with its help and its range, which is checked where a recipe is made."""
    return field(
        default=default,
        metadata={"help": help_text, "above": above, "least": least, "below": below, "most": most},
    )


@dataclass(frozen=True)
class _Checked:
    """A recipe whose fields are numbers within their ranges, or one of the words of a ``Literal``."""

    task: ClassVar[str]

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if choices := get_args(one.type):
                if value not in choices:
                    raise SettingsError(f"{option(one.name)} 应为 {' 或 '.join(choices)}，收到 {value}")
                continue
            limits = one.metadata
            inside = limits["above"] < value < limits["below"] and limits["least"] <= value <= limits["most"]
            a_number = isinstance(value, int) if isinstance(one.default, int) else math.isfinite(value)
            if not (inside and a_number):
                raise SettingsError(f"{option(one.name)} 应为{_range(one)}，收到 {value}")


@dataclass(frozen=True)
class Recipe(_Checked):
    """The resume adapter's: the course's hyper-parameters are the defaults."""

    task = "resume"

    format: Literal["json", "labels"] = _option(
        "json", "json：像课程那样写出 JSON；labels：逐字标注，一次前向，不生成"
    )
    epochs: float = _option(3.0, "轮数", above=0)
    rank: int = _option(8, "LoRA 的秩", least=1)
    alpha: int = _option(32, "LoRA 的 alpha", least=1)
    dropout: float = _option(0.1, "LoRA 的 dropout", least=0, below=1)
    learning_rate: float = _option(5e-5, "学习率，线性降到 0", above=0)
    weight_decay: float = _option(0.0, "权重衰减", least=0, below=1)
    batch_size: int = _option(12, "每个设备每步的例数", least=1)
    accumulate: int = _option(1, "攒几步更新一次", least=1)
    max_tokens: int = _option(384, "更长的例子整条不用（从不截断），会报告有几条", least=16)
    warmup: float = _option(0.0, "学习率上升的步数所占的比例，小于 1", least=0, below=1)
    join: float = _option(0.0, "另加由相邻 2 到 4 条连成的例子，它们的条数与总条数之比（labels）", least=0, most=10)
    forms: float = _option(
        0.0, "另加由几条的实体排成的“标签：值”一类的表，它们的条数与总条数之比（labels）", least=0, most=10
    )
    dev_limit: int = _option(0, "每轮之后最多量几条验证数据，0 为全部", least=0)
    seed: int = _option(42, "随机种子", least=0, below=2**32)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("join", "forms"):
            if getattr(self, name) and self.format == "json":
                raise SettingsError(f"{option(name)} 只用于 --format labels")


@dataclass(frozen=True)
class ReaderRecipe(_Checked):
    """The reader's. LoRA sits on the layers from ``first_layer`` to before ``depth``; those above are not run."""

    task = "reader"

    epochs: int = _option(3, "轮数，每轮重新抽问题、改问题", least=1)
    rank: int = _option(16, "LoRA 的秩", least=1)
    alpha: int = _option(32, "LoRA 的 alpha", least=1)
    learning_rate: float = _option(3e-4, "LoRA 的学习率，线性降到 2%", above=0)
    head_rate: float = _option(1e-3, "指针头的学习率", above=0)
    weight_decay: float = _option(0.01, "权重衰减", least=0, below=1)
    warmup_steps: int = _option(50, "学习率在前几步上升", least=1)
    batch_tokens: int = _option(1400, "每步的 token 数，连同补齐的", least=64)
    first_layer: int = _option(8, "从第几层（从 0 数）起有 LoRA", least=0)
    depth: int = _option(18, "只用前几层，上面的不算", least=1)
    max_steps: int = _option(0, "最多几步，0 为全部数据", least=0)
    seed: int = _option(42, "随机种子", least=0, below=2**32)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first_layer >= self.depth:
            raise SettingsError(f"--first-layer 应小于 --depth（{self.depth}），收到 {self.first_layer}")


RECIPES: dict[str, type[Recipe] | type[ReaderRecipe]] = {one.task: one for one in (Recipe, ReaderRecipe)}
DEFAULT_TASK = Recipe.task


def option(name: str) -> str:
    """A field's name on the command line."""
    return f"--{name.replace('_', '-')}"


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """``--task``, and one ``--name`` for each field that some task's recipe has."""
    parser.add_argument(
        "--task",
        choices=tuple(RECIPES),
        default=DEFAULT_TASK,
        help=f"resume：简历抽取；reader：阅读，指出原文里的答案（默认 {DEFAULT_TASK}）",
    )
    for name, by_task in _options().items():
        kinds = {type(one.default) for one in by_task.values()}
        choices = [choice for one in by_task.values() for choice in get_args(one.type)]
        helps = "；".join(dict.fromkeys(one.metadata["help"] for one in by_task.values()))
        defaults = "，".join(f"{task} {one.default}" for task, one in by_task.items())
        parser.add_argument(
            option(name),
            type=str if choices else _number if len(kinds) > 1 else kinds.pop(),
            choices=choices or None,
            default=argparse.SUPPRESS,
            metavar=None if choices else name.upper(),
            help=f"{helps}（默认 {defaults}）".replace("%", "%%"),
        )


def recipe_of(given: argparse.Namespace) -> Recipe | ReaderRecipe:
    """The chosen task's recipe.

    Raises:
        SettingsError: a value is out of range, or an option belongs to another task.
    """
    recipe = RECIPES[given.task]
    known = {name: getattr(given, name) for name in _options() if hasattr(given, name)}
    own = {one.name: one.default for one in fields(recipe)}
    if foreign := known.keys() - own.keys():
        raise SettingsError(f"--task {given.task} 没有这些参数：{'、'.join(map(option, sorted(foreign)))}")
    values: dict[str, Any] = {
        name: float(value) if isinstance(own[name], float) else value for name, value in known.items()
    }
    return recipe(**values)


def command_of(
    recipe: Recipe | ReaderRecipe,
    data: Sequence[Path],
    dev: Path | None,
    output: Path,
    start_from: Path | None = None,
) -> str:
    """The command that makes the same adapter. Not what was typed: that may hold keys and paths of one machine."""
    words = ["python -m src train"]
    words += [f"--task {recipe.task}"] if recipe.task != DEFAULT_TASK else []
    words += ["--data", *(path.name for path in data)]
    words += ["--dev", dev.name] if dev else []
    words += ["--start-from", start_from.resolve().name] if start_from else []
    words += ["--output", output.name]
    for one in fields(recipe):
        value = getattr(recipe, one.name)
        if value != one.default:
            words.append(f"{option(one.name)} {value}")
    return " ".join(words).encode("utf-8", "replace").decode()


def _options() -> dict[str, dict[str, "Field[Any]"]]:
    """Field names, each with the tasks that have it."""
    found: dict[str, dict[str, Field[Any]]] = {}
    for task, recipe in RECIPES.items():
        for one in fields(recipe):
            found.setdefault(one.name, {})[task] = one
    return found


def _number(text: str) -> float:
    """Whole where it is written so: one task may count what another measures."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise argparse.ArgumentTypeError(f"应为数，收到 {text!r}")


def _range(one: "Field[Any]") -> str:
    """What a field may be, in words."""
    limits = one.metadata
    words = {"above": "大于 {:.12g}", "least": "不小于 {:.12g}", "below": "小于 {:.12g}", "most": "不大于 {:.12g}"}
    said = "、".join(form.format(limits[name]) for name, form in words.items() if math.isfinite(limits[name]))
    return f"{said} 的{'整数' if isinstance(one.default, int) else '数'}"
