"""What a reader of an adapter folder sees: the curve and the model card."""

from pathlib import Path
from typing import Any

from src.models.adapters import MANIFEST_FILE, AdapterManifest
from src.models.reading import HEAD_FILE

# Of an adapter that is made of data under this licence, or its version 3.0.
SHARE_ALIKE = "cc-by-sa-4.0"


def write_curve(path: Path, history: list[dict[str, Any]]) -> None:
    """Training loss over the epochs, and entity F1 where it was measured, as a PNG.

    Args:
        history: rows with ``epoch`` and ``loss`` or ``eval_f1``.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 (only after a training)

    figure = Figure(figsize=(7, 4), layout="constrained")
    left = figure.add_subplot()
    losses = [(row["epoch"], row["loss"]) for row in history if "loss" in row]
    scores = [(row["epoch"], 100 * row["eval_f1"]) for row in history if "eval_f1" in row]
    left.plot(*zip(*losses, strict=True), color="tab:blue", linewidth=1) if losses else None
    left.set_xlabel("epoch")
    left.set_ylabel("training loss", color="tab:blue")
    left.set_yscale("log")
    left.grid(alpha=0.3)
    if scores:
        right = left.twinx()
        right.plot(*zip(*scores, strict=True), color="tab:green", marker="o")
        for epoch, f1 in scores:
            right.annotate(f"{f1:.1f}", (epoch, f1), textcoords="offset points", xytext=(0, 6), ha="center")
        right.set_ylabel("held-out entity F1, %", color="tab:green")
    figure.savefig(path, dpi=110)


def write_card(path: Path, manifest: AdapterManifest, about: dict[str, Any]) -> None:
    """A model card in the hub's form: YAML front matter, then what a user must know."""
    front, title, facts, rest = (_reader if manifest.format == "spans" else _resume)(manifest, about)
    lines = "\n".join(f"- **{name}**：{value}" for name, value in facts.items())
    rows = "\n".join(f"| {name} | {value} |" for name, value in about["recipe"].items())
    path.write_text(
        f"""---
base_model: {manifest.base}
library_name: peft
{front}
---

# {title}

- **基座**：{manifest.base}（权重指纹 `{manifest.fingerprint}`；换了基座会拒绝载入）
{lines}
- **命令**：`{about["command"]}`

{rest}

| 超参数 | 值 |
|---|---|
{rows}
""",
        encoding="utf-8",
        errors="replace",
    )


def _resume(manifest: AdapterManifest, about: dict[str, Any]) -> tuple[str, str, dict[str, str], str]:
    data, dev, scores, before = about["data"], about["dev"], about["scores"], about["started_from"]
    front = "pipeline_tag: token-classification\nlanguage: zh\ntags: [lora, information-extraction, resume]"
    facts = {
        "做法": "逐字标注（一次前向，不生成）" if manifest.format == "labels" else "生成 JSON",
        "数据": f"{data['file']}，{data['texts']} 条（sha256 `{data['sha256'][:16]}…`），用于训练的 {data['examples']} 例",
        **({"接着": f"从 {before['name']}（sha256 `{before['sha256'][:16]}…`）训练下去"} if before else {}),
        "验证": f"{dev['file']}，{dev['texts']} 条，实体级 micro F1（边界与类别都对）**{100 * scores['dev_f1']:.2f}**",
    }
    epochs = "\n".join(f"| {row['epoch']:g} | {100 * row['dev_f1']:.2f} |" for row in scores["epochs"])
    rest = f"""用法：`python app.py --adapter 这个目录`。全部参数与分数也在 `{MANIFEST_FILE}` 里。

![曲线](curve.png)

| 轮 | 验证 F1 |
|---:|---:|
{epochs}"""
    return front, "简历信息抽取的 LoRA 适配器", facts, rest


def _reader(manifest: AdapterManifest, about: dict[str, Any]) -> tuple[str, str, dict[str, str], str]:
    data, dev, scores, before = about["data"], about["dev"], about["scores"], about["started_from"]
    front = "pipeline_tag: question-answering\nlanguage: zh\ntags: [lora, extractive-question-answering]"
    if about["licences"]:
        front = f"license: {SHARE_ALIKE}\n{front}"
    facts = {
        "做法": f"指出资料里回答问题的原文，或说没有（一次前向，不生成）；前 {manifest.depth} 层，指针头在 `{HEAD_FILE}`",
        "数据": "；".join(
            f"{one['file']}，{one['articles']} 篇 {one['questions']} 个问题，{one['answered']} 个有答案（sha256 `{one['sha256'][:16]}…`）"
            for one in data
        ) + f"；其中 {about['learned']['articles']} 篇用来学习，另有程序编造的新闻（`src/training/lookalikes.py`）和由它们改成的不能回答的问题",
        **({"接着": f"从 {before['name']}（sha256 `{before['sha256'][:16]}…`，{before['steps']} 步）训练下去"} if before else {}),
        "许可": _licence(about["licences"]),
        "校准": f"{dev['file'] or '留出的数据'} 的一半文章（{dev['calibrated_on']['articles']} 篇，{dev['calibrated_on']['questions']} 个问题），逻辑回归；"
        "下面的分数在另一半文章上量，校准没有用过它们",
    }  # fmt: skip
    answered, unanswered = scores["answered"], scores["unanswered"]
    rest = f"""用法：`python app.py --reader 这个目录`。全部参数与分数也在 `{MANIFEST_FILE}` 里。

验证时每个窗口问自己文章的问题，和与它最接近的别的文章的问题（每个问题取 3 个窗口）。

| 验证（{dev["scored_on"]["articles"]} 篇，{answered} 个能回答、{unanswered} 个不能回答的问题） | |
|---|---:|
| EM | {100 * scores["exact_match"]:.1f} |
| 字 F1 | {100 * scores["f1"]:.1f} |
| 能不能回答，AUC | {scores["auc"]:.3f} |
| 误拒 {100 * scores["refused_wrongly"]:.1f} % 时拒答率（概率低于 {scores["threshold"]:.3f}） | {100 * scores["refused_rightly"]:.1f} |
| 概率的期望校准误差 | {scores["calibration_error"]:.3f} |

![曲线](curve.png)"""
    return front, "阅读理解的 LoRA 适配器", facts, rest


def _licence(licences: list[dict[str, str]]) -> str:
    """Of the data, and so of the adapter."""
    if not licences:
        return "训练数据的许可请看数据的来源；适配器由它得来"
    named = "、".join(f"[{one['name']}]({one['url']})（{one['licence']}）" for one in licences)
    return f"适配器由 CC BY-SA 的数据得来：{named}；因此以 CC BY-SA 4.0 发布，改动后再发布须署名并用同样的许可"
