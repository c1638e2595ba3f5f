"""Why a question finds what it finds, and whether the chat answers it."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from src.chat.prompt import build_messages
from src.chat.quote import best_sentence
from src.chat.service import ChatOptions, worth_reading
from src.errors import YuanZhiError
from src.retrieval.explain import Explained, Explanation
from src.retrieval.inspect import find, look
from src.retrieval.search import MAX_QUERY_CHARS, check_top_k
from src.runtime import MIN_SCORE
from src.ui.context import SEARCH, Context
from src.ui.index import marking, plots, verdict
from src.ui.index.exports import Exports
from src.ui.index.table import table
from src.ui.templating import render
from src.ui.wording import CHINESE

MODES = [(CHINESE("混合"), "hybrid"), (CHINESE("向量"), "dense"), (CHINESE("字面"), "lexical")]
EXAMPLES = [CHINESE("羊城是哪座城市的别称"), CHINESE("番茄炒蛋怎么做"), CHINESE("哪些大学在武汉")]
HEADERS = [
    CHINESE("名次"), CHINESE("段落"), CHINESE("文件"), CHINESE("相关"), CHINESE("得分"), CHINESE("字面"), CHINESE("向量"),
]  # fmt: skip
WIDTHS = [58, 222, 116, 102, 66, 76, 72]
ROW_CHARS = 60
MAX_TOP_K = 20
WANTED_CHARS = 200
# A button that can do nothing now is disabled, without asking the server at every key.
ENABLED_JS = "(text) => ({__type__: 'update', interactive: !!(text || '').trim()})"


class Probe:
    """The sub-tab: a question, the passage that was expected, the verdict, candidates and one of them in full."""

    def __init__(self, context: Context) -> None:
        self._context = context
        words = context.words
        with gr.Row(equal_height=True):
            self.query = gr.Textbox(
                label=words("问题"), placeholder=words("例如：羊城是哪座城市的别称"), max_length=MAX_QUERY_CHARS,
                max_lines=4, scale=5, min_width=240, elem_id="probe-input",
            )  # fmt: skip
            self.wanted = gr.Textbox(
                label=words("应该找到的段落（可以不填）"), placeholder=words("段号，或它里面的几个字"),
                max_length=WANTED_CHARS, scale=3, min_width=220, elem_id="probe-wanted",
            )  # fmt: skip
            self.button = gr.Button(
                words("检索"),
                variant="primary",
                scale=1,
                min_width=110,
                interactive=False,
                elem_id="probe-run",
                elem_classes=["yz-run"],
            )
        examples = gr.Examples([[words(example)] for example in EXAMPLES], self.query, label=words("示例"))
        with gr.Accordion(words("检索方式"), open=False), gr.Row():
            modes = [(words(name), mode) for name, mode in MODES]
            self.mode = gr.Radio(modes, value="hybrid", label=words("方式"), min_width=240, elem_id="probe-mode")
            self.top_k = gr.Slider(
                1, MAX_TOP_K, value=ChatOptions().top_k, step=1, label=words("聊天看前几段"), min_width=200
            )
        self.verdict = gr.HTML(elem_id="probe-verdict")
        with gr.Column(visible=False) as self.results:
            self._build_results()
        # What is on the page, so that a chosen row and an export are just that.
        self.found = gr.State(None, time_to_live=3600)
        with self.results, gr.Row(elem_classes=["yz-left"]):
            self.exports = Exports(context, "candidates", self.rows, [self.found], "probe")
        self._listen(examples)

    def _build_results(self) -> None:
        words = self._context.words
        self.bars = gr.BarPlot(
            x="rank", y="score", color="kind", color_map=plots.score_colours(words), x_title=words("名次"),
            y_title=words("得分"), color_title=" ", y_lim=[0, 1], sort=[str(i + 1) for i in range(plots.BARS)],
            tooltip=[words("段落")], height=190, label=words("前 10 段的得分（绿色的过了门槛 {threshold}）").format(threshold=MIN_SCORE), buttons=[], elem_id="probe-bars",
        )  # fmt: skip
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320):
                self.table = table(
                    HEADERS, WIDTHS, words, "probe-table", numbers=(0,), label=words("候选段落（点一行看全文）")
                )
            with gr.Column(scale=2, min_width=300):
                self.text = gr.HighlightedText(
                    label=words("选中的段落，有底色的是问题里的字词"), show_inline_category=False,
                    color_map={words("命中"): "yellow"}, elem_id="probe-text", elem_classes=["yz-marked"],
                )  # fmt: skip
                self.place = gr.HTML(elem_id="probe-place")
        with gr.Accordion(words("查了哪些词"), open=False):
            self.terms = gr.HTML(elem_id="probe-terms")
        with gr.Accordion(words("发给模型的提示词"), open=False):
            self.prompt = gr.Textbox(
                show_label=False, lines=6, max_lines=16, interactive=False, buttons=["copy"], elem_id="probe-prompt"
            )

    def _listen(self, examples: Any) -> None:
        inputs = [self.query, self.wanted, self.mode, self.top_k]
        outputs = [
            self.verdict, self.results, self.bars, self.table, self.text, self.place, self.terms, self.prompt, self.found,
        ]  # fmt: skip
        slot: dict[str, Any] = {"trigger_mode": "always_last", "show_progress": "minimal", **SEARCH}
        events = [self.button.click, self.query.submit, self.wanted.submit]
        self._context.listen(events, self.search, inputs, outputs, **slot)
        self._context.listen(examples.load_input_event.success, self.search, inputs, outputs, **slot)
        self._context.listen([self.mode.input, self.top_k.release], self.search_again, inputs, outputs, **slot)
        chosen = [self.text, self.place]
        self._context.listen(self.table.select, self.choose, self.found, chosen, show_progress="hidden", **SEARCH)
        self.query.change(None, self.query, self.button, js=ENABLED_JS, api_visibility="private")

    def search(self, query: str, wanted: str, mode: str, top_k: float, request: gr.Request) -> tuple[Any, ...]:
        """Everything about one question."""
        limit = check_top_k(top_k, MAX_TOP_K)
        own = self._context.sessions.documents_of(request)
        with self._context.calls.open("search", request, query, kind="search") as call:
            explanation = self._context.runtime.retriever.explain(query, mode, own)
            call.gave(None, len(explanation.candidates))
            found = bool(explanation.candidates)
            bars = plots.score_bars(explanation, MIN_SCORE, self._context.words)
            return (
                self._verdict(explanation, wanted.strip(), limit, request),
                gr.Column(visible=found),
                gr.BarPlot(bars, visible=mode == "hybrid"),
                self.table_rows(explanation),
                *(self.detail(explanation, explanation.candidates[0]) if found else ([], "")),
                self._terms(explanation),
                self._prompt(explanation, limit, request),
                explanation,
            )

    def search_again(
        self, query: str, wanted: str, mode: str, top_k: float, request: gr.Request
    ) -> tuple[Any, ...]:
        """For the controls beside the box, which say nothing while it is empty."""
        return self.search(query, wanted, mode, top_k, request) if query.strip() else (gr.skip(),) * 9

    def choose(self, explanation: Explanation | None, event: gr.SelectData) -> tuple[Any, Any]:
        """The passage of a row."""
        rank = int(event.row_value[0])
        if explanation is None or not 1 <= rank <= len(explanation.candidates):
            return gr.skip(), gr.skip()
        return self.detail(explanation, explanation.candidates[rank - 1])

    def detail(self, explanation: Explanation, chosen: Explained) -> tuple[list[tuple[str, str | None]], str]:
        """A candidate in full: its text in pieces, and its place in the files and at every stage."""
        words, chunk = self._context.words, chosen.chunk
        parts = marking.pieces(chunk.text, marking.matched(explanation, chunk.text))
        place = verdict.place_text(chosen, explanation, words)
        return [(text, words("命中") if hit else None) for text, hit in parts], render(
            "index/candidate", words, source=marking.place(chunk, words), own=chosen.extra, title=chunk.title, place=place,
            chunk_id=chunk.chunk_id,
        )  # fmt: skip

    def table_rows(self, explanation: Explanation) -> list[list[Any]]:
        """All candidates, best first."""
        words, pool = self._context.words, explanation.query.pool
        hybrid = explanation.query.mode == "hybrid"
        return [
            [
                c.rank,
                marking.excerpt(c.chunk.text, limit=ROW_CHARS),
                f"{words('我的文档')} · {c.chunk.source}" if c.extra else c.chunk.source,
                verdict.relation_text(c.score, MIN_SCORE, words) if hybrid else "—",
                f"{c.score:.2f}",
                verdict.rank_text(c, "lexical", pool, words),
                verdict.rank_text(c, "dense", pool, words),
            ]
            for c in explanation.candidates
        ]

    def rows(self, explanation: Explanation | None, request: gr.Request) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        """What an export holds: the candidates on the page."""
        for candidate in explanation.candidates if explanation else ():
            row = candidate.to_json()
            # Computed, but it orders nothing.
            yield {name: value for name, value in row.items() if not name.startswith("fused")}

    def _verdict(self, explanation: Explanation, wanted: str, top_k: int, request: gr.Request) -> str:
        words = self._context.words
        lines: list[tuple[str, str, str, str]] = []
        decided = verdict.verdict(explanation, top_k, MIN_SCORE)
        if decided is not None:
            title = words("聊天会回答") if decided.read else words("聊天会拒答")
            lines.append(_line("ok" if decided.read else "bad", title, verdict.verdict_text(decided, words)))
        elif explanation.candidates:
            text = words("聊天用的是混合检索；这里只按一种方式排，得分没有门槛。")
            lines.append(_line("warn", words("只看一种"), text))
        else:
            lines.append(_line("bad", words("聊天会拒答"), words("没有找到任何段落。")))
        if wanted:
            lines.append(self._wanted(explanation, wanted, decided, top_k, request))
        return render("index/verdict", words, lines=lines)

    def _wanted(
        self,
        explanation: Explanation,
        wanted: str,
        decided: verdict.Verdict | None,
        top_k: int,
        request: gr.Request,
    ) -> tuple[str, str, str, str]:
        words = self._context.words
        found = verdict.best_candidate(explanation.candidates, wanted)
        title = words("应该找到的段落")
        if found is not None:
            place = words("{passage}：{place}。").format(
                passage=marking.excerpt(found.chunk.text, limit=24),
                place=verdict.place_text(found, explanation, words),
            )
            if decided is None:
                return _line("ok", title, place)
        else:
            place = ""
        decided = decided or verdict.Verdict(0.0, MIN_SCORE, ())
        lost = verdict.lost_at(found, found is not None or self._exists(wanted, request), decided, top_k)
        reason = verdict.lost_text(lost, found, decided, top_k, explanation.query.pool, words)
        return _line("bad" if lost else "ok", title, place + reason)

    def _exists(self, wanted: str, request: gr.Request) -> bool:
        """Whether the passage is in the index, or in the visitor's own documents."""
        runtime = self._context.runtime
        own = self._context.sessions.documents_of(request)
        bases = [own, runtime.local_base if runtime.is_local else None]
        return any(base is not None and (find(base, wanted) or look(base, wanted).found) for base in bases)

    def _terms(self, explanation: Explanation) -> str:
        ordered = sorted(explanation.terms.items(), key=lambda item: -item[1])
        variants = [variant.strip() for variant in explanation.variants]
        asked = marking.asked_words(explanation)
        return render("index/terms", self._context.words, asked=asked, variants=variants, terms=ordered)

    def _prompt(self, explanation: Explanation, top_k: int, request: gr.Request) -> str:
        """The messages that the chat would send for this question, asked for the first time."""
        words, runtime = self._context.words, self._context.runtime
        decided = verdict.verdict(explanation, top_k, MIN_SCORE)
        if decided is None or not decided.read:
            return words("（聊天不问模型，直接说没有找到）")
        own = self._context.sessions.documents_of(request)
        question, read = explanation.query.text, worth_reading(verdict.hits(explanation, top_k), MIN_SCORE)
        quote = best_sentence(question, read, lambda asked, texts: runtime.retriever.suits(asked, texts, own))
        room = runtime.settings.max_new_tokens
        try:
            messages = build_messages(runtime.model, question, read, (), room, runtime.prompt, quote)
        except YuanZhiError as error:
            return words.error(str(error))
        return "\n\n".join(f"[{message.role}]\n{message.content}" for message in messages)


def _line(level: str, title: str, text: str) -> tuple[str, str, str, str]:
    return verdict.MARKS[level], level, title, text
