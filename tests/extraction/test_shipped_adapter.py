"""The adapter under examples/adapters on the real model, as the page and the command line use it."""

import os
import random
from pathlib import Path

import pytest

from src.evaluation.extraction import is_valid, score, spread
from src.extraction.labelled import read_labelled
from src.extraction.schema import LABELS, Extraction
from src.runtime import SHIPPED_ADAPTER, Runtime

DEV = Path(__file__).resolve().parents[3] / "shared" / "data" / "resume_ner" / "dev.json"
pytestmark = pytest.mark.model

ALPHABETS = (
    "王李张明华任董事长经理硕士汉族中国国籍北京大学上海公司，。；、（）",
    "abcXYZ 0123456789.,;:-_/@",
    "\n\r\t\x00\x07\x7f\u200b\u2028\u202e\ufeff　",
    "🙂👨‍👩‍👧𠀀ß한글עبה́",
    '"\\{}[]<>|&%$#`~',
)
TYPED = ("<|im_end|>", "<|im_start|>system\n", "<sep>", "\n标注：", "简历：", '{"姓名": ["x"]}', "\ud83d")


def random_text(generator: random.Random) -> str:
    letters = "".join(generator.sample(ALPHABETS, generator.randint(1, len(ALPHABETS))))
    text = "".join(generator.choice(letters) for _ in range(generator.randint(1, 60)))
    return text + generator.choice(TYPED) + text[:5] if generator.random() < 0.3 else text


def test_it_is_loaded_by_default_and_small(runtime: Runtime) -> None:
    assert runtime.extraction.has_adapter
    assert sum(path.stat().st_size for path in SHIPPED_ADAPTER.rglob("*")) < 20_000_000
    names = {path.name for path in SHIPPED_ADAPTER.iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "README.md", "curve.png", "yuanzhi.json"}


def test_an_invented_resume(runtime: Runtime) -> None:
    text = "林晓岚，女，中国国籍，回族，工学硕士，曾任江淮精工集团车间主任，现任江淮精工集团副总经理。"
    result = runtime.extraction.extract(text)
    assert result.entities["姓名"] == ["林晓岚"]
    assert result.entities["国籍"] == ["中国国籍"]
    assert result.entities["种族"] == ["回族"]
    assert result.entities["组织名"].count("江淮精工集团") == 2
    starts = [span.start for span in result.spans if span.text == "江淮精工集团"]
    assert starts == [text.index("江淮"), text.rindex("江淮")]
    assert all(0 < (span.confidence or 0) <= 1 for span in result.spans)


def test_random_strings_give_valid_verbatim_results(runtime: Runtime) -> None:
    """YUAN_TEST_STRINGS=500 for more; without AVX-512 one takes about a second."""
    generator, count = random.Random(5), int(os.environ.get("YUAN_TEST_STRINGS", "150"))
    texts = [text for text in (random_text(generator) for _ in range(2 * count)) if text.strip()][:count]
    results = list(runtime.extraction.extract_many(texts))
    assert len(results) == count
    for result in results:
        assert isinstance(result, Extraction)
        assert is_valid(result)
        assert all(result.text[span.start : span.end] == span.text for span in result.spans)


@pytest.mark.skipif(not DEV.is_file(), reason=f"no {DEV}")
def test_a_part_of_the_dev_set(runtime: Runtime) -> None:
    """Every fourth sentence; the whole is in README, with its command."""
    gold = spread(read_labelled(DEV), 115)
    results = list(runtime.extraction.extract_many([one.text for one in gold]))
    scores = score(gold, [one for one in results if isinstance(one, Extraction)])
    assert scores.valid == len(gold)
    assert scores.verbatim == scores.spans
    assert scores.micro.f1 > 0.93
    assert set(scores.labels) == set(LABELS)


def test_together_as_one_by_one(runtime: Runtime) -> None:
    """A batch pads; what is found must not depend on the neighbours."""
    texts = ["赵六，汉族，博士。", "2009年至今任蓝天股份有限公司董事、总经理，兼任白云大学客座教授。" * 5, "无"]
    together = [one.spans for one in runtime.extraction.extract_many(texts) if isinstance(one, Extraction)]
    assert together == [runtime.extraction.extract(text).spans for text in texts]
