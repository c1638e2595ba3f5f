"""Is a knowledge base what it should be? Every check measures now, on what can be found, and says what to do."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from src.errors import KnowledgeError
from src.ingest.copies import copy_keys
from src.ingest.split import MAX_CHARS, window_spans
from src.search.index import Index, dense_texts
from src.search.knowledge_base import MAX_DELETED, KnowledgeBase

logger = logging.getLogger(__name__)

Level = Literal["ok", "warn", "bad"]

REBUILD = "请运行 python -m src index --rebuild 重建"
NORM_TOLERANCE = 1e-3
# Looking at more takes long and would find the same.
SAMPLED_CHUNKS = 50_000
SAMPLED_VECTORS = 20_000
REEMBEDDED = 20
QUESTIONS = 50
QUESTION_CHARS = 16
NEAREST = 10
_BLOCK = 20_000
_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """What one check found; ``detail`` has the figures and, where something is wrong, the cure."""

    name: str
    level: Level
    detail: str


def check(base: KnowledgeBase) -> Iterator[Finding]:
    """Run every check, the quick ones first; each finding comes as soon as it is known."""
    checks: Sequence[tuple[str, Callable[[KnowledgeBase], tuple[Level, str]]]] = (
        ("段落与向量的数目", _counts),
        ("向量模型", _embedder),
        ("文件", _files),
        ("删除未回收", _deleted),
        ("重复段落", _copies),
        ("空的和过长的段落", _texts),
        ("向量长度", _norms),
        ("向量与文字相符", _reembedded),
        (f"近似检索的召回率 recall@{NEAREST}", _recall),
        ("磁盘校验和", _checksums),
    )
    for name, measure in checks:
        try:
            yield Finding(name, *measure(base))
        except (KnowledgeError, ValueError, LookupError, TypeError, OSError, RuntimeError) as error:
            # What is damaged may well stop a check that reads it.
            logger.warning("检查“%s”没有做完", name, exc_info=True)
            yield Finding(name, "bad", f"没有做完（{type(error).__name__}）：索引读不下去；{REBUILD}")


def _counts(base: KnowledgeBase) -> tuple[Level, str]:
    parts, chunks = base.snapshot().parts, len(base)
    indexed, vectors = sum(map(len, parts)), sum(len(index.vectors) for index in parts)
    fits = all(
        len(index.windows) == len(index.ids) + 1 and index.windows[-1] == len(index.vectors) for index in parts
    )
    texts = sum(int(index.lexical.scores["num_docs"]) for index in parts)
    if chunks != indexed or texts != sum(len(index.ids) for index in parts) or not fits:
        return (
            "bad",
            f"对不上：库里 {chunks} 段，索引 {indexed} 段，字面索引 {texts} 段，向量 {vectors} 个；{REBUILD}",
        )
    return "ok", f"库里 {chunks} 段，{vectors} 个向量，每段至少一个；索引里的段数相同"


def _embedder(base: KnowledgeBase) -> tuple[Level, str]:
    embedder = base.embedder
    there = (base.store.meta("fingerprint"), {index.vectors.dimension for index in base.snapshot().parts})
    if there[0] != embedder.fingerprint or not there[1] <= {embedder.dimension}:
        return "bad", f"索引不是用现在的向量模型 {embedder.name} 建的；{REBUILD}"
    return "ok", f"全部向量都是用 {embedder.name} 建的，{embedder.dimension} 维"


def _files(base: KnowledgeBase) -> tuple[Level, str]:
    entries = base.files().values()
    refused = [f"{entry.name}（{entry.problem}）" for entry in entries if entry.problem]
    partial = [entry.name for entry in entries if not entry.complete]
    if partial:
        return "warn", f"{len(partial)} 个文件没有建完索引：{_listed(partial)}；请运行 python -m src index 接着做"
    if refused:
        return "warn", f"{len(entries)} 个文件里有 {len(refused)} 个用不了：{_listed(refused)}；请改好后重新加入"
    return "ok", f"{len(entries)} 个文件全部可用"


def _deleted(base: KnowledgeBase) -> tuple[Level, str]:
    parts = base.snapshot().parts
    held = sum(len(index.ids) for index in parts)
    gone = held - sum(map(len, parts))
    share = gone / max(1, held)
    detail = f"索引里的 {held} 段里有 {gone} 段（{share:.1%}）已删除，检索时跳过"
    # Nothing is wrong while a change would build it anew only above this share.
    if share > MAX_DELETED:
        return "warn", f"{detail}；下一次改动知识库时会回收，或现在运行 python -m src index"
    return "ok", detail


def _copies(base: KnowledgeBase) -> tuple[Level, str]:
    keys = np.array(
        [copy_keys(s.chunk.title, s.chunk.text) for s in base.store.sample(SAMPLED_CHUNKS)], dtype=np.uint64
    )
    keys = keys.reshape(-1, 2)
    _, first = np.unique(keys[:, 0], return_index=True)
    same = len(keys) - len(first)
    # A near key of zero stands for a text that is too short for near copies.
    near = keys[first, 1][keys[first, 1] != 0]
    alike = len(near) - len(np.unique(near))
    left_out = sum(entry.duplicates + entry.near_duplicates for entry in base.files().values())
    detail = f"索引里多余的相同段落 {same} 段，几乎相同的 {alike} 段；加入时已去掉 {left_out} 段"
    return ("warn", f"{detail}；{REBUILD}，会去掉它们") if same or alike else ("ok", detail)


def _texts(base: KnowledgeBase) -> tuple[Level, str]:
    chunks = [stored.chunk for stored in base.store.sample(SAMPLED_CHUNKS)]
    empty = [chunk.chunk_id for chunk in chunks if not chunk.text.strip()]
    long = [chunk.chunk_id for chunk in chunks if len(chunk.text) > MAX_CHARS]
    extent = _extent(len(chunks), len(base), "段")
    detail = f"{extent}里，空的 {len(empty)} 段，超过 {MAX_CHARS} 字的 {len(long)} 段"
    if empty or long:
        return "bad", f"{detail}：{_listed(empty + long)}；{REBUILD}"
    return "ok", detail


def _norms(base: KnowledgeBase) -> tuple[Level, str]:
    parts = base.snapshot().parts
    total = sum(len(index.vectors) for index in parts)
    worst, read, wrong = 0.0, 0, 0
    for index in parts:
        count = len(index.vectors)
        share = count if total <= SAMPLED_VECTORS else max(1, count * SAMPLED_VECTORS // total)
        rows = np.arange(share) * count // max(1, share)
        for start in range(0, len(rows), _BLOCK):
            vectors = index.vectors.vectors(rows[start : start + _BLOCK])
            off = np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1)
            off = np.where(np.isfinite(off), off, np.inf)
            worst = max(worst, float(off.max(initial=0.0)))
            wrong += int((off > NORM_TOLERANCE).sum())
            read += len(off)
    detail = f"{_extent(read, total, '个向量')}里，长度离 1 最远的差 {worst:.2g}"
    if wrong:
        return "bad", f"{detail}，有 {wrong} 个超过 {NORM_TOLERANCE:g}；{REBUILD}"
    return "ok", detail


def _reembedded(base: KnowledgeBase) -> tuple[Level, str]:
    """Chunks embedded again: another text's or another model's vector shows at once."""
    lowest, wrong = 1.0, []
    chosen = base.store.sample(REEMBEDDED)
    windows = base.store.windows([stored.id for stored in chosen])
    for stored in chosen:
        fresh = base.embedder.encode(dense_texts(stored.chunk))
        there = windows[stored.id]
        cosine = float((there * fresh).sum(axis=1).min()) if there.shape == fresh.shape else 0.0
        lowest = min(lowest, cosine)
        if cosine < 0.99:
            wrong.append(stored.chunk.chunk_id)
    detail = f"重新计算了 {len(chosen)} 段的向量，与索引里的余弦最低 {lowest:.4f}"
    return ("bad", f"{detail}：{_listed(wrong)}；{REBUILD}") if wrong else ("ok", detail)


def _recall(base: KnowledgeBase) -> tuple[Level, str]:
    """Beginnings of chunks as questions: like real ones they are short and lie far from whole chunks."""
    parts = base.snapshot().parts
    beginnings = (_beginning(stored.chunk.text) for stored in base.store.sample(QUESTIONS))
    questions = [beginning for beginning in beginnings if beginning]
    if not questions:
        return "ok", "没有可以用来测量的段落"
    vectors = base.embedder.encode_queries(questions)  # (n, dimension)
    found, wanted = 0, 0
    for index in parts:
        got, of = recalled(index, vectors, NEAREST)
        found, wanted = found + got, wanted + of
    recall = found / max(1, wanted)
    stores = dict.fromkeys(index.vectors.name for index in parts)
    detail = (
        f"{recall:.3f}：用 {len(questions)} 个段落开头当问题，把 {'、'.join(stores)} 找到的前 {NEAREST} 个向量"
        f"与逐个比较的结果对照，{wanted} 个里找到 {found} 个"
    )
    if recall < 0.8:
        return "bad", f"{detail}；{REBUILD}，会重新训练近似索引"
    return ("warn", f"{detail}；有些问题可能找不到最近的段落") if recall < 0.95 else ("ok", detail)


def recalled(index: Index, queries: np.ndarray, count: int) -> tuple[int, int]:
    """(how many, of how many) of each query's ``count`` nearest vectors the index finds.

    The truth comes from comparing every vector that can be found; of equally near ones any will do.

    Args:
        queries: float32 (n, dimension).
    """
    store, allowed = index.vectors, index.keep_windows
    rows = np.arange(len(store)) if allowed is None else np.flatnonzero(allowed)
    best = np.full((len(queries), 0), -np.inf, dtype=np.float32)
    for start in range(0, len(rows), _BLOCK):
        scores = queries @ store.vectors(rows[start : start + _BLOCK]).T  # (n, block)
        best = -np.sort(-np.concatenate([best, scores], axis=1), axis=1)[:, :count]
    found = 0
    for query, truth in zip(queries, best, strict=True):
        got = store.search(query, count, allowed)[:count]
        # float32 sums differ in their last digits between one product and many.
        found += int((store.scores(query, got) >= truth[-1] - 1e-5).sum())
    return found, best.size


def _checksums(base: KnowledgeBase) -> tuple[Level, str]:
    if base.directory is None:
        return "warn", "索引这次只在内存里，没有可以校验的文件；请检查 --cache-dir 的空间和权限"
    try:
        base.verify()
    except KnowledgeError as error:
        return "bad", str(error)
    size = base.stats()["bytes"] / 1e6
    return "ok", f"数据库（每一页、每一段文字）和索引文件都与写入时相同，约 {size:.1f} MB"


def _beginning(text: str) -> str:
    """The first few words of a chunk."""
    spans = window_spans(text, QUESTION_CHARS, overlap=False)
    return text[spans[0][0] : spans[0][1]] if spans else ""


def _extent(read: int, total: int, unit: str) -> str:
    return f"全部 {total} {unit}" if read == total else f"抽查的 {read} {unit}（共 {total} {unit}）"


def _listed(names: Sequence[str]) -> str:
    shown = "、".join(name[:60] for name in names[:_SHOWN])
    return shown + (f" 等 {len(names)} 处" if len(names) > _SHOWN else "")
