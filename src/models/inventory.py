"""The table of what was loaded: part, source, device, dtype, size, seconds."""

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HEADER = ("部件", "来自", "设备", "精度", "GB", "秒")


class Footprint(NamedTuple):
    """Where something lies, in which dtypes, and its size; the most common first."""

    device: str
    dtype: str
    nbytes: int


class Part(NamedTuple):
    """One thing that was loaded; ``seconds`` is what loading it took."""

    what: str
    source: str
    footprint: Footprint
    seconds: float


def footprint_of(model: Any) -> Footprint:
    """Of a ``torch.nn.Module``'s parameters, buffers and packed matrices, each counted once."""
    sizes: dict[tuple[str, str], int] = {}
    for device, dtype, nbytes in _pieces(model):
        sizes[device, dtype] = sizes.get((device, dtype), 0) + nbytes
    total = sum(sizes.values())
    # Not the few numbers that a model counts positions with.
    ordered = sorted((kind for kind in sizes if sizes[kind] > total / 100), key=lambda kind: -sizes[kind])
    devices, dtypes = dict.fromkeys(d for d, _ in ordered), dict.fromkeys(t for _, t in ordered)
    return Footprint("+".join(devices), "+".join(dtypes), total)


def files_of(path: Path) -> int:
    """The size of a folder's files, or of one file."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.glob("*") if file.is_file())


def table(parts: Sequence[Part]) -> str:
    """Lines for the log, columns aligned as a terminal shows Chinese."""
    rows = [HEADER]
    for what, source, (device, dtype, nbytes), seconds in parts:
        size = f"{nbytes / 1e9:.2f}" if nbytes else ""
        rows.append((what, source, device, dtype, size, f"{seconds:.1f}"))
    total = sum(part.footprint.nbytes for part in parts)
    rows.append(("合计", "", "", "", f"{total / 1e9:.2f}", ""))
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _pieces(model: Any) -> Iterator[tuple[str, str, int]]:
    for tensor in {id(t): t for t in (*model.parameters(), *model.buffers())}.values():
        yield str(tensor.device), str(tensor.dtype).removeprefix("torch."), tensor.numel() * tensor.element_size()
    for module in model.modules():
        if "packed" in vars(module):  # laid out for the CPU's kernels, and no longer a parameter
            int8 = hasattr(module, "weight")  # int8.Int8Linear keeps an empty one; yuan.cpu.PackedLinear has none
            dtype, width = ("int8", 1) if int8 else ("bfloat16", 2)
            yield "cpu", dtype, module.out_features * module.in_features * width


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
