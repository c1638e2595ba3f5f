"""Pages, and own and shared documents, through the real server: who sees what, and what a change is said to be."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from src.models.embedders.fake import HashingEmbedder
from src.models.fake import FakeModel
from src.runtime import Runtime
from src.settings import load_settings
from src.ui.page import App
from src.ui.page_view import PageView, _spans
from tests.ingest import samples
from tests.ui.app import running_app

SHARED = ["公司章程", "董事会由七名董事组成，每年至少开四次会。"]
MINE = ["我的合同", "违约金是合同总价的百分之十五。"]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("k")
    (folder / "章程.pdf").write_bytes(samples.pdf([SHARED]))
    (folder / "别的.txt").write_text("这里没有页。\n", encoding="utf-8")
    settings = {"knowledge": [folder], "cache_dir": tmp_path_factory.mktemp("cache"), "edit_knowledge": True}
    runtime = Runtime(load_settings(profile="embedded", **settings))
    vars(runtime).update(model=FakeModel(), embedder=HashingEmbedder())
    made = App(runtime)
    with running_app(runtime, made) as address:
        made.address = address  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def client(app: App) -> Client:
    return Client(app.address, verbose=False, httpx_kwargs={"timeout": 60})  # type: ignore[attr-defined]


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    path = tmp_path / "合同.pdf"
    path.write_bytes(samples.pdf([MINE]))
    return path


def hit_of(client: Client, query: str) -> dict:
    return client.predict(query, api_name="/search")["hits"][0]


def refused(call) -> str:
    with pytest.raises(AppError) as caught:
        call()
    return str(caught.value)


def test_a_hit_names_its_page_and_the_page_its_boxes(client) -> None:
    hit = hit_of(client, "董事会由七名董事组成")
    assert (hit["page"], hit["own"], hit["source"]) == (1, False, "章程.pdf 第 1 页")
    start = hit["text"].index("七名")
    page = client.predict(hit["chunk_id"], start, start + 2, api_name="/page")
    assert (page["page"], page["file"], page["found"], page["edited"]) == (1, "章程.pdf", 1.0, False)
    (only,) = page["pages"]
    assert only["image"].startswith("data:image/webp;base64,UklG")
    ((left, top, right, bottom),) = only["boxes"]
    assert 0 < left < right < 1
    assert 0 < top < bottom < 1
    assert only["shown"] == [0, 0, 1, 1]
    whole = client.predict(hit["chunk_id"], api_name="/page")
    assert len(whole["pages"][0]["boxes"]) == 2


def test_own_pages_are_seen_by_their_own_session_only(app, client, contract) -> None:
    added = client.predict([handle_file(contract)], api_name="/add_documents")["added"]
    read = {"characters": added[0]["characters"], "counts": {"pages": 1, "titled_by_file": 1}}
    assert added == [{"source": "合同.pdf", "chunks": 1, **read}]
    assert len("".join(MINE)) <= read["characters"] <= 2 * len("".join(MINE))
    hit = hit_of(client, "违约金是合同总价")
    assert (hit["own"], hit["page"]) == (True, 1)
    assert client.predict(hit["chunk_id"], own=True, api_name="/page")["file"] == "合同.pdf"
    assert client.predict(hit["chunk_id"], api_name="/page")["file"] == "合同.pdf"
    other = Client(app.address, verbose=False, httpx_kwargs={"timeout": 60})
    for own in (True, False, None):
        said = refused(lambda own=own: other.predict(hit["chunk_id"], own=own, api_name="/page"))
        assert "不在索引里" in said or "没有加入过文档" in said


def test_two_visitors_at_once_each_see_their_own(app, tmp_path) -> None:
    def visit(number: int) -> bool:
        path = tmp_path / str(number) / "合同.pdf"
        path.parent.mkdir()
        path.write_bytes(samples.pdf([[f"第{number}位访客的合同，金额是{number}00万元。"]]))
        client = Client(app.address, verbose=False, httpx_kwargs={"timeout": 60})
        client.predict([handle_file(path)], api_name="/add_documents")
        hit = hit_of(client, "访客的合同金额")
        page = client.predict(hit["chunk_id"], 1, 2, True, api_name="/page")
        return hit["text"][1] == str(number) and page["found"] == 1.0 and len(page["pages"][0]["boxes"]) == 1

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(visit, range(1, 5)))


def test_bad_calls_are_told_in_chinese(client) -> None:
    hit = hit_of(client, "董事会")
    cases = [
        (("",), "chunk_id"), ((5,), "chunk_id"), (("没有:p1#1",), "不在索引里"), ((hit["chunk_id"], 3), "都不填"),
        ((hit["chunk_id"], 9, 2), "start 和 end"), ((hit["chunk_id"], "a", "b"), "都不填"),
        ((hit["chunk_id"], 0, 2, "yes"), "own"), ((hit_of(client, "这里没有页")["chunk_id"],), "没有可以显示的页"),
    ]  # fmt: skip
    for call, says in cases:
        assert says in refused(lambda call=call: client.predict(*call, api_name="/page")), call


def test_documents_are_listed_and_removed(client, contract, tmp_path) -> None:
    empty = client.predict(api_name="/list_documents")
    assert (empty["documents"], empty["characters"]) == ([], 0)
    note = tmp_path / "笔记.txt"
    note.write_text("随手记的话。", encoding="utf-8")
    client.predict([handle_file(contract), handle_file(note)], api_name="/add_documents")
    listed = client.predict(api_name="/list_documents")
    assert [one["source"] for one in listed["documents"]] == ["合同.pdf", "笔记.txt"]
    assert listed["documents"][0]["counts"]["pages"] == 1
    assert listed["characters"] == sum(one["characters"] for one in listed["documents"])
    result = client.predict(["合同.pdf", "没有.pdf"], api_name="/remove_documents")
    assert result["removed"] == ["合同.pdf"]
    assert "没有加入过" in result["rejected"][0]["reason"]
    assert [one["source"] for one in client.predict(api_name="/list_documents")["documents"]] == ["笔记.txt"]
    assert hit_of(client, "违约金是合同总价")["source"] != "合同.pdf 第 1 页"
    for wrong in ("合同.pdf", [1], None, ["x"] * 101):
        assert refused(lambda wrong=wrong: client.predict(wrong, api_name="/remove_documents"))


def opened(app: App, data: dict, session: str = "nobody") -> list[str]:
    view = PageView.__new__(PageView)
    view._context = app.context("zh")
    event = SimpleNamespace(_data=data)
    return list(view.open(event, SimpleNamespace(session_hash=session, headers={}, client=None)))


def test_the_dialog_says_what_it_does(app, client) -> None:
    hit = hit_of(client, "董事会由七名董事组成")
    start = hit["text"].index("七名")
    button = {
        "chunk": hit["chunk_id"],
        "own": "0",
        "spans": f"0-{len(hit['text'])}",
        "words": f"{start}-{start + 2}",
    }
    waiting, shown = opened(app, {**button, "number": "1-<b>"})
    assert "正在打开原页" in waiting
    assert "章程.pdf 第 1 页" in shown
    assert shown.count('class="yz-box"') == 2
    assert shown.count('class="yz-box yz-answers"') == 1
    assert "回答依据的字句" in shown
    assert "<b>" not in shown
    for wrong in (
        {},
        None,
        {"chunk": [1], "own": "1"},
        {"chunk": "<img src=x>", "own": "0"},
        {**button, "spans": "9-1"},
    ):
        told = opened(app, wrong)[-1]
        assert 'role="status"' in told
        assert "yz-sheet" not in told
        assert "<img" not in told


def test_spans_of_a_button() -> None:
    assert _spans("1-2,30-40") == [(1, 2), (30, 40)]
    assert _spans(None) == _spans("") == _spans("a-b,1,-,1-2-3") == _spans(["1-2"]) == []
    assert len(_spans(",".join(["1-2"] * 500))) == 40
