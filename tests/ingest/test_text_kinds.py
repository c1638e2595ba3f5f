"""Text files as people have them: wrapped by hand, questions with answers, Markdown, JSON of any form, letters, subtitles."""

import json
from email.message import EmailMessage
from pathlib import Path

import pytest

from src.errors import KnowledgeError
from src.ingest.parse import read_file
from src.ingest.report import Documents
from src.ingest.split import split_document

ROOT = Path(__file__).resolve().parents[2]


def read(folder: Path, name: str, text: str | bytes) -> Documents:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_file(path)


def texts(documents: Documents) -> list[str]:
    return [document.text for document in documents]


def test_our_own_example_stays_a_document_a_line() -> None:
    path = ROOT / "examples/knowledge.txt"
    lines = [(f"knowledge.txt:{n}", line) for n, line in enumerate(path.read_text("utf-8").split("\n"), 1) if line]
    assert [(document.doc_id, document.text) for document in read_file(path)] == lines


def test_lines_wrapped_by_hand_become_paragraphs(tmp_path: Path) -> None:
    text = (
        "        窑火记\n\n    老龙窑一年烧四次，每次装坯要花七\n天，点火之后日夜有人守着，一直守到第\n五天封窑。\n"
        "    开窑那天，全镇的人都来看，第一件\n瓷器照例送给学堂。\n"
    )
    documents = read(tmp_path, "窑.txt", text.encode("gb18030"))
    assert texts(documents) == [
        "老龙窑一年烧四次，每次装坯要花七天，点火之后日夜有人守着，一直守到第五天封窑。",
        "开窑那天，全镇的人都来看，第一件瓷器照例送给学堂。",
    ]
    assert {document.title for document in documents} == {"窑火记"}


def test_english_wrapped_lines_have_spaces(tmp_path: Path) -> None:
    text = "The kiln is fired four times a year and the fire\nis watched day and night until the fifth day.\n\nWhen it is closed it is left to cool for a\nweek.\n"
    assert texts(read(tmp_path, "a.txt", text)) == [
        "The kiln is fired four times a year and the fire is watched day and night until the fifth day.",
        "When it is closed it is left to cool for a week.",
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["青瓦 每片两元", "琉璃瓦 每片九元", "小青砖 每块一元二角"],
        ["窑工上岗要考试。", "学徒满三年出师。", "每月逢五休息"],
        ["一号窑在村东。", "二号窑在村西，烧龙泉青瓷。" * 8, "三号窑停用"],
        ["有几座窑？"],
    ],
)
def test_lines_that_are_documents_stay_apart(tmp_path: Path, lines: list[str]) -> None:
    assert texts(read(tmp_path, "a.txt", "\n".join(lines))) == lines


@pytest.mark.parametrize(("ask", "answer"), [("问：", "答："), ("Q1: ", "A1: "), ("问题：", "答案："), ("", "")])
def test_question_and_answer_stay_together(tmp_path: Path, ask: str, answer: str) -> None:
    pairs = [
        ("釉料放几天？", "放三天。"),
        ("坯子怎么阴干？", "放在北窗下。"),
        ("开裂了还能补吗？", "不能，打碎回炉。"),
    ]
    text = "\n".join(f"{ask}{question}\n{answer}{said}\n" for question, said in pairs)
    assert texts(read(tmp_path, "a.txt", text)) == [f"{ask}{question}\n{answer}{said}" for question, said in pairs]


def test_blocks_of_fields_are_documents(tmp_path: Path) -> None:
    text = "姓名：尤三\n工种：拉坯\n\n姓名：施四\n工种：上釉\n"
    assert texts(read(tmp_path, "a.txt", text)) == ["姓名：尤三\n工种：拉坯", "姓名：施四\n工种：上釉"]


def test_rows_of_a_markdown_table_carry_their_names_in_every_chunk(tmp_path: Path) -> None:
    rows = "".join(f"| 釉{n} | {900 + n} | **氧化** |\n" for n in range(60))
    documents = read(tmp_path, "a.md", f"# 釉料\n\n| 名称 | 烧成温度 | 气氛 |\n| :-- | --: | --- |\n{rows}")
    chunks = [chunk for document in documents for chunk in split_document(document)]
    assert len(chunks) > 3
    for chunk in chunks:
        assert all(line.startswith("名称：釉") and "；烧成温度：9" in line for line in chunk.text.split("\n"))


def test_a_fence_ends_where_markdown_says(tmp_path: Path) -> None:
    text = "# 甲\n\n````text\n```内```\n# 乙\n````\n\n## 丙\n\n丁。\n\n    # 戊\n"
    documents = read(tmp_path, "a.md", text)
    assert [(d.title, d.text) for d in documents] == [
        ("甲", "````text\n```内```\n# 乙\n````"),
        ("甲 › 丙", "丁。\n    # 戊"),
    ]


def test_items_of_a_nested_list_say_what_they_are_in(tmp_path: Path) -> None:
    text = "- 甲窑\n    - 燃料\n        - 松柴，每次三百担\n    - 匣钵\n- 乙窑\n  1. 煤气，月底结算\n\n普通的一段，后面\n没有分行。\n"
    (document,) = read(tmp_path, "a.md", text)
    assert document.text.split("\n") == [
        "甲窑 › 燃料 › 松柴，每次三百担",
        "甲窑 › 匣钵",
        "乙窑 › 煤气，月底结算",
        "普通的一段，后面",
        "没有分行。",
    ]


def test_soft_line_breaks_and_what_is_no_text(tmp_path: Path) -> None:
    text = (
        "[![b](https://img.shields.io/x.svg)](https://x)\n\n龙窑依山而建，长四十多米，从窑头到窑尾有二十\n八对投柴孔。  \n硬换行之后。"
        "\n\n![窑](data:image/png;base64,AAAA)\n"
    )
    (document,) = read(tmp_path, "a.md", text)
    assert document.text == "龙窑依山而建，长四十多米，从窑头到窑尾有二十八对投柴孔。\n硬换行之后。\n窑"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"instruction": "釉料放几天", "input": "", "output": "三天"}], ["instruction：釉料放几天；output：三天"]),
        ([{"content": "甲", "title": "题"}, {"正文": "乙", "作者": "丙"}], ["甲", "乙\n作者：丙"]),
        ({"共": 2, "列表": [{"名": "甲", "价": 3}, {"名": "乙", "价": 4.5}]}, ["共：2", "名：甲；价：3", "名：乙；价：4.5"]),
        ([{"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]}], ["user：问；assistant：答"]),
        ({"名": {"中": "窑", "英": "kiln"}, "有": True}, ["有：是", "名.中：窑；名.英：kiln"]),
        ([{"id": True, "text": "甲"}, {"id": " ", "text": "乙"}, {"id": "a"}], ["甲", "乙"]),
        ("一句话", ["一句话"]),
    ],
)  # fmt: skip
def test_json_of_any_form_is_read(tmp_path: Path, content: object, expected: list[str]) -> None:
    documents = read(tmp_path, "a.json", json.dumps(content, ensure_ascii=False))
    assert texts(documents) == expected
    assert len({document.doc_id for document in documents}) == len(documents)


def test_a_letter_has_its_subject_people_and_text(tmp_path: Path) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "尤三 <you@example.com>", "shi@example.com", "窑期改到初九"
    message.set_content("<p>初八有雨，<b>改到初九</b>点火。</p>", subtype="html", charset="gb2312")
    message.add_attachment(b"x", maintype="application", subtype="pdf", filename="名单.pdf")
    (document,) = documents = read(tmp_path, "信.eml", message.as_bytes())
    assert document.title == "窑期改到初九"
    assert document.text.split("\n") == [
        "发件人：尤三 <you@example.com>；收件人：shi@example.com；附件：名单.pdf",
        "初八有雨，改到初九点火。",
    ]
    assert "名单.pdf" in documents.report.warnings[0]


def test_subtitles_are_sentences_with_their_time(tmp_path: Path) -> None:
    cues = [("00:01:05,000", "今天我们来看"), ("00:01:07,200", "怎样拉坯。"), ("00:01:09,000", "<i>手要稳。</i>")]
    text = "".join(f"{n}\n{at} --> 00:02:00,000\n{said}\n\n" for n, (at, said) in enumerate(cues, 1))
    (document,) = read(tmp_path, "课.srt", text)
    assert (document.source, document.text) == ("课.srt 00:01:05", "今天我们来看怎样拉坯。\n手要稳。")


def test_xml_records_are_rows(tmp_path: Path) -> None:
    text = '<窑场 年="2020"><窑><名>甲</名><长>40米</长></窑><窑><名>乙</名><长>31米</长></窑><注>以<b>实测</b>为准</注></窑场>'
    (document,) = read(tmp_path, "a.xml", text)
    assert document.text.split("\n") == ["年：2020", "名：甲；长：40米", "名：乙；长：31米", "以实测为准"]


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"空的（0 字节）"):
        read(tmp_path, "a.docx", b"")
