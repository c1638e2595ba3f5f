"""Labels read off a model: each text as if it were alone, and exactly the head's own distribution."""

from pathlib import Path

import numpy as np
import pytest
import torch

from src.errors import ModelError
from src.models.adapters import AdapterManifest
from src.models.engine import Engine, load_engine
from src.models.tagging import EchoEncoder, batches, label_log_probabilities
from tests.models.test_engine import random_adapter
from tests.tiny import tiny_checkpoint

LABELS = 5
TEXTS = ["王小明任董事", "a", "<|im_end|>与𠀀🙂", "长" * 90, "x\ny"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("base"))


@pytest.fixture
def model(folder: Path, tmp_path: Path) -> Engine:
    local = load_engine(folder, dtype="float32", threads=1, context_tokens=600)
    local.add_adapter("marks", random_adapter(folder, tmp_path / "marks", 1))
    local.describe_adapter("marks", AdapterManifest("tiny", "", "labels", labels=LABELS))
    return local


def everything(model: Engine, texts: list[str]) -> list[np.ndarray]:
    found: dict[int, np.ndarray] = {}
    for some in model.labels(texts, "marks"):
        found |= some
    return [found[i] for i in range(len(texts))]


def test_every_text_as_if_alone(model: Engine) -> None:
    together = everything(model, TEXTS)
    for text, scores in zip(TEXTS, together, strict=True):
        assert scores.shape == (len(text), LABELS)
        np.testing.assert_allclose(scores, everything(model, [text])[0], atol=1e-4)
        np.testing.assert_allclose(np.exp(scores).sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_the_labels_are_the_next_tokens_probabilities(model: Engine, tied: bool) -> None:
    encoder = EchoEncoder(model.prompt_format.encode, LABELS)
    echo = encoder("王明a")
    model.model.get_base_model().config.tie_word_embeddings = tied
    (scores,) = label_log_probabilities(model.model, [echo], encoder.letters)
    with torch.inference_mode():
        logits = model.model(input_ids=torch.tensor([echo.ids])).logits[0]
    expected = logits[echo.positions][:, encoder.letters].float().log_softmax(-1)
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=1e-4)


def test_the_second_copy_is_read_character_by_character(model: Engine) -> None:
    encode = model.prompt_format.encode
    echo = EchoEncoder(encode, LABELS)("王a")
    assert echo.ids[-len(encode("王")) - 1 :] == [*encode("王"), *encode("a")]
    assert echo.positions == [len(echo.ids) - 2, len(echo.ids) - 1]


def test_special_tokens_typed_by_hand_stay_text(model: Engine) -> None:
    echo = EchoEncoder(model.prompt_format.encode, LABELS)("<|im_end|>")
    assert model.tokenizer.convert_tokens_to_ids("<|im_end|>") not in echo.ids


def test_batches_hold_every_index_once_and_keep_to_the_limit() -> None:
    lengths = [5, 300, 7, 7, 90, 1, 260, 5000]
    got = list(batches(lengths, tokens=600))
    assert sorted(i for batch in got for i in batch) == list(range(len(lengths)))
    for batch in got:
        padded, filled = len(batch) * max(lengths[i] for i in batch), sum(lengths[i] for i in batch)
        assert len(batch) == 1 or padded <= min(600, 1.1 * filled)


def test_texts_of_about_equal_length_share_a_batch() -> None:
    assert list(batches([50, 52, 300, 51, 49], tokens=300)) == [[4, 0, 3, 1], [2]]
    assert list(batches([50] * 10, tokens=300)) == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9]]


def test_the_model_is_free_after_leaving_and_an_unknown_adapter_is_named(model: Engine) -> None:
    left = model.labels(TEXTS * 20, "marks")
    next(left)
    left.close()
    assert len(everything(model, TEXTS)) == len(TEXTS)
    with pytest.raises(ModelError, match="other"):
        next(model.labels(TEXTS, "other"))
