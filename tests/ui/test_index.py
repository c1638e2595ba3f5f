"""Tab 3 without a browser: what it shows is right, and nothing of a document becomes markup."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from src.retrieval.sessions import SessionDocuments

from src.embedding.fake import HashingEmbedder
from src.errors import InputError, KnowledgeError
from src.knowledge.split import MAX_CHARS
from src.knowledge.types import Chunk, Document
from src.knowledge.worker import ParserPool
from src.language.fake import FakeModel
from src.retrieval.checks import Finding, check
from src.retrieval.explain import explanation
from src.retrieval.indexing import add_documents, base_of
from src.retrieval.inspect import Lengths, Look, look, neighbours
from src.retrieval.knowledge_base import KnowledgeBase
from src.retrieval.projection import projection
from src.retrieval.search import Retriever
from src.retrieval.types import Candidate, Query, Stages, Wording
from src.runtime import Runtime
from src.settings import load_settings
from src.ui.index import cards, chunks_tab, documents_tab, figures, map_tab, probe_tab
from src.ui.index.facts import statistics
from src.ui.page import create_page
from src.ui.wording import CHINESE, Words

HOSTILE = "<img src=x onerror=alert(1)><script>x</script>&\"'%{x}<br>"


def runtime_of(base: KnowledgeBase, **settings) -> SimpleNamespace:
    """The parts of a runtime that the tab uses, without models."""
    parser = ParserPool()
    return SimpleNamespace(
        local_base=base,
        is_local=True,
        base=base,
        retriever=Retriever(base, base.embedder),
        sessions=SessionDocuments(base.embedder, parser),
        parser=parser,
        settings=load_settings(**settings),
    )


@pytest.fixture
def base() -> KnowledgeBase:
    documents = [
        Document(
            f"{HOSTILE}{i}", HOSTILE, HOSTILE, f"{HOSTILE}广州的第{i}件事，{'甲乙丙丁'[i % 4]}。" * (1 + i % 3)
        )
        for i in range(30)
    ]
    return base_of(documents, HashingEmbedder(), HOSTILE)


def figure(data) -> dict:
    assert data.type == "plotly"
    return json.loads(data.plot)


def texts_in(value) -> list[str]:
    if isinstance(value, dict):
        return [text for child in value.values() for text in texts_in(child)]
    if isinstance(value, list):
        return [text for child in value for text in texts_in(child)]
    return [value] if isinstance(value, str) else []


def without_markup(html: str) -> None:
    for tag in ("<img", "<script"):
        assert tag not in html
    assert "&lt;img" in html


def test_no_text_becomes_html(base) -> None:
    explanation = Retriever(base, base.embedder).explain(f"广州{HOSTILE}")
    without_markup(cards.probe_table(explanation, 3, CHINESE))
    without_markup(cards.passage_detail(neighbours(base, explanation.candidates[0].chunk.chunk_id), CHINESE))
    without_markup(cards.findings([Finding(HOSTILE, "bad", HOSTILE)], running=False, words=CHINESE))
    assert "<img" not in cards.terms(explanation, CHINESE)


def test_no_text_becomes_markup_in_a_figure(base) -> None:
    runtime = runtime_of(base)
    drawn, about = map_tab.view(runtime, f"广州{HOSTILE}", "", CHINESE)
    for text in texts_in(figure(drawn)):
        assert "<img" not in text
        assert "<script" not in text
        assert text.replace("<br>", "").count("<") == 0
    assert "30 段" in about
    assert any("&lt;img" in text for text in texts_in(figure(drawn)))


def test_the_map_has_every_passage_the_question_and_its_hits(base) -> None:
    runtime = runtime_of(base)
    dots = figure(map_tab.view(runtime, "", "", CHINESE)[0])["data"]
    assert sum(len(trace["x"]) for trace in dots) == len(base)
    *files, hits, star = figure(map_tab.view(runtime, "广州的第7件事", "", CHINESE)[0])["data"]
    assert sum(len(trace["x"]) for trace in files) == len(base)
    assert hits["text"] == [str(n) for n in range(1, map_tab.HITS + 1)]
    assert (star["marker"]["symbol"], len(star["x"])) == ("star", 1)
    places = {point for trace in files for point in zip(trace["x"], trace["y"], strict=True)}
    assert set(zip(hits["x"], hits["y"], strict=True)) <= places


def test_a_hit_among_ones_own_documents_is_on_the_map(base, tmp_path) -> None:
    runtime = runtime_of(base)
    path = tmp_path / "我的.txt"
    path.write_text("青柠社的社长是钱多多。", encoding="utf-8")
    assert runtime.sessions.add("s", [path])["added"]
    *files, hits, _ = figure(map_tab.view(runtime, "青柠社的社长", "s", CHINESE)[0])["data"]
    own = next(trace for trace in files if trace["name"] == "我的.txt")
    assert (hits["x"][0], hits["y"][0]) == (own["x"][0], own["y"][0])
    assert "我的.txt" not in [
        trace["name"] for trace in figure(map_tab.view(runtime, "青柠社", "other", CHINESE)[0])["data"]
    ]


def test_an_empty_index_has_no_map() -> None:
    drawn, about = map_tab.view(runtime_of(KnowledgeBase(HashingEmbedder())), "广州", "", CHINESE)
    assert drawn is None
    assert "空的" in about


def test_many_files_share_a_colour() -> None:
    base = KnowledgeBase(HashingEmbedder())
    for i in range(12):
        add_documents(base, f"{i}.txt", [Document(f"{i}", "s", "", f"第{i}个文件的话。")])
    traces = figure(figures.map_figure(projection([base]), CHINESE))["data"]
    assert sum(len(trace["x"]) for trace in traces) == 12
    assert traces[-1]["name"] == "其余 3 个文件"
    assert len({trace["marker"]["color"] for trace in traces}) == len(traces) == 10


@pytest.mark.parametrize(
    ("length", "bar"),
    [(0, "1–20"), (1, "1–20"), (20, "1–20"), (21, "21–40"), (300, "281–300"), (301, ">300"), (9999, ">300")],
)
def test_bars_of_the_length_histogram(length, bar) -> None:
    drawn = figure(figures.length_figure(Lengths(np.array([length]), 1), CHINESE))["data"][0]
    assert MAX_CHARS == 300
    assert [name for name, count in zip(drawn["x"], drawn["y"], strict=True) if count] == [bar]


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_score_histograms_count_every_candidate(base, mode) -> None:
    explanation = Retriever(base, base.embedder).explain("广州的事", mode)
    for trace in figure(figures.score_figure(explanation, CHINESE))["data"]:
        assert sum(trace["y"]) == len(explanation.candidates)


def test_the_probe_table_shows_the_stages_there_are(base) -> None:
    retriever = Retriever(base, base.embedder)
    hybrid = cards.probe_table(retriever.explain("广州的事"), 5, CHINESE)
    assert "<th>融合</th>" in hybrid
    assert "<th>重排</th>" in hybrid
    assert hybrid.count('class="yz-hit"') == 5
    assert "<mark>广州的</mark>" in hybrid
    lexical = cards.probe_table(retriever.explain("广州的事", "lexical"), 5, CHINESE)
    assert "<th>字面</th>" in lexical
    assert "<th>向量</th>" not in lexical
    nothing = retriever.explain("🐑", "lexical")
    assert "没有找到" in cards.probe_table(nothing, 5, CHINESE)
    assert "没有可查的字词" in cards.terms(nothing, CHINESE)
    assert probe_tab.summary(nothing, 5, CHINESE) == "没有候选段落。"


def test_a_reranker_has_its_own_column() -> None:
    chunk = Chunk("d#1", "d", "a", "", "广州的一段。", 0, 6)
    found = [Candidate(chunk, (1, 0, 0), Stages(lexical=0.5, dense=0.25, fused=0.45, rerank=0.875))]
    query = Query("广州", (Wording({"广州": 1.0}),), 5.0, None, "hybrid", 50)
    table = cards.probe_table(explanation(query, [], found), 5, CHINESE)
    assert "<th>融合</th><th>重排</th>" in table
    assert "<b>0.875</b>" in table
    assert "0.875 <i>第 1</i>" in table
    assert "我的文档" in table


def test_findings_say_what_to_look_at() -> None:
    fine, worn = Finding("甲", "ok", "好"), Finding("乙", "warn", "旧")
    assert "没有发现问题" in cards.findings([fine], running=False, words=CHINESE)
    assert "要留意的有：乙" in cards.findings([fine, worn], running=False, words=CHINESE)
    assert "正在检查" in cards.findings([fine], running=True, words=CHINESE)


def test_what_checks_measure_has_a_name_in_english(base) -> None:
    found = list(check(base))
    assert tuple(finding.name for finding in found) == cards.CHECKS
    html = cards.findings(found, running=False, words=Words("en"))
    assert "Numbers of passages and vectors" in html
    assert all(finding.detail in html for finding in found)


def test_what_the_chunk_table_says(base) -> None:
    assert chunks_tab.count_text(look(base), False, CHINESE) == "第 1–30 段，共 30 段"
    assert chunks_tab.count_text(look(base, "第7件"), True, CHINESE) == "在全部 30 段里找到 1 段"
    assert chunks_tab.count_text(Look((), 0, 0, 0, None, 0), True, CHINESE) == "这里还没有段落。"
    cut = Look((), 50_000, 100_000, 3, 100_000, 200_000)
    assert chunks_tab.count_text(cut, True, CHINESE).startswith("在第 50001–100000 段（共 200000 段）里找到 3 段")
    assert "接着往后找" in chunks_tab.count_text(cut, True, CHINESE)


def test_an_excerpt_shows_what_was_looked_for() -> None:
    text = "前" * 200 + "要找的字" + "后" * 200
    assert chunks_tab.excerpt(text, "") == "前" * 90 + "…"
    found = chunks_tab.excerpt(text, " 要找的字 ")
    assert "要找的字" in found
    assert found.startswith("…前")
    assert chunks_tab.excerpt("短", "x") == "短"


def test_a_file_name_that_is_not_there(base) -> None:
    assert chunks_tab.wanted_file(base, chunks_tab.ALL_FILES) is None
    assert chunks_tab.wanted_file(base, HOSTILE) == HOSTILE
    with pytest.raises(InputError, match="没有文件"):
        chunks_tab.wanted_file(base, "x" * 1000)


@pytest.fixture
def stored(tmp_path) -> KnowledgeBase:
    made = KnowledgeBase(HashingEmbedder(), tmp_path / "index")
    add_documents(made, "设定.txt", [Document("d", "设定.txt", "", "来自设定的一段。")])
    return made


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_files_are_added_to_the_knowledge_base_and_deleted(stored, tmp_path) -> None:
    runtime = runtime_of(stored, edit_knowledge=True)
    paths = [
        write(tmp_path, "新.txt", "新加入的一段。\n又一段。"),
        write(tmp_path, "坏.jsonl", "{"),
        write(tmp_path, "x.exe", "MZ"),
    ]
    result = documents_tab.add_to_base(runtime, paths)
    assert result["added"] == [{"source": "新.txt", "chunks": 2}]
    assert [item["source"] for item in result["rejected"]] == ["坏.jsonl", "x.exe"]
    assert runtime.retriever.search("新加入", top_k=1)[0].chunk.text == "新加入的一段。"
    assert ["新.txt", 2, 2, 0, "网页加入"] in documents_tab.file_rows(stored.files(), CHINESE)
    assert "3" in statistics(runtime, CHINESE)
    again = documents_tab.add_to_base(runtime, paths[:1])
    assert "已经有" in again["rejected"][0]["reason"]
    documents_tab.remove_from_base(runtime, "新.txt")
    assert list(stored.files()) == ["设定.txt"]
    for name, reason in (("设定.txt", "--knowledge"), ("没有.txt", "没有"), ("", "先选")):
        with pytest.raises(KnowledgeError, match=reason):
            documents_tab.remove_from_base(runtime, name)


def test_nobody_edits_the_knowledge_base_unless_the_owner_allows_it(stored, tmp_path) -> None:
    runtime = runtime_of(stored)
    with pytest.raises(KnowledgeError, match="没有允许"):
        documents_tab.add_to_base(runtime, [write(tmp_path, "新.txt", "新。")])
    with pytest.raises(KnowledgeError, match="没有允许"):
        documents_tab.remove_from_base(runtime, "设定.txt")
    assert list(stored.files()) == ["设定.txt"]


@pytest.mark.parametrize("allowed", [False, True])
def test_the_page_offers_only_what_is_allowed_and_no_new_endpoint(tmp_path, allowed) -> None:
    knowledge = write(tmp_path, "知识.txt", "一段知识。")
    settings = load_settings(
        profile="embedded", knowledge=[knowledge], cache_dir=tmp_path / "cache", edit_knowledge=allowed
    )
    runtime = Runtime(settings)
    runtime.__dict__.update(model=FakeModel(), embedder=HashingEmbedder())
    page = create_page(runtime)
    ids = {component["props"].get("elem_id") for component in page.config["components"]}
    assert ("shared-upload" in ids, "shared-delete" in ids, "shared-locked" in ids) == (
        allowed,
        allowed,
        not allowed,
    )
    assert {"own-upload", "own-delete", "probe-run", "map-plot", "chunk-table", "check-run"} <= ids
    public = {
        d["api_name"] for d in page.config["dependencies"] if d["api_visibility"] == "public" and d["api_name"]
    }
    assert public == {"chat", "compare", "extract", "search", "index_stats", "add_documents"}


def test_files_with_problems_come_first(stored) -> None:
    import dataclasses

    entry = stored.files()["设定.txt"]
    files = {
        "设定.txt": entry,
        "坏.pdf": dataclasses.replace(entry, name="坏.pdf", problem="已损坏"),
        "半.txt": dataclasses.replace(entry, name="半.txt", complete=False, copies_of=("设定.txt",)),
    }
    rows = documents_tab.file_rows(files, CHINESE)
    assert [row[0] for row in rows] == ["坏.pdf", "设定.txt", "半.txt"]
    assert [row[-1] for row in rows] == ["已损坏", "已索引", "还没有建完索引"]
    assert documents_tab.count_text(files, CHINESE) == "3 个文件，其中 1 个用不了"
