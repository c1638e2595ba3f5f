"""The reader's training on a tiny random model: what a question sees, what is learned, going on after a kill."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2ForCausalLM

from src.errors import InputError, ModelError
from src.models.reading import HEAD_FILE, PointerHead, ReaderEncoder, hidden_states, read
from src.training import reader
from src.training.lookalikes import news
from src.training.questions import Target, Window
from src.training.reader import batches, encode, learn, learned, loss_of
from src.training.recipe import ReaderRecipe
from tests.tiny import tiny_checkpoint, tiny_tokenizer

RECIPE = ReaderRecipe(
    first_layer=0, depth=2, rank=4, learning_rate=0.01, head_rate=0.01, warmup_steps=2, batch_tokens=1000
)
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("base"))


@pytest.fixture
def model(folder: Path) -> Any:
    torch.set_num_threads(1)
    return Qwen2ForCausalLM.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def encoder() -> ReaderEncoder:
    backend = tiny_tokenizer().backend_tokenizer

    def tokenize(text: str) -> tuple[list[int], list[tuple[int, int]]]:
        encoding = backend.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    return ReaderEncoder(tokenize)


def made_up(count: int, seed: int = 0) -> list[Window]:
    return [
        Window("", text, tuple(Target(question, span) for question, span in asked))
        for text, asked in news(random.Random(seed), count)
    ]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("王明是校长。", (0, 2)),
        ("王明是校长。", (5, 6)),
        ("售价1,299元", (2, 7)),
        ("🙂𠀀𠀀🙂王", (1, 3)),
        ("a b  c", (1, 5)),
        ("iPhone手机", (1, 3)),
    ],
)
def test_a_span_becomes_the_tokens_that_cover_it(encoder: ReaderEncoder, text: str, span: tuple[int, int]) -> None:
    made = encode(encoder, Window("题", text, (Target("？", span), Target("无？", None))))
    (first, last), nothing = made.targets.tolist()
    tokens = made.row.tokens
    assert (tokens.starts[first - 1], tokens.ends[last - 1]) == span  # bytes are tokens here
    assert nothing == [0, 0]


def test_batches_hold_every_example_once_and_keep_to_the_limit(encoder: ReaderEncoder) -> None:
    examples = [encode(encoder, window) for window in made_up(70)]
    got = list(batches(examples, 3000, seed=1))
    assert sorted(id(one) for batch in got for one in batch) == sorted(map(id, examples))
    assert any(len(batch) > 1 for batch in got)
    for batch in got:
        assert len(batch) == 1 or len(batch) * max(len(one.row.ids) for one in batch) <= 3000
    assert [len(batch) for batch in got] != [len(batch) for batch in batches(examples, 3000, seed=2)]


@pytest.mark.parametrize("depth", [1, 2])
def test_packed_questions_do_not_see_each_other(model: Any, encoder: ReaderEncoder, depth: int) -> None:
    torch.manual_seed(3)
    head = PointerHead(model.config.hidden_size)
    asked = ["谁是校长？", "王明在哪里工作，做什么？", "x", "谁是校长？"]
    text = "王明是东山大学的校长，李红是教师。"
    together = read(model, head, [encoder("题", text, asked), encoder("", text * 3, asked[:1])], depth)[0]
    for question, found in zip(asked, together, strict=True):
        ((alone,),) = read(model, head, [encoder("题", text, [question])], depth)
        assert (alone.start, alone.end) == (found.start, found.end)
        assert found.features == pytest.approx(alone.features, abs=1e-4)
    others = {one.features for one in together[:3]}
    assert len(others) == 3


@pytest.mark.parametrize("kind", ["qwen", "llama"])
def test_the_layers_are_run_as_the_model_runs_them(model: Any, encoder: ReaderEncoder, kind: str) -> None:
    if kind == "llama":
        torch.manual_seed(0)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
            )
        ).eval()
    row = encoder("", "王明是校长。", ["谁？"])
    with torch.inference_mode():
        ours = model.model.norm(hidden_states(model, [row], 99))
        theirs = model.model(input_ids=torch.tensor([row.ids])).last_hidden_state
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_the_loss_is_that_of_the_places(model: Any, encoder: ReaderEncoder) -> None:
    """A head that scores everything alike: a uniform choice among the tokens and "nowhere", among the spans where there
    is one, and even odds."""
    head = PointerHead(model.config.hidden_size)
    for parameter in head.parameters():
        torch.nn.init.zeros_(parameter)
    window = Window("", "王明", (Target("谁？", (0, 1)), Target("哪？", None)))
    made = encode(encoder, window)
    length = len(made.row.tokens.ids)
    choices, spans = torch.tensor(float(length + 1)), torch.tensor(length * (length + 1) / 2)
    expected = 2 * choices.log() + 2 * torch.tensor(2.0).log() + spans.log() / 2  # one of two questions has a span
    torch.testing.assert_close(loss_of(model, head, [made, made], 2), expected)


def test_a_handful_of_windows_is_learned(model: Any, encoder: ReaderEncoder, tmp_path: Path) -> None:
    windows = made_up(4)
    curve = learn(model, encoder, windows * 30, RECIPE, tmp_path)
    assert [row["step"] for row in curve] == [*range(20, len(curve) * 20, 20), curve[-1]["step"]]
    assert curve[-1]["loss"] < 0.6 * curve[0]["loss"]
    assert learned(tmp_path) == curve
    assert {path.name for path in tmp_path.iterdir()} == {
        *("adapter_config.json", WEIGHTS, "README.md", HEAD_FILE, "curve.json")
    }
    # What is stored is what was learned: the windows' own answers come out, on a base that is as it was.
    head = PointerHead(model.config.hidden_size)
    head.load_state_dict({name: value.float() for name, value in load_file(tmp_path / HEAD_FILE).items()})
    assert not isinstance(model, PeftModel)
    assert not [name for name, _ in model.named_parameters() if "lora" in name]
    served = PeftModel.from_pretrained(model, str(tmp_path)).eval()
    with torch.inference_mode():
        losses = [float(loss_of(served, head, [encode(encoder, window)], 2)) for window in windows]
    assert sum(losses) / len(losses) < 0.6 * curve[0]["loss"]


def test_a_killed_training_ends_as_if_it_had_not_been(
    folder: Path, encoder: ReaderEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "SAVE_STEPS", 3)
    real, calls = reader.loss_of, []

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == stop_at:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(reader, "loss_of", counted)

    def run(name: str) -> list[dict[str, float]]:
        (tmp_path / name).mkdir(exist_ok=True)
        model = Qwen2ForCausalLM.from_pretrained(folder)
        return learn(model, encoder, made_up(12), RECIPE, tmp_path / name)

    stop_at = 0
    steps = run("whole")[-1]["step"]
    assert len(calls) == steps > 6
    calls.clear()
    stop_at = 6
    with pytest.raises(KeyboardInterrupt):
        run("killed")
    assert learned(tmp_path / "killed") is None
    calls.clear()
    stop_at = 0
    assert run("killed")[-1]["step"] == steps
    assert len(calls) == steps - 3
    for file in (WEIGHTS, HEAD_FILE):
        whole, killed = (load_file(tmp_path / name / file) for name in ("whole", "killed"))
        for name, value in whole.items():
            torch.testing.assert_close(killed[name], value, atol=0, rtol=0)
    assert any(value.any() for name, value in load_file(tmp_path / "killed" / WEIGHTS).items() if "lora_B" in name)


def test_what_cannot_be_learned_is_said(model: Any, encoder: ReaderEncoder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="没有可以学习的例子"):
        learn(model, encoder, [Window("", "没有问题。", ())], RECIPE, tmp_path)
    with pytest.raises(ModelError, match="q_proj"):
        learn(model, encoder, made_up(2), ReaderRecipe(first_layer=5, depth=6), tmp_path)


def test_a_training_goes_on_from_a_reader(folder: Path, encoder: ReaderEncoder, tmp_path: Path) -> None:
    windows = made_up(4) * 30
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    for path in (first, second, other):
        path.mkdir()
    before = learn(Qwen2ForCausalLM.from_pretrained(folder), encoder, windows, RECIPE, first)
    after = learn(Qwen2ForCausalLM.from_pretrained(folder), encoder, windows, RECIPE, second, start_from=first)
    assert after[0]["loss"] < 0.7 * before[0]["loss"]
    assert after[-1]["loss"] < before[-1]["loss"]
    recipe = replace(RECIPE, rank=3)
    with pytest.raises(ModelError, match="接着训练：层或秩不同"):
        learn(Qwen2ForCausalLM.from_pretrained(folder), encoder, windows, recipe, other, start_from=first)


def test_pairs_decide_which_ends_belong_together() -> None:
    """Two places answer alike well; the sum of begin and end would run from one into the other."""
    head = PointerHead(32)
    begin, end = torch.zeros(1, 9), torch.zeros(1, 9)
    begin[0, 1], end[0, 7], begin[0, 6], end[0, 2] = 5.0, 5.0, 4.9, 4.9
    passage = torch.randn(9, 32)
    assert divmod(int(head.spans(begin, end, passage).flatten().argmax()), 9) == (1, 7)
    with torch.no_grad():
        head.length[5:] = -3.0
    assert divmod(int(head.spans(begin, end, passage).flatten().argmax()), 9) in ((1, 2), (6, 7))
    assert not head.spans(begin, end, passage)[0].tril(-1).isfinite().tril(-1).any()
