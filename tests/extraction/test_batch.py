import csv
import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from src.caller import ANYONE
from src.errors import InputError, ModelError
from src.extraction.batch import BatchCounts, extract_file, in_chunks, working_file
from src.extraction.schema import LABELS
from src.extraction.service import ExtractionService
from src.files import csv_text
from tests.extraction.fakes import RESUME, VALUES, ScriptedModel
from tests.ingest import samples


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "in.jsonl"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def write(path: Path, *records: Any) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().decode().split("\n")[:-1]]


def test_lines_come_out_in_order_with_ids(source: Path, target: Path) -> None:
    write(source, {"id": "a", "text": RESUME}, {"text": "\u2028😀" + RESUME}, {"id": 7, "text": "😀"})
    calls: list[tuple[int, int]] = []
    counts = extract_file(
        ExtractionService(ScriptedModel()), source, target, progress=lambda *call: calls.append(call)
    )
    assert counts == BatchCounts(total=3, skipped=0, extracted=3, failed=0)
    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]
    lines = read(target)
    assert [line["id"] for line in lines] == ["a", 2, 7]
    assert all(list(line) == ["id", "text", "entities", "spans", "people"] for line in lines)
    assert lines[0]["entities"]["职位"] == VALUES["职位"]
    assert all(line["text"][s["start"] : s["end"]] == s["text"] for line in lines for s in line["spans"])


def test_resumes_after_a_kill(source: Path, target: Path) -> None:
    write(source, *({"id": f"r{n}", "text": RESUME} for n in range(5)))
    service = ExtractionService(ScriptedModel())
    extract_file(service, source, target)
    whole = target.read_bytes()
    second = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    for end in (0, 3, second - 1, second, second + 1, second + 30, len(whole) - 1, len(whole)):
        target.write_bytes(whole[:end])
        kept = whole[:end].count(b"\n")
        model = ScriptedModel()
        counts = extract_file(ExtractionService(model), source, target)
        assert (counts.skipped, counts.extracted, len(model.prompts)) == (kept, 5 - kept, 5 - kept)
        assert target.read_bytes() == whole


def test_each_line_is_on_disk_before_the_next(source: Path, target: Path) -> None:
    write(source, {"text": RESUME}, {"text": RESUME})

    def answer(prompt: str) -> str:
        if target.exists() and target.read_bytes():
            raise ModelError("服务断了")
        return "{}"

    with pytest.raises(ModelError):
        extract_file(ExtractionService(ScriptedModel(answer)), source, target)
    assert [line["id"] for line in read(target)] == [1]


def test_unusable_texts_get_an_error_line(source: Path, target: Path) -> None:
    write(source, {"text": " "}, {"text": "中" * 50}, {"text": "王小明\ud83d"})
    counts = extract_file(ExtractionService(ScriptedModel(), max_chars=40), source, target)
    assert counts == BatchCounts(total=3, skipped=0, extracted=1, failed=2)
    empty, long, fine = read(target)
    assert "空" in empty["error"]
    assert "50" in long["error"]
    assert "error" not in fine
    assert (list(long["entities"]), long["spans"], long["text"]) == (list(LABELS), [], "中" * 50)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (b"not json", "第 3 行不是"),
        (b"\xff\xfe{}", "第 3 行不是"),
        (b"[1]", "第 3 行不是 JSON 对象"),
        (b'{"id": 9}', "第 3 行没有 text"),
        (b'{"text": 5}', "第 3 行没有 text"),
        (b'{"id": true, "text": "a"}', "第 3 行的 id"),
        (b'{"id": [1], "text": "a"}', "第 3 行的 id"),
        (b'{"id": 1, "text": "a"}', "第 3 行的 id 1 与第 1 行重复"),
    ],
)
def test_bad_lines_are_reported_before_any_work(source: Path, target: Path, row: bytes, problem: str) -> None:
    source.write_bytes(b'\xef\xbb\xbf{"text": "abc"}\r\n\n' + row + b"\n")
    model = ScriptedModel()
    with pytest.raises(InputError, match=problem):
        extract_file(ExtractionService(model), source, target)
    assert model.prompts == []
    assert not target.exists()


def test_output_must_not_be_the_input(source: Path) -> None:
    write(source, {"text": RESUME})
    before = source.read_bytes()
    link = source.with_name("link.jsonl")
    link.symlink_to(source)
    for target in (source, source.parent / "." / source.name, link):
        with pytest.raises(InputError, match="输入文件"):
            extract_file(ExtractionService(ScriptedModel()), source, target)
    assert source.read_bytes() == before


@pytest.mark.parametrize("content", [b"my diary", b"my diary\nsecond\n", b'{"id": 1}\n', b"[]\n"])
def test_a_foreign_output_file_is_left_alone(source: Path, target: Path, content: bytes) -> None:
    write(source, {"text": RESUME})
    target.write_bytes(content)
    with pytest.raises(InputError, match="不是抽取的结果"):
        extract_file(ExtractionService(ScriptedModel()), source, target)
    assert target.read_bytes() == content


def test_files_that_cannot_be_opened(source: Path, tmp_path: Path) -> None:
    service = ExtractionService(ScriptedModel())
    with pytest.raises(InputError, match="读不了"):
        extract_file(service, source, tmp_path / "out")
    write(source, {"text": RESUME})
    with pytest.raises(InputError, match="写不了"):
        extract_file(service, source, tmp_path / "no" / "out")


def test_an_id_with_a_lone_surrogate_survives_a_resume(source: Path, target: Path) -> None:
    write(source, {"id": "\ud800", "text": RESUME})
    extract_file(ExtractionService(ScriptedModel()), source, target)
    assert extract_file(ExtractionService(ScriptedModel()), source, target).skipped == 1


def rows_of(path: Path) -> list[list[Any]]:
    if path.suffix == ".xlsx":
        return [list(row) for row in openpyxl.load_workbook(path).active.iter_rows(values_only=True)]
    return list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def write_table(path: Path, rows: list[list[str]]) -> Path:
    path.write_bytes(
        samples.workbook({"一": rows}) if path.suffix == ".xlsx" else csv_text(rows)[1:].encode("utf-16")
    )
    return path


TABLE = [["编号", "简历"], ["007", RESUME], ["007", ""], ["x", RESUME + "！"]]


@pytest.mark.parametrize("kind", [".csv", ".xlsx"])
def test_a_table_comes_back_with_new_columns(tmp_path: Path, kind: str) -> None:
    source, target = write_table(tmp_path / f"in{kind}", TABLE), tmp_path / f"out{kind.upper()}"
    calls: list[tuple[int, int]] = []
    counts = extract_file(
        ExtractionService(ScriptedModel()), source, target, progress=lambda *call: calls.append(call)
    )
    assert counts == BatchCounts(total=3, skipped=0, extracted=2, failed=1)
    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]
    header, *rows = rows_of(target.rename(tmp_path / f"renamed{kind}"))
    assert header == ["编号", "简历", *LABELS, "经历", "性别", "出生日期", "电话", "邮箱", "待核对", "错误"]
    assert [row[0] for row in rows] == ["007", "007", "x"]
    assert rows[0][1:3] == [RESUME, "王小明"]
    assert rows[0][header.index("职位")] == "经理；董事"
    assert rows[0][header.index("经历")] == "经理 @ 蓝天公司；董事 @ 蓝天公司；经理 @ 白云公司"
    assert "空" in rows[1][-1]
    assert not rows[2][-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"in{kind}", f"renamed{kind}"])


@pytest.mark.parametrize("kind", [".csv", ".xlsx"])
def test_a_table_is_gone_on_with(tmp_path: Path, kind: str) -> None:
    source, target = write_table(tmp_path / f"in{kind}", TABLE), tmp_path / f"out{kind}"

    def breaks(prompt: str) -> str:
        if "！" in prompt:
            raise ModelError("服务断了")
        return "{}"

    with pytest.raises(ModelError):
        extract_file(ExtractionService(ScriptedModel(breaks)), source, target)
    assert not target.exists()
    working = working_file(target)
    with working.open("ab") as stream:
        stream.write(b'{"id": 3, "te')  # what a kill leaves
    model = ScriptedModel()
    assert extract_file(ExtractionService(model), source, target) == BatchCounts(3, 2, 1, 0)
    assert len(model.prompts) == 1
    assert [row[2] or "" for row in rows_of(target)[1:]] == ["", "", "王小明"]
    assert not working.exists()
    before = target.read_bytes()
    with pytest.raises(InputError, match="已经有了"):
        extract_file(ExtractionService(model), source, target)
    assert target.read_bytes() == before


def test_results_of_another_input_are_not_gone_on_with(tmp_path: Path) -> None:
    source, target = write_table(tmp_path / "in.csv", TABLE), tmp_path / "out.csv"
    line = {"id": 1, "text": "别人", "entities": {}, "spans": []}
    for content in (json.dumps(line) + "\n", json.dumps(line | {"id": [1]}) + "\n", "my diary\n", "my diary"):
        working_file(target).write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=r"out\.csv\.partial\.jsonl"):
            extract_file(ExtractionService(ScriptedModel()), source, target)
        assert working_file(target).read_text(encoding="utf-8") == content
        assert not target.exists()


@pytest.mark.parametrize(("first", "second"), [("a.csv", "b.jsonl"), ("a.jsonl", "b.xlsx"), ("a.xlsx", "b.csv")])
def test_both_files_are_of_one_kind(tmp_path: Path, first: str, second: str) -> None:
    write(tmp_path / first, {"text": RESUME})
    with pytest.raises(InputError, match="同一种格式"):
        extract_file(ExtractionService(ScriptedModel()), tmp_path / first, tmp_path / second)


def test_other_names_are_json_lines(tmp_path: Path) -> None:
    write(tmp_path / "in", {"text": RESUME})
    assert extract_file(ExtractionService(ScriptedModel()), tmp_path / "in", tmp_path / "out.txt").extracted == 1
    assert read(tmp_path / "out.txt")[0]["id"] == 1


def test_the_model_gets_chunks_of_texts() -> None:
    sizes: list[int] = []

    class Service(ExtractionService):
        def extract_many(self, texts, use_adapter=True, caller=ANYONE, fields=None):
            sizes.append(len(texts))
            return super().extract_many(texts, use_adapter, caller, fields)

    results = list(in_chunks(Service(ScriptedModel()), [RESUME, "", RESUME, RESUME, RESUME], chunk=2))
    assert sizes == [2, 2, 1]
    assert [isinstance(result, InputError) for result in results] == [False, True, False, False, False]
