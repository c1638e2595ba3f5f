"""An extraction evaluation as lines to print; runs stand side by side."""

from collections.abc import Sequence

from src.evaluation.columns import left, right
from src.evaluation.extraction import Counts, Evaluation
from src.evaluation.mistakes import KINDS, count_mistakes, describe, most_informative
from src.extraction.schema import LABELS

_NAME, _CELL = 10, 8


def table(evaluations: Sequence[Evaluation]) -> str:
    """Precision, recall and F1 in percent by label, then validity, time, mistakes and calibration of each run."""
    names = "".join(right(_name(run), 3 * _CELL) for run in evaluations)
    head = "".join(right(title, _CELL) for title in ("精确率", "召回率", "F1") * len(evaluations))
    lines = [left("", _NAME + _CELL) + names, left("类别", _NAME) + right("标注", _CELL) + head]
    for label in LABELS:
        lines.append(_row(label, [run.scores.labels[label] for run in evaluations]))
    lines.append(_row("合计", [run.scores.micro for run in evaluations]))
    for run in evaluations:
        lines += ["", _name(run), *_facts(run)]
    return "\n".join(lines)


def mistakes_text(run: Evaluation, examples: int) -> str:
    """How many mistakes of each kind under each label, then the ``examples`` most informative wrong texts."""
    counts = count_mistakes(run.scores.wrong)
    lines = [
        f"{_name(run)}的错误：漏掉；多出；边界（同一类别、部分重叠）；类别（同一片段、另一类别）",
        left("类别", _NAME) + "".join(right(name, _CELL) for name in KINDS.values()),
    ]
    for label in LABELS:
        cells = "".join(right(str(counts[kind, label]), _CELL) for kind in KINDS)
        lines.append(left(label, _NAME) + cells)
    for wrong in most_informative(run.scores.wrong, examples):
        lines += ["", describe(wrong)]
    return "\n".join(lines)


def _facts(run: Evaluation) -> list[str]:
    scores = run.scores
    kinds = count_mistakes(scores.wrong)
    totals = {kind: sum(kinds[kind, label] for label in LABELS) for kind in KINDS}
    refused = f"（{run.failed} 份不能用）" if run.failed else ""
    lines = [
        f"  有效的结果 {scores.valid}/{scores.texts} = {100 * scores.validity:.1f}%{refused}",
        f"  逐字的片段 {scores.verbatim}/{scores.spans} = {100 * scores.verbatim_share:.1f}%",
        f"  每份 {run.mean_s:.3f} 秒" + _spread(run),
        "  错误 " + "，".join(f"{name} {totals[kind]}" for kind, name in KINDS.items()),
    ]
    calibration = scores.calibration
    if calibration is not None:
        lines.append(f"  置信度的期望校准误差 {100 * calibration.expected_error:.1f}%")
        lines.append("  " + "".join(right(title, 12) for title in ("置信度", "片段", "平均置信度", "正确率")))
        for one in calibration.bins:
            if one.count:
                cells = (
                    f"{one.low:.1f}–{one.low + 0.1:.1f}",
                    str(one.count),
                    _percent(one.confidence),
                    _percent(one.accuracy),
                )
                lines.append("  " + "".join(right(cell, 12) for cell in cells))
    return lines


def _spread(run: Evaluation) -> str:
    if run.seconds:
        return f"，p50 {run.percentile_s(50):.3f}，p95 {run.percentile_s(95):.3f}（一份一份地做）"
    return f"（一次全交给服务，{run.scores.texts} 份共 {run.total_s:.1f} 秒）"


def _name(run: Evaluation) -> str:
    return "适配器" if run.adapter else "基座模型"


def _row(name: str, counts: Sequence[Counts]) -> str:
    cells = "".join(_shares(one) for one in counts)
    return left(name, _NAME) + right(str(counts[0].gold), _CELL) + cells


def _shares(counts: Counts) -> str:
    """Dashes where there was nothing to find and nothing was found: 0 would look like a failure."""
    if not counts.gold and not counts.predicted:
        return right("—", _CELL) * 3
    return "".join(right(_percent(share), _CELL) for share in (counts.precision, counts.recall, counts.f1))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
