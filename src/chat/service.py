"""RAG chat: standalone question -> retrieve -> quote -> prompt -> stream -> support of each sentence."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from src.chat.conflicts import conflicts_of
from src.chat.prompt import COURSE, Prompt, build_messages
from src.chat.question import follow_up
from src.chat.quote import best_sentence
from src.chat.support import support_of
from src.chat.types import Answer, Comparison
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
REFUSAL = "知识库里没有找到与这个问题相关的内容，所以没有作答。可以换一种问法、加入相关文档，或关闭“使用知识库”直接问模型。"


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

    def stream(
        self,
        message: str,
        history: Sequence[Message] = (),
        *,
        use_knowledge: bool = True,
        top_k: int = 4,
        rewrite: bool = True,
        min_score: float | None = None,
        extra: Collection | None = None,
        stop: threading.Event | None = None,
        user: str = "",
    ) -> Iterator[Answer]:
        """Yield the answer as it grows; the last item is ``done`` unless ``stop`` was set.

        ``rewrite`` lets a follow-up search for what it refers to. ``min_score`` takes the place of the service's own
        threshold: the higher, the more questions are refused. ``extra`` is the asker's own documents, searched
        together with the knowledge base. ``user`` names who asks, so that users take turns.

        Raises:
            InputError: the message is empty or too long, or ``top_k`` is out of range.
            ModelError: the model cannot answer.
        """
        question = check_message(message)
        top_k = check_top_k(top_k, MAX_TOP_K)
        threshold = self._min_score if min_score is None else min_score
        started = time.perf_counter()
        answer = Answer(text="", question=question)
        relevant: list[Hit] = []
        if use_knowledge:
            search_for, hits = self._retrieve(question, history if rewrite else (), top_k, threshold, extra)
            timings = {"retrieve": _since(started)}
            answer = replace(
                answer, question=search_for, follow_up=search_for != question, hits=hits, timings_ms=timings
            )
            if not _is_relevant(hits, threshold):
                yield replace(answer, text=REFUSAL, refused=True, done=True)
                return
            question = search_for
            relevant = worth_reading(hits, threshold)
            quote = best_sentence(question, relevant, lambda q, texts: self._retriever.suits(q, texts, extra))
            answer = replace(answer, quote=quote)
        yield answer
        yield from self._generate(answer, question, relevant, history, started, stop, user)

    def compare(
        self,
        message: str,
        *,
        top_k: int = 4,
        extra: Collection | None = None,
        stop: threading.Event | None = None,
        user: str = "",
    ) -> Iterator[Comparison]:
        """Yield both answers as they grow: first without knowledge, then with it."""
        waiting = Answer(text="", question=check_message(message))
        top_k = check_top_k(top_k, MAX_TOP_K)
        without = waiting
        for without in self.stream(message, use_knowledge=False, stop=stop, user=user):
            yield Comparison(without.text, replace(waiting, ahead=without.ahead))
        if not without.done:
            return
        for grounded in self.stream(message, top_k=top_k, extra=extra, stop=stop, user=user):
            yield Comparison(without.text, grounded)

    def _retrieve(
        self, message: str, history: Sequence[Message], top_k: int, threshold: float, extra: Collection | None
    ) -> tuple[str, tuple[Hit, ...]]:
        """What was searched for, and what it found."""

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

    def _generate(
        self,
        answer: Answer,
        question: str,
        relevant: Sequence[Hit],
        history: Sequence[Message],
        started: float,
        stop: threading.Event | None,
        user: str,
    ) -> Iterator[Answer]:
        messages = build_messages(
            self._model, question, relevant, history, self._options.max_new_tokens, self._prompt, answer.quote
        )
        text, timings = "", dict(answer.timings_ms)
        for piece in self._model.stream(messages, self._options, stop, user=user):
            if piece:
                timings.setdefault("first_token", _since(started))
                text += piece
            yield replace(answer, text=text.lstrip(), ahead=getattr(piece, "ahead", None), timings_ms=timings)
        if stop is not None and stop.is_set():
            return
        timings["total"] = _since(started)
        answer = replace(answer, text=text.strip(), timings_ms=timings, done=True)
        if answer.hits:
            support = support_of(text, answer.hits, question, self._similarity, self._retriever.lexicon.variants)
            answer = replace(answer, support=support, conflicts=conflicts_of(question, relevant))
        yield answer

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
    return Message(role, content[:MAX_MESSAGE_CHARS])


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
