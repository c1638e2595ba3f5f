"""Why a question finds what it finds, and whether the chat answers it."""

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr
import pandas as pd  # type: ignore[import-untyped]

from src.caller import Caller
from src.chat.prompt import build_messages
from src.chat.quote import best_sentence
from src.chat.reader import Evidence, decide, finished, least_answerable, read_as
from src.chat.service import ChatOptions
from src.errors import YuanZhiError
from src.runtime import MIN_SCORE
from src.search.explain import Explained, Explanation
from src.search.knowledge_base import KnowledgeBase
from src.search.rows import StoredChunk
from src.search.search import MAX_QUERY_CHARS, check_top_k
from src.search.types import Hit
from src.ui.context import Context
from src.ui.index import marking, verdict
from src.ui.index.parts import HIDDEN, MINIMAL, exports, run_button, table
from src.ui.passage import page_link, relevance
from src.ui.templating import note, render
from src.ui.wording import CHINESE, Words

MODES = [(CHINESE("混合"), "hybrid"), (CHINESE("向量"), "dense"), (CHINESE("字面"), "lexical")]
EXAMPLES = [CHINESE("羊城是哪座城市的别称"), CHINESE("番茄炒蛋怎么做"), CHINESE("哪些大学在武汉")]
COLUMNS = {
    CHINESE("名次"): 58, CHINESE("段落"): 222, CHINESE("文件"): 116, CHINESE("相关"): 102, CHINESE("得分"): 66,
    CHINESE("阅读"): 66, CHINESE("字面"): 76, CHINESE("向量"): 72,
}  # fmt: skip
MAX_TOP_K = 20
BARS = 10
REACHED, BELOW = CHINESE("过了门槛"), CHINESE("没过门槛")


class Probe:
    """The sub-tab: a question, the passage that was expected, the verdict, candidates and one of them in full."""

    def __init__(self, context: Context) -> None:
        self._context, words = context, context.words
        with gr.Row(equal_height=True):
            self.query = gr.Textbox(
                label=words("问题"), placeholder=words("例如：羊城是哪座城市的别称"), max_length=MAX_QUERY_CHARS,
                max_lines=4, scale=5, min_width=240, elem_id="probe-input",
            )  # fmt: skip
            wanted = gr.Textbox(
                label=words("应该找到的段落（可以不填）"), placeholder=words("段号，或它里面的几个字"), max_length=200,
                scale=3, min_width=220, elem_id="probe-wanted",
            )  # fmt: skip
            run = run_button(words("检索"), "probe-run", self.query)
        examples = gr.Examples(
            [[words(example)] for example in EXAMPLES], self.query, label=words("示例"), api_visibility="private"
        )
        with gr.Accordion(words("检索方式"), open=False), gr.Row():
            modes = [(words(name), mode) for name, mode in MODES]
            mode = gr.Radio(modes, value="hybrid", label=words("方式"), min_width=240, elem_id="probe-mode")
            top_k = gr.Slider(
                1, MAX_TOP_K, value=ChatOptions().top_k, step=1, label=words("聊天看前几段"), min_width=200
            )
        # What is on the page, so that a chosen row and an export are just that.
        found = gr.State(None, time_to_live=3600)
        outputs = [gr.HTML(elem_id="probe-verdict"), *self._results(found), found]
        inputs = [self.query, wanted, mode, top_k]
        slot: dict[str, Any] = {"trigger_mode": "always_last", **MINIMAL}
        context.listen([run.click, self.query.submit, wanted.submit], self.search, inputs, outputs, **slot)
        context.listen(examples.load_input_event.success, self.search, inputs, outputs, **slot)
        context.listen([mode.input, top_k.release], self.search_again, inputs, outputs, **slot)

    def _results(self, found: gr.State) -> list[Any]:
        """The components of a search's results, in the order of ``search``."""
        words = self._context.words
        reached = words("前 10 段的得分（绿色的过了门槛 {threshold}）").format(threshold=MIN_SCORE)
        with gr.Column(visible=False) as results:
            bars = gr.BarPlot(
                x="rank", y="score", color="kind", color_map={words(REACHED): "#59a14f", words(BELOW): "#9aa0a6"}, x_title=words("名次"),
                y_title=words("得分"), color_title=" ", y_lim=[0, 1], sort=[str(i + 1) for i in range(BARS)],
                tooltip=[words("段落")], height=190, label=reached, buttons=[], elem_id="probe-bars",
            )  # fmt: skip
            with gr.Row(equal_height=False):
                with gr.Column(scale=3, min_width=320):
                    candidates = table(COLUMNS, words, "probe-table", label=words("候选段落（点一行看全文）"))
                with gr.Column(scale=2, min_width=300):
                    gr.HTML(note(words("选中的段落，有底色的是问题里的字词"), words))
                    detail = gr.HTML(elem_id="probe-text")
            with gr.Accordion(words("查了哪些词"), open=False):
                terms = gr.HTML(elem_id="probe-terms")
            with gr.Accordion(words("发给模型的提示词"), open=False):
                prompt = gr.Textbox(
                    show_label=False, lines=6, max_lines=16, interactive=False, buttons=["copy"], elem_id="probe-prompt",
                )  # fmt: skip
            with gr.Row(elem_classes=["yz-left"]):
                exports(self._context, "candidates", self.rows, [found], "probe")
        self._context.listen(candidates.select, self.choose, found, detail, **HIDDEN)
        return [results, bars, candidates, detail, terms, prompt]

    def search(self, query: str, wanted: str, mode: str, top_k: float, request: gr.Request) -> tuple[Any, ...]:
        """Everything about one question."""
        words, runtime = self._context.words, self._context.runtime
        limit, own = check_top_k(top_k, MAX_TOP_K), self._context.sessions.documents_of(request)
        with self._context.calls.open("search", request, query, kind="search") as call:
            found = runtime.retriever.explain(query, mode, own)
            call.gave(None, len(found.candidates))
            read = verdict.given(found, limit)
            evidence = self._read(found, limit, call.caller)
            if evidence is not None:
                found = found.with_readings({hit.rank: hit.stages.read or 0.0 for hit in evidence.hits})
            decision = "search" if evidence is None else decide(query, evidence, runtime.threshold)
            if evidence is None or decision == "search":
                lines = [verdict.answer_line(found, read, words)]
            elif decision == "span":
                lines = [verdict.read_line(evidence, runtime.threshold, words)]
                read = [hit for hit in evidence.hits if evidence.span and hit.rank == evidence.span.rank]
            else:
                lines = [verdict.read_line(evidence, least_answerable(query, runtime.threshold), words)]
                read = []
            if wanted.strip():
                bases = [base for base in (own, runtime.local_base if runtime.is_local else None) if base]
                lines.append(verdict.expected_line(found, limit, wanted.strip(), bases, words))
            return (
                render("index/verdict", words, lines=lines),
                gr.Column(visible=bool(found.candidates)),
                gr.BarPlot(score_bars(found, words), visible=mode == "hybrid"),
                self.table_rows(found),
                self.detail(found, found.candidates[0]) if found.candidates else "",
                render(
                    "index/terms",
                    words,
                    asked=marking.asked_words(found),
                    variants=found.variants,
                    terms=found.terms,
                ),
                self._prompt(found.query.text, read, own),
                found,
            )

    def _read(self, found: Explanation, limit: int, caller: Caller) -> Evidence | None:
        """What the reader makes of the passages that the chat would look at; None where the chat does not ask it."""
        reader, query = self._context.runtime.reader, found.query
        if reader is None or query.mode != "hybrid":
            return None
        hits = [Hit(c.chunk, c.score, c.rank, c.stages, own=c.extra) for c in found.candidates[:limit]]
        asked = read_as(query.text, hits)
        return finished(reader.read(asked, hits, caller, every=True)) if asked else None

    def search_again(self, query: str, wanted: str, mode: str, top_k: float, request: gr.Request) -> Any:
        """For the controls beside the box, which say nothing while it is empty."""
        return self.search(query, wanted, mode, top_k, request) if query.strip() else gr.skip()

    def choose(self, explanation: Explanation | None, event: gr.SelectData) -> Any:
        """The passage of a row, unless an hour has passed."""
        rank = int(event.row_value[0])
        return self.detail(explanation, explanation.candidates[rank - 1]) if explanation else gr.skip()

    def detail(self, explanation: Explanation, chosen: Explained) -> str:
        """A candidate in full, with its rank at every stage."""
        words, chunk = self._context.words, chosen.chunk
        ranks = verdict.ranks_text(chosen, explanation.query.pool, words)
        about = f"{words('我的文档')} · {ranks}" if chosen.extra else ranks
        passage = StoredChunk(chunk, file="")  # which is told by its source
        shown = chosen.extra or self._context.runtime.is_local
        page = page_link(chunk, words, own=chosen.extra) if shown else None
        return marking.passage_html(
            passage, marking.matched(explanation, chunk.text), words, about=about, page=page
        )

    def table_rows(self, explanation: Explanation) -> list[list[Any]]:
        """All candidates, best first."""
        words, pool = self._context.words, explanation.query.pool
        hybrid = explanation.query.mode == "hybrid"
        return [
            [
                c.rank,
                marking.excerpt(c.chunk.text, limit=marking.ROW_CHARS),
                f"{words('我的文档')} · {c.chunk.source}" if c.extra else c.chunk.source,
                relevance(c.score, words) if hybrid else "—",
                f"{c.score:.2f}",
                "—" if c.stages.read is None else f"{c.stages.read:.2f}",
                verdict.rank_text(c, "lexical", pool, words),
                verdict.rank_text(c, "dense", pool, words),
            ]
            for c in explanation.candidates
        ]

    def rows(self, explanation: Explanation | None, _request: gr.Request) -> Iterator[dict[str, Any]]:
        """For an export: the candidates on the page, without the fused score, which orders nothing."""
        for candidate in explanation.candidates if explanation else ():
            yield {name: value for name, value in candidate.to_json().items() if not name.startswith("fused")}

    def _prompt(self, question: str, read: Sequence[Hit], own: KnowledgeBase | None) -> str:
        """The messages that the chat would send for this question, asked for the first time."""
        words, runtime = self._context.words, self._context.runtime
        if not read:
            return words("（聊天不问模型，直接说没有找到）")
        quote = best_sentence(question, read, lambda asked, texts: runtime.retriever.suits(asked, texts, own))
        room = runtime.settings.max_new_tokens
        try:
            messages = build_messages(runtime.model, question, read, (), room, runtime.prompt, quote)
        except YuanZhiError as error:
            return words.error(str(error))
        return "\n\n".join(f"[{message.role}]\n{message.content}" for message in messages)


def score_bars(explanation: Explanation, words: Words) -> pd.DataFrame:
    """The first candidates' scores, and whether they reach the chat's threshold."""
    reached, below = words(REACHED), words(BELOW)
    # A bar without height of each kind: gradio goes on drawing with the kinds that were there first.
    rows = [("1", 0.0, reached, ""), ("1", 0.0, below, "")]
    for c in explanation.candidates[:BARS]:
        text = marking.excerpt(c.chunk.text, limit=marking.ROW_CHARS)
        rows.append((str(c.rank), round(c.score, 4), reached if c.score >= MIN_SCORE else below, text))
    return pd.DataFrame(rows, columns=["rank", "score", "kind", words("段落")])
