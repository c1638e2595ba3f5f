"""What a message asks for: kinds of requests, questions with a span, names, comparisons. Precision first: most are questions."""

import json
from pathlib import Path

import pytest

from src.chat.question_kinds import has_span, is_name, name_of
from src.chat.requests import is_aside, recognise
from src.chat.sides import compared, sides

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "qa"


@pytest.mark.parametrize(
    ("kind", "messages"),
    [
        ("greeting", "你好|您好呀！|哈喽|晚上好|在吗？|源知你好|hi there|Good morning!|你好😊"),
        ("thanks", "多谢！|好的，谢谢您|太感谢了|您辛苦啦|謝謝|Thanks a lot.|ok thank you"),
        ("farewell", "再见|拜拜啦|好的，那先这样，再见|See you later"),
        ("acknowledgement", "嗯|嗯嗯，知道了|哦，原来如此|收到|我明白了|没问题|👍|Got it.|great"),
        (
            "assistant",
            "你是谁呀？|请问你叫什么名字|你都会做些什么|您能帮忙干点啥|你好，你能帮我做什么？|这个系统怎么用|如何使用你|你用的是哪个大模型？|你是真人还是机器人？|"
            "谁开发的你|介绍一下你自己|What can you do?|who made you|Which model are you based on?",
        ),
        (
            "files",
            "可以上传哪些格式的文件|你能读什么类型的文档？|怎么添加自己的资料|支持上传什么格式|How do I upload a file?",
        ),
        (
            "base",
            "知识库里一共有多少个文件？|库里一共几篇文章|你们库里都有什么|资料库中都有哪些内容|知识库有多大|你知道些什么？|列出所有文档|现在有哪些资料可以查？|总共收录了多少篇文章|请问知识库收录了几篇文章|"
            "How many documents are there?|What is in your knowledge base?",
        ),
        ("own", "我上传了几份文档？|我刚才上传的文件有哪些|列出我上传的文件|Which files did I upload?"),
        (
            "document",
            "概括一下手册.pdf的主要内容|把手册.pdf的要点列出来|手册.pdf讲了些什么？|用三句话总结这份文件|这篇文章主要说了什么|我刚上传的资料讲的是什么|帮我总结下我上传的文档|"
            "Summarise report.docx|What is this document about?",
        ),
        (
            "conversation",
            "翻译成日语|请把上面的回答翻译成英文|用法语再说一遍|总结一下上面的内容|用一句话概括|我们刚才聊了什么？|你刚才说的是哪一年|不对吧|你说错了|"
            "不对，应该是1935年|再说一遍|换个说法|把上面的回答缩短成一句话|刚才的内容再通俗一些|请将上述回答改成小学生能看懂的|整理成表格|用列表列出来|说得简单一点|太长了，短一点|你确定吗？|Translate that into French|"
            "in English please|make it shorter|Say that again.|Are you sure?",
        ),
    ],
)
def test_what_a_message_asks_for(kind: str, messages: str) -> None:
    for message in messages.split("|"):
        request = recognise(message)
        assert (message, request and request.kind) == (message, kind)
        assert is_aside(message)


@pytest.mark.parametrize(
    "message",
    [
        "谢谢的英文怎么说",
        "你好公司的电话",
        "总结一下故宫的历史",
        "知识库是什么意思",
        "水库里一共几条鱼",
        "书库里有哪些文章",
        "介绍一下翻译专业",
        "你好，李焕英是谁导演的",
        "再见用日语怎么说",
        "辛苦费是多少",
        "机器翻译是什么",
        "年终总结怎么写",
        "LoRA用的什么模型",
        "知识库里有没有长江的资料",
        "你怎么看人工智能",
        "手册.pdf里实习生能值夜班吗",
        "这个文件是谁签发的",
        "写一首关于秋天的诗",
        "用英文介绍一下广州",
        "把“床前明月光”翻译成英文",
        "成都",
        "行程单在哪里打印",
        "好的睡眠习惯有哪些",
        "为什么？",
        "举个例子",
        "它叫什么名字",
        "英语呢",
        "你们的套餐有什么优惠",
        "你能告诉我年假几天吗",
        "你可以推荐什么书",
        "？",
        "上海",
        "Translate hello into Chinese",
        "What is LoRA?",
        "Write a poem about autumn.",
        "What is this city famous for?",
        "Is it free?",
        "",
    ],
)
def test_what_is_a_question(message: str) -> None:
    assert not is_aside(message)


def test_a_bare_name_may_be_a_documents() -> None:
    assert recognise("员工手册讲了什么") is None
    request = recognise("员工手册讲了什么", lambda: ["员工手册.md", "册.txt"])
    assert request is not None
    assert (request.name, request.certain, request.titles) == ("员工手册", False, False)
    titled = recognise("总结一下《背影》")
    assert titled is not None
    assert (titled.name, titled.certain, titled.titles) == ("背影", False, True)


@pytest.mark.skipif(not SHARED.is_dir(), reason="没有 shared/data/qa")
def test_hardly_any_question_of_a_reading_test_is_taken_for_a_request() -> None:
    lines = (SHARED / "cmrc2018_train.jsonl").read_text("utf-8").splitlines()
    questions = [json.loads(line)["question"] for line in lines[:3000]]
    assert sum(map(is_aside, questions)) <= 1


@pytest.mark.parametrize(
    "piece", ["好", "用", "a ", "把上面", "再", "总结", "什么是", "和", "比", "what is ", "的"]
)
def test_a_long_message_is_read_at_once(piece: str) -> None:
    """Patterns that try every way to split it would not come back."""
    for message in ((piece * 80)[:80], (piece * 2000)[:2000]):
        recognise(message), has_span(message), compared(message), name_of(message)


@pytest.mark.parametrize(
    ("span", "questions"),
    [
        (
            True,
            "谁写了《家》|赵州桥通车时间|南开大学的校训是什么|洱海海拔多少米|华山在哪个省|茶馆的作者|他的职业是什么|R37阀门的口径|红楼梦有多少回|广州的别称叫什么|"
            "鲸属于什么动物|中山大学前身是什么|Who founded Xiamen University?|How long is the Yellow River?|When was it built",
        ),
        (
            False,
            "LoRA|黄河|介绍一下天坛|为什么重庆叫山城|怎么办理护照|苏州有哪些园林|夜班可以换休吗|RAG是什么|什么是过拟合|总结一下故宫的历史|"
            "黄山比泰山高吗|A20和B21有什么区别|Tell me about Chengdu|Why is the sky blue?|What is FAISS?|Is Suzhou in Jiangsu?",
        ),
    ],
)
def test_which_questions_a_span_answers(span: bool, questions: str) -> None:
    for question in questions.split("|"):
        assert (question, has_span(question)) == (question, span)


@pytest.mark.parametrize(
    ("question", "things"),
    [
        ("黄山比泰山高吗？", ("黄山", "泰山")),
        ("北京大学比湖南大学早成立几年？", ("北京大学", "湖南大学")),
        ("请问端午节和中秋节有什么不同", ("端午节", "中秋节")),
        ("A20、B21和C33的材质分别是什么？", ("A20", "B21", "C33")),
        ("洱海与滇池哪个更大", ("洱海", "滇池")),
        ("呼和浩特和包头哪个人口多", ("呼和浩特", "包头")),
        ("泰山和华山，哪座在陕西？", ("泰山", "华山")),
        ("年假和病假各有几天", ("年假", "病假")),
        ("洱海的面积和深度分别是多少", ("洱海的面积", "洱海的深度")),
        ("谁更高，姚明还是易建联？", ("姚明", "易建联")),
        ("比较一下LoRA和QLoRA", ("LoRA", "QLoRA")),
        ("What is the difference between RAG and fine-tuning?", ("RAG", "fine-tuning")),
        ("Is Mount Tai higher than Mount Hua?", ("Mount Tai", "Mount Hua")),
        ("远山县第一中学和第三中学分别创建于哪一年？", ("远山县第一中学", "第三中学")),
        ("杭州和苏州两座城市哪个大", ("杭州", "苏州")),
        ("比较文学是什么", None),
        ("和平饭店在哪里", None),
        ("《战争与和平》的作者是谁", None),
        ("比亚迪的总部在哪里", None),
        ("长江和嘉陵江在哪里汇合？", None),
        ("两座塔里，雷峰塔跟六和塔谁是木塔？", ("雷峰塔", "六和塔")),
        ("赵六、钱七和孙五谁最高", ("赵六", "钱七", "孙五")),
        ("陈四、李二谁来得早", ("陈四", "李二")),
        ("两岸之间的距离和高差是多少", None),
        ("单价和库存分别是多少", None),
        ("南开大学的校训是什么", None),
        ("?", None),
    ],
)
def test_what_is_set_side_by_side(question: str, things: tuple[str, ...] | None) -> None:
    assert compared(question) == things


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("LoRA", "lora"),
        ("黄河", "黄河"),
        ("用英文介绍一下广州", "广州"),
        ("什么是检索增强生成？", "检索增强生成"),
        ("《家》是什么", "家"),
        ("黄河的长度", None),
        ("赵州桥通车时间", None),
        ("介绍一下广州大学的校训", None),
        ("谢谢", None),
        ("广州有什么好玩的", None),
    ],
)
def test_what_is_but_a_name(question: str, name: str | None) -> None:
    assert name_of(question) == name
    assert is_name(question) == (name is not None and len(question) == len(name))


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("洱海与滇池哪个更大", ["洱海有多大", "滇池有多大"]),
        ("这两家公司中，远山钢铁和近水机械哪家成立早", ["远山钢铁成立是什么时候", "近水机械成立是什么时候"]),
        ("北京、上海两地哪个人口多", ["北京人口有多少", "上海人口有多少"]),
        ("第一中学和第三中学分别创建于哪一年？", ["第一中学创建于哪一年", "第三中学创建于哪一年"]),
        ("LoRA和QLoRA有什么区别", ["LoRA", "QLoRA"]),
    ],
)
def test_each_of_several_things_is_asked_for_by_itself(question: str, asked: list[str]) -> None:
    things = compared(question)
    assert things is not None
    assert sides(question, things) == asked


def test_which_of_two_is_asked_of_each() -> None:
    assert sides("祝青和裴野谁是组长？", ("祝青", "裴野")) == ["祝青是组长吗？", "裴野是组长吗？"]
