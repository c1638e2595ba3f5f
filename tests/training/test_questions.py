"""Windows and their questions: every answer stands where it is said to, and no look-alike holds it."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from src.errors import InputError
from src.search.terms import fold
from src.training import questions
from src.training.questions import Article, Asked, Target, Window, read_articles, windows, with_near

NAMES = ("东山大学", "西岭大学", "南浦大学", "北原大学", "海门大学", "江口大学")
FILLER = "校园里种着许多树，春天开花，秋天落叶，学生常在树下读书。" * 11


def university(name: str, number: int) -> Article:
    year, place, head = f"{1901 + 7 * number}年", f"{name[:2]}市第{'一二三四五六'[number]}大街", f"王{name[0]}明"
    text = f"{name}创办于{year}，位于{place}。{FILLER}{name}现任校长是{head}，他是第三任校长。"
    asked = {f"{name}创办于哪一年？": year, f"{name}位于哪里？": place, f"{name}第三任校长是谁？": head}
    return Article(name, text, [Asked(q, ((answer, text.index(answer)),)) for q, answer in asked.items()])


ARTICLES = [university(name, number) for number, name in enumerate(NAMES)]
ANSWERS = {asked.question: asked.answers[0][0] for article in ARTICLES for asked in article.asked}


class Always(random.Random):
    """Every change is made."""

    def random(self) -> float:
        return 0.0


def squad(articles: list[Article]) -> str:
    paragraphs = [
        {
            "title": one.title,
            "paragraphs": [
                {
                    "context": one.text,
                    "qas": [
                        {"question": q.question, "answers": [{"text": t, "answer_start": s} for t, s in q.answers]}
                        for q in one.asked
                    ],
                }
            ],
        }
        for one in articles
    ]
    return json.dumps({"data": paragraphs}, ensure_ascii=False)


def lines(articles: list[Article]) -> str:
    rows = [
        {
            "title": one.title,
            "context": one.text,
            "question": q.question,
            "answers": [{"text": t, "start": s} for t, s in q.answers],
        }
        for one in articles
        for q in one.asked
    ]
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


@pytest.mark.parametrize(("name", "write"), [("a.json", squad), ("a.jsonl", lines)])
def test_both_layouts_hold_the_same(tmp_path: Path, name: str, write: Callable[[list[Article]], str]) -> None:
    unanswered = Article("", "没有题目的一段。", [Asked("谁？", ())])
    (tmp_path / name).write_text(write([*ARTICLES, unanswered]), "utf-8-sig")
    assert read_articles(tmp_path / name) == [*ARTICLES, unanswered]


def test_places_counted_in_utf16_are_the_same_places(tmp_path: Path) -> None:
    text = "𠀀𫚭俗名龙尖，又名龙尖。"
    for start in (4, 2):
        article = Article("", text, [Asked("俗名？", (("俗名", start),))])
        (tmp_path / "a.json").write_text(squad([article]), "utf-8")
        assert read_articles(tmp_path / "a.json")[0].asked[0].answers == (("俗名", 2),)


def line(**other: object) -> str:
    row = {"context": "王明是校长。", "question": "谁？", "answers": [{"text": "王明", "start": 0}]}
    return json.dumps(row | other, ensure_ascii=False)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", line() + "\n{", "第 2 行不是 JSON"),
        ("a.jsonl", line(question=7), "第 1 行缺少 str"),
        ("a.jsonl", line(answers=["王明"]), r"第 1 行的 answers 应为"),
        ("a.jsonl", line(answers=[{"text": "王明", "start": 1}]), "“王明”不在它说的位置 1"),
        ("a.jsonl", line(answers=[{"text": "校长", "start": -3}]), "不在它说的位置 -3"),
        ("a.jsonl", line(answers=[]), "没有一个有答案的问题"),
        ("a.jsonl", "", "没有一个有答案的问题"),
        ("a.json", "[1]", "不是 SQuAD 格式"),
        ("a.json", "[" * 100_000, "不是 SQuAD 格式"),
        ("a.json", '{"data": [{"paragraphs": [{"context": 1, "qas": [{"question": "谁？"}]}]}]}', "不是文字"),
        (
            "a.json",
            '{"data": [{"paragraphs": [{"context": "王", "qas": [{"question": "谁？",'
            ' "answers": [{"text": "王", "answer_start": "0"}]}]}]}]}',
            "不是整数",
        ),
        ("a.json", b"\xff\xfe\xfd", "读不了"),
        ("b", None, "读不了"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, name: str, content: str | bytes | None, says: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=says) as caught:
        read_articles(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(5))
def test_every_span_is_an_answer(seed: int) -> None:
    made = windows(ARTICLES, seed, passes=4)
    answered = [(window, target) for window in made for target in window.targets if target.span]
    assert len(answered) > 50
    for window, target in answered:
        start, end = target.span
        assert 0 <= start < end <= len(window.text)
        if target.answers:
            assert window.text[start:end] in target.answers


def test_the_same_seed_makes_the_same_windows_and_every_pass_others() -> None:
    assert windows(ARTICLES, 1) == windows(ARTICLES, 1) != windows(ARTICLES, 2)
    twice = windows(ARTICLES, 1, passes=2)
    first = windows(ARTICLES, 1)
    assert twice[: len(first)] == first
    assert twice[len(first) :] != first


@pytest.mark.parametrize("near", [0, 1, 3])
def test_near_windows_and_other_parts_are_look_alikes_without_the_answer(near: int) -> None:
    found = with_near(ARTICLES, near)
    assert len(found) == 2 * len(ARTICLES)
    held: dict[str, list[bool]] = {}
    for window in found:
        for target in window.targets:
            answer = ANSWERS[target.question]
            held.setdefault(target.question, []).append(target.span is not None)
            assert (answer in window.text) == (target.span is not None)
    assert held.keys() == ANSWERS.keys()
    for marks in held.values():  # in one window, not in the article's other one, nor in the nearest
        assert sorted(marks) == [False] * (1 + near) + [True]


def test_a_window_that_says_the_answer_elsewhere_is_asked_nothing() -> None:
    """It may answer, or may not: nobody has marked it."""
    article = Article(
        "甲", f"甲校创办于1901年。{FILLER}1901年是个好年。", [Asked("甲校创办于哪年？", (("1901年", 5),))]
    )
    other = Article("乙", "甲校不是创办于 1901 年的。乙校也不是。", [Asked("乙校？", ())])
    first, second, third = with_near([article, other], 3)
    assert [one.span for one in first.targets if one.question == "甲校创办于哪年？"] == [(5, 10)]
    assert "1901年" in second.text
    assert {one.question for one in (*second.targets, *third.targets)} == {"乙校？"}


def test_the_nearest_are_those_that_share_most_words() -> None:
    others = [Article("", text, [Asked("？", ())]) for text in ("今天下雨。", "东山大学的校门创办于很久以前。")]
    asked = [ARTICLES[0].asked[0].question]
    found = [
        w.text for w in with_near([ARTICLES[0], *others], 1)[2:] if any(t.question in asked for t in w.targets)
    ]
    assert found == [others[1].text]


def first_window() -> Window:
    return with_near(ARTICLES, 3)[0]


def test_without_its_sentence_a_question_has_no_answer() -> None:
    text = "甲校创办于1901年。乙校创办于1902年。丙校创办于1903年。"
    spans = {name: (text.index(year), text.index(year) + 5) for name, year in (("甲", "1901年"), ("乙", "1902年"), ("丙", "1903年"))}  # fmt: skip
    whole = Window(
        "", text, tuple(Target(f"{name}校？", span, (text[slice(*span)],)) for name, span in spans.items())
    )
    seen = set()
    for seed in range(20):
        gone = questions._without_evidence(whole, random.Random(seed))
        assert gone is not None
        answers = {one.question: one.span and gone.text[slice(*one.span)] for one in gone.targets}
        (missing,) = (question for question, answer in answers.items() if answer is None)
        assert missing[0] not in gone.text
        assert {q: a for q, a in answers.items() if a} == {
            f"{name}校？": text[slice(*span)] for name, span in spans.items() if name != missing[0]
        }
        seen.add(missing)
    assert len(seen) == 3


def test_an_answer_that_stands_elsewhere_too_is_no_look_alike() -> None:
    text = "他生于1901年。那是1901年的冬天。"
    whole = Window("", text, (Target("生于？", (3, 8), ("1901年",)),))
    gone = questions._without_evidence(whole, random.Random(0))
    assert gone is not None
    assert gone.targets == ()


@pytest.mark.parametrize("new", ["西岭大学", "国立西岭理工大学", "岭大学"])
def test_a_renamed_passage_answers_by_the_new_name_only(new: str) -> None:
    window = first_window()
    other = questions._renamed(window, [new], random.Random(1))
    assert other is not None
    assert other.title == new
    assert window.title not in other.text
    by_name = {one.question: one.span and other.text[slice(*one.span)] for one in other.targets}
    for target in window.targets:
        if target.span:
            answer = ANSWERS[target.question]
            assert by_name[target.question] is None
            assert by_name[target.question.replace(window.title, other.title)] == answer


@pytest.mark.parametrize(
    ("title", "question", "kept"),
    [
        ("", "1931年的校长是谁？", "年的校长是谁？"),
        ("", "第三届的冠军是谁？", "届的冠军是谁？"),
        ("", "12号楼在哪里？", "号楼在哪里？"),
        ("", "《东山大学》是谁写的？", "》是谁写的？"),
        ("东山大学", "东山大学在哪里？", "在哪里？"),
    ],
)
def test_an_exchanged_question_asks_for_what_the_window_lacks(title: str, question: str, kept: str) -> None:
    window = Window(title, f"{question}都在这里，不在{NAMES[2]}。", ())
    target = Target(question, (0, 2))
    made = [
        other for seed in range(20) if (other := questions._exchanged(target, window, NAMES, random.Random(seed)))
    ]
    assert len(made) > 10  # none where the draw falls on a name that the window has
    for other in made:
        assert other.span is None
        assert other.question != question
        assert other.question.endswith(kept)
        changed = other.question.removesuffix(kept).lstrip("《")
        assert changed not in window.text


def test_a_question_without_a_name_is_not_exchanged() -> None:
    assert (
        questions._exchanged(Target("他是谁？", (0, 1)), Window("题", "他。", ()), NAMES, random.Random(0)) is None
    )


@pytest.mark.parametrize(
    ("question", "forms"),
    [
        ("大桥的长度是多少？", {"大桥的长度"}),
        ("大桥何时通车？", {"大桥通车时间", "大桥通车日期", "大桥通车年份"}),
        ("大桥位于哪里？", {"大桥位置", "大桥所在地", "大桥地点"}),
        ("谁？", {"谁"}),
    ],
)
def test_a_question_as_a_noun_phrase(question: str, forms: set[str]) -> None:
    assert questions._put(question, Always(1)) in forms


def test_a_learned_window_has_as_many_look_alikes_as_answers() -> None:
    text = "".join(f"第{i}号是{i}。" for i in range(30))
    many = [Target(f"问{i}", (text.index(f"{i}。"), text.index(f"{i}。") + 1)) for i in range(10, 20)]
    window = Window("", text, (*many, *(Target(f"无{i}", None) for i in range(20))))
    drawn = questions._drawn(window, [], random.Random(0)).targets
    assert sum(one.span is not None for one in drawn) == questions.POSITIVES
    assert sum(one.span is None for one in drawn) == questions.NEGATIVES


def test_traditional_passages_are_asked_in_simplified_characters_too() -> None:
    article = Article("廣州", "廣州塔的高度是六百公尺。", [Asked("廣州塔的高度？", (("六百公尺", 7),))])
    asked = {target.question for window in windows([article], 3, passes=30) for target in window.targets}
    assert {fold(question) for question in asked} & {"广州塔的高度"}
    assert any("廣" in question for question in asked)
    assert any("广" in question for question in asked)


@pytest.mark.parametrize(
    ("title", "text", "name", "kind"),
    [
        ("广州", "广州，别称羊城，是广东省省会。", "羊城", "别称"),
        ("雷鱼", "雷鱼是一种淡水鱼，俗称“生鱼”，性凶猛。", "生鱼", "俗称"),
        ("總督府", "總督府又稱督署。", "督署", "别称"),
    ],
)
def test_a_subject_is_asked_for_by_its_alias(title: str, text: str, name: str, kind: str) -> None:
    (made,) = windows([Article(title, text, [])], seed=3)
    (target,) = [one for one in made.targets if name in one.question]
    assert target.span == (0, len(title))
    assert kind in target.question or target.question.startswith(("什么又叫", name))


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("", "广州，别称羊城，是广东省省会。"),
        ("广州", "广州是省会。深圳，别称鹏城，在它旁边。"),
        ("广州", "广州市，简称广州，是省会。"),
    ],
)
def test_an_alias_of_something_else_is_not_asked_for(title: str, text: str) -> None:
    assert windows([Article(title, text, [])], seed=3) == []
