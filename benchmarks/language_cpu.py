"""Compare the ways to run one small language model on a CPU, each in its own process.

python -m benchmarks.language_cpu --model DIR [--gguf FILE] [--openvino FILE] [--ways bf16,int8] [--threads 2]

Prints one Markdown table.  "agreement" is the share of equal most likely next tokens and the mean
KL divergence (nats) against fp32 over a Chinese text: half of it in one pass, half token by token.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.peer_linears import Int4Weight, Int8Weight
from src.models.int8 import quantize_language_model
from src.models.loading import load_model

PASSAGE = (
    "南湖图书馆位于校园东区，一九八六年建成，二〇一四年完成改造，总面积三万二千平方米，设阅览座位两千六百个。"
    "馆内共有六层：一层是总服务台、还书机和新书展示区；二层是中文社会科学书库；三层是中文自然科学书库；"
    "四层是外文书库和期刊阅览室；五层是古籍部和特藏室，只接待预约读者；六层是研讨间和多媒体教室。"
    "本科生每人最多可借图书二十册，借期三十天，可以续借一次；研究生和教师最多可借四十册，借期六十天，可以续借两次。"
    "逾期归还的图书每册每天收取一角滞纳金，遗失图书须按原价的三倍赔偿。开放时间为每天早上七点半到晚上十点半，"
    "寒暑假期间改为上午九点到下午五点，国家法定节假日闭馆。研讨间需要提前一天在网上预约，每次最多使用三小时，"
    "超过十五分钟没有签到的预约会自动取消，一个月内累计三次的读者将被暂停预约资格两周。"
)
TEXT = (
    "春天来得比往年早一些。河边的柳树刚刚抽出嫩芽，孩子们就脱下厚厚的棉衣，跑到田野里去放风筝。"
    "老人坐在门口晒太阳，一边修理去年用坏的竹篮，一边讲着从前的故事。他说，那时候村里没有公路，"
    "到县城要走整整一天，人们把粮食和布匹挑在肩上，翻过三座山，才能换回盐和火柴。后来修了铁路，"
    "年轻人开始到城市里工作，村子慢慢安静下来，只有过年的时候才重新热闹。现在情况又有了变化："
    "网络通了，果园里的桃子和茶叶可以卖到很远的地方，一些人回到家乡，把旧房子改造成客栈，"
    "接待周末来看花的客人。科学家认为，气温升高让植物开花的时间平均提前了五天，这对农业既是机会也是风险，"
    "因为一次突然的寒潮就可能毁掉全部收成。因此，准确的天气预报和合理的保险制度同样重要。"
)
FREE = f"背景：{PASSAGE}\n问题：请你写一篇短文，谈谈怎样改进这座图书馆的服务。"
COPY = f"背景：{PASSAGE}\n问题：介绍一下南湖图书馆\n请基于背景，回答问题。"
HALF = 150


def swap_linears(model: Any, make: Callable[[nn.Linear], nn.Module]) -> Any:
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, make(child))
    return model


def dense(args: argparse.Namespace, dtype: torch.dtype, folder: Path | None = None) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder or args.model, dtype=dtype).eval()


def compiled(model: Any) -> Any:
    model.forward = torch.compile(model.forward, dynamic=True)
    return model


def torchao(model: Any, config: str) -> Any:
    import torchao.quantization as ao

    model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone(), False)
    ao.quantize_(model, getattr(ao, config)())
    return model


def packed_gguf(args: argparse.Namespace) -> Any:
    from transformers import AutoModelForCausalLM

    if importlib.util.find_spec("kernels") is None:
        raise ImportError("kernels (whose CPU kernel is fetched from the hub)")
    gguf = Path(args.gguf)
    return AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32).eval()


def dynamic(model: Any) -> Any:
    from torch.ao.quantization import quantize_dynamic

    return quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8, inplace=True)


WAYS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "fp32": lambda a: dense(a, torch.float32),
    "bf16": lambda a: dense(a, torch.bfloat16),
    "bf16-untied": lambda a: dense(a, torch.bfloat16, a.untied),
    "int8-split": lambda a: quantize_language_model(dense(a, torch.bfloat16)),
    # As the app loads it, tokenizer included; a second run finds the quantised weights in the cache.
    "int8-cached": lambda a: load_model(a.model, dtype="int8", threads=a.threads, spread=False).model,
    "quantize_dynamic": lambda a: dynamic(dense(a, torch.float32)),
    "int8pack": lambda a: swap_linears(dense(a, torch.bfloat16), Int8Weight),
    "int8pack+bf16": lambda a: swap_linears(dense(a, torch.bfloat16), lambda linear: Int8Weight(linear, True)),
    "int4pack": lambda a: swap_linears(dense(a, torch.bfloat16), Int4Weight),
    "torchao-int8wo": lambda a: torchao(dense(a, torch.bfloat16), "Int8WeightOnlyConfig"),
    "torchao-int8dyn": lambda a: torchao(dense(a, torch.bfloat16), "Int8DynamicActivationInt8WeightConfig"),
    "bf16-compile": lambda a: compiled(dense(a, torch.bfloat16)),
    "int8pack-compile": lambda a: compiled(swap_linears(dense(a, torch.bfloat16), Int8Weight)),
    "gguf-packed": packed_gguf,
}


class Clock:
    """A streamer that keeps when each token came."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, int]] = []

    def put(self, value: torch.Tensor) -> None:
        self.seen.append((time.perf_counter(), value.numel()))

    def end(self) -> None:
        pass


def timed(model: Any, ids: torch.Tensor, count: int, **more: Any) -> tuple[float, float, list[int]]:
    clock, start = Clock(), time.perf_counter()
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=count,
        streamer=clock,
        **more,
    )
    first, last = clock.seen[1], clock.seen[-1]
    tokens = out.shape[1] - ids.shape[1] - first[1]
    return first[0] - start, tokens / max(last[0] - first[0], 1e-9), out[0, ids.shape[1] :].tolist()


def compare(model: Any, ids: torch.Tensor, reference: Path) -> dict[str, float]:
    out = model(ids[:, :HALF], use_cache=True)
    parts, cache = [out.logits[0]], out.past_key_values
    for i in range(HALF, ids.shape[1]):
        out = model(ids[:, i : i + 1], past_key_values=cache, use_cache=True)
        parts.append(out.logits[0])
    ours = torch.cat([part.float() for part in parts]).log_softmax(-1)
    if not reference.exists():
        torch.save(ours, reference)
        return {"top1": 1.0, "kl": 0.0}
    theirs = torch.load(reference)
    kl = (theirs.exp() * (theirs - ours)).sum(-1)
    same = (theirs.argmax(-1) == ours.argmax(-1)).float()
    return {"top1": float(same.mean()), "kl": float(kl.mean()), "kl_pass": float(kl[:HALF].mean())}


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def prompts(args: argparse.Namespace) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(args.model)
    free, copy = (
        tokenizer.apply_chat_template(
            [{"role": "user", "content": text}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )["input_ids"]
        for text in (FREE, COPY)
    )
    return free, copy, tokenizer(TEXT, return_tensors="pt").input_ids[:, : 2 * HALF]


@torch.inference_mode()
def measure(way: str, args: argparse.Namespace, reference: Path) -> dict[str, Any]:
    free, copy, text = prompts(args)
    start = time.perf_counter()
    model = WAYS[way](args)
    result: dict[str, Any] = {"load": time.perf_counter() - start}
    start = time.perf_counter()
    timed(model, free, 4)
    result["warm"] = time.perf_counter() - start
    runs = [timed(model, free, args.tokens, min_new_tokens=args.tokens) for _ in range(args.runs)]
    result["ttft"], result["decode"] = min(r[0] for r in runs), max(r[1] for r in runs)
    plain = timed(model, copy, 64)
    found = timed(model, copy, 64, prompt_lookup_num_tokens=args.lookup)
    result |= {"copy": plain[1], "lookup": found[1], "same": plain[2] == found[2]}
    result["rss"] = peak()
    return result | compare(model, text, reference)


Complete = Callable[[dict[str, Any]], dict[str, Any]]


def measure_llama(args: argparse.Namespace, reference: Path) -> dict[str, Any]:
    """llama.cpp as a wheel."""
    import xllamacpp

    start = time.perf_counter()
    params = xllamacpp.CommonParams()
    params.model.path = str(args.gguf)
    params.n_ctx, params.n_parallel, params.warmup, params.verbosity = 2048, 1, True, -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = args.threads
    server = xllamacpp.Server(params)
    result = {"load": time.perf_counter() - start, "warm": 0.0}
    result |= ask_llama(args, reference, server.handle_completions)
    return result | {"rss": peak()}


def measure_llama_server(args: argparse.Namespace, reference: Path) -> dict[str, Any]:
    """llama.cpp's server, built from source for this processor."""
    import httpx
    import psutil

    start = time.perf_counter()
    address = "http://127.0.0.1:8099"
    command = [str(args.llama_server), "-m", str(args.gguf), "-c", "2048", "-np", "1", "-t", str(args.threads)]
    process = subprocess.Popen([*command, "--port", "8099"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=address, timeout=300, trust_env=False) as client:
            while process.poll() is None:
                try:
                    if client.get("/health").is_success:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(0.02)
            result = {"load": time.perf_counter() - start, "warm": 0.0}
            result |= ask_llama(args, reference, lambda body: client.post("/v1/completions", json=body).json())
            return result | {"rss": psutil.Process(process.pid).memory_info().rss >> 20}
    finally:
        process.terminate()
        process.wait()


def ask_llama(args: argparse.Namespace, reference: Path, complete: Complete) -> dict[str, Any]:
    free, copy, text = prompts(args)
    result: dict[str, Any] = {}

    def ask(ids: list[int], count: int, cached: bool = False) -> dict[str, Any]:
        body = {"prompt": ids, "n_predict": count, "temperature": 0.0, "logprobs": 1}
        return complete(body | {"cache_prompt": cached})

    runs = [ask(free[0].tolist(), args.tokens)["timings"] for _ in range(args.runs + 1)]
    result["ttft"] = min(r["prompt_ms"] for r in runs) / 1000
    result["decode"] = max(r["predicted_per_second"] for r in runs)
    result["copy"] = ask(copy[0].tolist(), 64)["timings"]["predicted_per_second"]
    ids, best = text[0].tolist(), torch.load(reference).argmax(-1).tolist()
    answers = (ask(ids[: i + 1], 1, cached=True)["choices"][0] for i in range(len(ids)))
    same = [a["logprobs"]["content"][0]["id"] == b for a, b in zip(answers, best, strict=True)]
    return result | {"top1": sum(same) / len(same)}


def measure_openvino(args: argparse.Namespace, reference: Path) -> dict[str, Any]:
    """OpenVINO GenAI reads no Q5_0, which the published Q4_K_M file of this model holds: give it a Q8_0 file."""
    import openvino
    import openvino_genai

    free, copy, text = prompts(args)
    start = time.perf_counter()
    pipeline = openvino_genai.LLMPipeline(str(args.openvino), "CPU", INFERENCE_NUM_THREADS=args.threads)
    result: dict[str, Any] = {"load": time.perf_counter() - start, "warm": 0.0}

    def ask(ids: torch.Tensor, count: int, **more: Any) -> Any:
        return pipeline.generate(openvino.Tensor(ids.numpy()), max_new_tokens=count, do_sample=False, **more)

    # Another beginning each time: what it has read before costs nothing.
    runs = [ask(free[:, skip:], args.tokens, min_new_tokens=args.tokens).perf_metrics for skip in range(args.runs)]
    result["ttft"] = min(run.get_ttft().mean for run in runs) / 1000
    result["decode"] = max(1000 / run.get_tpot().mean for run in runs)
    result["copy"] = 1000 / ask(copy, 64).perf_metrics.get_tpot().mean
    result["rss"] = peak()
    best = torch.load(reference).argmax(-1).tolist()
    same = [ask(text[:, : i + 1], 1, ignore_eos=True).tokens[0][0] == best[i] for i in range(text.shape[1])]
    return result | {"top1": sum(same) / len(same)}


def line(way: str, r: dict[str, Any]) -> str:
    lookup = f"{r['lookup']:.1f}{'' if r['same'] else ' (text differs)'}" if "lookup" in r else "-"
    agreement = f"{r['top1']:.1%}" + (f", KL {r['kl']:.4f}" if "kl" in r else "")
    cells = [f"{r['load']:.1f}", f"{r['warm']:.1f}", f"{r['rss']}", f"{r['ttft']:.2f}"]
    cells += [f"{r['decode']:.1f}", f"{r['copy']:.1f}", lookup, agreement]
    return f"| {' | '.join([way, *cells])} |"


PEERS = {"llama.cpp": measure_llama, "llama-server": measure_llama_server, "openvino": measure_openvino}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--openvino", type=Path, help="a GGUF file with Q8_0 or Q4_0 only")
    parser.add_argument("--llama-server", type=Path, help="the program, built from source (NOTES.md says how)")
    parser.add_argument("--untied", type=Path)
    parser.add_argument("--ways", default=",".join([*WAYS, *PEERS]))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--lookup", type=int, default=6)
    parser.add_argument("--limit", type=float, default=420.0, help="seconds for one way")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        warnings.filterwarnings("ignore")
        torch.set_num_threads(args.threads)
        way, reference = args.one[0], Path(args.one[1])
        found = PEERS[way](args, reference) if way in PEERS else measure(way, args, reference)
        print("RESULT " + json.dumps(found))
        return
    ways = args.ways.split(",")
    rows, skipped = [], []
    quiet: dict[str, Any] = {"capture_output": True, "text": True}
    with tempfile.TemporaryDirectory() as folder:
        for way in ["fp32", *(w for w in ways if w != "fp32")]:
            needs = {
                "bf16-untied": args.untied,
                "gguf-packed": args.gguf,
                "llama.cpp": args.gguf,
                "llama-server": args.llama_server and args.gguf,
                "openvino": args.openvino,
            }
            if way in needs and needs[way] is None:
                skipped.append(f"{way}: its file was not given")
                continue
            command = [
                sys.executable,
                "-m",
                "benchmarks.language_cpu",
                *sys.argv[1:],
                "--one",
                way,
                f"{folder}/reference.pt",
            ]
            try:
                limit = None if way == "fp32" else args.limit  # the others need its answers
                run = subprocess.run(command, check=False, timeout=limit, **quiet)
            except subprocess.TimeoutExpired:
                skipped.append(f"{way}: took more than {args.limit:.0f} s")
                continue
            answers = [x[7:] for x in run.stdout.splitlines() if x.startswith("RESULT ")]
            if answers:
                rows.append(line(way, json.loads(answers[0])))
                print(rows[-1], answers[0], file=sys.stderr, flush=True)
            else:
                tail = run.stderr.strip().splitlines() or [f"exit {run.returncode}"]
                skipped.append(f"{way}: {tail[-1][:200]}")
                print(skipped[-1], file=sys.stderr, flush=True)
    print("| way | load s | first call s | peak RSS MB | TTFT s | decode tok/s | copying tok/s", end="")
    print(" | copying with lookup tok/s | agreement |\n|---|" + "---:|" * 7 + "---|")
    print("\n".join([*rows, "", *(f"Skipped {reason}." for reason in skipped)]))


if __name__ == "__main__":
    main()
