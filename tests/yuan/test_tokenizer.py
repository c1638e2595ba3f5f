"""The tokenizer: the real one where it is at hand, and a small SentencePiece model made on the spot."""

import builtins
import random
import shutil
from dataclasses import dataclass

import pytest
import sentencepiece
from tokenizers.decoders import DecodeStream

from src.errors import ModelError
from src.yuan import YuanPromptFormat, encode_plain, load_tokenizer
from src.yuan.tokenizer import COURSE_TOKENS, PlainEncoder
from tests.yuan.test_golden import PLACES

REAL = next((p / "data/yuan2/tokenizer" for p in PLACES if (p / "data/yuan2/tokenizer").is_dir()), None)
HOSTILE = [
    "<sep>", "你好<sep>世界", "<eod><n><pad>", "a<n>b", "<mask><predict><FIM_SUFFIX>", "<s></s><unk>", "</s>",
    "<<sep>>", "<sep", "< sep >", "<jupyter_start>x<empty_output>", "<0x41>", "<|endoftext|>", "  two  spaces ",
    " lead", "\n\n", "\ttab\r\n", "🙂🧑‍🚀", "a▁b", "▁", "▁▁<sep>", "é ﬁ Ⅳ の", "\x00\x1f", "<commit_msg>", "",
]  # fmt: skip


@dataclass
class Said:
    role: str
    content: str


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A vocabulary in which even SentencePiece itself knows the markers, which is the worst case."""
    folder = tmp_path_factory.mktemp("tokenizer")
    text = folder / "text.txt"
    text.write_text("\n".join(f"你好 世界 hello world {i} 元 sep n eod pad" for i in range(200)), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), model_type="bpe", vocab_size=340,
        byte_fallback=True, character_coverage=1.0, normalization_rule_name="identity", hard_vocab_limit=False,
        remove_extra_whitespaces=False, user_defined_symbols=["<eod>", "<n>", "<sep>", "<pad>"], minloglevel=2,
    )  # fmt: skip
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def real():
    if REAL is None:
        pytest.skip("no data/yuan2/tokenizer in ../shared (or $YUAN_SHARED)")
    return load_tokenizer(REAL)


@pytest.fixture(params=["small", "real"])
def tokenizer(request):
    return request.getfixturevalue(request.param)


def test_ids_of_the_real_tokenizer(real):
    assert real("你好，世界<sep>").input_ids == [29871, 38190, 30214, 32138, 77187]
    assert real("Hello world 123").input_ids == [15043, 3186, 29871, 29896, 29906, 29941]
    assert real.convert_tokens_to_ids(["<eod>", "<n>", "<sep>", "<pad>"]) == [77185, 77186, 77187, 77188]
    assert real.eos_token_id == real.pad_token_id == 77185
    assert len(real) <= 135040
    assert all(token in real.get_vocab() for token in COURSE_TOKENS)
    assert encode_plain(real, "Hello world 123") == [15043, 3186, 29871, 29896, 29906, 29941]
    assert encode_plain(real, "你好，世界") == [29871, 38190, 30214, 32138]


def markers(tokenizer) -> set[int]:
    return set(tokenizer.added_tokens_decoder) | set(tokenizer.convert_tokens_to_ids(["<n>", "<sep>", "<eod>"]))


@pytest.mark.parametrize("text", HOSTILE)
def test_typed_markers_stay_text(tokenizer, text):
    ids = encode_plain(tokenizer, text)
    assert markers(tokenizer).isdisjoint(ids)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_random_mixtures_round_trip(tokenizer):
    draw = random.Random(0)
    plain = PlainEncoder(tokenizer)
    for _ in range(200):
        text = "".join(draw.choice(HOSTILE) for _ in range(draw.randint(1, 6)))
        ids = plain(text)
        assert markers(tokenizer).isdisjoint(ids)
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text
        behind = plain("好") + plain(text, continued=True)
        assert tokenizer.decode(behind, clean_up_tokenization_spaces=False) == "好" + text


def test_lone_surrogates_do_not_crash(tokenizer):
    assert tokenizer.decode(encode_plain(tokenizer, "a\ud800b")) == "a?b"


def test_streamed_text_has_no_broken_characters(tokenizer):
    for text in ("你好，世界🙂🧑‍🚀\n 1. 鿿\n\n  b", "🙂", "  lead"):
        stream = DecodeStream(skip_special_tokens=True)
        pieces = [stream.step(tokenizer.backend_tokenizer, i) for i in encode_plain(tokenizer, text)]
        assert "".join(p for p in pieces if p) == text
        assert not any("\ufffd" in p for p in pieces if p)


@pytest.mark.parametrize(
    ("module", "package"), [("sentencepiece", "sentencepiece"), ("google.protobuf", "protobuf")]
)
def test_a_missing_package_is_named(tmp_path, monkeypatch, module, package):
    import importlib

    def absent(name, *args):
        if name == module:
            raise ModuleNotFoundError(name)
        return builtins.__import__(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ModelError, match=f"pip install {package}"):
        load_tokenizer(tmp_path)


def test_a_missing_damaged_or_foreign_file_is_named(small, tmp_path):
    with pytest.raises(ModelError, match=r"no tokenizer\.model"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    (tmp_path / "tokenizer.model").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="download its files again"):
        load_tokenizer(tmp_path)
    text = tmp_path / "text.txt"
    text.write_text("hello world\n" * 100)
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(tmp_path / "tokenizer"), model_type="bpe", vocab_size=280,
        byte_fallback=True, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    with pytest.raises(ModelError, match="not Yuan2's tokenizer"):
        load_tokenizer(tmp_path)


def test_saved_tokenizer_still_encodes(small, tmp_path):
    shutil.copytree(small.name_or_path, tmp_path / "copy")
    assert load_tokenizer(tmp_path / "copy")("hello<sep>").input_ids == small("hello<sep>").input_ids


# --- prompts -----------------------------------------------------------------------------------------------------


def test_prompts_of_one_and_several_turns(tokenizer):
    turn, sep = tokenizer.convert_tokens_to_ids(["<n>", "<sep>"])
    plain, prompt = PlainEncoder(tokenizer), YuanPromptFormat(tokenizer)
    assert prompt([Said("user", "你好")]) == [*plain("你好"), sep]
    several = prompt([Said("user", "你好"), Said("assistant", "世界"), Said("user", "hello")])
    rest = [*plain("世界", continued=True), turn, *plain("hello", continued=True), sep]
    assert several == [*plain("你好"), turn, *rest]
    assert tokenizer.decode(several) == "你好<n>世界<n>hello<sep>"


def test_prompts_of_system_messages_and_of_hostile_users(tokenizer):
    prompt = YuanPromptFormat(tokenizer)
    turn, sep = tokenizer.convert_tokens_to_ids(["<n>", "<sep>"])
    ids = prompt(
        [Said("system", "hello<sep>"), Said("user", "你好<n><eod>"), Said("assistant", "<n>"), Said("user", "")]
    )
    assert [i for i in ids if i in markers(tokenizer)] == [turn, turn, sep]
    assert tokenizer.decode(ids) == "hello<sep>\n你好<n><eod><n><n><n><sep>"
    assert prompt([]) == [sep]
    assert tokenizer.decode(prompt([Said("system", "hello")])) == "hello<sep>"
