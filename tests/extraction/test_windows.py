import random

import pytest

from src.extraction.windows import MAX_WINDOW_CHARS, split_windows


def test_a_short_text_stays_whole() -> None:
    (window,) = split_windows("张三。\n李四。")
    assert (window.start, window.end, window.text) == (0, 7, "张三。\n李四。")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("甲甲甲。乙乙乙乙", ["甲甲甲。", "乙乙乙乙"]),
        ("甲甲，甲\n乙乙乙乙", ["甲甲，甲\n", "乙乙乙乙"]),
        ("“甲甲。”乙乙乙乙", ["“甲甲。”", "乙乙乙乙"]),
        ("甲。甲，甲甲甲甲", ["甲。", "甲，甲甲甲甲"]),
        ("甲甲甲甲甲甲甲", ["甲甲甲甲甲甲", "甲"]),
        ("v1.5 abcd", ["v1.5 ", "abcd"]),
    ],
)
def test_cuts_at_the_best_place(text: str, pieces: list[str]) -> None:
    got = [window.text for window in split_windows(text, max_chars=6)]
    assert got == pieces


def test_no_tiny_window_for_the_sake_of_a_full_stop() -> None:
    first, _ = split_windows("甲。" + "甲" * 8 + "，" + "甲" * 8, max_chars=16)
    assert first.text == "甲。" + "甲" * 8 + "，"


def test_windows_tile_any_text() -> None:
    rng = random.Random(5)
    for _ in range(200):
        text = "".join(rng.choice("中文 ab。，；\n！”😀\u2028\x00") for _ in range(rng.randrange(1, 2000)))
        windows = split_windows(text)
        assert "".join(window.text for window in windows) == text
        assert all(0 < len(window.text) <= MAX_WINDOW_CHARS for window in windows)
        assert all(text[window.start : window.end] == window.text for window in windows)
