"""What the handlers of one page share, and how they are registered: errors become messages in the page's language."""

import functools
import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import gradio as gr

from src.errors import Stopped, YuanZhiError
from src.runtime import Runtime
from src.ui.calls import Calls
from src.ui.session import Sessions
from src.ui.wording import CHINESE, Words

log = logging.getLogger(__name__)
Handler = TypeVar("Handler", bound=Callable[..., Any])
Views = Iterator[Any]

# These wait in fair queues (``calls``, and the model's own), so gradio's, which is not fair, lets all of them in.
MODEL: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": None}
BATCH: dict[str, Any] = {"concurrency_id": "batch", "concurrency_limit": None}
SEARCH: dict[str, Any] = {"concurrency_id": "search", "concurrency_limit": None}
UPLOAD: dict[str, Any] = {"concurrency_id": "upload", "concurrency_limit": None}
# Bookkeeping that must not wait behind anything. Through the queue all the same: errors of handlers outside it are
# never shown on the page.
QUICK: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden"}
# Reading all of a large index, one visitor after the other.
EXPORT: dict[str, Any] = {"concurrency_id": "export", "concurrency_limit": 1}
CHECK: dict[str, Any] = {"concurrency_id": "check", "concurrency_limit": 1}
# Waits while another process changes the index.
EDIT: dict[str, Any] = {"concurrency_id": "edit", "concurrency_limit": 1}

# An upload is parsed within seconds; its file is kept no longer than this.
UPLOAD_LIFE_S = 600


@dataclass(frozen=True)
class Context:
    """The app's parts, and the language of one page."""

    runtime: Runtime
    sessions: Sessions
    calls: Calls
    words: Words

    def listen(
        self,
        event: Callable[..., Any] | Sequence[Callable[..., Any]],
        handler: Callable[..., Any],
        inputs: Any = None,
        outputs: Any = None,
        **options: Any,
    ) -> Any:
        """Register a handler for one event or several; it is no endpoint, and its errors are shown in ``words``."""
        made = _told(handler, self.words, skips(outputs))
        options = {"api_visibility": "private", **options}
        if isinstance(event, Sequence):
            return gr.on(list(event), made, inputs, outputs, **options)
        return event(made, inputs, outputs, **options)


def skips(outputs: Any) -> Any:
    """The value of a handler that changes none of ``outputs``; gradio takes one for all of them."""
    return None if outputs is None else gr.skip()


def raising(handler: Handler) -> Handler:
    """An endpoint's handler: its errors reach the client as ``gr.Error``, in Chinese."""

    def tell(error: Exception) -> NoReturn:
        raise message_of(error, CHINESE) from None

    return _wrapped(handler, tell)


def _told(handler: Handler, words: Words, nothing: Any) -> Handler:
    """A page's handler: a mistake of the visitor's is a notice, and the page stays as it is."""

    def tell(error: Exception) -> Any:
        if not isinstance(error, YuanZhiError):
            raise message_of(error, words) from None
        if not isinstance(error, Stopped):  # whoever stopped it knows
            gr.Warning(words.error(str(error)), title=words("提示"))
        return nothing

    return _wrapped(handler, tell)


def _wrapped(handler: Handler, tell: Callable[[Exception], Any]) -> Handler:
    """The handler with the same signature, from which gradio reads what it takes."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                yield from handler(*args, **kwargs)
            except Stopped:
                return
            except Exception as error:
                yield tell(error)

        return stream  # type: ignore[return-value]

    @functools.wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except Exception as error:
            return tell(error)

    return call  # type: ignore[return-value]


def message_of(error: Exception, words: Words) -> gr.Error:
    """The error as a visitor is told it; an unforeseen one is logged, and told in general."""
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, YuanZhiError):
        text = words.error(str(error))
    else:
        log_bug(error)
        text = words("出了意料之外的错误，已记入日志。请重试")
    return gr.Error(text, title=words("提示"), print_exception=False)


def log_bug(error: Exception) -> None:
    """Log an unforeseen error with its traceback, but without its text, which may hold what a visitor typed."""
    without_text = RuntimeError(type(error).__name__)
    log.error("未预料的错误 %s", type(error).__name__, exc_info=(RuntimeError, without_text, error.__traceback__))
