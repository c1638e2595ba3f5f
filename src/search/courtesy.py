"""A question without what says nothing about its subject: greetings, politeness, who asks and why, in which language to answer.

These words would count against every passage, and pull the question's vector away from what it is about.
"""

import re

from src.search.script import simplified

# Shorter than this, what is left says less than what was taken away.
MIN_CHARS = 2

_QUOTED = re.compile('《[^》]*》|“[^”]*”|「[^」]*」|"[^"]*"')
_CLAUSE = re.compile(r"[^，,。！!？?；;~～\n]+[，,。！!？?；;~～\n]*")
_END = "[啊呀呢吗嘛哦哈吧啦哟了么的 ]*"
_ONCE = "(?:一下子?|下|一声|一句|问)?"
_YOU = "(?:你们?|您|大家|各位|大佬|老师|亲)?"
_WHO = "(?:[一几]?个?(?:同事|朋友|同学|领导|老师|家人|室友|邻居|客户|师傅|网友)们?|别人|有人|网上|大家|我(?:妈|爸|妈妈|爸爸|哥|姐|老公|老婆))"
_AGO = "(?:昨天|今天|前天|前几天|前两天|前段时间|最近|刚才|刚刚|上次|上周|之前|以前|早上|那天|有次|有一次|一直|经常|老)*"
_LOOK_UP = "(?:查一?下|查询|查找|查查|查|找一?下|找找|找|看一?下|看看|看|搜一?下|搜索|说一?下|说说|说|讲一?下|讲讲|讲|解答一?下|解答|问一?下|问问|问|列一?下|回答一?下|回答)"

# Whole clauses.
_EMPTY = re.compile(
    rf"(?:(?:{_YOU}(?:你好|您好|好)|哈喽|哈啰|嗨|hi|hello|hey|早上好|上午好|中午好|下午好|晚上好|早|在吗|有人吗|"
    rf"不好意思|实在抱歉|很?抱歉|打扰{_ONCE}|冒昧(?:地?(?:问|打扰))?{_ONCE}|劳驾|(?:麻烦|辛苦|拜托|有劳){_YOU}{_ONCE}|(?:先|提前|非常|十分|多)?(?:谢谢|感谢|多谢|谢){_YOU}(?:的?(?:帮助|解答|回答|帮忙))?|"
    rf"求(?:助|解答?|教|指教|帮忙)|急(?:用|需|求)?|在线等|挺急的|"
    rf"(?:我)?(?:想|要)?(?:麻烦|请|[跟向和])?{_YOU}?(?:请问|问|请教|咨询|打听|了解|确认){_YOU}{_ONCE}(?:[一几]?个(?:小?问题|事情?))?|(?:我)?(?:这里|这边|现在)?有(?:一?个|几个|点|些)(?:小?问题|疑问|疑惑|事情?)(?:想|要)?(?:请教|问|咨询|麻烦)?{_YOU}{_ONCE}|"
    rf"(?:能不能|能否|可不可以|可以|能|麻烦|请|希望|烦请)*{_YOU}(?:帮忙?|帮我|给我|为我|跟我|和我)?(?:告诉|解答|说明|回答|科普|指点|指教|讲讲|说说|看看|查一?下|解释|介绍|讲一?下|说一?下|帮帮){_YOU}(?:我|我们)?{_ONCE}|"
    rf"我是(?:个|一个|一名|一位)?(?:刚来|刚入职|新来|新加入|新入职|才来|刚毕业|应届|第一次来)?的?(?:新人|新手|新同事|小白|外行|门外汉|初学者)?|"
    rf"我(?:叫|姓|名叫)\S{{1,4}}|(?:我)?(?:才|刚刚?|新|第一次|最近)+(?:来|入职|毕业|加入|搬来|到|接触|开始学习?|学)(?:的|这里|这边|这儿|咱们?|贵|公司|单位|学校|这个|这方面|这块|没多久|不久|没几天)*|"
    rf"(?:我)?(?:对(?:这个|这方面|这块|这些))?(?:完全|什么都|还|一点都?)?不(?:太|大|是很|怎么)?(?:懂|了解|熟悉|清楚|明白|知道)(?:这个|这方面|这块|这些)?|"
    rf"(?:我)?(?:有点|有些|一直|很|特别|比较|突然)*(?:好奇|疑惑|困惑|纳闷|着急|想不起来|忘记?|记不太?清楚?|不记得|不太确定)|"
    rf"(?:我)?(?:找|查|看|翻|问)了?(?:半天|很久|好久|一圈|好几遍|很多资料|好多人).{{0,3}}(?:没|不|都).{{0,5}}|"
    rf"(?:请)?(?:回答|说|讲)?(?:要|得|请)?(?:尽量)?(?:简短|简单|简要|简洁|详细|通俗)(?:一?[点些])?(?:地)?(?:回答|说明|说|讲|介绍)?(?:就行|即可|就好|就可以)?|"
    rf"(?:请)?(?:用|以)(?:英文|英语|中文|汉语|日语|法语|表格|列表|一句话|[两三几]句话|简单的话|大白话|口语|要点|条目)(?:的)?(?:形式|方式|格式)?(?:来)?(?:回答|说|讲|写|列出来?|给出|展示|介绍)?(?:一下|即可|就行)?|"
    rf"(?:please )?(?:answer|reply|respond)?(?: me)? ?in (?:english|chinese)(?: please)?|please|thanks?|thank you(?: very much| so much| in advance)?|excuse me|sorry to (?:bother|disturb) you|i(?:'m| am) new here|"
    rf"i have (?:a|one) (?:quick )?question|good (?:morning|afternoon|evening)|hi there|hello there){_END}){{1,6}}",
    re.IGNORECASE,
)
# What a clause begins with, one after the other.
_BEGIN = re.compile(
    rf"(?:(?:你好|您好|哈喽|嗨|hello|hi|hey)(?![\w])[ ]*|"
    rf"(?:但是|不过|可是|然后|所以|就是说?|那么|其实|另外|而且)(?=我|想|不|请|能|你|您|麻烦|到底|究竟)|"
    rf"(?:我)?{_AGO}(?:我)?(?:听|看到?|听到|据)?(?:我)?(?:的)?{_WHO}(?:都|也|还)*(?:跟|和|对|向|给)?(?:我|我们)?(?:说|讲|提到|提起|告诉|推荐)(?:起|过|了)?(?:我|我们)?(?:说|过|了|是)?|"
    rf"(?:我)?{_AGO}(?:听说|据说|听闻|据我所知|据了解|我记得|我印象里?中?)|"
    rf"(?:我|我们|本人)?(?:现在|今天|还是|就|只|也|真的|其实|比较|很|特别|非常|突然|一直)*(?:想要?|希望|需要|打算|要|麻烦)(?:麻烦|[跟向和])?{_YOU}(?:了解|知道|问|请教|咨询|弄清楚|搞清楚|搞懂|确认|打听|查一?下|查询|查){_YOU}{_ONCE}(?:的?是|关于|有关)?(?!什么|哪|多少)|"
    rf"(?:我|我们)?(?:还|也|一直|完全|现在|真的|又)*(?:不知道|不清楚|不明白|不太清楚|不太明白|不确定|搞不懂|弄不清|想不起|忘了|记不清|不了解)(?:到底|究竟|具体|该|应该)*(?:是)?|"
    r"我是(?:个|一个|一名|一位)?(?:刚来|刚入职|新来|新加入|新入职|才来|刚毕业)的|(?:有没有人|有人|[你您]|大家|哪位)知道|"
    rf"(?:麻烦|烦请|劳烦|有劳|辛苦){_YOU}(?:帮忙|帮我|给我)?(?:{_LOOK_UP}){_ONCE}|(?:麻烦|烦请|劳烦|有劳)(?=请问|问|你|您)|请问{_YOU}{_ONCE}|想?请教{_YOU}{_ONCE}|(?:我)?想问{_YOU}{_ONCE}|"
    rf"(?:能不能|能否|可不可以|可以|能|请|希望|你|您)*(?:帮忙|帮我|给我|跟我|和我|为我)(?:{_LOOK_UP}){_ONCE}|(?:能不能|能否|可不可以)?(?:请)?{_YOU}(?:告诉)(?:我|我们){_ONCE}|请(?:{_YOU})(?=介绍|解释|说明|列出|描述|概括)|"
    rf"(?:请)?(?:用|以)(?:英文|英语|中文|汉语|日语|法语|一句话|[两三几]句话|简单的话|通俗的语言|简单的语言|大白话|口语|表格|列表)(?:的)?(?:形式|方式)?(?:来)?(?:简单|详细|简要|简短)?(?:地)?(?=介绍|说|讲|回答|解释|总结|描述|概括|告诉|列|写)|"
    rf"(?:根据|按照|依据|在)?(?:知识库|资料库|这些资料|上述资料|资料|文档)(?:里面?|中)(?:的)?(?:内容)?(?:有没有|是否有|有)(?:关于|提到|说到|讲到|介绍)?|(?:根据|按照|依据)(?:知识库|资料|文档|上面的资料)(?:里|中)?的?(?:内容|信息)?|"
    rf"(?:(?:please|could you(?: please)?|can you(?: please)?|would you(?: please)?|would you mind|i(?:'d| would) like to (?:know|ask)|i want to (?:know|ask)|i was wondering|i wonder|do you know|may i ask|let me ask|tell me)\b[, ]*)){{1,5}}",
    re.IGNORECASE,
)
_FINISH = re.compile(
    rf"(?:[ ，,]*(?<![说讲叫写])(?:谢谢|多谢|谢了|感谢|拜托){_YOU}[啦了]*|[ ]*(?:please|thanks|thank you|in (?:english|chinese))|"
    rf"(?:可以|能|能不能)?(?:给我|跟我|和我|帮我)?(?:告诉我|说一下|介绍一下|解释一下|讲一下|看一下)(?:吗|好吗|行吗)){{1,3}}(?=[。！!？?~～ ]*$)",
    re.IGNORECASE,
)
# 怎么个收费法 asks about 收费.
_MANNER = re.compile(r"(?:是)?(?:怎么|咋)个?(?=.{1,4}法)(.{1,4})法")


def without_courtesy(query: str) -> str:
    """The question with only those of its words that say what it is about; itself if too little would be left."""
    same = simplified(query)
    kept: list[str] = []
    for clause in _CLAUSE.finditer(same):
        text = clause.group().rstrip("，,。！!？?；;~～\n").strip()
        if _EMPTY.fullmatch(text):
            continue
        start, end = clause.span()
        begin = start
        at = end - len(clause.group().lstrip())
        if (found := _BEGIN.match(same, at, end)) and not _cuts(same, found.end()):
            begin = found.end()
        if (finish := _FINISH.search(same, begin, end)) and finish.start() > begin:
            end = finish.start()
        piece = query[begin:end]
        if _EMPTY.fullmatch(simplified(piece).strip("，,。！!？?；;~～\n ")):
            continue
        kept.append(piece)
    left = _MANNER.sub(r"\1", "".join(kept)).strip(" ，,；;")
    return left if sum(map(str.isalnum, left)) >= MIN_CHARS else query


def _cuts(text: str, end: int) -> bool:
    """Whether ``end`` is no place to begin at: within a word, or with nothing behind it."""
    return text[end : end + 1] in ("的", "话", "得") or not any(map(str.isalnum, text[end : end + 2]))
