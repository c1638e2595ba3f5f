"""Yuan2-2B at full size with random bf16 weights, beside what the released code does on the same tensors.

``python -m benchmarks.yuan2`` prints a Markdown table; on CUDA the same command runs there. Memory: 4.2 GB, on
a CPU twice that, because the yardstick keeps the plain matrices while ours are packed. Run it alone.
"""

import argparse
import gc
import platform
import resource
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache, LogitsProcessor, LogitsProcessorList

from benchmarks.yuan2_released import Released
from src.yuan import YuanConfig, YuanForCausalLM
from src.yuan.cpu import can_pack, pack

PROMPT_TOKENS = 512
BATCHES = (1, 4, 16)
COPIED_TOKENS = 48


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--layers", type=int, default=YuanConfig().num_hidden_layers)
    parser.add_argument("--tokens", type=int, default=12, help="decoded per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-pack", action="store_true", help="leave the matrices as they are")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)

    model = random_model(YuanConfig(num_hidden_layers=options.layers, reset_attention_mask=True), options.device)
    read = sum(p.numel() * p.element_size() for p in model.parameters())
    released = Released(model)
    packed = not options.no_pack and pack(model)
    print(
        f"{platform.processor() or platform.machine()}, {options.device}, {options.threads} threads, torch "
        f"{torch.__version__}, {read / 1e9:.2f} GB of weights read per token, packed: {packed}\n",
        flush=True,
    )
    print("| | released code, plain | here | ratio |\n|---|---|---|---|", flush=True)

    prompt = torch.randint(
        100, model.config.vocab_size - 5000, (max(BATCHES), PROMPT_TOKENS), device=options.device
    )
    agree(model, released, prompt[:1, :64])
    report(
        "prefill 512, tok/s",
        PROMPT_TOKENS,
        options.rounds,
        lambda: released(prompt[:1]),
        lambda: model(prompt[:1], use_cache=True, logits_to_keep=1),
    )
    bound = 0.0
    for batch in BATCHES:
        theirs, ours = decoders(
            model, released, prompt[:batch, : PROMPT_TOKENS if batch == 1 else 64], options.tokens
        )
        bound = max(bound, bandwidth(options.device))
        speed = report(f"decode, batch {batch}, tok/s", options.tokens * batch, options.rounds, theirs, ours)
        bound = max(bound, bandwidth(options.device))
        if batch == 1:
            print(f"| matrix-vector bandwidth, GB/s | | {bound / 1e9:.1f} | |")
            print(f"| decode against that bound | | {speed * read / bound:.0%} | |", flush=True)
    lookup(model, prompt[:1, :PROMPT_TOKENS])
    if options.device == "cpu":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"| peak memory of the process, GB | | {peak:.1f} | |")
    else:
        print(f"| peak device memory, GB | | {torch.cuda.max_memory_allocated() / 1e9:.1f} | |")


def random_model(config: YuanConfig, device: str) -> YuanForCausalLM:
    """bf16 weights made in place, without a copy in another precision."""
    with torch.device("meta"):
        model = YuanForCausalLM(config).to(torch.bfloat16)
    model = model.to_empty(device=device).eval()
    model.tie_weights()
    block = torch.randn(1 << 20, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16).to(device)
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            parameter.fill_(1)
            continue
        flat, scale = parameter.view(-1), 0.02
        for start in range(0, flat.numel(), block.numel()):
            piece = flat[start : start + block.numel()]
            piece.copy_(block[: piece.numel()]).mul_(scale)
    gc.collect()
    return model


def agree(model: YuanForCausalLM, released: Released, ids: Tensor) -> None:
    """The two compute the same model; otherwise their speeds say nothing."""
    theirs, past = released(ids)
    cache = DynamicCache(config=model.config)
    ours = model(ids, past_key_values=cache).logits.float()
    step = ids[:, :1]
    later = (released(step, past)[0], model(step, past_key_values=cache).logits.float())
    for a, b in ((theirs, ours), later):
        error = float((a - b).pow(2).mean().sqrt() / a.std())
        print(f"| relative difference of scores | | {error:.1e} | |", flush=True)
        assert error < 0.1, "not the same model"


def decoders(
    model: YuanForCausalLM, released: Released, prompt: Tensor, tokens: int
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Greedy decoding of ``tokens`` tokens behind ``prompt``, both ways; the prompt is not part of it."""
    _, past = released(prompt[:, :PROMPT_TOKENS])
    cache = DynamicCache(config=model.config)
    model(prompt, past_key_values=cache, logits_to_keep=1)
    first = prompt[:, -1:]

    def theirs() -> None:
        step, state = first, past
        for _ in range(tokens):
            scores, state = released(step, state)
            step = scores[:, -1:].argmax(-1)
        _wait(step)

    def ours() -> None:
        step = first
        for _ in range(tokens):
            step = model(step, past_key_values=cache, logits_to_keep=1).logits.argmax(-1)
        _wait(step)

    return theirs, ours


def bandwidth(device: str) -> float:
    """Bytes a second of the fastest bf16 matrix-vector product there is here, over 0.5 GB of matrices."""
    matrices = [torch.full((8192, 2048), 0.5, dtype=torch.bfloat16, device=device) for _ in range(16)]
    ways: list[Callable[[Tensor, Tensor], Tensor]] = [F.linear]
    size = sum(m.numel() * 2 for m in matrices)
    x = torch.ones((1, 2048), dtype=torch.bfloat16, device=device)
    best = min(seconds(lambda way=way: [way(x, m) for m in matrices]) for way in ways for _ in range(4))
    if device == "cpu" and can_pack(torch.bfloat16):
        packed = [torch.ops.mkldnn._reorder_linear_weight(m, 1) for m in matrices]
        del matrices
        product = torch.ops.mkldnn._linear_pointwise
        best = min(
            best, *(seconds(lambda: [product(x, m, None, "none", [], "") for m in packed]) for _ in range(8))
        )
    return size / best


class Copying(LogitsProcessor):
    """Makes the model answer with a given text, as it does when it quotes its context."""

    def __init__(self, answer: Tensor, start: int) -> None:
        self.answer, self.start = answer, start

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        place = input_ids.shape[1] - self.start
        forced = torch.full_like(scores, -torch.inf)
        forced[:, self.answer[min(place, len(self.answer) - 1)]] = 0
        return forced


def lookup(model: YuanForCausalLM, prompt: Tensor) -> None:
    """An answer that copies from the prompt, with and without prompt lookup."""
    processors = LogitsProcessorList([Copying(prompt[0, 100 : 100 + COPIED_TOKENS], prompt.shape[1])])
    prompt = torch.cat((prompt[:, :-2], prompt[:, 98:100]), dim=1)  # ends with what stands before the quotation
    times, answers = [], []
    for extra in ({}, {"prompt_lookup_num_tokens": 10}):
        cost = []
        for tokens in (1, COPIED_TOKENS):
            start = time.perf_counter()
            answers.append(
                model.generate(
                    prompt,
                    attention_mask=torch.ones_like(prompt),
                    max_new_tokens=tokens,
                    do_sample=False,
                    eos_token_id=None,
                    logits_processor=processors,
                    **extra,
                )
            )
            cost.append(time.perf_counter() - start)
        times.append((COPIED_TOKENS - 1) / (cost[1] - cost[0]))
    assert torch.equal(answers[1], answers[3])
    print(
        f"| copying answer, tok/s without and with prompt lookup | {times[0]:.2f} | {times[1]:.2f} | "
        f"{times[1] / times[0]:.2f} |",
        flush=True,
    )


def report(what: str, tokens: int, rounds: int, theirs: Callable[[], object], ours: Callable[[], object]) -> float:
    """Best of ``rounds``, taken in turns so that a busy moment hits both; prints a row and returns our tok/s."""
    ours()
    a, b = [], []
    for _ in range(rounds):
        a.append(seconds(theirs))
        b.append(seconds(ours))
    print(f"| {what} | {tokens / min(a):.2f} | {tokens / min(b):.2f} | {min(a) / min(b):.2f} |", flush=True)
    return tokens / min(b)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _wait(step: Tensor) -> None:
    step.cpu()


if __name__ == "__main__":
    main()
