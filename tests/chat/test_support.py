import numpy as np
import pytest

from src.chat.abroad import Similarity
from src.chat.support import split_sentences, support_of
from src.ingest.types import Chunk
from src.models.embedders.use import UniversalSentenceEncoder
from src.search.synonyms import default_lexicon
from src.search.types import Hit, Stages


def hit(rank: int, text: str, title: str = "") -> Hit:
    return Hit(Chunk(f"c{rank}", f"d{rank}", "s", title, text, 0, len(text)), 0.9, rank, Stages())


HITS = [
    hit(1, "广州是广东省省会，别称羊城。全市常住人口约1880万人。"),
    hit(2, "广州大学的办学历史可以追溯到1927年的私立广州大学。主校区位于番禺区大学城。"),
    hit(3, "FAISS不支持事务，支持精确检索和近似检索。"),
]


def ranks(answer: str, question: str = "") -> list[int | None]:
    return [s.rank for s in support_of(answer, HITS, question)]


def test_each_sentence_is_linked_to_its_own_passage_not_the_first() -> None:
    assert ranks("广州大学的办学历史可追溯到1927年。广州别称羊城。") == [2, 1]


def test_the_evidence_is_where_the_words_stand() -> None:
    support = support_of("主校区位于番禺区。", HITS)[0]
    assert support.evidence is not None
    start, end = support.evidence
    assert HITS[1].chunk.text[start:end] == "主校区位于番禺区大学城。"


@pytest.mark.parametrize(
    "sentence",
    [
        "办学历史可以追溯到1928年的私立广州大学。",
        "办学历史可以追溯到一九二八年的私立广州大学。",
        "深圳大学的办学历史可以追溯到1927年的私立深圳大学。",
        "广州大学的主校区位于天河区。",
        "北京别称羊城。",
        "FAISS支持事务。",
        "FAISS不支持精确检索。",
        "Milvus支持精确检索和近似检索。",
        "全市常住人口约188万人。",
        "Python是一种编程语言。",
        "今天天气很好。",
    ],
)
def test_a_wrong_number_name_negation_or_subject_has_no_support(sentence: str) -> None:
    assert ranks(sentence) == [None]


@pytest.mark.parametrize(
    ("sentence", "rank"),
    [
        ("办学历史可以追溯到１９２７年。", 2),
        ("办学历史可以追溯到一九二七年。", 2),
        ("根据资料，广州的别称是羊城。", 1),
        ("1. 广州別稱羊城", 1),
        ("- 它的主校区位于番禺区大学城", 2),
        ("FAISS不支持事务。", 3),
    ],
)
def test_other_ways_to_write_it_have_support(sentence: str, rank: int) -> None:
    assert ranks(sentence) == [rank]


def test_a_bare_fact_needs_a_passage_about_the_question() -> None:
    hits = [hit(1, "某公司成立于1927年，总部在上海。"), hit(2, "广州大学的历史可以追溯到1927年。")]
    assert [s.rank for s in support_of("1927年。", hits, "广州大学的历史追溯到哪年？")] == [2]
    assert [s.rank for s in support_of("1927年。", hits, "珠峰多高？")] == [None]


@pytest.mark.parametrize("nearness", [0.1, 0.9])
def test_words_that_no_passage_has_are_not_supported_however_near_the_meaning(nearness: float) -> None:
    hits = [hit(1, "广州大学办学历史可追溯到1927年。")]
    answer = "广州大学早在很久以前的1927年那时候便已有渊源可追溯"
    assert support_of(answer, hits, similarity=lambda _, texts: np.full(len(texts), nearness))[0].rank is None


def test_sentences_keep_their_mark_and_drop_pure_punctuation() -> None:
    assert split_sentences("第一句。第二句！\n……\n第三句") == ["第一句。", "第二句！", "第三句"]


def test_nothing_to_link() -> None:
    assert support_of("", HITS) == ()
    assert [s.rank for s in support_of("有话。", [])] == [None]
    assert [s.rank for s in support_of("的了。", HITS)] == [None]


def test_a_title_counts_as_said() -> None:
    hits = [hit(1, "创办于1927年，在番禺区。", title="云岭大学")]
    assert support_of("云岭大学创办于1927年。", hits)[0].rank == 1
    assert support_of("海岬大学创办于1927年。", hits)[0].rank is None


GUANGDA = "广州大学的办学历史可以追溯到1927年创办的私立广州大学。2000年7月，几所院校合并，组建成今天的广州大学。"
XIADA = "厦门大学简称厦大，由爱国华侨陈嘉庚在1921年创办，是中国近代第一所由华侨创办的大学。"
KUNMING = "昆明是云南省的省会，坐落在滇池北岸，海拔约1900米。这里夏天不太热，冬天不太冷，因此得名“春城”。"
BGE = "bge-small-zh-v1.5是小型中文向量模型，采用BERT结构，共有4层，输出512维向量，最多处理512个词元。"
WARRIORS = "兵马俑是秦始皇陵的陪葬坑，1974年由当地农民打井时发现。1987年，秦始皇陵及兵马俑坑列入世界遗产名录。"
MOTTO = "清华大学简称清华，前身是1911年建立的清华学堂。学校的校训是“自强不息，厚德载物”，语出《周易》。"
NANKAI = (
    "南开大学位于天津市，由教育家严修和张伯苓在1919年创办。抗日战争时期，它与北京大学、清华大学合组成西南联合大学。"
)
HONG_KONG = (
    "香港是中华人民共和国的特别行政区，北面与深圳相邻。1997年7月1日，中国恢复对香港行使主权，实行“一国两制”。"
)
RRF = "倒数排名融合的英文缩写是RRF，由Cormack等人在2009年提出。常数一般取60，分数是1除以常数加名次。"
LAKE = "青海湖位于青海省东北部，是中国最大的湖泊，也是最大的咸水湖。"
SIZES = "Qwen2.5-Coder是代码大模型系列，有0.5B、1.5B和32B三种规模，擅长代码生成。"
TEA = "中国茶分为绿茶、白茶、黄茶、乌龙茶（青茶）、红茶和黑茶六大类，西湖龙井属于绿茶。"


@pytest.fixture(scope="module")
def meaning() -> Similarity:
    embedder = UniversalSentenceEncoder(threads=1)

    def similarity(text, others):
        vectors = embedder.encode([text, *others])
        return vectors[1:] @ vectors[0]

    return similarity


@pytest.mark.parametrize(
    ("question", "sentence", "passage", "supported"),
    [
        # Real answers of the embedded model, judged by hand.
        ("When was Guangzhou University founded?", "Guangzhou University was founded in 1927.", GUANGDA, True),
        ("Who founded Xiamen University?", "陈嘉庚 founded Xiamen University.", XIADA, True),
        (
            "Who founded Xiamen University?",
            "Xiamen University was founded by the Chinese Communist Party of China in 1921.",
            XIADA,
            False,
        ),
        (
            "Why is Kunming called the Spring City?",
            "Kunming is called the Spring City because it is near the滇池, and has a warm and cold climate.",
            KUNMING,
            False,
        ),
        ("How many dimensions has bge-small-zh-v1.5?", "bge-small-zh-v1.5 has 512 dimensions.", BGE, True),
        ("How many dimensions has bge-small-zh-v1.5?", "bge-small-zh-v1.5 has 4 dimensions.", BGE, False),
        ("When were the Terracotta Warriors found?", "The Terracotta Warriors were discovered in 1974.", WARRIORS, True),
        ("When were the Terracotta Warriors found?", "The Terracotta Warriors were discovered in 1987.", WARRIORS, False),
        ("What is the motto of Tsinghua University?", 'The motto of Tsinghua University is "自强不息，厚德载物".', MOTTO, True),
        ("What is the motto of Tsinghua University?", 'The motto of Tsinghua University is "self-strong，厚德载物".', MOTTO, False),
        ("When was Peking University founded?", "Peking University was founded in 1919.", NANKAI, False),
        ("What kinds of Chinese tea are there?", "Chinese tea is divided into six types:绿茶, white tea, yellow tea, black tea (red tea).", TEA, False),
        ("When did Hong Kong return to China?", "Hong Kong returned to China on July 1, 1997.", HONG_KONG, True),
        ("When did Hong Kong return to China?", "Hong Kong returned to China on June 1, 1997.", HONG_KONG, False),
        ("What sizes does Qwen2.5-Coder come in?", "Qwen2.5-Coder comes in 0.5B, 1.5B and 32B.", SIZES, True),
        ("Who proposed RRF?", "RRF was proposed by Cormack in 2009.", RRF, True),
        ("Who proposed RRF?", "RRF was proposed by Cormack in 1960.", RRF, False),
        ("What sizes does Qwen2.5-Coder come in?", "Qwen2.5-Coder comes in 0.5B, 1.5B and 72B.", SIZES, False),
        ("What is the largest freshwater lake in China?", "The largest freshwater lake in China is the青海湖.", LAKE, False),
        # Made up.
        ("When was Guangzhou University founded?", "Guangzhou University was founded in 2000.", GUANGDA, False),
        ("When was Guangzhou University founded?", "Guangzhou University is a good school.", GUANGDA, False),
        ("Who founded Xiamen University?", "Xiamen University was not founded by 陈嘉庚.", XIADA, False),
        ("Who founded Xiamen University?", "Xiamen University was founded by 张伯苓.", XIADA, False),
        ("Who founded Nankai University?", "Nankai University was founded by 陈嘉庚.", XIADA, False),
    ],
)  # fmt: skip
def test_an_english_sentence_over_chinese_passages(
    meaning: Similarity, question: str, sentence: str, passage: str, supported: bool
) -> None:
    hits = [hit(1, passage), hit(2, "广州是广东省省会，别称羊城。全市常住人口约1880万人。")]
    support = support_of(sentence, hits, question, meaning, default_lexicon().variants)
    assert [s.rank for s in support] == [1 if supported else None]
    if supported:
        start, end = support[0].evidence or (0, 0)
        assert passage[start:end]
    assert support_of(sentence, hits, question, None, default_lexicon().variants)[0].rank is None


def test_a_chinese_answer_to_an_english_question_is_about_its_subject(meaning: Similarity) -> None:
    pku = "北京大学简称北大，前身是1898年创办的京师大学堂。1952年，学校迁到燕园。"
    hits = [hit(1, pku), hit(2, NANKAI)]
    question = "When was Peking University founded?"

    def mark(answer: str) -> int | None:
        return support_of(answer, hits, question, meaning, default_lexicon().variants)[0].rank

    assert mark("1919年") is None
    assert mark("北京大学创办于1898年。") == 1
    assert mark("学校在1952年迁到燕园。") == 1


def test_english_sentences_are_told_apart() -> None:
    text = 'Yuan 2.0 was released in 2023. It is open.\nIt has 2.1 billion parameters (2B). "Yes."'
    assert split_sentences(text) == [
        "Yuan 2.0 was released in 2023.", "It is open.", "It has 2.1 billion parameters (2B).", '"Yes."',
    ]  # fmt: skip


def test_a_chinese_sentence_with_many_latin_letters_is_chinese() -> None:
    sentence = "Qwen2.5-Coder有0.5B、1.5B、3B、7B、14B和32B六种规模。"
    hits = [hit(1, f"它是代码大模型系列。{sentence}擅长代码生成。")]
    assert [s.rank for s in support_of(sentence, hits, "Qwen2.5-Coder有哪几种规模？")] == [1]


def test_english_over_english_passages_is_compared_by_its_words() -> None:
    hits = [hit(1, "FAISS is a library for similarity search, written in C++.")]
    assert [s.rank for s in support_of("FAISS is a library for similarity search.", hits)] == [1]


@pytest.mark.parametrize(
    ("passage", "wrong", "right"),
    [
        ("访客不得进入机房。", "访客可以进入机房。", "访客不得进入机房。"),
        ("馆内严禁攀爬展品。", "馆内可以攀爬展品。", "馆内严禁攀爬展品。"),
        ("任何人不得携带食物入场。", "可以带食物入场。", "任何人不得携带食物入场。"),
    ],
)
def test_what_the_passage_forbids_is_not_supported(passage: str, wrong: str, right: str) -> None:
    question = f"{wrong[:-1]}吗？"
    assert support_of(wrong, [hit(1, passage)], question)[0].rank is None
    assert support_of(right, [hit(1, passage)], question)[0].rank == 1


@pytest.mark.parametrize(
    ("passage", "wrong", "right"),
    [
        ("东湖大桥的桥塔高度超过一百二十米。", "东湖大桥的桥塔高度是120米。", "东湖大桥的桥塔高度超过120米。"),
        ("馆藏古籍不足三万册。", "馆藏古籍有三万册。", "馆藏古籍不足3万册。"),
        ("冷库里最多存放40箱。", "冷库里至少存放40箱。", "冷库里最多存放40箱。"),
        (
            "厂区内车辆限速五公里，转弯时三公里。",
            "厂区内转弯时限速五公里。",
            "厂区内车辆限速五公里，转弯时三公里。",
        ),
        ("泵的额定电压为220伏，启动时为260伏。", "泵启动时电压为220伏。", "泵启动时为260伏。"),
    ],
)
def test_a_number_keeps_its_bound_and_its_condition(passage: str, wrong: str, right: str) -> None:
    assert support_of(wrong, [hit(1, passage)])[0].rank is None
    assert support_of(right, [hit(1, passage)])[0].rank == 1


def test_a_period_of_history_is_no_condition() -> None:
    passage = "元宵节在正月十五，又叫上元节，民间多认为它起于西汉时期的宫廷。"
    assert support_of("元宵节在正月十五，起于西汉时期的宫廷。", [hit(1, passage)])[0].rank == 1


@pytest.mark.parametrize(
    ("passage", "wrong", "right"),
    [
        ("一楼是阅览室，二楼是书库。", "二楼是阅览室。", "二楼是书库。"),
        ("普通件三天送达，加急件次日送达。", "加急件三天送达。", "加急件次日送达。"),
        ("正式工每月休八天。实习生每月休四天。", "实习生每月休八天。", "实习生每月休四天。"),
        ("夜间行车限速六十公里，雨天时限速四十公里。", "雨天限速六十公里。", "雨天限速四十公里。"),
    ],
)
def test_what_is_said_of_the_one_is_not_said_of_its_like_behind_it(passage: str, wrong: str, right: str) -> None:
    assert support_of(wrong, [hit(1, passage)])[0].rank is None
    assert support_of(right, [hit(1, passage)])[0].rank == 1


@pytest.mark.parametrize(
    ("passage", "sentence"),
    [
        ("因为受暴雨影响，比赛取消。", "比赛因暴雨取消。"),
        ("一楼是阅览室，二楼是书库。", "二楼是书库，一楼是阅览室。"),
        ("2011年成立，公司总部在杭州。", "公司成立于2011年。"),
    ],
)
def test_another_order_of_the_clauses_says_the_same(passage: str, sentence: str) -> None:
    assert support_of(sentence, [hit(1, passage)])[0].rank == 1
