"""Answers to several users at once, each token by token as if alone.

There is no thread of its own: whoever waits for his next token computes a step for everybody, unless another does
already. So nothing runs when nobody reads, and an error reaches those whom it concerns.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack
from itertools import count
from typing import Any

import torch
from torch import Tensor

from src.errors import ModelError
from src.models.base import GenerationOptions
from src.models.decode import PREFILL_TOKENS, Step, choose, extend, look_up
from src.models.packed import PackedCache, Part

log = logging.getLogger(__name__)

# Drafts of everybody in one step; alone, one has ``look_up``'s own limit.
_DRAFT_TOKENS = 16


class _Row:
    """One answer. Who computes writes it; its reader takes ``news``."""

    def __init__(
        self, number: int, prompt: Sequence[int], options: GenerationOptions, lock: threading.RLock
    ) -> None:
        self.number = number
        self.ids = list(prompt)
        self.prompt_length = len(prompt)
        self.limit = len(prompt) + options.max_new_tokens
        self.temperature = options.temperature
        self.cached = 0  # how many of ``ids`` the model has read
        self.news: deque[Step] = deque()
        self.ended = self.limit <= len(prompt)
        self.error: ModelError | None = None
        self.over = self.ended  # ``ended`` and all of ``news`` is there
        self.left = False
        self.changed = threading.Condition(lock)


class Together:
    """Plain answers of one model, those that are asked for at the same time in the same passes.

    Args:
        opened: gives the model to compute with, for as long as there are answers.
    """

    def __init__(self, opened: Callable[[], AbstractContextManager[Any]], end_tokens: frozenset[int]) -> None:
        self._opened = opened
        self._end_tokens = end_tokens
        # Reentrant, because an iterator that was dropped without being closed is left wherever Python collects it.
        self._lock = threading.RLock()
        self._numbers = count()
        self._rows: list[_Row] = []
        self._computing: int | None = None  # the thread that does
        # Of whoever computes, or under the lock while nobody does:
        self._stack = ExitStack()
        self._cache: PackedCache | None = None
        self._model: Any = None

    def answer(self, prompt: Sequence[int], options: GenerationOptions) -> Generator[Step, None, None]:
        """As ``decode`` without a grammar. Closing it takes the answer out within one step.

        Raises:
            ModelError: computing failed; the next answer starts afresh.
        """
        row = _Row(next(self._numbers), prompt, options, self._lock)
        with self._lock:
            self._rows.append(row)
        try:
            while True:
                with self._lock:
                    while self._computing is not None and not row.news and not row.over:
                        row.changed.wait()
                    news = list(row.news)
                    row.news.clear()
                    computes = not news and not row.over
                    if computes:
                        self._computing = threading.get_ident()
                    over = row.over
                if computes:
                    self._compute()
                yield from news
                if over:
                    break
            if row.error:
                raise row.error
        finally:
            self._leave(row)

    def _leave(self, row: _Row) -> None:
        """Returns when nothing computes for ``row`` any more, or at the end of the step that this thread is in."""
        with self._lock:
            row.left = True
            if self._computing is None:
                self._sweep()
            while row in self._rows and self._computing != threading.get_ident():
                row.changed.wait()

    def _sweep(self) -> None:
        """Take out who has left or is done."""
        gone = [row for row in self._rows if row.left or row.over]
        self._rows = [row for row in self._rows if row not in gone]
        for row in gone:
            row.changed.notify()
            if self._cache:
                self._cache.forget(row.number)
        if not self._rows:
            self._cache = self._model = None
            self._stack.close()

    def _compute(self) -> None:
        """One step; its caller has set ``_computing``."""
        with self._lock:
            rows = [row for row in self._rows if not row.left and not row.over]
        found: dict[_Row, Step] = {}
        error = None
        try:
            if self._model is None:
                self._model = self._stack.enter_context(self._opened())
            found = self._step(rows)
        except BaseException as caught:
            self._cache = None  # nobody knows how far the pass came
            log.exception("语言模型出错")
            error = ModelError(f"语言模型出错了（{type(caught).__name__}）：请再问一次；总是这样就请站长查看日志")
            if not isinstance(caught, Exception):
                raise
        finally:
            with self._lock:
                for row in rows:
                    row.news.append(found.get(row, Step([])))
                    row.error = row.error or error
                    row.over = row.ended or row.error is not None
                self._computing = None
                self._sweep()
                for row in self._rows:
                    row.changed.notify()

    @torch.inference_mode()
    def _step(self, rows: Sequence[_Row]) -> dict[_Row, Step]:
        """One pass of the model for everybody: a piece of one's prompt, or new tokens."""
        if self._cache is None:
            self._cache = PackedCache(self._model)
        parts: list[Part] = []
        taking: list[tuple[_Row, list[int]]] = []
        room = PREFILL_TOKENS
        decoding = sum(len(row.ids) - row.cached == 1 for row in rows)
        for row in rows:
            pending = row.ids[row.cached :]
            draft: list[int] = []
            if len(pending) > 1:
                pending = pending[:room]
                room -= len(pending)
                if not pending:
                    continue
            elif row.temperature == 0:
                draft = look_up(row.ids)[: min(row.limit - len(row.ids) - 1, _DRAFT_TOKENS // decoding)]
            complete = row.cached + len(pending) == len(row.ids)
            parts.append(Part(row.number, pending + draft, row.cached, len(draft) + 1 if complete else 0))
            taking.append((row, draft))
        found: dict[_Row, Step] = {}
        for (row, draft), part, logits in zip(taking, parts, self._cache.forward(parts), strict=True):
            row.cached += len(part.tokens)
            if part.keep:
                try:
                    found[row] = self._take(row, draft, logits)
                except Exception as error:
                    log.exception("语言模型的一个回答出错")
                    row.error = ModelError(f"这个回答出错了（{type(error).__name__}）：请再问一次")
        return found

    def _take(self, row: _Row, draft: Sequence[int], logits: Tensor) -> Step:
        """The tokens that ``logits`` (draft + 1, vocabulary) decide."""
        assert self._cache is not None
        new: list[int] = []
        for i, scores in enumerate(logits):
            token = choose(scores, row.temperature)
            new.append(token)
            if token in self._end_tokens or i == len(draft) or token != draft[i]:
                break
        surplus = len(draft) + 1 - len(new)
        self._cache.take_back(row.number, surplus)
        row.cached -= surplus
        ended = new[-1] in self._end_tokens
        if ended:
            new.pop()
        new, looping = extend(row.ids, new, row.prompt_length)
        row.ended = ended or looping or len(row.ids) >= row.limit
        return Step(new)
