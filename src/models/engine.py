"""Inference engine: one causal language model in this process, its LoRA adapters, and a fair queue in front.

    engine = load_engine(folder, dtype="auto", threads=2, context_tokens=4096)
    engine.add_adapter("resume", adapter_folder)
    for item in engine.stream(messages, GenerationOptions()):   # Queued | Delta
    for item in engine.labels(texts, "resume"):                 # Queued | {index: scores of every character}
    for item in engine.read(passages, questions, "reader"):     # Queued | {index: readings of every question}

All three are generators: whoever closes one or sets ``caller.stop`` frees the model within one token of an answer, or
one pass over a batch. A request has the model to itself while it runs, because switching adapters in PEFT is not
thread-safe; requests wait in ``FairQueue`` and are computed on one thread (``OneThread``). Many users at once are the
business of a server (``src/models/server.py``): batching them here was tried and did not pay, see NOTES.md.

Limits: prompt and answer together ``context_tokens``; an answer ``answer_s``; the queue's are its arguments.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError

from src.caller import ANYONE, Caller
from src.errors import ModelError, YuanZhiError
from src.models.adapters import (
    AdapterManifest,
    check_weights,
    fingerprint,
    named_base,
    read_manifest,
    remove_adapters,
)
from src.models.base import Delta, GenerationOptions, Message, Queued, Reading
from src.models.fair_queue import FairQueue, too_slow
from src.models.generate import Step, TextStream, generate
from src.models.grammar import GrammarConstraint, grammar_tokenizer
from src.models.loading import load_model
from src.models.one_thread import OneThread
from src.models.prompts import ChatTemplateFormat, PromptFormat
from src.models.reading import HEAD_FILE, Packed, PointerHead, Read, ReaderEncoder, load_head, read
from src.models.tagging import (
    BATCH_TOKENS,
    CPU_BATCH_TOKENS,
    Echo,
    EchoEncoder,
    batches,
    label_log_probabilities,
)
from src.yuan import YuanForCausalLM, YuanPromptFormat
from src.yuan.cpu import pack
from src.yuan.graphs import GraphDecoder

log = logging.getLogger(__name__)

Row = TypeVar("Row")
Result = TypeVar("Result")


def load_engine(path: Path, *, dtype: str, threads: int, context_tokens: int, spread: bool = True) -> "Engine":
    """Load the checkpoint in folder ``path`` onto the GPU if there is one (with ``spread`` several), else the CPU.

    Raises:
        ModelError: the folder holds no model, or it does not fit into memory.
    """
    loaded = load_model(path, dtype=dtype, threads=threads, spread=spread)
    limit = getattr(loaded.model.config, "max_position_embeddings", context_tokens)
    make_format = YuanPromptFormat if isinstance(loaded.model, YuanForCausalLM) else ChatTemplateFormat
    return Engine(
        name=loaded.name,
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        prompt_format=make_format(loaded.tokenizer),
        context_tokens=min(context_tokens, limit),
        path=path,
    )


@dataclass
class Engine:
    """One model; ``LanguageModel``, ``MarkingModel`` and ``ReadingModel`` of ``src/models/base.py``.

    Args:
        path: folder of its weights, by which adapters are checked.
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
    queue: FairQueue = field(default_factory=FairQueue)
    answer_s: float = 300.0

    def __post_init__(self) -> None:
        self._graphs: GraphDecoder | None = None
        self._graphs_free = threading.Lock()
        self.run_on(OneThread("model"))
        self.manifests: dict[str, AdapterManifest] = {}
        self.reader_encoder = ReaderEncoder(self._tokenize)
        self._encoders: dict[str, EchoEncoder] = {}
        self._heads: dict[str, PointerHead] = {}
        self._grammar_tokenizer: Any = None
        ends = self.model.generation_config.eos_token_id
        ends = [self.tokenizer.eos_token_id] if ends is None else ends
        self._end_tokens = frozenset([ends] if isinstance(ends, int) else ends)

    def run_on(self, gpu: Callable[[Any], Any]) -> None:
        """Compute through ``gpu(function)`` from now on: on ZeroGPU that is ``spaces.GPU``, whose worker is another
        process, so all that passes through (token ids, options, arrays) is picklable and the queue stays outside."""
        self._graphs = None  # they would stay behind in this process
        self._generate, self._tag, self._point = map(gpu, (self._run_generate, self._run_tag, self._run_read))

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

    # What services ask for: generators that wait for their turn, then compute.

    def stream(
        self, messages: Sequence[Message], options: GenerationOptions, caller: Caller = ANYONE
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
        with self.queue.enter(caller.user) as ticket:
            yield from map(Queued, self.queue.wait(ticket, caller.stop))
            if not self.queue.runs(ticket):
                return
            ends_at = time.monotonic() + self.answer_s
            with _failures(), closing(self._generate(prompt, options)) as steps:
                for step in steps:
                    if caller.stopped:
                        return
                    if time.monotonic() > ends_at:
                        raise too_slow(self.answer_s)
                    yield Delta(text.push(step.tokens), step.log_probability)
            yield Delta(text.finish())

    def labels(
        self, texts: Sequence[str], adapter: str, caller: Caller = ANYONE
    ) -> Iterator[dict[int, np.ndarray] | Queued]:
        if adapter not in self._encoders:
            raise ModelError(f"没有载入名为 {adapter} 的标注适配器")
        echoes = [self._encoders[adapter](text) for text in texts]
        yield from self._in_batches(echoes, lambda some: self._tag(some, adapter), caller)

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
        for found in self._in_batches(rows, lambda some: self._point(some, adapter), caller):
            if isinstance(found, Queued):
                yield found
            else:
                yield {i: [one.calibrated(calibration) for one in row] for i, row in found.items()}

    def _in_batches(
        self,
        rows: Sequence[Row],
        compute: Callable[[list[Row]], Generator[list[Result], None, None]],
        caller: Caller,
    ) -> Iterator[dict[int, Result] | Queued]:
        """Results of ``rows`` by their index, a batch a pass; every pass waits for a turn of its own, so that a long
        list lets others in between."""
        room = CPU_BATCH_TOKENS if self.model.device.type == "cpu" else BATCH_TOKENS
        for number, chosen in enumerate(batches([len(row.ids) for row in rows], room)):  # type: ignore[attr-defined]
            with self.queue.enter(caller.user, again=number > 0) as ticket:
                yield from map(Queued, self.queue.wait(ticket, caller.stop))
                if not self.queue.runs(ticket):
                    return
                with _failures(), closing(compute([rows[i] for i in chosen])) as passes:
                    for found in passes:
                        if caller.stopped:
                            return
                        yield dict(zip(chosen, found, strict=True))

    # What computes, with the model to itself: token ids and options in, numbers out.

    def _run_generate(self, prompt: list[int], options: GenerationOptions) -> Generator[Step, None, None]:
        constraint = None
        if options.grammar is not None:
            constraint = GrammarConstraint(self._llguidance_tokenizer(), options.grammar)
        with self._adapter(options.adapter), self._cached(options.adapter) as cached:
            yield from generate(
                self.model,
                prompt,
                cached=cached,
                end_tokens=self._end_tokens,
                max_new_tokens=options.max_new_tokens,
                temperature=options.temperature,
                constraint=constraint,
            )

    def _run_tag(self, echoes: list[Echo], adapter: str) -> Generator[list[np.ndarray], None, None]:
        with self._adapter(adapter):
            scores = label_log_probabilities(self.model, echoes, self._encoders[adapter].letters)
        yield [rows.numpy() for rows in scores]

    def _run_read(self, rows: list[Packed], adapter: str) -> Generator[list[list[Read]], None, None]:
        with self._adapter(adapter):
            found = read(self.model, self._heads[adapter], rows, self.manifests[adapter].depth)
        yield found

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

    # Adapters and tokenizers.

    def add_adapter(self, name: str, path: Path) -> None:
        """Load a LoRA adapter beside the base weights; the base model stays as it was, whatever the folder holds.

        Raises:
            ModelError: the folder holds no adapter, a damaged one, or one that was trained on another base.
        """
        if not (path / "adapter_config.json").is_file():
            raise ModelError(f"{path} 里没有 LoRA 适配器（缺少 adapter_config.json）")
        manifest = read_manifest(path)
        if manifest is None:
            log.warning(
                "适配器 %s 没有 yuanzhi.json：核对不了它的基座（%s）和写法，当作会写 JSON", path, named_base(path)
            )
        elif self.path and manifest.fingerprint != fingerprint(self.path):
            same_name = "（同名，但权重不同）" if manifest.base == self.name else ""
            raise ModelError(
                f"适配器 {path} 是在 {manifest.base} 上训练的，现在的模型是 {self.name}{same_name}："
                "请换成那个模型，或用 python -m src train 在现在的模型上训练一个"
            )
        head = None
        if manifest and manifest.format == "spans":
            head = load_head(path / HEAD_FILE, self.model.config.hidden_size, self.model.device)
        self.model = self._with_adapter(name, path)
        self.adapters = (*self.adapters, name)
        if manifest:
            self.describe_adapter(name, manifest)
        if head:
            self._heads[name] = head

    def _with_adapter(self, name: str, path: Path) -> Any:
        from peft import PeftModel  # noqa: PLC0415 (slow import, only with an adapter)

        model = self.model
        try:
            if self.adapters:
                model.load_adapter(str(path), adapter_name=name)
            else:
                model = PeftModel.from_pretrained(model, str(path), adapter_name=name)
            check_weights(model, path, name)
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
            else:
                remove_adapters(self.model)
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"适配器 {path} 读不懂，或与模型 {self.name} 不匹配：{reason}") from error
        return model.eval()

    def describe_adapter(self, name: str, manifest: AdapterManifest) -> None:
        """Keep how a loaded adapter writes."""
        self.manifests[name] = manifest
        if manifest.format == "labels":
            self._encoders[name] = EchoEncoder(self.prompt_format.encode, manifest.labels)

    def _tokenize(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        encoding = self.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def _llguidance_tokenizer(self) -> Any:
        if self._grammar_tokenizer is None:
            self._grammar_tokenizer = grammar_tokenizer(self.tokenizer, self.model.config.vocab_size)
        return self._grammar_tokenizer


@contextmanager
def _failures() -> Iterator[None]:
    """What goes wrong while computing, in words for a visitor; the rest is in the log."""
    try:
        yield
    except YuanZhiError:
        raise
    except Exception as error:  # torch raises whatever its kernels do
        log.exception("语言模型出错")
        raise ModelError(
            f"语言模型出错了（{type(error).__name__}）：请再问一次；总是这样就请站长查看日志"
        ) from error
