"""Engine: streaming, stopping, one request at a time, adapters per call."""

import pickle
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from src.caller import Caller
from src.errors import Busy, ModelError
from src.models.adapters import AdapterManifest
from src.models.base import Delta, GenerationOptions, Message, Queued
from src.models.engine import Engine, load_engine
from src.models.int8 import Int8Linear, quantize_rows
from tests.tiny import tiny_checkpoint

ASK = [Message("user", "你好")]
# However probable the end is.
ENDLESS = "start: /[a-z]{400,}/"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("base"))


@pytest.fixture
def model(folder: Path) -> Engine:
    return load_engine(folder, dtype="float32", threads=1, context_tokens=600)


def options(count: int = 30, **more: object) -> GenerationOptions:
    return GenerationOptions(max_new_tokens=count, **more)


def text(model: Engine, **more: object) -> str:
    return "".join(model.stream(ASK, options(**more)))


def answered(items: Iterable[str | Queued]) -> str:
    return "".join(item for item in items if isinstance(item, str))


def random_adapter(base: Path, folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=32, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=1.0)
    adapted.save_pretrained(folder)
    return folder


def test_the_same_question_gets_the_same_answer(model: Engine) -> None:
    assert text(model) == text(model) != ""


def test_a_stop_frees_the_model_within_a_token(model: Engine) -> None:
    caller = Caller()
    pieces = model.stream(ASK, options(500), caller)
    next(pieces)
    caller.stop.set()
    assert list(pieces) == []
    assert text(model)


def test_leaving_frees_the_model(model: Engine) -> None:
    pieces = model.stream(ASK, options(500))
    next(pieces)
    pieces.close()
    assert text(model)


def test_who_gives_up_waiting_never_gets_a_turn(model: Engine) -> None:
    first = model.stream(ASK, options(500, grammar=ENDLESS))
    next(first)
    caller = Caller()
    got: list[str | Queued] = []
    waiting = threading.Thread(target=lambda: got.extend(model.stream(ASK, options(), caller)))
    waiting.start()
    time.sleep(0.2)
    caller.stop.set()
    waiting.join(5)
    assert not waiting.is_alive()
    assert got == [Queued(1)]
    first.close()
    assert text(model)


def test_many_askers_at_once_each_get_their_own_answer(model: Engine) -> None:
    asked = [[Message("user", f"问题{i}")] for i in range(6)]
    alone = ["".join(model.stream(ask, options())) for ask in asked]
    together: dict[int, str] = {}
    threads = [
        threading.Thread(
            target=lambda i=i: together.update({i: answered(model.stream(asked[i], options(), Caller(f"{i}")))})
        )
        for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [together[i] for i in range(6)] == alone


def test_who_waits_is_told_how_many_are_ahead(model: Engine) -> None:
    first, second = (model.stream(ASK, options(300, grammar=ENDLESS), Caller(user)) for user in "ab")
    next(first)
    waiting = model.stream(ASK, options(), Caller("c"))
    assert next(second) == Queued(1)
    assert next(waiting) == Queued(2)
    first.close()
    assert any(isinstance(item, Delta) for item in second)
    assert next(waiting) == Queued(1)
    second.close()
    assert all(isinstance(item, Delta) for item in waiting)


def test_too_many_requests_of_one_user_are_refused(model: Engine) -> None:
    first = model.stream(ASK, options(300, grammar=ENDLESS))
    next(first)
    waiting = [model.stream(ASK, options()) for _ in range(model.queue.max_per_user)]
    for one in waiting:
        next(one)
    with pytest.raises(Busy, match="您已有"):
        next(model.stream(ASK, options()))
    other = model.stream(ASK, options(), Caller("other"))
    assert next(other) == Queued(1)  # before those who have an answer already
    for one in [first, *waiting]:
        one.close()
    assert answered(other) == text(model)


def test_an_answer_that_takes_too_long_is_ended(model: Engine) -> None:
    for more in ({}, {"grammar": ENDLESS}):
        model.answer_s = 0.2
        pieces = model.stream(ASK, options(500, **more))
        next(pieces)
        time.sleep(0.3)
        with pytest.raises(ModelError, match="没有算完"):
            list(pieces)
        model.answer_s = 300
        assert text(model)


@pytest.mark.parametrize("broken", ["raises", "NaN"])
def test_an_error_while_computing_is_told_and_the_next_answer_works(
    model: Engine, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    def spoil(_: object, __: object, output: object) -> None:
        if broken == "raises":
            raise RuntimeError("out of memory")
        output.logits[:] = torch.nan

    expected = text(model)
    handle = model.model.register_forward_hook(spoil)
    with pytest.raises(ModelError, match=r"语言模型出错了（RuntimeError）"):
        text(model, temperature=1.0)
    handle.remove()
    assert "Traceback" in caplog.text
    assert text(model) == expected


def test_fifty_users_who_all_leave_while_their_prompts_are_read(folder: Path) -> None:
    model = load_engine(folder, dtype="float32", threads=1, context_tokens=2048)
    expected = text(model)
    before = set(threading.enumerate())
    passes: list[int] = []
    handle = model.model.register_forward_hook(lambda *_: passes.append(1))
    long = [Message("user", "字" * 500)]
    callers = [Caller(f"{i}") for i in range(50)]
    started = threading.Barrier(51)

    def ask(caller: Caller) -> None:
        answer = model.stream(long, options(20), caller)
        next(answer)  # queued, or the first piece of the prompt
        started.wait(60)
        for _ in answer:
            pass

    threads = [threading.Thread(target=ask, args=(caller,)) for caller in callers]
    for thread in threads:
        thread.start()
    started.wait(60)
    for caller in callers:
        caller.stop.set()
    for thread in threads:
        thread.join(30)
    handle.remove()
    assert set(threading.enumerate()) <= before
    assert model.queue.waiting() == 0
    assert len(passes) <= 6  # one or two of whoever was served before all had said stop; fifty prompts have 600
    assert text(model) == expected


@pytest.mark.parametrize("content", ["<|im_end|>" * 30, "<|endoftext|>", "<tool_call>" * 9, "\x00\ufffe\ud800", ""])
def test_a_prompt_of_special_tokens_is_text_like_any_other(model: Engine, content: str) -> None:
    marks = set(model.tokenizer.all_special_ids)
    plain = model.prompt_format([Message("user", "")])
    ids = model.prompt_format([Message("user", content)])
    assert sum(one in marks for one in ids) == sum(one in marks for one in plain)
    assert answered(model.stream([Message("user", content)], options()))


def test_a_prompt_that_does_not_fit_says_so(model: Engine) -> None:
    with pytest.raises(ModelError, match="600"):
        next(model.stream([Message("user", "长" * 600)], options()))


def test_adapters_switch_per_call_and_leave_the_base_alone(model: Engine, folder: Path, tmp_path: Path) -> None:
    base = text(model)
    model.add_adapter("one", random_adapter(folder, tmp_path / "one", 1))
    model.add_adapter("two", random_adapter(folder, tmp_path / "two", 2))
    one, two = text(model, adapter="one"), text(model, adapter="two")
    assert len({base, one, two}) == 3
    assert text(model) == base
    assert text(model, adapter="one") == one
    with pytest.raises(ModelError, match="three"):
        text(model, adapter="three")


def test_an_adapter_of_another_base_is_refused(model: Engine, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"adapter_config\.json"):
        model.add_adapter("none", tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        load_engine(tmp_path, dtype="auto", threads=1, context_tokens=512)


def test_a_broken_weights_file_is_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[: 400 if file.suffix == ".safetensors" else None])
    with pytest.raises(ModelError, match="载入模型"):
        load_engine(tmp_path, dtype="float32", threads=1, context_tokens=512)


def test_a_missing_tensor_is_refused_not_made_up(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(folder / "model.safetensors")
    removed = next(name for name in tensors if "q_proj.weight" in name)
    del tensors[removed]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=removed):
        load_engine(tmp_path, dtype="float32", threads=1, context_tokens=512)


def test_plain_answers_between_others_never_see_an_adapter(model: Engine, folder: Path, tmp_path: Path) -> None:
    model.add_adapter("one", random_adapter(folder, tmp_path / "one", 1))
    model.add_adapter("marks", random_adapter(folder, tmp_path / "marks", 2))
    model.describe_adapter("marks", AdapterManifest("tiny", "", "labels", labels=5))
    kinds = [{}, {"adapter": "one"}, {}, {"grammar": "start: /[a-z]{9}/"}, {}, {"adapter": "marks"}]

    def ask(i: int) -> str:
        kind, asked = kinds[i % len(kinds)], [Message("user", f"问题{i}" * (1 + i % 4))]
        if i % 7 == 6:
            (found,) = [
                some for some in model.labels(["一二三" * i], "marks", Caller(f"{i % 5}")) if isinstance(some, dict)
            ]
            return str(found[0].argmax(1))
        items = list(model.stream(asked, options(20 + i, **kind), Caller(f"{i % 5}")))
        assert all(isinstance(item, Delta | Queued) for item in items)
        return answered(items)

    alone = [ask(i) for i in range(20)]
    together: dict[int, str] = {}
    threads = [threading.Thread(target=lambda i=i: together.update({i: ask(i)})) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [together.get(i) for i in range(20)] == alone


def test_what_crosses_to_another_process_is_picklable(model: Engine) -> None:
    """On ZeroGPU the computing function runs in a forked process: arguments and results are pickled."""
    expected = text(model)
    crossed: list[object] = []

    def gpu(function):
        def remote(*arguments: object) -> Iterator[list[int]]:
            arguments = pickle.loads(pickle.dumps(arguments))
            for item in function(*arguments):
                crossed.append(pickle.loads(pickle.dumps(item)))
                yield crossed[-1]

        return remote

    model.run_on(gpu)
    assert text(model) == expected
    assert crossed


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def test_int8_is_as_exact_as_rounding_the_weights_alone() -> None:
    torch.backends.quantized.engine = "fbgemm"
    torch.manual_seed(0)
    dense = torch.nn.Linear(896, 512)
    rows, scale = quantize_rows(dense.weight.detach())
    # One outlier in each token, as real activations have: a single int8 digit would lose the rest beside it.
    x = torch.randn(5, 7, 896)
    x[..., 3] = 60.0
    with torch.inference_mode():
        rounded = torch.nn.functional.linear(x, rows.float() * scale[:, None], dense.bias)
        found = Int8Linear(rows, scale, dense.bias)(x)
        assert relative_error(found, rounded) < 1e-3
        assert relative_error(found, dense(x)) < 0.01


def test_int8_stays_close_to_dense_and_takes_adapters(folder: Path, tmp_path: Path) -> None:
    dense = load_engine(folder, dtype="float32", threads=1, context_tokens=600)
    small = load_engine(folder, dtype="int8", threads=1, context_tokens=600)
    ids = torch.tensor([dense.prompt_format(ASK)])
    with torch.inference_mode():
        expected, found = dense.model(ids).logits, small.model(ids).logits
    assert relative_error(found, expected) < 0.1
    small.add_adapter("one", random_adapter(folder, tmp_path / "one", 1))
    dense.add_adapter("one", tmp_path / "one")
    base, adapted = text(small), text(small, adapter="one")
    assert base != adapted
    assert text(small) == base
    with torch.inference_mode():
        expected, found = dense.model(ids).logits, small.model(ids).logits
    assert relative_error(found, expected) < 0.1


def test_int8_comes_from_the_cache_at_the_second_start(folder: Path, tmp_path: Path) -> None:
    cached = tmp_path / "cached"
    shutil.copytree(folder, cached)
    expected = text(load_engine(cached, dtype="int8", threads=1, context_tokens=600))
    assert sorted(path.name for path in cached.iterdir()) == sorted(path.name for path in folder.iterdir())

    (cached / "source.json").write_text('{"file": "tiny.gguf"}', "utf-8")
    load = lambda: load_engine(cached, dtype="int8", threads=1, context_tokens=600)  # noqa: E731
    assert text(load()) == expected
    int8 = cached / "int8-1"
    written = {path: path.stat().st_mtime_ns for path in int8.iterdir()}
    second = load()
    assert text(second) == expected
    assert second.model.dtype == torch.float32
    assert {path: path.stat().st_mtime_ns for path in int8.iterdir()} == written
    second.add_adapter("one", random_adapter(folder, tmp_path / "one", 1))
    assert text(second, adapter="one") != text(second) == expected


@pytest.mark.parametrize("damage", ["truncated", "missing", "another"])
def test_a_damaged_int8_cache_is_made_anew(
    folder: Path, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    cached = tmp_path / "cached"
    shutil.copytree(folder, cached)
    (cached / "source.json").write_text('{"file": "tiny.gguf"}', "utf-8")
    expected = text(load_engine(cached, dtype="int8", threads=1, context_tokens=600))
    file = cached / "int8-1" / "layers-0.safetensors"
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "missing":
        file.unlink()
    else:
        save_file({"x.rows": torch.zeros(1)}, file)
    for warned in (True, False):
        caplog.clear()
        assert text(load_engine(cached, dtype="int8", threads=1, context_tokens=600)) == expected
        assert ("重新量化" in caplog.text) == warned


def damage_weights(folder: Path, damage: str) -> None:
    file = folder / "adapter_model.safetensors"
    weights = load_file(file)
    first = next(iter(weights))
    if damage == "lacks one":
        weights.pop(first)
    elif damage == "NaN":
        weights[first][0, 0] = torch.nan
    elif damage == "another rank":
        weights = {name: torch.cat([value, value], int("lora_B" in name)) for name, value in weights.items()}
    save_file(weights, file)
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:-50])


@pytest.mark.parametrize("damage", ["lacks one", "NaN", "another rank", "truncated"])
@pytest.mark.parametrize("others", [0, 1])
def test_a_damaged_adapter_leaves_everything_as_it_was(
    folder: Path, tmp_path: Path, others: int, damage: str
) -> None:
    model = load_engine(folder, dtype="float32", threads=1, context_tokens=512)
    before = text(model)
    if others:
        model.add_adapter("one", random_adapter(folder, tmp_path / "one", 1))
        with_one = text(model, adapter="one")
    damaged = random_adapter(folder, tmp_path / "damaged", 2)
    damage_weights(damaged, damage)
    with pytest.raises(ModelError, match="读不懂，或与模型"):
        model.add_adapter("damaged", damaged)
    assert model.adapters == ("one",) * others
    assert not any("damaged" in name for name, _ in model.model.named_modules())
    assert any("lora" in name for name, _ in model.model.named_modules()) == bool(others)
    assert text(model) == before
    if others:
        assert text(model, adapter="one") == with_one
    model.add_adapter("damaged", random_adapter(folder, tmp_path / "whole", 2))
    assert text(model) == before


def test_an_adapter_without_a_manifest_is_taken_with_a_warning(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = load_engine(folder, dtype="float32", threads=1, context_tokens=512)
    model.add_adapter("one", random_adapter(folder, tmp_path / "one", 1))
    assert "没有 yuanzhi.json：核对不了它的基座" in caplog.text
