"""RAG chat: standalone question -> retrieve -> quote -> prompt -> stream -> support of each sentence, as events."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from src.caller import ANYONE, Caller
from src.chat.asides import Asides
from src.chat.clock import Clock
from src.chat.conflicts import conflicts_of
from src.chat.events import Delta, Event, Finished, Queued, Quoted, Retrieved, Rewritten, Supported
from src.chat.prompt import COURSE, Prompt, build_messages
from src.chat.question import follow_up
from src.chat.quote import best_sentence
from src.chat.support import support_of
from src.errors import InputError
from src.knowledge.clean import clean
from src.language.base import GenerationOptions, LanguageModel, Message
from src.retrieval.search import Retriever, check_top_k
from src.retrieval.types import Collection, Hit

MAX_MESSAGE_CHARS = 2000
MAX_HISTORY_TURNS = 100
MAX_TOP_K = 20
# A passage whose odds to answer are a smaller share of the best one's is shown but not given to the model. Odds, because
# probabilities crowd together near 1.
KEEP_ODDS = 0.1

Side = Literal["without", "with"]


@dataclass(frozen=True)
class ChatOptions:
    """Settings of one question.

    Attributes:
        use_knowledge: search first; without, the model answers by itself from the conversation.
        follow_up: turn a message that refers back into a question that stands alone.
        top_k: how many passages at most.
        min_score: below this probability to answer a passage counts as irrelevant; None: the service's own threshold.
    """

    use_knowledge: bool = True
    follow_up: bool = True
    top_k: int = 4
    min_score: float | None = None


class ChatService:
    """Answers questions; holds no conversation: history comes with every call.

    Args:
        min_score: when no passage answers with at least this probability, nothing relevant was found.
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
    ) -> None:
        self._model = model
        self._retriever = retriever
        self._min_score = min_score
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
        threshold = self._min_score if options.min_score is None else options.min_score
        if options.use_knowledge and (aside := self._asides.recognise(asked, history, extra)):
            yield from self._asides.answer(aside, history, caller)
            return
        clock = Clock()
        question, quote = asked, None
        hits: tuple[Hit, ...] = ()
        relevant: list[Hit] = []
        if options.use_knowledge:
            question, hits = self._retrieve(asked, history if options.follow_up else (), top_k, threshold, extra)
            if question != asked:
                yield Rewritten(question)
            yield Retrieved(hits, clock.lap("retrieve"))
            if not _is_relevant(hits, threshold):
                yield Finished(refused=True, timings_ms=clock.timings_ms)
                return
            relevant = worth_reading(hits, threshold)
            quote = best_sentence(question, relevant, lambda q, texts: self._retriever.suits(q, texts, extra))
            if quote is not None:
                yield Quoted(quote)
        messages = build_messages(
            self._model, question, relevant, history, self._options.max_new_tokens, self._prompt, quote
        )
        text = ""
        for piece in self._model.stream(messages, self._options, caller):
            if isinstance(piece, Queued):
                yield piece
                continue
            if piece:
                clock.first("first_token")
                text += piece
            yield Delta(str(piece))
        if caller.stopped:
            return
        clock.lap("total")
        if hits:
            support = support_of(text, hits, question, self._similarity, self._retriever.lexicon.variants)
            yield Supported(support, conflicts_of(question, relevant))
        yield Finished(timings_ms=clock.timings_ms)

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

    def _retrieve(
        self, message: str, history: Sequence[Message], top_k: int, threshold: float, extra: Collection | None
    ) -> tuple[str, tuple[Hit, ...]]:
        """The question as it was searched for, and its hits."""

        def search(question: str) -> tuple[Hit, ...]:
            return tuple(self._retriever.search(question, top_k=top_k, extra=extra))

        meant = follow_up(message, history)
        if meant is None:
            return message, search(message)
        question = meant.question[:MAX_MESSAGE_CHARS]
        if meant.certain:
            return question, search(question)
        # 有几个校区 alone finds any university's: what it is about must make the best passage no less likely.
        as_typed, found = search(message), search(question)
        if _is_relevant(found, threshold) and found[0].score >= as_typed[0].score:
            return question, found
        return message, as_typed

    def _similarity(self, claim: str, texts: Sequence[str]) -> np.ndarray:
        """Cosine similarity of ``claim`` with each text, float32 (texts,)."""
        vectors = self._retriever.embedder.encode([claim, *texts])
        return np.asarray(vectors[1:] @ vectors[0])


def _is_relevant(hits: Sequence[Hit], threshold: float) -> bool:
    return any(hit.score >= threshold for hit in hits)


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


def _turn(turn: Any) -> Message:
    role = turn.get("role") if isinstance(turn, dict) else None
    content = turn.get("content") if isinstance(turn, dict) else None
    if role not in ("user", "assistant") or not isinstance(content, str):
        raise InputError('history 的每一项应为 {"role": "user" 或 "assistant", "content": "文字"}')
    return Message(role, clean(content[:MAX_MESSAGE_CHARS]))
