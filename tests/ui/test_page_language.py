"""The language of a page: what the server sends, at the root and behind a prefix, and nothing else changed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from gradio import mount_gradio_app
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from src.models.embedders.fake import HashingEmbedder
from src.models.fake import FakeModel
from src.runtime import Runtime
from src.settings import load_settings
from src.ui.page import App
from src.ui.page_language import PageLanguage, pinned

HTML = '<!doctype html><html\n  lang="en"\n style="x"><head><title lang="en">源</title></head></html>'


def page(request: Request) -> Response:
    return HTMLResponse(HTML)


def pieces(request: Request) -> Response:
    return StreamingResponse(iter([HTML[:20], HTML[20:]]), media_type="text/html")


def text(request: Request) -> Response:
    return PlainTextResponse(HTML)


@pytest.fixture(scope="module")
def client() -> TestClient:
    routes = [Route("/", page), Route("/en", pieces), Route("/prefix/en", page), Route("/other", page),
              Route("/text/", text), Route("/pieces/", pieces)]  # fmt: skip
    return TestClient(Starlette(routes=routes, middleware=[Middleware(PageLanguage)]))


@pytest.mark.parametrize(
    ("path", "language"), [("/", "zh-CN"), ("/pieces/", "zh-CN"), ("/en", "en"), ("/prefix/en", "en")]
)
def test_a_page_says_its_language_and_its_length(client, path, language) -> None:
    answer = client.get(path)
    assert answer.text == pinned(HTML.encode(), "zh" if language == "zh-CN" else "en").decode()
    assert f'<html\n  lang="{language}"' in answer.text
    assert '<title lang="en">' in answer.text
    assert f'<head><script>Object.defineProperty(navigator, "language", {{get: () => "{language}"}})' in answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize("path", ["/other", "/text/"])
def test_anything_else_stays_as_it_is(client, path) -> None:
    assert client.get(path).text == HTML


def header_of(config: dict[str, Any]) -> str:
    """The HTML of the page's header, which every page has in its own language."""
    return str(
        next(c["props"]["value"] for c in config["components"] if c["props"].get("elem_id") == "page-header")
    )


def test_both_pages_are_served_behind_a_prefix_and_have_their_own_events(tmp_path: Path) -> None:
    knowledge = tmp_path / "知识.txt"
    knowledge.write_text("一段知识。", encoding="utf-8")
    runtime = Runtime(load_settings(profile="embedded", knowledge=[knowledge], cache_dir=tmp_path / "cache"))
    runtime.__dict__.update(model=FakeModel(), embedder=HashingEmbedder())
    client = TestClient(mount_gradio_app(FastAPI(), App(runtime).page, "/yz"))
    configs = []
    for path in ("/yz/", "/yz/en"):
        found = re.search(r"window\.gradio_config = (\{.*?\});</script>", client.get(path).text, re.DOTALL)
        assert found
        configs.append(json.loads(found.group(1)))
    assert [config["root"] for config in configs] == ["http://testserver/yz"] * 2
    names = [
        {d["api_name"] for d in config["dependencies"] if d["api_visibility"] == "public"} for config in configs
    ]
    assert {"chat", "compare", "extract", "search", "index_stats", "add_documents"} <= names[0]
    assert not names[1] - {False, None}
    assert '<a href="en" lang="en" hreflang="en">English</a>' in header_of(configs[0])
    assert '<a href="./" lang="zh-CN" hreflang="zh-CN">中文</a>' in header_of(configs[1])
    ids = [{c["id"] for c in config["components"]} for config in configs]
    assert ids[0].isdisjoint(ids[1])
    info = client.get("/yz/gradio_api/info").json()
    assert set(info["named_endpoints"]) == {f"/{name}" for name in names[0] if name}
