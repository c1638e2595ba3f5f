"""llguidance as a ``Constraint``: it decides which tokens keep the output inside a Lark grammar."""

from typing import Any

import torch
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from llguidance.hf import from_tokenizer

from src.errors import ModelError

# Ten times llguidance's default: a span grammar over 400 different characters needs up to three quarters of that.
LEXER_FUEL = 2_000_000


class GrammarConstraint:
    """One grammar followed through one answer."""

    def __init__(self, tokenizer: LLTokenizer, grammar: str) -> None:
        self._matcher = LLMatcher(tokenizer, grammar, limits=LLParserLimits(step_lexer_fuel=LEXER_FUEL))
        self._check()

    def allowed(self) -> torch.Tensor:
        # compute_logit_bias gives one byte a token: 0 forbidden, 200 allowed.
        bias = self._matcher.compute_logit_bias()
        self._check()
        return torch.frombuffer(bytearray(bias), dtype=torch.uint8) > 0

    def forced(self) -> list[int]:
        return [] if self._matcher.is_stopped() else self._matcher.compute_ff_tokens()

    def accept(self, token: int) -> None:
        # A matcher that has reached its end takes no more, not even the end token.
        if not self._matcher.is_stopped():
            self._matcher.consume_token(token)
            self._check()

    def _check(self) -> None:
        # LLMatcher never raises: it enters an error state and stays there.
        if self._matcher.is_error():
            raise ModelError(f"约束语法出错：{self._matcher.get_error().splitlines()[0]}")


def grammar_tokenizer(tokenizer: Any, vocabulary_size: int) -> LLTokenizer:
    """llguidance's view of a tokenizer; takes about a second, so keep it."""
    return from_tokenizer(tokenizer, n_vocab=vocabulary_size)
