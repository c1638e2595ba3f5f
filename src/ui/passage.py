"""A passage in words, the same in the chat and in the index inspector: its relevance, and its place in the files."""

from collections.abc import Sequence
from typing import Any

from src.chat.service import MIN_ANSWERABLE
from src.ingest.locate import Span
from src.ingest.pages import has_picture
from src.ingest.types import Chunk
from src.runtime import MIN_SCORE
from src.search.types import Hit
from src.ui.wording import Words

# From these scores on a passage is called highly relevant, or relevant.
HIGH, SOME = 0.7, MIN_SCORE
# From these probabilities of the reader on it is said to answer, or perhaps to.
ANSWERS, PERHAPS = 0.7, MIN_ANSWERABLE


def relevance(score: float, words: Words) -> str:
    """A passage's score in the search, in words: whether it is about the same."""
    return words("高度相关") if score >= HIGH else words("有关") if score >= SOME else words("关系不大")


def worth(hit: Hit, words: Words, *, others_read: bool = False) -> str:
    """A passage's worth for the question in words: the reader's judgement where it was read, else its relevance; with
    ``others_read`` one of another passage that answered first."""
    read = hit.stages.read
    if read is None:
        return words("未读") if others_read else relevance(hit.score, words)
    return words("有答案") if read >= ANSWERS else words("可能有答案") if read >= PERHAPS else words("没有答案")


def page_link(
    chunk: Chunk, words: Words, *, own: bool, spans: Sequence[Span] = (), answers: Sequence[Span] = ()
) -> dict[str, Any] | None:
    """For ``page_button.html``: a chunk whose page can be shown, and what of it is to be boxed; None where it cannot."""
    if not has_picture(chunk):
        return None

    def told(parts: Sequence[Span]) -> str:
        return ",".join(f"{start}-{end}" for start, end in parts)

    place_ = place(chunk, words)
    return {"chunk": chunk.chunk_id, "own": own, "spans": told(spans), "words": told(answers), "place": place_}


def place(chunk: Chunk, words: Words, file: str = "") -> str:
    """File and place of a passage, as a reader finds it; ``file`` comes first where the source does not tell it."""
    line = chunk.doc_id.removeprefix(f"{chunk.source}:")
    found = f"{chunk.source} · " + words("第 {number} 条").format(number=line) if line.isdigit() else chunk.source
    return found if found.startswith(file) else f"{file} · {found}"
