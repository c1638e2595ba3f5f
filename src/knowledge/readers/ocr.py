"""Text of pictures, recognised by RapidOCR with the Chinese models of its package."""

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from PIL import Image
from rapidocr import RapidOCR

from src.knowledge.readers.flow import join_lines

# RapidOCR shrinks what is larger; longer pictures (of a whole chat, of a web page) are read in strips.
MAX_SIDE = 2_000
STRIP = 1_600
_SEAM = 400


def recognise(image: Image.Image) -> str:
    """Paragraphs of the text in an RGB or grey picture."""
    return join_lines([line for strip in strips(image) for line in _lines(np.asarray(strip.convert("RGB")))])


def strips(image: Image.Image) -> Iterator[Image.Image]:
    """The picture, no side above ``MAX_SIDE``; a tall one in strips, cut where the rows are plainest."""
    if image.height <= 2 * image.width or image.height <= MAX_SIDE:
        image.thumbnail((MAX_SIDE, MAX_SIDE))
        yield image
        return
    if image.width > STRIP:
        image = image.resize((STRIP, image.height * STRIP // image.width))
    top = 0
    while image.height - top > MAX_SIDE:
        rows = np.asarray(image.crop((0, top + STRIP - _SEAM, image.width, top + STRIP)).convert("L"))
        plainest = int(rows.std(axis=1).argmin())
        bottom = top + STRIP - _SEAM + plainest + 1
        yield image.crop((0, top, image.width, bottom))
        top = bottom
    yield image.crop((0, top, image.width, image.height))


def strip_count(width: int, height: int) -> int:
    """How many strips there will be at most."""
    if height <= 2 * width or height <= MAX_SIDE:
        return 1
    return 1 + height * min(STRIP, width) // width // (STRIP - _SEAM)


def _lines(pixels: np.ndarray) -> Iterator[str]:
    """Boxes beside each other are one line."""
    found = _engine()(pixels)
    if not found.txts:
        return
    boxes = sorted(zip(found.boxes, found.txts, strict=True), key=lambda pair: float(pair[0][:, 1].mean()))
    line: list[tuple[float, str]] = []
    middle = 0.0
    for box, text in boxes:
        top, bottom = float(box[:, 1].min()), float(box[:, 1].max())
        if line and not top < middle < bottom:
            yield _line(line)
            line = []
        if not line:
            middle = (top + bottom) / 2
        line.append((float(box[:, 0].min()), text))
    yield _line(line)


def _line(parts: Sequence[tuple[float, str]]) -> str:
    return "  ".join(text for _, text in sorted(parts))


@lru_cache(1)
def _engine() -> Any:
    """Loaded once; as many threads as ``OMP_NUM_THREADS`` says, else two."""
    cores = os.cpu_count() or 1
    threads = max(1, min(cores, int(os.environ.get("OMP_NUM_THREADS", "2"))))
    cv2.setNumThreads(threads)
    onnx = "EngineConfig.onnxruntime"
    return RapidOCR(
        params={
            "Global.log_level": "error",
            f"{onnx}.intra_op_num_threads": threads,
            f"{onnx}.inter_op_num_threads": 1,
        }
    )
