"""The page of a source, shown in a dialog with the cited words boxed.

A button anywhere (``templates/page_button.html``) names a chunk and its parts; what it names is looked up in the visitor's
own session or the shared base, so nobody sees a page of somebody else's. The picture is part of the answer: gr.Image and
gr.AnnotatedImage would leave it on the server's disk, where nothing of a visitor's documents is to stay.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from src.errors import InputError
from src.ingest.locate import Box, Span
from src.ingest.pages import FORMAT, PagePicture
from src.search.source_page import FOUND, SourcePage
from src.ui.context import SEARCH, Context, message_of
from src.ui.passage import place
from src.ui.templating import render
from src.ui.wording import Words

MAX_SPANS = 40
_SPAN = re.compile(r"(\d{1,6})-(\d{1,6})")
# The dialog stands outside of the component, which gradio draws anew with every value.
_DIALOG_JS = """
const dialog = document.createElement("dialog");
dialog.className = "yz-dialog";
dialog.lang = document.documentElement.lang;
(element.closest(".gradio-container") || document.body).append(dialog);
let asked = 0, dismissed = "", opener = null;
const number = () => (dialog.querySelector("[data-number]") || {dataset: {}}).dataset.number;
document.addEventListener("click", (event) => {
  const button = event.target.closest("button.yz-page");
  if (!button) return;
  opener = button;
  button.setAttribute("aria-busy", "true");
  trigger("click", {...button.dataset, number: `${Date.now()}-${++asked}`});
});
dialog.addEventListener("close", () => {
  dismissed = number();
  dialog.replaceChildren();
  if (opener && opener.isConnected) opener.focus();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest(".yz-close")) dialog.close();
});
watch("value", () => {
  document.querySelectorAll("button.yz-page[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
  if (!props.value) return;
  const coming = document.createElement("template");
  coming.innerHTML = props.value;
  if (coming.content.querySelector("[data-number]").dataset.number === dismissed) return;
  dialog.replaceChildren(coming.content);
  dialog.setAttribute("aria-label", dialog.querySelector("h2").textContent);
  if (!dialog.open) dialog.showModal();
  const box = dialog.querySelector(".yz-box");
  if (box) box.scrollIntoView({block: "center", inline: "center"});
});
"""


class PageView:
    """The one dialog of a page, and what fills it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.html = gr.HTML(html_template=" ", js_on_load=_DIALOG_JS, visible="hidden", elem_id="page-view")
        slot: dict[str, Any] = {"trigger_mode": "multiple", "show_progress": "hidden", **SEARCH}
        context.listen(self.html.click, self.open, None, self.html, **slot)

    def open(self, event: gr.EventData, request: gr.Request) -> Iterator[str]:
        """The page at once; once more, when what is in its pictures had to be recognised."""
        asked = event._data if isinstance(event._data, dict) else {}
        words, number = self._context.words, str(asked.get("number", ""))[:40]
        yield _drawn(words, number, words("正在打开原页…"))
        try:
            chunk_id, own = str(asked.get("chunk", "")), asked.get("own") == "1"
            cited, answers = _spans(asked.get("spans")), _spans(asked.get("words"))
            with self._context.calls.open("page", request, kind="page") as call:
                found = source_page(self._context, chunk_id, own, [*cited, *answers], request, recognise=False)
                if found.unread:
                    yield _drawn(
                        words,
                        number,
                        words("正在识别这一页图里的文字，认出来就框上…"),
                        found,
                        len(cited),
                        len(answers),
                    )
                    found = source_page(self._context, chunk_id, own, [*cited, *answers], request)
                call.gave(None, len(found.pages))
            yield _drawn(
                words, number, about(found, bool(cited or answers), words), found, len(cited), len(answers)
            )
        except Exception as error:  # told where the visitor looks
            yield _drawn(words, number, str(message_of(error, words).message))


def source_page(
    context: Context,
    chunk_id: str,
    own: bool,
    spans: Sequence[Span],
    request: gr.Request | None,
    *,
    recognise: bool = True,
) -> SourcePage:
    """The page of a chunk of the visitor's own documents, or of the knowledge base.

    Raises:
        KnowledgeError, InputError: as ``SourcePages``; the knowledge base is in Milvus.
    """
    runtime = context.runtime
    if own:
        documents = context.sessions.own_documents_of(request)
        return runtime.pages.of_own(documents, chunk_id, spans, recognise=recognise)
    if not runtime.is_local:
        raise InputError("索引在 Milvus 里，知识库的原页看不了；自己加入的文档可以")
    hidden = runtime.settings.edit_knowledge
    return runtime.pages.of_base(runtime.local_base, chunk_id, spans, hidden=hidden, recognise=recognise)


def about(found: SourcePage, cited: bool, words: Words) -> str:
    """What is boxed, or why it is not."""
    if found.edited:
        return words("这一段在网页上改过，页上是原来的文字，框的是还对得上的部分。")
    if not any(boxes for page in found.pages for boxes in page.boxes):
        return words("这一页上没有找到这些字：可能在图里认不清，或表格的写法不同。")
    said = words("框出的是回答依据的字句。") if cited else words("框出的是这一段。")
    if found.found < FOUND:
        said += words("只找到其中一部分。")
    return said


def _drawn(
    words: Words, number: str, text: str, found: SourcePage | None = None, cited: int = 0, answers: int = 0
) -> str:
    pages = [_sheet(page, cited if answers else len(page.boxes)) for page in found.pages] if found else []
    title = place(found.chunk, words, found.file) if found else words("原页")
    key = bool(cited and answers and any(sheet["boxes"] for sheet in pages))
    return render("page", words, number=number, title=title, about=text, pages=pages, key=key)


def _sheet(page: PagePicture, cited: int) -> dict[str, Any]:
    """A page for the template: boxes in percent of the picture, those behind the first ``cited`` spans are answers."""
    left, top, right, bottom = page.shown

    def placed(box: Box) -> dict[str, float]:
        wide, high = (right - left) or 1.0, (bottom - top) or 1.0
        edges = (box[0] - left) / wide, (box[1] - top) / high, (box[2] - box[0]) / wide, (box[3] - box[1]) / high
        return dict(zip(("left", "top", "width", "height"), (round(100 * edge, 3) for edge in edges), strict=True))

    boxes = [
        {"answers": number >= cited, **placed(box)} for number, group in enumerate(page.boxes) for box in group
    ]
    image = f"data:{FORMAT};base64,{base64.b64encode(page.image).decode('ascii')}"
    part = page.shown != (0.0, 0.0, 1.0, 1.0)
    return {
        "number": page.page,
        "image": image,
        "width": page.width,
        "height": page.height,
        "boxes": boxes,
        "part": part,
    }


def _spans(value: object) -> list[Span]:
    """Of a button: ``12-20,31-44``."""
    parts = value.split(",")[:MAX_SPANS] if isinstance(value, str) and value else []
    matches = [_SPAN.fullmatch(part) for part in parts]
    return [(int(match[1]), int(match[2])) for match in matches if match]
