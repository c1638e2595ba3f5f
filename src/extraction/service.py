"""Resume in, entities with their places out."""

import math
import time
from collections.abc import Generator, Iterable, Iterator, Sequence

from src.caller import ANYONE, Caller
from src.errors import InputError, ModelError
from src.extraction.align import align_output
from src.extraction.events import Event, Finished, Found
from src.extraction.fields import settled
from src.extraction.grammar import build_grammar
from src.extraction.layout import View
from src.extraction.own_fields import FieldReader, check_fields
from src.extraction.people import people_of
from src.extraction.prompt import SHORT, Template, instruction_messages
from src.extraction.schema import Extraction, Span, has_words, in_order, replace_surrogates
from src.extraction.tagging import TAGS, decode_spans
from src.extraction.windows import MAX_WINDOW_CHARS, Window, split_windows
from src.models.adapters import AdapterManifest
from src.models.base import Delta, GenerationOptions, LanguageModel, MarkingModel, Queued

# Eight empty lists take about 50 tokens; a text of nothing but entities comes to about one token a
# character and two for the quotes around each value. A server may add a code fence and line breaks.
_TOKENS_BASE = 128
_TOKENS_PER_CHAR = 2
_TOKENS_CAP = 1024
# Marking is learned on sentences and short runs of them, and is best at about their length (see NOTES.md).
_MARKED_CHARS = 200
# Texts that are sorted by length and worked through together, where the adapter marks characters.
_MANY = 64


class ExtractionService:
    """Extracts the eight labels with a language model, with or without its resume adapter.

    Args:
        writer: the model that answers without the adapter; None: ``model`` itself.
        field_reader: finds fields of one's own; None: there are none.
        adapter: the name among ``model.adapters`` of the adapter trained for this; None: there is none.
        manifest: how that adapter writes; None: JSON, asked with the short prompt.
        max_chars: longest text taken, in characters.
        window_chars: longest piece given to the model at once, in characters; at most ``MAX_WINDOW_CHARS``,
            beyond which grammars of unusual texts become too large.
    """

    def __init__(
        self,
        model: LanguageModel,
        adapter: str | None = None,
        manifest: AdapterManifest | None = None,
        max_chars: int = 5000,
        window_chars: int = MAX_WINDOW_CHARS,
        writer: LanguageModel | None = None,
        field_reader: FieldReader | None = None,
    ) -> None:
        assert 0 < window_chars <= MAX_WINDOW_CHARS, window_chars
        self._model = model
        self._writer = model if writer is None else writer
        self._fields = field_reader
        self._adapter = adapter
        self._marker: MarkingModel | None = None
        if adapter and manifest and manifest.format == "labels":
            if manifest.labels != len(TAGS) or not isinstance(model, MarkingModel):
                raise ModelError(f"适配器 {adapter} 标注的不是这里的八类实体，请用 python -m src train 重新训练")
            self._marker = model
        self._template = Template(*manifest.prompt) if manifest and manifest.prompt else SHORT
        self.max_chars = max_chars
        self._window_chars = window_chars

    @property
    def has_adapter(self) -> bool:
        return self._adapter is not None

    @property
    def has_fields(self) -> bool:
        """Whether it can be asked for fields of one's own."""
        return self._fields is not None

    def base_of(self, *, adapter: bool) -> str:
        """The name of the model that answers."""
        return (self._model if adapter and self.has_adapter else self._writer).name

    def checked_fields(self, fields: Sequence[str] | None) -> tuple[str, ...]:
        """Names of fields of one's own that it can be asked for, as results have them; none for the eight labels.

        Raises:
            InputError: they cannot be used, or there is no reader.
        """
        names = check_fields(fields)
        if names and self._fields is None:
            raise InputError("这里没有阅读模型，不能抽取自定的字段；请去掉 --reader off，或不填字段")
        return names

    def extract(
        self, text: str, use_adapter: bool = True, caller: Caller = ANYONE, fields: Sequence[str] | None = None
    ) -> Extraction:
        """The whole result at once.

        Args:
            fields: names of one's own that are looked for instead of the eight labels, one span each.

        Raises:
            InputError: ``text`` is not a text, is empty or too long, or the fields cannot be used.
            ModelError: the model cannot answer.
            Stopped: ``caller.stop`` was set.
        """
        *_, last = self.extract_stream(text, use_adapter, caller, fields)
        assert isinstance(last, Finished)
        return last.extraction

    def extract_many(
        self,
        texts: Sequence[str],
        use_adapter: bool = True,
        caller: Caller = ANYONE,
        fields: Sequence[str] | None = None,
    ) -> Iterator[Extraction | InputError]:
        """One item for each text, in order: its result, or why that text cannot be used.

        Texts are worked through in batches where the model can; an item comes as soon as it is known.
        Closing the iterator frees the model.

        Raises:
            ModelError: the model cannot answer.
            Stopped: ``caller.stop`` was set.
        """
        if use_adapter and self._marker and not fields:
            yield from self._mark_many(texts, caller)
            return
        for text in texts:
            try:
                yield self.extract(text, use_adapter, caller, fields)
            except InputError as error:
                yield error

    def _mark_many(self, texts: Sequence[str], caller: Caller) -> Iterator[Extraction | InputError]:
        """Texts of one chunk share passes through the model."""
        for start in range(0, len(texts), _MANY):
            runs: list[_Run | InputError] = []
            for text in texts[start : start + _MANY]:
                try:
                    runs.append(_Run(self._checked(text)))
                except InputError as error:
                    runs.append(error)
            todo = [
                (run, window)
                for run in runs
                if isinstance(run, _Run)
                for window in self._windows(run.view.text, True)
            ]
            for _ in self._mark(todo, caller):
                pass
            for done in runs:
                yield done.result() if isinstance(done, _Run) else done

    def extract_stream(
        self, text: str, use_adapter: bool = True, caller: Caller = ANYONE, fields: Sequence[str] | None = None
    ) -> Iterator[Event]:
        """Events of one extraction, ``Finished`` last. Closing the iterator frees the model.

        Raises:
            as ``extract``; an unusable text raises at the call, before the first item is asked for.
        """
        if names := self.checked_fields(fields):
            assert self._fields is not None
            return self._read(self._fields, self._checked(text), names, caller)
        return self._stream(_Run(self._checked(text)), use_adapter, caller)

    def _read(self, reader: FieldReader, text: str, fields: Sequence[str], caller: Caller) -> Iterator[Event]:
        """Fields of one's own."""
        started = time.perf_counter()
        view = View.of(text)

        def result(spans: Iterable[Span]) -> Extraction:
            took = round(1000 * (time.perf_counter() - started), 1)
            return Extraction.of(text, map(view.original, spans), {"total": took, "model": took}, fields)

        caller.check()
        found: list[Span] = []
        for item in reader.read(view.text, fields, caller):
            if isinstance(item, Queued):
                yield item
                continue
            done, total, found = item
            yield Found(result(found), done, total)
        caller.check()
        yield Finished(result(found))

    def _stream(self, run: "_Run", use_adapter: bool, caller: Caller) -> Iterator[Event]:
        windows = self._windows(run.view.text, use_adapter)
        total = len(windows)
        yield Found(run.found(), 0, total)
        if use_adapter and self._marker:
            for done in self._mark([(run, window) for window in windows], caller):
                yield done if isinstance(done, Queued) else Found(run.found(), done, total)
        else:
            for number, window in enumerate(windows):
                for queued in self._write(window, run, use_adapter, caller):
                    yield queued or Found(run.found(window), number, total, run.raw)
                run.finish(window)
                yield Found(run.found(), number + 1, total)
        yield Finished(run.result())

    def _checked(self, text: object) -> str:
        if not isinstance(text, str):
            raise InputError(f"要抽取的内容应当是一段文字，收到的是 {type(text).__name__}")
        if not text.strip():
            raise InputError("要抽取的文字是空的，请粘贴一段简历")
        if len(text) > self.max_chars:
            raise InputError(
                f"这段文字有 {len(text)} 个字符，超过上限 {self.max_chars}；请删减，或分成几段分别抽取"
            )
        return replace_surrogates(text)

    def _windows(self, text: str, use_adapter: bool) -> list[Window]:
        """The windows worth showing to the model."""
        marked = use_adapter and self._marker is not None
        chars = min(self._window_chars, _MARKED_CHARS) if marked else self._window_chars
        return [window for window in split_windows(text, chars) if has_words(window.text)]

    def _mark(self, todo: Sequence[tuple["_Run", Window]], caller: Caller) -> Iterator[int | Queued]:
        """Put the spans of every window into its run; yields the number of windows done after each pass."""
        assert self._marker is not None
        assert self._adapter is not None
        caller.check()
        passes = self._marker.labels([window.text for _, window in todo], self._adapter, caller)
        done = 0
        started = time.perf_counter()
        try:
            for found in passes:
                if isinstance(found, Queued):
                    yield found
                    started = time.perf_counter()
                    continue
                share_s = (time.perf_counter() - started) / max(len(found), 1)
                for index, scores in found.items():
                    run, window = todo[index]
                    run.model_s += share_s
                    spans = decode_spans(window.text, scores)
                    run.add(window, (span for span in spans if _is_likely(span)))
                done += len(found)
                yield done
                started = time.perf_counter()
        finally:
            if isinstance(passes, Generator):
                passes.close()
        caller.check()

    def _write(self, window: Window, run: "_Run", use_adapter: bool, caller: Caller) -> Iterator[Queued | None]:
        """Let the model write about ``window`` into ``run.raw``; yields None after each piece."""
        adapter = self._adapter if use_adapter else None
        model = self._model if adapter else self._writer
        messages = self._template.messages(window.text) if adapter else instruction_messages(window.text)
        room = model.context_tokens - model.count_tokens(messages)
        budget = min(_TOKENS_BASE + _TOKENS_PER_CHAR * len(window.text), _TOKENS_CAP, max(room, 1))
        grammar = build_grammar(window.text) if model.supports_grammar else None
        options = GenerationOptions(max_new_tokens=budget, adapter=adapter, grammar=grammar)
        caller.check()
        pieces = model.stream(messages, options, caller)
        started = time.perf_counter()
        try:
            for piece in pieces:
                if isinstance(piece, Queued):
                    yield piece
                else:
                    run.model_s += time.perf_counter() - started
                    run.write(piece)
                    yield None
                started = time.perf_counter()
            run.model_s += time.perf_counter() - started
        finally:
            if isinstance(pieces, Generator):  # what frees the model when the reader leaves
                pieces.close()
        caller.check()


class _Run:
    """What one extraction has gathered: spans of finished windows, the raw answer about the current one.

    Windows and spans are those of ``view.text``; results are of the text as it was given.
    """

    def __init__(self, text: str) -> None:
        self.view = View.of(text)
        self.raw = ""
        # Of each piece of ``raw``: where it ends, and its log-probability.
        self._pieces: list[tuple[int, float]] = []
        self.model_s = 0.0
        self._spans: list[Span] = []
        self._started = time.perf_counter()

    def finish(self, window: Window) -> None:
        self.add(window, align_output(self.raw, window.text, self._confidence).spans)
        self.raw = ""
        self._pieces = []

    def write(self, piece: str) -> None:
        self.raw += piece
        if isinstance(piece, Delta):
            self._pieces.append((len(self.raw), piece.log_probability))

    def _confidence(self, start: int, end: int) -> float | None:
        """Probability of every choice that had a part in ``raw[start:end]``; None where the model does not say."""
        if not self._pieces:
            return None
        total, piece_start = 0.0, 0
        for piece_end, log_probability in self._pieces:
            if piece_start < end and piece_end > start:
                total += log_probability
            piece_start = piece_end
        return math.exp(total)

    def add(self, window: Window, spans: Iterable[Span]) -> None:
        self._spans += [span.moved(window.start) for span in spans]

    def found(self, current: Window | None = None) -> Extraction:
        """Everything so far, but for the people; of ``current``, the window worked on, the values that are closed."""
        spans = list(self._spans)
        if current:
            written = align_output(self.raw, current.text, self._confidence).spans
            spans += [span.moved(current.start) for span in written]
        settled_spans = settled(self.view.text, spans)
        return Extraction.of(self.view.source, map(self.view.original, settled_spans), self._timings_ms())

    def result(self) -> Extraction:
        """All of it. Who the people are is asked once, at the end."""
        spans = in_order(settled(self.view.text, self._spans))
        people = people_of(self.view, spans)
        return Extraction.of(self.view.source, map(self.view.original, spans), self._timings_ms(), people=people)

    def _timings_ms(self) -> dict[str, float]:
        total_s = time.perf_counter() - self._started
        return {"total": round(total_s * 1000, 1), "model": round(self.model_s * 1000, 1)}


def _is_likely(span: Span) -> bool:
    """More likely right than wrong. The best sequence of tags may still hold a span that most others do not."""
    return has_words(span.text) and (span.confidence is None or span.confidence >= 0.5)
