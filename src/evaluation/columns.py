"""Cells of a printed table, padded by how wide they look: a Chinese character takes two columns."""

from unicodedata import east_asian_width


def left(text: str, width: int) -> str:
    """Padded behind."""
    return text + " " * max(0, width - shown_width(text))


def right(text: str, width: int) -> str:
    """Padded in front."""
    return " " * max(0, width - shown_width(text)) + text


def shown_width(text: str) -> int:
    """Columns of a terminal."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
