"""The conversation as a visitor's browser keeps it, if he wants that; what comes back is as trusted as anything typed."""

from collections.abc import Sequence
from typing import Any

from src.chat.answer import Answer
from src.chat.service import MAX_MESSAGE_CHARS, ChatOptions
from src.ingest.clean import clean
from src.ui.conversation import MAX_TURNS, Turn

MAX_ANSWER_CHARS = 20_000


# gr.BrowserState does not store None, so that nothing is a value of its own.
NOTHING: dict[str, Any] = {"keep": False, "turns": []}


def stored(turns: Sequence[Turn]) -> dict[str, Any]:
    """Questions and answers; no passages."""
    rows = [
        {"question": turn.question, "answer": turn.answer.written, "knowledge": turn.options.use_knowledge}
        for turn in turns
        if turn.state == "done" and not turn.answer.refused
    ]
    return {"keep": True, "turns": rows}


def is_kept(value: object) -> bool:
    """Whether the visitor wants the browser to keep it."""
    return isinstance(value, dict) and value.get("keep") is True


def restored(value: object) -> list[Turn]:
    """Turns of what ``stored`` gave; anything else is left out."""
    rows = value.get("turns") if isinstance(value, dict) else None
    rows = rows[-MAX_TURNS:] if isinstance(rows, list) else []
    return [turn for row in rows if (turn := _turn(row)) is not None]


def _turn(row: object) -> Turn | None:
    question, answer = (row.get("question"), row.get("answer")) if isinstance(row, dict) else (None, None)
    if not isinstance(question, str) or not isinstance(answer, str) or not clean(question):
        return None
    assert isinstance(row, dict)
    done = Answer(clean(question)[:MAX_MESSAGE_CHARS], text=clean(answer)[:MAX_ANSWER_CHARS], done=True)
    return Turn(done, ChatOptions(use_knowledge=row.get("knowledge") is not False), state="done")
