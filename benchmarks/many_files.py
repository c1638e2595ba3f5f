"""A folder of many small files: indexed, killed in the middle, resumed, opened, one file added.

python -m benchmarks.many_files [--files 1000] [--lines 8] [--threads 1]

Texts are those of ``benchmarks.scale``, one window each. Every step is ``python -m src index`` in a process of its own,
with the real embedder and the start of Python; it is killed once the store holds a first batch.
"""

import argparse
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.scale import ROOT, passages_and_questions, windows_and_mixtures


def stored(cache: Path) -> int:
    """Chunks in the store, so far."""
    for path in cache.rglob("store.db"):
        try:
            with closing(sqlite3.connect(path, timeout=30)) as db:
                return int(db.execute("SELECT count(*) FROM chunks").fetchone()[0])
        except sqlite3.OperationalError:  # it has no tables yet
            return 0
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--lines", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    texts = windows_and_mixtures(passages_and_questions()[0], given.files * given.lines)
    with tempfile.TemporaryDirectory() as place:
        folder, cache = Path(place) / "files", Path(place) / "cache"
        folder.mkdir()
        for number in range(given.files):
            lines = texts[number * given.lines : (number + 1) * given.lines]
            (folder / f"{number:05}.txt").write_text("\n".join(lines), "utf-8")
        options = ("--knowledge", str(folder), "--cache-dir", str(cache), "--threads", str(given.threads))
        command = [sys.executable, "-m", "src", "index", "--profile", "embedded", *options]

        def index(name: str, kill: bool = False) -> None:
            start = time.perf_counter()
            log = Path(place) / "log"
            with log.open("wb") as errors:
                process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors)
            while process.poll() is None and not (kill and stored(cache)):
                time.sleep(0.05)
            if process.poll() is None:
                process.kill()
            code = process.wait()
            took = time.perf_counter() - start
            if code > 0:
                sys.exit(log.read_text("utf-8"))
            print(f"{name}: {took:.1f} s, {stored(cache):,} chunks, exit {code}", flush=True)

        index("killed", kill=True)
        index("resumed")
        index("opened")
        (folder / "new.txt").write_text("源知新添的一段话讲的是火星基地的自动售货机。", "utf-8")
        index("one file more")


if __name__ == "__main__":
    main()
