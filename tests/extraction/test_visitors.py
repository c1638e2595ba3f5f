"""One batch a visitor: kept apart, gone on with, limited, gone when it should be."""

import csv
import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from src.extraction.visitors import VisitorBatches

from src.errors import InputError, KnowledgeError, ModelError, Stopped
from src.extraction import visitors as module
from src.extraction.service import ExtractionService
from src.extraction.tables import NOT_DONE
from src.files import csv_text
from src.knowledge.worker import ParserPool
from tests.extraction.fakes import RESUME, ScriptedModel
from tests.knowledge import samples
from tests.knowledge.samples import replaced


@pytest.fixture(scope="module")
def parser() -> Iterator[ParserPool]:
    pool = ParserPool(workers=2)
    yield pool
    pool.close()


def batches_of(parser: ParserPool, model: ScriptedModel | None = None) -> VisitorBatches:
    return VisitorBatches(ExtractionService(model or ScriptedModel(), adapter="resume"), parser)


def jsonl(folder: Path, *texts: object, name: str = "a.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


def table(folder: Path, *rows: list[str], name: str = "a.csv") -> Path:
    path = folder / name
    path.write_text(csv_text(rows), encoding="utf-8")
    return path


def work(batches: VisitorBatches, session: str, rows: int | None = None, use_adapter: bool = True) -> None:
    """Up to ``rows`` more, then stop, as the button does."""
    stop = threading.Event()
    before = batches.get(session).done
    run = batches.run(session, use_adapter, stop)
    for batch in run:
        if rows is not None and batch.done >= before + rows:
            stop.set()
            run.close()
            return


def test_a_batch_is_stopped_and_gone_on_with(tmp_path: Path, parser: ParserPool) -> None:
    model = ScriptedModel()
    batches = batches_of(parser, model)
    path = table(tmp_path, ["id", "text"], *([str(n), f"{RESUME}{n}"] for n in range(5)))
    batch = batches.open("a", path)
    work(batches, "a", rows=2)
    assert (batch.done, batch.total, len(model.prompts)) == (2, 5, 2)
    errors = [row["错误"] for row in csv.DictReader(io.StringIO(batch.file()[1].decode("utf-8-sig")))]
    assert errors == ["", "", *[NOT_DONE] * 3]
    assert batches.open("a", path) is batch  # the same upload once more
    work(batches, "a")
    assert (batch.done, len(model.prompts)) == (5, 5)
    work(batches, "a")
    assert len(model.prompts) == 5
    name, data = batch.file()
    assert name == "a_抽取.csv"
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert [row["id"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert {row["姓名"] for row in rows} == {"王小明"}


def test_another_setting_or_another_file_starts_anew(tmp_path: Path, parser: ParserPool) -> None:
    model = ScriptedModel()
    batches = batches_of(parser, model)
    batches.open("a", jsonl(tmp_path, RESUME, RESUME))
    work(batches, "a", rows=1)
    work(batches, "a", use_adapter=False)
    assert [options.adapter for options in model.options] == ["resume", None, None]
    again = batches.open("a", jsonl(tmp_path, RESUME, RESUME + "！"))
    assert again.done == 0


def test_json_lines_come_back_as_the_command_line_gives_them(tmp_path: Path, parser: ParserPool) -> None:
    batches = batches_of(parser)
    batch = batches.open("a", jsonl(tmp_path, RESUME, "", RESUME))
    work(batches, "a", rows=2)
    name, data = batch.file()
    assert name == "a_抽取.jsonl"
    first, second = (json.loads(line) for line in data.decode().splitlines())
    assert list(first) == ["id", "text", "entities", "spans"]
    assert (first["id"], first["text"], first["entities"]["姓名"]) == (1, RESUME, ["王小明"])
    assert "空" in second["error"]
    assert batch.failed == 1


def test_visitors_never_see_each_other(tmp_path: Path, parser: ParserPool) -> None:
    """At the same time, each with a batch of their own."""
    batches = batches_of(parser)
    for name in "ab":
        texts = [f"{RESUME}{name}{n}" for n in range(20)]
        batches.open(name, jsonl(tmp_path, *texts, name=f"{name}.jsonl"))
    threads = [threading.Thread(target=work, args=(batches, name)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for name, other in (("a", "b"), ("b", "a")):
        lines = [json.loads(line) for line in batches.get(name).file()[1].decode().splitlines()]
        assert [line["text"] for line in lines] == [f"{RESUME}{name}{n}" for n in range(20)]
        assert f"{RESUME}{other}" not in batches.get(name).file()[1].decode()
    batches.drop("a")
    batches.drop("nobody")
    assert batches.get("b").done == 20
    with pytest.raises(InputError, match="请先上传"):
        batches.get("a")


def test_two_runs_of_one_visitor_do_not_mix(tmp_path: Path, parser: ParserPool) -> None:
    """The second waits until the first, stopped while the model works, has left."""
    going = threading.Event()

    def slow(prompt: str) -> str:
        going.wait(10)
        return "{}"

    batches = batches_of(parser, ScriptedModel(slow))
    batch = batches.open("a", jsonl(tmp_path, *(f"{RESUME}{n}" for n in range(4))))
    stop = threading.Event()

    def first() -> None:
        with pytest.raises(Stopped):
            list(batches.run("a", True, stop))

    threads = [threading.Thread(target=first), threading.Thread(target=work, args=(batches, "a"))]
    threads[0].start()
    time.sleep(0.1)
    threads[1].start()
    stop.set()
    going.set()
    for thread in threads:
        thread.join(30)
    assert [result.text for result in batch.results] == [f"{RESUME}{n}" for n in range(4)]


def test_what_is_done_stays_done_when_the_model_fails(tmp_path: Path, parser: ParserPool) -> None:
    def breaks(prompt: str) -> str:
        if "！" in prompt:
            raise ModelError("服务断了")
        return "{}"

    batches = batches_of(parser, ScriptedModel(breaks))
    batch = batches.open("a", jsonl(tmp_path, RESUME, RESUME + "！"))
    with pytest.raises(ModelError):
        work(batches, "a")
    assert batch.done == 1
    assert not batch.working.locked()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("空.csv", b"", "没有内容"),
        ("空.jsonl", b"\n \n", "没有一行"),
        ("没有列.csv", "姓名,电话\n张三,1\n".encode(), "没有放简历文字的列"),
        ("重复.jsonl", b'{"id": 1, "text": "a"}\n{"id": 1, "text": "b"}\n', "第 2 行的 id 1 与第 1 行重复"),
        ("长行.jsonl", json.dumps({"text": "a" * 1_100_000}).encode(), "第 1 行有 1100012 字节"),
        ("大.jsonl", b"x" * 7_000_000, "太大"),
        ("行多.jsonl", b'{"text": "a"}\n' * 2_001, "最多 2000 行"),
        ("行多.csv", b"text\n" + b"a\n" * 2_001, "最多 2000 行"),
        ("字多.jsonl", (json.dumps({"text": "a" * 600_000}) + "\n").encode() * 2, "最多 1000000 个"),
        ("大格.csv", b"text\n" + b"a" * 10_000_000, "个字"),
        ("改名.csv", samples.workbook({"一": [["text"], ["a"]]}), "内容其实是 xlsx"),
        ("改名.xlsx", b"text\na\n", "后缀是 .xlsx"),
        ("炸弹.xlsx", replaced(samples.workbook({"一": [["text"], ["a"]]}),
                             {"xl/worksheets/sheet1.xml": bytes(150_000_000)}), "炸弹"),
        ("名单.txt", b"text\na\n", "批量抽取读 .jsonl .csv .xlsx"),
        ("名单", b"text\na\n", "没有后缀"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value[-6:] else "",
)  # fmt: skip
def test_hostile_uploads_are_refused_in_a_line(
    tmp_path: Path, parser: ParserPool, name: str, data: bytes, said: str
) -> None:
    batches = batches_of(parser)
    (tmp_path / name).write_bytes(data)
    with pytest.raises((InputError, KnowledgeError), match=said) as caught:
        batches.open("a", tmp_path / name)
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(InputError, match="请先上传"):
        batches.get("a")


def test_hostile_cells_cost_only_their_row(tmp_path: Path, parser: ParserPool) -> None:
    """Formulas, NUL bytes, a text that is too long, the same id twice."""
    rows = [["1", f"=1+1{RESUME}"], ["1", f"王小明\0，经理{RESUME}"], ["2", "长" * 6_000], ["", RESUME]]
    batches = batches_of(parser)
    batch = batches.open("a", table(tmp_path, ["id", "text"], *rows))
    work(batches, "a")
    read = list(csv.reader(io.StringIO(batch.file()[1].decode("utf-8-sig"), newline="")))
    assert [row[:2] for row in read[1:]] == rows
    assert ["6000" in row[-1] for row in read[1:]] == [False, False, True, False]
    assert batch.failed == 1


def test_idle_batches_and_those_beyond_the_limit_go(
    tmp_path: Path, parser: ParserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TOTAL_CHARACTERS", 25)
    batches = batches_of(parser)
    for session in ("a", "b"):
        batches.open(session, jsonl(tmp_path, "十个字" * 3 + session))
    batches.get("a")
    batches.open("c", jsonl(tmp_path, "十个字" * 3 + "c"))
    with pytest.raises(InputError):
        batches.get("b")
    assert batches.get("a").total == 1
    batches.get("a").used -= module.IDLE_S + 1
    batches.open("d", jsonl(tmp_path, "短"))
    with pytest.raises(InputError):
        batches.get("a")
    assert batches.get("c").total == 1


def test_nothing_stays_on_a_server_that_nobody_uses(
    tmp_path: Path, parser: ParserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SWEEP_S", 0.02)
    monkeypatch.setattr(module, "IDLE_S", 0.05)
    batches = batches_of(parser)
    batches.open("a", jsonl(tmp_path, RESUME))
    end = time.monotonic() + 10
    while (batches._batches or batches._sweeper) and time.monotonic() < end:
        time.sleep(0.01)
    assert not batches._batches
    assert batches._sweeper is None


def test_without_a_session_nothing_is_kept(tmp_path: Path, parser: ParserPool) -> None:
    with pytest.raises(InputError, match="会话"):
        batches_of(parser).open("", jsonl(tmp_path, RESUME))
