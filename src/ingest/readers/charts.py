"""Charts of Office files: what was saved with them, as a table."""

from collections.abc import Iterator
from typing import Any

MAX_POINTS = 2_000
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DRAWN = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


def chart_lines(chart: Any) -> Iterator[list[str]]:
    """The rows of a ``c:chartSpace`` element: the names of the series, then a row a category."""
    names: list[str] = []
    table: dict[str, list[str]] = {}
    for place, series in enumerate(chart.iter(f"{_CHART}ser")):
        names.append(
            "".join(value.text or "" for value in series.iterfind(f"{_CHART}tx//{_CHART}v")) or f"系列{place + 1}"
        )
        categories = _points(series, "cat") or _points(series, "xVal")
        for index, value in (_points(series, "val") or _points(series, "yVal")).items():
            row = table.setdefault(categories.get(index, str(int(index) + 1)), [])
            row += [""] * (place - len(row)) + [value]
    if table:
        yield ["类别", *names]
        yield from ([category, *values] for category, values in table.items())


def chart_title(chart: Any) -> str:
    """What stands above it."""
    return "".join(text.text or "" for text in chart.iterfind(f".//{_CHART}title//{_DRAWN}t")).strip()


def _points(series: Any, kind: str) -> dict[str, str]:
    points: dict[str, str] = {}
    for point in series.iterfind(f"{_CHART}{kind}//{_CHART}pt"):
        index, value = point.get("idx", ""), point.find(f"{_CHART}v")
        if index.isascii() and index.isdigit() and value is not None and len(points) < MAX_POINTS:
            text = " ".join((value.text or "").split())
            points[index] = f"{points[index]} {text}" if index in points else text  # levels of categories
    return points
