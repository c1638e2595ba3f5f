"""Tab 3 without a browser: its handlers are called as gradio calls them; nothing of a document becomes markup."""

import dataclasses
import json
import re
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from src.errors import InputError, KnowledgeError
from src.ingest.types import Chunk, Document
from src.models.embedders.fake import HashingEmbedder
from src.models.fake import FakeModel
from src.runtime import Runtime
from src.search.checks import Finding, check
from src.search.explain import explanation
from src.search.indexing import add_documents, base_of
from src.search.inspect import PAGE_ROWS, Look, look
from src.search.knowledge_base import KnowledgeBase
from src.search.projection import projection
from src.search.rows import StoredChunk
from src.search.types import Candidate, Hit, Query, Stages, Wording
from src.settings import load_settings
from src.ui.calls import Calls
from src.ui.context import Context
from src.ui.index import check as check_tab
from src.ui.index import files, marking, passages, verdict
from src.ui.index import map as map_tab
from src.ui.index.marking import passage_html
from src.ui.index.parts import exported
from src.ui.index_tab import IndexTab
from src.ui.page import App
from src.ui.passage import page_link, relevance
from src.ui.reading import changed, reading
from src.ui.session import Sessions
from src.ui.templating import render
from src.ui.wording import CHINESE, Language, Words

HOSTILE = "<img src=x onerror=alert(1)><script>x</script>&\"'%{x}<br>"


def visitor(session: str = "s") -> SimpleNamespace:
    return SimpleNamespace(session_hash=session, headers={}, client=None)


def runtime_of(base: KnowledgeBase, **settings) -> Runtime:
    runtime = Runtime(load_settings(profile="embedded", **settings))
    vars(runtime).update(model=FakeModel(), embedder=base.embedder, base=base)
    return runtime


def tab_of(base: KnowledgeBase, language: Language = "zh", **settings) -> IndexTab:
    runtime = runtime_of(base, **settings)
    context = Context(runtime, Sessions(runtime.own_documents), Calls(8), Words(language))
    with gr.Blocks(), gr.Tab("索引") as tab:
        return IndexTab(context, tab)


def chosen(*row) -> SimpleNamespace:
    """A click on a row of a table."""
    return SimpleNamespace(row_value=list(row))


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture
def base() -> KnowledgeBase:
    documents = [
        Document(
            f"{HOSTILE}{i}", HOSTILE, HOSTILE, f"{HOSTILE}广州的第{i}件事，{'甲乙丙丁'[i % 4]}。" * (1 + i % 3)
        )
        for i in range(30)
    ]
    return base_of(documents, HashingEmbedder(), HOSTILE)


@pytest.fixture
def towns() -> KnowledgeBase:
    texts = ["广州大学的前身是1927年创办的私立广州大学。", "长江是中国第一大河。", "番茄炒蛋先炒鸡蛋。"]
    texts += [f"第{i}件别的事情。" for i in range(12)]
    return base_of(
        [Document(f"d{i}", f"城市.txt:{i}", "", text) for i, text in enumerate(texts)],
        HashingEmbedder(),
        "城市.txt",
    )


def without_markup(html: str) -> None:
    for tag in ("<img", "<script"):
        assert tag not in html
    assert "&lt;img" in html


# Why this answer


def test_the_verdict_says_whether_the_chat_answers(towns) -> None:
    probe = tab_of(towns).probe
    html, column, _bars, rows, detail, *_ = probe.search("广州大学的前身", "", "hybrid", 4, visitor())
    assert "聊天会回答" in html
    assert "门槛 0.15" in html
    assert column["visible"] if isinstance(column, dict) else column.visible
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[0][3] == "高度相关"
    assert "<mark>广州大学的前身</mark>是1927年创办的" in detail
    assert "字面 第 1、向量 第 1 → 重排 第 1" in detail
    refused = probe.search("公司年会抽奖的规则", "", "hybrid", 4, visitor())[0]
    assert "聊天会拒答" in refused
    assert "没有过门槛" in refused


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("前身是1927", "它会交给模型"),
        ("d0#1", "它会交给模型"),
        ("番茄炒蛋", "没有过门槛"),
        ("根本没有的话", "索引里没有这样的段落"),
        ("d99#0", "索引里没有这样的段落"),
    ],
)
def test_where_an_expected_passage_was_lost(towns, wanted, said) -> None:
    html = tab_of(towns).probe.search("广州大学的前身", wanted, "hybrid", 4, visitor())[0]
    assert "应该找到的段落" in html
    assert said in html


def test_an_expected_passage_that_recall_missed() -> None:
    texts = [*(f"广州的第{i}件事，很长很长。" for i in range(120)), "红烧茄子。"]
    base = base_of([Document(f"d{i}", "s", "", text) for i, text in enumerate(texts)], HashingEmbedder(), "a.txt")
    html = tab_of(base).probe.search("广州的事", "红烧茄子", "lexical", 4, visitor())[0]
    assert "它不是候选" in html
    assert "只按一种方式" in html


def explained(score: float, rank: int = 1, found: int = 1):
    chunk = Chunk("d#1", "d", "a", "", "广州的一段。", 0, 6)
    candidates = [
        Candidate(
            dataclasses.replace(chunk, chunk_id=f"d#{i}"),
            (0, 0, i),
            Stages(0.5, 0.25, None, score if i == rank - 1 else 0.9),
        )
        for i in range(found)
    ]
    return explanation(Query("广州", (Wording(("广州",)),), None, "hybrid", 50), [], {}, candidates)


def test_every_way_to_lose_a_passage(towns) -> None:
    low, below = explained(0.2, rank=3, found=3), explained(0.1)
    assert [hit.rank for hit in verdict.given(low, 4)] == [1, 2]
    assert verdict.given(below, 4) == []

    def said(found, wanted: str, top_k: int) -> tuple[str, str]:
        level, _title, text = verdict.expected_line(found, top_k, wanted, [towns], CHINESE)
        return level, text

    for found, wanted, top_k, level, why in (
        (low, "d#2", 4, "bad", "差得太远"),
        (low, "d#2", 2, "bad", "只看前 2 段"),
        (low, "d#0", 4, "ok", "会交给模型"),
        (below, "d#0", 4, "bad", "没有过门槛"),
        (below, "番茄", 4, "bad", "不是候选"),
        (below, "没有的话", 4, "bad", "没有这样的段落"),
    ):
        assert said(found, wanted, top_k)[0] == level
        assert why in said(found, wanted, top_k)[1]


@pytest.mark.parametrize(
    ("score", "word"), [(0.0, "关系不大"), (0.149, "关系不大"), (0.15, "有关"), (0.69, "有关"), (0.7, "高度相关")]
)
def test_scores_in_words(score, word) -> None:
    assert relevance(score, CHINESE) == word


def test_the_words_of_a_question_are_words(towns) -> None:
    found = runtime_of(towns).retriever.explain("广州大学的办学历史，和私立医院")
    asked = dict(marking.asked_words(found))
    assert asked["广州大学"] == 1
    assert asked["办学"] == asked["医院"] == 0
    assert asked["私立"] == 1
    assert not {"的办", "州大", "学历"} & set(asked)


def test_pieces_are_the_text_and_edges_are_no_function_words() -> None:
    assert marking.pieces("FAISS 检索 faiss", ["faiss"]) == [("FAISS", True), (" 检索 ", False), ("faiss", True)]
    assert marking.pieces("a<b", []) == [("a<b", False)]
    assert marking.pieces("", ["x"]) == []
    assert marking.pieces("广州大学城", ["广州", "大学"]) == [("广州大学", True), ("城", False)]


def test_one_mode_only_has_no_verdict_and_nothing_found_is_said(towns) -> None:
    probe = tab_of(towns).probe
    html, _, _bars, rows, *_ = probe.search("长江", "", "lexical", 4, visitor())
    assert "只看一种" in html
    assert rows[0][3] == "—"
    assert "聊天不问模型" in probe.search("长江", "", "lexical", 4, visitor())[6]
    html, _column, *_ = probe.search("🐑", "", "lexical", 4, visitor())
    assert "没有找到任何段落" in html
    assert "没有可查的字词" in probe.search("🐑", "", "lexical", 4, visitor())[5]


def test_the_prompt_is_the_one_that_the_chat_sends(towns) -> None:
    prompt = tab_of(towns).probe.search("广州大学的前身", "", "hybrid", 4, visitor())[6]
    assert prompt.startswith("[system]\n")
    assert "前身是1927年" in prompt
    assert "问题：广州大学的前身" in prompt


def test_mistakes_reach_the_visitor_as_they_are_raised(towns) -> None:
    probe = tab_of(towns).probe
    with pytest.raises(InputError, match="问题是空的"):
        probe.search(" ", "", "hybrid", 4, visitor())
    with pytest.raises(InputError, match="top_k"):
        probe.search("广州", "", "hybrid", 99, visitor())
    assert probe.search_again(" ", "", "hybrid", 4, visitor()) == gr.skip()


def test_a_row_of_candidates_is_shown_beside_the_list(towns) -> None:
    probe = tab_of(towns).probe
    found = probe.search("长江", "", "hybrid", 4, visitor())[-1]
    detail, second = probe.choose(found, chosen(2)), found.candidates[1].chunk
    assert second.text in detail.replace("<mark>", "").replace("</mark>", "")
    assert second.chunk_id in detail
    assert probe.choose(None, chosen(1)) == gr.skip()


def test_candidates_are_exported_without_the_stage_that_orders_nothing(towns) -> None:
    probe = tab_of(towns).probe
    found = probe.search("长江", "", "hybrid", 4, visitor())[-1]
    name, data = exported("candidates", probe.rows(found, visitor()), "jsonl", CHINESE)
    rows = [json.loads(line) for line in data.decode("utf-8").splitlines()]
    assert name == "candidates.jsonl"
    assert [row["rank"] for row in rows] == list(range(1, len(found.candidates) + 1))
    assert "fused" not in rows[0]
    assert {"lexical_rank", "dense_rank", "rerank_rank", "text"} <= set(rows[0])
    table = exported("candidates", probe.rows(found, visitor()), "csv", CHINESE)[1]
    assert table.startswith(b"\xef\xbb\xbfrank,score")
    assert list(probe.rows(None, visitor())) == []


def test_own_documents_are_searched_and_said_to_be_own(towns, tmp_path) -> None:
    tab = tab_of(towns)
    tab.own.add([write(tmp_path, "我的.txt", "青柠社的社长是钱多多。")], visitor("a"))
    rows = tab.probe.search("青柠社的社长", "", "hybrid", 4, visitor("a"))[3]
    assert rows[0][2].startswith("我的文档")
    assert "我的文档 1 个（1 段）" in tab.facts.show(visitor("a"))
    others = tab.probe.search("青柠社的社长", "", "hybrid", 4, visitor("b"))[3]
    assert not any("我的文档" in row[2] for row in others)
    assert "我的文档 0 个" in tab.facts.show(visitor("b"))
    assert "交给模型" in tab.probe.search("青柠社的社长", "钱多多", "hybrid", 4, visitor("a"))[0]
    assert "没有这样的段落" in tab.probe.search("青柠社的社长", "钱多多", "hybrid", 4, visitor("b"))[0]


def test_no_text_becomes_html(base) -> None:
    tab = tab_of(base)
    html, *_, terms, _, found = tab.probe.search(f"广州{HOSTILE}", HOSTILE[:20], "hybrid", 4, visitor())
    without_markup(html)
    assert "<img" not in terms
    without_markup(tab.probe.detail(found, found.candidates[0]))
    assert tab.passages is not None
    without_markup(tab.passages.around("shared", "IMG", found.candidates[0].chunk.chunk_id, visitor()))
    without_markup(check_tab.findings_html([Finding(HOSTILE, "bad", HOSTILE)], running=False, words=CHINESE))
    one = {"source": HOSTILE, "chunks": 1, "reason": HOSTILE, "characters": 1, "counts": {}, "warnings": [HOSTILE]}
    tools = {"reading": reading, "changed": changed}
    without_markup(render("index/added", CHINESE, added=[one], rejected=[one], **tools))
    entry = dataclasses.replace(next(iter(base.files().values())), name=HOSTILE, warnings=(HOSTILE,))
    without_markup(render("index/reading", CHINESE, entry=entry, reading=reading))
    values = {"number": HOSTILE, "title": HOSTILE, "about": HOSTILE, "pages": [], "key": True}
    without_markup(render("page", CHINESE, **values))
    hit = Hit(Chunk(f"{HOSTILE}.pdf:p1#1", f"{HOSTILE}.pdf:p1", HOSTILE, HOSTILE, "甲", 0, 1, 1), 0.5, 1, Stages())
    link = page_link(hit.chunk, CHINESE, own=True)
    assert link is not None
    without_markup(passage_html(StoredChunk(hit.chunk, HOSTILE), [], CHINESE, page=link))


# The map


def dots_of(plot) -> list[dict]:
    frame = plot.value if hasattr(plot, "value") else plot["value"]
    rows = frame["data"] if isinstance(frame, dict) else frame.data
    names = frame["columns"] if isinstance(frame, dict) else frame.columns
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_the_map_has_every_passage_the_question_and_its_hits(base) -> None:
    map_ = tab_of(base).map
    assert map_ is not None
    about, plot, _column, rows, detail, shown = map_.view("", "file", visitor())
    assert len(dots_of(plot)) == len(base)
    assert (rows, detail, shown) == ([], "", {})
    about, plot, _column, rows, detail, shown = map_.view("广州的第7件事", "file", visitor())
    dots = dots_of(plot)
    kinds = [dot["kind"] for dot in dots]
    assert (kinds.count("命中"), kinds.count("问题")) == (10, 1)
    assert len(dots) == len(base) + 11
    places = {(dot["x"], dot["y"]) for dot in dots[: len(base)]}
    assert {(dot["x"], dot["y"]) for dot in dots if dot["kind"] == "命中"} <= places
    assert [row[0] for row in rows] == list(range(1, 11))
    assert "图上有 30 段" in about
    without_markup(about + map_.choose(shown, chosen(1), visitor()))


def test_a_hit_among_ones_own_documents_is_on_the_map(base, tmp_path) -> None:
    tab = tab_of(base)
    assert tab.map is not None
    tab.own.add([write(tmp_path, "我的.txt", "青柠社的社长是钱多多。")], visitor("a"))
    dots = dots_of(tab.map.view("青柠社的社长", "file", visitor("a"))[1])
    own = next(dot for dot in dots if dot["kind"] == "我的.txt")
    hit = next(dot for dot in dots if dot["kind"] == "命中")
    assert (hit["x"], hit["y"]) == (own["x"], own["y"])
    shown = tab.map.view("青柠社的社长", "file", visitor("a"))[-1]
    assert "钱多多" in tab.map.choose(shown, chosen(1), visitor("a"))
    assert "我的.txt" not in {dot["kind"] for dot in dots_of(tab.map.view("青柠社", "file", visitor("b"))[1])}


def test_the_map_takes_over_the_question_of_the_first_sub_tab(towns) -> None:
    map_ = tab_of(towns).map
    assert map_ is not None
    assert next(map_.enter("", "长江", "theme", visitor()))[0] == "长江"
    assert next(map_.enter("黄河", "长江", "theme", visitor()))[0] == "黄河"


def test_an_empty_index_has_no_map() -> None:
    map_ = tab_of(KnowledgeBase(HashingEmbedder())).map
    assert map_ is not None
    assert "空的" in map_.view("广州", "theme", visitor())[0]


def test_many_files_share_a_colour() -> None:
    base = KnowledgeBase(HashingEmbedder())
    for i in range(12):
        add_documents(base, f"{i}.txt", [Document(f"{i}", "s", "", f"第{i}个文件的话。")])
    projected = projection([base])
    names = map_tab.file_names(projected, CHINESE)
    assert names.count("其余文件") == 3
    colours = map_tab.colours_of(map_tab.dots_of(projected, names, [], CHINESE), CHINESE)
    assert len(set(colours.values())) == len(colours) == 10


# Passages


def table_of(view) -> tuple[list[str], list[list]]:
    frame = next(part for part in view if isinstance(part, gr.Dataframe))
    return frame.value["headers"], frame.value["data"]


def test_passages_are_paged_twenty_at_a_time(base) -> None:
    tab = tab_of(base).passages
    assert tab is not None
    view = tab.enter("shared", "", "*", False, visitor())
    assert len(view) == len(tab.outputs)
    count, _rows, _here, _before, after, _ids, back, on, *_ = view[1:]
    assert "第 1–20 段，共 30 段" in count
    assert (PAGE_ROWS, len(table_of(view)[1])) == (20, 20)
    assert (back.interactive, on.interactive) == (False, True)
    count, _rows, _here, before, _after, ids, back, on, *_ = tab.page("shared", "", "*", False, after, visitor())
    assert "第 21–30 段" in count
    assert (back.interactive, on.interactive) == (True, False)
    assert "第 1–20 段" in tab.page("shared", "", "*", False, before, visitor())[0]
    detail, *_ = tab.choose("shared", "", ids, chosen(25), visitor())
    assert HOSTILE[:20] in detail.replace("&lt;", "<").replace("&gt;", ">")
    with pytest.raises(InputError, match="不在索引里"):
        tab.choose("shared", "", {}, chosen(25), visitor())


def test_another_filter_clears_the_detail(base) -> None:
    tab = tab_of(base).passages
    assert tab is not None
    count, *rest = tab.page("shared", "第7件", "*", False, [0], visitor())
    assert rest[-6:-4] == ["", ("", True)]
    assert "找到 1 段" in count
    nothing = tab.page("shared", "没有的字", "*", False, [0], visitor())
    assert [button.interactive for button in nothing[-10:-6]] == [False] * 4


def test_the_column_of_titles_is_there_where_there_are_any(base, towns) -> None:
    titled, plain = tab_of(base).passages, tab_of(towns).passages
    assert titled is not None
    assert plain is not None
    assert "标题" in table_of(titled.enter("shared", "", "*", False, visitor()))[0]
    headers, rows = table_of(plain.enter("shared", "", "*", False, visitor()))
    assert headers == ["序号", "文字", "字数", "文件"]
    assert {len(row) for row in rows} == {4}


def test_a_passage_that_is_gone_is_said_to_be(base) -> None:
    tab = tab_of(base).passages
    assert tab is not None
    with pytest.raises(InputError, match="不在索引里"):
        tab.around("shared", "", "d#99", visitor())
    with pytest.raises(InputError, match="不在索引里"):
        tab.around("own", "", "d#0", visitor("nobody"))
    with pytest.raises(InputError, match="没有文件"):
        tab.page("shared", "", "x" * 1000, False, [0], visitor())
    assert "还没有段落" in tab.enter("own", "", "*", False, visitor("nobody"))[1]


def test_filtered_passages_are_exported(base) -> None:
    tab = tab_of(base).passages
    assert tab is not None
    name, data = exported("passages", tab.rows("shared", "第7件", "*", False, visitor()), "jsonl", CHINESE)
    assert name == "passages.jsonl"
    assert ["第7件" in json.loads(line)["text"] for line in data.decode().splitlines()] == [True]


def test_a_passage_is_switched_off_and_on_and_edited(stored) -> None:
    add_documents(stored, "别.txt", [Document("e", "别.txt", "", "别的一段。")])
    tab = tab_of(stored, edit_knowledge=True)
    made = tab.passages
    assert made is not None
    view = "shared", "", "*", False
    ids = made.page(*view, [0], visitor())[5]
    _detail, picked, editor, text, switch, _ = made.choose("shared", "", ids, chosen(1), visitor())
    assert (picked, editor.visible, text, switch.value) == (("d#1", True), True, "来自设定的一段。", "停用")
    facts, _count, rows, *_, detail, picked, _, _, switch, said = made.switch(*view, [0], picked, visitor())
    assert (len(stored), picked, switch.value) == (1, ("d#1", False), "启用")
    assert "1 段" in facts
    assert "搜不到" in said
    assert "（已停用）" in detail
    assert rows.value["data"][0][1].startswith("（已停用）")
    assert "共 1 段" in made.page("shared", "", "*", True, [0], visitor())[0]
    assert "停用了" in tab.probe.search("设定", "d#1", "hybrid", 4, visitor())[0]
    assert "又能搜到" in made.switch(*view, [0], picked, visitor())[-1]
    assert "还没有段落" in made.page("shared", "", "*", True, [0], visitor())[0]
    picked, *_, said = made.save(*view, [0], ("d#1", True), "现在说的是鲸鱼。", visitor())[-5:]
    assert "已存下" in said
    assert [c.chunk.text for c in stored.chunks()] == ["现在说的是鲸鱼。", "别的一段。"]
    assert runtime_of(stored).retriever.search("鲸鱼")[0].chunk.text == "现在说的是鲸鱼。"
    assert "（改过）" in made.around("shared", "", "d#1", visitor())


def test_what_cannot_be_a_passage_is_refused(stored) -> None:
    made = tab_of(stored, edit_knowledge=True).passages
    assert made is not None
    for text, said in ((" ", "不能是空的"), ("长" * 901, "最多 900 字，这里有 901 字")):
        with pytest.raises(KnowledgeError, match=said):
            made.save("shared", "", "*", False, [0], ("d#1", True), text, visitor())
    with pytest.raises(KnowledgeError, match="不在索引里"):
        made.switch("shared", "", "*", False, [0], ("gone#1", True), visitor())


def test_what_is_switched_off_is_not_listed_for_those_who_cannot_switch_it_on(stored, tmp_path) -> None:
    stored.switch("d#1", False)
    made = tab_of(stored).passages
    assert made is not None
    assert "还没有段落" in made.page("shared", "", "*", False, [0], visitor())[0]
    tab = tab_of(stored, edit_knowledge=True)
    tab.own.add([write(tmp_path, "我的.txt", "甲。")], visitor())
    assert tab.passages is not None
    ids = tab.passages.page("own", "", "*", False, [0], visitor())[5]
    editor = tab.passages.choose("own", "", ids, chosen(1), visitor())[2]
    assert editor.visible is False  # one's own files are changed where they come from


def test_an_export_that_is_cut_says_so(base, monkeypatch) -> None:
    from src.ui.index import parts

    told: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda text, **_: told.append(text))
    monkeypatch.setattr(parts, "rows_file", lambda rows, kind: (b"x", 20, True))
    exported("passages", [], "csv", CHINESE)
    assert told == ["只导出了前 20 行；请先筛选"]


def test_what_the_page_of_passages_says(base) -> None:
    assert passages.count_text(look(base), False, CHINESE) == "第 1–20 段，共 30 段"
    assert passages.count_text(look(base, "第7件"), True, CHINESE) == "在全部 30 段里找到 1 段"
    assert passages.count_text(Look((), 0, 0, 0, None, 0), True, CHINESE) == "这里还没有段落。"
    cut = Look((), 50_000, 100_000, 3, 100_000, 200_000)
    assert passages.count_text(cut, True, CHINESE).startswith("在第 50001–100000 段（共 200000 段）里找到 3 段")
    assert "接着往后找" in passages.count_text(cut, True, CHINESE)


def test_an_excerpt_shows_what_was_looked_for() -> None:
    text = "前" * 200 + "要找的字" + "后" * 200
    assert marking.excerpt(text, "") == "前" * 90 + "…"
    found = marking.excerpt(text, " 要找的字 ")
    assert "要找的字" in found
    assert found.startswith("…前")
    assert marking.excerpt("短", "x") == "短"


def test_a_file_name_that_is_not_there(base) -> None:
    assert passages.wanted_file(base, passages.ALL_FILES) is None
    assert passages.wanted_file(base, HOSTILE) == HOSTILE
    with pytest.raises(InputError, match="没有文件"):
        passages.wanted_file(base, "x" * 1000)


# Checks


def test_findings_are_folded_when_all_is_well() -> None:
    fine, worn = Finding("甲", "ok", "好"), Finding("乙", "warn", "旧")
    well = check_tab.findings_html([fine], running=False, words=CHINESE)
    assert "1 项全部正常" in well
    assert " open" not in well
    ill = check_tab.findings_html([fine, worn], running=False, words=CHINESE)
    assert "要留意的有：乙" in ill
    assert " open" in ill
    assert "正在检查" in check_tab.findings_html([fine], running=True, words=CHINESE)


def test_what_checks_measure_has_a_name_in_english(base) -> None:
    found = list(check(base))
    assert tuple(finding.name for finding in found) == check_tab.CHECKS
    assert "Numbers of passages and vectors" in check_tab.findings_html(found, running=False, words=Words("en"))


def test_the_check_runs_and_lengths_are_told(towns) -> None:
    tab = tab_of(towns).check
    assert tab is not None
    assert len(list(tab.run())) == len(check_tab.CHECKS) + 2
    assert "全部 15 段" in tab.draw()[1]
    empty = tab_of(KnowledgeBase(HashingEmbedder())).check
    assert empty is not None
    assert "空的" in empty.draw()[1]


# Files


@pytest.fixture
def stored(tmp_path) -> KnowledgeBase:
    made = KnowledgeBase(HashingEmbedder(), tmp_path / "index")
    add_documents(made, "设定.txt", [Document("d", "设定.txt", "", "来自设定的一段。")])
    return made


def test_files_are_added_to_the_knowledge_base_and_deleted(stored, tmp_path) -> None:
    shared = tab_of(stored, edit_knowledge=True).shared
    paths = [
        write(tmp_path, "新.txt", "新加入的一段。\n又一段。"),
        write(tmp_path, "坏.jsonl", "{"),
        write(tmp_path, "设定.txt", "同名的。"),
    ]
    told = shared.add(paths, visitor())[0]
    assert "已加入 新.txt：2 段" in told
    assert "未加入 坏.jsonl" in told
    assert "未加入 设定.txt" in told
    assert stored.files()["新.txt"].added
    shared.remove("新.txt", visitor())
    assert list(stored.files()) == ["设定.txt"]
    with pytest.raises(KnowledgeError):
        shared.remove("设定.txt", visitor())


@pytest.mark.parametrize("allowed", [True, False])
def test_nobody_changes_the_knowledge_base_unless_its_owner_allows(stored, allowed) -> None:
    """No event leads there, whoever calls it."""
    config = App(runtime_of(stored, edit_knowledge=allowed)).page.config
    names = {c["id"]: c["props"].get("elem_id") for c in config["components"]}
    heard = {names.get(target) for d in config["dependencies"] for target, _ in d["targets"]}
    changing = {"shared-upload", "shared-delete", "chunk-switch", "chunk-save"}
    assert {"own-upload", "own-delete"} <= heard
    assert heard & changing == (changing if allowed else set())


def test_only_a_file_that_can_be_deleted_has_a_button_for_it(stored, tmp_path) -> None:
    shared = tab_of(stored, edit_knowledge=True).shared
    name, show, delete, told = shared.choose(chosen("设定.txt", 1), visitor())
    assert (name, show.interactive, delete.interactive) == ("设定.txt", True, False)
    shared.add([write(tmp_path, "新.txt", "新加入的一段。")], visitor())
    name, show, delete, told = shared.choose(chosen("新.txt", 1), visitor())
    assert (delete.interactive, delete.value) == (True, "删除 新.txt")
    assert "新.txt 读到：7 字" in told
    replaced, *_ = shared.add([write(tmp_path, "新.txt", "新加入的一段。\n再加一段。")], visitor())
    assert "已换成新的 新.txt：2 段（新的 1 段，没变的 1 段，去掉的 0 段）" in replaced
    assert shared.choose(chosen("不在了.txt", 1), visitor())[1].interactive is False
    result, _, _facts, _count, _rows, chosen_now, *_ = shared.remove("新.txt", visitor())
    assert "已删除 新.txt" in result
    assert chosen_now == ""


def test_own_files_are_added_listed_and_removed(stored, tmp_path) -> None:
    own = tab_of(stored).own
    paths = [write(tmp_path, "我的.txt", "甲。"), write(tmp_path, "坏.xyz", "乙")]
    result, upload, facts, count, rows, *_ = own.add(paths, visitor())
    assert "已加入 我的.txt：1 段" in result
    assert "未加入 坏.xyz" in result
    assert upload is None
    assert "1 个文件。只有您看得到" in count
    assert rows.value["data"][0][:2] == ["我的.txt", 1]
    assert own.choose(chosen("我的.txt", 1), visitor())[2].interactive is True
    assert "我的文档 1 个" in facts
    result, _, facts, _, rows, *_ = own.remove("我的.txt", visitor())
    assert "已删除" in result
    assert rows.visible is False
    assert "我的文档 0 个" in facts
    with pytest.raises(InputError, match="没有加入过"):
        own.remove("我的.txt", visitor())


def test_the_passages_of_a_file_are_a_click_away(stored, tmp_path) -> None:
    tab = tab_of(stored)
    tab.own.add([write(tmp_path, "我的.txt", "甲。\n乙。")], visitor())
    tabs, scope, needle, _only_off, file, count, *_ = tab.own.show("我的.txt", visitor())
    assert (tabs.selected, scope, needle, file.value) == ("passages", "own", "", "我的.txt")
    assert "共 2 段" in count
    assert tab.shared.show("设定.txt", visitor())[1] == "shared"


def test_problems_of_files_are_told_in_english(stored, tmp_path) -> None:
    own = tab_of(stored, "en").own
    told = own.add([write(tmp_path, "bad.xyz", "乙")], visitor())[0]
    assert "Not added bad.xyz" in told
    assert not re.search("[\u4e00-\u9fff]", told)
    entry = dataclasses.replace(stored.files()["设定.txt"], problem="索引里已有同名的文件")
    assert files.state_text(entry, Words("en")) == Words("en").error(entry.problem)


def test_files_with_problems_come_first(stored) -> None:
    entry = stored.files()["设定.txt"]
    listed = {
        "设定.txt": entry,
        "坏.pdf": dataclasses.replace(entry, name="坏.pdf", problem="已损坏"),
        "半.txt": dataclasses.replace(entry, name="半.txt", complete=False, copies_of=("设定.txt",)),
    }
    rows = files.file_rows(listed, CHINESE)
    left_out = dataclasses.replace(
        entry, warnings=("设定.txt 里有整页的图片没有识别",), counts={"pictures_unread": 2}
    )
    assert files.state_text(left_out, CHINESE) == "已索引，有没读的部分（点这一行看）"
    assert reading(1234, {"tables": 2, **left_out.counts}, CHINESE) == "1,234 字、2 个表格；没有读：2 处图片或附件"
    assert [row[0] for row in rows] == ["坏.pdf", "设定.txt", "半.txt"]
    assert [row[-1] for row in rows] == ["已损坏", "已索引", "还没有建完索引"]
    assert files.count_text(listed, CHINESE) == "3 个文件，其中 1 个用不了。"


# The page


def test_the_facts_are_one_line(stored) -> None:
    html = tab_of(stored).facts.show(visitor())
    assert "1 个文件 · 1 段 · 我的文档 0 个" in html
    assert "<details" in html
    assert "HashingEmbedder" in html or stored.embedder.name in html


@pytest.mark.parametrize("allowed", [True, False])
def test_the_page_has_the_controls_that_are_allowed(stored, allowed) -> None:
    tab = tab_of(stored, edit_knowledge=allowed)
    assert (tab.shared.upload.visible, tab.shared.delete.visible) == (allowed, allowed)
    assert tab.own.upload.visible
    assert ("站长" in tab.shared.view(visitor())[0]) is not allowed


def test_with_milvus_only_the_searches_are_looked_into(towns, monkeypatch) -> None:
    monkeypatch.setattr(Runtime, "is_local", False)
    tab = tab_of(towns)
    assert (tab.passages, tab.map, tab.check) == (None, None, None)
    assert "聊天会回答" in tab.probe.search("广州大学的前身", "前身", "hybrid", 4, visitor())[0]
    assert tab.shared.view(visitor())
    assert tab.own.view(visitor())


def test_everything_is_private_and_in_both_languages(stored) -> None:
    page = App(runtime_of(stored)).page
    public = {
        d["api_name"] for d in page.config["dependencies"] if d["api_visibility"] == "public" and d["api_name"]
    }
    assert public == {"chat", "compare", "extract", "search", "index_stats", "add_documents",
        "page", "list_documents", "remove_documents",
    }  # fmt: skip
    labels = [str(component["props"].get("label")) for component in page.config["components"]]
    assert "为什么这样答" in labels
    assert "Why this answer" in labels


def test_nothing_is_made_with_plotly_or_written_to_the_disk() -> None:
    folder = Path(files.__file__).parent
    for path in [*folder.glob("*.py"), folder.parent / "index_tab.py"]:
        text = path.read_text(encoding="utf-8")
        for word in ("PlotData", "plotly", "html import escape", "GRADIO_CACHE", "<div"):
            assert word not in text, (path.name, word)
