"""Formulas of Office documents as a line of text: 0.693/(2k), x², √(a+b)."""

import re
from typing import Any

from src.ingest.readers.signs import raised

MATHS = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
MAX_DEPTH = 40
_SIMPLE = re.compile(r"\w*|[\d.]+")


def formula(element: Any, depth: int = 0) -> str:
    """What an ``m:oMath`` says, fractions, powers and roots with their signs."""
    if depth > MAX_DEPTH:
        return "".join(element.itertext())
    kind = element.tag.removeprefix(MATHS)
    if kind == "t":
        return element.text or ""

    def part(name: str) -> str:
        found = element.find(f"{MATHS}{name}")
        return "" if found is None else formula(found, depth + 1)

    if kind == "f":
        return f"{_grouped(part('num'))}/{_grouped(part('den'))}"
    if kind in ("sSup", "sSubSup"):
        power = part("sup")
        shown = raised(power)
        low = f"_{_grouped(part('sub'))}" if kind == "sSubSup" else ""
        return f"{_grouped(part('e'))}{low}{shown if shown != power else f'^{_grouped(power)}'}"
    if kind == "sSub":
        return f"{part('e')}_{_grouped(part('sub'))}"
    if kind == "rad":
        degree = part("deg")
        return f"{raised(degree) if degree else ''}√{_grouped(part('e'))}"
    if kind == "nary":
        sign = element.find(f"{MATHS}naryPr/{MATHS}chr")
        shown = "∫" if sign is None else sign.get(f"{MATHS}val", "∫")
        return f"{shown}_{_grouped(part('sub'))}^{_grouped(part('sup'))} {part('e')}"
    if kind == "d":
        inner = ", ".join(formula(child, depth + 1) for child in element.iterchildren(f"{MATHS}e"))
        return f"({inner})"
    return "".join(formula(child, depth + 1) for child in element if str(child.tag).startswith((MATHS, "{"))
                   if not str(child.tag).endswith(("Pr", "rPr")))  # fmt: skip


def _grouped(text: str) -> str:
    """In brackets where what stands beside it would else be read into it."""
    simple = _SIMPLE.fullmatch(text) and (text.isdigit() or text.replace(".", "").isdigit() or len(text) <= 1)
    return text if simple or (text.startswith("(") and text.endswith(")")) else f"({text})"
