import codecs
import random

import pytest

from src.errors import KnowledgeError
from src.ingest.clean import clean, decode, squash

TEXT = "广州大学，简称广大。\nEmoji 🐑 也行"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
        TEXT.encode("gb18030"),
    ],
)
def test_encodings(data):
    assert decode(data, "a.txt") == TEXT


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [TEXT, "plain English\r\ntext", "一\n", "カタカナも読めます。\n"])
def test_utf16_without_its_mark(encoding, text):
    assert decode(text.encode(encoding), "a.txt") == text


def test_big5_and_what_only_looks_like_it():
    text = "廣州大學位於番禺區大學城，是一所綜合性大學。"
    assert decode(text.encode("big5"), "a.txt") == text
    assert decode(text.encode("gb18030"), "a.txt") == text
    simple = "阿爸爱吃白菜、包子和冰棒，本班不怕冷。"  # the first letters of the alphabet: Big5's frequent half
    assert decode(simple.encode("gb18030"), "a.txt") == simple


def test_empty_file_is_empty_text():
    assert decode(b"", "a.txt") == ""


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8,
        random.Random(0).randbytes(5_000),
        bytes(5_000),
        b"\xff\xfe\x00",
        b"PK\x03\x04" + bytes(64),
    ],
)
def test_binary_is_refused_by_name(data):
    with pytest.raises(KnowledgeError, match=r"照片\.txt"):
        decode(data, "照片.txt")


def test_damaged_utf8_names_the_line_and_is_not_read_as_gb18030():
    data = bytearray(("一行正常的文字，很长很长的一行。\n" * 20).encode())
    data[data.index(b"\n") + 4] = 0xFF
    with pytest.raises(KnowledgeError, match="第 2 行"):
        decode(bytes(data), "a.txt")


def test_clean_removes_what_cannot_be_shown_and_keeps_the_rest():
    assert clean("\ufeff 广\x00州\u200b大\x1b学\r\n第二\x85行\ud800\u202e \t") == "广州大学\n第二\n行"
    assert clean("👨\u200d👩\u200d👧") == "👨\u200d👩\u200d👧"
    assert clean("a\tb") == "a\tb"


def test_squash():
    assert squash(" ＡＢＣ　１２\n\n３ ") == "ABC 12 3"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("この資料館は月曜日に休みます。入館は無料です。", "cp932"),
        ("名前,部署\n山田,開発部\n鈴木,営業部のひと", "cp932"),
        ("Le musée est fermé à Noël, été compris.", "cp1252"),
        ("资料馆周一闭馆，入馆免费。", "gb18030"),
        ("姓名,部门\n张三,研发部", "gb18030"),
        ("龙井 80度", "gb18030"),
        ("資料館於週一休館，入館免費，請勿攜帶寵物。", "big5"),
    ],
)
def test_encodings_without_a_mark_are_told_apart(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), "a.txt") == text
