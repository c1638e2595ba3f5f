"""How much of each chunk is found on its page, and how long a page takes.

    python -m benchmarks.source_pages FOLDER [--pictures] [--chunks 3]

Every chunk of every PDF below FOLDER (with --pictures also of pictures, and scans are recognised) is looked for on its
page, in a parser process as on the site. ``found`` is the share of its characters that are boxed.
"""

import argparse
import statistics
import time
from pathlib import Path

from src.errors import KnowledgeError
from src.ingest.limits import PAGE_LIMITS
from src.ingest.pages import PICTURED, Wanted
from src.ingest.split import split_document
from src.ingest.worker import ParserPool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", action="store_true", help="also pictures and scans, seconds a page")
    parser.add_argument("--chunks", type=int, default=1_000_000, help="of each file, at even distances")
    given = parser.parse_args()
    pool = ParserPool(1, PAGE_LIMITS)
    shares: list[float] = []
    seconds: list[float] = []
    for path in sorted(given.folder.rglob("*")):
        if path.suffix.lower() not in (PICTURED if given.pictures else (".pdf",)):
            continue
        try:
            chunks = [chunk for document in pool.read(path) for chunk in split_document(document)]
        except KnowledgeError as error:
            print(f"  {error}")
            continue
        for chunk in chunks[:: max(1, len(chunks) // given.chunks)][: given.chunks]:
            started = time.perf_counter()
            wanted = Wanted(chunk.page or 1, chunk.text, chunk.start, recognise=given.pictures)
            pages = pool.page(path, path.name, wanted)
            seconds.append(time.perf_counter() - started)
            found = sum(page.found for page in pages)
            if any(page.unread for page in pages):
                continue  # a scan
            shares.append(found)
            if found < 0.8:
                print(f"  {found:.2f} {chunk.chunk_id} {chunk.text[:40]!r}")
    pool.close()
    whole = sum(share >= 0.95 for share in shares) / max(1, len(shares))
    print(
        f"{len(shares)} chunks: found {statistics.mean(shares):.3f} on average, {whole:.1%} of them (nearly) whole"
    )
    print(f"seconds a page: median {statistics.median(seconds):.2f}, longest {max(seconds):.2f}")


if __name__ == "__main__":
    main()
