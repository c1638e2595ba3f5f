"""HTML of the inspector; every text goes through ``escape`` or ``render``."""

from collections.abc import Sequence
from html import escape

from src.knowledge.types import Chunk
from src.retrieval.checks import Finding
from src.retrieval.explain import STAGES, Explained, Explanation
from src.retrieval.inspect import Neighbours
from src.retrieval.passages import Passage
from src.retrieval.terms import matched_terms
from src.ui import render
from src.ui.wording import CHINESE, Words

STAGE_NAMES = {
    "lexical": CHINESE("字面"), "dense": CHINESE("向量"), "fused": CHINESE("融合"), "rerank": CHINESE("重排"),
}  # fmt: skip
_MARKS = {"ok": "✓", "warn": "!", "bad": "✗"}
_LEVELS = {"ok": CHINESE("正常"), "warn": CHINESE("注意"), "bad": CHINESE("有问题")}
# What ``retrieval.checks`` measures; the figures it gives are told in Chinese.
CHECKS = (
    CHINESE("段落与向量的数目"),
    CHINESE("向量模型"),
    CHINESE("文件"),
    CHINESE("删除未回收"),
    CHINESE("重复段落"),
    CHINESE("空的和过长的段落"),
    CHINESE("向量长度"),
    CHINESE("向量与文字相符"),
    CHINESE("近似检索的召回率 recall@10"),
    CHINESE("磁盘校验和"),
)

CSS = """
#index-stats .yz-facts {grid-template-columns: repeat(auto-fit, minmax(200px, 1fr));}
.yz-scroll {overflow: auto; max-height: 640px; border: 1px solid var(--border-color-primary); border-radius: 10px;}
.yz-scroll .yz-table, .yz-scroll tr {border: 0; margin: 0;}
.yz-scroll thead th {position: sticky; top: 0; background: var(--block-background-fill);}
.yz-table {border-collapse: collapse; width: 100%; font-size: .92em;}
.yz-scroll .yz-table th, .yz-scroll .yz-table td {border-width: 0 0 1px; border-color: var(--border-color-primary);
  padding: 6px 8px; text-align: left; vertical-align: top;}
.yz-table th {white-space: nowrap; color: var(--body-text-color-subdued); font-weight: 600;}
.yz-table td.yz-n {white-space: nowrap; font-variant-numeric: tabular-nums; overflow-wrap: normal;}
.yz-table td.yz-n i {font-style: normal; color: var(--body-text-color-subdued); font-size: .88em;}
.yz-scroll .yz-table tr.yz-hit td:first-child {box-shadow: inset 4px 0 #d6336c;}
.yz-table td.yz-passage {min-width: 240px; width: 60%;}
.yz-table summary {cursor: pointer;}
.yz-pair {display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 0 12px;}
.yz-term {display: inline-block; border: 1px solid var(--border-color-primary); border-radius: 8px; padding: 0 8px;
  margin: 2px;}
.yz-finding {display: grid; grid-template-columns: 1.8em minmax(7em, 13em) 1fr; gap: 6px; padding: 8px 4px;
  border-bottom: 1px solid var(--border-color-primary);}
.yz-finding > span {overflow-wrap: anywhere;}
.yz-finding .yz-mark {width: 1.5em; height: 1.5em; line-height: 1.5em; border-radius: 50%; text-align: center;
  color: #fff; font-weight: 700;}
.yz-ok .yz-mark {background: #277c37;} .yz-warn .yz-mark {background: #b35c00;} .yz-bad .yz-mark {background: #c92a2a;}
@media (max-width: 600px) {
  #index-stats .yz-facts {grid-template-columns: repeat(auto-fit, minmax(130px, 1fr));}
  .yz-table thead {display: none;}
  .yz-table tr {display: flex; flex-wrap: wrap;}
  .yz-table td.yz-passage {flex-basis: 100%;}
  .yz-scroll .yz-table td.yz-n {border-width: 0;}
  .yz-table td[data-label]::before {content: attr(data-label) " "; color: var(--body-text-color-subdued);}
  .yz-finding {grid-template-columns: 1.8em 1fr;}
  .yz-finding > span:last-child {grid-column: 2;}
}
.js-plotly-plot .xtick text, .js-plotly-plot .ytick text, .js-plotly-plot .xtitle, .js-plotly-plot .ytitle,
.js-plotly-plot .legendtext, .js-plotly-plot .textpoint text {fill: var(--body-text-color) !important;}
"""


def terms(explanation: Explanation, words: Words) -> str:
    """The terms searched for, each with its weight, the heaviest first."""
    if not explanation.terms:
        return render.note(words("问题里没有可查的字词，只按向量找。"))
    ordered = sorted(explanation.terms.items(), key=lambda item: -item[1])
    chips = "".join(
        f'<span class="yz-term">{escape(term)} <span class="yz-meta">{weight:.1f}</span></span>'
        for term, weight in ordered
    )
    others = words("；").join(escape(variant.strip()) for variant in explanation.variants)
    also = f'<br>{words("同义的说法也一起查：")}<span lang="zh-CN">{others}</span>' if others else ""
    return f'<div class="yz-note">{words("查的字词（越少见的权重越大）：")}{chips}{also}</div>'


def probe_table(explanation: Explanation, top_k: int, words: Words) -> str:
    """Every candidate with its rank and score in every stage; the first ``top_k``, which a search gives, are marked."""
    if not explanation.candidates:
        return render.note(words("没有找到任何段落。"))
    seen = [
        stage
        for stage in (STAGES if explanation.query.mode == "hybrid" else ("lexical", "dense"))
        if any(getattr(candidate.stages, stage) is not None for candidate in explanation.candidates)
    ]
    names = (words("名次"), words("得分"), *(words(STAGE_NAMES[stage]) for stage in seen), words("段落"))
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = "".join(_probe_row(explanation, candidate, seen, top_k, words) for candidate in explanation.candidates)
    return f'<div class="yz-scroll"><table class="yz-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _probe_row(explanation: Explanation, found: Explained, seen: Sequence[str], top_k: int, words: Words) -> str:
    cells = "".join(
        f'<td class="yz-n" data-label="{words(STAGE_NAMES[stage])}">{_stage(explanation, found, stage, words)}</td>'
        for stage in seen
    )
    chunk = found.chunk
    asked = (explanation.query.text, *explanation.variants)
    marks = list(dict.fromkeys(mark for said in asked for mark in matched_terms(said, chunk.text)))
    own = f" · {words('我的文档')}" if found.extra else ""
    beginning = chunk.text[:60] + ("…" if len(chunk.text) > 60 else "")
    kind = ' class="yz-hit"' if found.rank <= top_k else ""
    passage = (
        f"<details><summary>{render.marked(beginning, marks)}</summary>"
        f'<div class="yz-text">{render.marked(chunk.text, marks)}</div></details>'
        f'<span class="yz-meta">{escape(chunk.chunk_id)} · {escape(chunk.source)}{own}</span>'
    )
    return (
        f'<tr{kind}><td class="yz-n">{found.rank}</td><td class="yz-n" data-label="{words("得分")}"><b>{found.score:.3f}</b></td>'
        f'{cells}<td class="yz-passage">{passage}</td></tr>'
    )


def _stage(explanation: Explanation, found: Explained, stage: str, words: Words) -> str:
    score = getattr(found.stages, stage)
    if score is None:
        return "—"
    rank = found.ranks[stage]
    if rank is not None:
        return f"{score:.3f} <i>{words('第 {rank}').format(rank=rank)}</i>"
    beyond = score > 0 and explanation.query.mode in ("hybrid", stage)
    outside = words("{count} 名外").format(count=explanation.query.pool)
    return f"{score:.3f}" + (f" <i>{outside}</i>" if beyond else "")


def findings(found: Sequence[Finding], running: bool, words: Words) -> str:
    """The checks made so far."""
    rows = "".join(
        f'<div class="yz-finding yz-{finding.level}">'
        f'<span class="yz-mark" title="{words(_LEVELS[finding.level])}">{_MARKS[finding.level]}</span>'
        f'<span><b>{escape(words(finding.name))}</b></span><span lang="zh-CN">{escape(finding.detail)}</span></div>'
        for finding in found
    )
    if running:
        return rows + render.note(words("正在检查…"))
    worst = [finding for finding in found if finding.level != "ok"]
    if not worst:
        return rows + render.note(words("查完了，没有发现问题。"))
    names = words("、").join(words(finding.name) for finding in worst)
    return rows + render.note(words("查完了，要留意的有：{names}。").format(names=names))


def passage_detail(around: Neighbours, words: Words) -> str:
    """A whole passage with its place, what stands before and after it, and what is nearest to it."""
    passage = around.passage
    chunk = passage.chunk
    title = f"<div><b>{escape(chunk.title)}</b></div>" if chunk.title else ""
    first = words("一同索引的首句：")
    lead = f'<div class="yz-meta">{first}{escape(passage.lead)}</div>' if passage.lead else ""
    extent = words("第 {start}–{end} 字 · {count} 字")
    where = extent.format(start=chunk.start + 1, end=chunk.end, count=len(chunk.text))
    place = f"{passage.file} · {chunk.chunk_id} · {where}"
    before, after = render.note(words("这是文档的第一段。")), render.note(words("这是文档的最后一段。"))
    if around.previous:
        before = _neighbour(words("上一段"), around.previous)
    if around.following:
        after = _neighbour(words("下一段"), around.following)
    nearest = "".join(
        _neighbour(words("余弦 {cosine:.3f}").format(cosine=cosine), other) for other, cosine in around.nearest
    )
    return (
        f'<div class="yz-card"><div class="yz-meta">{escape(place)}</div>{title}{lead}'
        f'<div class="yz-text">{escape(chunk.text)}</div></div>'
        f'<div class="yz-pair">{before}{after}</div>'
        f"<p><b>{words('向量最近的段落')}</b></p>{nearest or render.note(words('没有别的段落。'))}"
    )


def _neighbour(label: str, passage: Passage) -> str:
    chunk: Chunk = passage.chunk
    return (
        f'<details class="yz-card"><summary><span class="yz-meta">{escape(label)}</span> '
        f"{escape(chunk.text[:50])}{'…' if len(chunk.text) > 50 else ''}</summary>"
        f'<div class="yz-text">{escape(chunk.text)}</div>'
        f'<div class="yz-meta">{escape(passage.file)} · {escape(chunk.chunk_id)}</div></details>'
    )
