"""Tab 2 without a browser: what it shows is right, and nothing of a resume becomes markup or stays."""

import base64
import csv
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from src.extraction.visitors import VisitorBatches
from src.ui.running import until_stopped

from src.errors import InputError, KnowledgeError
from src.extraction.schema import LABELS, Extraction, Span, render_entities
from src.extraction.service import ExtractionProgress, ExtractionService
from src.files import csv_text
from src.knowledge.worker import ParserPool
from src.ui import extraction_tab
from src.ui.calls import Call
from src.ui.extraction import batch_tab, saving, single_tab, views
from src.ui.log import Record
from src.ui.wording import CHINESE, Words
from tests.extraction.fakes import RESUME, VALUES, ScriptedModel
from tests.knowledge import samples

HOSTILE = "<img src=x onerror=alert(1)><script>x</script>&\"'"
SKIPPED = gr.skip()


@pytest.fixture(scope="module")
def parser() -> Iterator[ParserPool]:
    pool = ParserPool()
    yield pool
    pool.close()


class Pair(ScriptedModel):
    """The adapter misses a company, and takes a position for a major."""

    def stream(self, messages, options, stop=None, *, user=""):
        fewer = VALUES | {"职位": ["经理", "经理"], "专业": ["董事"], "组织名": ["蓝天公司"]}
        self.answer = render_entities(fewer if options.adapter else VALUES)
        return super().stream(messages, options, stop, user=user)


def call(stop: threading.Event | None = None) -> Call:
    return Call("visitor", stop or threading.Event(), Record("extract", "tag"))


def drawn(item: Any) -> bool:
    return item != SKIPPED


def saved(file: dict[str, str]) -> str:
    return base64.b64decode(file["base64"]).decode("utf-8")


def spans_with(*confidences: float | None) -> list[Span]:
    return [Span("姓名", "王", n, n + 1, confidence) for n, confidence in enumerate(confidences)]


def test_confidence_is_shown_in_per_cent_and_marked_where_low() -> None:
    rows = views.table_rows(spans_with(0.987, 0.6, 0.599, 0.0, 1.0, None), CHINESE)
    assert [row[4] for row in rows] == ["99%", "60%", "⚠ 60%", "⚠ 0%", "100%", "—"]
    assert all(len(row) == len(views.HEADERS) for row in rows)


def test_every_label_has_a_colour_and_an_english_name_beside_it() -> None:
    assert tuple(views.COLOURS) == LABELS
    english = Words("en")
    assert views.highlight(Extraction.of("王", [Span("姓名", "王", 0, 1)]), english) == [("王", "姓名 Name")]
    assert set(views.colours(english)) == {english(label) for label in LABELS}
    assert all(english(label).startswith(f"{label} ") for label in LABELS)


def test_the_csv_is_for_excel_and_runs_nothing() -> None:
    text = '=HYPERLINK("http://x"),经理'
    spans = [Span("职位", text, 0, len(text), 0.51239), Span("姓名", "王", 3, 4, None)]
    whole = views.spans_csv(spans)
    assert whole.startswith("\ufeff")
    assert list(csv.reader(io.StringIO(whole[1:]))) == [
        ["label", "text", "start", "end", "confidence"],
        ["职位", f"'{text}", "0", str(len(text)), "0.5124"],
        ["姓名", "王", "3", "4", ""],
    ]


def test_a_result_and_its_files_agree() -> None:
    service = ExtractionService(ScriptedModel(), adapter="resume")
    items = list(single_tab.extraction_views(service, RESUME, True, call(), CHINESE))
    status, pieces, rows, result, json_file, csv_file = items[-1]
    assert "用时" in status
    assert "".join(piece for piece, _ in pieces) == RESUME
    assert json.loads(saved(json_file)) == result
    assert set(result) == {"text", "entities", "spans", "timings_ms"}
    assert all(set(span) == {"label", "text", "start", "end"} for span in result["spans"])
    assert [row[:4] for row in rows] == [list(span.values()) for span in result["spans"]]
    assert [row[:2] for row in csv.reader(io.StringIO(saved(csv_file)[1:]))][1:] == [row[:2] for row in rows]
    assert (json_file["name"], csv_file["name"]) == ("extraction.json", "extraction.csv")


def test_files_reach_the_browser_with_their_kind() -> None:
    assert {saving.content(f"简历_抽取{kind}", b"a")["base64"] for kind in saving.TYPES} == {"YQ=="}
    assert saving.content("a.b.xlsx", b"")["type"].endswith("spreadsheetml.sheet")


def test_comparison_counts_what_differs() -> None:
    model = Pair()
    service = ExtractionService(model, adapter="resume")
    items = list(single_tab.comparison_views(service, RESUME, call(), CHINESE))
    assert [options.adapter for options in model.options] == [None, "resume"]
    status, of_base, of_adapter, difference = items[-1]
    assert "基座用时" in status
    assert ("董事", "职位") in of_base
    assert ("董事", "专业") in of_adapter
    assert "<span class='yz-meta'>两者都有</span><b>6</b>" in difference
    assert "<span class='yz-meta'>只有基座</span><b>2</b>" in difference
    assert "<span class='yz-meta'>只有适配器</span><b>1</b>" in difference
    assert difference.count("<tr>") == 1 + 3
    assert difference.index("职位</td>") < difference.index("专业</td>")
    assert any(drawn(item[1]) and not drawn(item[2]) for item in items)


def test_comparison_of_equals_and_of_hostile_text() -> None:
    one = Extraction.of(HOSTILE, [Span("姓名", HOSTILE, 0, len(HOSTILE))])
    assert "完全一样" in views.differences(one, one, CHINESE)
    html = views.differences(one, Extraction.of(HOSTILE), CHINESE)
    assert "<img" not in html
    assert "&lt;img" in html


def test_a_stop_ends_both_kinds_of_work_at_once() -> None:
    service = ExtractionService(model := Pair(), adapter="resume")
    for make, width in ((lambda stop: single_tab.comparison_views(service, RESUME, call(stop), CHINESE), 4),
                        (lambda stop: single_tab.extraction_views(service, RESUME, True, call(stop), CHINESE), 6)):  # fmt: skip
        model.options.clear()
        stop = threading.Event()
        items = until_stopped(make(stop), stop, width)
        for _ in range(4):
            next(items)
        stop.set()
        rest = list(items)
        assert not any(map(drawn, rest[-1]))
        assert all(len(item) == width for item in rest)
        assert len(model.options) == 1
        assert model.closed


def test_work_stopped_in_the_queue_never_asks_the_model() -> None:
    service = ExtractionService(model := Pair(), adapter="resume")
    stop = threading.Event()
    stop.set()
    items = list(until_stopped(single_tab.comparison_views(service, RESUME, call(stop), CHINESE), stop, 4))
    assert [any(map(drawn, item)) for item in items] == [False]
    assert not model.options


def test_an_unusable_text_is_said_before_anything_is_drawn() -> None:
    service = ExtractionService(Pair(), adapter="resume", max_chars=10)
    for text, said in ((" ", "空"), (RESUME, "上限 10"), (None, "NoneType")):
        with pytest.raises(InputError, match=said):
            next(single_tab.comparison_views(service, text, call(), CHINESE))
        with pytest.raises(InputError, match=said):
            next(single_tab.extraction_views(service, text, True, call(), CHINESE))


def runtime_of(parser: ParserPool, max_chars: int = 5000) -> SimpleNamespace:
    return SimpleNamespace(parser=parser, extraction=ExtractionService(ScriptedModel(), max_chars=max_chars))


def test_an_uploaded_resume_is_put_into_the_box(tmp_path: Path, parser: ParserPool) -> None:
    path = tmp_path / "简历<b>.docx"
    path.write_bytes(samples.word(lambda document: document.add_paragraph(RESUME)))
    text, about = single_tab.uploaded_text(runtime_of(parser), path, CHINESE)
    assert text == RESUME
    assert f"{len(RESUME)} 个字符" in about
    assert "<b>" not in about
    text, about = single_tab.uploaded_text(runtime_of(parser, max_chars=10), path, CHINESE)
    assert text == RESUME[:10]
    assert f"超过上限 10：只放入了前 10 个，其余 {len(RESUME) - 10} 个" in about
    (tmp_path / "坏.pdf").write_bytes(b"%PDF-1.7")
    with pytest.raises(KnowledgeError, match=r"坏\.pdf"):
        single_tab.uploaded_text(runtime_of(parser), tmp_path / "坏.pdf", CHINESE)


def batch_of(tmp_path: Path, parser: ParserPool, rows: int, name: str = "a") -> VisitorBatches:
    path = tmp_path / f"{HOSTILE[:4]}{name}.csv"
    path.write_text(csv_text([["id", "简历"], *([f"{HOSTILE}{n}", RESUME] for n in range(rows))]), encoding="utf-8")
    batches = VisitorBatches(ExtractionService(ScriptedModel(), adapter="resume"), parser)
    batches.open(name, path)
    return batches


def test_a_batch_shows_its_progress_and_first_rows(tmp_path: Path, parser: ParserPool) -> None:
    rows = batch_tab.PREVIEW_ROWS + 3
    batches = batch_of(tmp_path, parser, rows)
    items = list(batch_tab.batch_views(batches, "a", True, threading.Event(), CHINESE))
    assert [f"已完成 {n} / {rows} 行" in status for n, (status, _) in enumerate(items)] == [True] * (rows + 1)
    assert "大约还要" in items[1][0]
    assert "全部做完" in items[-1][0]
    assert all('role="progressbar"' in status and "<img" not in status for status, _ in items)
    assert [drawn(preview) for _, preview in items] == [True] * (batch_tab.PREVIEW_ROWS + 1) + [False] * 3
    first, last = items[1][1][0], items[batch_tab.PREVIEW_ROWS][1][-1]
    assert len(first) == len(batch_tab.HEADERS)
    assert first[3] == last[3] == "王小明"
    assert items[1][1][1][2] == "等待"
    assert batch_tab.stopped_note(batches.get("a"), CHINESE) == items[-1][0]


def test_a_batch_stopped_on_the_page_is_gone_on_with(tmp_path: Path, parser: ParserPool) -> None:
    batches = batch_of(tmp_path, parser, 4)
    stop = threading.Event()
    items = until_stopped(batch_tab.batch_views(batches, "a", True, stop, CHINESE), stop, 2)
    next(items), next(items), next(items)
    stop.set()
    assert not any(map(drawn, list(items)[-1]))
    batch = batches.get("a")
    assert batch.done == 2
    assert "做完 2 / 4 行" in batch_tab.stopped_note(batch, CHINESE)
    assert "之前已做完 2 行" in batch_tab.opened_note(batch, CHINESE)
    again = list(batch_tab.batch_views(batches, "a", True, threading.Event(), CHINESE))
    assert "已完成 2 / 4" in again[0][0]
    assert drawn(again[0][1])
    assert len(again) == 3
    with pytest.raises(InputError, match="请先上传"):
        list(batch_tab.batch_views(batches, "b", True, threading.Event(), CHINESE))


@pytest.mark.parametrize(("seconds", "words"), [(0, "1 秒"), (59, "59 秒"), (90, "2 分钟"), (5400, "1.5 小时")])
def test_time_left_in_words(seconds: float, words: str) -> None:
    assert batch_tab.duration(seconds, CHINESE) == words


def blocks_of(parser: ParserPool, adapter: str | None) -> tuple[str, list[Any]]:
    with gr.Blocks() as page:
        leaving = extraction_tab.build(
            SimpleNamespace(parser=parser, extraction=ExtractionService(ScriptedModel(), adapter=adapter)),
            CHINESE,
        )
    return json.dumps(page.get_config_file(), ensure_ascii=False, default=str), leaving


def test_the_page_names_the_command_that_trains_an_adapter(parser: ParserPool) -> None:
    without, _ = blocks_of(parser, None)
    assert "python -m src train --data 数据.json --output 适配器目录" in without
    assert "--adapter 适配器目录" in without
    with_one, leaving = blocks_of(parser, "resume")
    assert "src train" not in with_one
    for page in (without, with_one):
        assert "简历属于个人信息" in page
        assert "不写日志" in page
    for one in leaving:
        one.drop("nobody")


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
def test_highlighted_pieces_add_up_to_the_text(spans) -> None:
    text = "北京公司总经理"
    pieces = views.highlight(extraction(text, *spans), CHINESE)
    assert "".join(piece for piece, _ in pieces) == text
    assert [label for _, label in pieces if label][:1] == [label for label, _, _ in spans][:1]


def test_the_page_is_drawn_only_when_there_is_something_new() -> None:
    empty, one = extraction("王五经理"), extraction("王五经理", ("姓名", 0, 2))
    stream = [
        ExtractionProgress(0, 1, empty),
        ExtractionProgress(0, 1, empty, "{"),
        ExtractionProgress(0, 1, one, "{…"),
        ExtractionProgress(1, 1, one, done=True),
    ]
    drawn = [progress is not None for progress in views.changed(iter(stream))]
    assert drawn == [True, False, True, True]
