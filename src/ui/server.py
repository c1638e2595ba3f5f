"""How gradio's server is set up around our page."""

import logging
import os
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from src.runtime import Runtime
from src.ui import health
from src.ui.admission import FloodGuard, public_address
from src.ui.calls import calls
from src.ui.page_language import PageLanguage

log = logging.getLogger(__name__)


class Page(gr.Blocks):
    """Blocks that print nothing of what a visitor sent.

    Where a call does not fit its handler (too few values, a file that was never uploaded, a choice that there is not)
    gradio raises errors that quote the values, shows them in English and prints them with a traceback.
    """

    async def process_api(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As ``gr.Blocks``, with such errors told in general."""
        try:
            return await super().process_api(*args, **kwargs)
        except Exception as error:
            if isinstance(error, gr.Error) and not error.print_exception:
                raise
            log.warning("gradio 没有接受一次调用：%s", type(error).__name__)
            reason = "收到的参数或文件与接口要求的不符：请对照网页底部的“API”，或刷新网页再试"
            raise gr.Error(reason, title="提示", print_exception=False) from None


def prepare(page: gr.Blocks, runtime: Runtime) -> None:
    """Let every call in that ``calls`` lets in, and none past the queue."""
    calls.limit(runtime.settings.queue_size)
    # After every call gradio sums up the last ten thousand for a dashboard that we do not have: 6 to 15 ms each.
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")
    # api_open=False: otherwise calls that skip the queue skip its limits and validators too. Without max_size, whose
    # refusal is English: who is too many is told so by ``calls``, and floods by FloodGuard.
    page.queue(api_open=False, max_size=None)


def launch_options(page: gr.Blocks, runtime: Runtime) -> dict[str, Any]:
    """Arguments of ``page.launch``."""

    def addresses() -> list[str | None]:
        # The calls that wait or run, as gradio 6 keeps them.
        events = list(page._queue.event_ids_to_events.values())
        return [public_address(event.request.client.host if event.request.client else None) for event in events]

    return {
        # Who waits for the model sits in a thread most of the time.
        "max_threads": calls.threads,
        "mcp_server": runtime.settings.mcp,
        "app_kwargs": {
            "routes": [health.route(runtime, calls)],
            "middleware": [Middleware(FloodGuard, events=addresses), Middleware(PageLanguage)],
        },
    }
