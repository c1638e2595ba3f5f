"""An uploaded batch: gone on with, limited, kept in memory only."""

import csv
import io
import itertools
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.caller import Caller
from src.errors import InputError, KnowledgeError, ModelError, Stopped
from src.extraction import upload as module
from src.extraction.service import ExtractionService
from src.extraction.tables import NOT_DONE
from src.extraction.upload import Batch, read_batch, read_resumes
from src.files import csv_text
from src.ingest.worker import ParserPool
from tests.extraction.fakes import RESUME, ScriptedModel
from tests.ingest import samples
from tests.ingest.samples import replaced


@pytest.fixture(scope="module")
def parser() -> Iterator[ParserPool]:
    pool = ParserPool(workers=2)
    yield pool
    pool.close()


def service_of(model: ScriptedModel | None = None) -> ExtractionService:
    return ExtractionService(model or ScriptedModel(), adapter="resume")


def jsonl(folder: Path, *texts: object, name: str = "a.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


def table(folder: Path, *rows: list[str], name: str = "a.csv") -> Path:
    path = folder / name
    path.write_text(csv_text(rows), encoding="utf-8")
    return path


def work(batch: Batch, service: ExtractionService, rows: int | None = None, use_adapter: bool = True) -> None:
    """At least ``rows`` more, then stop, as the button does."""
    caller = Caller("a")
    before = batch.done
    run = batch.run(service, use_adapter, caller)
    for _ in run:
        if rows is not None and batch.done >= before + rows:
            caller.stop.set()
            with pytest.raises(Stopped):
                next(run)
            return


def test_a_batch_is_stopped_and_gone_on_with(tmp_path: Path, parser: ParserPool) -> None:
    service = service_of(model := ScriptedModel())
    path = table(tmp_path, ["id", "text"], *([str(n), f"{RESUME}{n}"] for n in range(5)))
    batch = read_batch(parser, path)
    work(batch, service, rows=1)
    assert (batch.done, batch.total, len(model.prompts)) == (1, 5, 1)
    errors = [row["错误"] for row in csv.DictReader(io.StringIO(batch.file()[1].decode("utf-8-sig")))]
    assert errors == ["", *[NOT_DONE] * 4]
    again = read_batch(parser, path)
    assert again.is_of(batch)
    assert again.done == 0
    work(batch, service)
    assert (batch.done, len(model.prompts)) == (5, 5)
    work(batch, service)
    assert len(model.prompts) == 5
    assert set(model.users) == {"a"}
    name, data = batch.file()
    assert name == "a_抽取.csv"
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert [row["id"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert {row["姓名"] for row in rows} == {"王小明"}


def test_another_setting_or_another_file_starts_anew(tmp_path: Path, parser: ParserPool) -> None:
    service = service_of(model := ScriptedModel())
    batch = read_batch(parser, jsonl(tmp_path, RESUME, RESUME))
    work(batch, service, rows=1)
    work(batch, service, use_adapter=False)
    assert [options.adapter for options in model.options] == ["resume", None, None]
    assert not read_batch(parser, jsonl(tmp_path, RESUME, RESUME + "！")).is_of(batch)


@pytest.mark.parametrize(("seconds", "groups"), [(0.01, [1, 2, 4, 8, 8, 7]), (1.0, [1] * 30), (2.0, [1] * 30)])
def test_a_group_is_as_large_as_is_quick(
    tmp_path: Path, parser: ParserPool, monkeypatch: pytest.MonkeyPatch, seconds: float, groups: list[int]
) -> None:
    """Each row takes ``seconds``."""
    service = service_of(model := ScriptedModel())
    batch = read_batch(parser, jsonl(tmp_path, *[RESUME] * 30))
    monkeypatch.setattr(module.time, "perf_counter", lambda: len(model.prompts) * seconds)
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    done = [batch.done for _ in batch.run(service, True, Caller())]
    assert [after - before for before, after in itertools.pairwise(done)] == groups


def test_json_lines_come_back_as_the_command_line_gives_them(tmp_path: Path, parser: ParserPool) -> None:
    batch = read_batch(parser, jsonl(tmp_path, RESUME, "", "", RESUME))
    work(batch, service_of(), rows=2)
    name, data = batch.file()
    assert name == "a_抽取.jsonl"
    first, second, *_ = (json.loads(line) for line in data.decode().splitlines())
    assert list(first) == ["id", "text", "entities", "spans", "people"]
    assert (first["id"], first["text"], first["entities"]["姓名"]) == (1, RESUME, ["王小明"])
    assert "空" in second["error"]
    assert batch.failed == 2


def test_what_is_done_stays_done_when_the_model_fails(tmp_path: Path, parser: ParserPool) -> None:
    def breaks(prompt: str) -> str:
        if "！" in prompt:
            raise ModelError("服务断了")
        return "{}"

    batch = read_batch(parser, jsonl(tmp_path, RESUME, RESUME, RESUME + "！"))
    with pytest.raises(ModelError):
        work(batch, service_of(ScriptedModel(breaks)))
    assert batch.done == 2


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("空.csv", b"", "是空的"),
        ("空.jsonl", b"\n \n", "没有一行"),
        ("没有列名.csv", f"{'张三，男。' * 8},1\n李四,2\n".encode(), "没有放简历文字的列"),
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
        ("名单.txt", b"text\na\n", "不是表格"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value[-6:] else "",
)  # fmt: skip
def test_hostile_uploads_are_refused_in_a_line(
    tmp_path: Path, parser: ParserPool, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises((InputError, KnowledgeError), match=said) as caught:
        read_batch(parser, tmp_path / name)
    assert str(tmp_path) not in str(caught.value)


def test_hostile_cells_cost_only_their_row(tmp_path: Path, parser: ParserPool) -> None:
    """Formulas, NUL bytes, a text that is too long, the same id twice."""
    rows = [["1", f"=1+1{RESUME}"], ["1", f"王小明\0，经理{RESUME}"], ["2", "长" * 6_000], ["", RESUME]]
    batch = read_batch(parser, table(tmp_path, ["id", "text"], *rows))
    work(batch, service_of())
    read = list(csv.reader(io.StringIO(batch.file()[1].decode("utf-8-sig"), newline="")))
    assert [row[:2] for row in read[1:]] == rows
    assert ["6000" in row[-1] for row in read[1:]] == [False, False, True, False]
    assert batch.failed == 1


def test_people_columns_and_kinds_of_results(tmp_path: Path, parser: ParserPool) -> None:
    both = "姓名：王小明\n电话：13800010021\n姓名：李雷\n电话：13800010022"
    batch = read_batch(parser, table(tmp_path, ["id", "text"], ["a", both], ["b", ""], ["c", RESUME]))
    work(batch, service_of(ScriptedModel("{}")))
    rows = list(csv.DictReader(io.StringIO(batch.file(".csv")[1].decode("utf-8-sig"))))
    assert [(row["id"], row["姓名"], row["电话"]) for row in rows] == [
        ("a", "王小明", "13800010021"), ("a", "李雷", "13800010022"), ("b", "", ""), ("c", "", ""),
    ]  # fmt: skip
    assert [bool(row["错误"]) for row in rows] == [False, False, True, False]
    name, data = batch.file(".xlsx")
    (tmp_path / name).write_bytes(data)
    assert [row[0] for row in parser.read_table(tmp_path / name)] == ["id", "a", "a", "b", "c"]
    people = json.loads(batch.file(".json")[1])
    assert [(one["row"], one["id"], one.get("name")) for one in people[:2]] == [
        (1, "a", "王小明"),
        (1, "a", "李雷"),
    ]
    assert "空" in people[2]["error"]
    assert all(both[span["start"] : span["end"]] == span["text"] for span in people[0]["spans"])
    lines = read_batch(parser, jsonl(tmp_path, both))
    work(lines, service_of(ScriptedModel("{}")))
    assert len(list(csv.reader(io.StringIO(lines.file(".csv")[1].decode("utf-8-sig"), newline="")))) == 3


def read_all(parser: ParserPool, *paths: Path) -> tuple[Batch, list[tuple[int, int]]]:
    """The batch of some files, and what was said meanwhile."""
    *said, batch = read_resumes(parser, paths)
    assert isinstance(batch, Batch)
    return batch, [item for item in said if not isinstance(item, Batch)]


def test_files_of_any_kind_are_a_row_each(tmp_path: Path, parser: ParserPool) -> None:
    (tmp_path / "王小明.txt").write_text(RESUME, "utf-8")
    (tmp_path / "表.docx").write_bytes(samples.word(lambda document: document.add_paragraph(RESUME)))
    (tmp_path / "坏.pdf").write_bytes(b"%PDF-1.4 broken")
    (tmp_path / "歌.mp3").write_bytes(b"ID3")
    names = ["王小明.txt", "表.docx", "坏.pdf", "歌.mp3"]
    batch, said = read_all(parser, *[tmp_path / name for name in names])
    assert said == [(number, 4) for number in range(4)]
    assert batch.names == names
    assert set(batch.unread) == {2, 3}
    work(batch, service_of())
    assert [isinstance(result, InputError) for result in batch.results] == [False, False, True, True]
    name, content = batch.file()
    assert name == "简历_抽取.xlsx"
    (tmp_path / name).write_bytes(content)
    rows = parser.read_table(tmp_path / name)
    assert rows[0][:3] == ["文件", "简历", "姓名"]
    assert [row[0] for row in rows[1:]] == names
    assert "坏.pdf" in str(rows[3][-1])
    assert str(tmp_path) not in str(rows)


def test_a_zip_is_the_files_in_it(tmp_path: Path, parser: ParserPool) -> None:
    path = tmp_path / "简历.zip"
    with zipfile.ZipFile(path, "w") as package:
        for name in (
            "甲/王小明.txt",
            "../../逃.txt",
            "/etc/passwd.txt",
            "__MACOSX/._王小明.txt",
            "~$打开.docx",
            "内.zip",
        ):
            package.writestr(name, RESUME)
    batch, _ = read_all(parser, path)
    assert batch.names == ["王小明.txt", "逃.txt", "passwd.txt", "内.zip"]
    assert list(batch.unread) == [3]
    assert not (tmp_path.parent / "逃.txt").exists()
    assert batch.file()[0] == "简历_抽取.xlsx"


def test_old_windows_names_in_a_zip_are_chinese(tmp_path: Path, parser: ParserPool) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("xxxx.txt", RESUME)
    path.write_bytes(path.read_bytes().replace(b"xxxx", "李红".encode("gbk")))
    assert read_all(parser, path)[0].names == ["李红.txt"]


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"PK\x03\x04 broken", "解不开"), (b"", "解不开"), (None, "最多 200 个"), (300, "解压后太大")],
)
def test_zips_that_cannot_be_used(tmp_path: Path, parser: ParserPool, data: bytes | int | None, said: str) -> None:
    path = tmp_path / "a.zip"
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
            for number in range(3 if data else 201):
                package.writestr(f"{number}.txt", bytes((data or 0) * 250_000) or "x")
    with pytest.raises(InputError, match=said):
        read_all(parser, path)


def test_an_entry_that_is_larger_than_it_says_is_cut_off_and_refused(tmp_path: Path, parser: ParserPool) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("a.txt", "x" * 100_000)
    honest, lying = (100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(honest, lying))
    with pytest.raises(InputError, match="解不开"):
        read_all(parser, path)


def test_too_many_files_are_refused_before_any_is_read(tmp_path: Path, parser: ParserPool) -> None:
    with pytest.raises(InputError, match="收到 201 个文件"):
        read_all(parser, *[tmp_path / f"{number}.txt" for number in range(201)])
