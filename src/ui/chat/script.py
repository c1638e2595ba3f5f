"""What happens in the browser alone: a click on [n] opens its passage, copying, and files dropped on the chat."""

# ``element`` and ``trigger`` are gradio's. Only classes, data-* and plain text are read: no text becomes markup here.
ANSWERS_JS = """
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
const opened = (link) => {
  const name = link.closest("[data-answer]").dataset.answer;
  const shown = document.querySelector(`.yz-sources[data-answer="${name}"]`);
  const card = shown?.querySelector(`details[data-rank="${link.dataset.rank}"]`);
  if (!card) return;
  for (const other of shown.parentElement.children) other.hidden = other !== shown;
  for (const old of document.querySelectorAll(".yz-active, .yz-lit, .yz-from"))
    old.classList.remove("yz-active", "yz-lit", "yz-from");
  card.open = true;
  card.classList.add("yz-active");
  link.classList.add("yz-from");
  const marks = [...card.querySelectorAll(`mark[data-for~="${link.dataset.key}"]`)];
  for (const mark of marks) mark.classList.add("yz-lit");
  const back = card.querySelector(".yz-back");
  back.onclick = () => { link.scrollIntoView({block: "center", behavior: calm}); link.focus({preventScroll: true}); };
  card.querySelector("summary").focus({preventScroll: true});
  (marks[0] ?? card).scrollIntoView({block: "center", behavior: calm});
};
const copied = async (text) => {
  try { await navigator.clipboard.writeText(text); return; } catch { /* only where the page is trusted */ }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
};
const clean = (message) => [...message.querySelectorAll(".yz-body, .yz-quote")]
  .map((part) => part.textContent).join("\\n");
element.yzCopyAll = () => copied([...element.querySelectorAll(".message")]
  .map((message) => `${message.dataset.who}: ${clean(message)}`).join("\\n\\n"));
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  const message = button?.closest(".message");
  if (!button) return;
  if (button.classList.contains("yz-cite")) opened(button);
  if (button.classList.contains("yz-copy"))
    copied(clean(message)).then(() => {
      const before = button.textContent;
      button.textContent = "✓";
      setTimeout(() => { button.textContent = before; }, 1200);
    });
  const liked = button.classList.contains("yz-like");
  if (liked || button.classList.contains("yz-dislike")) {
    for (const other of message.querySelectorAll(".yz-like, .yz-dislike")) other.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", "true");
    trigger("like", {number: Number(message.dataset.answer), liked});
  }
});
"""

# The last words stay in sight unless the reader has scrolled away from them; gradio's own autoscroll gives up where
# one change adds more than 100 pixels.
FOLLOW_JS = """
const talk = element.querySelector(".yz-talk");
let end = 0, messages = 0;
watch("value", () => {
  const now = talk.querySelectorAll(".message").length;
  // Where the reader was before this change, not what a scroll event will say later.
  if (talk.scrollTop >= end - 4 || now > messages) talk.scrollTop = talk.scrollHeight;
  end = talk.scrollHeight - talk.clientHeight;
  messages = now;
});
"""

# Dropped files go to the area that takes them, wherever in the chat they fall.
DROP_JS = """
const main = element.closest("#chat-main");
const files = (event) => event.dataTransfer?.types.includes("Files");
main.addEventListener("dragover", (event) => {
  if (files(event)) { event.preventDefault(); main.classList.add("yz-drop"); }
});
main.addEventListener("dragleave", (event) => {
  if (!main.contains(event.relatedTarget)) main.classList.remove("yz-drop");
});
main.addEventListener("drop", (event) => {
  main.classList.remove("yz-drop");
  if (!files(event)) return;
  event.preventDefault();
  const panel = document.querySelector("#my-documents");
  const input = () => panel.querySelector("input[type=file]");
  const give = (left) => {
    if (!input()) { if (left) setTimeout(() => give(left - 1), 100); return; }
    input().files = taken.files;
    input().dispatchEvent(new Event("change", {bubbles: true}));
  };
  const taken = new DataTransfer();
  for (const file of event.dataTransfer.files) taken.items.add(file);
  const area = panel.querySelector("#my-upload");
  if (!area || area.offsetParent === null) panel.querySelector("button").click();
  give(20);
});
"""

COPY_ALL_JS = """() => {
  for (const part of document.querySelectorAll("#chatbot, #chatbot *")) if (part.yzCopyAll) { part.yzCopyAll(); break; }
  return [];
}"""
