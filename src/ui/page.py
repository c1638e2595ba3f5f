"""The page: three tabs in two languages, and the endpoints."""

import gradio as gr

from src.errors import InputError
from src.runtime import Runtime
from src.ui import api, chat_tab, extraction_tab, index_tab, render, server
from src.ui.chat.style import CSS as CHAT_CSS
from src.ui.guard import UPLOAD_LIFE_S, session_of
from src.ui.index.cards import CSS as INDEX_CSS
from src.ui.page_language import TAGS
from src.ui.running import Leaving
from src.ui.wording import Language, Words

MAX_UPLOAD = "20mb"
UPLOAD_SWEEP_S = 60
# Fonts that the visitor already has: nothing is fetched from elsewhere, and Chinese looks as it does there.
FONTS = ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"]
TITLE = "源知 YuanZhi"
# The link to the same page in the other language; relative, so that it works behind any prefix.
_OTHER: dict[Language, tuple[str, Language, str]] = {"zh": ("en", "en", "English"), "en": ("./", "zh", "中文")}


def create_page(runtime: Runtime) -> gr.Blocks:
    """Build the Blocks, Chinese at ``/`` and English at ``/en``; nothing listens yet."""
    page = server.Page(title=TITLE, analytics_enabled=False, delete_cache=(UPLOAD_SWEEP_S, UPLOAD_LIFE_S))
    with page:
        # First, because gradio gives a name that is taken already another ending, even if a private handler took it.
        api.build(runtime)
        leaving = _build(runtime, Words("zh"))
    with page.route("English", "/en", show_in_navbar=False):
        leaving += _build(runtime, Words("en"))

        def forget(request: gr.Request) -> None:
            session = session_of(request)
            runtime.sessions.drop(session)
            for work in leaving:
                work.drop(session)

        # Gradio calls it for visitors of both pages.
        page.unload(forget)
    server.prepare(page, runtime)
    return page


def _build(runtime: Runtime, words: Words) -> list[Leaving]:
    gr.HTML(header(words), elem_id="page-header")
    with gr.Tabs():
        with gr.Tab(words("问答"), id="rag"):
            leaving: list[Leaving] = [*chat_tab.build(runtime, words)]
        with gr.Tab(words("抽取"), id="extraction"):
            leaving += extraction_tab.build(runtime, words)
        with gr.Tab(words("索引"), id="index") as index:
            index_tab.build(runtime, index, words)
    about = words("模型 {model} · 向量 {embedder}")
    gr.HTML(render.note(about.format(model=runtime.model.name, embedder=runtime.embedder.name)))
    return leaving


def header(words: Words) -> str:
    """What the page is, and the way to it in the other language."""
    address, language, name = _OTHER[words.language]
    tag = TAGS[language]
    return (
        f'<header class="yz-header"><div><h1>{TITLE}</h1><p>{words("中文知识问答 · 简历信息抽取 · 索引检视")}</p></div>'
        f'<nav aria-label="{words("语言")}"><a href="{address}" lang="{tag}" hreflang="{tag}">{name}</a></nav></header>'
    )


def theme() -> gr.themes.Base:
    """Soft, with text that stands out from what is behind it as WCAG AA asks (4.5 to 1)."""
    soft = gr.themes.Soft(font=FONTS, font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"])
    return soft.set(
        background_fill_primary="*neutral_50",  # Soft's own, which set() would forget
        body_text_color_subdued="*neutral_500",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        block_label_text_color="*primary_700",
        block_title_text_color="*primary_700",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_700",
        checkbox_label_background_fill_selected="*primary_600",
        link_text_color_dark="*primary_400",
    )


def launch(page: gr.Blocks, runtime: Runtime, *, block: bool = True) -> str:
    """Serve the page and return its address; ``block`` stays until interrupted.

    Raises:
        InputError: no port is free.
    """
    settings = runtime.settings
    try:
        _, address, _ = page.launch(
            server_name=settings.host,
            server_port=settings.port,
            share=settings.share,
            max_file_size=MAX_UPLOAD,
            # Off: it would keep resumes and questions in the visitor's browser.
            run_history=False,
            theme=theme(),
            css=render.CSS + CHAT_CSS + INDEX_CSS,
            show_error=True,
            prevent_thread_lock=True,
            ssr_mode=False,
            **server.launch_options(page, runtime),
        )
    except OSError as error:
        raise InputError(f"端口 {settings.port or 7860} 起没有空闲的：请用 --port 换一个（{error}）") from error
    if block:
        page.block_thread()
    return str(address)
