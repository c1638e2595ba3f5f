"""What the browser is sent of a handler that yields."""

from typing import Any

import gradio as gr

from src.ui.server import Page


def sent(*values: Any) -> list[Any]:
    """For one output that takes these values one after the other, and ends."""
    with Page() as page:
        output = gr.JSON()
        gr.Button().click(lambda: None, None, output)
    (fn,) = page.fns.values()
    stream = [page.handle_streaming_diffs(fn, [value], "session", "run", False)[0] for value in values]
    return [*stream, page.handle_streaming_diffs(fn, [None], "session", "run", True)[0]]


def test_objects_are_sent_whole_and_texts_as_what_is_new() -> None:
    button, skipped = {"__type__": "update", "visible": True}, {"__type__": "update"}
    assert sent(button, skipped) == [button, [["replace", [], skipped]], skipped]
    assert sent(button, button) == [button, [], button]
    assert sent("一", "一二", skipped) == ["一", [["append", [], "二"]], [["replace", [], skipped]], skipped]
    assert sent([1], [1, 2]) == [[1], [["add", [1], 2]], [1, 2]]
