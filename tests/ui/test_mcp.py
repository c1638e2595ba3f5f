"""The endpoints as tools; needs ``pip install -r requirements-mcp.txt``, except where its absence is the point."""

import ast
import asyncio
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from src.errors import SettingsError
from src.models.fake import FakeModel
from src.serve import serve
from src.settings import load_settings
from tests.ui.app import fake_runtime, running_app

needs_mcp = pytest.mark.skipif(find_spec("mcp") is None, reason="需要 pip install -r requirements-mcp.txt")


@pytest.mark.skipif(find_spec("mcp") is not None, reason="mcp 已经安装")
def test_without_the_package_it_says_what_to_install() -> None:
    with pytest.raises(SettingsError, match=r"pip install -r requirements-mcp\.txt"):
        serve(load_settings(mcp=True))
    found = subprocess.run([sys.executable, "app.py", "--mcp"], capture_output=True, text=True, timeout=120)
    assert found.returncode != 0
    assert "requirements-mcp.txt" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.fixture(scope="module")
def tools() -> Iterator[Any]:
    """``tools(name, **arguments)`` calls one; ``tools()`` lists them."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    with running_app(fake_runtime(FakeModel(), mcp=True)) as address:

        async def session(name: str | None, arguments: dict[str, Any]) -> Any:
            async with (
                streamablehttp_client(f"{address}gradio_api/mcp/") as (read, write, _),
                ClientSession(read, write) as client,
            ):
                await client.initialize()
                if name is None:
                    return (await client.list_tools()).tools
                return await client.call_tool(name, arguments)

        yield lambda name=None, **arguments: asyncio.run(session(name, arguments))


def value(result: Any) -> Any:
    assert not result.isError, result.content
    return ast.literal_eval(result.content[0].text)  # gradio sends what Python prints


@needs_mcp
def test_the_public_endpoints_are_tools_and_nothing_else(tools) -> None:
    found = {tool.name: tool for tool in tools()}
    assert sorted(found) == [
        "add_documents", "chat", "compare", "extract", "index_stats", "list_documents", "page", "remove_documents", "search",
    ]  # fmt: skip
    search = found["search"]
    assert "检索" in search.description
    assert "Search the knowledge base" in search.description
    properties = search.inputSchema["properties"]
    assert set(properties) == {"query", "top_k", "mode"}
    assert properties["query"]["type"] == "string"
    assert properties["top_k"]["type"] in ("integer", "number")
    assert "检索词" in properties["query"]["description"]


@needs_mcp
def test_a_program_searches_and_asks(tools) -> None:
    hits = value(tools("search", query="广州大学", top_k=1))["hits"]
    assert "1927" in hits[0]["text"]
    assert value(tools("chat", message="你好", use_knowledge=False))["answer"] == "回答：你好"
    refused = tools("chat", message="")
    assert refused.isError
    assert "请输入问题" in refused.content[0].text


@needs_mcp
def test_documents_are_refused_because_all_callers_would_see_them(tools) -> None:
    refused = tools("add_documents", files=[])
    assert refused.isError
    assert "没有会话" in refused.content[0].text
