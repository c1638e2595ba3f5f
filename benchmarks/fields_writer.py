"""Fields of one's own written by a chat model as JSON under a grammar: every value is a piece of the text, or empty."""

import json

from src.evaluation.extraction_fields import FieldText
from src.extraction.grammar import _literal, _value_terminals
from src.extraction.schema import Extraction, Span
from src.models.base import GenerationOptions, LanguageModel, Message

_PROMPT = (
    "从下面的文字中找出这些字段的值：{fields}。\n"
    "以 JSON 回答，键是字段名，值是原文中一字不差的一段；文中没有的字段，值为空字符串。\n\n文字：\n{text}"
)


def written(model: LanguageModel, row: FieldText) -> Extraction:
    """What the model writes; a value that stands in the text more than once is given its first place."""
    fields = list(row.fields)
    prompt = _PROMPT.format(fields="、".join(fields), text=row.text)
    options = GenerationOptions(max_new_tokens=60 * len(fields), grammar=_grammar(row.text, fields))
    answer = "".join(
        str(piece) for piece in model.stream([Message("user", prompt)], options) if isinstance(piece, str)
    )
    try:
        values = json.loads(answer)
    except ValueError:  # out of tokens
        values = {}
    spans = [
        Span(field, value, at, at + len(value))
        for field, value in values.items()
        if value and (at := row.text.find(value)) >= 0
    ]
    return Extraction.of(row.text, spans, labels=fields)


def _grammar(text: str, fields: list[str]) -> str:
    keys = [
        _literal(f"{',' if number else '{'}{json.dumps(field, ensure_ascii=False)}: ")
        for number, field in enumerate(fields)
    ]
    body = " ".join(f'{key} (VALUE | "\\"\\"")' for key in keys)
    return f'start: {body} "}}"\n{_value_terminals(text)}'
