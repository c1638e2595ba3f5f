"""Formulas that were saved without their value: sums, products and what else needs no more than four rules.

Office saves the value with each formula; programs that write workbooks (openpyxl, exports of databases) do not.
"""

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

from openpyxl.formula import Tokenizer
from openpyxl.formula.tokenizer import Token
from openpyxl.utils.cell import range_boundaries

MAX_TOKENS = 200
MAX_CELLS = 50_000
MAX_DEPTH = 50

Place = tuple[int, int]  # row and column, from 1

_FUNCTIONS: dict[str, Callable[[list[float]], float]] = {
    "SUM(": math.fsum,
    "PRODUCT(": math.prod,
    "AVERAGE(": lambda values: math.fsum(values) / len(values),
    "MIN(": min,
    "MAX(": max,
    "COUNT(": len,
}
_OPERATORS: dict[str, tuple[int, Callable[[float, float], float]]] = {
    "+": (1, operator.add),
    "-": (1, operator.sub),
    "*": (2, operator.mul),
    "/": (2, operator.truediv),
}


class Unknown(Exception):
    """A formula that is none of those that are worked out here."""


class Formulas:
    """Works out the formulas of a sheet from its cells; formulas may refer to others."""

    def __init__(self, cells: dict[Place, Any]) -> None:
        """``cells`` by place; a formula is a string that begins with ``=``."""
        self._cells = cells
        self._known: dict[Place, float] = {}

    def value(self, place: Place) -> float | None:
        """The number that the formula there gives; None for what this does not do."""
        try:
            value = self._number(place, 0)
        except (Unknown, ArithmeticError, ValueError, IndexError, RecursionError):
            return None
        return value if math.isfinite(value) else None

    def _number(self, place: Place, depth: int) -> float:
        if place in self._known:
            return self._known[place]
        content = self._cells.get(place)
        if isinstance(content, str) and content.startswith("="):
            if depth > MAX_DEPTH:
                raise Unknown
            content = self._known[place] = self._worked_out(content, depth + 1)
        if content is None:
            return 0.0
        if isinstance(content, bool) or not isinstance(content, int | float):
            raise Unknown
        return float(content)

    def _worked_out(self, formula: str, depth: int) -> float:
        tokens = [token for token in Tokenizer(formula).items if token.type != Token.WSPACE]
        if not tokens or len(tokens) > MAX_TOKENS:
            raise Unknown
        value, end = self._sum(tokens, 0, 1, depth)
        if end != len(tokens):
            raise Unknown
        return value

    def _sum(self, tokens: list[Token], at: int, level: int, depth: int) -> tuple[float, int]:
        """Precedence climbing: the value from ``at``, and where what follows begins."""
        value, at = self._operand(tokens, at, depth)
        while at < len(tokens) and tokens[at].type == Token.OP_IN:
            precedence, apply = _OPERATORS.get(tokens[at].value, (0, operator.add))
            if not precedence:
                raise Unknown
            if precedence < level:
                break
            right, at = self._sum(tokens, at + 1, precedence + 1, depth)
            value = apply(value, right)
        return value, at

    def _operand(self, tokens: list[Token], at: int, depth: int) -> tuple[float, int]:
        token = tokens[at]
        if token.type == Token.OP_PRE:
            value, at = self._operand(tokens, at + 1, depth)
            return (-value if token.value == "-" else value), at
        if token.type == Token.PAREN:
            value, at = self._sum(tokens, at + 1, 1, depth)
            value, at = value, at + 1
        elif token.type == Token.FUNC:
            value, at = self._function(tokens, at, depth)
        elif token.subtype == Token.NUMBER:
            value, at = float(token.value), at + 1
        elif token.subtype == Token.RANGE:
            value, at = self._number(_place(token.value), depth), at + 1
        else:
            raise Unknown
        while at < len(tokens) and tokens[at].type == Token.OP_POST:
            value, at = value / 100, at + 1
        return value, at

    def _function(self, tokens: list[Token], at: int, depth: int) -> tuple[float, int]:
        function = _FUNCTIONS.get(tokens[at].value.upper())
        if function is None:
            raise Unknown
        values: list[float] = []
        at += 1
        while not (tokens[at].type == Token.FUNC and tokens[at].subtype == Token.CLOSE):
            if tokens[at].type == Token.SEP:
                at += 1
            elif tokens[at].subtype == Token.RANGE and tokens[at + 1].type in (Token.SEP, Token.FUNC):
                values += self._range(tokens[at].value, depth)
                at += 1
            else:
                value, at = self._sum(tokens, at, 1, depth)
                values.append(value)
        return float(function(values)), at + 1

    def _range(self, reference: str, depth: int) -> Iterator[float]:
        """Its numbers: texts and empty cells do not count."""
        left, top, right, bottom = _boundaries(reference)
        if (right - left + 1) * (bottom - top + 1) > MAX_CELLS:
            raise Unknown
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                content = self._cells.get((row, column))
                if content is not None and (not isinstance(content, str) or content.startswith("=")):
                    yield self._number((row, column), depth)


def _place(reference: str) -> Place:
    left, top, right, bottom = _boundaries(reference)
    if (left, top) != (right, bottom):
        raise Unknown
    return top, left


def _boundaries(reference: str) -> tuple[int, int, int, int]:
    found = range_boundaries(reference)  # ValueError for names and other sheets' cells
    if None in found:
        raise Unknown
    left, top, right, bottom = (int(number) for number in found if number is not None)
    return left, top, right, bottom
