"""Seconds and characters a second of every reader, on files made here, in one parser process; and of removing copies.

python -m benchmarks.parsing [--pages 200] [--threads 2]      (needs requirements-dev.txt and a Chinese font)
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from src.ingest.copies import copy_keys
from src.ingest.limits import KNOWLEDGE_LIMITS
from src.ingest.parse import read_file
from src.ingest.split import split_document
from src.ingest.types import Document
from src.ingest.worker import ParserPool
from tests.ingest import samples

LINES, CHARS = 30, 36
OCR_PAGES = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=200, help="pages of 30 lines of 36 characters")
    parser.add_argument("--threads", type=int, default=2, help="for the recognition of pictures")
    args = parser.parse_args()
    pool = ParserPool(limits=KNOWLEDGE_LIMITS, threads=args.threads)
    with tempfile.TemporaryDirectory() as folder:
        for name, make in files(args.pages).items():
            path = Path(folder) / name
            path.write_bytes(make())
            started = time.perf_counter()
            pool.read(path)  # the first time with the loading of its library
            first = time.perf_counter() - started
            started = time.perf_counter()
            documents = pool.read(path)
            seconds = time.perf_counter() - started
            characters = sum(len(document.text) for document in documents)
            print(f"{name:12} {path.stat().st_size / 1e6:6.2f} MB {characters:8} chars first {first:6.2f} s"
                  f" then {seconds:6.2f} s {characters / seconds:12,.0f} chars/s")  # fmt: skip
        copies(read_file(Path(folder) / "a.txt"))
    pool.close()


def files(count: int) -> dict[str, Callable[[], bytes]]:
    """File name -> maker of its bytes."""
    rng = random.Random(0)
    letters = [chr(code) for code in range(0x4E00, 0x4E00 + 3_000)]
    pages = [["".join(rng.choices(letters, k=CHARS - 1)) + "。" for _ in range(LINES)] for _ in range(count)]
    lines = [line for page in pages for line in page]
    rows = [["编号", "内容", "备注"], *([n, line, "无"] for n, line in enumerate(lines))]

    def fill(document: samples.Any) -> None:
        for number, page in enumerate(pages):
            document.add_heading(f"第{number}节", 1)
            for line in page:
                document.add_paragraph(line)

    def html() -> bytes:
        return "".join(
            f"<h2>{n}</h2>{''.join(f'<p>{line}</p>' for line in page)}" for n, page in enumerate(pages)
        ).encode()

    images = [samples.picture(page[:22], (1400, 1600)) for page in pages[:OCR_PAGES]]
    return {
        "a.txt": lambda: "\n".join(lines).encode(),
        "a.jsonl": lambda: "\n".join(json.dumps({"id": n, "text": line}) for n, line in enumerate(lines)).encode(),
        "a.html": html,
        "a.csv": lambda: "\n".join(",".join(map(str, row)) for row in rows).encode("gb18030"),
        "a.xlsx": lambda: samples.workbook({"一": rows}),
        "a.docx": lambda: samples.word(fill),
        "a.pptx": lambda: samples.slides([(f"第{n}页", "\n".join(page)) for n, page in enumerate(pages)]),
        "a.pdf": lambda: samples.pdf(pages),
        "a.png": lambda: samples.encoded(images[0], "PNG"),
        "scan4.pdf": lambda: samples.encoded(images[0], "PDF", save_all=True, append_images=images[1:]),
    }


def copies(documents: list[Document]) -> None:
    """Chunks of 300 characters, a tenth of them copies."""
    whole = Document("d", "s", "", "".join(document.text for document in documents))
    chunks = split_document(whole)
    chunks += chunks[: len(chunks) // 10]
    started = time.perf_counter()
    exact_keys, near_keys, exact, near = set(), set(), 0, 0
    for chunk in chunks:
        key, near_key = copy_keys(chunk.title, chunk.text)
        if key in exact_keys:
            exact += 1
        elif near_key and near_key in near_keys:
            near += 1
        exact_keys.add(key)
        near_keys.add(near_key)
    seconds = time.perf_counter() - started
    print(f"{len(chunks)} chunks, {exact} exact and {near} near copies: {len(chunks) / seconds:,.0f} chunks/s")


if __name__ == "__main__":
    main()
