import json
from pathlib import Path

import pytest

from src.errors import InputError
from src.extraction.labelled import Labelled
from src.extraction.prompt import SHORT
from src.extraction.schema import Span, render_entities
from src.training.data import find_template, join, read_data

COURSE_BEFORE = "# 任务描述\n识别出所有的命名实体。\n\n# 样例\n输入：甲\n输出：{}\n\n# 当前简历\n"
COURSE_AFTER = "\n\n# 任务重述\n请参考样例，以json格式返回结果。"


def write(path: Path, rows: object) -> Path:
    path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    return path


def course(text: str, **values: list[str]) -> dict[str, str]:
    return {"input": COURSE_BEFORE + text + COURSE_AFTER, "output": json.dumps(values, ensure_ascii=False)}


def test_span_form_is_asked_with_the_short_prompt(tmp_path: Path) -> None:
    row = {"text": "王明任董事、董事", "entities": [["职位", 6, 8], ["姓名", 0, 2], ["职位", 3, 5]]}
    data = read_data(write(tmp_path / "d.json", [row]))
    assert data.template == SHORT
    assert data.texts == [
        Labelled(row["text"], (Span("姓名", "王明", 0, 2), Span("职位", "董事", 3, 5), Span("职位", "董事", 6, 8)))
    ]
    assert data.answers == [render_entities({"姓名": ["王明"], "职位": ["董事", "董事"]})]


def test_course_form_keeps_its_own_prompt_and_gets_its_spans(tmp_path: Path) -> None:
    rows = [
        course("王明，汉族", 姓名=["王明"], 种族=["汉族"]),
        course("王芳任经理，北京人", 姓名=["王芳"], 地名=["上海"]),
    ]
    data = read_data(write(tmp_path / "d.json", rows))
    assert (data.template.before, data.template.after) == (COURSE_BEFORE, COURSE_AFTER)
    assert [text.text for text in data.texts] == ["王明，汉族", "王芳任经理，北京人"]
    assert data.answers == [row["output"] for row in rows]
    # 上海 does not stand in the text: learned as the data has it, but no span to measure against.
    assert [[span.text for span in text.spans] for text in data.texts] == [["王明", "汉族"], ["王芳"]]
    for row, text in zip(rows, data.texts, strict=True):
        assert data.template.messages(text.text)[0].content == row["input"]


def test_forms_may_mix(tmp_path: Path) -> None:
    rows = [
        course("王明", 姓名=["王明"]),
        {"text": "李四", "entities": [["姓名", 0, 2]]},
        course("赵六", 姓名=["赵六"]),
    ]
    data = read_data(write(tmp_path / "d.json", rows))
    assert sorted(text.text for text in data.texts) == ["李四", "王明", "赵六"]
    for text, answer in zip(data.texts, data.answers, strict=True):
        assert text.text in answer


@pytest.mark.parametrize(
    ("prompts", "before", "after"),
    [
        (["王明", "王芳"], "", ""),  # two resumes may begin alike
        (["只有一个"], "", ""),
        (["请抽取：甲", "请抽取：甲乙"], "请抽取：", ""),
        (["抽取\n甲\n结束", "抽取\n乙\n结束"], "抽取\n", "\n结束"),
        (["抽取\n\n结束", "抽取\n乙\n结束"], "抽取\n", "\n结束"),
    ],
)
def test_the_template_is_whole_lines_that_all_share(prompts: list[str], before: str, after: str) -> None:
    template = find_template(prompts)
    assert (template.before, template.after) == (before, after)


def test_bad_lines_are_named(tmp_path: Path) -> None:
    rows = [
        course("王明", 姓名=[]),
        {"input": "甲"},
        {"input": "", "output": "x"},
        {"text": "甲"},
        3,
        {"input": "甲", "output": "抱歉，我不能"},
    ]
    with pytest.raises(InputError) as caught:
        read_data(write(tmp_path / "d.json", rows))
    for number, reason in ((2, "output"), (3, "input"), (4, "entities"), (5, "对象"), (6, "JSON")):
        assert any(f"第 {number} 条" in line and reason in line for line in str(caught.value).splitlines())


def test_joined_texts_keep_their_spans() -> None:
    joined = join(
        [Labelled("王明，", (Span("姓名", "王明", 0, 2),)), Labelled("任董事", (Span("职位", "董事", 1, 3),))]
    )
    assert joined.text == "王明，任董事"
    assert [joined.text[span.start : span.end] for span in joined.spans] == ["王明", "董事"]


def test_a_prompt_unlike_the_others_is_named_and_spoils_nothing(tmp_path: Path) -> None:
    rows = [course(f"{name}，汉族", 姓名=[name]) for name in ("王明", "李四", "赵六", "钱七")]
    rows.insert(1, {"input": "裸的简历，王芳", "output": '{"姓名": ["王芳"]}'})
    rows.append({"input": COURSE_BEFORE + " " + COURSE_AFTER, "output": '{"姓名": []}'})
    with pytest.raises(InputError, match=r"2 条.*第 2 条、第 6 条"):
        read_data(write(tmp_path / "d.json", rows))


def test_held_out_prompts_are_read_with_the_template_of_the_data(tmp_path: Path) -> None:
    data = read_data(
        write(tmp_path / "d.json", [course(f"{name}，汉族", 姓名=[name]) for name in ("王明", "李四")])
    )
    dev = read_data(write(tmp_path / "dev.json", [course("2001年：王明", 姓名=["王明"])]), data.template)
    assert [text.text for text in dev.texts] == ["2001年：王明"]
    assert [span.text for span in dev.texts[0].spans] == ["王明"]


def test_what_all_resumes_begin_with_stays_in_them(tmp_path: Path) -> None:
    data = read_data(
        write(tmp_path / "d.json", [course(f"姓名：{name}", 姓名=[name]) for name in ("王明", "李四")])
    )
    assert [text.text for text in data.texts] == ["姓名：王明", "姓名：李四"]


def alpaca(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    return path


def test_an_instruction_is_the_beginning_of_the_prompt(tmp_path: Path) -> None:
    rows = [
        {"instruction": "抽取下面简历里的实体：", "input": f"{name}任经理。", "output": json.dumps({"姓名": [name]}, ensure_ascii=False)}
        for name in ("王明", "李红", "赵强")
    ]  # fmt: skip
    data = read_data(alpaca(tmp_path / "a.json", rows))
    assert data.template.before == "抽取下面简历里的实体：\n"
    assert [text.text for text in data.texts] == ["王明任经理。", "李红任经理。", "赵强任经理。"]
    with pytest.raises(InputError, match="instruction 不是文字"):
        read_data(alpaca(tmp_path / "b.json", [rows[0] | {"instruction": 3}]))


def test_answers_that_are_not_in_their_texts_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows: list[dict[str, object]] = [
        {"input": "简历：王明任经理。", "output": '{"姓名": ["王明", "不在"]}'},
        {"input": "简历：李红任教师。", "output": '{"姓名": ["李红"]}'},
    ]
    read_data(alpaca(tmp_path / "a.json", rows))
    assert "3 个答案里有 1 个没有原样出现" in caplog.text
    nowhere: list[dict[str, object]] = [row | {"output": '{"姓名": ["不在原文"]}'} for row in rows]
    with pytest.raises(InputError, match="2 个答案没有一个原样出现"):
        read_data(alpaca(tmp_path / "b.json", nowhere))
