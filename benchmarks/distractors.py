"""Passages that answer nothing, for ``python -m src evaluate retrieval --distractors``: there is no news corpus here.

python -m benchmarks.distractors OTHER_QA.json RESUMES.json OUT.jsonl [--count 50000]

Each is three neighbouring sentences of one passage of OTHER_QA.json, then four of two other places of that file or of
the resumes (JSON list of ``{"text"}``): words, names and dates as real ones have, in combinations that none has.
The file of the questions themselves is not used, so no distractor can answer one of them word for word.
"""

import argparse
import json
import random
from pathlib import Path

from src.ingest.split import sentence_spans


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("passages", type=Path)
    parser.add_argument("resumes", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=50_000)
    given = parser.parse_args()
    contexts = [
        paragraph["context"]
        for article in json.loads(given.passages.read_text("utf-8"))["data"]
        for paragraph in article["paragraphs"]
    ]
    sources = [[text[start:end].strip() for start, end in sentence_spans(text)] for text in contexts]
    resumes = [row["text"] for row in json.loads(given.resumes.read_text("utf-8"))]
    sources += [resumes[i : i + 20] for i in range(0, len(resumes), 20)]
    chance = random.Random(0)
    with given.output.open("w", encoding="utf-8") as out:
        for _ in range(given.count):
            text = "".join(_stretch(chance, sources, size) for size in (3, 2, 2))
            out.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")


def _stretch(chance: random.Random, sources: list[list[str]], size: int) -> str:
    sentences = chance.choice(sources)
    start = chance.randrange(max(1, len(sentences) - size + 1))
    return "".join(sentences[start : start + size])


if __name__ == "__main__":
    main()
