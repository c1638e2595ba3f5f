"""The page: three tabs in two languages, and the endpoints."""

from pathlib import Path
from typing import Any

import gradio as gr

from src.errors import InputError
from src.runtime import Runtime
from src.ui import api, server
from src.ui.calls import Calls
from src.ui.chat_tab import ChatTab
from src.ui.context import QUICK, UPLOAD_LIFE_S, Context
from src.ui.extraction_tab import ExtractionTab
from src.ui.index_tab import IndexTab
from src.ui.page_language import TAGS
from src.ui.page_view import PageView
from src.ui.session import Sessions
from src.ui.templating import render
from src.ui.wording import Language, Words

MAX_UPLOAD = "20mb"
UPLOAD_SWEEP_S = 60
# Gradio keeps the state of so many pages and clients, also of those that have left: half a megabyte each of its own.
MAX_STATES = 1000
# Fonts that the visitor already has: nothing is fetched from elsewhere, and Chinese looks as it does there.
FONTS = ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"]
TITLE = "源知 YuanZhi"
STYLE = Path(__file__).parent / "style"
# The link to the same page in the other language; relative, so that it works behind any prefix.
_OTHER: dict[Language, tuple[str, Language, str]] = {"zh": ("en", "en", "English"), "en": ("./", "zh", "中文")}
# The session's token lives in the tab's sessionStorage, which a reload keeps and other tabs do not see. A browser may
# forbid it; then a reload begins anew.
_RESUME_JS = """(token, kept) => {
  try { return [sessionStorage.getItem("yuanzhi"), kept]; } catch { return [null, kept]; }
}"""
_STORE_JS = """(token) => { try { sessionStorage.setItem("yuanzhi", token); } catch {} }"""


class App:
    """The page around one runtime, with what it owns: sessions and calls."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.sessions = Sessions(runtime.own_documents)
        self.calls = Calls(runtime.settings.queue_size)
        self.page = self._build()

    def _build(self) -> gr.Blocks:
        """The Blocks, Chinese at ``/`` and English at ``/en``; nothing listens yet."""
        page = server.Page(title=TITLE, analytics_enabled=False, delete_cache=(UPLOAD_SWEEP_S, UPLOAD_LIFE_S))
        with page:
            context = self.context("zh")
            # First, because gradio gives a name that is taken already another ending, even if a private handler took it.
            api.build(context)
            build(page, context)
        with page.route("English", "/en", show_in_navbar=False):
            build(page, self.context("en"))
            # Gradio calls it for visitors of both pages.
            page.unload(self.sessions.leave)
        server.prepare(page)
        return page

    def context(self, language: Language) -> Context:
        return Context(self.runtime, self.sessions, self.calls, Words(language))

    def launch(self, *, block: bool = True) -> str:
        """Serve the page and return its address; ``block`` stays until interrupted.

        Raises:
            InputError: no port is free.
        """
        settings = self.runtime.settings
        try:
            _, address, _ = self.page.launch(
                server_name=settings.host,
                server_port=settings.port,
                share=settings.share,
                max_file_size=MAX_UPLOAD,
                state_session_capacity=MAX_STATES,
                # Off: it would keep resumes and questions in the visitor's browser.
                run_history=False,
                theme=theme(),
                css="\n".join(path.read_text(encoding="utf-8") for path in sorted(STYLE.glob("*.css"))),
                footer_links=["api", "settings"],
                show_error=True,
                prevent_thread_lock=True,
                ssr_mode=False,
                **server.launch_options(self.runtime, self.calls),
            )
        except OSError as error:
            raise InputError(f"端口 {settings.port or 7860} 起没有空闲的：请用 --port 换一个（{error}）") from error
        if block:
            self.page.block_thread()
        return str(address)


def build(page: gr.Blocks, context: Context) -> None:
    """One language's page inside the current Blocks."""
    words = context.words
    token = gr.Textbox(visible=False)
    gr.HTML(_header(words), elem_id="page-header")
    with gr.Tabs(elem_id="tabs"):
        with gr.Tab(words("问答"), id="rag"):
            chat = ChatTab(context)
        with gr.Tab(words("抽取"), id="extraction"):
            extraction = ExtractionTab(context)
        with gr.Tab(words("索引"), id="index") as tab:
            IndexTab(context, tab)
    PageView(context)
    gr.HTML(render("footer", words, model=context.runtime.model.name, embedder=context.runtime.embedder.name))

    def load(before: str | None, kept: object, request: gr.Request) -> dict[Any, Any]:
        """A reloaded page, or the one in the other language, shows the session that its tab had before."""
        session = context.sessions.resume(request, before)
        shown = dict(zip(chat.restored, chat.restore(session, kept), strict=True))
        return {token: session.token, **shown, **extraction.restore(session)}

    outputs = [token, *chat.restored, *extraction.restored]
    loaded = context.listen(page.load, load, [token, chat.dialogue.browser], outputs, js=_RESUME_JS, **QUICK)
    # What the chat's button deletes is gone from the other tab too.
    context.listen(chat.dialogue.forget_button.click, extraction.clear, None, extraction.cleared, **QUICK)
    loaded.then(None, token, None, js=_STORE_JS, api_visibility="private")


def _header(words: Words) -> str:
    address, language, name = _OTHER[words.language]
    return render("header", words, title=TITLE, address=address, tag=TAGS[language], name=name)


def theme() -> gr.themes.Base:
    """Soft, with text that stands out from what is behind it as WCAG AA asks (4.5 to 1)."""
    soft = gr.themes.Soft(font=FONTS, font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"])
    return soft.set(
        background_fill_primary="*neutral_50",  # Soft's own, which set() would forget
        body_text_color_subdued="*neutral_500",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        # Plain labels: they must not be louder than what they name.
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        block_title_background_fill="transparent",
        block_title_background_fill_dark="transparent",
        block_title_text_color="*neutral_600",
        block_title_text_color_dark="*neutral_300",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_700",
        checkbox_label_background_fill_selected="*primary_600",
        link_text_color_dark="*primary_400",
    )
