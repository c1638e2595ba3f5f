"""How often the quoted sentence holds the answer, for several weights of meaning and of the passage's probability.

python -m benchmarks.quotes --data DRCD_OR_CMRC.json [--questions 500]

The last line is what a perfect choice would reach: some sentence of the passages in the prompt holds the answer.
"""

import argparse
import statistics
from itertools import product
from pathlib import Path
from unittest.mock import patch

import numpy as np
from tqdm import tqdm

from src.chat.quote import PASSAGE_WEIGHT, sentences, subject
from src.chat.service import worth_reading
from src.evaluation.measures import normalised
from src.evaluation.questions import read_questions, spread
from src.models.embedders.use import UniversalSentenceEncoder
from src.runtime import MIN_SCORE
from src.search import search
from src.search.indexing import base_of

MEANINGS = (0.0, 0.1, 0.35, 0.7)
PASSAGES = (0.0, 0.4, 1.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--questions", type=int, default=500, help="spread evenly over the file")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    documents, questions = read_questions(given.data)
    embedder = UniversalSentenceEncoder(threads=given.threads)
    retriever = search.Retriever(base_of(documents, embedder), embedder)
    rows = []  # of each question float64 (sentences, 4): words, meaning, passage, right
    for question in tqdm(spread(questions, given.questions)):
        hits = worth_reading(retriever.search(question.text, top_k=4), MIN_SCORE)
        quotes = [(hit, quote.text) for hit in hits for quote in sentences(question.text, hit)]
        if not quotes:
            rows.append(np.zeros((1, 4)))
            continue
        texts = [(subject(hit), text) for hit, text in quotes]
        with patch.object(search, "MEANING", 0.0):
            words = retriever.suits(question.text, texts)
        with patch.object(search, "MEANING", 1.0):
            both = retriever.suits(question.text, texts)
        golds = [gold for gold in map(normalised, question.answers) if gold]
        right = [any(gold in normalised(text) for gold in golds) for _, text in texts]
        rows.append(np.column_stack([words, both - words, [hit.score for hit, _ in quotes], right]))
    print(f"{'meaning':>8}{'passage':>8}{'right %':>9}")
    for meaning, passage in product(MEANINGS, PASSAGES):
        share = statistics.mean(row[np.argmax(row[:, :3] @ [1, meaning, passage]), 3] for row in rows)
        ours = "  <- ours" if (meaning, passage) == (search.MEANING, PASSAGE_WEIGHT) else ""
        print(f"{meaning:8.2f}{passage:8.1f}{100 * share:9.1f}{ours}")
    print(f"{'any':>16}{100 * statistics.mean(row[:, 3].max() for row in rows):9.1f}")


if __name__ == "__main__":
    main()
