"""Text as it comes is the text as it is."""

import random

import pytest

from src.models.generate import TextStream
from tests.tiny import tiny_tokenizer

TEXTS = ["广州大学", "a b  c\n\n d", "😀👨‍👩‍👧 é", "混合 text 123。", ""]


@pytest.fixture(scope="module")
def backend():
    return tiny_tokenizer().backend_tokenizer


def streamed(backend, ids: list[int], seed: int) -> list[str]:
    draw, stream, pieces, position = random.Random(seed), TextStream(backend), [], 0
    while position < len(ids):
        count = draw.randint(0, 5)
        pieces.append(stream.push(ids[position : position + count]))
        position += count
    return [*pieces, stream.finish()]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("seed", range(5))
def test_pieces_add_up_and_hold_no_half_character(backend, text: str, seed: int) -> None:
    pieces = streamed(backend, backend.encode(text, add_special_tokens=False).ids, seed)
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)


def test_markers_have_no_text(backend) -> None:
    ids = backend.encode("<|im_start|>你<|im_end|>好", add_special_tokens=False).ids
    assert "".join(streamed(backend, ids, 0)) == "你好"


@pytest.mark.parametrize("seed", range(30))
def test_bytes_that_are_no_character_never_raise_nor_stop_the_stream(backend, seed: int) -> None:
    draw = random.Random(seed)
    ids = [draw.randrange(256) for _ in range(200)]
    pieces = streamed(backend, ids, seed)
    assert sum(bool(piece) for piece in pieces) > 10
    shown = "".join(pieces).replace("\ufffd", "")
    whole = backend.decode(ids, skip_special_tokens=True).replace("\ufffd", "")
    # Where broken bytes are cut, a character may be lost to them, never invented.
    assert len(shown) >= 0.7 * len(whole)
