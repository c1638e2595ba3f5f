import pytest

from src.ingest.types import Document
from src.models.embedders.fake import HashingEmbedder
from src.search.courtesy import without_courtesy
from src.search.indexing import base_of
from src.search.search import Retriever


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("您好，请问一下病假有几天？谢谢！", "病假有几天？"),
        ("用英文介绍一下洱海", "介绍一下洱海"),
        ("洱海有多深，请用英文回答", "洱海有多深"),
        ("不好意思打扰了，我是新来的，想咨询一下借书的流程", "借书的流程"),
        ("听同事说楼下可以寄快递，我不知道几点关门", "楼下可以寄快递，几点关门"),
        ("我是刚入职的司机，想问下能不能报销油费", "司机，能不能报销油费"),
        ("求助！在线等！会议室怎么个预订法？", "会议室预订？"),
        ("大家好，我对这方面不太懂，能不能告诉我积分什么时候清零", "积分什么时候清零"),
        ("知识库里有没有关于青海湖的内容", "青海湖的内容"),
        ("請問滇池在哪裡？謝謝", "滇池在哪裡？"),
        ("Hi, could you please tell me where Erhai is? Thanks!", "where Erhai is?"),
    ],
)
def test_what_says_nothing_goes(query: str, left: str) -> None:
    assert without_courtesy(query) == left


@pytest.mark.parametrize(
    "query",
    [
        "你好之华是哪年上映的",
        "请假流程是什么",
        "请求权基础是什么",
        "可以带相机进档案室吗？",
        "麻烦制造者是谁唱的",
        "在线等位怎么操作",
        "好奇号是哪年发射的",
        "谢谢",
        "请问",
        "咨询会收集哪些意见？",
        "《你好，旧时光》的作者是谁",
        "想象力是什么",
        "帮我写一首诗",
        "有人机和无人机的区别",
        "用英文怎么说谢谢",
        "老师好在哪里",
    ],
)
def test_what_belongs_to_the_subject_stays(query: str) -> None:
    assert without_courtesy(query) == query


def test_a_long_introduction_counts_against_no_passage() -> None:
    texts = ["快递站的营业时间：早八点至晚九点。", "积分在三月清零。", "会议室在二楼。"]
    base = base_of([Document(str(i), "f", "", text) for i, text in enumerate(texts)], HashingEmbedder())
    retriever = Retriever(base, HashingEmbedder())
    plain = retriever.search("快递站的营业时间")
    long = retriever.search(
        "你好，我是新来的，想麻烦问一下，昨天同事跟我说有快递站，我不清楚快递站的营业时间，能不能告诉我一下？"
    )
    assert long[0].chunk == plain[0].chunk
    assert long[0].score > 0.5


@pytest.mark.parametrize("piece", ["你好", "我听", "请", "，", "昨天", "a ", "please ", "我有个问题"])
def test_a_long_query_is_read_at_once(piece: str) -> None:
    """Patterns that try every way to split it would not come back."""
    without_courtesy((piece * 2000)[:2000])
