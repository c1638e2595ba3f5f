"""Examples a second and F1 after them: the course's script as printed beside ours, same model, same sentences.

    python -m benchmarks.training --data ../shared/data/resume_ner/train.json --dev ../shared/data/resume_ner/dev.json

The course's way: the whole instruction with an example before every resume, batches of 12 in random order padded to
384 tokens at most (longer ones cut), gradient checkpointing always, logits and loss through the model's own forward
over every token. Every way runs in a process of its own, one after the other, from the same base and seed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WAYS = ("course", "json", "labels")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--examples", type=int, default=96, help="sentences to learn from, one epoch")
    parser.add_argument("--dev-examples", type=int, default=30)
    parser.add_argument("--learning-rate", type=float, default=4e-4)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--only", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(json.dumps(measure(given.only, given)))
        return
    rows = []
    for way in given.ways.split(","):
        command = [sys.executable, "-m", "benchmarks.training", *sys.argv[1:], "--only", way]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows.append((way, json.loads(done.stdout.splitlines()[-1])))
    slowest = rows[0][1]["examples_per_s"]
    print(f"{'way':8}{'examples/s':>12}{'ratio':>8}{'tokens/example':>16}{'peak GB':>9}{'dev F1':>8}")
    for way, row in rows:
        print(
            f"{way:8}{row['examples_per_s']:12.3f}{row['examples_per_s'] / slowest:8.2f}{row['tokens']:16.0f}"
            f"{row['peak_gb']:9.1f}{100 * row['f1']:8.1f}"
        )


def measure(way: str, given: argparse.Namespace) -> dict[str, float]:
    """Train one epoch over the first sentences, then measure on the held-out ones."""
    import resource

    from src.runtime import Runtime
    from src.settings import load_settings
    from src.training.recipe import Recipe
    from src.training.run import train

    local = Runtime(load_settings(profile="embedded")).trainable_model()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, dev = folder / "data.json", folder / "dev.json"
        rows = json.loads(given.data.read_text("utf-8"))[: given.examples]
        dev_rows = json.loads(given.dev.read_text("utf-8"))
        chosen = dev_rows[:: max(1, len(dev_rows) // given.dev_examples)][: given.dev_examples]
        dev.write_text(json.dumps(chosen), "utf-8")
        if way == "course":
            result = _course(local, rows, dev, folder / "out", given)
        else:
            data.write_text(json.dumps(rows), "utf-8")
            recipe = Recipe(format=way, epochs=1, learning_rate=given.learning_rate, rank=given.rank)  # type: ignore[arg-type]
            about = train(local, recipe, data, folder / "out", dev_path=dev)
            result = {
                "seconds": about["scores"]["training_s"],
                "f1": about["scores"]["dev_f1"],
                "tokens": about["data"]["tokens"] / about["data"]["examples"],
            }
    return {
        "examples_per_s": len(rows) / result["seconds"],
        "f1": result["f1"],
        "tokens": result["tokens"],
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def _course(
    local: Any, rows: list[dict[str, Any]], dev: Path, output: Path, given: argparse.Namespace
) -> dict[str, float]:
    """Day 3's script in this model's prompt format."""
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    from src.extraction.labelled import parse_labelled, read_labelled
    from src.extraction.prompt import Template
    from src.extraction.schema import LABELS, render_entities
    from src.models.adapters import AdapterManifest
    from src.training.recipe import Recipe
    from src.training.run import add_adapter, measure_f1

    example = {
        "姓名": ["林晓岚"],
        "种族": ["回族"],
        "职位": ["副总经理"],
        "教育背景": ["工学硕士"],
        "组织名": ["江淮精工集团"],
    }
    # Task, requirement, example, resume, reminder: the parts and about the length of the course's prompt.
    template = Template(
        "# 任务\n你是简历助手，请找出简历里所有的实体，写成 JSON。\n\n# 要求\n类别有：" + "、".join(LABELS) + "。"
        "返回一个字典，键是类别，值是实体的列表。\n\n# 样例\n输入：林晓岚，女，回族，工学硕士，现任江淮精工集团副总经理。\n输出："
        + render_entities(example) + "\n\n# 当前简历\n",
        "\n\n# 重述\n请参考样例，按照要求，找出当前简历里所有的实体，以 JSON 返回。",
    )  # fmt: skip
    end = local.tokenizer.eos_token_id
    dataset = []
    for row in rows:
        one = parse_labelled(row)
        answer = render_entities({label: [s.text for s in one.spans if s.label == label] for label in LABELS})
        prompt = local.prompt_format(template.messages(one.text))
        response = [*local.prompt_format.encode(answer), end]
        ids, labels = prompt + response, [-100] * len(prompt) + response
        dataset.append({"input_ids": ids[:384], "attention_mask": [1] * len(ids[:384]), "labels": labels[:384]})
    add_adapter(local, Recipe(rank=given.rank))
    local.model.enable_input_require_grads()
    arguments = TrainingArguments(
        output_dir=str(output),
        per_device_train_batch_size=12,
        num_train_epochs=1,
        learning_rate=given.learning_rate,
        activation_checkpointing=True,
        bf16=True,
        use_cpu=local.model.device.type == "cpu",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    collator = DataCollatorForSeq2Seq(local.tokenizer, padding=True)
    trainer = Trainer(model=local.model, args=arguments, train_dataset=dataset, data_collator=collator)
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
    manifest = AdapterManifest(local.name, "", "json", (template.before, template.after))
    f1 = measure_f1(local, manifest, read_labelled(dev))
    return {"seconds": seconds, "f1": f1, "tokens": sum(len(d["input_ids"]) for d in dataset) / len(dataset)}


if __name__ == "__main__":
    main()
