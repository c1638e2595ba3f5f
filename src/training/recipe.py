"""Hyper-parameters, in one place: training, command line and model card read them here."""

import argparse
import math
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from src.errors import SettingsError


def _option(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True)
class Recipe:
    """The course's hyper-parameters are the defaults; the command line's options are made of these fields."""

    format: Literal["json", "labels"] = _option(
        "json", "json：像课程那样写出 JSON；labels：逐字标注，一次前向，不生成"
    )
    epochs: float = _option(3.0, "轮数")
    rank: int = _option(8, "LoRA 的秩")
    alpha: int = _option(32, "LoRA 的 alpha")
    dropout: float = _option(0.1, "LoRA 的 dropout")
    learning_rate: float = _option(5e-5, "学习率，线性降到 0")
    batch_size: int = _option(12, "每个设备每步的例数")
    accumulate: int = _option(1, "攒几步更新一次")
    max_tokens: int = _option(384, "更长的例子整条不用（从不截断），会报告有几条")
    warmup: float = _option(0.0, "学习率上升的步数所占的比例，小于 1")
    join: float = _option(0.0, "另加由相邻 2 到 4 条连成的例子，它们的条数与总条数之比（labels）")
    dev_limit: int = _option(0, "每轮之后最多量几条验证数据，0 为全部")
    seed: int = _option(42, "随机种子")

    def __post_init__(self) -> None:
        least = {
            "epochs": 0,
            "learning_rate": 0,
            "rank": 1,
            "alpha": 1,
            "batch_size": 1,
            "accumulate": 1,
            "max_tokens": 16,
        }
        for name, smallest in least.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= smallest and value):
                raise SettingsError(f"--{name.replace('_', '-')} 应是不太小的数，收到 {getattr(self, name)}")
        for name in ("dropout", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"--{name} 应在 0 到 1 之间，收到 {getattr(self, name)}")
        if not 0 <= self.seed < 2**32:
            raise SettingsError(f"--seed 应在 0 到 2³² 之间，收到 {self.seed}")
        if self.join and self.format == "json":
            raise SettingsError("--join 只用于 --format labels")
        if not 0 <= self.join <= 10 or self.dev_limit < 0:
            raise SettingsError("--join 应在 0 到 10 之间，--dev-limit 不能小于 0")


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """One ``--name`` for each field."""
    for one in fields(Recipe):
        choices = get_args(one.type)
        parser.add_argument(
            f"--{one.name.replace('_', '-')}",
            type=str if choices else type(one.default),
            choices=choices or None,
            default=one.default,
            metavar=None if choices else one.name.upper(),
            help=f"{one.metadata['help']}（默认 {one.default}）",
        )


def recipe_of(given: argparse.Namespace) -> Recipe:
    """Raises SettingsError for a value out of range."""
    return Recipe(**{one.name: getattr(given, one.name) for one in fields(Recipe)})
