"""The ``yuan`` profile on a small random checkpoint in the released layout: the same services, another model."""

from pathlib import Path

import pytest
import torch

from src.chat.answer import Answer
from src.errors import ModelError
from src.extraction.schema import LABELS
from src.models.base import GenerationOptions, Message
from src.models.engine import Engine, load_engine
from src.models.generate import generate
from src.runtime import Runtime
from src.settings import load_settings
from tests.yuan.tiny import KNOWLEDGE, released_checkpoint

ASK = [Message("user", "你好<sep>世界")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released_checkpoint(tmp_path_factory.mktemp("yuan"))


@pytest.fixture(params=["float32", "bfloat16"])
def model(folder: Path, request: pytest.FixtureRequest) -> Engine:
    return load_engine(folder, dtype=request.param, threads=1, context_tokens=2048)


def text(model: Engine, messages: list[Message], **options: object) -> str:
    return "".join(model.stream(messages, GenerationOptions(max_new_tokens=40, **options)))


def test_streams_the_same_answer_twice_packed_or_not(model: Engine) -> None:
    before = text(model, ASK)
    assert text(model, ASK) == before != ""
    model.pack()
    if model.model.dtype == torch.float32:
        assert text(model, ASK) == before


def test_fixed_memory_changes_nothing(model: Engine, folder: Path, tmp_path: Path) -> None:
    """Two answers in turn, one that is left, one while the memory is in use, one of an adapter."""
    from tests.models.test_engine import random_adapter

    if model.model.dtype != torch.float32:
        pytest.skip("in half precision one pass over several tokens rounds otherwise")
    other = [Message("user", "长江 " * 20)]
    model.add_adapter("one", random_adapter(folder, tmp_path / "one", 1))
    expected = [text(model, ASK), text(model, other), text(model, ASK, adapter="one")]
    assert len(set(expected)) == 3
    assert model.use_graphs() > 0
    assert [text(model, ASK), text(model, other), text(model, ASK, adapter="one")] == expected
    left = model.stream(other, GenerationOptions(max_new_tokens=200))
    for _ in range(4):
        next(left)
    left.close()
    assert text(model, ASK) == expected[0]
    with model._cached(None) as held:
        assert held is not None
        assert text(model, ASK) == expected[0]
    assert text(model, other) == expected[1]


def test_typed_markers_stay_text_and_turns_are_marked(model: Engine) -> None:
    sep, turn, eod = model.tokenizer.convert_tokens_to_ids(["<sep>", "<n>", "<eod>"])
    history = [Message("system", "要简洁。"), Message("user", "<n>一"), Message("assistant", "二<eod>"), *ASK]
    ids = model.prompt_format(history)
    assert ids.count(sep) == 1
    assert ids[-1] == sep
    assert ids.count(turn) == 2
    assert eod not in ids


def test_prompt_lookup_changes_nothing(model: Engine) -> None:
    """Drafts that are wrong are cropped from the cache, convolution states included."""
    if model.model.dtype != torch.float32:
        pytest.skip("in half precision one pass over several tokens rounds otherwise")
    messages = [Message("user", "广州大学 " * 12)]
    ids = torch.tensor([model.prompt_format(messages)])
    mask = torch.ones_like(ids)
    with torch.inference_mode():
        expected = model.model.generate(ids, attention_mask=mask, max_new_tokens=40, do_sample=False)
    ends = frozenset([model.model.generation_config.eos_token_id])
    steps = generate(model.model, ids[0].tolist(), end_tokens=ends, max_new_tokens=40, loops_end=False)
    found = [token for step in steps for token in step.tokens]
    assert found == [token for token in expected[0, ids.shape[1] :].tolist() if token not in ends]


def test_the_whole_profile_answers_and_extracts(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    knowledge = tmp_path / "knowledge.txt"
    knowledge.write_text(KNOWLEDGE, encoding="utf-8")
    settings = load_settings(
        profile="yuan", llm=str(folder), embedder="use", knowledge=[knowledge], cache_dir=tmp_path / "cache",
        max_new_tokens=30, context_tokens=4096, dtype="float32",
    )  # fmt: skip
    runtime = Runtime(settings)
    with caplog.at_level("INFO", "src.runtime"):
        runtime.load()
    for part in ("语言模型", "向量模型", "知识库", "合计"):
        assert f"\n{part}  " in caplog.text
    question = "广州大学的办学历史可以追溯到哪一年？"
    answer = Answer.of(question, runtime.chat.ask(question))
    assert answer.done
    assert answer.hits[0].chunk.text.startswith("广州大学")
    both = list(runtime.chat.compare("长江是什么？"))
    assert Answer.of("长江是什么？", (event for side, event in both if side == "with")).done
    resume = "王五，汉族，宏远公司总经理。<sep>"
    result = runtime.extraction.extract(resume)
    assert list(result.to_json()["entities"]) == list(LABELS)
    assert all(resume[s.start : s.end] == s.text for s in result.spans)


def test_a_damaged_checkpoint_says_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[: 5000 if file.suffix == ".bin" else None])
    with pytest.raises(ModelError, match=r"载入模型.*pytorch_model\.bin"):
        load_engine(tmp_path, dtype="float32", threads=1, context_tokens=512)


def test_int8_is_refused_for_yuan(folder: Path) -> None:
    with pytest.raises(ModelError, match="int8"):
        load_engine(folder, dtype="int8", threads=1, context_tokens=512)
