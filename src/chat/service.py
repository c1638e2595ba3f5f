"""RAG chat: standalone question -> retrieve -> read -> prompt -> stream -> support of each sentence, as events."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from src.caller import ANYONE, Caller
from src.chat.asides import Asides
from src.chat.clock import Clock
from src.chat.conflicts import conflicts_of
from src.chat.events import Delta, Event, Finished, Quoted, Read, Replaced, Retrieved, Rewritten, Supported
from src.chat.lookup import Lookup
from src.chat.prompt import COURSE, Prompt, build_messages
from src.chat.question_english import is_latin
from src.chat.question_kinds import is_polar
from src.chat.quote import best_sentence
from src.chat.reader import Reader, brief, decide, quoted, read_as, repeats, says
from src.chat.sides import asks_each, compared, sides
from src.chat.support import support_of
from src.chat.types import Quote, Span, Support
from src.chat.writing import written
from src.errors import InputError
from src.ingest.clean import clean
from src.models.base import GenerationOptions, LanguageModel, Message
from src.search.search import Retriever, check_top_k
from src.search.types import Collection, Hit

MAX_MESSAGE_CHARS = 2000
MAX_HISTORY_TURNS = 100
MAX_TOP_K = 20
# A passage whose odds to answer are a smaller share of the best one's is shown but not given to the model. Odds, because
# probabilities crowd together near 1.
KEEP_ODDS = 0.1
# Chosen on CMRC's trial questions and the dev half of our look-alikes for at most one wrong refusal in 25 (NOTES.md).
MIN_ANSWERABLE = 0.1
# Beside the passage that answers, one that answers this probably is given to the model too.
MIN_READ = 0.5

# Of things that are compared and of which the reader finds nothing, the best passage of each is quoted if the search is so sure.
MIN_SIDE = 0.4

Side = Literal["without", "with"]


@dataclass(frozen=True)
class ChatOptions:
    """Settings of one question.

    Attributes:
        use_knowledge: search first; without, the model answers by itself from the conversation.
        follow_up: turn a message that refers back into a question that stands alone.
        top_k: how many passages at most.
        min_score: below this probability to answer, of the reader where one reads, nothing is answered; None: the
            service's own thresholds.
    """

    use_knowledge: bool = True
    follow_up: bool = True
    top_k: int = 4
    min_score: float | None = None


class ChatService:
    """Answers questions; holds no conversation: history comes with every call.

    Args:
        min_score: when the search gives no passage at least this probability, nothing relevant was found.
        reader: decides whether the passages answer a question that asks for words of them; None: the search does.
        min_answerable: the reader's least probability.
        max_new_tokens: longest answer.
        prompt: how this model is asked with passages.
    """

    def __init__(
        self,
        model: LanguageModel,
        retriever: Retriever,
        *,
        min_score: float,
        max_new_tokens: int,
        prompt: Prompt = COURSE,
        reader: Reader | None = None,
        min_answerable: float = MIN_ANSWERABLE,
    ) -> None:
        self._model = model
        self._retriever = retriever
        self._min_score = min_score
        self._reader = reader
        self._min_answerable = min_answerable
        self._prompt = prompt
        self._options = GenerationOptions(max_new_tokens=max_new_tokens)
        self._asides = Asides(model, retriever, self._options, prompt, self._similarity)

    def ask(
        self,
        message: str,
        history: Sequence[Message] = (),
        caller: Caller = ANYONE,
        options: ChatOptions = ChatOptions(),
        extra: Collection | None = None,
    ) -> Generator[Event, None, None]:
        """Events of one question; the last is ``Finished`` unless ``caller.stop`` was set.

        ``extra`` is the asker's own documents, searched together with the knowledge base.

        Raises:
            InputError: the message is empty or too long, or ``top_k`` is out of range.
            ModelError: the model cannot answer.
        """
        asked = check_message(message)
        top_k = check_top_k(options.top_k, MAX_TOP_K)
        clock = Clock()
        if not options.use_knowledge:
            messages = build_messages(self._model, asked, (), history, self._options.max_new_tokens, self._prompt)
            yield from self._written(messages, _Found(asked), caller, clock)
            return
        if aside := self._asides.recognise(asked, history, extra):
            yield from self._asides.answer(aside, history, caller)
            return
        threshold, lookup = self._topic_threshold(options), Lookup(self._retriever, top_k, extra)
        question, hits = lookup.of(asked, history if options.follow_up else (), threshold)
        if question != asked:
            yield Rewritten(question)
        if things := compared(question):
            yield from self._compared(question, things, lookup, options, caller, clock)
            return
        yield Retrieved(hits, clock.lap("retrieve"))
        found: _Found | None = None
        if self._reader is not None and (asked_of := read_as(question, hits)):
            evidence = yield from self._reader.read(asked_of, hits, caller)
            if caller.stopped:
                return
            decision, hits = decide(question, evidence, self._least(options)), evidence.hits
            span = evidence.span if decision == "span" else None
            yield Read(hits, span, evidence.answerable, clock.lap("read"))
            if decision == "refuse":
                yield Finished(refused=True, timings_ms=clock.timings_ms)
                return
            if span is not None:
                found = _Found(question, hits, _that_answer(hits, span), span, quoted(span, hits))
        if found is None:
            relevant = worth_reading(hits, threshold)
            if not relevant:
                yield Finished(refused=True, timings_ms=clock.timings_ms)
                return
            quote = best_sentence(question, relevant, lookup.suits)
            found = _Found(question, hits, relevant, None, quote)
        if found.quote is not None:
            yield Quoted(found.quote)
        limit = self._options.max_new_tokens
        messages = build_messages(self._model, question, found.relevant, (), limit, self._prompt, found.quote)
        yield from self._written(messages, found, caller, clock)

    def _written(
        self, messages: Sequence[Message], found: "_Found", caller: Caller, clock: Clock
    ) -> Generator[Event, None, None]:
        """The model's answer, put right where it does not say what was read, and its support."""
        text = yield from written(self._model, messages, self._options, caller, clock)
        if caller.stopped:
            return
        span, quote = found.span, found.quote
        if quote is not None and span is None and repeats(text, found.question):
            text = quote.text
            yield Replaced(text)
        # Words in another script cannot be compared with the passage's.
        if (
            quote is not None
            and span is not None
            and not says(text, span)
            and is_latin(text) <= is_latin(quote.text)
        ):
            text = brief(quote, span)
            yield Replaced(text)
        support = self._support(text, found)
        # A yes or no that nothing bears out gives way to what is written.
        may_be_wrong = quote is not None and is_polar(found.question) and is_latin(text) <= is_latin(quote.text)
        if quote is not None and may_be_wrong and not any(sentence.rank for sentence in support):
            text = quote.text
            yield Replaced(text)
            support = self._support(text, found)
        yield from self._finished(support, found, clock)

    def _support(self, text: str, found: "_Found") -> tuple[Support, ...]:
        variants = self._retriever.lexicon.variants
        return support_of(text, found.hits, found.question, self._similarity, variants, found.span)

    def _finished(
        self, support: tuple[Support, ...], found: "_Found", clock: Clock
    ) -> Generator[Event, None, None]:
        clock.lap("total")
        if found.hits:
            yield Supported(support, conflicts_of(found.question, found.hits, found.quote))
        yield Finished(timings_ms=clock.timings_ms)

    def _compared(
        self,
        question: str,
        things: Sequence[str],
        lookup: Lookup,
        options: ChatOptions,
        caller: Caller,
        clock: Clock,
    ) -> Generator[Event, None, None]:
        """Each thing has its own search. Where a few words answer for each, the answer is what the passages say, side by
        side: a small model gives one's figure to the other. Otherwise the model writes, with the best passage of each."""
        asked = sides(question, things)
        hits, places = lookup.of_each(things, asked)
        yield Retrieved(hits, clock.lap("retrieve"))
        best, threshold = [hits[ranks[0] - 1] for ranks in places if ranks], self._topic_threshold(options)
        unique = list(dict.fromkeys(hit for hit in best if hit.score >= threshold))
        if unique and (
            self._reader is None or any(side == thing for side, thing in zip(asked, things, strict=True))
        ):
            limit = self._options.max_new_tokens
            messages = build_messages(self._model, question, unique, (), limit, self._prompt)
            yield from self._written(messages, _Found(question, hits, unique), caller, clock)
            return
        if not unique or self._reader is None:
            yield Finished(refused=True, timings_ms=clock.timings_ms)
            return
        lines, relevant, answerable = [], [], []
        for thing, side, ranks in zip(things, asked, places, strict=True):
            evidence = yield from self._reader.read(side, [hits[rank - 1] for rank in ranks], caller)
            if caller.stopped:
                return
            hits = tuple(next((new for new in evidence.hits if new.rank == hit.rank), hit) for hit in hits)
            answerable.append(evidence.answerable)
            if evidence.span is None or evidence.answerable < self._least(options):
                lines.append(f"{thing}：资料里没有写。")
                continue
            relevant.append(hits[evidence.span.rank - 1])
            lines.append(f"{thing}：{quoted(evidence.span, hits).text}")
        sure = options.min_score is None and len(best) == len(things) and all(hit.score >= MIN_SIDE for hit in best)
        if sure and not relevant and not asks_each(question):
            # 谁年纪大, where years of birth are told: what comes nearest of each, word for word.
            nearest = [best_sentence(side, [hit], lookup.suits) for side, hit in zip(asked, best, strict=True)]
            lines = [f"{thing}：{quote.text}" for thing, quote in zip(things, nearest, strict=True) if quote]
            relevant = best
        yield Read(hits, None, min(answerable), clock.lap("read"))
        if not relevant:
            yield Finished(refused=True, timings_ms=clock.timings_ms)
            return
        clock.first("first_token")
        yield Delta("\n\n".join(lines))
        found = _Found(question, hits)
        yield from self._finished(self._support("\n\n".join(lines), found), found, clock)

    def compare(
        self, message: str, caller: Caller = ANYONE, top_k: int = 4, extra: Collection | None = None
    ) -> Generator[tuple[Side, Event], None, None]:
        """Events of both answers, first those without knowledge, then those with it.

        Raises:
            as ``ask``.
        """
        for side, use in (("without", False), ("with", True)):
            options = ChatOptions(use_knowledge=use, top_k=top_k)
            for event in self.ask(message, (), caller, options, extra if use else None):
                yield cast(Side, side), event
            if caller.stopped:
                return

    def _topic_threshold(self, options: ChatOptions) -> float:
        """The search's least score: with a reader the asker's own threshold is the reader's, and can only lower it."""
        if options.min_score is None:
            return self._min_score
        return options.min_score if self._reader is None else min(self._min_score, options.min_score)

    def _least(self, options: ChatOptions) -> float:
        """The reader's least probability."""
        return self._min_answerable if options.min_score is None else options.min_score

    def _similarity(self, claim: str, texts: Sequence[str]) -> np.ndarray:
        """Cosine similarity of ``claim`` with each text, float32 (texts,)."""
        vectors = self._retriever.embedder.encode([claim, *texts])
        return np.asarray(vectors[1:] @ vectors[0])


@dataclass(frozen=True)
class _Found:
    """What an answer is written from: ``relevant`` of the ``hits`` are given to the model."""

    question: str
    hits: tuple[Hit, ...] = ()
    relevant: Sequence[Hit] = ()
    span: Span | None = None
    quote: Quote | None = None


def _that_answer(hits: Sequence[Hit], span: Span) -> list[Hit]:
    """The passage of the span, and another that answers as well."""
    others = [hit for hit in hits if hit.rank != span.rank and (hit.stages.read or 0.0) >= MIN_READ]
    best = next(hit for hit in hits if hit.rank == span.rank)
    return [best, *sorted(others, key=lambda hit: -(hit.stages.read or 0.0))[:1]]


def worth_reading(hits: Sequence[Hit], min_score: float) -> list[Hit]:
    """The passages that go into the prompt: a small model mixes up what a weak passage says with what a good one
    says, and every passage costs time to the first token."""
    best = max((_odds(hit.score) for hit in hits), default=0.0)
    return [hit for hit in hits if hit.score >= min_score and _odds(hit.score) >= KEEP_ODDS * best]


def _odds(probability: float) -> float:
    bounded = min(probability, 1 - 1e-6)
    return bounded / (1 - bounded)


def check_message(message: object) -> str:
    """The question, stripped.

    Raises:
        InputError: not a string, empty, or longer than ``MAX_MESSAGE_CHARS``.
    """
    if not isinstance(message, str):
        raise InputError(f"问题应为文字，收到的是 {type(message).__name__}")
    text = clean(message)
    if not text:
        raise InputError("请输入问题：收到的内容是空的")
    if len(text) > MAX_MESSAGE_CHARS:
        raise InputError(
            f"问题太长：{len(text)} 个字，最多 {MAX_MESSAGE_CHARS} 个字。长文可以作为文档加入知识库再提问"
        )
    return text


def parse_history(history: object) -> list[Message]:
    """``[{"role", "content"}, …]`` as it comes from a client.

    Raises:
        InputError: it has another shape.
    """
    if history is None:
        return []
    if not isinstance(history, list):
        raise InputError(f"history 应为消息列表，收到的是 {type(history).__name__}")
    return [_turn(turn) for turn in history[-MAX_HISTORY_TURNS:]]


def _text_of(content: Any) -> Any:
    """The text of a message as gradio 6 keeps it, a list of parts; files and other components are left out."""
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        return content
    parts = (part.get("text") for part in content)
    return "\n".join(part for part in parts if isinstance(part, str))


def _turn(turn: Any) -> Message:
    role = turn.get("role") if isinstance(turn, dict) else None
    content = _text_of(turn.get("content")) if isinstance(turn, dict) else None
    if role not in ("user", "assistant") or not isinstance(content, str):
        raise InputError('history 的每一项应为 {"role": "user" 或 "assistant", "content": "文字"}')
    return Message(role, clean(content[:MAX_MESSAGE_CHARS]))
