"""Small pieces of HTML; every text from a user, a document or a model is escaped here, for the chat in
``chat/bubbles.py``, ``chat/sources.py`` and ``chat/documents.py``, for tab 3 in ``index/cards.py``; nowhere else."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

CSS = """
.yz-card {border: 1px solid var(--border-color-primary); border-radius: 10px; padding: 10px 14px; margin: 8px 0;
  background: var(--block-background-fill);}
.yz-card summary {cursor: pointer; font-weight: 600; overflow-wrap: anywhere;}
.yz-card .yz-text {white-space: pre-wrap; overflow-wrap: anywhere; margin-top: 6px; line-height: 1.6;}
.yz-meta {color: var(--body-text-color-subdued); font-size: .85em;}
.yz-bar {height: 6px; border-radius: 3px; background: var(--border-color-primary); margin-top: 6px;}
.yz-bar > span {display: block; height: 100%; border-radius: 3px; background: var(--color-accent);}
/* Gradio's own list of pages; the header has a link instead. */
.nav-holder {display: none;}
[role=tab].selected {color: var(--primary-600);}
.dark [role=tab].selected {color: var(--primary-400);}
.yz-header {display: flex; justify-content: space-between; align-items: flex-start; gap: 12px;}
.yz-header h1, .yz-header p {margin: 0;}
.yz-header a {display: inline-block; min-height: 32px; line-height: 32px; padding: 0 8px; white-space: nowrap;}
/* A note stands as close to what it belongs to as a label does. */
.hide-container > .html-container {padding: 0;}
.prose .yz-note {color: var(--body-text-color-subdued); margin: 0; padding: 4px 2px; overflow-wrap: anywhere;}
.yz-answer {white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.7; min-height: 6em;}
.yz-facts {display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 8px;}
.yz-facts > div {border: 1px solid var(--border-color-primary); border-radius: 10px; padding: 8px 12px;
  background: var(--block-background-fill); overflow-wrap: anywhere;}
.yz-facts b {display: block; font-size: 1.15em;}
.dark :is(#extract-text, #compare-base, #compare-adapter), .dark :is(#extract-text, #compare-base, #compare-adapter) *
  {color: var(--body-text-color) !important;}
mark {background: color-mix(in srgb, var(--color-accent) 30%, transparent); color: inherit; border-radius: 3px;}
.prose, .prose * {overflow-wrap: anywhere;}
.gradio-container :is(a, button, input, textarea, summary, [tabindex]):focus-visible {
  outline: 2px solid var(--color-accent) !important; outline-offset: 1px;}
@media (max-width: 600px), (pointer: coarse) {
  button.sm, .gallery-item, .legend-item, .label-wrap, .icon-button, .reset-button, .overflow-menu > button,
  footer a, footer button, input[type=number] {min-height: 32px !important; min-width: 32px;}
}
"""


def note(text: str) -> str:
    """One line of quiet text."""
    return f'<p class="yz-note">{escape(text)}</p>'


def marked(text: str, terms: Sequence[str]) -> str:
    """Escaped text with every term in <mark>."""
    pattern = "|".join(re.escape(term) for term in sorted(set(terms), key=len, reverse=True) if term)
    if not pattern:
        return escape(text)
    pieces, position = [], 0
    for match in re.finditer(pattern, text, re.IGNORECASE):
        pieces += [escape(text[position : match.start()]), f"<mark>{escape(match.group())}</mark>"]
        position = match.end()
    return "".join(pieces) + escape(text[position:])


def facts(values: dict[str, Any]) -> str:
    """A grid of name and value."""
    cells = "".join(
        f"<div><span class='yz-meta'>{escape(k)}</span><b>{escape(str(v))}</b></div>" for k, v in values.items()
    )
    return f'<div class="yz-facts">{cells}</div>'


def plain(text: str) -> str:
    """Text as it is, line breaks kept."""
    return f'<div class="yz-answer">{escape(text)}</div>'
