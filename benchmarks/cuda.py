"""Yuan2-2B on one CUDA card: is it right, how fast is it, does it learn. ``python -m benchmarks.cuda`` takes under six
minutes on an H100 and needs no network, no checkpoint and nothing beside torch, transformers, peft, safetensors and
sentencepiece: weights are random and of full size, only the golden ones of ``../shared`` are the released code's.

Every result is a line of JSON in ``--output`` as soon as there is one, and a table at the end. A section that fails is
reported and the others go on; the exit code is 1 if anything failed. ``--tiny --device cpu`` does the same with a model of
two layers. A script calls ``run``.
"""

import argparse
import copy
import gc
import json
import os
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, BertConfig, BertModel, DynamicCache

from benchmarks.yuan2_released import Released
from src.models.embedders.bge import BgeEmbedder
from src.models.generate import CachedModel, generate
from src.models.tagging import token_logits
from src.training.lora import add_lora
from src.training.recipe import Recipe
from src.yuan import YuanConfig, YuanForCausalLM, register
from src.yuan.graphs import GraphDecoder

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("YUAN_SHARED", ROOT.parent / "shared"))
GOLDEN = SHARED / "data" / "yuan2" / "golden"
DENSE = Path.home() / ".cache" / "yuanzhi" / "dense"
ADAPTER = ROOT / "examples" / "adapters" / "resume-qwen2.5-coder-0.5b"
EXACT = 1e-4
# Two bf16 computations of one model part where two tokens score alike; a logit of 4 is rounded to 1/64 twice over.
CLOSE_CALL = 0.15
RECIPE = Recipe()
TINY = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 96, "num_hidden_layers": 2}


@dataclass(frozen=True)
class Row:
    """One result; ``ok`` says whether it is what it must be, None where there is only a figure to report."""

    section: str
    what: str
    value: float | str
    unit: str = ""
    ok: bool | None = None


@dataclass
class Bench:
    """What the sections share: the model, made when first used, and where results go."""

    device: torch.device
    tiny: bool
    output: Path | None
    small: Path | None
    golden: Path
    rows: list[Row] = field(default_factory=list)
    section: str = ""
    bandwidth: float = 0.0
    _model: YuanForCausalLM | None = None

    @property
    def config(self) -> YuanConfig:
        return YuanConfig(**(TINY | {"vocab_size": 600, "eod_token": 3} if self.tiny else {}))

    @property
    def model(self) -> YuanForCausalLM:
        """Of released shape, bf16."""
        if self._model is None:
            self._model = random_model(self.config, self.device)
        return self._model

    def row(self, what: str, value: float | str, unit: str = "", ok: bool | None = None) -> None:
        row = Row(self.section, what, value, unit, ok)
        self.rows.append(row)
        print(format_row(row), flush=True)
        if self.output:
            with self.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")

    def ids(self, length: int, batch: int = 1, seed: int = 0) -> Tensor:
        """Random token ids (B, T) without the end of a document."""
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(5, self.config.vocab_size, (batch, length), generator=generator)
        return ids.masked_fill(ids == self.config.eod_token, 4).to(self.device)

    def size(self, full: int) -> int:
        """A number of tokens, smaller when everything is."""
        return max(8, full // 32) if self.tiny else full


# --- correctness -----------------------------------------------------------------------------------------------------


def golden(bench: Bench) -> None:
    """What the released code computes on its tiny checkpoint, in fp32."""
    if not (bench.golden / "golden.npz").is_file():
        bench.row("golden weights", f"not in {bench.golden}")
        return
    register()
    model = AutoModelForCausalLM.from_pretrained(bench.golden, trust_remote_code=False).to(bench.device)
    with np.load(bench.golden / "golden.npz") as arrays:
        given = {name: torch.from_numpy(arrays[name]).to(bench.device) for name in arrays}
    places = [i for i in range(100) if f"ids_{i}" in given]
    worst, equal = 0.0, True
    decoder = GraphDecoder(model, 256)
    for i in places:
        ids, expected = given[f"ids_{i}"], given[f"greedy_{i}"]
        with torch.no_grad():
            worst = max(worst, difference(model(ids).logits, given[f"logits_{i}"]))
        decoder.reset()
        prompt = ids[0].tolist()
        steps = generate(
            model,
            prompt,
            end_tokens=frozenset(),
            max_new_tokens=expected.shape[1] - len(prompt),
            loops_end=False,
            cached=decoder,
        )
        equal &= prompt + [token for step in steps for token in step.tokens] == expected[0].tolist()
    bench.row("golden logits, largest difference", worst, ok=worst <= EXACT)
    bench.row("golden greedy tokens, decoded in fixed memory", f"{len(places)} answers", ok=equal)
    out = model(given["ids_eod"], labels=given["labels_eod"])
    out.loss.backward()
    layers = model.model.layers
    pairs = [
        ("logits behind ends of documents", out.logits, given["logits_eod"]),
        ("loss", out.loss, given["loss_eod"].reshape(())),
        ("gradient of a filter", layers[0].self_attn.lf_gate.conv1.weight.grad, given["grad_lf_conv1_layer0"]),
        ("gradient of q_proj", layers[1].self_attn.q_proj.weight.grad, given["grad_q_proj_layer1"]),
    ]
    for what, ours, theirs in pairs:
        bench.row(f"golden {what}, difference", difference(ours, theirs), ok=difference(ours, theirs) <= EXACT)
    rows = [given[f"ids_{i}"][0].tolist() for i in places]
    with torch.no_grad():
        padded = in_one_batch(model, rows, model.config.eod_token)
    worst = max(difference(a, given[f"logits_{i}"][0]) for a, i in zip(padded, places, strict=True))
    bench.row("golden rows in one left-padded batch, difference", worst, ok=worst <= EXACT)


def parity(bench: Bench) -> None:
    """Full size: this device against the CPU, in fp32 and bf16; padding, cache and fixed memory against themselves."""
    exact = copy.deepcopy(bench.model).float()
    on_cpu = copy.deepcopy(bench.model).to("cpu")
    ids = bench.ids(bench.size(96))
    rows = [bench.ids(n, seed=n)[0].tolist() for n in (3, bench.size(40), bench.size(96))]
    eod = bench.config.eod_token
    with torch.inference_mode():
        alone = exact(ids).logits
        worst = difference(alone, copy.deepcopy(on_cpu).float()(ids.cpu()).logits)
        bench.row("fp32 logits, this device against the CPU", worst, ok=worst <= EXACT)
        padded = in_one_batch(exact, rows, eod)
        single = [exact(torch.tensor([row], device=bench.device)).logits[0] for row in rows]
        worst = max(difference(a, b) for a, b in zip(padded, single, strict=True))
        bench.row("fp32 rows in one left-padded batch", worst, ok=worst <= EXACT)
        cache = DynamicCache(config=exact.config)
        parts = [exact(part, past_key_values=cache).logits for part in ids.split([5, 1, ids.shape[1] - 6], dim=1)]
        worst = difference(torch.cat(parts, dim=1), alone)
        bench.row("fp32 with a growing cache, in pieces", worst, ok=worst <= EXACT)
        answer = greedy(on_cpu, ids[0].tolist(), 24)
        whole = torch.tensor([ids[0].tolist() + answer])
        here, there = bench.model(whole.to(bench.device)).logits.float().cpu()[0], on_cpu(whole).logits.float()[0]
    agreement(bench, "bf16 greedy tokens, this device against the CPU", here, there, len(answer))
    same_tokens(bench, "fp32", exact, ids[0].tolist(), must_be_equal=True)
    same_tokens(bench, "bf16", bench.model, ids[0].tolist(), must_be_equal=False)


def same_tokens(bench: Bench, name: str, model: YuanForCausalLM, prompt: list[int], must_be_equal: bool) -> None:
    """Answers in fixed memory (graphs on CUDA) against the growing cache, with drafts and without."""
    decoder = GraphDecoder(model, len(prompt) + 80)
    for lookup in (False, True):
        text = prompt * 2 if lookup else prompt  # so that there is something to draft from
        expected = greedy(model, text[: len(prompt) + 16], 48, lookup=lookup)
        decoder.reset()
        found = greedy(model, text[: len(prompt) + 16], 48, cached=decoder, lookup=lookup)
        same = next((i for i, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b), len(expected))
        how = "with drafts" if lookup else "token by token"
        what = f"{name} greedy tokens in fixed memory as with the growing cache, {how}"
        ok = expected == found if must_be_equal else None
        bench.row(what, f"the first {same} of {len(expected)}", ok=ok)
        if not must_be_equal and expected != found:
            whole = torch.tensor([text[: len(prompt) + 16] + expected], device=bench.device)
            decoder.reset()
            here = torch.cat(
                [decoder.forward_batch(part, part.shape[1]).clone() for part in whole.split(9, dim=1)], 1
            )
            with torch.inference_mode():
                there = model(whole).logits
            agreement(bench, what, here[0].float().cpu(), there[0].float().cpu(), len(expected))
    if bench.device.type == "cuda":
        bench.row(f"{name} steps were CUDA graphs", str(decoder.uses_graphs), ok=decoder.uses_graphs)


def agreement(bench: Bench, what: str, here: Tensor, there: Tensor, answer: int) -> None:
    """The tokens both would choose behind the same text; where they differ the two scored alike."""
    here, there = here[-answer - 1 : -1], there[-answer - 1 : -1]
    ours, theirs = here.argmax(-1), there.argmax(-1)
    at = torch.arange(len(there))
    gaps = there[at, theirs] - there[at, ours]
    bench.row(f"{what}: the same", f"{int((ours == theirs).sum())} of {len(ours)}")
    bench.row(f"{what}: score given up where not", float(gaps.max()), ok=float(gaps.max()) <= CLOSE_CALL)


def stopping(bench: Bench) -> None:
    """A reader who leaves frees the model, and the next answer is as if nothing had been."""
    model, prompt = bench.model, bench.ids(bench.size(256))[0].tolist()
    decoder = GraphDecoder(model, len(prompt) + 300)
    expected = greedy(model, prompt, 12, cached=decoder)
    decoder.reset()
    steps = generate(model, prompt, end_tokens=frozenset(), max_new_tokens=250, cached=decoder)
    for _ in range(5):
        next(steps)
    started = time.perf_counter()
    steps.close()
    bench.row("leaving an answer takes", 1000 * (time.perf_counter() - started), "ms")
    decoder.reset()
    bench.row("the next answer is the same", "", ok=greedy(model, prompt, 12, cached=decoder) == expected)


def threads(bench: Bench) -> None:
    """One answer in fixed memory and one with a growing cache at once, as when two visitors meet."""
    model = bench.model
    prompts = [bench.ids(bench.size(200), seed=seed)[0].tolist() for seed in (1, 2)]
    decoder = GraphDecoder(model, len(prompts[0]) + 64)
    decoder.warm_up()
    memories: list[Any] = [decoder, None]
    alone = [greedy(model, p, 32, cached=m) for p, m in zip(prompts, memories, strict=True)]
    decoder.reset()
    together: dict[int, list[int]] = {}

    def work(i: int) -> None:
        together[i] = greedy(model, prompts[i], 32, cached=memories[i])

    workers = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    bench.row("two threads answer as each alone", "", ok=[together.get(i) for i in range(2)] == alone)


# --- speed -----------------------------------------------------------------------------------------------------------


def hardware(bench: Bench) -> None:
    """What this device can do, measured: the bounds for everything below."""
    cuda = bench.device.type == "cuda"
    name = torch.cuda.get_device_name() if cuda else f"CPU, {torch.get_num_threads()} threads"
    bench.row("device", f"{name}, torch {torch.__version__}, Python {sys.version.split()[0]}")
    rows, columns, count = (256, 64, 4) if bench.tiny else (8192, 2048, 32)
    matrices = [torch.full((rows, columns), 0.5, dtype=torch.bfloat16, device=bench.device) for _ in range(count)]
    x = torch.ones((1, columns), dtype=torch.bfloat16, device=bench.device)
    nbytes = sum(m.numel() * 2 for m in matrices)
    product = nbytes / seconds(bench, lambda: [torch.nn.functional.linear(x, m) for m in matrices], 5)
    source = torch.zeros(1 << (16 if bench.tiny else 30), dtype=torch.uint8, device=bench.device)
    target = torch.empty_like(source)
    copied = 2 * source.numel() / seconds(bench, lambda: target.copy_(source), 5)
    bench.bandwidth = max(product, copied)
    bench.row("bandwidth, matrix-vector products", product / 1e9, "GB/s")
    bench.row("bandwidth, copying", copied / 1e9, "GB/s")
    side = 128 if bench.tiny else 8192
    square = torch.ones((side, side), dtype=torch.bfloat16, device=bench.device)
    bench.row("bf16 matrix products", 2 * side**3 / seconds(bench, lambda: square @ square, 5) / 1e12, "TFLOP/s")


def prefill(bench: Bench) -> None:
    """A prompt of 512 and of 2048 tokens: ours, in fixed memory, and the released code's way."""
    model, peak = bench.model, figure(bench, "bf16 matrix products") or 1.0
    released = Released(model)
    matrices = sum(p.numel() for name, p in model.named_parameters() if p.ndim > 1 and "embed" not in name)
    for length in (bench.size(512), bench.size(2048)):
        ids = bench.ids(length)
        decoder = GraphDecoder(model, length + 16, graphs=False)

        def fixed(decoder: GraphDecoder = decoder, ids: Tensor = ids) -> None:
            decoder.reset()
            decoder.forward_batch(ids)

        ways: dict[str, Callable[[], Any]] = {
            "released code's way": lambda ids=ids: released(ids),
            "growing cache": lambda ids=ids: model(ids, use_cache=True, logits_to_keep=1),
            "fixed memory": fixed,
        }
        for way, work in ways.items():
            with torch.inference_mode():
                spent = seconds(bench, work, 3)
            bench.row(f"prefill {length}, {way}", length / spent, "tok/s")
        bench.row(f"prefill {length}, share of the bf16 peak", 2 * matrices * length / spent / 1e10 / peak, "%")


def decoding(bench: Bench) -> None:
    """Tokens a second at batch 1, 4, 16 behind 512 tokens, against the time to read weights, keys and values once."""
    model, config, steps = bench.model, bench.config, bench.size(64)
    released = Released(model)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    for batch in (1, 4, 16):
        prompt = bench.ids(bench.size(512), batch)
        length = prompt.shape[1] + steps // 2
        kept = 2 * 2 * config.num_hidden_layers * config.hidden_size * length * batch
        bound = batch * bench.bandwidth / (weights + kept)
        bench.row(f"decode, batch {batch}: bound by bandwidth", bound, "tok/s")
        ways: dict[str, Iterator[None]] = {
            "released code's way": released_steps(released, prompt),
            "growing cache": growing_steps(model, prompt),
            "fixed memory, kernel by kernel": fixed_steps(model, prompt, 2 * steps, graphs=False),
        }
        if bench.device.type == "cuda":
            ways["fixed memory, CUDA graph"] = fixed_steps(model, prompt, 2 * steps, graphs=True)
        for way, one in ways.items():
            speed = batch * stepping(bench, one, steps)
            bench.row(f"decode, batch {batch}, {way}", speed, "tok/s")
            bench.row(f"decode, batch {batch}, {way}: of the bound", 100 * speed / bound, "%")


def compiled(bench: Bench) -> None:
    """The same step with its small kernels fused by torch.compile, then captured; what that costs before the first."""
    steps, prompt = bench.size(64), bench.ids(bench.size(512))
    backend = "inductor" if bench.device.type == "cuda" else "eager"  # no compiler is needed for the tiny run
    started = time.perf_counter()
    one = fixed_steps(bench.model, prompt, 2 * steps, graphs=True, compiler=backend)
    next(one)
    bench.row(f"compiling ({backend}) and capturing a step", time.perf_counter() - started, "s")
    bench.row("decode, batch 1, compiled step in a graph", stepping(bench, one, steps), "tok/s")


def first_token(bench: Bench) -> None:
    """A RAG prompt through the loop that the app uses: until the first token, and tokens a second after it."""
    model, prompt = bench.model, bench.ids(bench.size(900))[0].tolist()
    decoder = GraphDecoder(model, len(prompt) + 200)
    decoder.warm_up()
    best, rate = float("inf"), 0.0
    for _ in range(3):
        decoder.reset()
        synchronize(bench)
        started, first, count = time.perf_counter(), 0.0, 0
        for step in generate(model, prompt, end_tokens=frozenset(), max_new_tokens=96, cached=decoder):
            if step.tokens and not first:
                first = time.perf_counter()
            count += len(step.tokens)
        best = min(best, first - started)
        rate = max(rate, (count - 1) / (time.perf_counter() - first))
    bench.row(f"first token of a prompt of {len(prompt)}", 1000 * best, "ms")
    bench.row("the app's decoding loop behind it", rate, "tok/s")
    bench.row("keys, values and states of that conversation", decoder.bytes / 1e9, "GB")


# --- training ----------------------------------------------------------------------------------------------------------


def training(bench: Bench) -> None:
    """Steps of the course's recipe on prompts of 384 tokens, the loss on the last 128."""
    base = bench.model
    before = checksum(base)
    model = add_lora(base, RECIPE, dropout=RECIPE.dropout)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RECIPE.learning_rate)
    reset_peak(bench)
    ids = bench.ids(bench.size(RECIPE.max_tokens), RECIPE.batch_size)
    model.train()
    learn(bench, model, optimizer, ids)  # the first step allocates
    spent = seconds(bench, lambda: learn(bench, model, optimizer, ids), 3)
    bench.row(f"training, batch {len(ids)} of {ids.shape[1]} tokens", len(ids) / spent, "examples/s")
    bench.row("training, peak memory", peak_memory(bench), "GB")
    ten = bench.ids(bench.size(128), 10, seed=5)
    losses = []
    for training_now in (False, *[True] * 10, False):
        model.train(training_now)
        with torch.set_grad_enabled(training_now):
            loss = learn(bench, model, optimizer, ten) if training_now else answer_loss(bench, model, ten)
        losses.append(float(loss))
    bench.row(
        "loss on ten examples, ten steps later", f"{losses[0]:.4f} -> {losses[-1]:.4f}", ok=losses[-1] < losses[0]
    )
    bench._model = model.unload()
    bench.row("the base has not moved", "", ok=checksum(bench._model) == before)
    exact = random_model(YuanConfig(**(bench.config.to_dict() | {"num_hidden_layers": 2})), bench.device).float()
    adapted = add_lora(exact, RECIPE)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.02)
        apart, plain = adapted.eval()(ten).logits, exact_logits(adapted, ten)
        worst = difference(adapted.merge_and_unload()(ten).logits, apart)
    bench.row("merged against apart, fp32", worst, ok=worst <= EXACT and difference(apart, plain) > 10 * EXACT)


def exact_logits(adapted: Any, ids: Tensor) -> Tensor:
    with adapted.disable_adapter():
        return adapted(ids).logits


def learn(bench: Bench, model: Any, optimizer: torch.optim.Optimizer, ids: Tensor) -> Tensor:
    """One step of the optimizer."""
    optimizer.zero_grad()
    loss = answer_loss(bench, model, ids)
    loss.backward()
    optimizer.step()
    return loss.detach()


def answer_loss(bench: Bench, model: Any, ids: Tensor) -> Tensor:
    """As ``AdapterTrainer`` computes it: the output head runs at the asked positions only, under autocast."""
    asked = max(2, ids.shape[1] // 3)
    autocast = torch.autocast(bench.device.type, torch.bfloat16) if bench.device.type == "cuda" else nullcontext()
    with autocast:
        out = model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            use_cache=False,
            output_hidden_states=True,
            logits_to_keep=torch.zeros(1, dtype=torch.long, device=ids.device),
        )
        hidden = out.hidden_states[-1][:, -asked - 1 : -1].flatten(0, 1)
        return torch.nn.functional.cross_entropy(
            token_logits(model.get_base_model(), hidden), ids[:, -asked:].flatten()
        )


# --- the other models ----------------------------------------------------------------------------------------------------


def embeddings(bench: Bench) -> None:
    """bge of the released shape with random weights: the CPU's vectors, and how fast a knowledge base is embedded."""
    characters = [chr(0x4E00 + i) for i in range(2000)]
    with tempfile.TemporaryDirectory() as folder:
        random_bge(Path(folder), characters, layers=1 if bench.tiny else 4)
        here, cpu = (BgeEmbedder(folder, device, threads=4) for device in (bench.device.type, "cpu"))
        draw = np.random.default_rng(0)
        texts = ["".join(draw.choice(characters, 50)) for _ in range(64 if bench.tiny else 4000)]
        worst = float(np.abs(here.encode(texts[:64]) - cpu.encode(texts[:64])).max())
        bench.row("bge vectors, this device against the CPU", worst, ok=worst <= EXACT)
        bench.row(
            "bge, windows of 50 characters", len(texts) / seconds(bench, lambda: here.encode(texts), 1), "1/s"
        )
        bench.row("bge, one question", 1000 * seconds(bench, lambda: here.encode_queries(texts[:1]), 10), "ms")


def random_bge(folder: Path, characters: Iterable[str], layers: int) -> None:
    """bge-small-zh's shape in ``folder``, with a vocabulary of characters."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    vocabulary += [f"[unused{i}]" for i in range(21128 - len(vocabulary))]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', encoding="utf-8")
    torch.manual_seed(0)
    shape = {"hidden_size": 512, "num_attention_heads": 8, "intermediate_size": 2048}
    BertModel(BertConfig(vocab_size=21128, num_hidden_layers=layers, **shape)).save_pretrained(folder)


def small_model(bench: Bench) -> None:
    """The 0.5B model that tags and reads, where its file is: the CPU's logits, speed, its adapter."""
    folder = bench.small
    if folder is None or not (folder / "config.json").is_file():
        bench.row("small model", f"none in {folder or DENSE}; --small names its folder")
        return
    exact = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.arange(1000, 1000 + 3 * 48, 3)[None]
    with torch.inference_mode():
        there = exact(ids).logits
        worst = difference(exact.to(bench.device)(ids.to(bench.device)).logits.cpu(), there)
        bench.row("small model, fp32 logits, this device against the CPU", worst, ok=worst <= 10 * EXACT)
        model: Any = exact.to(torch.bfloat16)
        batch = torch.arange(1000, 1000 + 8 * 512).reshape(8, 512).to(bench.device)
        spent = seconds(bench, lambda: model(batch, use_cache=False, logits_to_keep=1), 3)
        bench.row("small model, passes over 8 x 512 tokens", batch.numel() / spent, "tok/s")
        if (ADAPTER / "adapter_config.json").is_file():
            from peft import PeftModel

            plain = model(batch[:1]).logits
            model = PeftModel.from_pretrained(model, ADAPTER).eval()
            spent = seconds(bench, lambda: model(batch, use_cache=False, logits_to_keep=1), 3)
            bench.row("small model, the same with its resume adapter", batch.numel() / spent, "tok/s")
            with model.disable_adapter():
                same = torch.equal(model(batch[:1]).logits, plain)
            bench.row("small model, adapter switched off", "exactly the base" if same else "not the base", ok=same)


def memory(bench: Bench) -> None:
    """Peak of the device, or of the process."""
    bench.row("weights of Yuan2", sum(p.numel() * p.element_size() for p in bench.model.parameters()) / 1e9, "GB")
    bench.row("peak memory since the last section that counted", peak_memory(bench), "GB")


SECTIONS: dict[str, Callable[[Bench], None]] = {
    "hardware": hardware,
    "golden": golden,
    "prefill": prefill,
    "decoding": decoding,
    "first_token": first_token,
    "stopping": stopping,
    "threads": threads,
    "memory": memory,
    "parity": parity,
    "training": training,
    "embeddings": embeddings,
    "small_model": small_model,
    "compiled": compiled,
}


def run(
    device: str = "cuda",
    *,
    tiny: bool = False,
    output: Path | None = None,
    sections: Iterable[str] = tuple(SECTIONS),
    small: Path | None = None,
    golden_folder: Path = GOLDEN,
    limit_s: float = 330.0,
) -> list[Row]:
    """Every section, each whatever becomes of the others; none is begun after ``limit_s``. Returns all results."""
    bench = Bench(torch.device(device), tiny, output, small or _dense(), golden_folder)
    started = time.perf_counter()
    for name in sections:
        bench.section = name
        began = time.perf_counter()
        if began - started > limit_s:
            bench.row("not begun", f"{limit_s:.0f} s are over", ok=False)
            continue
        try:
            SECTIONS[name](bench)
        except Exception as error:  # the other sections are worth having
            traceback.print_exc()
            bench.row("failed", f"{type(error).__name__}: {str(error)[:300]}", ok=False)
        gc.collect()
        if bench.device.type == "cuda":
            torch.cuda.empty_cache()
        bench.row("this section", time.perf_counter() - began, "s")
    return bench.rows


def main() -> int:
    """Run what was asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tiny", action="store_true", help="two layers of 64: does it run at all")
    parser.add_argument("--output", type=Path, help="append every result to this file as a line of JSON")
    parser.add_argument("--sections", default=",".join(SECTIONS), help="some of %(default)s")
    parser.add_argument(
        "--small", type=Path, help="folder of the small model (default: the one in ~/.cache/yuanzhi)"
    )
    parser.add_argument("--golden", type=Path, default=GOLDEN)
    parser.add_argument("--limit", type=float, default=330, help="begin no section after so many seconds")
    given = parser.parse_args()
    rows = run(
        given.device,
        tiny=given.tiny,
        output=given.output,
        sections=given.sections.split(","),
        small=given.small,
        golden_folder=given.golden,
        limit_s=given.limit,
    )
    print("\n| section | what | value | as it must be |\n|---|---|---|---|")
    for row in rows:
        said = {True: "yes", False: "**no**", None: ""}[row.ok]
        print(f"| {row.section} | {row.what} | {shown(row)} | {said} |")
    wrong = [row for row in rows if row.ok is False]
    print(f"\n{sum(row.ok is True for row in rows)} checks passed, {len(wrong)} did not")
    return 1 if wrong else 0


# --- tools ---------------------------------------------------------------------------------------------------------------


def random_model(config: YuanConfig, device: torch.device) -> YuanForCausalLM:
    """bf16 weights made where they stay, every norm, bias and tap its own."""
    with torch.device("meta"):
        model = YuanForCausalLM(config).to(torch.bfloat16)
    model = model.to_empty(device=device).eval()
    model.tie_weights()
    generator = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if name.endswith("norm.weight") else 0.0, 0.02, generator=generator)
    return model


def greedy(model: Any, prompt: list[int], new: int, *, cached: Any = None, lookup: bool = False) -> list[int]:
    """The app's decoding loop, to the end."""
    cached = cached or CachedModel(model, drafts=lookup)
    steps = generate(
        model,
        prompt,
        end_tokens=frozenset(),
        max_new_tokens=new,
        lookup=lookup,
        loops_end=False,
        cached=cached,
    )
    return [token for step in steps for token in step.tokens]


def released_steps(released: Released, prompt: Tensor) -> Iterator[None]:
    with torch.inference_mode():
        scores, past = released(prompt)
    while True:
        yield
        with torch.inference_mode():
            scores, past = released(scores[:, -1:].argmax(-1), past)


def growing_steps(model: YuanForCausalLM, prompt: Tensor) -> Iterator[None]:
    cache = DynamicCache(config=model.config)
    tokens = prompt
    while True:
        with torch.inference_mode():
            logits = model(tokens, past_key_values=cache, logits_to_keep=1).logits
            tokens = logits.argmax(-1)
        yield


def fixed_steps(model: YuanForCausalLM, prompt: Tensor, room: int, **options: Any) -> Iterator[None]:
    decoder = GraphDecoder(model, prompt.shape[1] + room + 16, len(prompt), **options)
    tokens = decoder.forward_batch(prompt).argmax(-1)
    while True:
        tokens = decoder.forward_batch(tokens).argmax(-1)
        yield


def stepping(bench: Bench, one: Iterator[None], steps: int) -> float:
    """Steps a second."""
    for _ in range(4):
        next(one)
    synchronize(bench)
    started = time.perf_counter()
    for _ in range(steps):
        next(one)
    synchronize(bench)
    return steps / (time.perf_counter() - started)


def in_one_batch(model: YuanForCausalLM, rows: list[list[int]], filler: int) -> list[Tensor]:
    """Logits of each row out of a left-padded batch."""
    longest = max(map(len, rows))
    ids = torch.tensor([[filler] * (longest - len(row)) + row for row in rows], device=model.device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=model.device)
    logits = model(ids, attention_mask=mask).logits
    return [logits[i, longest - len(row) :] for i, row in enumerate(rows)]


def difference(a: Tensor, b: Tensor) -> float:
    return float((a.float().cpu() - b.float().cpu()).abs().max())


def checksum(model: Any) -> float:
    """Of the base weights, bit by bit."""
    return sum(int(p.detach().view(torch.int16).long().sum()) for p in model.parameters())


def seconds(bench: Bench, work: Callable[[], Any], rounds: int) -> float:
    """The best of ``rounds`` after one that does not count."""
    work()
    best = float("inf")
    for _ in range(rounds):
        synchronize(bench)
        started = time.perf_counter()
        work()
        synchronize(bench)
        best = min(best, time.perf_counter() - started)
    return best


def synchronize(bench: Bench) -> None:
    if bench.device.type == "cuda":
        torch.cuda.synchronize()


def reset_peak(bench: Bench) -> None:
    if bench.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def peak_memory(bench: Bench) -> float:
    if bench.device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def figure(bench: Bench, what: str) -> float | None:
    """A figure of an earlier section."""
    return next((float(row.value) for row in bench.rows if row.what == what), None)


def shown(row: Row) -> str:
    value = row.value if isinstance(row.value, str) else f"{row.value:.4g}"
    return f"{value} {row.unit}".strip()


def format_row(row: Row) -> str:
    mark = {True: "ok  ", False: "BAD ", None: "    "}[row.ok]
    return f"{mark}[{row.section}] {row.what}: {shown(row)}"


def _dense() -> Path | None:
    folders = sorted(folder for folder in DENSE.glob("*") if (folder / "config.json").is_file())
    return folders[0] if folders else None


if __name__ == "__main__":
    sys.exit(main())
