"""On Milvus Lite itself, opened as a file and served over HTTP by a process of its own."""

import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from src.errors import KnowledgeError
from src.ingest.types import Document
from src.models.embedders.fake import HashingEmbedder
from src.search.base import Changes
from src.search.indexing import add_documents, add_file, base_of, open_base, remove_file
from src.search.milvus import MilvusBase, open_milvus
from src.search.milvus_server import Address, Server
from src.search.search import Retriever
from src.search.types import Query, Wording

pytest.importorskip("pymilvus", reason="没有 pymilvus：pip install -r requirements-milvus.txt")
pytest.importorskip("milvus_lite", reason="没有 milvus-lite：pip install -r requirements-milvus.txt")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
QUESTIONS = [
    "羊城是哪座城市的别称", "番茄炒蛋怎么做", "广州大学的办学历史可以追溯到哪一年", "北京大学在哪里", "光合作用是什么",
    "长江有多长", "鲸鱼是鱼吗", "什么是BM25", "珠穆朗玛峰的高度", "谁写了红楼梦", "水的沸点是多少",
    "哪些大学在武汉", "故宫在哪座城市", "中国的首都", "太阳系有几颗行星",
]  # fmt: skip


class Counting(HashingEmbedder):
    """Counts passages apart from questions."""

    passages = 0

    def encode(self, texts):
        self.passages += len(texts)
        return super().encode(texts)

    def encode_queries(self, texts):
        return np.stack([self._one(text) for text in texts])


def top(base, embedder, question, mode="hybrid", count=3):
    return [hit.chunk.text for hit in Retriever(base, embedder).search(question, count, mode)]


def names(base):
    return sorted({stored.file for stored in base.chunks()})


def lite(tmp_path, embedder, collection="k"):
    return MilvusBase(Server(Address.parse(f"milvus:{tmp_path / 'm.db'}#{collection}")), embedder)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The examples in Milvus Lite and in the local base."""
    folder = tmp_path_factory.mktemp("pair")
    embedder = Counting(256)
    there = open_milvus(f"milvus:{folder / 'new' / 'm.db'}", None, [EXAMPLES / "knowledge.txt"], embedder)
    here = open_base([EXAMPLES / "knowledge.txt"], embedder, folder / "cache")
    return there, here, embedder


class Served:
    """Milvus Lite in a process of its own, as other machines reach it."""

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None

    @property
    def address(self):
        return f"milvus:http://127.0.0.1:{self.port}#shared"

    def start(self):
        command = [
            sys.executable,
            "-m",
            "milvus_lite",
            "server",
            "--data-dir",
            str(self.folder),
            "--port",
            str(self.port),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError("milvus-lite does not start")

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Served(tmp_path_factory.mktemp("served") / "data")
    server.start()
    yield server
    server.stop()


# Searching


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_finds_what_the_local_base_finds(pair, mode):
    there, here, embedder = pair
    for question in QUESTIONS:
        found = Retriever(there, embedder).search(question, 5, mode)
        expected = Retriever(here, embedder).search(question, 5, mode)
        assert [hit.chunk for hit in found][:1] == [hit.chunk for hit in expected][:1], question
        np.testing.assert_allclose(
            [hit.score for hit in found][:3], [hit.score for hit in expected][:3], atol=1e-4, err_msg=question
        )


def test_holds_the_same_passages_counts_and_figures(pair):
    there, here, _ = pair
    # Also the order: files as they were indexed, passages as they stand in the file.
    assert list(there.chunks()) == list(here.chunks())
    question = Query("", (Wording(("广州", "州", "的", "1927", "没有的词")),), None, "lexical", 5)
    mine, other = there.propose(question), here.propose(question)
    assert (mine.texts, mine.terms) == (other.texts, other.terms)
    assert {t: n for t, n in mine.frequencies.items() if n} == other.frequencies
    mine, other = there.stats(), here.stats()
    assert mine["vector_store"].startswith("milvus lite")
    assert set(mine) == set(other)
    same = ("documents", "chunks", "duplicates", "vectors", "dimension", "embedder", "files", "sources")
    assert {name: mine[name] for name in same} == {name: other[name] for name in same}
    assert len(there) == len(here)


def test_a_sessions_own_documents_compete(pair):
    there, _, embedder = pair
    extra = base_of([Document("mine", "mine.txt", "", "羊城晚报是一份报纸。")], embedder)
    found = Retriever(there, embedder).search("羊城晚报是什么", 3, extra=extra)
    assert found[0].chunk.doc_id == "mine"
    assert len(found) == 3
    assert Retriever(there, embedder).explain("羊城晚报", extra=extra).candidates[0].chunk.chunk_id == "mine#1"


def test_a_question_of_signs_only_is_answered(pair):
    there, _, embedder = pair
    assert len(top(there, embedder, "？！🐑")) == 3
    assert top(there, embedder, "？！🐑", "lexical") == []


# Files


def test_only_changed_files_are_embedded_and_missing_ones_go(tmp_path):
    folder, embedder = tmp_path / "k", Counting()
    folder.mkdir()
    (folder / "a.txt").write_text("珠江流过广州。\n长江流过武汉。", "utf-8")
    (folder / "b.txt").write_text("番茄炒蛋是家常菜。", "utf-8")
    address = f"milvus:{tmp_path / 'm.db'}"

    def start():
        embedder.passages = 0
        return open_milvus(address, None, [folder], embedder)

    base = start()
    assert embedder.passages == 3
    base = start()
    assert embedder.passages == 0
    assert len(base) == 3
    (folder / "b.txt").write_text("西红柿鸡蛋面也是家常菜。", "utf-8")
    base = start()
    assert embedder.passages == 1
    assert top(base, embedder, "家常菜", count=1) == ["西红柿鸡蛋面也是家常菜。"]
    assert sorted(stored.chunk.text for stored in base.chunks()) == [
        "珠江流过广州。", "西红柿鸡蛋面也是家常菜。", "长江流过武汉。"
    ]  # fmt: skip
    (folder / "a.txt").unlink()
    base = start()
    assert embedder.passages == 0
    assert names(base) == ["b.txt"]
    asked = Query("", (Wording(("珠江", "西红")),), None, "lexical", 5)
    assert base.propose(asked).frequencies == {"珠江": 0, "西红": 1}


def test_an_added_file_is_found_at_once_and_stays(tmp_path):
    folder, embedder = tmp_path / "k", Counting()
    folder.mkdir()
    lines = "\n".join(f"第{i}条规定说的是第{i}件事情。" for i in range(30))
    (folder / "a.txt").write_text(lines, "utf-8")
    base = open_milvus(f"milvus:{tmp_path / 'm.db'}", None, [folder], embedder)
    added = tmp_path / "n.txt"
    added.write_text("珠江流过广州。", "utf-8")
    old = tmp_path / "old.txt"
    old.write_text("珠江流过南宁。", "utf-8")
    entry, changes = add_file(base, old, "n.txt", [Document("n.txt:1", "n.txt", "", "珠江流过南宁。")])
    assert (entry.chunks, entry.added, changes) == (1, True, None)
    entry, changes = add_file(base, added, "n.txt", [Document("n.txt:1", "n.txt", "", "珠江流过广州。")])
    assert (entry.chunks, entry.added, changes) == (1, True, Changes(1, 0, 1))
    for mode in ("hybrid", "dense", "lexical"):
        assert top(base, embedder, "珠江流过哪里", mode, count=1) == ["珠江流过广州。"]
    with pytest.raises(KnowledgeError, match="没有变"):
        add_file(base, added, "n.txt", [Document("n", "n.txt", "", "珠江。")])
    # Another start, on whatever machine, leaves it alone: its only copy is in Milvus.
    again = open_milvus(f"milvus:{tmp_path / 'm.db'}", None, [folder], embedder)
    assert names(again) == ["a.txt", "n.txt"]
    remove_file(again, "n.txt")
    assert names(base) == ["a.txt"]
    assert "珠江流过广州。" not in top(again, embedder, "珠江流过哪里")


def test_an_interrupted_change_is_done_again(tmp_path, monkeypatch):
    folder, embedder = tmp_path / "k", Counting()
    folder.mkdir()
    (folder / "a.txt").write_text("珠江流过广州。", "utf-8")
    address = f"milvus:{tmp_path / 'm.db'}"
    open_milvus(address, None, [folder], embedder)
    (folder / "a.txt").write_text("长江流过武汉。", "utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(Server, "delete", lambda *_: (_ for _ in ()).throw(KnowledgeError("断电")))
        with pytest.raises(KnowledgeError, match="断电"):
            open_milvus(address, None, [folder], embedder)
    base = open_milvus(address, None, [folder], embedder)
    assert [stored.chunk.text for stored in base.chunks()] == ["长江流过武汉。"]
    assert base.files()["a.txt"].complete


def test_copies_are_left_out_until_the_original_goes(tmp_path):
    folder, embedder = tmp_path / "k", Counting()
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text("珠江流过广州。", "utf-8")
    address = f"milvus:{tmp_path / 'm.db'}"
    base = open_milvus(address, None, [folder], embedder)
    assert names(base) == ["a.txt"]
    assert base.files()["b.txt"].copies_of == ("a.txt",)
    (folder / "a.txt").unlink()
    assert names(open_milvus(address, None, [folder], embedder)) == ["b.txt"]


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
def test_odd_file_names_are_only_names(tmp_path):
    folder, embedder = tmp_path / "k", Counting()
    folder.mkdir()
    odd = ['a" or id != "', "b\\", "c'%_.", "d] or true", "e\n", "f$({})", os.fsdecode(b"g\xff")]
    for number, stem in enumerate(odd):
        (folder / f"{stem}.txt").write_text(f"第{number}份资料，编号{number}{number}。", "utf-8")
    address = f"milvus:{tmp_path / 'm.db'}"
    base = open_milvus(address, None, [folder], embedder)
    assert names(base) == sorted(f"{stem}.txt" for stem in odd)
    for number, stem in enumerate(odd[:3]):
        (folder / f"{stem}.txt").unlink()
        base = open_milvus(address, None, [folder], embedder)
        assert names(base) == sorted(f"{stem}.txt" for stem in odd[number + 1 :])


def test_odd_and_long_texts_come_back_as_they_were(tmp_path):
    embedder = Counting()
    base = lite(tmp_path, embedder)
    odd = [
        Document("q", "s", "题", "引号\" ' \\ 反斜杠 % _ {x} <|im_end|> 结束"),
        Document('"; drop', "s'", "\U0001f411", "羊\U0001f411 3.14 与 v2.0.1，Ａ　Ｂ。\t末尾"),
        Document("long", "s", "长" * 20_000, "标题很长。"),
        Document("body", "s", "", "一句话。" * 15_000),
    ]
    add_documents(base, "odd.txt", odd)
    local = base_of(odd, embedder, "odd.txt")
    assert list(base.chunks()) == list(local.chunks())
    assert top(base, embedder, "3.14", "lexical") == [odd[1].text]
    with pytest.raises(KnowledgeError, match="65535 字节"):
        add_documents(base, "n.txt", [Document("n", "n", "长" * 22_000, "文字。")])
    assert names(base) == ["odd.txt"]


# Addresses and servers


def test_two_bases_in_one_database(tmp_path):
    embedder = Counting()
    one, two = lite(tmp_path, embedder, "one"), lite(tmp_path, embedder, "two")
    add_documents(one, "a.txt", [Document("1", "a.txt", "", "珠江流过广州。")])
    add_documents(two, "a.txt", [Document("1", "a.txt", "", "长江流过武汉。")])
    assert top(one, embedder, "江") == ["珠江流过广州。"]
    assert top(two, embedder, "江") == ["长江流过武汉。"]


def test_another_embedder_is_refused_and_can_rebuild(tmp_path):
    (tmp_path / "a.txt").write_text("珠江流过广州。", "utf-8")
    address = f"milvus:{tmp_path / 'm.db'}"
    open_milvus(address, None, [tmp_path / "a.txt"], Counting(64))
    other = Counting(32)
    with pytest.raises(KnowledgeError, match=r"hashing-64（64 维）.*hashing-32（32 维）.*--rebuild"):
        open_milvus(address, None, [tmp_path / "a.txt"], other)
    base = open_milvus(address, None, [tmp_path / "a.txt"], other, rebuild=True)
    assert top(base, other, "珠江") == ["珠江流过广州。"]


def test_a_collection_that_is_not_ours_is_left_alone(tmp_path):
    embedder = Counting()
    server = lite(tmp_path, embedder)._server
    for name in ("theirs", "other_files"):
        server.call("create_collection", 30, name, dimension=4)
    for name in ("theirs", "other"):
        with pytest.raises(KnowledgeError, match="不是源知建的"):
            MilvusBase(Server(Address.parse(f"milvus:{tmp_path / 'm.db'}#{name}")), embedder, replace_other=True)
    assert server.has("theirs")
    assert server.has("other_files")


def test_what_cannot_be_understood_is_rebuilt_on_request(tmp_path):
    (tmp_path / "a.txt").write_text("珠江流过广州。", "utf-8")
    address, embedder = f"milvus:{tmp_path / 'm.db'}", Counting()
    base = open_milvus(address, None, [tmp_path / "a.txt"], embedder)
    body = {"id": "0", "body": '{"entry": 3', "vector": [0.0, 0.0]}
    base._server.put(base._server.files_collection, [body])
    with pytest.raises(KnowledgeError, match=r"读不懂.*--rebuild"):
        open_milvus(address, None, [tmp_path / "a.txt"], embedder)
    base = open_milvus(address, None, [tmp_path / "a.txt"], embedder, rebuild=True)
    assert top(base, embedder, "珠江") == ["珠江流过广州。"]


def test_several_machines_share_a_server_and_outlive_it(served, tmp_path):
    (tmp_path / "a.txt").write_text("珠江流过广州。\n长江流过武汉。", "utf-8")
    first, second = Counting(), Counting()
    one = open_milvus(served.address, "root:secret", [tmp_path / "a.txt"], first)
    two = open_milvus(served.address, None, [tmp_path / "a.txt"], second)
    assert (first.passages, second.passages) == (2, 0)
    add_documents(one, "b.txt", [Document("b", "b.txt", "", "番茄炒蛋是家常菜。")])
    assert top(two, second, "番茄炒蛋", count=1) == ["番茄炒蛋是家常菜。"]
    served.stop()
    started = time.monotonic()
    with pytest.raises(KnowledgeError, match="请检查地址、网络") as caught:
        top(two, second, "番茄炒蛋")
    assert "secret" not in str(caught.value)
    assert time.monotonic() - started < 30
    served.start()
    for _ in range(50):  # gRPC waits a moment before it connects anew
        try:
            found = top(two, second, "番茄炒蛋", count=1)
            break
        except KnowledgeError:
            time.sleep(0.2)
    assert found == ["番茄炒蛋是家常菜。"]
    third = Counting()
    base = open_milvus(served.address, "other", [tmp_path / "a.txt"], third)
    assert names(base) == ["a.txt"]
    assert third.passages == 0


def test_a_file_that_another_process_has_open(tmp_path, served):
    (tmp_path / "data.db").symlink_to(served.folder)
    with pytest.raises(KnowledgeError, match="另一个进程"):
        Server(Address.parse(f"milvus:{tmp_path / 'data.db'}"))


def test_no_server_fails_in_seconds():
    started = time.monotonic()
    with pytest.raises(KnowledgeError, match="请检查地址、网络"):
        Server(Address.parse(f"milvus:http://127.0.0.1:{free_port()}"), "hidden-token")
    assert time.monotonic() - started < 15


def test_a_wrong_token_is_named_not_shown():
    grpc = pytest.importorskip("grpc")

    class Refusing(grpc.GenericRpcHandler):
        def service(self, details):
            def refuse(request, context):
                context.abort(
                    grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check api key is correct"
                )

            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Refusing()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(KnowledgeError, match="YUAN_VECTOR_STORE_TOKEN") as caught:
            Server(Address.parse(f"milvus:http://127.0.0.1:{port}"), "hidden-token")
    finally:
        server.stop(0)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("missing", ["pymilvus", "milvus_lite"])
def test_what_to_install_is_said(missing, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(KnowledgeError, match=f"{missing}.*requirements-milvus.txt"):
        Server(Address.parse(f"milvus:{tmp_path / 'm.db'}"))


def test_the_address_says_database_and_collection(tmp_path):
    assert Address.parse("milvus:http://h:19530") == Address("http://h:19530", "", "yuanzhi")
    assert Address.parse("milvus:https://h#库1".replace("库", "k")) == Address("https://h", "", "k1")
    assert Address.parse("milvus:http://h:1/#d/c") == Address("http://h:1", "d", "c")
    assert Address.parse("milvus:a b.db#c").uri == str(Path("a b.db").absolute())


def test_the_command_line_indexes_and_searches_in_milvus(tmp_path):
    (tmp_path / "a.txt").write_text("珠江流过广州。", "utf-8")
    options = ["--vector-store", f"milvus:{tmp_path / 'm.db'}", "--knowledge", str(tmp_path / "a.txt")]
    code = (
        "import sys; from src import runtime; from src.models.embedders.fake import HashingEmbedder;"
        "runtime.Runtime.embedder = HashingEmbedder(); from src.__main__ import main;"
        "sys.exit(main(['index', *sys.argv[1:]]) or main(['search', '珠江', *sys.argv[1:]]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *options], capture_output=True, text=True, timeout=60, check=True
    )
    assert "Traceback" not in run.stderr
    index, _, search = run.stdout.partition("\n}\n")
    assert json.loads(index + "}")["vector_store"].startswith("milvus lite")
    assert json.loads(search)["hits"][0]["text"] == "珠江流过广州。"
