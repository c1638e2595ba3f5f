import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from src.errors import ModelError
from src.models.embedders.bge import QUERY_PREFIX, BgeEmbedder

TEXTS = ["广州", "广州大学在番禺区", "", "北京大学的前身是京师大学堂" * 3, "番"]


def save_tiny_bert(path, seed=0):
    characters = sorted(set("".join(TEXTS) + QUERY_PREFIX))
    path.mkdir(exist_ok=True)
    (path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]), "utf-8")
    BertTokenizerFast(vocab=str(path / "vocab.txt")).save_pretrained(path)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=5 + len(characters), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp("bert"))


def reference(path, text):
    """Plain transformers, one text at a time: no padding anywhere."""
    tokenizer = BertTokenizerFast.from_pretrained(path)
    model = BertModel.from_pretrained(path).eval()
    with torch.no_grad():
        states = model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=64)).last_hidden_state
    vector = states[0, 0].numpy()
    return vector / np.linalg.norm(vector)


def test_tokenizer_of_the_fixture_knows_its_characters(path):
    assert BertTokenizerFast.from_pretrained(path).tokenize("广州") == ["广", "州"]


def test_batch_is_cls_of_each_text_alone(path):
    vectors = BgeEmbedder(path, "cpu", 1).encode(TEXTS)
    assert vectors.shape == (5, 32)
    assert vectors.dtype == np.float32
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert np.allclose(vector, reference(path, text), atol=1e-5)


def test_many_batches_keep_the_order(path):
    embedder = BgeEmbedder(path, "cpu", 1)
    texts = [TEXTS[i % 5] for i in range(70)]
    assert np.allclose(embedder.encode(texts), embedder.encode(TEXTS)[[i % 5 for i in range(70)]], atol=1e-5)


def test_prefix_is_for_queries_only(path):
    embedder = BgeEmbedder(path, "cpu", 1)
    query = embedder.encode_queries(["广州"])[0]
    assert np.allclose(query, reference(path, QUERY_PREFIX + "广州"), atol=1e-5)
    assert not np.allclose(query, embedder.encode(["广州"])[0], atol=1e-3)


def test_long_and_odd_texts_are_cut_not_refused(path):
    vectors = BgeEmbedder(path, "cpu", 1).encode(["广" * 100_000, "\ud800", " \n"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[0], reference(path, "广" * 62), atol=1e-5)
    assert BgeEmbedder(path, "cpu", 1).encode([]).shape == (0, 32)


def test_fingerprint_follows_the_weights_not_the_place(tmp_path):
    same = [BgeEmbedder(save_tiny_bert(tmp_path / name), "cpu", 1).fingerprint for name in ("a", "b")]
    assert same[0] == same[1]
    assert BgeEmbedder(save_tiny_bert(tmp_path / "a", seed=1), "cpu", 1).fingerprint != same[0]


def test_incomplete_directories_are_named(tmp_path):
    with pytest.raises(ModelError, match=r"config\.json"):
        BgeEmbedder(tmp_path, "cpu", 1)
    broken = save_tiny_bert(tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(ModelError, match="读不进来"):
        BgeEmbedder(broken, "cpu", 1).encode(["广州"])
    (broken / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="权重"):
        BgeEmbedder(broken, "cpu", 1)
