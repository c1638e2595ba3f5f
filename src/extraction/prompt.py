"""What the model is asked: a full instruction for a base model, a short one for the trained adapter."""

from dataclasses import dataclass

from src.extraction.schema import LABELS, render_entities
from src.models.base import Message

# Invented, and with what models get wrong: a label without value, a mention that comes twice, a school
# whose name begins with a place.
EXAMPLE_TEXT = (
    "林晓岚，女，中国国籍，回族，祖籍安徽，工学硕士，毕业于合肥工业大学机械设计专业；"
    "曾任江淮精工集团车间主任，现任江淮精工集团副总经理、高级工程师。"
)
EXAMPLE_ENTITIES = {
    "姓名": ["林晓岚"],
    "国籍": ["中国国籍"],
    "种族": ["回族"],
    "职位": ["车间主任", "副总经理", "高级工程师"],
    "教育背景": ["工学硕士"],
    "专业": ["机械设计专业"],
    "组织名": ["合肥工业大学", "江淮精工集团", "江淮精工集团"],
    "地名": ["安徽"],
}

# Everything constant stands before the resume, so that a model can keep its keys and values for it.
_INSTRUCTION = f"""你是一名信息抽取专家，请从简历里找出八类信息，写成 JSON。

# 八类信息
姓名：人名
国籍：如“中国国籍”
种族：民族
职位：职务、职称、身份
教育背景：学历、学位
专业：所学专业
组织名：公司、学校、机关、团体
地名：籍贯、住址等，不含组织名里面的地名

# 要求
1. 每个值都从简历里逐字抄写，不改写，不翻译，不补全。
2. 同一类的值按在简历里出现的先后列出，出现几次就列几次。
3. 没有的类写空列表 []。
4. 只输出一个 JSON 对象，八个键齐全，顺序和示例相同，不加任何解释。

# 示例
简历：{EXAMPLE_TEXT}
输出：{render_entities(EXAMPLE_ENTITIES)}

# 当前简历
"""

_REMINDER = "\n\n# 再次提醒\n只抄简历里有的文字，按示例的格式输出 JSON。\n输出："


@dataclass(frozen=True)
class Template:
    """The prompt that an adapter was trained with: the resume between two fixed texts."""

    before: str
    after: str = ""

    def messages(self, text: str) -> list[Message]:
        return [Message("user", self.before + text + self.after)]


# Short on purpose: in training and on a CPU most of the time goes into the prompt.
SHORT = Template(f"从简历里逐字抄出{'、'.join(LABELS)}，按先后列成 JSON。\n简历：")


def instruction_messages(text: str) -> list[Message]:
    """For a model that was not trained for this: task, requirements, one example, the resume, a reminder."""
    return [Message("user", _INSTRUCTION + text + _REMINDER)]
