"""Questions with the document that answers each, and perhaps the answer: what retrieval and answers are measured on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.errors import InputError
from src.files import read_jsonl
from src.knowledge.types import Document


@dataclass(frozen=True)
class Question:
    """``doc_id``: the document that answers; ``group``: measured apart, "" for none; ``answers``: those that count
    as right, none where the file has none."""

    text: str
    doc_id: str
    group: str = ""
    answers: tuple[str, ...] = ()


def spread(questions: Sequence[Question], n: int) -> list[Question]:
    """``n`` of them (or all, if there are fewer) at even distances."""
    n = min(n, len(questions))
    return [questions[i * len(questions) // n] for i in range(n)]


def read_questions(path: Path) -> tuple[list[Document], list[Question]]:
    """SQuAD's JSON (each passage one document, no titles), or JSON lines of ours.

    JSON lines hold documents ``{"doc_id", "text", "title"?}`` and questions
    ``{"question", "doc_id", "group"?, "answers"?}``.

    Raises:
        InputError: the file cannot be read, has another layout, or asks for a document that is not there.
    """
    documents, questions = _read_jsonl(path) if path.suffix == ".jsonl" else _read_squad(path)
    known = {document.doc_id for document in documents}
    if len(known) < len(documents):
        raise InputError(f"{path} 里有重复的 doc_id；请让每篇文档的 doc_id 各不相同")
    if missing := next((question.doc_id for question in questions if question.doc_id not in known), None):
        raise InputError(f"{path} 里有问题指向不存在的文档 {missing!r}；请检查 doc_id")
    if not questions:
        raise InputError(f"{path} 里没有问题；需要 SQuAD 格式的 JSON，或每行一个对象的 .jsonl")
    return documents, questions


def _read_squad(path: Path) -> tuple[list[Document], list[Question]]:
    try:
        articles = json.loads(path.read_text("utf-8-sig"))["data"]
        paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
        documents = [Document(str(n), path.name, "", p["context"]) for n, p in enumerate(paragraphs)]
        questions = [
            Question(qa["question"], str(n), answers=_answers(qa))
            for n, paragraph in enumerate(paragraphs)
            for qa in paragraph["qas"]
            if qa["question"].strip()
        ]
    except OSError as error:
        raise InputError(f"读不了 {path}：{error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} 不是 UTF-8 文件（第 {error.start} 字节）") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} 不是 JSON：{error}；每行一个对象的文件请以 .jsonl 结尾") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} 不是 SQuAD 格式（data → paragraphs → context、qas → question）：{error!r}"
        ) from error
    if not all(isinstance(document.text, str) for document in documents):
        raise InputError(f"{path} 不是 SQuAD 格式：context 应为文字")
    return documents, questions


def _read_jsonl(path: Path) -> tuple[list[Document], list[Question]]:
    documents: list[Document] = []
    questions: list[Question] = []
    for number, row in read_jsonl(path, required={"doc_id": str}):
        if isinstance(row.get("text"), str):
            documents.append(Document(row["doc_id"], path.name, str(row.get("title", "")), row["text"]))
        elif isinstance(row.get("question"), str) and row["question"].strip():
            question = Question(row["question"], row["doc_id"], str(row.get("group", "")), _listed(row))
            if not all(isinstance(answer, str) for answer in question.answers):
                raise InputError(f"{path} 第 {number} 行的 answers 应为文字的列表")
            questions.append(question)
        else:
            raise InputError(f"{path} 第 {number} 行既没有文档的 text，也没有问题的 question")
    return documents, questions


def _answers(qa: dict[str, Any]) -> tuple[str, ...]:
    """The distinct answers of one SQuAD question that are not empty."""
    texts = [answer["text"] for answer in qa.get("answers", ())]
    return tuple(dict.fromkeys(text for text in texts if text.strip()))


def _listed(row: dict[str, Any]) -> tuple[str, ...]:
    answers = row.get("answers", [])
    return tuple(answers) if isinstance(answers, list) else (answers,)
