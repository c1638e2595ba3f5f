"""Gradio's server as it is set up around our page."""

import os
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from src.runtime import Runtime
from src.ui import health
from src.ui.admission import MAX_QUEUED, Admission, call_budget, upload_budget
from src.ui.calls import Calls
from src.ui.context import log, log_bug
from src.ui.page_language import PageLanguage

# Told where the page's language is not known.
_MISFIT = (
    "收到的参数或文件与接口要求的不符：请对照接口文档 docs/api.md，或刷新网页再试 · "
    "The values or files do not fit the endpoint: please see docs/api.md, or reload the page"
)
_BUG = "出了意料之外的错误，已记入日志。请重试 · An unexpected error, now in the log. Please try again"


class Page(gr.Blocks):
    """Blocks that print nothing of what a visitor sent.

    Where a call does not fit its handler (too few values, a file that was never uploaded, a choice that there is not)
    gradio raises errors that quote the values, shows them in English and prints them with a traceback.
    """

    async def preprocess_data(self, *args: Any, **kwargs: Any) -> list[Any]:
        """As ``gr.Blocks``; an error here is the caller's: the values do not fit."""
        try:
            return list(await super().preprocess_data(*args, **kwargs))
        except Exception as error:
            log.warning("gradio 没有接受一次调用：%s", type(error).__name__)
            raise gr.Error(_MISFIT, title="提示", print_exception=False) from None

    async def process_api(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As ``gr.Blocks``; an error that no handler has turned into a message is ours."""
        try:
            return await super().process_api(*args, **kwargs)
        except gr.Error:
            raise
        except Exception as error:
            log_bug(error)
            raise gr.Error(_BUG, title="提示", print_exception=False) from None

    def handle_streaming_diffs(
        self, block_fn: Any, data: list[Any], session_hash: Any, run: Any, final: bool, simple_format: bool = False
    ) -> list[Any]:
        """As ``gr.Blocks``, but what is an object is sent whole instead of as edits to the one before.

        The browser makes the edits in the very object that it has not drawn yet: a button's update that is followed at
        once by ``gr.skip()`` lost its properties, and a table its rows.
        """
        are_edits = bool(session_hash and run) and run in self.pending_diff_streams[session_hash]
        values = list(data)
        sent = super().handle_streaming_diffs(block_fn, data, session_hash, run, final, simple_format)
        if not are_edits or final or simple_format:
            return sent
        return [
            [["replace", [], value]] if edits and isinstance(value, dict) else edits
            for edits, value in zip(sent, values, strict=True)
        ]


def launch_options(runtime: Runtime, calls: Calls) -> dict[str, Any]:
    """Arguments of ``page.launch`` that concern its server."""
    return {
        # Who waits for the model sits in a thread most of the time.
        "max_threads": calls.threads,
        "mcp_server": runtime.settings.mcp,
        "app_kwargs": {
            "routes": [health.route(runtime, calls)],
            "middleware": [
                Middleware(
                    Admission, folder=Path(get_upload_folder()), calls=call_budget(), uploads=upload_budget()
                ),
                Middleware(PageLanguage),
            ],
        },
    }


def prepare(page: gr.Blocks) -> None:
    """Set up gradio's queue: one flood limit, and no way past it."""
    # After every call gradio sums up the last ten thousand for a dashboard that we do not have: 6 to 15 ms each.
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")
    # api_open=False: otherwise calls that skip the queue skip its limits and validators too.
    page.queue(api_open=False, max_size=MAX_QUEUED)
