"""Common Chinese words, and texts cut into them: for what people see, and for where a word ends."""

import re
from functools import cache
from pathlib import Path

VOCABULARY = Path(__file__).with_name("vocabulary.txt")
MAX_WORD = 4
_RUN = re.compile(r"[\u3400-\u9fff]+|[^\W\u3400-\u9fff]+")


@cache
def common_words() -> frozenset[str]:
    """Words of two to ``MAX_WORD`` characters, in simplified script; some ten milliseconds, once."""
    lines = VOCABULARY.read_text("utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def cut(text: str) -> list[str]:
    """The words of folded text, punctuation left out; a character that is in no word stands alone."""
    return [word for run in _RUN.findall(text) for word in _cut_run(run)]


def straddles(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` seems a word only where two others meet, as 学历 in 办学 and 历史."""
    words = common_words()
    for middle in range(start + 1, end):
        before = any(text[i:middle] in words for i in range(max(0, middle - MAX_WORD), start))
        if before and any(text[middle:i] in words for i in range(end + 1, middle + MAX_WORD + 1)):
            return True
    return False


def _cut_run(run: str) -> list[str]:
    """The fewest words; of equally few those of more equal length."""
    if run.isascii() or not "\u3400" <= run[0] <= "\u9fff":
        return [run]
    words = common_words()
    # best[i]: (words, squares of their lengths, length of the last) of the first i characters.
    best: list[tuple[int, int, int]] = [(0, 0, 0)]
    for end in range(1, len(run) + 1):
        best.append(
            min(
                (best[end - size][0] + 1, best[end - size][1] + size * size, size)
                for size in range(1, min(MAX_WORD, end) + 1)
                if size == 1 or run[end - size : end] in words
            )
        )
    pieces: list[str] = []
    end = len(run)
    while end:
        pieces.append(run[end - best[end][2] : end])
        end -= best[end][2]
    return pieces[::-1]
