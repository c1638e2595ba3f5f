"""Text of pictures, recognised by RapidOCR with the Chinese models of its package."""

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, cast

import cv2
import numpy as np
from PIL import Image
from rapidocr import RapidOCR

from src.ingest.readers.flow import join_lines
from src.ingest.readers.grid import grids, table_of
from src.ingest.readers.layout import Piece, columns_of, lines_of, open_tables
from src.ingest.readers.tables import table_lines
from src.ingest.report import note

# RapidOCR shrinks what is larger; longer pictures (of a whole chat, of a web page) are read in strips.
MAX_SIDE = 2_000
STRIP = 1_600
_SEAM = 400
# A box so much higher than wide is a line that stands on its side.
TALL = 1.3
# Degrees by which lines lean: below the first they are read as they are, above the other they are set so.
MIN_LEAN, MAX_LEAN = 0.7, 20.0
# Texts by which it is told whether a picture stands on its head.
PROBES = 5
# Lines that are recognised less surely than this are said to be; less surely than the other, they are no text.
UNSURE = 0.7
DROPPED = 0.4


def recognise(image: Image.Image) -> str:
    """Paragraphs and rows of ruled tables in an RGB or grey picture, columns one after the other."""
    parts = [part for strip in strips(image) for part in _parts(np.asarray(strip.convert("RGB")))]
    texts = []
    for is_table, group in groupby(parts, key=lambda part: isinstance(part, list)):
        if is_table:
            texts += [line for lines in group for line in cast(list[str], lines)]
        else:
            texts.append("\n".join(cast(Iterator[str], group)))
    return "\n".join(filter(None, texts))


def upright_lines(image: Image.Image) -> tuple[Image.Image, list[Piece]]:
    """The picture as it is read, and what is recognised in it, in reading order."""
    pieces, pixels = _pieces(np.asarray(image.convert("RGB")))
    groups = (sorted(group, key=lambda piece: (piece.middle[1], piece.left)) for group, _ in columns_of(pieces))
    return Image.fromarray(pixels), [piece for group in groups for piece in group]


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


def _parts(pixels: np.ndarray) -> Iterator[str | list[str]]:
    """From the top: paragraphs, and the lines of tables."""
    pieces, pixels = _pieces(pixels)
    above = -np.inf
    for grid in grids(pixels):
        rows, rest = table_of(grid, pieces)
        if not rows:
            continue
        yield from _open_parts([piece for piece in rest if above <= piece.middle[1] < grid.rows[0]])
        yield [line.text for line in table_lines(rows)]
        pieces = [piece for piece in rest if piece.middle[1] >= grid.rows[0]]
        above = grid.rows[0]
    yield from _open_parts(pieces)


def _open_parts(pieces: Sequence[Piece]) -> Iterator[str | list[str]]:
    """Paragraphs, and the lines of tables that have no ruled ones."""
    for table in open_tables(pieces):
        yield from _paragraphs([piece for piece in pieces if piece.middle[1] < table.box[1]])
        yield [line.text for line in table_lines(table.rows)]
        pieces = [piece for piece in pieces if piece.middle[1] > table.box[3]]
    yield from _paragraphs(pieces)


def _paragraphs(pieces: Sequence[Piece]) -> Iterator[str]:
    groups = columns_of(pieces)
    yield from filter(None, (join_lines(list(lines_of(group)), in_column) for group, in_column in groups))


def _pieces(pixels: np.ndarray) -> tuple[list[Piece], np.ndarray]:
    """What is recognised, and the picture, both turned upright."""
    found = _engine()(pixels, use_det=True, use_cls=True, use_rec=True)
    if not found.txts:
        return [], pixels
    boxes = np.asarray(found.boxes, dtype=np.float32)  # (n, 4, 2)
    sizes = boxes.max(axis=1) - boxes.min(axis=1)
    long = np.array([len(text) > 1 for text in found.txts])
    if long.any() and (sizes[long, 1] > TALL * sizes[long, 0]).mean() > 0.6:
        width = pixels.shape[1]
        pixels = np.ascontiguousarray(np.rot90(pixels))
        boxes = np.stack([boxes[:, :, 1], width - boxes[:, :, 0]], axis=2)
    if _is_upside_down(pixels, boxes):
        height, width = pixels.shape[:2]
        pixels = np.ascontiguousarray(np.rot90(pixels, 2))
        boxes = np.array([width, height], dtype=np.float32) - boxes
    pixels, boxes = _straight(pixels, boxes)
    if unsure := sum(score < UNSURE for score in found.scores):
        note("unsure_lines", "图片里有些字认得不太准，引用前请对照原图", unsure)
    low, high = boxes.min(axis=1), boxes.max(axis=1)
    pieces = [
        Piece(float(left), float(top), float(right), float(bottom), text)
        for (left, top), (right, bottom), text in zip(low, high, found.txts, strict=True)
    ]
    return pieces, pixels


def _straight(pixels: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture whose lines lean, as of a page that was photographed, turned until they do not, and its boxes (n, 4, 2)."""
    sides = np.diff(boxes[:, :3], axis=1)  # (n, 2, 2)
    lengths = np.linalg.norm(sides, axis=2)
    x, y = sides[np.arange(len(sides)), lengths.argmax(axis=1)].T
    angles = (np.degrees(np.arctan2(y, x)) + 45) % 90 - 45
    lean = float(np.median(angles[lengths.max(axis=1) >= np.median(lengths.max(axis=1))]))
    if not MIN_LEAN <= abs(lean) <= MAX_LEAN:
        return pixels, boxes
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), lean, 1.0)
    turned = cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return turned, np.asarray(boxes @ turn[:, :2].T + turn[:, 2], dtype=np.float32)


def _is_upside_down(pixels: np.ndarray, boxes: np.ndarray) -> bool:
    """By what the classifier says of the widest lines."""
    widths = boxes[:, :, 0].max(axis=1) - boxes[:, :, 0].min(axis=1)
    turned = probed = 0
    for index in np.argsort(widths)[-PROBES:]:
        (left, top), (right, bottom) = boxes[index].min(axis=0).astype(int), boxes[index].max(axis=0).astype(int)
        crop = np.ascontiguousarray(pixels[max(0, top) : bottom + 1, max(0, left) : right + 1])
        if crop.size:
            found = _engine()(crop, use_det=False, use_cls=True, use_rec=False)
            probed += 1
            turned += bool(found.cls_res) and found.cls_res[0][0] == "180"
    return 2 * turned > probed


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
            "Global.text_score": DROPPED,
            f"{onnx}.intra_op_num_threads": threads,
            f"{onnx}.inter_op_num_threads": 1,
        }
    )
