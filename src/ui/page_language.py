"""The language of a page, told to the browser before gradio's own scripts run."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.ui.wording import Language

# The last part of a page's path (there may be a prefix before it), and the BCP 47 tag that its language has.
PAGES: dict[str, Language] = {"": "zh", "en": "en"}
TAGS: dict[Language, str] = {"zh": "zh-CN", "en": "en"}
# Gradio takes the words of its own buttons, and <html lang>, from what the browser says it prefers.
_PIN = '<script>Object.defineProperty(navigator, "language", {{get: () => "{0}"}});</script>'
_LANG = re.compile(rb'(<html\b[^>]*?\slang=)"[^"]*"')


class PageLanguage:
    """ASGI middleware: sets ``<html lang>`` and the language of gradio's own words by the page's path.

    Gradio 6.31 has no setting for either. Anything but the two pages passes untouched.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = scope["path"].rpartition("/")[2] if scope["type"] == "http" and scope["method"] == "GET" else None
        if page not in PAGES:
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        html = b""

        async def pin(message: Message) -> None:
            """Hold an HTML page back until it is whole; send everything else on as it comes."""
            nonlocal start, html
            if message["type"] == "http.response.start" and _is_html(message):
                start = message
            elif start is None:
                await send(message)
            else:
                html += message.get("body", b"")
                if not message.get("more_body"):
                    body = pinned(html, PAGES[page])
                    kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
                    headers = [*kept, (b"content-length", str(len(body)).encode())]
                    await send({**start, "headers": headers})
                    await send({**message, "body": body})

        await self._app(scope, receive, pin)


def pinned(html: bytes, language: Language) -> bytes:
    """A page of gradio in ``language``."""
    tag = TAGS[language]
    html = _LANG.sub(rb'\1"' + tag.encode() + b'"', html, count=1)
    return html.replace(b"<head>", b"<head>" + _PIN.format(tag).encode(), 1)


def _is_html(start: Message) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/html") for name, value in start["headers"])
