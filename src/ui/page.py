"""The page: three tabs and the endpoints."""

import gradio as gr

from src.errors import InputError
from src.runtime import Runtime
from src.ui import api, chat_tab, extraction_tab, index_tab, render, server
from src.ui.chat.style import CSS as CHAT_CSS
from src.ui.guard import UPLOAD_LIFE_S, session_of
from src.ui.index.cards import CSS as INDEX_CSS
from src.ui.running import Leaving
from src.ui.wording import CHINESE

MAX_UPLOAD = "20mb"
UPLOAD_SWEEP_S = 60
# Fonts that the visitor already has: nothing is fetched from elsewhere, and Chinese looks as it does there.
FONTS = ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"]
INTRO = """# 源知 YuanZhi
中文知识问答 · 简历信息抽取 · 索引检视"""


def create_page(runtime: Runtime) -> gr.Blocks:
    """Build the Blocks; nothing listens yet."""
    page = server.Page(title="源知 YuanZhi", analytics_enabled=False, delete_cache=(UPLOAD_SWEEP_S, UPLOAD_LIFE_S))
    with page:
        # First, because gradio gives a name that is taken already another ending, even if a private handler took it.
        api.build(runtime)
        gr.Markdown(INTRO)
        with gr.Tabs():
            with gr.Tab("问答 Chat", id="rag"):
                leaving: list[Leaving] = [*chat_tab.build(runtime, CHINESE)]
            with gr.Tab("抽取 Extract", id="extraction"):
                leaving += extraction_tab.build(runtime)
            with gr.Tab("索引 Index", id="index") as index:
                index_tab.build(runtime, index)
        gr.HTML(render.note(f"模型 {runtime.model.name} · 向量 {runtime.embedder.name}"))

        def forget(request: gr.Request) -> None:
            session = session_of(request)
            runtime.sessions.drop(session)
            for work in leaving:
                work.drop(session)

        page.unload(forget)
    server.prepare(page, runtime)
    return page


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
            theme=gr.themes.Soft(font=FONTS, font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"]),
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
