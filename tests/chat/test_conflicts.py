import pytest

from src.chat.conflicts import conflicts_of
from src.chat.types import Conflict
from src.knowledge.types import Chunk
from src.retrieval.types import Hit, Stages


def hits(*texts: str, titles: tuple[str, ...] = ()) -> list[Hit]:
    names = titles or ("",) * len(texts)
    return [
        Hit(Chunk(f"c{i}", f"d{i}", "s", names[i - 1], text, 0, len(text)), 0.9, i, Stages())
        for i, text in enumerate(texts, 1)
    ]


def test_the_same_statement_with_another_number() -> None:
    found = conflicts_of(
        "云岭大学创办于哪一年？", hits("云岭大学创办于1927年，是一所大学。", "云岭大学创办于1928年。")
    )
    assert found == (Conflict(1, "1927年", 2, "1928年"),)


def test_written_otherwise_is_no_conflict() -> None:
    assert (
        conflicts_of("云岭大学创办于哪一年？", hits("云岭大学创办于一九二七年。", "云岭大学创办于1927年。")) == ()
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("云岭大学创办于1927年。", "海岬大学创办于1928年。"),
        ("云岭大学有3个校区。", "云岭大学有25000名学生。"),
        ("2022年云岭大学有3万名学生。", "2023年云岭大学有4万名学生。"),
        ("云岭大学创办于1927年。", "云岭大学校庆日是每年9月。"),
    ],
)
def test_other_subjects_things_or_times_are_none(one: str, other: str) -> None:
    assert conflicts_of("云岭大学创办于哪一年，有多少学生？", hits(one, other)) == ()


def test_the_title_names_the_subject() -> None:
    texts = ("学校创办于1927年。", "学校创办于1928年。")
    assert conflicts_of("学校创办于哪一年？", hits(*texts, titles=("云岭大学", "海岬大学"))) == ()
    assert len(conflicts_of("学校创办于哪一年？", hits(*texts, titles=("云岭大学", "云岭大学")))) == 1


def test_what_the_question_is_not_about_is_left_alone() -> None:
    assert conflicts_of("番茄怎么炒蛋？", hits("云岭大学创办于1927年。", "云岭大学创办于1928年。")) == ()


def test_one_passage_does_not_conflict_with_itself_and_nothing_with_nothing() -> None:
    assert conflicts_of("创办于哪一年？", hits("云岭大学创办于1927年。云岭大学创办于1928年。")) == ()
    assert conflicts_of("", hits("云岭大学创办于1927年。", "云岭大学创办于1928年。")) == ()
    assert conflicts_of("问", []) == ()
