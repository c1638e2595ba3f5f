"""Every error that the page can show has an English form: the dictionary is held against the source that raises them."""

import ast
import json
import re
import string
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from src.chat.answer import REFUSAL
from src.chat.prompt import SYSTEM
from src.chat.service import MAX_MESSAGE_CHARS, MAX_TOP_K, check_message, parse_history
from src.errors import YuanZhiError
from src.extraction.tables import table_of
from src.extraction.upload import read_batch
from src.ingest.parse import read_file, read_table
from src.ingest.types import Document
from src.ingest.worker import ParserPool
from src.models.embedders.fake import HashingEmbedder
from src.models.fair_queue import FairQueue, too_slow
from src.search.checks import REBUILD, check
from src.search.indexing import add_documents
from src.search.knowledge_base import KnowledgeBase
from src.search.own import OwnDocuments
from src.search.search import check_query, check_top_k
from src.ui.wording import CHINESE, Words, english
from src.ui.wording.errors import MAX_CHARS, in_english, values
from tests.ingest import samples

SRC = Path(__file__).parent.parent.parent / "src"
WORDS = Words("en")

CHINESE_CHARACTER = re.compile(r"[\u4e00-\u9fff]")
# What makes an error or a part of one.
MAKERS = {"InputError", "KnowledgeError", "ModelError", "Busy", "SettingsError", "damaged", "refuse"}
FOLDERS = ("chat", "extraction", "ingest", "search", "models", "ui")
# Met only by who starts the program, trains or works on the command line.
OWNERS = {
    "extraction/batch.py", "extraction/labelled.py", "models/adapters.py", "models/gguf.py", "models/fake.py",
    "models/checkpoint.py", "models/embedders/bge.py", "models/embedders/use.py", "models/reading.py", "search/cross_encoder.py", "ui/mcp.py", "ui/page.py",
}  # fmt: skip
# All of whose texts are problems that are shown, in errors or by themselves.
WHOLE = {"search/checks.py", "extraction/jsonl.py", "ingest/kinds.py"}
# No part of an error, though they stand where one could: names and cells of tables, the name of a check, a prompt.
OTHERS = {
    "简历", "内容", "正文", "（空）", "还没有抽取", "文本", "{}（抽取）", "错误", "近似检索的召回率 recall@{}", "介绍一下{}", SYSTEM, REBUILD,
}  # fmt: skip
# Made of what is raised: where two values touch, and what a function is called with.
JOINED = {"{} 等 {} 处", "{}（同名，但权重不同）", "行", "条"}


def called(call: ast.Call) -> str:
    """The function's own name, or the method's."""
    return getattr(call.func, "id", "") or getattr(call.func, "attr", "")


class Module:
    """A module's syntax, and where its names get their texts."""

    def __init__(self, path: Path) -> None:
        self.name = path.relative_to(SRC).as_posix()
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.constants = {
            target.id: node.value.value
            for node in self.tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name) and isinstance(node.value.value, str)
        }
        self.assigned: dict[str, list[ast.expr]] = {}
        self.returned: dict[str, list[ast.expr]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.assigned.setdefault(node.targets[0].id, []).append(node.value)
            if isinstance(node, ast.FunctionDef):
                returns = [r.value for r in ast.walk(node) if isinstance(r, ast.Return) and r.value]
                self.returned[node.name] = returns

    def templates(self) -> Iterator[str]:
        """Texts that errors are made of, every value as ``{}``."""
        if self.name in WHOLE:
            yield from self._texts(self.tree, set())
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and called(node) in MAKERS:
                for argument in node.args:
                    yield from self._texts(argument, set())

    def _texts(self, node: ast.AST, seen: set[str]) -> Iterator[str]:
        """The texts of an expression, and of the names and functions in it."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node, ast.Call) and getattr(getattr(node.func, "value", None), "id", "") in ("logger", "re"):
            return
        text = self._template(node)
        if text is not None:
            if CHINESE_CHARACTER.search(text):
                yield text
        elif isinstance(node, ast.Name) and node.id not in seen:
            for value in self.assigned.get(node.id, []):
                yield from self._texts(value, seen | {node.id})
        elif isinstance(node, ast.Call) and (name := called(node)) not in seen:
            for value in self.returned.get(name, []):
                yield from self._texts(value, seen | {name})
        if not isinstance(node, ast.Constant):
            for child in ast.iter_child_nodes(node):
                inlined = isinstance(child, ast.FormattedValue) and self._template(child) != "{}"
                if not inlined and (text is None or not isinstance(child, ast.Constant)):
                    yield from self._texts(child, seen)

    def _template(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.JoinedStr):
            return "".join(self._template(part) or "" for part in node.values)
        if isinstance(node, ast.FormattedValue):
            return self.constants.get(getattr(node.value, "id", ""), "{}")
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            sides = [self._template(side) for side in (node.left, node.right)]
            return None if sides == [None, None] else "".join("{}" if side is None else side for side in sides)
        return None


@cache
def raised() -> dict[str, str]:
    """Every text that the page's errors are made of, and the module that it stands in."""
    found: dict[str, str] = {}
    for folder in FOLDERS:
        for path in sorted((SRC / folder).rglob("*.py")):
            module = Module(path)
            if module.name not in OWNERS:
                found |= dict.fromkeys(module.templates(), module.name)
    return {text: name for text, name in found.items() if text not in OTHERS and text not in english()}


@cache
def known() -> dict[str, str]:
    """Both dictionaries."""
    folder = SRC / "ui" / "wording" / "en"
    names = ("errors.json", "error_parts.json")
    return {zh: en for name in names for zh, en in json.loads((folder / name).read_text(encoding="utf-8")).items()}


def test_every_error_has_an_english_form() -> None:
    assert {text: name for text, name in raised().items() if text not in known()} == {}


def test_the_source_is_understood() -> None:
    """A handful of errors that are made in different ways: were they not found, nothing would be checked."""
    assert {
        "top_k 应为 1 到 {} 的整数，收到的是 {}",
        "{} 解压后会异常地大，像是压缩炸弹；请检查这个文件的来源",  # a constant in it
        "{} 分钟",  # what a function returns
        "内容不是这种格式，或文件开头已损坏",  # a name
        "没有后缀的文件",  # one of two values
        "{} 的校验和不符",  # made by a helper
        "{}；有些问题可能找不到最近的段落",  # a finding
    } <= set(raised())
    assert len(raised()) > 150


def test_no_english_form_is_left_over() -> None:
    assert set(known()) - set(raised()) == {REFUSAL} | JOINED


@pytest.mark.parametrize("chinese", sorted(known()))
def test_an_english_form_takes_the_same_values(chinese: str) -> None:
    count = chinese.count("{}")
    parsed = [place for place in string.Formatter().parse(known()[chinese]) if place[1] is not None]
    numbers = [int(name) if name else number for number, (_, name, _, _) in enumerate(parsed)]
    assert sorted(numbers) == list(range(count))
    assert {spec for _, _, spec, _ in parsed} <= {"", "words", "list", "names"}
    assert all(conversion is None for _, _, _, conversion in parsed)
    assert not CHINESE_CHARACTER.search(known()[chinese])
    assert chinese.replace("{}", "").strip(), "without words of its own it would stand for any text"


def told(call: Callable[[], object]) -> str:
    """The English of the error that is raised."""
    with pytest.raises(YuanZhiError) as caught:
        call()
    assert CHINESE.error(str(caught.value)) == str(caught.value)
    return WORDS.error(str(caught.value))


def test_mistakes_in_a_question() -> None:
    english_texts = [
        told(lambda: check_message("问" * (MAX_MESSAGE_CHARS + 1))),
        told(lambda: check_message(" ")),
        told(lambda: check_message(7)),
        told(lambda: parse_history("no")),
        told(lambda: parse_history([{"role": "user"}])),
        told(lambda: check_top_k(0, MAX_TOP_K)),
        told(lambda: check_query("")),
    ]
    assert [text for text in english_texts if CHINESE_CHARACTER.search(text)] == []
    assert english_texts[0].startswith("The question is too long: 2001 characters, at most 2000.")
    assert english_texts[5] == "top_k should be a whole number from 1 to 20, but 0 came"
    assert told(lambda: check_top_k("十", 5)) == "top_k should be a whole number from 1 to 5, but 十 came"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("年报.pdf", b"no pdf", "年报.pdf has the suffix .pdf, but its content is of another format, or the beginning"),
        ("年报.pdf", b"\x89PNG\r\n\x1a\n", "年报.pdf has the suffix .pdf, but its content is really a picture; please"),
        ("年报.pdf", b"%PDF-1.7\n", "年报.pdf is not a complete PDF; please export or download it again"),
        ("年报.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "年报.docx is locked with a password or is an old Office file"),
        ("年报.docx", b"PK\x03\x04", "年报.docx has the suffix .docx, but its content is really a zip archive; please"),
        ("旧.doc", b"x", "旧.doc: .doc is not supported; please save it as docx with Office or WPS"),
        ("图片", b"x", "图片: a file without a suffix is not supported; what can be read: .txt"),
        ("空.txt", b"", "空.txt is empty (0 bytes); please take another file, or export it again"),
        ("白.txt", b" ", "白.txt holds no text that can be used; please check what is in the file"),
        ("二.txt", b"\xff\xfe\x00\xd8A\x00", "二.txt is not a text file (or its encoding is unknown)"),
        ("行.jsonl", b"[]", '行.jsonl, line 1 is list; every line should be an object {"id": …, "text": …}'),
        ("条.json", b'[{"id": 1, "text": "x"}, {"id": 1, "text": "y"}]', "条.json, item 2: the id '1' is that of item 1"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    english_text = told(lambda: read_file(path))
    assert english_text.startswith(says)
    assert not CHINESE_CHARACTER.search(english_text.replace(path.stem, ""))


def test_a_locked_pdf(tmp_path: Path) -> None:
    path = tmp_path / "薪酬.pdf"
    path.write_bytes(samples.pdf([["秘密。"]], encrypt="secret"))
    says = "薪酬.pdf is locked with a password; please remove the password and save it again"
    assert told(lambda: read_file(path)) == says
    own = OwnDocuments(HashingEmbedder(), ParserPool(workers=1))
    refused = own.add([path])["rejected"]
    assert [WORDS.error(item["reason"]) for item in refused] == [says]


def test_lines_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "简历.jsonl"
    path.write_text("\n".join(["[]", '{"id": 1, "text": "x"}', '{"id": 1, "text": "y"}', *["no"] * 9]), "utf-8")
    english_text = told(lambda: read_batch(ParserPool(workers=1), path))
    assert english_text.startswith(
        "简历.jsonl has lines that cannot be used: line 1 is not a JSON object; line 3 has the id 1 of line 2; "
    )
    assert english_text.endswith(
        ' and more, 11 in all. Each line should be {"id": …, "text": "…"}; id may be left out'
    )
    assert not CHINESE_CHARACTER.search(english_text.replace(path.stem, ""))


def test_tables_without_resumes(tmp_path: Path) -> None:
    path = tmp_path / "表.csv"
    english_text = told(lambda: table_of([["姓名", "图片"], ["甲", "乙"]], path.name))
    assert "the columns that came are 姓名, 图片" in english_text
    path.write_text("\n", "utf-8")
    assert told(lambda: read_table(path)) == "表.csv is empty; please check the file"


def test_queues() -> None:
    assert "not finished after 2.5 minutes" in WORDS.error(str(too_slow(150)))
    queue = FairQueue(max_per_user=0)
    assert told(lambda: queue.enter("a").__enter__()).startswith("You already have 0 requests in the queue")


def test_findings_of_the_checks(tmp_path: Path) -> None:
    base = KnowledgeBase(HashingEmbedder(), tmp_path / "index")
    text = "广州大学在广州。"
    add_documents(base, "a.txt", [Document(f"a:{i}", "a.txt", "", f"{text}第{i}条。") for i in range(40)])
    in_memory = KnowledgeBase(HashingEmbedder())
    for some in (base, in_memory, KnowledgeBase(HashingEmbedder(dimension=32))):
        details = [WORDS.error(finding.detail) for finding in check(some)]
        assert [detail for detail in details if CHINESE_CHARACTER.search(detail)] == []


def test_values_stay_as_they_are() -> None:
    for name in ("{0}.txt", "{}{x!r:>9}", "图片", "行", "30 分钟", "}{", "%s", "没有加入过 a；b、c"):
        assert WORDS.error(f"没有加入过 {name}") == f"{name} has not been added"
        assert (
            WORDS.error(f"{name} 不是普通文件；请给出文件本身")
            == f"{name} is not a regular file; please give the file itself"
        )


def test_a_name_that_holds_words_of_the_sentence() -> None:
    message = "我 有 3 MB，上限是.pdf 有 51.0 MB，上限是 50 MB；请拆成几个文件"
    assert WORDS.error(message).startswith("我 有 3 MB，上限是.pdf has 51.0 MB, the limit is 50 MB;")


def test_what_is_not_known_stays_chinese() -> None:
    for message in ("没有人翻译过的话", "", "行", "第 3 行", "x" * (MAX_CHARS + 1)):
        assert WORDS.error(message) == message


def test_long_messages_made_to_be_slow() -> None:
    """Every place of a value could end anywhere: looked for in every way, this would take for ever."""
    pieces = ("{} 有 {} MB，上限是 {} MB；请拆成几个文件", "{}：不支持 {}；{}", "{0}；{0}；{0}：{0}、{0}、")
    for piece in pieces:
        for count in (10, 100, 1000):
            in_english((piece.replace("{}", " 有 MB，上限是 ") * count)[:MAX_CHARS] + "；请拆成几个文件")
    nested = "a：不支持 b；" * 500
    assert in_english(nested[:MAX_CHARS]).endswith("a: b is not supported; ")
    assert values(f"{'{} 有 ' * 40}{{}}。".split("{}"), " 有 " * 100_000) is None
    assert values(f"{'{} 有 ' * 40}{{}}".split("{}"), " 有 " * 100_000) is not None


def test_reordered_values() -> None:
    message = "扫描.pdf 有 20 页以上是扫描的图片，一次最多识别 20 页；请拆成几个文件"
    assert WORDS.error(message).startswith("More than 20 pages of 扫描.pdf are scanned pictures")
