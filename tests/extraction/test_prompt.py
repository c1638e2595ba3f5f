from src.extraction.align import align_values
from src.extraction.prompt import EXAMPLE_ENTITIES, EXAMPLE_TEXT, SHORT, instruction_messages
from src.extraction.schema import LABELS, render_entities


def test_the_example_is_right() -> None:
    assert list(EXAMPLE_ENTITIES) == list(LABELS)
    aligned = align_values(EXAMPLE_ENTITIES, EXAMPLE_TEXT)
    assert (aligned.not_verbatim, aligned.surplus) == (0, 0)
    assert len(aligned.spans) == sum(len(values) for values in EXAMPLE_ENTITIES.values())
    for label, values in EXAMPLE_ENTITIES.items():
        assert [span.text for span in aligned.spans if span.label == label] == values


def test_instruction_has_task_example_resume_and_reminder_in_this_order() -> None:
    (message,) = instruction_messages("张三，汉族。")
    parts = ["信息抽取", "# 要求", EXAMPLE_TEXT, render_entities(EXAMPLE_ENTITIES), "张三，汉族。", "再次提醒"]
    places = [message.content.index(part) for part in parts]
    assert places == sorted(places)
    assert message.role == "user"


def test_everything_before_the_resume_is_constant() -> None:
    first, second = (instruction_messages(text)[0].content for text in ("甲", "乙"))
    assert first.split("甲\n")[0] == second.split("乙\n")[0]


def test_adapter_prompt_is_short_and_ends_with_the_resume() -> None:
    (message,) = SHORT.messages("张三，汉族。")
    assert message.content.endswith("张三，汉族。")
    assert len(message.content) < 80
    assert all(label in message.content for label in LABELS)
