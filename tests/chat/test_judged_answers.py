"""Support marks against what a person says: 60 real answers of the embedded model over our own texts, every sentence
judged by hand against the four passages that were found (``supported_by``: the ranks of those that bear it out)."""

import json
from pathlib import Path

import pytest

from src.chat.support import Similarity, support_of
from src.embedding.use import UniversalSentenceEncoder
from src.knowledge.types import Chunk
from src.retrieval.synonyms import default_lexicon
from src.retrieval.types import Hit, Stages

JUDGED = Path(__file__).parent.parent / "data" / "judged_answers.jsonl"
ROWS = [json.loads(line) for line in JUDGED.read_text("utf-8").splitlines()]


def hits_of(row) -> list[Hit]:
    return [
        Hit(
            Chunk(f"c{p['rank']}", f"d{p['rank']}", "s", p.get("title", ""), p["text"], 0, len(p["text"])),
            0.9,
            p["rank"],
            Stages(),
        )
        for p in row["passages"]
    ]


def marks(similarity: Similarity | None) -> list[tuple[str, int | None, list[int]]]:
    """(sentence, rank that was marked, ranks that are right)."""
    found = []
    for row in ROWS:
        support = support_of(row["answer"], hits_of(row), row["question"], similarity, default_lexicon().variants)
        assert [s.sentence for s in support] == [judged["sentence"] for judged in row["judged"]]
        found += [
            (s.sentence, s.rank, judged["supported_by"]) for s, judged in zip(support, row["judged"], strict=True)
        ]
    return found


def use() -> Similarity:
    embedder = UniversalSentenceEncoder(threads=1)

    def similarity(text, others):
        vectors = embedder.encode([text, *others])
        return vectors[1:] @ vectors[0]

    return similarity


@pytest.mark.parametrize("similarity", [None, use], ids=["words", "words and meaning"])
def test_at_most_three_in_a_hundred_marks_are_wrong(similarity) -> None:
    judged = marks(similarity() if similarity else None)
    assert len(ROWS) == 60
    given = [(sentence, rank, right) for sentence, rank, right in judged if rank is not None]
    wrong = [one for one in given if one[1] not in one[2]]
    missed = [one for one in judged if one[1] is None and one[2]]
    print(f"{len(given)} marks, wrong: {wrong}; {len(missed)} missed: {[one[0] for one in missed]}")
    assert len(wrong) <= 0.03 * len(given)
    # And most of what is borne out is found, or the marks would be of no use.
    assert len(missed) <= 0.25 * sum(bool(right) for _, _, right in judged)
