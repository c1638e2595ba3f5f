"""One training of a reader: articles in, a calibrated adapter folder out."""

import json
import logging
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from src.errors import InputError, ModelError, SettingsError
from src.evaluation.reading import Judged, check_both, fit_calibration, score
from src.models.adapters import MANIFEST_FILE, AdapterManifest, fingerprint, read_manifest
from src.models.engine import Engine
from src.models.reading import HEAD_FILE, Read, load_head, read
from src.models.tagging import batches
from src.training.folder import WEIGHTS_FILE, claim, finish, processes, sha256
from src.training.questions import NEAR, Article, Target, Window, read_articles, windows, with_near
from src.training.reader import learn, learned
from src.training.recipe import ReaderRecipe, command_of

log = logging.getLogger(__name__)

ADAPTER = "reader"
_LEARNED = "learned"
_HELD_OUT_SHARE, _HELD_OUT_LEAST = 0.05, 20
# Data known by the beginnings of their files' names; what they ask of whoever passes an adapter on.
LICENCES = {
    "cmrc2018": {"name": "CMRC 2018", "licence": "CC BY-SA 4.0", "url": "https://github.com/ymcui/cmrc2018"},
    "drcd": {"name": "DRCD", "licence": "CC BY-SA 3.0", "url": "https://github.com/DRCKnowledgeTeam/DRCD"},
}


@dataclass(frozen=True)
class Held:
    """Held-out windows; every question stands once in a window.

    ``articles`` are how many they come from.
    """

    articles: int
    windows: list[Window]

    @property
    def targets(self) -> list[Target]:
        return [target for window in self.windows for target in window.targets]


def train_reader(
    local: Engine,
    recipe: ReaderRecipe,
    data_paths: Sequence[Path],
    output: Path,
    *,
    dev_path: Path | None,
    start_from: Path | None = None,
    learned_in: Path | None = None,
) -> dict[str, Any]:
    """Train a reader of ``local``, which must be dense, calibrate it on one half of the held-out articles, score it on
    the other, and put it into ``output`` with its manifest, card and curve. A run that was killed goes on when it is
    started again in the same way.

    Args:
        start_from: a reader of the same base and layers, whose training goes on.
        learned_in: a folder in which ``learn`` has finished with just this data and recipe; it is left as it is.

    Returns:
        What the manifest holds beside the base: data, recipe, scores.

    Raises:
        InputError: the data cannot be used, or ``output`` belongs to another run.
        ModelError: the base model cannot be trained.
        SettingsError: the recipe does not fit the base, or there are several processes.
    """
    check_base(local, recipe)
    if learned_in and learned(learned_in) is None:
        raise InputError(f"{learned_in} 里没有训练完的阅读适配器")
    assert local.path is not None
    before = _before(start_from, local, recipe) if start_from else None
    files = [(path, read_articles(path)) for path in data_paths]
    articles, dev = _split([one for _, some in files for one in some], dev_path, recipe)
    halves = [_held(half) for half in _halves(dev, recipe.seed)]
    for half in halves:
        answered = sum(target.span is not None for target in half.targets)
        check_both(answered, len(half.targets) - answered)
    about: dict[str, Any] = {
        "data": [{"file": path.name, "sha256": sha256(path), **_count(some)} for path, some in files],
        "dev": {
            "file": dev_path.name if dev_path else None,
            "sha256": sha256(dev_path) if dev_path else None,
            **_count(dev),
        },
        "learned": _count(articles),
        "recipe": asdict(recipe),
        "started_from": before,
        "command": command_of(recipe, data_paths, dev_path, output, start_from),
        "licences": [known for name, known in LICENCES.items() if _is_used(name, known, data_paths, before)],
    }  # fmt: skip
    manifest = AdapterManifest(local.name, fingerprint(local.path), "spans", depth=recipe.depth)
    claim(
        output,
        {
            "task": recipe.task,
            **{name: about[name] for name in ("data", "dev", "recipe", "started_from")},
            "base": manifest.fingerprint,
            "dtype": str(local.model.dtype),
        },
    )
    folder = learned_in or output / _LEARNED
    curve = learned(folder)
    if curve is None:
        folder.mkdir(parents=True, exist_ok=True)
        made = windows(articles, recipe.seed, recipe.epochs)
        curve = learn(local.model, local.reader_encoder, made, recipe, folder, start_from)
    local.add_adapter(ADAPTER, folder)
    first, second = halves
    log.info("在 %d 篇文章的 %d 个问题上校准", first.articles, len(first.targets))
    calibration = fit_calibration(
        [one.features for one in _read(local, folder, first, recipe.depth)],
        [target.span is not None for target in first.targets],
    )
    manifest = replace(manifest, calibration=calibration)
    log.info("在另外 %d 篇文章的 %d 个问题上打分", second.articles, len(second.targets))
    found = _read(local, folder, second, recipe.depth)
    texts = [window.text for window in second.windows for _ in window.targets]
    scores = score(
        [
            Judged(text[one.start : one.end], one.calibrated(calibration).probability, _answers(text, target))
            for text, one, target in zip(texts, found, second.targets, strict=True)
        ]
    )
    about["dev"] |= {
        name: {"articles": half.articles, "windows": len(half.windows), "questions": len(half.targets)}
        for name, half in (("calibrated_on", first), ("scored_on", second))
    }
    about["scores"] = asdict(scores) | {"steps": int(curve[-1]["step"]), "loss": curve[-1]["loss"]}
    finish(folder, output, manifest, about, curve)
    return about


def _before(folder: Path, local: Engine, recipe: ReaderRecipe) -> dict[str, Any]:
    """What the manifest tells of the reader that training starts from.

    Raises:
        ModelError: it is no reader, or one of another base or of other layers.
    """
    manifest = read_manifest(folder)
    if manifest is None or manifest.format != "spans":
        raise ModelError(f"{folder} 里没有阅读适配器（缺少 {MANIFEST_FILE}，或是别的任务的），不能从它接着训练")
    assert local.path is not None
    if (manifest.fingerprint, manifest.depth) != (fingerprint(local.path), recipe.depth):
        raise ModelError(
            f"{folder} 是在 {manifest.base} 的前 {manifest.depth} 层上训练的，不能用在 {local.name} 的前 {recipe.depth} 层上"
        )
    told = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    return {
        "name": folder.resolve().name,
        "sha256": sha256(folder / WEIGHTS_FILE),
        **{name: told.get(name) for name in ("data", "recipe", "licences", "started_from")},
        "steps": told.get("scores", {}).get("steps"),
    }


def _is_used(name: str, known: dict[str, str], data_paths: Sequence[Path], before: dict[str, Any] | None) -> bool:
    """Whether data of that licence is in the adapter, now or from before."""
    now = any(path.name.lower().startswith(name) for path in data_paths)
    return now or known in ((before or {}).get("licences") or [])


def check_base(local: Engine, recipe: ReaderRecipe) -> None:
    """Whether a reader can be trained on this model.

    Raises:
        ModelError: it is built in another way than Qwen and Llama.
        SettingsError: it has fewer layers than the recipe names, or several processes would train.
    """
    decoder: Any = getattr(local.model, "model", None)
    if not all(hasattr(decoder, part) for part in ("embed_tokens", "rotary_emb", "layers")):
        raise ModelError(
            f"模型 {local.name} 不能训练阅读适配器：只支持结构与 Qwen、Llama 相同的模型；"
            "请用 --profile embedded，或用 --llm 指定一个这样的模型"
        )
    if recipe.depth > len(decoder.layers):
        raise SettingsError(f"--depth 应不大于模型的层数 {len(decoder.layers)}，收到 {recipe.depth}")
    if processes() > 1:
        raise SettingsError(f"--task reader 只用一个进程训练，收到 {processes()} 个：请不要用 torchrun")


def _split(
    articles: list[Article], dev_path: Path | None, recipe: ReaderRecipe
) -> tuple[list[Article], list[Article]]:
    """What is learned and what is held out: a file of its own, or a share of the articles. A passage that is held out
    is never learned."""
    if dev_path is not None:
        dev = read_articles(dev_path)
    else:
        count = max(_HELD_OUT_LEAST, int(len(articles) * _HELD_OUT_SHARE))
        if len(articles) < 2 * count:
            raise InputError(
                f"数据太少，留不出验证用的部分：至少要 {2 * count} 篇文章，收到 {len(articles)} 篇；"
                "或用 --dev 另给一个文件"
            )
        dev = random.Random(recipe.seed).sample(articles, count)  # noqa: S311 (no secret)
    held = {article.text for article in dev}
    rest = [article for article in articles if article.text not in held]
    if left_out := len(articles) - len(rest) - (0 if dev_path else len(dev)):
        log.warning("%d 篇文章与验证数据相同，没有用来训练", left_out)
    if not any(asked.answers for article in rest for asked in article.asked):
        raise InputError("没有可以学习的问题：训练的文章都在验证数据里，或都没有答案")
    return rest, dev


def _halves(articles: Sequence[Article], seed: int) -> tuple[list[Article], list[Article]]:
    order = list(articles)
    random.Random(seed).shuffle(order)  # noqa: S311 (no secret)
    return order[: len(order) // 2], order[len(order) // 2 :]


def _held(articles: Sequence[Article]) -> Held:
    """Windows with the look-alikes that a search among these articles would bring."""
    found = []
    for window in with_near(articles, NEAR):
        once: dict[str, Target] = {}
        for target in window.targets:
            if target.question not in once or (target.span and not once[target.question].span):
                once[target.question] = target
        if once:
            found.append(replace(window, targets=tuple(once.values())))
    return Held(len(articles), found)


def _read(local: Engine, folder: Path, held: Held, depth: int) -> list[Read]:
    """In the order of ``held.targets``."""
    head = load_head(folder / HEAD_FILE, local.model.config.hidden_size, local.model.device)
    rows = [
        local.reader_encoder(window.title, window.text, [target.question for target in window.targets])
        for window in held.windows
    ]
    found: dict[int, list[Read]] = {}
    for chosen in batches([len(row.ids) for row in rows]):
        found |= zip(chosen, read(local.model, head, [rows[i] for i in chosen], depth), strict=True)
    return [one for number in range(len(rows)) for one in found[number]]


def _answers(text: str, target: Target) -> tuple[str, ...]:
    if target.span is None:
        return ()
    return target.answers or (text[slice(*target.span)],)


def _count(articles: Sequence[Article]) -> dict[str, int]:
    asked = [one for article in articles for one in article.asked]
    return {
        "articles": len(articles),
        "questions": len(asked),
        "answered": sum(bool(one.answers) for one in asked),
    }
