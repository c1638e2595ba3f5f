"""Tab 2 without a browser: its handlers draw what is there, stop when asked, and nothing of a resume becomes markup."""

import csv
import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from src.errors import InputError, KnowledgeError, ModelError
from src.extraction.events import Event, Finished, Found, Queued
from src.extraction.own_fields import FieldReader
from src.extraction.schema import LABELS, Extraction, Span, render_entities
from src.extraction.service import ExtractionService
from src.extraction.upload import Batch
from src.files import csv_text
from src.ingest.worker import ParserPool
from src.ui.calls import Calls
from src.ui.context import Context
from src.ui.extraction import batch_tab, views
from src.ui.extraction.batch_tab import PREVIEW_ROWS
from src.ui.extraction.single_tab import SingleTab, example_resumes
from src.ui.extraction.views import Result
from src.ui.extraction.work import Work
from src.ui.extraction_tab import ExtractionTab
from src.ui.session import Sessions
from src.ui.wording import CHINESE, Words
from tests.extraction.fakes import RESUME, VALUES, ScriptedModel
from tests.extraction.test_own_fields import FakeReader
from tests.ingest import samples

HOSTILE = "<img src=x onerror=alert(1)><script>x</script>&\"'"


@pytest.fixture(scope="module")
def parser() -> Iterator[ParserPool]:
    pool = ParserPool()
    yield pool
    pool.close()


class Pair(ScriptedModel):
    """The adapter misses a company, and takes a position for a major."""

    def stream(self, messages, options, caller=None):
        fewer = VALUES | {"职位": ["经理", "经理"], "专业": ["董事"], "组织名": ["蓝天公司"]}
        self.answer = render_entities(fewer if options.adapter else VALUES)
        return super().stream(messages, options, caller)


class Ghost(ScriptedModel):
    """Fails after a value."""

    def stream(self, messages, options, caller=None):
        yield '{"姓名": ["王小明"], '
        raise ModelError("语言模型服务没有答完")


def visitor(name: str = "s1") -> Any:
    made = gr.Request(session_hash=name)
    made.request = SimpleNamespace(client=SimpleNamespace(host="127.0.0.1"), headers={})
    return made


def tab_of(
    parser: ParserPool, model: Any = None, adapter: str | None = "resume", words: Words = CHINESE, **options: Any
) -> ExtractionTab:
    service = ExtractionService(model or ScriptedModel(), adapter=adapter, **options)
    runtime: Any = SimpleNamespace(parser=parser, extraction=service)
    sessions = Sessions(lambda: SimpleNamespace(characters=0))  # type: ignore[arg-type, return-value]
    with gr.Blocks():
        return ExtractionTab(Context(runtime, sessions, Calls(16), words))


def sessions_of(tab: ExtractionTab) -> Sessions:
    return tab.single._context.sessions


def halt(work: Work) -> None:
    """Press the stop button, to the end."""
    list(work.halt(visitor()))


def is_drawn(item: Any) -> bool:
    return isinstance(item, dict) and item != gr.skip()


def looks(update: Any) -> dict[str, Any]:
    """Properties that a component is given."""
    return {name: value for name, value in update.items() if name != "__type__"}


def merged(items: Any) -> dict[Any, Any]:
    """The page after all of these outputs; properties of one component add up."""
    page: dict[Any, Any] = {}
    for item in filter(is_drawn, items):
        for component, value in item.items():
            if isinstance(value, dict) and "__type__" in value:
                before = page.get(component)
                page[component] = (before if isinstance(before, dict) else {}) | looks(value)
            else:
                page[component] = value
    return page


def stopped_after(views_of: Iterator[Any], stop: Callable[[], None], drawn: int) -> list[Any]:
    """All items, ``stop`` called once that many were drawn."""
    items = []
    for item in views_of:
        items.append(item)
        if sum(map(is_drawn, items)) == drawn and is_drawn(item):
            worker = threading.Thread(target=stop)  # returns when the work has ended
            worker.start()
            time.sleep(0.05)
    worker.join(10)
    return items


def failed(views_of: Iterator[Any], error: type[Exception], said: str = "") -> list[Any]:
    """The items that came before that error."""
    items = []

    def collect() -> None:
        for item in views_of:
            items.append(item)

    with pytest.raises(error, match=said):
        collect()
    return items


# Results as they are shown


def spans_with(*confidences: float | None) -> list[Span]:
    return [Span("姓名", f"王{n}", 2 * n, 2 * n + 2, confidence) for n, confidence in enumerate(confidences)]


def test_confidence_is_shown_in_per_cent_and_marked_where_low() -> None:
    spans = spans_with(0.987, 0.6, 0.599, 0.0, 1.0, None)
    rows = views.span_rows(spans, CHINESE)
    assert [row[4] for row in rows] == ["99%", "60%", "⚠ 60%", "⚠ 0%", "100%", "—"]
    assert [bool(row[2]) for row in views.value_rows(Extraction.of("", spans), CHINESE)] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    assert "⚠ 有 2 处" in views.event_text(Finished(Extraction.of("王" * 20, spans)), CHINESE)


def test_fields_of_ones_own_that_are_not_there_are_said_to_be_missing() -> None:
    found = Extraction.of("乙方：西岭", [Span("乙方", "西岭", 3, 5)], labels=["甲方", "乙方"])
    assert views.value_rows(found, CHINESE) == [["甲方", "—", "没有找到"], ["乙方", "西岭", ""]]
    assert [label for _, label in views.highlight(found, CHINESE)] == [None, "乙方"]


def test_a_value_that_repeats_is_one_row_with_its_worst_mark() -> None:
    spans = [Span("职位", "经理", 4, 6, 0.9), Span("姓名", "王五", 2, 4, 0.9), Span("职位", "经理", 8, 10, 0.5)]
    assert views.value_rows(Extraction.of("", spans), CHINESE) == [
        ["姓名", "王五", ""],
        ["职位", "经理", "⚠ 请核对"],
    ]


def test_every_label_has_a_colour_and_an_english_name_beside_it() -> None:
    assert tuple(views.COLOURS) == LABELS
    assert {label for _, label in views.SAMPLE if label} == set(LABELS)
    english = Words("en")
    assert views.highlight(Extraction.of("王", [Span("姓名", "王", 0, 1)]), english) == [("王", "姓名 Name")]
    with gr.Blocks():
        assert set(views.highlighted("", "", english).color_map or {}) == {english(label) for label in LABELS}
    assert all(english(label).startswith(f"{label} ") for label in LABELS)


def test_the_csv_is_for_excel_and_runs_nothing() -> None:
    text = '=HYPERLINK("http://x"),经理'
    spans = [Span("职位", text, 0, len(text), 0.51239), Span("姓名", "王", 3, 4, None)]
    name, data = views.csv_file(Result(Extraction.of(text, spans), ""))
    assert name == "extraction.csv"
    assert list(csv.reader(io.StringIO(data.decode("utf-8-sig")))) == [
        ["label", "text", "start", "end", "confidence"],
        ["职位", f"'{text}", "0", str(len(text)), "0.5124"],
        ["姓名", "王", "3", "4", ""],
    ]


def extraction(text: str, *spans: tuple[str, int, int]) -> Extraction:
    return Extraction.of(text, [Span(label, text[a:b], a, b) for label, a, b in spans])


@pytest.mark.parametrize(
    "spans",
    [
        (),
        (("姓名", 0, 2), ("职位", 4, 7)),
        (("组织名", 0, 4), ("地名", 0, 2), ("职位", 3, 7)),
        (("姓名", 0, 7),),
    ],
)
def test_highlighted_pieces_add_up_to_the_text(spans: Any) -> None:
    text = "北京公司总经理"
    pieces = views.highlight(extraction(text, *spans), CHINESE)
    assert "".join(piece for piece, _ in pieces) == text
    assert [label for _, label in pieces if label][:1] == [label for label, _, _ in spans][:1]


def streamed(tab: SingleTab, *events: Event) -> list[Any]:
    """What the page is sent for these events, before the end."""
    tab._service = SimpleNamespace(extract_stream=lambda *_: iter(events))
    return list(tab.extract("王五经理", True, [], visitor()))[: len(events)]


def test_the_page_is_sent_only_what_is_new(parser: ParserPool) -> None:
    tab = tab_of(parser).single
    empty, one = extraction("王五经理"), extraction("王五经理", ("姓名", 0, 2))
    items = streamed(
        tab,
        Queued(2),
        Queued(2),
        Queued(1),
        Found(empty, 0, 1),
        Found(empty, 0, 1, "{"),
        Found(one, 0, 1, "{…"),
        Found(one, 1, 2),
    )
    sent = [set(item) if is_drawn(item) else set() for item in items]
    result = {tab.status, tab.text, tab.table}
    assert sent == [
        {tab.status, tab.work.start, tab.work.stop}, set(), {tab.status}, {*result, tab.people, tab.result}, set(), result, {tab.status},
    ]  # fmt: skip


def test_differences_of_equals_and_of_hostile_text() -> None:
    one = Extraction.of(HOSTILE, [Span("姓名", HOSTILE, 0, len(HOSTILE))])
    assert "完全一样" in views.differences(one, one, CHINESE)
    for html in (views.differences(one, Extraction.of(HOSTILE), CHINESE), views.status(HOSTILE, CHINESE)):
        assert "<img" not in html
        assert "<script" not in html
        assert "&lt;img" in html


# One resume


def test_events_are_drawn_one_by_one(parser: ParserPool) -> None:
    tab = tab_of(parser).single
    one = extraction("王五经理", ("姓名", 0, 2))
    waiting, running = streamed(tab, Queued(3), Found(one, 1, 2))
    assert "3 个请求" in waiting[tab.status]
    assert [looks(waiting[button])["visible"] for button in (tab.work.start, tab.work.stop)] == [False, True]
    assert tab.text not in waiting
    assert "第 2 段，共 2 段，已找到 1 处" in running[tab.status]
    assert running[tab.text]["value"] == [("王五", "姓名"), ("经理", None)]
    assert running[tab.result] is None
    assert looks(tab.technical(None)[tab.downloads])["visible"] is False
    assert looks(tab.technical(Result(one, ""))[tab.downloads])["visible"] is True


def test_a_result_and_its_files_agree(parser: ParserPool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tab = tab_of(parser).single
    items = list(tab.extract(RESUME, True, [], visitor()))
    assert not is_drawn(items[-1])  # gradio sends it once more
    page = merged(items)
    assert "用时" in page[tab.status]
    assert "".join(piece for piece, _ in page[tab.text]["value"]) == RESUME
    result = page[tab.result]
    assert [page[button]["visible"] for button in (tab.work.start, tab.work.stop)] == [True, False]
    page = tab.technical(result)
    assert json.loads(views.json_file(result)[1]) == page[tab.json] == result.extraction.to_json()
    rows = list(csv.reader(io.StringIO(views.csv_file(result)[1].decode("utf-8-sig"))))[1:]
    assert [row[:2] for row in rows] == [row[:2] for row in page[tab.spans]]
    assert [row[:4] for row in page[tab.spans]] == [list(span.values())[:4] for span in page[tab.json]["spans"]]
    (line,) = [record.getMessage() for record in caplog.records if record.name == "src.ui.log"]
    assert f"in={len(RESUME)}" in line
    assert "outcome=done" in line
    assert "王小明" not in caplog.text


def test_without_a_result_nothing_is_downloaded(parser: ParserPool) -> None:
    tab = tab_of(parser).single
    for make in (views.csv_file, views.json_file):
        with pytest.raises(InputError, match="请先抽取"):
            make(None)
    for button in (tab.work.start, tab.comparison.work.start):
        assert not button.interactive
    assert not tab.downloads.visible
    assert not tab.work.stop.visible


def test_a_stop_keeps_what_is_there(parser: ParserPool) -> None:
    tab = tab_of(parser, model := Pair()).single
    items = stopped_after(tab.extract(RESUME, True, [], visitor()), lambda: halt(tab.work), drawn=3)
    page = merged(items)
    assert "已停止，下面是到这里找到的" in page[tab.status]
    assert page[tab.status] == page[tab.result].status(RESUME, CHINESE)
    assert 0 < len(page[tab.result].extraction.spans) < 7
    assert page[tab.work.start]["visible"] is True
    assert page[tab.work.stop] == {"value": "■ 停止", "interactive": True, "visible": False}
    assert not is_drawn(items[-1])
    assert model.closed
    stopping, last = tab.work.halt(visitor())
    assert looks(stopping) == {"value": "正在停止……", "interactive": False}
    assert last == gr.skip()


def test_a_failure_keeps_what_is_there_too(parser: ParserPool) -> None:
    tab = tab_of(parser, Ghost()).single
    page = merged(failed(tab.extract(RESUME, True, [], visitor()), ModelError))
    assert "没有做完" in page[tab.status]
    assert page[tab.result].extraction.entities["姓名"] == ["王小明"]
    assert page[tab.work.start]["visible"] is True


def test_after_everything_was_deleted_nothing_is_drawn_again(parser: ParserPool) -> None:
    tab = tab_of(parser).single
    sessions = tab._context.sessions
    items = stopped_after(tab.extract(RESUME, True, [], visitor()), lambda: sessions.forget(visitor()), drawn=2)
    page = merged(items)
    assert page[tab.result] is None
    assert page[tab.text]["value"] == views.sample(CHINESE)


def test_an_unusable_text_is_said_before_anything_is_drawn(parser: ParserPool) -> None:
    tab = tab_of(parser, Pair(), max_chars=10).single
    for text, said in ((" ", "空"), (RESUME, "上限 10"), (None, "NoneType")):
        for run in (
            lambda text: tab.extract(text, True, [], visitor()),
            lambda text: tab.comparison.run(text, visitor()),
        ):
            with pytest.raises(InputError, match=said):
                next(run(text))


def test_buttons_follow_the_text_and_an_edit_marks_the_result(parser: ParserPool) -> None:
    tab = tab_of(parser).single
    empty = tab.edited(" \n", None, None)
    assert looks(empty[tab.work.start]) == looks(empty[tab.comparison.work.start]) == {"interactive": False}
    assert empty[tab.status] == gr.skip()
    result = Result(extraction(RESUME, ("姓名", 0, 3)), "找到 1 处")
    same, other = tab.edited(RESUME, result, result), tab.edited(RESUME + "改", result, result)
    assert looks(other[tab.work.start]) == {"interactive": True}
    for status in (same[tab.status], same[tab.comparison.status]):
        assert "yz-outdated" not in status
        assert "找到 1 处" in status
    for status in (other[tab.status], other[tab.comparison.status]):
        assert "yz-outdated" in status
        assert "文字改过了" in status


def test_an_uploaded_resume_is_put_into_the_box(tmp_path: Path, parser: ParserPool) -> None:
    path = tmp_path / "简历<b>.docx"
    path.write_bytes(samples.word(lambda document: document.add_paragraph(RESUME)))
    tab = tab_of(parser).single
    items = list(tab.read(str(path), visitor()))
    assert "正在读取" in items[0][tab.uploaded]
    page = merged(items)
    assert (page[tab.box], page[tab.upload], page[tab.result]) == (RESUME, None, None)
    assert f"{len(RESUME)} 个字符" in page[tab.uploaded]
    assert "<b>" not in page[tab.uploaded]
    short = tab_of(parser, max_chars=10).single
    page = merged(short.read(str(path), visitor()))
    assert page[short.box] == RESUME[:10]
    assert f"超过上限 10：只放入了前 10 个，其余 {len(RESUME) - 10} 个" in page[short.uploaded]


def test_a_file_that_cannot_be_read_leaves_the_text(tmp_path: Path, parser: ParserPool) -> None:
    (tmp_path / "坏.pdf").write_bytes(b"%PDF-1.7")
    tab = tab_of(parser).single
    page = merged(failed(tab.read(str(tmp_path / "坏.pdf"), visitor()), KnowledgeError, r"坏\.pdf"))
    assert "没有读入 坏.pdf" in page[tab.uploaded]
    assert tab.box not in page


def test_examples_are_named_by_their_people() -> None:
    assert list(example_resumes()) == ["林步屿", "顾望舟", "白吟雀", "陶青骊", "孟和其格"]


# Base model and adapter


def test_comparison_counts_what_differs(parser: ParserPool) -> None:
    tab = tab_of(parser, model := Pair()).single.comparison
    items = list(tab.run(RESUME, visitor()))
    assert [options.adapter for options in model.options] == [None, "resume"]
    page = merged(items)
    assert "基座用时" in page[tab.status]
    assert ("董事", "职位") in page[tab.of_base]
    assert ("董事", "专业") in page[tab.of_adapter]
    difference = page[tab.difference]
    for name, count in (("两者都有", 6), ("只有基座", 2), ("只有适配器", 1)):
        assert f'<span class="yz-meta">{name}</span><b>{count}</b>' in difference
    assert difference.count("<tr>") == 1 + 3
    assert difference.index("职位</td>") < difference.index("专业</td>")
    assert page[tab.result].extraction.text == RESUME
    assert not is_drawn(items[-1])


def test_a_comparison_is_stopped(parser: ParserPool) -> None:
    tab = tab_of(parser, model := Pair()).single.comparison
    page = merged(stopped_after(tab.run(RESUME, visitor()), lambda: halt(tab.work), drawn=4))
    assert "已停止，" in page[tab.status]
    assert page[tab.work.start]["visible"] is True
    assert [options.adapter for options in model.options] == [None]


# Many resumes


def written(folder: Path, rows: int, name: str = "a") -> Path:
    path = folder / f"{HOSTILE[:4]}{name}.csv"
    path.write_text(
        csv_text([["工号", "简历"], *([f"{HOSTILE}{n}", RESUME] for n in range(rows))]), encoding="utf-8"
    )
    return path


def opened(tab: ExtractionTab, path: Path, name: str = "s1") -> dict[Any, Any]:
    return merged(tab.batch.open([str(path)], True, [], visitor(name)))


def test_a_batch_shows_its_progress_and_first_rows(tmp_path: Path, parser: ParserPool) -> None:
    tab = tab_of(parser)
    batch = tab.batch
    rows = PREVIEW_ROWS + 12
    page = opened(tab, written(tmp_path, rows))
    assert f"{rows} 行，可以开始了" in page[batch.status]
    assert page[batch.work.start]["interactive"] is True
    assert page[batch.save]["interactive"] is False
    assert page[batch.preview]["headers"] == ["行", "工号", "简历"]
    assert page[batch.preview]["value"][1] == ["2", f"{HOSTILE}1", RESUME]
    assert page[batch.column]["value"] == 1
    assert page[batch.column]["choices"] == [("工号", 0), ("简历", 1)]
    items = list(batch.run(True, [], visitor()))
    drawn = list(filter(is_drawn, items))
    done = [n for n in range(rows + 1) if any(f"已完成 {n} / {rows} 行" in item[batch.status] for item in drawn)]
    assert done[:3] == [0, 1, 3]
    assert done[-1] == rows
    assert all('role="progressbar"' in item[batch.status] and "<img" not in item[batch.status] for item in drawn)
    assert "大约还要" not in drawn[1][batch.status]
    assert "大约还要" in drawn[3][batch.status]
    tables = [item[batch.preview]["value"] for item in drawn[:-1] if batch.preview in item]
    assert len(tables) < len(drawn) - 1  # the table is sent while it changes only
    assert len(tables[0][0]) == len(batch.preview.headers or [])
    assert tables[0][1][:3] == ["2", f"{HOSTILE}1"[:40], "等待"]
    assert tables[-1][-1][3] == "王小明"
    page = merged(items)
    assert "全部做完" in page[batch.status]
    assert page[batch.work.start]["interactive"] is False
    assert looks(batch.chosen(False, [], visitor())) == {"value": "开始", "interactive": True}
    assert looks(batch.chosen(True, [], visitor())) == {"value": "开始", "interactive": False}
    assert batch.file("", visitor())[0].endswith("_抽取.csv")


def test_a_batch_stopped_on_the_page_is_gone_on_with(tmp_path: Path, parser: ParserPool) -> None:
    tab = tab_of(parser)
    batch = tab.batch
    path = written(tmp_path, 6)
    opened(tab, path)
    items = stopped_after(batch.run(True, [], visitor()), lambda: halt(batch.work), drawn=2)
    page = merged(items)
    assert "已停止。" in page[batch.status]
    assert "已完成 1 / 6 行" in page[batch.status]
    assert page[batch.work.start] == {"visible": True, "value": "继续", "interactive": True}
    assert page[batch.save]["interactive"] is True
    assert not is_drawn(items[-1])
    assert "已完成 1 / 6 行" in opened(tab, path)[batch.status]  # the same upload once more
    page = merged([tab.restore(sessions_of(tab).of(visitor()))])  # a reload
    assert "点“继续”从这里接着做" in page[batch.status]
    assert page[batch.use_adapter] is True
    assert set(tab.restored) == set(page)
    again = [item for item in batch.run(True, [], visitor()) if is_drawn(item)]
    assert "已完成 1 / 6 行" in again[0][batch.status]
    assert "全部做完" in again[-1][batch.status]


def test_a_batch_is_of_its_visitor_only(tmp_path: Path, parser: ParserPool) -> None:
    tab = tab_of(parser)
    opened(tab, written(tmp_path, 2))
    with pytest.raises(InputError, match="请先上传"):
        next(tab.batch.run(True, [], visitor("s2")))
    with pytest.raises(InputError, match="请先上传"):
        tab.batch.file("", visitor("s2"))
    assert "上传一个文件" in merged([tab.restore(sessions_of(tab).of(visitor("s2")))])[tab.batch.status]


def test_a_refused_file_leaves_the_batch_before_and_an_empty_upload(tmp_path: Path, parser: ParserPool) -> None:
    tab = tab_of(parser)
    opened(tab, written(tmp_path, 2))
    refused = tmp_path / "名单.csv"
    refused.write_text(csv_text([["姓名", "电话"]]), encoding="utf-8")
    page = merged(failed(tab.batch.open([str(refused)], True, [], visitor()), InputError, "只有列名"))
    assert page[tab.batch.upload] is None
    assert "2 行，可以开始了" in page[tab.batch.status]


def test_the_column_of_a_table_is_chosen(tmp_path: Path, parser: ParserPool) -> None:
    """Where no column has long texts nothing is guessed; what was done with another column is done again."""
    tab = tab_of(parser)
    batch = tab.batch
    path = tmp_path / "名单.csv"
    path.write_text(csv_text([["", "编号", "简介"], ["李雷", "1", "王小明，经理。"]]), encoding="utf-8")
    page = opened(tab, path)
    assert "请在下面选择" in page[batch.status]
    assert page[batch.column]["value"] is None
    assert page[batch.column]["choices"] == [("第 1 列", 0), ("编号", 1), ("简介", 2)]
    assert page[batch.work.start]["interactive"] is False
    with pytest.raises(InputError, match="还没有选"):
        list(batch.run(True, [], visitor()))
    for wrong in (7, -1, None):
        page = merged(batch.choose(wrong, True, [], visitor()))
        assert page[batch.work.start]["interactive"] is False
    page = merged(batch.choose(2, True, [], visitor()))
    assert "简历取自“简介”一列" in page[batch.status]
    assert page[batch.work.start]["interactive"] is True
    page = merged(batch.run(True, [], visitor()))
    assert page[batch.preview]["value"][0][3] == "王小明"
    assert "全部做完" in page[batch.status]
    page = merged(batch.choose(0, True, [], visitor()))
    assert "可以开始了" in page[batch.status]
    assert page[batch.save]["interactive"] is False


def test_fields_of_ones_own_in_a_batch(tmp_path: Path, parser: ParserPool) -> None:
    tab = tab_of(parser, field_reader=FieldReader(FakeReader({}), "reader"))
    batch = tab.batch
    path = tmp_path / "合同.csv"
    path.write_text(
        csv_text([["编号", "正文"], ["1", "甲方：东山公司"], ["2", "乙方：西岭公司"]]), encoding="utf-8"
    )
    opened(tab, path)
    page = merged(batch.run(True, ["甲方", "乙方"], visitor()))
    assert page[batch.preview]["headers"] == ["行", "编号", "说明", "甲方", "乙方"]
    assert page[batch.preview]["value"] == [["1", "1", "", "东山公司", ""], ["2", "2", "", "", "西岭公司"]]
    assert looks(batch.chosen(False, ["甲方", "乙方"], visitor())) == {"value": "开始", "interactive": False}
    assert looks(batch.chosen(True, ["甲方"], visitor())) == {"value": "开始", "interactive": True}
    name, data = batch.file(".json", visitor())
    assert name == "合同_抽取.json"
    assert [row["entities"]["甲方"] for row in json.loads(data)] == [["东山公司"], []]
    page = merged([tab.restore(sessions_of(tab).of(visitor()))])
    assert page[batch.fields] == ["甲方", "乙方"]
    page = merged(batch.run(True, [], visitor()))
    assert "国籍" in page[batch.preview]["headers"]


def test_everything_deleted_while_a_batch_runs(tmp_path: Path, parser: ParserPool) -> None:
    tab = tab_of(parser)
    opened(tab, written(tmp_path, 6))
    items = stopped_after(tab.batch.run(True, [], visitor()), lambda: sessions_of(tab).forget(visitor()), drawn=2)
    page = merged(items)
    assert "上传一个文件" in page[tab.batch.status]
    assert (page[tab.batch.preview]["value"], page[tab.batch.preview]["visible"]) == ([], False)
    cleared = tab.clear()
    assert set(tab.cleared) == set(cleared)
    assert cleared[tab.single.box] == ""


@pytest.mark.parametrize(("seconds", "words"), [(0, "1 秒"), (59, "59 秒"), (90, "2 分钟"), (5400, "90 分钟")])
def test_time_left_is_said_from_a_few_rows(seconds: float, words: str) -> None:
    batch = Batch("a.csv", [None] * 10, [], None, [InputError()] * 5)  # type: ignore[list-item]
    assert batch_tab.going_on(batch, 2, seconds, CHINESE) == "，正在抽取第 6 行……"
    assert batch_tab.going_on(batch, 5, seconds, CHINESE) == f"，大约还要 {words}……"


def test_a_batch_that_lasts_longer_than_a_session_may_be_idle_is_kept(tmp_path: Path, parser: ParserPool) -> None:
    tab = tab_of(parser)
    opened(tab, written(tmp_path, 4))
    session = sessions_of(tab).of(visitor())
    for item in tab.batch.run(True, [], visitor()):
        if is_drawn(item):
            session.used -= 7200
    sessions_of(tab).of(visitor())
    assert session.batch is not None
    assert session.batch.done == 4
    list(tab.batch.run(True, [], visitor()))
    assert sessions_of(tab).of(visitor()) is session


# Words


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_names_the_command_that_trains_an_adapter(parser: ParserPool, language: Any) -> None:
    words = Words(language)

    def texts(adapter: str | None) -> str:
        page: Any = tab_of(parser, adapter=adapter, words=words).single.box
        while page.parent is not None:
            page = page.parent
        return json.dumps(page.get_config_file(), ensure_ascii=False, default=str)

    without, with_one = texts(None), texts("resume")
    assert "python -m src train --data" in without
    assert "src train" not in with_one
    for page in (without, with_one):
        assert words("给研究者") in page
        assert ("不写日志" if language == "zh" else "never logged") in page
    assert ("高管" if language == "zh" else "executives") in with_one


def test_who_asks_is_passed_on(tmp_path: Path, parser: ParserPool) -> None:
    tab = tab_of(parser, model := ScriptedModel())
    list(tab.single.extract(RESUME, True, [], visitor("甲")))
    opened(tab, written(tmp_path, 1), "乙")
    list(tab.batch.run(True, [], visitor("乙")))
    assert model.users == ["甲", "乙"]
