"""The chat's verdict on a question, and the stage that lost a passage which should have been found, in words."""

from collections.abc import Sequence

from src.chat.reader import Evidence
from src.chat.service import worth_reading
from src.runtime import MIN_SCORE
from src.search.explain import Explained, Explanation
from src.search.inspect import holds, look
from src.search.knowledge_base import KnowledgeBase
from src.search.types import Hit
from src.ui.index.marking import excerpt
from src.ui.passage import relevance
from src.ui.wording import Words

# Level, title and text of a line in the template ``index/findings``.
Line = tuple[str, str, str]


def given(explanation: Explanation, top_k: int) -> list[Hit]:
    """The passages that the chat gives to the model; none where it refuses or does not search in this mode."""
    hits = [Hit(c.chunk, c.score, c.rank, c.stages, own=c.extra) for c in explanation.candidates[:top_k]]
    return worth_reading(hits, MIN_SCORE) if explanation.query.mode == "hybrid" else []


def read_line(evidence: Evidence, threshold: float, words: Words) -> Line:
    """The reader's decision to answer, and its reason."""
    span, count = evidence.span, sum(hit.stages.read is not None for hit in evidence.hits)
    if span is None or evidence.answerable < threshold:
        text = words("读了前 {count} 段，最可能有答案的只有 {best:.2f}，没有过门槛 {threshold:.2f}。")
        return "bad", words("聊天会拒答"), text.format(count=count, best=evidence.answerable, threshold=threshold)
    text = words("读了前 {count} 段，第 {rank} 段有答案（{best:.2f}，门槛 {threshold:.2f}）：“{span}”。")
    text = text.format(
        count=count,
        rank=span.rank,
        best=evidence.answerable,
        threshold=threshold,
        span=excerpt(span.text, limit=40),
    )
    return "ok", words("聊天会回答"), text


def answer_line(explanation: Explanation, read: Sequence[Hit], words: Words) -> Line:
    """The decision to answer, which ``read`` is given for, and its reason, where nothing reads."""
    if not explanation.candidates:
        return "bad", words("聊天会拒答"), words("没有找到任何段落。")
    if explanation.query.mode != "hybrid":
        return "warn", words("只看一种"), words("聊天用的是混合检索；这里只按一种方式排，得分没有门槛。")
    best = explanation.candidates[0].score
    text = words("最好的一段 {best:.2f}（{relation}），没有过门槛 {threshold:.2f}。")
    if read:
        text = words("最好的一段 {best:.2f}（{relation}），过了门槛 {threshold:.2f}；交给模型 {count} 段。")
    text = text.format(best=best, relation=relevance(best, words), threshold=MIN_SCORE, count=len(read))
    return ("ok", words("聊天会回答"), text) if read else ("bad", words("聊天会拒答"), text)


def expected_line(
    explanation: Explanation, top_k: int, wanted: str, bases: Sequence[KnowledgeBase], words: Words
) -> Line:
    """The place of a passage with the id or text ``wanted``, and the stage that lost it."""
    title, pool, every = words("应该找到的段落"), explanation.query.pool, explanation.candidates
    found = next((c for c in every if c.chunk.chunk_id == wanted or holds(c.chunk, wanted.casefold())), None)
    if found is None:
        text = words("索引里没有这样的段落。看看文件是否加入了、文字是否一样，或者它是不是重复的而没有收。")
        if any((stored := base.store.find(wanted)) and not stored.enabled for base in bases):
            text = words("它停用了，所以搜不到。可以在“段落”里重新启用。")
        elif any(base.store.find(wanted) or look(base, wanted).found for base in bases):
            text = words("它不是候选：字面和向量都没有把它排进前 {pool}。换成它自己的说法来问，看看能不能找到。")
        return "bad", title, text.format(pool=pool)
    passage, place = excerpt(found.chunk.text, limit=24), ranks_text(found, pool, words)
    text = words("{passage}：{place}。").format(passage=passage, place=place)
    if explanation.query.mode != "hybrid":
        return "ok", title, text
    if any(hit.rank == found.rank for hit in given(explanation, top_k)):
        return "ok", title, text + words("它会交给模型。")
    if found.score < MIN_SCORE:
        lost = words("它没有过门槛：重排给 {score:.2f}，门槛是 {threshold:.2f}。")
    elif found.rank > top_k:
        lost = words("它过了门槛，但是排在第 {rank}，聊天只看前 {top_k} 段。")
    else:
        lost = words("它过了门槛，但是和第一段差得太远，没有交给模型。")
    return "bad", title, text + lost.format(score=found.score, threshold=MIN_SCORE, rank=found.rank, top_k=top_k)


def ranks_text(found: Explained, pool: int, words: Words) -> str:
    """A candidate's ranks in recall, and after it."""
    names = {"lexical": words("字面"), "dense": words("向量"), "rerank": words("重排")}
    asked = {stage: name for stage, name in names.items() if getattr(found.stages, stage) is not None}
    ranks = {stage: f"{name} {rank_text(found, stage, pool, words)}" for stage, name in asked.items()}
    after = ranks.pop("rerank", "")
    return words("、").join(ranks.values()) + (f" → {after}" if after else "")


def rank_text(found: Explained, stage: str, pool: int, words: Words) -> str:
    """A candidate's rank at one stage; in recall only the first ``pool`` have one."""
    if (rank := found.ranks[stage]) is not None:
        return words("第 {rank}").format(rank=rank)
    return words("{count} 名外").format(count=pool) if getattr(found.stages, stage) else "—"
