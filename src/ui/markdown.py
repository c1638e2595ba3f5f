"""Text as Markdown: what people and documents say shows as it stands, what a model writes is formatted and no more.

Tried on gr.Chatbot 6.31, which reads GitHub's flavour with KaTeX and then sanitises: a backslash before a character keeps
it from being markup, HTML, a link (bare addresses too) or a formula.
"""

import re

# Markup anywhere in a line, or only at its beginning; bare addresses become links by ``://``, ``www.`` and ``@``.
_ANYWHERE = re.compile(r"[\\`*_\[\]<>&~|$@]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_AT_START = re.compile(r"^[#+\-=:]")
_NUMBERED = re.compile(r"^(\d+)([.)])")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
# In a model's text stays active: a fence that begins and ends at the left edge (or the text's end), code within a line
# and a formula within a line. The page must read a fence exactly as this pattern does, or what stands in it would be
# read as markup: so every other backtick, tilde and dollar is escaped. Code within a line becomes <code> with all of its
# punctuation escaped, because marked lets emphasis begin within backticks. A formula may hold nothing that could be a
# tag or a link.
_ACTIVE = re.compile(
    r"^(?P<fence>`{3,}|~{3,})[^\n`~]*\n(?:.*?^(?P=fence)[ \t]*$|.*\Z)"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?P<code>[^\n|]{1,300}?)(?<!`)(?P=ticks)(?!`)"
    r"|(?<!\$)\$\$(?!\$)(?:(?!\]\(|\]\[|://|www\.)[^\n$<&`@|]){1,500}\$\$(?!\$)",
    re.DOTALL | re.MULTILINE,
)
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
# Tags, entities, links, images, bare addresses, strokes through text, and all that could begin one of the above.
_INERT = re.compile(r"[\\<&\[\]@`~$]|:(?=//)|(?<=www)\.", re.IGNORECASE)


def plain(text: str) -> str:
    """Text that Markdown shows as it is: paragraphs and line breaks kept, indentation given up."""
    lines = "\n".join(_line(line) for line in text.splitlines())
    return "\n\n".join(paragraph.replace("\n", "\\\n") for paragraph in re.split(r"\n\n+", lines.strip("\n")))


def typed(text: str) -> str:
    """A visitor's message for gr.Chatbot, whose line breaks need no backslash; ``untyped`` is its inverse."""
    return "\n".join(_line(line) for line in text.splitlines())


def untyped(text: str) -> str:
    """A message as its visitor typed it, from the Markdown that gr.Chatbot hands back when it is edited."""
    return _ESCAPED.sub(r"\1", text)


class ModelText:
    """A model's text, read as a whole and written in stretches: what is code depends on what stands before it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._active = [(match.start(), match.end(), _active(match)) for match in _ACTIVE.finditer(text)]

    def may_part(self, start: int, end: int) -> bool:
        """Whether something may stand before and behind text[start:end]: it neither is in a code or formula nor cuts one."""
        return all(last <= start or end <= first or start <= first < last <= end for first, last, _ in self._active)

    def markdown(self, start: int, end: int) -> str:
        """The stretch text[start:end] with its headings, lists, tables, emphasis, code and formulas, but no tag, link or image."""
        parts = []
        for first, last, active in self._active:
            if start <= first and last <= end:
                parts += [_inert(self._text[start:first]), active]
                start = last
        return "".join(parts) + _inert(self._text[start:end])


def of_model(text: str) -> str:
    """All of a model's text as ``ModelText.markdown``."""
    return ModelText(text).markdown(0, len(text))


def _inert(text: str) -> str:
    return _INERT.sub(r"\\\g<0>", text)


def _active(match: re.Match[str]) -> str:
    if match["code"] is None:
        return match.group()
    escaped = _PUNCTUATION.sub(r"\\\g<0>", match["code"].strip())
    return f"<code>{escaped}</code>"


def _line(text: str) -> str:
    visible = "".join(character for character in text.strip() if character.isprintable() or character == "\t")
    escaped = _ANYWHERE.sub(r"\\\g<0>", visible)
    return _NUMBERED.sub(r"\1\\\2", _AT_START.sub(r"\\\g<0>", escaped))
