"""A llguidance grammar under which a model cannot write anything but spans of the source text.

The output is ``render_entities``' JSON: structure is forced, each value is a verbatim substring of the
source (as JSON writes it). Chosen freely are only which substrings, under which label, and how many.
"""

import json

from src.extraction.schema import LABELS, has_words, replace_surrogates

# The longest entity in 3,821 annotated sentences has 58 characters; English names need some more.
MAX_SPAN_CHARS = 80

# In the same sentences no label has more values than this; a model that repeats itself comes to an end.
_DENSE_LABELS = frozenset({"职位", "组织名"})

# Controls and line separators, written for a character class: no entity runs across them.
_BREAKS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
# What no entity begins with. The exact rule, a letter or digit somewhere, took a class made of the whole
# text; on 400 different characters that went past llguidance's lexer budget (200,000 steps a mask) where
# this one takes half. Values without a word that still get through are dropped by ``align``.
_CLOSING = r"，。、；：！？…）】》」』”’·,;:!?)\]}>"


def max_items(label: str, text: str) -> int:
    """How many values ``label`` may have in ``text``."""
    return 4 + len(text) // (8 if label in _DENSE_LABELS else 20)


def build_grammar(text: str) -> str:
    """The Lark grammar for one source text (lone surrogates count as U+FFFD).

    A value is not empty, has at most ``MAX_SPAN_CHARS`` characters, begins neither with white space nor with
    closing punctuation and holds no line break or control character. After the closing brace only the end
    of the answer is possible.
    """
    text = replace_surrogates(text)
    keys = [_literal(f'{"," if i else "{"}"{label}": ') for i, label in enumerate(LABELS)]
    if not has_words(text):
        return "start: " + " ".join(f'{key} "[]"' for key in keys) + ' "}"\n'
    items = [f'"[" (VALUE ("," VALUE){{0,{max_items(label, text) - 1}}})? "]"' for label in LABELS]
    body = " ".join(f"{key} {item}" for key, item in zip(keys, items, strict=True))
    return f'start: {body} "}}"\n{_value_terminals(text)}'


def _value_terminals(text: str) -> str:
    """VALUE, a quoted span. The quotes belong to the terminal: the span then ends without a second lexeme."""
    chunks = json.dumps({"substring_chunks": [_chunk(char) for char in text]})
    return f"""VALUE: "\\"" (SPAN & SHAPE) "\\""
SPAN: %regex {chunks}
SHAPE: /[^\\s{_BREAKS}{_CLOSING}][^{_BREAKS}]{{0,{MAX_SPAN_CHARS - 1}}}/
"""


def _chunk(char: str) -> str:
    """``char`` as it stands in a JSON string, except that controls stay raw: SHAPE then keeps them out.

    That leaves two escapes, of the quote and the backslash, and no letter that belongs to an escape.
    """
    return "\\" + char if char in '"\\' else char


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
