"""What every handler and endpoint is wrapped in: our errors become messages, others never reach a user."""

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import gradio as gr

from src.errors import Stopped, YuanZhiError
from src.ui.calls import Kind, calls, session_of
from src.ui.wording import Words

__all__ = ["guarded", "guarded_in", "served", "session_of"]
log = logging.getLogger(__name__)
Handler = TypeVar("Handler", bound=Callable[..., Any])

# Who goes first at the model, at the search and in uploads is decided in ``calls`` and by the model's own queue, which
# are fair; gradio's queue is not, so it lets all of these in.
MODEL_SLOT: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": None}
SEARCH_SLOT: dict[str, Any] = {"concurrency_id": "search", "concurrency_limit": None}
BATCH_SLOT: dict[str, Any] = {"concurrency_id": "batch", "concurrency_limit": None}
# Bookkeeping that must not wait behind anything. Through the queue all the same: errors of handlers outside it are
# never shown on the page.
QUICK: dict[str, Any] = {"concurrency_limit": None}
PRIVATE: dict[str, Any] = {"api_visibility": "private"}

# An upload is parsed within seconds; its file is kept no longer than this.
UPLOAD_LIFE_S = 600

# Reading all of a large index, one visitor after the other.
EXPORT_SLOT: dict[str, Any] = {"concurrency_id": "export", "concurrency_limit": 1}
CHECK_SLOT: dict[str, Any] = {"concurrency_id": "check", "concurrency_limit": 1}
# Waits while another process changes the index.
EDIT_SLOT: dict[str, Any] = {"concurrency_id": "edit", "concurrency_limit": 1}


def guarded_in(words: Words) -> Callable[[Handler], Handler]:
    """``guarded`` for a page in one language: the errors are Chinese sentences everywhere, and are said to be.

    In the text, because gradio 6.31 does not show the title.
    """
    return lambda handler: guarded(handler, words("提示：{error}"))


def guarded(handler: Handler, notice: str = "{error}") -> Handler:
    """Turn a handler's errors into ``gr.Error``; keeps its signature, from which gradio reads the interface."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with _mapped_errors(notice), suppress(Stopped):
                yield from handler(*args, **kwargs)

        return stream  # type: ignore[return-value]

    @functools.wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        with _mapped_errors(notice):
            return handler(*args, **kwargs)

    return call  # type: ignore[return-value]


def served(endpoint: str, kind: Kind) -> Callable[[Handler], Handler]:
    """Let in, counted and logged as a request of ``kind``; for functions, and inside of ``guarded``.

    The visitor is known by a parameter that is a ``gr.Request``. In generators use ``calls.open``.
    """

    def decorate(handler: Handler) -> Handler:
        assert not inspect.isgeneratorfunction(handler), handler

        @functools.wraps(handler)
        def call(*args: Any, **kwargs: Any) -> Any:
            given = (*args, *kwargs.values())
            request = next((value for value in given if isinstance(value, gr.Request)), None)
            with calls.open(endpoint, request, *given, kind=kind) as opened:
                result = handler(*args, **kwargs)
                opened.gave(result)
                return result

        return call  # type: ignore[return-value]

    return decorate


@contextmanager
def _mapped_errors(notice: str) -> Iterator[None]:
    try:
        yield
    except YuanZhiError as error:
        raise gr.Error(notice.format(error=error), title="提示", print_exception=False) from error
    except gr.Error:
        raise
    except Exception as error:
        # The text of a foreign error may hold what a user typed: only its type and place are logged.
        log.error("未预料的错误 %s", type(error).__name__, exc_info=_without_message(error))
        told = notice.format(error="出了意料之外的错误，已记入日志。请重试")
        raise gr.Error(told, title="提示", print_exception=False) from None


def _without_message(error: Exception) -> tuple[type[BaseException], BaseException, Any]:
    return RuntimeError, RuntimeError(type(error).__name__), error.__traceback__
