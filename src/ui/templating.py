"""HTML from the jinja2 templates in ``templates/``, with autoescape: the only place where HTML is made."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from src.ui.wording import Words


@cache
def _environment() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def render(template: str, words: Words, **values: Any) -> str:
    """The template ``NAME.html`` filled in; inside it ``words("中文")`` gives the page's language."""
    return _environment().get_template(f"{template}.html").render(words=words, **values)


def note(text: str, words: Words) -> str:
    """One line of quiet text."""
    return render("note", words, text=text)
