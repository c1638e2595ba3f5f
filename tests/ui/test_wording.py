"""Every text that the page looks up has an English form with the same places for values."""

import ast
import re
import string
from pathlib import Path

import pytest

from src.ui.wording import CHINESE, Words, english

UI = Path(__file__).parent.parent.parent / "src" / "ui"


def looked_up() -> list[str]:
    """The literals in ``words("…")`` and ``self._words("…")`` anywhere under src/ui, templates included."""
    found = [
        text
        for path in UI.rglob("*.html")
        for text in re.findall(r"""words\("([^"]*)"\)""", path.read_text(encoding="utf-8"))
    ]
    for path in UI.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
                if name in ("words", "_words", "CHINESE") and isinstance(node.args[0].value, str):
                    found.append(node.args[0].value)
    return found


def places(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def test_every_text_has_an_english_form() -> None:
    assert [text for text in looked_up() if text not in english()] == []


@pytest.mark.parametrize("chinese", sorted(english()))
def test_a_translation_takes_the_same_values(chinese: str) -> None:
    assert places(english()[chinese]) == places(chinese)


def test_no_translation_is_left_over() -> None:
    assert sorted(set(english()) - set(looked_up())) == []


def test_an_unknown_text_stays_chinese() -> None:
    assert Words("en")("没有翻译过的话") == CHINESE("没有翻译过的话") == "没有翻译过的话"
