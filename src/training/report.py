"""What a reader of an adapter folder sees: the curve and the model card."""

from pathlib import Path
from typing import Any

from src.language.adapters import MANIFEST_FILE, AdapterManifest


def write_curve(path: Path, history: list[dict[str, Any]]) -> None:
    """Training loss and entity F1 over the epochs, as a PNG.

    Args:
        history: the Trainer's log, rows with ``epoch`` and ``loss`` or ``eval_f1``.
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
    right = left.twinx()
    right.plot(*zip(*scores, strict=True), color="tab:green", marker="o") if scores else None
    for epoch, f1 in scores:
        right.annotate(f"{f1:.1f}", (epoch, f1), textcoords="offset points", xytext=(0, 6), ha="center")
    right.set_ylabel("held-out entity F1, %", color="tab:green")
    figure.savefig(path, dpi=110)


def write_card(path: Path, manifest: AdapterManifest, about: dict[str, Any]) -> None:
    """A model card in the hub's form: YAML front matter, then what a user must know."""
    recipe, data, scores = about["recipe"], about["data"], about["scores"]
    how = "逐字标注（一次前向，不生成）" if manifest.format == "labels" else "生成 JSON"
    rows = "\n".join(f"| {name} | {value} |" for name, value in recipe.items())
    epochs = "\n".join(f"| {row['epoch']:g} | {100 * row['dev_f1']:.2f} |" for row in scores["epochs"])
    path.write_text(
        f"""---
base_model: {manifest.base}
library_name: peft
pipeline_tag: token-classification
language: zh
tags: [lora, information-extraction, resume]
---

# 简历信息抽取的 LoRA 适配器

- **基座**：{manifest.base}（权重指纹 `{manifest.fingerprint}`；换了基座会拒绝载入）
- **做法**：{how}
- **数据**：{data["file"]}，{data["texts"]} 条（sha256 `{data["sha256"][:16]}…`），用于训练的 {data["examples"]} 例
- **验证**：{about["dev"]["file"]}，{about["dev"]["texts"]} 条，实体级 micro F1（边界与类别都对）**{100 * scores["dev_f1"]:.2f}**
- **命令**：`{about["command"]}`

用法：`python app.py --adapter 这个目录`。全部参数与分数也在 `{MANIFEST_FILE}` 里。

![曲线](curve.png)

| 轮 | 验证 F1 |
|---:|---:|
{epochs}

| 超参数 | 值 |
|---|---|
{rows}
""",
        encoding="utf-8",
    )
