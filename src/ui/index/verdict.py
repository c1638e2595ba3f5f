"""Would the chat answer this question, and where was a passage lost that should have been found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from src.chat.service import worth_reading
from src.retrieval.explain import Explained, Explanation
from src.retrieval.types import Hit
from src.ui.wording import CHINESE, Words

# Where the words for a score change, as in the chat; below its threshold a passage counts as irrelevant.
HIGH = 0.7
MARKS = {"ok": "✓", "warn": "!", "bad": "✗"}

Lost = Literal["missing", "recall", "threshold", "rank", "odds", ""]
_LOST: dict[Lost, str] = {
    "missing": CHINESE("索引里没有这样的段落。看看文件是否加入了、文字是否一样，或者它是不是重复的而没有收。"),
    "recall": CHINESE("它不是候选：字面和向量都没有把它排进前 {pool}。换成它自己的说法来问，看看能不能找到。"),
    "threshold": CHINESE("它没有过门槛：重排给 {score:.2f}，门槛是 {threshold:.2f}。"),
    "rank": CHINESE("它过了门槛，但是排在第 {rank}，聊天只看前 {top_k} 段。"),
    "odds": CHINESE("它过了门槛，但是和第一段差得太远，没有交给模型。"),
    "": CHINESE("它会交给模型。"),
}


@dataclass(frozen=True)
class Verdict:
    """The chat's decision on a question.

    Attributes:
        best: score of the first candidate.
        read: ranks of the passages that the model is given; none: the chat refuses.
    """

    best: float
    threshold: float
    read: tuple[int, ...]


def verdict(explanation: Explanation, top_k: int, threshold: float) -> Verdict | None:
    """What the chat makes of the candidates; None where it does not search like this, or nothing was found."""
    if explanation.query.mode != "hybrid" or not explanation.candidates:
        return None
    read = worth_reading(hits(explanation, top_k), threshold)
    return Verdict(explanation.candidates[0].score, threshold, tuple(hit.rank for hit in read))


def hits(explanation: Explanation, top_k: int) -> list[Hit]:
    """The first candidates, as the chat gets them."""
    return [Hit(c.chunk, c.score, c.rank, c.stages, own=c.extra) for c in explanation.candidates[:top_k]]


def lost_at(found: Explained | None, exists: bool, decided: Verdict, top_k: int) -> Lost:
    """The stage at which a passage was lost; empty where it was not."""
    if found is None:
        return "recall" if exists else "missing"
    if found.rank in decided.read:
        return ""
    if found.score < decided.threshold:
        return "threshold"
    return "rank" if found.rank > top_k else "odds"


def lost_text(lost: Lost, found: Explained | None, decided: Verdict, top_k: int, pool: int, words: Words) -> str:
    """``lost_at`` in words."""
    score, rank = (found.score, found.rank) if found else (0.0, 0)
    return words(_LOST[lost]).format(pool=pool, score=score, threshold=decided.threshold, rank=rank, top_k=top_k)


def verdict_text(decided: Verdict, words: Words) -> str:
    """The decision and its reason."""
    relation = relation_text(decided.best, decided.threshold, words)
    values = {
        "best": decided.best,
        "relation": relation,
        "threshold": decided.threshold,
        "count": len(decided.read),
    }
    if decided.read:
        text = words("最好的一段 {best:.2f}（{relation}），过了门槛 {threshold:.2f}；交给模型 {count} 段。")
    else:
        text = words("最好的一段 {best:.2f}（{relation}），没有过门槛 {threshold:.2f}。")
    return text.format(**values)


def relation_text(score: float, threshold: float, words: Words) -> str:
    """A final score in words."""
    if score < threshold:
        return words("关系不大")
    return words("高度相关") if score >= HIGH else words("有关")


def place_text(found: Explained, explanation: Explanation, words: Words) -> str:
    """A candidate's rank in recall, and after it."""
    pool = explanation.query.pool
    names = {"lexical": words("字面"), "dense": words("向量"), "rerank": words("重排")}
    parts = {
        stage: f"{name} {rank_text(found, stage, pool, words)}"
        for stage, name in names.items()
        if getattr(found.stages, stage) is not None
    }
    after = parts.pop("rerank", None)
    before = words("、").join(parts.values())
    return f"{before} → {after}" if after else before


def rank_text(found: Explained, stage: str, pool: int, words: Words) -> str:
    """A candidate's rank at one stage; in recall only the first ``pool`` have one."""
    score, rank = getattr(found.stages, stage), found.ranks[stage]
    if rank is not None:
        return words("第 {rank}").format(rank=rank)
    return words("{count} 名外").format(count=pool) if score else "—"


def best_candidate(candidates: Sequence[Explained], wanted: str) -> Explained | None:
    """The candidate with that id, or the first whose text holds ``wanted``, whatever the case."""
    for candidate in candidates:
        if candidate.chunk.chunk_id == wanted:
            return candidate
    folded = wanted.casefold()
    return next((c for c in candidates if folded in c.chunk.text.casefold()), None)
