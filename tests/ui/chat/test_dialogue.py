"""The chat's handlers, with a scripted service and no browser."""

import json
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from src.chat.events import Delta, Event, Finished, Queued, Retrieved
from src.chat.service import ChatOptions
from src.errors import Busy, InputError, ModelError
from src.models.base import Message
from src.models.embedders.fake import HashingEmbedder
from src.models.fake import FakeModel
from src.runtime import Runtime
from src.settings import load_settings
from src.ui.chat import view
from src.ui.chat.compare import Comparison
from src.ui.chat.dialogue import MAX_REASONS, Dialogue, render_notice
from src.ui.chat.kept import NOTHING
from src.ui.context import Context
from src.ui.conversation import MAX_TURNS
from src.ui.page import App
from src.ui.session import Session
from src.ui.wording import CHINESE
from tests.ui.app import text_file, until
from tests.ui.chat.scripted import ScriptedChat, hit

SETTINGS = (True, True, 4, 0.15, False)
CHATBOT, SOURCES, BOX, FILES, EXPORT, FORGET, BROWSER = range(7)


def script(question: str, options: ChatOptions, extra: Any) -> Iterator[Event]:
    if question == "坏":
        raise ModelError("模型坏了")
    if question == "虫":
        raise ValueError(f"secret {question}")
    if options.use_knowledge:
        yield Retrieved((hit(1, "别的", 0.9 if question != "拒" else 0.01),), 5.0)
    if question == "拒" and options.use_knowledge and options.min_score:
        yield Finished(refused=True)
        return
    yield Queued(1)
    while question == "久":
        time.sleep(0.01)
        yield Delta("啊")
    yield Delta("答")
    yield Delta("完。")
    yield Finished(timings_ms={"total": 9.0})


@pytest.fixture
def app(tmp_path: Path) -> App:
    (tmp_path / "knowledge.txt").write_text("端午节在五月初五。\n", encoding="utf-8")
    settings = load_settings(
        knowledge=[tmp_path / "knowledge.txt"], cache_dir=tmp_path / "cache", feedback=tmp_path / "f.jsonl"
    )
    runtime = Runtime(settings)
    vars(runtime).update(model=FakeModel(), embedder=HashingEmbedder(), chat=ScriptedChat(script))
    return App(runtime)


@pytest.fixture
def context(app: App) -> Context:
    return app.context("zh")


@pytest.fixture
def dialogue(context: Context) -> Dialogue:
    with gr.Blocks():
        return Dialogue(context, ["示例一"])


@pytest.fixture(autouse=True)
def notices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notices, which gradio can only show within an event of its own."""
    said: list[str] = []
    for name in ("Info", "Warning"):
        monkeypatch.setattr(gr, name, lambda text, **_: said.append(text))
    return said


def visitor(name: str = "me") -> Any:
    return SimpleNamespace(session_hash=name, client=SimpleNamespace(host="127.0.0.1"), headers={})


def session(context: Context, name: str = "me") -> Session:
    return context.sessions.of(visitor(name))


def ask(dialogue: Dialogue, text: str, files: list[str] | None = None, name: str = "me") -> list[tuple[Any, ...]]:
    """What is drawn; the last item says that nothing more is."""
    return [
        step
        for step in dialogue.ask({"text": text, "files": files or []}, *SETTINGS, visitor(name))
        if step != gr.skip()
    ]


def texts(step: tuple[Any, ...]) -> list[str]:
    return [message["content"] for message in step[CHATBOT]]


def questions(context: Context, name: str = "me") -> list[str]:
    return [turn.question for turn in session(context, name).conversation]


def service(context: Context) -> ScriptedChat:
    return vars(context.runtime)["chat"]


def test_what_the_visitor_set_reaches_the_service(dialogue: Dialogue, context: Context) -> None:
    ask(dialogue, "早")
    list(dialogue.ask({"text": "它呢？"}, True, False, 7, 0.4, False, visitor()))
    question, told, options = service(context).asked[1]
    assert question == "它呢？"
    assert told == [Message("user", "早"), Message("assistant", "答完。")]
    assert options == ChatOptions(True, False, 7, 0.4)
    assert service(context).callers[1].user == "me"


def test_a_turn_keeps_nothing_that_a_checkbox_does_not_have(dialogue: Dialogue, context: Context) -> None:
    list(dialogue.ask({"text": "问"}, ["x" * 1000], {"y": 1}, 4, 0.15, False, visitor()))  # type: ignore[arg-type]
    assert session(context).conversation[0].options == ChatOptions(True, True, 4, 0.15)


def test_an_answer_streams_and_the_box_can_stop_it(dialogue: Dialogue) -> None:
    first, *middle, last = ask(dialogue, "问")
    assert first[BOX].constructor_args["stop_btn"]
    assert not first[BOX].constructor_args["submit_btn"]
    assert first[BOX].constructor_args["value"] is None
    assert all(step[BOX] == gr.skip() for step in middle)  # what is typed meanwhile stays
    assert last[BOX].constructor_args["submit_btn"]
    assert not last[BOX].constructor_args["stop_btn"]
    titles = [step[CHATBOT][1]["metadata"]["title"] for step in (first, *middle)]
    assert titles[0] == "正在查资料…"
    assert "前面还有 1 个请求…" in titles
    assert texts(last)[-1] == "答完。"
    assert last[EXPORT].constructor_args["interactive"]
    # The passages are drawn when they come and at the end, not at every word.
    assert sum(isinstance(step[SOURCES], str) for step in middle) == 1


def test_an_empty_or_too_long_question_changes_nothing(dialogue: Dialogue, context: Context) -> None:
    ask(dialogue, "早")
    for text in ("", "  \n", "长" * 2001):
        with pytest.raises(InputError):
            ask(dialogue, text)
    assert questions(context) == ["早"]


def test_a_failure_is_told_in_the_conversation(dialogue: Dialogue, context: Context, caplog: Any) -> None:
    last = ask(dialogue, "坏")[-1]
    assert texts(last)[-1] == "⚠ 模型坏了"
    last = ask(dialogue, "虫")[-1]
    assert "出了意料之外的错误" in texts(last)[-1]
    assert "secret 虫" not in caplog.text
    assert "ValueError" in caplog.text
    assert [turn.state for turn in session(context).conversation] == ["failed", "failed"]
    assert last[BOX].constructor_args["submit_btn"]


def test_stop_ends_the_answer_and_says_so(dialogue: Dialogue, context: Context) -> None:
    steps: list[Any] = []
    thread = threading.Thread(target=lambda: steps.extend(ask(dialogue, "久")))
    thread.start()
    assert until(lambda: len(steps) > 5 or session(context).is_working())
    time.sleep(0.1)
    dialogue.stop(visitor())
    assert not session(context).is_working()
    thread.join(5)
    assert texts(steps[-1])[-1].endswith("*■ 已停止*")
    assert steps[-1][BOX].constructor_args["submit_btn"]


def test_the_last_item_changes_nothing(dialogue: Dialogue) -> None:
    """Gradio sends it once more when the answer has ended, perhaps after a newer event has drawn the page."""
    assert list(dialogue.ask({"text": "问"}, *SETTINGS, visitor()))[-1] == gr.skip()


@pytest.mark.parametrize("event", ["ask", "undo", "clear", "forget"])
def test_an_answer_that_something_else_ends_draws_nothing_that_is_gone(
    dialogue: Dialogue, context: Context, event: str
) -> None:
    """A slow page may show the end of the answer after what ended it."""
    old: list[tuple[Any, ...]] = []
    thread = threading.Thread(target=lambda: old.extend(ask(dialogue, "久")))
    thread.start()
    assert until(lambda: session(context).is_working())
    time.sleep(0.1)
    if event == "ask":
        assert texts(ask(dialogue, "问")[-1])[-1] == "答完。"
    elif event == "undo":
        shown = dialogue.undo(False, SimpleNamespace(index=0), visitor())  # type: ignore[arg-type]
        assert (shown[CHATBOT], shown[BOX].constructor_args["value"]["text"]) == ([], "久")
    else:
        shown = dialogue.clear(False, visitor()) if event == "clear" else dialogue.forget(visitor())
        assert shown[CHATBOT] == []
    thread.join(5)
    assert not thread.is_alive()
    if event == "ask":
        assert texts(old[-1])[-1].endswith("*■ 已停止*")
    else:
        assert old[-1][CHATBOT] == []


def test_a_client_that_leaves_mid_stream_frees_the_model(dialogue: Dialogue, context: Context) -> None:
    stream = dialogue.ask({"text": "久"}, *SETTINGS, visitor())
    for _ in range(5):
        next(stream)
    stream.close()
    assert service(context).callers[0].stopped
    assert session(context).conversation[0].state == "stopped"
    assert not session(context).is_working()


def test_retry_edit_and_undo_go_back_to_their_question(dialogue: Dialogue, context: Context) -> None:
    for text in ("一", "二", "三"):
        ask(dialogue, text)
    list(dialogue.edit(*SETTINGS, SimpleNamespace(index=3, value="二\\*改"), visitor()))  # type: ignore[arg-type]
    assert questions(context) == ["一", "二*改"]
    list(dialogue.retry(False, True, 4, 0.15, False, SimpleNamespace(index=0), visitor()))  # type: ignore[arg-type]
    assert questions(context) == ["一"]
    assert service(context).asked[-1][1:] == ([], ChatOptions(False, True, 4, 0.15))
    dialogue.undo(False, SimpleNamespace(index=1), visitor())  # type: ignore[arg-type]
    assert questions(context) == []


@pytest.mark.parametrize("index", [-1, 99, None, "0", (0, 1)])
def test_a_message_that_is_not_there(dialogue: Dialogue, context: Context, index: Any) -> None:
    ask(dialogue, "一")
    event: Any = SimpleNamespace(index=index, value="x", liked=True)
    for handler in (dialogue.retry, dialogue.edit):
        with pytest.raises(InputError, match="不在对话里"):
            list(handler(*SETTINGS, event, visitor()))
    with pytest.raises(InputError, match="不在对话里"):
        dialogue.undo(False, event, visitor())
    with pytest.raises(InputError, match="不在对话里"):
        dialogue.like(event, visitor())
    assert questions(context) == ["一"]


def test_an_edit_that_cannot_be_used_brings_the_old_text_back(
    dialogue: Dialogue, context: Context, notices: list[str]
) -> None:
    ask(dialogue, "一")
    for value in (" ", "长" * 3000, None, [{"type": "text"}]):
        (shown,) = dialogue.edit(*SETTINGS, SimpleNamespace(index=0, value=value), visitor())  # type: ignore[arg-type]
        assert texts(shown)[0] == "一"
    assert len(notices) == 4
    assert questions(context) == ["一"]


def test_chips_under_a_refusal(dialogue: Dialogue, context: Context) -> None:
    ask(dialogue, "拒")
    event: Any = SimpleNamespace(value=view.NEAREST)
    *_, last, _skip = dialogue.choose(*SETTINGS, event, visitor())
    assert texts(last)[-1] == "答完。"
    assert questions(context) == ["拒"]
    assert service(context).asked[-1][2].min_score == 0.0
    ask(dialogue, "拒")
    event = SimpleNamespace(value=view.WITHOUT_KNOWLEDGE)
    *_, last, _skip = dialogue.choose(*SETTINGS, event, visitor())
    assert texts(last)[-1].startswith("*模型自己的回答")
    # Not offered now, or never: nothing happens.
    for value in (view.NEAREST, view.ASK + "别的", None, {}):
        list(dialogue.choose(*SETTINGS, SimpleNamespace(value=value), visitor()))  # type: ignore[arg-type]
        assert len(questions(context)) == 2


def test_an_example_sends_itself_and_nothing_else_passes_for_one(dialogue: Dialogue, context: Context) -> None:
    list(dialogue.example(*SETTINGS, SimpleNamespace(value={"text": "示例一"}), visitor()))  # type: ignore[arg-type]
    assert questions(context) == ["示例一"]
    for value in ({"text": "别的"}, "示例一", None, {}):
        with pytest.raises(InputError):
            list(dialogue.example(*SETTINGS, SimpleNamespace(value=value), visitor()))  # type: ignore[arg-type]


def test_files_become_own_documents(
    dialogue: Dialogue, context: Context, tmp_path: Path, notices: list[str]
) -> None:
    good = text_file(tmp_path, "社团 <b>.txt", "青柠社的社长是钱多多。\n")
    bad = text_file(tmp_path, "坏.xyz", "x")
    steps = ask(dialogue, "社长？", [str(good), str(bad)])
    assert steps[0][BOX].constructor_args["placeholder"] == "正在读文件…"
    assert steps[-1][FILES].constructor_args["value"] == ["社团 <b>.txt"]
    assert "加入了 社团" in steps[-1][CHATBOT][1]["content"]
    assert any("未加入 坏.xyz" in said for said in notices)
    assert all("<b>" not in said for said in notices)
    # Without a question they are only added.
    (_, shown) = ask(dialogue, "", [str(text_file(tmp_path, "二.txt", "另一份。\n"))])
    assert shown[FILES].constructor_args["value"] == ["社团 <b>.txt", "二.txt"]
    assert shown[BOX].constructor_args["value"] is None  # or the next question would add them once more
    assert questions(context) == ["社长？"]
    chips = dialogue.keep_files(["二.txt"], visitor())
    assert chips.constructor_args["value"] == ["二.txt"]
    assert not dialogue.keep_files(None, visitor()).constructor_args["visible"]


def test_files_that_find_no_room_leave_the_box_open_for_another_try(
    dialogue: Dialogue, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(paths: Any) -> Any:
        raise Busy("您已有 4 次上传在处理")

    monkeypatch.setattr(session(context), "add", full)
    steps = dialogue.ask({"text": "问", "files": [str(text_file(tmp_path, "一.txt", "一"))]}, *SETTINGS, visitor())
    assert not next(steps)[BOX].constructor_args["interactive"]
    box = next(steps)[BOX].constructor_args
    assert (box["interactive"], box["submit_btn"], "value" in box) == (True, True, False)
    with pytest.raises(Busy):
        next(steps)


def test_five_hundred_dropped_files_get_a_short_answer(
    dialogue: Dialogue, tmp_path: Path, notices: list[str]
) -> None:
    files = [str(text_file(tmp_path, f"{number}.txt", f"第{number}份。\n")) for number in range(26)]
    last = ask(dialogue, "", files)[-1]
    assert len(last[FILES].constructor_args["value"]) == 20
    assert len(notices) == 2
    assert notices[0].count("未加入") == MAX_REASONS
    assert "还有 1 个文件也没有加入" in notices[0]


def test_two_visitors_have_their_own_conversations(dialogue: Dialogue, context: Context) -> None:
    ask(dialogue, "甲的", name="甲")
    ask(dialogue, "乙的", name="乙")
    assert (questions(context, "甲"), questions(context, "乙")) == (["甲的"], ["乙的"])


def test_an_old_conversation_is_cut_and_forgotten(dialogue: Dialogue, context: Context) -> None:
    shown = [ask(dialogue, str(number))[-1] for number in range(MAX_TURNS + 3)]
    assert questions(context)[0] == "4"
    # The page sees that there is a new question, though as many as before are left.
    assert all(one[SOURCES][:10] != other[SOURCES][:10] for one, other in pairwise(shown))
    shown = dialogue.forget(visitor())
    assert shown[CHATBOT] == []
    assert shown[BROWSER] == NOTHING
    assert session(context).characters == 0


def test_the_browser_keeps_the_conversation_only_if_asked(dialogue: Dialogue, context: Context) -> None:
    assert ask(dialogue, "一")[-1][BROWSER] == gr.skip()
    kept = list(dialogue.ask({"text": "二"}, True, True, 4, 0.15, True, visitor()))[-2][BROWSER]
    assert [row["question"] for row in kept["turns"]] == ["一", "二"]
    # It forgets what the page takes back, and remembers that it is to keep the rest.
    left = dialogue.undo(True, SimpleNamespace(index=3), visitor())[BROWSER]  # type: ignore[arg-type]
    assert [row["question"] for row in left["turns"]] == ["一"]
    assert dialogue.clear(True, visitor())[BROWSER] == {"keep": True, "turns": []}
    assert dialogue.clear(False, visitor())[BROWSER] == NOTHING
    assert dialogue.keep_conversation(False, visitor()) == NOTHING
    again = session(context, "later")
    *shown, ticked = dialogue.restore(again, kept)
    assert [turn.question for turn in again.conversation] == ["一", "二"]
    assert ticked
    assert texts(tuple(shown))[-1] == "答完。"
    # A session that has a conversation keeps it.
    dialogue.restore(again, {"keep": True, "turns": [{"question": "别的", "answer": "x"}]})
    assert len(again.conversation) == 2


def test_a_page_that_loads_does_not_show_an_answer_that_nobody_draws(dialogue: Dialogue, context: Context) -> None:
    steps = dialogue.ask({"text": "久", "files": []}, *SETTINGS, visitor())
    running = threading.Thread(target=list, args=(steps,))
    running.start()
    assert until(lambda: questions(context) == ["久"])
    *shown, _ = dialogue.restore(session(context), None)
    assert "已停止" in texts(tuple(shown))[-1]
    assert shown[BOX].constructor_args["submit_btn"]
    running.join()


def test_an_export_needs_a_conversation(dialogue: Dialogue) -> None:
    with pytest.raises(InputError, match="没有可以导出"):
        dialogue.export(visitor())
    ask(dialogue, "一")
    name, data = dialogue.export(visitor())
    assert (name, "答完。" in data.decode()) == ("yuanzhi-chat.md", True)


def test_a_rating_is_stored_once(dialogue: Dialogue, context: Context) -> None:
    ask(dialogue, "一")
    for liked in (False, False, "Spam", True, True):
        dialogue.like(SimpleNamespace(index=2, liked=liked), visitor())  # type: ignore[arg-type]
    path = context.runtime.settings.feedback
    assert path is not None
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [row["liked"] for row in rows] == [False, True]
    assert rows[0]["question"] == "一"
    assert rows[0]["sources"] == ["knowledge.txt knowledge.txt#1"]


def test_a_notice_is_text() -> None:
    assert render_notice(["<b>一</b>", "二"], CHINESE) == "&lt;b&gt;一&lt;/b&gt;<br>二"


def test_compare_streams_both_sides(context: Context) -> None:
    with gr.Blocks():
        comparison = Comparison(context, "示例")
    steps = list(comparison.compare("问", visitor()))
    without, grounded, sources, button, stop = steps[-2]
    assert without[-1]["content"].endswith("答完。")
    assert grounded[-1]["content"] == "答完。"
    assert "别的" in sources
    assert (button.constructor_args["visible"], stop.constructor_args["visible"]) == (True, False)
    assert steps[0][4].constructor_args["visible"]
    with pytest.raises(InputError):
        list(comparison.compare(" ", visitor()))
    failed = list(comparison.compare("坏", visitor()))[-2]
    assert failed[0][-1]["content"] == failed[1][-1]["content"] == "⚠ 模型坏了"
