"""The conversation, what it may use, and what its answers rest on.

One event is one answer: ``ask``, ``retry``, ``edit``, ``choose`` and an example all stream through ``_answered``, which is
the only writer of the page while it runs. A stop only sets the session's stop event; the running answer draws the end.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr

from src.chat.answer import Answer
from src.chat.service import MAX_MESSAGE_CHARS, MAX_TOP_K, ChatOptions, check_message
from src.errors import InputError, Stopped
from src.ingest.parse import readable_kinds
from src.search.own import MAX_CHARACTERS, MAX_FILES
from src.ui import feedback, markdown
from src.ui.chat import export, kept, view
from src.ui.context import MODEL, QUICK, UPLOAD, UPLOAD_LIFE_S, Context, message_of, skips
from src.ui.conversation import MAX_TURNS, Turn, history
from src.ui.download import download
from src.ui.session import IDLE_S, Session, connection_of
from src.ui.templating import note, render
from src.ui.wording import Words

WORK = "chat"
# Reasons that fit into one notice.
MAX_REASONS = 5
_DROP_JS = """
const main = document.querySelector("#chat-main");
// Gradio gives this box no name.
main.addEventListener("focusin", ({target}) => { if (target.closest("#chat-input textarea")) target.ariaLabel = target.placeholder; });
const files = (event) => event.dataTransfer && event.dataTransfer.types.includes("Files");
main.addEventListener("dragover", (event) => { if (files(event)) { event.preventDefault(); main.classList.add("yz-drop"); } });
main.addEventListener("dragleave", (event) => { if (!main.contains(event.relatedTarget)) main.classList.remove("yz-drop"); });
main.addEventListener("drop", (event) => {
  main.classList.remove("yz-drop");
  const input = main.querySelector("#chat-input input[type=file]");
  if (!files(event) || event.defaultPrevented || !input || event.target.closest("#chat-input")) return;
  event.preventDefault();
  input.files = event.dataTransfer.files;
  input.dispatchEvent(new Event("change", {bubbles: true}));
});
"""


class Dialogue:
    """The widgets of the sub-tab inside the current Blocks, and their handlers."""

    def __init__(self, context: Context, examples: Sequence[str]) -> None:
        self._context = context
        self._examples = examples
        words = context.words
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300, elem_id="chat-main"):
                self.chatbot = gr.Chatbot(
                    label=words("对话"),
                    show_label=False,
                    elem_id="chatbot",
                    elem_classes=["yz-chat"],
                    height="calc(100dvh - 330px)",
                    editable="user",
                    buttons=["copy", "copy_all"],
                    placeholder=_placeholder(words),
                    examples=[{"text": example} for example in examples],
                    allow_tags=False,
                    layout="bubble",
                )
                self.box = gr.MultimodalTextbox(
                    show_label=False,
                    label=words("问题"),
                    placeholder=words("问一个问题，或拖入文件…"),
                    file_count="multiple",
                    max_lines=6,
                    max_plain_text_length=MAX_MESSAGE_CHARS,
                    elem_id="chat-input",
                )
                with gr.Row(elem_id="chat-actions"):
                    self.use_knowledge = gr.Checkbox(
                        True, label=words("使用知识库"), container=False, min_width=110, elem_id="use-knowledge"
                    )
                    self.export_button = gr.Button(
                        words("⇩ 导出对话"), size="sm", min_width=100, interactive=False, elem_id="chat-export"
                    )
                    self.forget_button = gr.Button(
                        words("清除这次会话"), size="sm", min_width=110, interactive=False, elem_id="chat-forget"
                    )
            with gr.Column(scale=2, min_width=280, elem_id="chat-side"):
                # A chip a file: its × removes the file.
                self.files = gr.Dropdown(
                    [],
                    value=[],
                    multiselect=True,
                    visible=False,
                    label=words("我的文档（点 × 移除）"),
                    elem_id="my-files",
                )
                self.sources = gr.HTML(view.panel((), words), elem_id="sources", js_on_load=_DROP_JS)
                with gr.Accordion(words("设置"), open=False, elem_id="chat-settings"):
                    self.follow_up = gr.Checkbox(True, label=words("联系上文（追问）"), elem_id="use-history")
                    self.top_k = gr.Slider(1, MAX_TOP_K, value=4, step=1, label=words("资料条数"), elem_id="top-k")
                    self.min_score = gr.Slider(
                        0, 1, value=context.runtime.threshold, step=0.01, label=words("作答门槛"), elem_id="min-score",
                        info=words("资料里有答案的可能性低于它就不作答；越高越宁可不答"),
                    )  # fmt: skip
                    self.keep = gr.Checkbox(
                        False,
                        label=words("在这个浏览器里保存对话"),
                        info=words(
                            "只存问题和回答，存在这台设备的浏览器里，下次打开还在；不勾选就不存，取消勾选就删掉"
                        ),
                        elem_id="keep-conversation",
                    )
                with gr.Accordion(words("关于我的文档和隐私"), open=False, elem_id="chat-about"):
                    gr.HTML(note(about(words), words))
                    if context.runtime.settings.feedback:
                        text = words("点 👍 或 👎 会把这个问题、回答和资料的名字存给站长，用来改进；不点就不存。")
                        gr.HTML(note(text, words))
        self.browser = gr.BrowserState(kept.NOTHING, storage_key="yuanzhi-conversation", secret="yuanzhi")  # noqa: S106 (kept by the visitor)
        self._outputs = [
            self.chatbot, self.sources, self.box, self.files, self.export_button, self.forget_button, self.browser,
        ]  # fmt: skip
        self.restored = [*self._outputs, self.keep]
        self._listen()

    def _listen(self) -> None:
        listen, outputs = self._context.listen, self._outputs
        settings = [self.use_knowledge, self.follow_up, self.top_k, self.min_score, self.keep]
        # "multiple": a question asked while an answer is still ending must not be dropped.
        model: dict[str, Any] = {"trigger_mode": "multiple", "show_progress": "hidden", **MODEL}
        listen(self.box.submit, self.ask, [self.box, *settings], outputs, **model)
        listen(self.chatbot.example_select, self.example, settings, outputs, **model)
        listen(self.chatbot.retry, self.retry, settings, outputs, **model)
        listen(self.chatbot.edit, self.edit, settings, outputs, **model)
        listen(self.chatbot.option_select, self.choose, settings, outputs, **model)
        listen(self.chatbot.undo, self.undo, self.keep, outputs, **QUICK)
        listen(self.chatbot.clear, self.clear, self.keep, outputs, **QUICK)
        listen(self.box.stop, self.stop, None, None, **QUICK)
        listen(self.forget_button.click, self.forget, None, [*outputs, self.keep], **QUICK)
        listen(self.files.input, self.keep_files, self.files, self.files, show_progress="hidden", **UPLOAD)
        listen(self.keep.input, self.keep_conversation, self.keep, self.browser, **QUICK)
        download(self._context, self.export_button, self.export)
        if self._context.runtime.settings.feedback:
            listen(self.chatbot.like, self.like, None, None, **QUICK)

    # Handlers

    def ask(
        self, value: dict[str, Any] | None, use: bool, follow: bool, k: int, least: float, keep: bool,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:  # fmt: skip
        """A new question, perhaps with files; files alone are only added."""
        message, paths = (value or {}).get("text") or "", (value or {}).get("files") or []
        if message.strip() or not paths:
            message = check_message(message)
        session = self._session(request)
        added: tuple[str, ...] = ()
        if paths:
            yield self._box_only(gr.MultimodalTextbox(
                interactive=False, placeholder=self._context.words("正在读文件…"), submit_btn=False
            ))  # fmt: skip
            try:
                added = self._add(session, paths, request)
            except Exception:
                yield self._box_only(self._box(session))  # it keeps the files for another try
                raise
        if not message.strip():
            yield self._drawn(session, value=None)
            return
        options = _options(use, follow, k, least)
        yield from self._answered(session, Turn(Answer(message), options, files=added), None, keep, request)

    def example(
        self, use: bool, follow: bool, k: int, least: float, keep: bool, event: gr.SelectData, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """One of the questions that an empty conversation offers."""
        text = event.value.get("text") if isinstance(event.value, dict) else None
        if not isinstance(text, str) or text not in self._examples:
            raise InputError("没有这个示例问题；请刷新网页再试")
        turn = Turn(Answer(text), _options(use, follow, k, least))
        yield from self._answered(self._session(request), turn, None, keep, request)

    def retry(
        self, use: bool, follow: bool, k: int, least: float, keep: bool, event: gr.RetryData, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """The same question once more, with the settings of now; what came after it goes."""
        session = self._session(request)
        number = self._turn_at(session, event.index)
        turn = Turn(Answer(session.conversation[number].question), _options(use, follow, k, least))
        yield from self._answered(session, turn, number, keep, request)

    def edit(
        self, use: bool, follow: bool, k: int, least: float, keep: bool, event: gr.EditData, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """A question put in other words; what came after it goes."""
        session = self._session(request)
        number = self._turn_at(session, event.index)
        try:
            message = check_message(markdown.untyped(event.value) if isinstance(event.value, str) else event.value)
        except InputError as error:
            # The page shows the edited text already: it gets the old one back.
            gr.Warning(self._context.words.error(str(error)), title=self._context.words("提示"))
            yield self._drawn(session)
            return
        turn = Turn(Answer(message), _options(use, follow, k, least))
        yield from self._answered(session, turn, number, keep, request)

    def choose(
        self, use: bool, follow: bool, k: int, least: float, keep: bool, event: gr.SelectData, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """A chip under the last answer."""
        session = self._session(request)
        last = session.conversation[-1] if session.conversation else None
        if last is None or event.value not in [value for _, value in view.choices(last, self._context.words)]:
            yield self._drawn(session)
            return
        number: int | None = len(session.conversation) - 1
        question, options = last.question, _options(use, follow, k, least)
        if event.value == view.WITHOUT_KNOWLEDGE:
            options = _options(False, follow, k, least)
        elif event.value == view.NEAREST:
            options = _options(True, follow, k, 0.0)
        else:
            number, question = None, event.value.removeprefix(view.ASK)
        yield from self._answered(session, Turn(Answer(question), options), number, keep, request)

    def undo(self, keep: bool, event: gr.UndoData, request: gr.Request) -> tuple[Any, ...]:
        """Take back a question and what came after it; its text goes back into the box."""
        session = self._session(request)
        number = self._turn_at(session, event.index)
        question = session.conversation[number].question
        # First this, then the end of a running answer: a slow page may draw that end after what is returned here.
        del session.conversation[number:]
        session.stop(WORK)
        browser = self.keep_conversation(keep, request)
        return self._drawn(session, browser=browser, value={"text": question, "files": []})

    def clear(self, keep: bool, request: gr.Request) -> tuple[Any, ...]:
        """Empty the conversation; the visitor's documents stay."""
        session = self._session(request)
        session.conversation.clear()  # before the running answer draws its end, as in ``undo``
        session.stop(WORK)
        return self._drawn(session, browser=self.keep_conversation(keep, request))

    def forget(self, request: gr.Request) -> tuple[Any, ...]:
        """Delete the conversation, the documents, the batch and what the browser keeps."""
        session = self._session(request)
        session.conversation.clear()
        session.stop(WORK)
        self._context.sessions.forget(request)
        session = self._session(request)
        gr.Info(self._context.words("对话、我的文档和批量抽取的结果都已删除"), title=self._context.words("提示"))
        return *self._drawn(session, browser=kept.NOTHING), False

    def stop(self, request: gr.Request) -> None:
        """End the running answer, which draws its own end."""
        self._session(request).stop(WORK)

    def keep_files(self, names: list[str] | None, request: gr.Request) -> Any:
        """Remove the documents whose chips are gone."""
        documents = self._session(request).documents
        words = self._context.words
        for entry in documents.files():
            if entry.name not in (names or []):
                documents.remove(entry.name)
                gr.Info(words("已移除 {name}").format(name=entry.name), title=words("提示"))
        return self._chips(documents.files())

    def keep_conversation(self, keep: bool, request: gr.Request) -> object:
        """What the visitor's browser is to keep from now on."""
        return kept.stored(self._session(request).conversation) if keep else kept.NOTHING

    def export(self, request: gr.Request) -> tuple[str, bytes]:
        """The conversation as a Markdown file."""
        conversation = self._session(request).conversation
        if not conversation:
            raise InputError("还没有可以导出的对话")
        return "yuanzhi-chat.md", export.markdown_of(conversation, self._context.words).encode()

    def like(self, event: gr.LikeData, request: gr.Request) -> None:
        """Store what the visitor thinks of an answer."""
        session = self._session(request)
        turn = session.conversation[self._turn_at(session, event.index)]
        path = self._context.runtime.settings.feedback
        assert path is not None
        if isinstance(event.liked, bool) and feedback.rate(path, turn, event.liked):
            gr.Info(self._context.words("谢谢，已存下这条评价。"), title=self._context.words("提示"))

    def restore(self, session: Session, stored: object) -> tuple[Any, ...]:
        """The values of ``restored``: the session's conversation, or the one that the visitor's browser kept.

        An answer that the page before was still waiting for ends: no event is left to draw it.
        """
        session.stop(WORK)
        if not session.conversation:
            session.conversation.extend(kept.restored(stored))
        return *self._drawn(session), kept.is_kept(stored)

    # One answer

    def _answered(
        self, session: Session, turn: Turn, number: int | None, keep: bool, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """Stream the answer of ``turn``, which takes the place of turn ``number`` and all behind it, or is new."""
        connection = connection_of(request)
        with session.work(WORK, connection) as stop:
            turns = session.conversation
            del turns[len(turns) if number is None else number :]
            earlier = history(turns)
            turns.append(turn)
            if len(turns) > MAX_TURNS:
                del turns[:2]  # not one: what is opened in the page closes where their number changes
            yield self._drawn(session, value=None)
            try:
                yield from self._streamed(session, turn, earlier, stop, request)
            finally:
                if turn.state == "running":
                    turn.state = "stopped"
            yield self._drawn(session, browser=kept.stored(turns) if keep else gr.skip())
        # Gradio sends a generator's last item once more when it has ended, perhaps after a newer event's first.
        yield skips(self._outputs)

    def _streamed(
        self, session: Session, turn: Turn, earlier: list[Any], stop: Any, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        calls, runtime = self._context.calls, self._context.runtime
        try:
            extra = session.documents.store
            with (
                calls.open("chat", request, turn.question, stop=stop) as call,
                closing(runtime.chat.ask(turn.question, earlier, call.caller, turn.options, extra)) as events,
            ):
                for event in call.follow(events):
                    hits = turn.answer.hits
                    turn.add(event)
                    if not turn.answer.done:  # the end is drawn by the caller
                        yield self._streaming(session, sources=turn.answer.hits is not hits)
                call.gave(turn.answer.written, len(turn.answer.hits))
        except Stopped:
            return
        except Exception as error:
            turn.fail(str(message_of(error, self._context.words).message))

    def _add(self, session: Session, paths: Sequence[str], request: gr.Request) -> tuple[str, ...]:
        """Names of the files that became the visitor's own documents; he is told why others did not."""
        if not paths:
            return ()
        words = self._context.words
        with self._context.calls.open("upload", request, kind="upload"):
            result = session.add([Path(path) for path in paths])
        refused = [words("未加入 {source}：{reason}").format(
            source=one["source"], reason=words.error(one["reason"])
        ) for one in result["rejected"]]  # fmt: skip
        if refused:
            rest = len(refused) - MAX_REASONS
            lines = refused[:MAX_REASONS]
            if rest > 0:
                lines.append(words("还有 {count} 个文件也没有加入").format(count=rest))
            gr.Warning(render_notice(lines, words), title=words("提示"), duration=20)
        added = tuple(one["source"] for one in result["added"])
        if added:
            text = words("已加入 {count} 个文件：{names}").format(count=len(added), names=words("、").join(added))
            gr.Info(render_notice([text], words), title=words("提示"))
        left_out = [
            words("{source}：{warning}").format(source=one["source"], warning=words.error(warning))
            for one in result["added"]
            for warning in one.get("warnings", ())
        ]
        if left_out:
            gr.Warning(render_notice(left_out[:MAX_REASONS], words), title=words("提示"), duration=20)
        return added

    # Views

    def _session(self, request: gr.Request) -> Session:
        return self._context.sessions.of(request)

    def _turn_at(self, session: Session, index: Any) -> int:
        number = view.turn_at(session.conversation, self._context.words, index if isinstance(index, int) else -1)
        if number < 0:
            raise InputError("这条消息已经不在对话里了；请刷新网页再试")
        return number

    def _drawn(self, session: Session, *, browser: Any = gr.skip(), **box: Any) -> tuple[Any, ...]:  # noqa: B008
        """Everything, as the session has it now; ``box`` as ``_box``."""
        words, turns = self._context.words, list(session.conversation)  # ``clear`` may empty it meanwhile
        files = session.documents.files()
        return (
            view.messages(turns, words),
            self._panel(turns),
            self._box(session, **box),
            self._chips(files),
            gr.Button(interactive=bool(turns)),
            gr.Button(interactive=bool(turns or files or session.batch)),
            browser,
        )

    def _streaming(self, session: Session, *, sources: bool) -> tuple[Any, ...]:
        """The conversation, and the passages when they have just come."""
        words, turns = self._context.words, list(session.conversation)
        panel = self._panel(turns) if sources else gr.skip()
        return view.messages(turns, words), panel, *(gr.skip(),) * (len(self._outputs) - 2)

    def _panel(self, turns: Sequence[Turn]) -> str:
        return view.panel(turns, self._context.words, shared_pages=self._context.runtime.is_local)

    def _box_only(self, box: gr.MultimodalTextbox) -> tuple[Any, ...]:
        return gr.skip(), gr.skip(), box, *(gr.skip(),) * (len(self._outputs) - 3)

    def _box(self, session: Session, **value: Any) -> gr.MultimodalTextbox:
        """The box for a question, or to stop an answer; it keeps what is in it unless there is a ``value``."""
        running = any(turn.state == "running" for turn in session.conversation)
        placeholder = self._context.words("问一个问题，或拖入文件…")
        return gr.MultimodalTextbox(
            interactive=True, placeholder=placeholder, submit_btn=not running, stop_btn=running, **value
        )

    def _chips(self, files: Sequence[Any]) -> gr.Dropdown:
        names = [entry.name for entry in files]
        return gr.Dropdown(names, value=names, visible=bool(names))


def _options(use: object, follow: object, k: int, least: float) -> ChatOptions:
    """Settings that a turn may keep: gradio checks its sliders' values, but a checkbox may send anything of any size."""
    return ChatOptions(bool(use), bool(follow), k, least)


def about(words: Words) -> str:
    """What may be added, who sees it, and when it is gone."""
    return words(
        "只有这次会话看得到您的对话和文档，它们只在服务器的内存里：{idle} 分钟没有使用就删除，点“清除这次会话”立刻删除；"
        "上传的原文件约 {life} 分钟后从磁盘删除。一次会话最多 {files} 个文件、共 {characters} 字；能读 {kinds}。"
    ).format(
        idle=int(IDLE_S // 60),
        life=UPLOAD_LIFE_S // 60,
        files=MAX_FILES,
        characters=MAX_CHARACTERS,
        kinds=readable_kinds(),
    )


def _placeholder(words: Words) -> str:
    title, text = words("问知识库一个问题"), words("回答会附上来源；把自己的文件拖进来，也可以问它们")
    return f"### {title}\n{text}"


def render_notice(lines: Sequence[str], words: Words) -> str:
    """Lines of text for a notice, which gradio shows as HTML."""
    return render("chat/lines", words, lines=lines)
