"""Small pieces that all tabs show, without a browser."""

import pytest

from src.ui import render

HOSTILE = "<img src=x onerror=alert(1)><script>x</script>&\"'"


@pytest.mark.parametrize(
    "html",
    [
        render.note(HOSTILE),
        render.plain(HOSTILE),
        render.facts({HOSTILE: HOSTILE}),
        render.marked(HOSTILE, ["img", "<", "alert(1)"]),
    ],
)
def test_no_text_becomes_html(html: str) -> None:
    for tag in ("<img", "<script"):
        assert tag not in html
    assert "&lt;" in html


def test_marked_terms() -> None:
    assert render.marked("FAISS 检索 faiss", ["faiss"]) == "<mark>FAISS</mark> 检索 <mark>faiss</mark>"
    assert render.marked("a<b", []) == "a&lt;b"
