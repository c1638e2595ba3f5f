"""A causal language model in this process, through transformers."""

import json
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from src.caller import ANYONE, Caller
from src.errors import ModelError
from src.models.adapters import MANIFEST_FILE, AdapterManifest, fingerprint, read_manifest
from src.models.base import GenerationOptions, Message, Piece, Queued, Reading
from src.models.cards import place
from src.models.decode import Step, decode
from src.models.detokenize import TextStream
from src.models.formats import ChatTemplateFormat, PromptFormat
from src.models.gguf import FINGERPRINT_FILE
from src.models.grammar import GrammarConstraint, grammar_tokenizer
from src.models.int8 import is_fast, quantize_language_model
from src.models.packed import can_pack
from src.models.reading import HEAD_FILE, Packed, PointerHead, Read, ReaderEncoder, load_head, read
from src.models.tagging import Echo, EchoEncoder, batches, label_log_probabilities
from src.models.together import Together
from src.models.turns import Turns, too_slow
from src.yuan import YuanConfig, YuanForCausalLM, YuanPromptFormat, load_tokenizer, register
from src.yuan.cpu import pack
from src.yuan.graphs import GraphDecoder

log = logging.getLogger(__name__)

TokenStream = Callable[[list[int], GenerationOptions], Generator[Step, None, None]]
LabelStream = Callable[[list[Echo], str], Generator[list[np.ndarray], None, None]]
ReadStream = Callable[[list[Packed], str], Generator[list[list[Read]], None, None]]


@dataclass
class LocalModel:
    """One model, of which users have turns. Plain answers share passes where the model can; with an adapter (their
    switching in PEFT is not thread-safe) or a grammar each has the model to itself.

    ``gpu`` wraps the function that computes; on ZeroGPU it is ``spaces.GPU``, so everything that passes through it
    (token ids, options) is picklable and the turns stay outside.

    Args:
        answer_s: how long one answer may be computed.
    """

    name: str
    model: Any
    tokenizer: Any
    prompt_format: PromptFormat
    context_tokens: int
    adapters: tuple[str, ...] = ()
    supports_grammar: bool = True
    path: Path | None = None
    turns: Turns = field(default_factory=lambda: Turns(places=4))
    answer_s: float = 300.0

    def __post_init__(self) -> None:
        self._shares = can_pack(self.model)
        self._tokens: TokenStream = self._compute
        self._labels: LabelStream = self._compute_labels
        self._read: ReadStream = self._compute_read
        self._encoders: dict[str, EchoEncoder] = {}
        self.reader_encoder = ReaderEncoder(self._tokenize)
        self._heads: dict[str, PointerHead] = {}
        self.manifests: dict[str, AdapterManifest] = {}
        self._grammar_tokenizer: Any = None
        ends = self.model.generation_config.eos_token_id
        ends = [self.tokenizer.eos_token_id] if ends is None else ends
        self._end_tokens = frozenset([ends] if isinstance(ends, int) else ends)
        self._together = Together(self._base_model, self._end_tokens)
        self._graphs: GraphDecoder | None = None
        self._graphs_free = threading.Lock()

    def run_on(self, gpu: Callable[[Any], Any]) -> None:
        """Compute through ``gpu(function)`` from now on, one answer at a time."""
        self._shares = False
        self._graphs = None  # they would stay behind in this process
        self._tokens = gpu(self._compute)
        self._labels = gpu(self._compute_labels)
        self._read = gpu(self._compute_read)

    def pack(self) -> None:
        """Lay out Yuan2's matrices for fast inference on a CPU; after adapters are loaded, and for good."""
        base = self.model.get_base_model() if self.adapters else self.model
        if isinstance(base, YuanForCausalLM):
            pack(base)

    def use_graphs(self) -> int:
        """Decode Yuan2 in fixed memory from now on, on CUDA as graphs; call it once the weights lie where they stay.

        Returns:
            The bytes that this holds; 0 where it cannot be used: another model, several cards, no memory left.
        """
        base = self.model.get_base_model() if self.adapters else self.model
        if not isinstance(base, YuanForCausalLM) or len({p.device for p in base.parameters()}) > 1:
            return 0
        try:
            with self._adapter(None):
                graphs = GraphDecoder(base, self.context_tokens)
                graphs.warm_up()
        except torch.OutOfMemoryError:
            log.warning("显存不够放下最长对话的键值：回答照常，只是慢一些；--context-tokens 小一点就放得下")
            return 0
        self._graphs = graphs
        return graphs.bytes

    def warm_up(self) -> None:
        """Build llguidance's view of the tokenizer, which takes a second."""
        self._llguidance_tokenizer()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(self.prompt_format(messages))

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions,
        caller: Caller = ANYONE,
    ) -> Iterator[str | Queued]:
        prompt = self.prompt_format(messages)
        if len(prompt) + options.max_new_tokens > self.context_tokens:
            raise ModelError(
                f"提示词有 {len(prompt)} 个 token，加上回答的 {options.max_new_tokens} 个超出模型的"
                f" {self.context_tokens} 个：请缩短输入"
            )
        if options.adapter is not None and options.adapter not in self.adapters:
            raise ModelError(f"没有载入名为 {options.adapter} 的适配器；已载入：{', '.join(self.adapters) or '无'}")
        text = TextStream(self.tokenizer.backend_tokenizer)
        shared = self._shares and options.adapter is None and options.grammar is None
        compute = self._together.answer if shared else self._tokens
        with self.turns.enter(caller.user, shared=shared) as ticket:
            for ahead in self.turns.wait(ticket, caller.stop):
                yield Queued(ahead)
            if not self.turns.has(ticket):
                return
            ends_at = time.monotonic() + self.answer_s
            with closing(compute(prompt, options)) as steps:
                for step in steps:
                    if caller.stopped:
                        return
                    if time.monotonic() > ends_at:
                        raise too_slow(self.answer_s)
                    yield Piece(text.push(step.tokens), step.log_probability)
            yield Piece(text.finish())

    def labels(
        self, texts: Sequence[str], adapter: str, caller: Caller = ANYONE
    ) -> Iterator[dict[int, np.ndarray] | Queued]:
        if adapter not in self._encoders:
            raise ModelError(f"没有载入名为 {adapter} 的标注适配器")
        encoder = self._encoders[adapter]
        echoes = [encoder(text) for text in texts]
        for number, chosen in enumerate(batches([len(echo.ids) for echo in echoes])):
            with self.turns.enter(caller.user, again=number > 0) as ticket:
                for ahead in self.turns.wait(ticket, caller.stop):
                    yield Queued(ahead)
                if not self.turns.has(ticket):
                    return
                with closing(self._labels([echoes[i] for i in chosen], adapter)) as passes:
                    for found in passes:
                        if caller.stopped:
                            return
                        yield dict(zip(chosen, found, strict=True))

    def read(
        self,
        passages: Sequence[tuple[str, str]],
        questions: Sequence[str],
        adapter: str,
        caller: Caller = ANYONE,
    ) -> Iterator[dict[int, list[Reading]] | Queued]:
        if adapter not in self._heads:
            raise ModelError(f"没有载入名为 {adapter} 的阅读适配器")
        calibration = self.manifests[adapter].calibration
        rows = [self.reader_encoder(title, passage, questions) for title, passage in passages]
        for number, chosen in enumerate(batches([len(row.ids) for row in rows])):
            with self.turns.enter(caller.user, again=number > 0) as ticket:
                for ahead in self.turns.wait(ticket, caller.stop):
                    yield Queued(ahead)
                if not self.turns.has(ticket):
                    return
                with closing(self._read([rows[i] for i in chosen], adapter)) as passes:
                    for found in passes:
                        if caller.stopped:
                            return
                        yield {
                            i: [one.calibrated(calibration) for one in row]
                            for i, row in zip(chosen, found, strict=True)
                        }

    def _tokenize(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        encoding = self.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def _compute_read(self, rows: list[Packed], adapter: str) -> Generator[list[list[Read]], None, None]:
        with self._adapter(adapter):
            found = read(self.model, self._heads[adapter], rows, self.manifests[adapter].depth)
        yield found

    def _compute(self, prompt: list[int], options: GenerationOptions) -> Generator[Step, None, None]:
        constraint = None
        if options.grammar is not None:
            constraint = GrammarConstraint(self._llguidance_tokenizer(), options.grammar)
        with self._adapter(options.adapter), self._cached(options.adapter) as cached:
            yield from decode(
                self.model,
                prompt,
                cached=cached,
                end_tokens=self._end_tokens,
                max_new_tokens=options.max_new_tokens,
                temperature=options.temperature,
                constraint=constraint,
            )

    def _compute_labels(self, echoes: list[Echo], adapter: str) -> Generator[list[np.ndarray], None, None]:
        with self._adapter(adapter):
            scores = label_log_probabilities(self.model, echoes, self._encoders[adapter].letters)
        yield [rows.numpy() for rows in scores]

    def _llguidance_tokenizer(self) -> Any:
        if self._grammar_tokenizer is None:
            self._grammar_tokenizer = grammar_tokenizer(self.tokenizer, self.model.config.vocab_size)
        return self._grammar_tokenizer

    @contextmanager
    def _adapter(self, name: str | None) -> Iterator[None]:
        if not self.adapters:
            yield
        elif name is None:
            with self.model.disable_adapter():
                yield
        else:
            self.model.set_adapter(name)
            yield

    @contextmanager
    def _cached(self, adapter: str | None) -> Iterator[GraphDecoder | None]:
        """Fixed memory for an answer of the base model, if there is some and nobody uses it."""
        graphs = self._graphs if adapter is None else None
        if graphs is None or not self._graphs_free.acquire(blocking=False):
            yield None
            return
        try:
            graphs.reset()
            yield graphs
        finally:
            self._graphs_free.release()

    @contextmanager
    def _base_model(self) -> Iterator[Any]:
        with self._adapter(None):
            yield self.model

    def add_adapter(self, name: str, path: Path) -> None:
        """Load a LoRA adapter beside the base weights; the base model stays as it was.

        Raises:
            ModelError: the folder holds no adapter, or one that was trained on another base.
        """
        from peft import PeftModel  # noqa: PLC0415 (slow import, only with an adapter)

        if not (path / "adapter_config.json").is_file():
            raise ModelError(f"{path} 里没有 LoRA 适配器（缺少 adapter_config.json）")
        manifest = read_manifest(path)
        if manifest and self.path and manifest.fingerprint != fingerprint(self.path):
            same_name = "（同名，但权重不同）" if manifest.base == self.name else ""
            raise ModelError(
                f"适配器 {path} 是在 {manifest.base} 上训练的，现在的模型是 {self.name}{same_name}："
                "请换成那个模型，或用 python -m src train 在现在的模型上训练一个"
            )
        head = None
        if manifest and manifest.format == "spans":
            head = load_head(path / HEAD_FILE, self.model.config.hidden_size, self.model.device)
        if manifest is None:
            log.warning(
                "适配器 %s 没有 %s：核对不了它的基座（%s）和写法，当作会写 JSON",
                path,
                MANIFEST_FILE,
                _base_named(path),
            )
        model = self.model
        try:
            if self.adapters:
                model.load_adapter(str(path), adapter_name=name)
            else:
                model = PeftModel.from_pretrained(model, str(path), adapter_name=name)
            _check_weights(model, path, name)
        except (
            ValueError,
            RuntimeError,
            OSError,
            LookupError,
            TypeError,
            AttributeError,
            SafetensorError,
        ) as error:
            # What was half loaded must not answer.
            if self.adapters:
                with suppress(ValueError, KeyError):
                    model.delete_adapter(name)
            elif isinstance(model, PeftModel):
                self.model = model.unload()
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"适配器 {path} 读不懂，或与模型 {self.name} 不匹配：{reason}") from error
        self.model = model.eval()
        self.adapters = (*self.adapters, name)
        if manifest:
            self.describe_adapter(name, manifest)
        if head:
            self._heads[name] = head

    def describe_adapter(self, name: str, manifest: AdapterManifest) -> None:
        """Say how a loaded adapter writes."""
        self.manifests[name] = manifest
        if manifest.format == "labels":
            self._encoders[name] = EchoEncoder(self.prompt_format.encode, manifest.labels)


def _base_named(path: Path) -> str:
    """The base that PEFT's configuration names."""
    try:
        config = json.loads((path / "adapter_config.json").read_text(encoding="utf-8"))
        return str(config.get("base_model_name_or_path") or "没有写")
    except (OSError, ValueError, AttributeError):
        return "没有写"


def _check_weights(model: Any, path: Path, name: str) -> None:
    """PEFT takes a file that lacks the adapter's matrices or has others, and only warns; they would be random."""
    from peft import get_peft_model_state_dict  # noqa: PLC0415 (slow import, only with an adapter)

    file = path / "adapter_model.safetensors"
    if file.is_file():
        with safe_open(file, "pt") as given:
            stored = set(given.keys())
        if stored != set(get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)):
            raise ValueError("其中的矩阵与配置说的不是同一些")


def load_local(path: Path, *, dtype: str, threads: int, context_tokens: int, spread: bool = True) -> LocalModel:
    """Load the checkpoint in folder ``path`` onto the GPU if there is one (with ``spread`` several), else the CPU.

    Yuan2 runs on our own model code; no checkpoint's code is ever run.

    Raises:
        ModelError: the folder holds no model, or it does not fit into memory.
    """
    if not (path / "config.json").is_file():
        raise ModelError(f"{path} 不是模型目录（缺少 config.json）。请用 --llm 指向一个完整的模型目录或 .gguf 文件")
    torch.set_num_threads(threads)
    transformers_logging.disable_progress_bar()  # a second of loading needs none
    yuan = _model_type(path) == YuanConfig.model_type
    device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = best_dtype(device, int8=not yuan) if dtype == "auto" else dtype
    if chosen == "int8" and (yuan or device != "cpu"):
        raise ModelError("int8 只用于 CPU 上的内置模型一类：这里请用 --dtype bfloat16、float16 或 float32")
    try:
        if device == "cpu":
            _check_memory(path, 4 if chosen == "float32" else 2)
        else:
            device = place(_stored_bytes(path) * (4 if chosen == "float32" else 2) // 2, spread=spread)
        if yuan:
            register()
            tokenizer = load_tokenizer(path)
        else:
            tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
        model = _load_model(path, chosen, device)
    except (OSError, ValueError, KeyError, RuntimeError, MemoryError, SafetensorError, ModelError) as error:
        reason = " ".join(str(error).split())[:400]
        kind = "" if isinstance(error, ModelError) else f"{type(error).__name__} "
        raise ModelError(f"载入模型 {path} 失败：{kind}{reason}") from error
    limit = getattr(model.config, "max_position_embeddings", context_tokens)
    if device != "cpu" and dtype == "auto" and chosen == "float16":
        log.warning("显卡 %s 不会算 bfloat16，改用 float16：Yuan2 没有在这种卡上试过", torch.cuda.get_device_name())
    return LocalModel(
        name=_display_name(path, str(getattr(model.config, "name_or_path", "") or path.name)),
        model=model,
        tokenizer=tokenizer,
        prompt_format=YuanPromptFormat(tokenizer) if yuan else ChatTemplateFormat(tokenizer),
        context_tokens=min(context_tokens, limit),
        path=path,
    )


def _load_model(path: Path, dtype: str, device: str) -> Any:
    stored = torch.bfloat16 if dtype == "int8" else getattr(torch, dtype)
    several = device == "auto"
    placed = {"device_map": "auto"} if several else {}
    model, report = AutoModelForCausalLM.from_pretrained(
        path, dtype=stored, output_loading_info=True, trust_remote_code=False, **placed
    )
    # transformers fills what is missing with random numbers and only warns.
    if lacking := [*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])]:
        raise ValueError(f"{len(lacking)} 个张量缺失或形状不符，例如 {lacking[0]}")
    if not several:
        model = model.to(device)
    return quantize_language_model(model) if dtype == "int8" else model.eval()


def _model_type(path: Path) -> str:
    try:
        return str(json.loads((path / "config.json").read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path / 'config.json'} 读不懂：应为模型的配置 JSON，请重新下载") from error


def _check_memory(path: Path, bytes_per_weight: int) -> None:
    """Raises ModelError when the weights alone would not fit: better a line now than a killed process later."""
    needed = _stored_bytes(path) * bytes_per_weight // 2
    available = psutil.virtual_memory().available
    if needed > available:
        raise ModelError(
            f"内存不够：权重约需 {needed / 1e9:.1f} GB，可用 {available / 1e9:.1f} GB。"
            "可以关掉别的程序、用 --dtype bfloat16，或用 --profile embedded 换成小模型"
        )


def _stored_bytes(path: Path) -> int:
    """The size of the weights; checkpoints of this size hold 16-bit numbers."""
    return sum(file.stat().st_size for kind in ("*.safetensors", "*.bin") for file in path.glob(kind))


def _display_name(path: Path, fallback: str) -> str:
    source = path / FINGERPRINT_FILE
    if source.is_file():
        return str(Path(json.loads(source.read_text(encoding="utf-8"))["file"]).stem)
    return Path(fallback).name


def best_dtype(device: str, *, int8: bool = True) -> str:
    """The fastest dtype that this machine computes natively; see NOTES.md for the measurements."""
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if int8 and is_fast():
        return "int8"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if native else "float32"
