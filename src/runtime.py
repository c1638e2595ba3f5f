"""Loads every part once and wires them; the only place that knows which implementation is used."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from tqdm import tqdm

from src.chat.prompt import POINTED, Prompt, prompt_for
from src.chat.reader import Reader
from src.chat.service import MIN_ANSWERABLE, ChatService
from src.errors import ModelError, SettingsError, WeightsError
from src.extraction.own_fields import FieldReader
from src.extraction.service import ExtractionService
from src.ingest.limits import PAGE_LIMITS
from src.ingest.worker import ParserPool
from src.models.adapters import AdapterManifest
from src.models.base import GenerationOptions, LanguageModel
from src.models.embedders.base import Embedder
from src.models.inventory import Footprint, Part, files_of, footprint_of, table
from src.search.base import Base
from src.search.indexing import Changed, open_base
from src.search.knowledge_base import KnowledgeBase
from src.search.own import OwnDocuments
from src.search.score import LinearReranker, Reranker
from src.search.search import Retriever
from src.search.source_page import SourcePages
from src.search.types import Collection
from src.settings import ROOT, Settings
from src.weights import BGE, EMBEDDED_LLM, EMBEDDED_LLM_WHEELS, YUAN2, Repository, Weights

if TYPE_CHECKING:
    from src.models.engine import Engine
    from src.search.cross_encoder import CrossEncoder

log = logging.getLogger(__name__)

RESUME_ADAPTER, READER_ADAPTER = "resume", "reader"
SHIPPED_ADAPTER = ROOT / "examples" / "adapters" / "resume-qwen2.5-coder-0.5b"
SHIPPED_READER = ROOT / "examples" / "adapters" / "reader-qwen2.5-coder-0.5b"
# A passage that answers with less than this probability is taken for none; see NOTES.md for how it was chosen.
MIN_SCORE = 0.15


class Runtime:
    """Everything the three ways in share. Parts are made when first used; ``load`` makes them all."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.weights = Weights(settings.cache_dir, settings.hub_timeout_s)
        self.parts: list[Part] = []

    def load(self) -> None:
        """Load models and index now, so that the first visitor does not wait for them."""
        started = time.perf_counter()
        # What is missing is said before an index is built, which may take an hour.
        if self.settings.llm_url:
            _ = self.model
        else:
            self.llm_path()
        aside = [self._load_embedder, self._load_index]
        if self._embedder_choice != "use" or self.settings.reranker is not None:
            # transformers imports its parts when they are asked for, and fails where two threads ask at once.
            aside.pop(0)()
        with ThreadPoolExecutor(1) as pool:
            # On the core that loading the language model leaves free.
            searching = pool.submit(lambda: [load() for load in aside])
            _ = self.model
            searching.result()
        if on_zero_gpu():
            self.model.warm_up()  # its worker processes would each prepare it again
        _ = self.chat, self.extraction
        if self.reader is None:
            log.warning("没有阅读模型：资料是否回答了问题，只按检索的相关度判断")
        log.info("准备好了，用时 %.1f 秒\n%s", time.perf_counter() - started, table(self.parts))

    def _load_embedder(self) -> None:
        started = time.perf_counter()
        footprint = getattr(self.embedder, "footprint", None)  # a fake one has none
        if footprint is not None:
            self._note("向量模型", self.embedder.name, footprint(), started)
        if self.settings.reranker is not None:
            started = time.perf_counter()
            self._note("重排模型", self.settings.reranker, cast("CrossEncoder", self.reranker).footprint(), started)

    def _load_index(self) -> None:
        started = time.perf_counter()
        size = self.base.stats().get("bytes", 0) if self.is_local else 0
        self.retriever.search("源知", top_k=1)  # whatever is built at the first search
        held = f"{self.base.size} 段，{self.settings.vector_store.partition(':')[0]}"
        self._note("知识库", held, Footprint("", "", size), started)

    def _note(self, what: str, source: str | Path, footprint: Footprint, started: float) -> None:
        """A row of the table that is logged at the end."""
        self.parts.append(Part(what, str(source), footprint, time.perf_counter() - started))

    @cached_property
    def profile(self) -> Literal["yuan", "embedded"]:
        if self.settings.profile != "auto":
            return self.settings.profile
        return "yuan" if has_gpu() else "embedded"

    @cached_property
    def model(self) -> LanguageModel:
        settings = self.settings
        if settings.llm_url:
            from src.models.server import ServerModel  # noqa: PLC0415 (only the chosen implementation)

            key = settings.llm_api_key.get_secret_value() if settings.llm_api_key else None
            started = time.perf_counter()
            server = ServerModel(settings.llm_url, settings.llm_model, key, settings.context_tokens)
            self._note("语言模型", f"{server.name}（OpenAI 兼容服务）", Footprint("", "", 0), started)
            return server
        model = self._load_engine("语言模型", self.llm_path(), settings.dtype)
        if settings.adapter:
            self._add_adapter(model, RESUME_ADAPTER, Path(settings.adapter).expanduser())
        elif self._is_small:
            self._add_shipped_adapter(model)
        if self._is_small:
            self._add_reader(model)
        model.pack()
        if on_zero_gpu():
            model.run_on(_gpu_decorator())
        elif has_gpu():
            started = time.perf_counter()
            if held := model.use_graphs():
                self._note("CUDA graph", "逐个 token 的一步", Footprint("cuda", "", held), started)
        return model

    def _load_engine(self, what: str, path: Path, dtype: str) -> "Engine":
        from src.models.engine import load_engine  # noqa: PLC0415 (only the chosen implementation)

        started = time.perf_counter()
        settings = self.settings
        model = load_engine(path, dtype=dtype, threads=settings.threads, context_tokens=settings.context_tokens)
        self._note(what, path, footprint_of(model.model), started)
        return model

    def _add_adapter(self, model: "Engine", name: str, path: Path) -> None:
        started = time.perf_counter()
        model.add_adapter(name, path)
        self._note(f"适配器 {name}", path, Footprint(str(model.model.device), "", files_of(path)), started)

    def _add_shipped_adapter(self, model: "Engine") -> None:
        try:
            if SHIPPED_ADAPTER.is_dir():
                self._add_adapter(model, RESUME_ADAPTER, SHIPPED_ADAPTER)
        except ModelError as error:
            # Another build of the same model: everything else works all the same.
            log.warning("自带的简历适配器没有载入：%s", error)

    @property
    def _is_small(self) -> bool:
        """Whether the chat model is the small one that the adapters that come with us were trained on."""
        return self.profile == "embedded" and not self.settings.llm and not self.settings.llm_url

    def _add_reader(self, model: "Engine") -> None:
        given = self.settings.reader
        if given == "off":
            return
        try:
            if given is not None:
                self._add_adapter(model, READER_ADAPTER, Path(given).expanduser())
            elif SHIPPED_READER.is_dir():
                self._add_adapter(model, READER_ADAPTER, SHIPPED_READER)
        except ModelError as error:
            if given is not None:
                raise
            log.warning("自带的阅读适配器没有载入：%s", error)

    @cached_property
    def small_model(self) -> "Engine | None":
        """The small model with its adapters: the chat model itself, or one beside it; None where it cannot be had or is
        not needed."""
        if self._is_small:
            return cast("Engine", self.model)
        if self.settings.reader == "off" and self.settings.adapter:
            return None
        from src.models.gguf import dense_checkpoint  # noqa: PLC0415 (only beside another chat model)

        settings = self.settings
        try:
            path = dense_checkpoint(self.weights.find(EMBEDDED_LLM, EMBEDDED_LLM_WHEELS), settings.cache_dir)
            model = self._load_engine("小模型", path, "auto")
            if not settings.adapter:
                self._add_shipped_adapter(model)
            self._add_reader(model)
        except (ModelError, WeightsError) as error:
            if settings.reader not in (None, "off"):
                raise
            log.warning("阅读和抽取用的小模型没有载入：%s", error)
            return None
        if on_zero_gpu():
            model.run_on(_gpu_decorator())
        return model

    @cached_property
    def reader(self) -> Reader | None:
        """Decides whether passages answer; None without its adapter."""
        model = self.small_model
        if model is None or READER_ADAPTER not in model.adapters:
            return None
        return Reader(model, READER_ADAPTER, at_once=16 if has_gpu() else 1)

    def trainable_model(self) -> "Engine":
        """The language model as it was trained, dense and without adapters; a new one at every call.

        Raises:
            SettingsError: the language model is a server.
        """
        import torch  # noqa: PLC0415 (slow import)

        from src.models.engine import load_engine  # noqa: PLC0415
        from src.models.loading import best_dtype  # noqa: PLC0415

        if self.settings.llm_url:
            raise SettingsError("--llm-url 上的模型不能在这里训练；请用 --llm 指定本地模型，或不填")
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))  # one process a GPU under torchrun
        dtype: str = self.settings.dtype
        if dtype == "auto":
            dtype = best_dtype("cuda" if torch.cuda.is_available() else "cpu", int8=False)
        if dtype == "int8":
            raise SettingsError("--dtype int8 的模型不能训练；请用 auto、bfloat16 或 float32")
        settings = self.settings
        return load_engine(
            self.llm_path(),
            dtype=dtype,
            threads=settings.threads,
            context_tokens=settings.context_tokens,
            spread=False,
        )

    def llm_path(self) -> Path:
        llm = self.settings.llm
        if llm is None and self.profile == "yuan":
            if not has_gpu():
                log.warning("没有 GPU：Yuan2-2B 在 CPU 上能跑，但很慢；--profile embedded 会快得多")
            return self.weights.find(YUAN2)
        if llm is None:
            path = self.weights.find(EMBEDDED_LLM, EMBEDDED_LLM_WHEELS)
        else:
            path = self._local_or_hub(llm, "--llm")
        if path.suffix == ".gguf":
            from src.models.gguf import dense_checkpoint  # noqa: PLC0415 (only for a GGUF)

            return dense_checkpoint(path, self.settings.cache_dir)
        return path

    def _local_or_hub(self, name: str, option: str) -> Path:
        path = Path(name).expanduser()
        if path.exists():
            return path
        if name.count("/") == 1 and not name.startswith((".", "/", "~")):
            return self.weights.find(Repository(name, name))
        raise ModelError(f"{option} 指向的 {name} 不存在：应为本地目录、文件，或模型站上的“作者/模型”")

    @property
    def _embedder_choice(self) -> str:
        return self.settings.embedder or ("bge" if self.profile == "yuan" else "use")

    @cached_property
    def embedder(self) -> Embedder:
        choice = self._embedder_choice
        if choice == "use":
            from src.models.embedders.use import UniversalSentenceEncoder  # noqa: PLC0415 (only the chosen one)

            return UniversalSentenceEncoder(threads=self.settings.threads)
        from src.models.embedders.bge import BgeEmbedder  # noqa: PLC0415 (only the chosen one)

        path = self.weights.find(BGE) if choice == "bge" else self._local_or_hub(choice, "--embedder")
        # ZeroGPU lends its GPU to generation only.
        on_gpu = has_gpu() and not on_zero_gpu()
        return BgeEmbedder(path, device="cuda" if on_gpu else "cpu", threads=self.settings.threads)

    @cached_property
    def base(self) -> Base:
        return self.open_base()

    def open_base(self, *, rebuild: bool = False, changed: Changed | None = None) -> Base:
        """The knowledge base, up to date with its files; long work shows a progress bar."""
        settings = self.settings
        bar_style: dict[str, Any] = {"unit": "B", "unit_scale": True, "unit_divisor": 1024}
        with tqdm(desc="建立索引", disable=None, delay=1.0, **bar_style) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            options: dict[str, Any] = {"workers": settings.threads, "progress": progress, "rebuild": rebuild}
            options["changed"] = changed
            if settings.vector_store == "faiss":
                cache = self.weights.cache_dir / "index"
                return open_base(settings.knowledge, self.embedder, cache, **options)
            from src.search.milvus import open_milvus  # noqa: PLC0415 (only the chosen implementation)

            token = settings.vector_store_token.get_secret_value() if settings.vector_store_token else None
            return open_milvus(settings.vector_store, token, settings.knowledge, self.embedder, **options)

    @property
    def local_base(self) -> KnowledgeBase:
        """The knowledge base where its chunks can be looked into; ``is_local`` says whether they can."""
        assert isinstance(self.base, KnowledgeBase)
        return self.base

    @property
    def is_local(self) -> bool:
        return isinstance(self.base, KnowledgeBase)

    @cached_property
    def retriever(self) -> Retriever:
        return Retriever(self.base, self.embedder, reranker=self.reranker)

    @cached_property
    def reranker(self) -> Reranker:
        if self.settings.reranker is None:
            return LinearReranker()
        from src.search.cross_encoder import CrossEncoder  # noqa: PLC0415 (only when asked for)

        path = self._local_or_hub(self.settings.reranker, "--reranker")
        on_gpu = has_gpu() and not on_zero_gpu()
        return CrossEncoder(path, device="cuda" if on_gpu else "cpu", threads=self.settings.threads)

    def own_documents(self) -> OwnDocuments:
        """A place for one session's files."""
        return OwnDocuments(self.embedder, self.parser)

    @cached_property
    def parser(self) -> ParserPool:
        """Reads what visitors send."""
        return ParserPool(workers=2)

    @cached_property
    def pages(self) -> SourcePages:
        """Shows the pages of sources, in processes of their own: a long upload must not keep a page waiting."""
        return SourcePages(ParserPool(workers=2, limits=PAGE_LIMITS))

    @property
    def prompt(self) -> Prompt:
        """How the model is asked with passages, which its name decides; a server says what it runs."""
        return POINTED if self._is_small else prompt_for(self.model.name)

    @property
    def threshold(self) -> float:
        """The probability below which the chat does not answer: the reader's, or without one the search's."""
        return MIN_SCORE if self.reader is None else MIN_ANSWERABLE

    @cached_property
    def chat(self) -> ChatService:
        return self._chat(self.retriever)

    def chat_over(self, collection: Collection) -> ChatService:
        """The same chat with other knowledge."""
        return self._chat(Retriever(collection, self.embedder, reranker=self.reranker))

    def _chat(self, retriever: Retriever) -> ChatService:
        return ChatService(
            self.model,
            retriever,
            min_score=MIN_SCORE,
            max_new_tokens=self.settings.max_new_tokens,
            prompt=self.prompt,
            reader=self.reader,
        )

    @cached_property
    def extraction(self) -> ExtractionService:
        """By the resume adapter: one given for the chat model, else that of the small model; without one the chat model
        writes the answer."""
        model, small = self.model, self.small_model
        if RESUME_ADAPTER not in model.adapters and small is not None:
            model = small
        adapter = RESUME_ADAPTER if RESUME_ADAPTER in model.adapters else None
        manifests: Mapping[str, AdapterManifest] = getattr(model, "manifests", {})  # a server has none
        reads = small is not None and READER_ADAPTER in small.adapters
        fields = FieldReader(cast("Engine", small), READER_ADAPTER) if reads else None
        return ExtractionService(
            model, adapter, manifests.get(RESUME_ADAPTER), writer=self.model, field_reader=fields
        )


def has_gpu() -> bool:
    """Whether CUDA is there (on ZeroGPU it is said to be)."""
    import torch  # noqa: PLC0415 (slow import that an explicit profile does not need)

    return bool(torch.cuda.is_available())


def on_zero_gpu() -> bool:
    """Whether this is a ZeroGPU Space: the card is there only inside what ``spaces.GPU`` wraps, in a forked process."""
    return bool(os.environ.get("SPACES_ZERO_GPU"))


def _gpu_decorator() -> Callable[[Any], Any]:
    """``spaces.GPU``, which does nothing off ZeroGPU, or the identity where the package is missing."""
    try:
        from spaces import GPU  # noqa: PLC0415 (optional off Spaces)
    except ImportError:
        return lambda function: function
    return cast(Callable[[Any], Any], GPU(duration=_gpu_seconds))


def _gpu_seconds(_: list[Any], options: GenerationOptions | str) -> int:
    """How long to ask ZeroGPU for: visitors have a small daily allowance and pay for what is asked."""
    return 10 + options.max_new_tokens // 20 if isinstance(options, GenerationOptions) else 10
