from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

from src.errors import ModelError
from src.ingest.types import Document
from src.models.embedders.fake import HashingEmbedder
from src.search.cross_encoder import CrossEncoder
from src.search.indexing import base_of
from src.search.score import Pool
from src.search.search import Retriever

QUERY = "广州大学在哪里"
TEXTS = ["广州大学在番禺区", "北京大学的前身是京师大学堂" * 3, "番", "广州是省会"]


def save_tiny(path, labels=1):
    characters = sorted(set("".join([QUERY, *TEXTS])))
    path.mkdir(exist_ok=True)
    (path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]), "utf-8")
    BertTokenizerFast(vocab=str(path / "vocab.txt")).save_pretrained(path)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=5 + len(characters), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=40, num_labels=labels, initializer_range=0.5,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("reranker"))


def pool(texts, query=QUERY):
    none = np.zeros(len(texts))
    return Pool(query, np.ones((1, 1)), [("", text) for text in texts], none, none, np.zeros((1, len(texts), 6)))


def reference(path, text):
    """Plain transformers, one pair at a time."""
    tokenizer = BertTokenizerFast.from_pretrained(path)
    model = BertForSequenceClassification.from_pretrained(path).eval()
    inputs = tokenizer(QUERY, text, return_tensors="pt", truncation="only_second", max_length=40)
    with torch.no_grad():
        return float(torch.sigmoid(model(**inputs).logits[0, 0]))


def test_scores_are_those_of_each_pair_alone(path):
    texts = TEXTS * 6  # several batches, several lengths
    scores = CrossEncoder(path, "cpu", 1).scores(pool(texts))
    expected = [reference(path, text) for text in TEXTS] * 6
    assert np.allclose(scores, expected, atol=1e-5)
    assert np.ptp(scores) > 0.01


def test_a_title_is_read_with_its_text(path):
    titled = replace(pool(TEXTS[:1]), chunks=[("广州", TEXTS[0])])
    assert CrossEncoder(path, "cpu", 1).scores(titled)[0] == pytest.approx(
        reference(path, f"广州\n{TEXTS[0]}"), abs=1e-5
    )


def test_a_long_question_and_no_passages(path):
    model = CrossEncoder(path, "cpu", 1)
    assert model.scores(pool(TEXTS, "广" * 2000)).shape == (4,)
    assert model.scores(pool([])).shape == (0,)


def test_hybrid_is_ordered_by_it(path):
    embedder = HashingEmbedder()
    index = base_of([Document(str(i), "s", "", text) for i, text in enumerate(TEXTS)], embedder)
    hits = Retriever(index, embedder, reranker=CrossEncoder(path, "cpu", 1)).search(QUERY)
    expected = sorted(((reference(path, text), text) for text in TEXTS), reverse=True)
    assert [hit.chunk.text for hit in hits] == [text for _, text in expected]
    assert [hit.score for hit in hits] == pytest.approx([score for score, _ in expected], abs=1e-5)


def test_what_is_no_reranker_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="重排模型"):
        CrossEncoder(tmp_path / "empty", "cpu", 1).scores(pool(TEXTS))
    with pytest.raises(ModelError, match="应为 1 个"):
        CrossEncoder(save_tiny(tmp_path / "two", labels=2), "cpu", 1).scores(pool(TEXTS))
