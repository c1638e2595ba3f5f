"""Questions with the document that answers each, and perhaps the answer: what retrieval and answers are measured on."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from src.errors import InputError
from src.files import read_jsonl
from src.ingest.types import Document
from src.search.terms import fold

T = TypeVar("T")

# What a question asks for, with the name it is printed by.
TYPES = {
    "who": "谁",
    "when": "何时",
    "where": "何地",
    "how_many": "多少",
    "which": "哪个",
    "what": "什么",
    "why_how": "为何、如何",
    "other": "其他",
}
_PLACES = "里|儿|处|个?城市|座?城|个?国家?|个?省份?|个?市|个?县|个?区|个?地区|个?地方|个?地点|个?洲"
# In this order; folded text, so in simplified script only. Last what a question without a question word ends with.
_CHINESE_TYPES = (
    ("why_how", re.compile("为什么|为何|为啥|何以|什么原因|原因是什么")),
    ("when", re.compile("什么时[候间]|何[时年月日]|几时|哪一?[年天日]|哪个?月|几[月日号点]|(?:星期|礼拜|周)几|(?:哪一?个?|什么)(?:年代|朝代|世纪|时期)|(?:时间|日期)[是为]什么")),
    ("who", re.compile("谁|哪一?[位名]|何人|什么人|哪个人")),
    ("where", re.compile(f"哪一?(?:{_PLACES})|何地|何处|在哪$|什么地[方点]|地[点址][是为在]什么")),
    ("how_many", re.compile("多少|多[大高长远重宽深快久厚]|几(?!内亚|何|乎|率|里得|种人)|百分之")),
    ("why_how", re.compile("怎么|怎样|如何|咋")),
    ("which", re.compile("哪")),
    ("what", re.compile("什么|甚么|啥|何[种物事名职罪新类样]|何为|是何")),
    ("when", re.compile("(?:时间|日期|年份|日)[是为]?$")),
    ("where", re.compile("(?:地点|地址|位置|出生地)[是为]?$")),
    ("how_many", re.compile("(?:人数|数量|数目|总数|面积|长度|高度|重量|深度|价格|售价|金额|比例|名额|次数|[产销流容]量)[是为]?$")),
    ("who", re.compile("(?:作者|导演|创始人|负责人|发明者)[是为]?$")),
    ("why_how", re.compile("(?:[原死]因|办法|方法|步骤)[是为]?$")),
    ("what", re.compile("[是为叫]$")),
)  # fmt: skip
_ENGLISH_TYPE = re.compile(
    r"\b(?:(?P<who>who|whose|whom)|(?P<when>when|(?:what|which) (?:year|date|day|month|time))|(?P<where>where|(?:what|which) (?:city|country|place))"
    r"|(?P<how_many>how (?:many|much|long|far|old|tall|big|high|large|often|fast))|(?P<why_how>why|how)|(?P<which>which)|(?P<what>what))\b"
)


@dataclass(frozen=True)
class Question:
    """A question and what is known of its answer.

    Attributes:
        doc_id: the document that answers.
        group: measured apart, "" for none.
        answers: those that count as right, none where the file has none.
        article: the ids of all documents of the same article, where a document is a part of one.
        parts: where an answer has several: the wordings of each, of which one has to be there.
    """

    text: str
    doc_id: str
    group: str = ""
    answers: tuple[str, ...] = ()
    article: tuple[str, ...] = ()
    parts: tuple[tuple[str, ...], ...] = ()

    @property
    def wanted(self) -> tuple[tuple[str, ...], ...]:
        """The wordings of every part of a right answer."""
        return self.parts or (self.answers,)

    @property
    def type(self) -> str:
        """A key of ``TYPES``."""
        return question_type(self.text)


def question_type(text: str) -> str:
    """What is asked for, by the question word: a key of ``TYPES``."""
    plain = fold(text).strip(" ?？。.!")
    if found := next((name for name, rule in _CHINESE_TYPES if rule.search(plain)), None):
        return found
    english = _ENGLISH_TYPE.search(plain)
    return english.lastgroup or "other" if english else "other"


def spread(questions: Sequence[T], n: int) -> list[T]:
    """``n`` of them (or all, if there are fewer) at even distances."""
    n = min(n, len(questions))
    return [questions[i * len(questions) // n] for i in range(n)]


def read_questions(path: Path) -> tuple[list[Document], list[Question]]:
    """SQuAD's JSON (each passage one document, no titles), or JSON lines.

    JSON lines hold documents ``{"doc_id", "text", "title"?}`` and questions
    ``{"question", "doc_id", "group"?, "answers"?}``; or what the reader learns from, ``{"context", "question", "answers":
    [{"text", …}, …], "title"?}``, of which a question without an answer is left out.

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
        documents: list[Document] = []
        questions: list[Question] = []
        for article in json.loads(path.read_text("utf-8-sig"))["data"]:
            first = len(documents)
            ids = tuple(str(n) for n in range(first, first + len(article["paragraphs"])))
            for doc_id, paragraph in zip(ids, article["paragraphs"], strict=True):
                documents.append(Document(doc_id, path.name, "", paragraph["context"]))
                questions += [
                    Question(qa["question"], doc_id, answers=_answers(qa), article=ids)
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
    passages: dict[str, str] = {}
    for number, row in read_jsonl(path, required={}):
        doc_id, text = row.get("doc_id"), row.get("text")
        question = row["question"] if isinstance(row.get("question"), str) else ""
        if isinstance(context := row.get("context"), str):
            if "question" not in row:
                raise InputError(f"{path} 第 {number} 行有 context，缺少 question")
            if context not in passages:
                passages[context] = str(len(passages))
                documents.append(Document(passages[context], path.name, _title(row), context))
            try:
                answers = _answers(row)
            except (KeyError, TypeError, AttributeError) as error:
                raise InputError(f'{path} 第 {number} 行的 answers 应为 [{{"text", …}}, …]') from error
            if question.strip() and answers:
                questions.append(Question(question, passages[context], answers=answers))
        elif not isinstance(doc_id, str):
            raise InputError(f"{path} 第 {number} 行缺少文字的 doc_id（或 context）")
        elif isinstance(text, str):
            documents.append(Document(doc_id, path.name, _title(row), text))
        elif question.strip():
            answers = _listed(row)
            if not all(isinstance(answer, str) for answer in answers):
                raise InputError(f"{path} 第 {number} 行的 answers 应为文字的列表")
            questions.append(Question(question, doc_id, str(row.get("group", "")), answers))
        else:
            raise InputError(f"{path} 第 {number} 行既没有文档的 text，也没有问题的 question")
    return documents, questions


def _title(row: dict[str, Any]) -> str:
    title = row.get("title")
    return "" if title is None else str(title)


def _answers(qa: dict[str, Any]) -> tuple[str, ...]:
    """The distinct answers of one SQuAD question that are not empty."""
    texts = [answer["text"] for answer in qa.get("answers", ())]
    return tuple(dict.fromkeys(text for text in texts if text.strip()))


def _listed(row: dict[str, Any]) -> tuple[str, ...]:
    answers = row.get("answers", [])
    return tuple(answers) if isinstance(answers, list) else (answers,)
