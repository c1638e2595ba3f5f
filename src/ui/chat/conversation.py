"""What has been asked and answered, as the server keeps it for one visitor; the page shows it but never sends it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import gradio as gr

from src.chat.types import Answer
from src.language.base import Message
from src.retrieval.knowledge_base import KnowledgeBase


@dataclass(frozen=True)
class Exchange:
    """One question and what it got.

    Attributes:
        answer: None before anything came.
        stopped: the visitor ended it before it was done.
        grounded: whether the knowledge base was to be used.
        min_score: the threshold that was set.
        own: ranks of the passages that are from the visitor's own documents.
    """

    question: str
    answer: Answer | None = None
    grounded: bool = True
    min_score: float = 0.0
    own: frozenset[int] = frozenset()
    stopped: bool = False

    @property
    def is_done(self) -> bool:
        return self.answer is not None and self.answer.done


Conversation = list[Exchange]


def history(turns: Sequence[Exchange]) -> list[Message]:
    """What the model is told of earlier turns."""
    messages = []
    for turn in turns:
        messages.append(Message("user", turn.question))
        if turn.answer is not None and turn.answer.text:
            messages.append(Message("assistant", turn.answer.text))
    return messages


def asked_again(turns: Conversation) -> Conversation:
    """The conversation up to and including the last question, which has no answer any more."""
    if not turns:
        raise gr.Error("还没有可以重答的问题", title="提示", print_exception=False)
    return [*turns[:-1], Exchange(turns[-1].question)]


def without_last(turns: Conversation) -> tuple[Conversation, str]:
    """The conversation before the last question, and that question."""
    return (turns[:-1], turns[-1].question) if turns else ([], "")


def ended(turns: Conversation) -> Conversation:
    """The conversation after its last answer was stopped, if it was not done."""
    if not turns or turns[-1].answer is None or turns[-1].answer.done:
        return turns
    last = turns[-1]
    stopped = replace(last, stopped=True) if last.answer and last.answer.text else replace(last, answer=None)
    return [*turns[:-1], stopped]


def own_ranks(answer: Answer, documents: KnowledgeBase | None) -> frozenset[int]:
    """Ranks of the passages that are from the visitor's own documents."""
    if documents is None or not answer.hits:
        return frozenset()
    chunks = {passage.chunk for passage in documents.passages()}
    return frozenset(hit.rank for hit in answer.hits if hit.chunk in chunks)
