"""What a message asks for: most ask the documents, some greet, or ask about the assistant, the knowledge base, one document
or the conversation itself.

Every pattern must match the whole message: 谢谢的英文怎么说 is a question, 谢谢 is none.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from src.search.terms import fold

Kind = Literal[
    "greeting",
    "thanks",
    "farewell",
    "acknowledgement",
    "assistant",
    "files",
    "base",
    "own",
    "document",
    "conversation",
]

# Longer messages say more than what is recognised here.
MAX_CHARS = 80

_CJK = re.compile(r"[\u3400-\u9fff]")
# Full stops stay inside names: 制度.txt, 3.5.
_MARKS = re.compile(r"(?:[\s,，。!！?？;；:：~～…、]|\.(?!\w))+")
_SMILES = re.compile(r"[\u2600-\u27bf\U0001f000-\U0001faff\ufe0f\u200d]+")


@dataclass(frozen=True)
class Request:
    """A message that is no question to the documents.

    Attributes:
        name: of the document that is meant, as written; empty for this or the uploaded one.
        certain: whether only a document can be meant; if not, there must be one of that name.
        titles: whether the name may be a document's title as well as a file's: 总结《背影》 means the document, 《背影》写了什么
            may be asked of another.
        english: asked in English.
    """

    kind: Kind
    name: str = ""
    certain: bool = True
    titles: bool = False
    english: bool = False


def recognise(message: str) -> Request | None:
    """What a message asks for, where that is not an answer from the documents; None: it is a question."""
    text = fold(message).strip()
    if len(text) > MAX_CHARS:
        return None
    english = _CJK.search(text) is None
    said = _MARKS.sub(" ", _SMILES.sub(" ", text)).strip()
    if not said:
        # A smile or a thumb acknowledges, a lone question mark does not.
        return Request("acknowledgement") if _SMILES.search(text) else None
    if kind := _small_talk(said):
        return Request(kind, english=english)
    for kind, patterns in _ABOUT:
        if any(_compiled(pattern).fullmatch(said) for pattern in patterns):
            return Request(kind, english=english)
    return _document(said, english)


def is_aside(message: str) -> bool:
    """Whether a message leaves the topic of a conversation as it was."""
    request = recognise(message)
    return request is not None and request.certain


# Small talk: one or several of these after each other, and nothing else. The first kind that occurs decides.
_PARTICLE = "[啊呀啦呢吧哟嘛哇诶耶了的]"
_TALK: dict[Kind, str] = {
    "farewell": r"再见|拜拜|拜|回见|回头见|下次见|明天见|晚安|那?(?:先|就|就先)这样|告辞|先走|good ?bye|bye(?: ?bye)?|see you(?: later)?|good night",
    "thanks": r"(?:非常|十分|太|真是?|多)?(?:感谢|谢谢|多谢|谢)(?:你们?|您|大家|源知)?(?:的)?(?:帮助|帮忙|回答|解答)?|3q|"
    r"(?:您|你)?辛苦|麻烦(?:你|您)|有劳(?:你|您)?|帮大忙|"
    r"(?:many |ok |okay )?(?:thanks|thank you|thx|ty)(?: (?:a lot|so much|very much|you|again|for (?:your|the) (?:help|answer)))?|cheers|"
    r"(?:much )?appreciated?(?: it)?",
    "greeting": r"(?:源知|大家|老师)?(?:你们?好吗?|您好|好久不见|哈[喽啰罗]|嗨|嘿|早上好|早安|上午好|中午好|下午好|晚上好|早)|源知|"
    r"在吗|在不在|有人吗|新年快乐|节日快乐|hi|hello|hey|hiya|(?:hi|hello|hey) there|good (?:morning|afternoon|evening|day)|"
    r"how are you(?: doing)?|nice to meet you|很?高兴认识你",
    "acknowledgement": r"嗯|哦|噢|喔|唔|恩|好|行|可以|是|对|不错|[很太真]好|[很太真]棒|厉害|赞|我?(?:已经|都|也|大概)?(?:明白|懂|知道|清楚|了解)|"
    r"收到|没问题|没事|不用|没有|没|就这些|原来如此|原来是?这样子?|这样子?|是这样|好主意|有道理|哈|呵|嘿嘿|嘻|(?<!6)6{3,}|"
    r"很?有(?:用|帮助)|很清楚|ok(?:ay|ey)?|yes|yeah|yep|yup|no|nope|sure|right|got it|i see|i understand|understood|great|"
    r"good|nice|cool|perfect|awesome|alright|all right|fine|well done|good job|never ?mind|no problem|that(?:'s| is) (?:all|great|good|fine)|"
    r"makes sense",
}
_ANY_TALK = re.compile(f"(?:(?:{'|'.join(_TALK.values())}){_PARTICLE}* ?)+")


def _small_talk(said: str) -> Kind | None:
    if len(said) > 40 or not _ANY_TALK.fullmatch(said):
        return None
    return next(kind for kind, words in _TALK.items() if re.search(words, said))


LEAD = (
    r"(?:(?:你好|您好|嗨|hi|hello|hey|好的?|嗯|哦|谢谢你?|不错|那么?|对了|请问一?下?|问一?下|麻烦(?:你|您)?|请(?:你|您)?|劳驾|(?:你|您)?(?:能不能|能否|能|可以|可不可以)|"
    r"(?:你|您)?帮(?:我|忙)|给我|我(?:想|要)(?:知道|问一?下?|了解一?下?|请问)?|告诉我|ok|okay|so|and|please|can you|could you|would you|will you|"
    r"tell me|i want to know|just) ?){0,6}"
)
_TAIL = (
    r"(?: ?(?:吗|呢|啊|呀|吧|嘛|呗|可以吗|行吗|好吗|好不好|谢谢(?:你|您)?|please|thanks|thank you|for me|now)){0,4}"
)


# Compiled at the first message: together they take 200 ms.
_compiled = cache(re.compile)


def _whole(patterns: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{LEAD}(?:{pattern}){_TAIL}" for pattern in patterns)


_YOU = "(?:你们?|您|源知)"
_TOOL = (
    "(?:(?:这个?|你们?(?:这个|的)?)?(?:问答)?(?:系统|助手|工具|应用|软件|网站|网页|页面|程序|平台|机器人|app|demo))"
)
_IT = f"(?:{_YOU}|{_TOOL})"
_WHAT = "(?:些|点)?(?:什么|哪些|啥|哪几[种类个])"
# So much may stand beside 什么: 你能帮忙干点什么活儿; more names a thing.
_ANYTHING = "(?!告诉|知道|推荐|退|换|带|申请)[^，的]{0,4}"
_HOW = "(?:该|要|应该|应当)?(?:怎么|如何|怎样|咋)"
_ASSISTANT = _whole(
    [
        rf"{_YOU}(?:到底|究竟)?(?:是谁|是什么(?:东西|人|ai)?|是何方神圣|叫(?:什么|啥)(?:名字|名)?|怎么称呼|(?:的|叫)?名字(?:是|叫)?(?:什么|啥)?|几岁|多大)",
        rf"{_IT}(?:主要)?是?(?:用来|拿来)?(?:做|干)(?:什么|啥|嘛|甚么)(?:用)?的?",
        rf"{_YOU}(?:是|不是)(?:一个|个)?(?:真人|人类?|活人|机器人?|ai|人工智能|chatgpt|gpt(?:-?\d)?|deepseek|通义|文心一言|大模型|真的)(?:还是.{{1,6}})?",
        rf"{_IT}?(?:现在|目前|背后|底层|里面?)*(?:用|使用|采用|基于|调用|接|跑|是)(?:的|了)?是?(?:什么|哪个|哪种|哪一[个种]|哪家的?|啥)(?:大|语言|大语言|ai)*(?:模型|llm)(?:做的)?",
        rf"{_IT}的(?:大|语言|大语言)*模型是(?:什么|哪个|哪种|啥)",
        rf"(?:你|您|源知|{_TOOL})(?:都|还|到底|究竟|又|具体|主要|平时|现在)*(?:能够?|会|可以|擅长|懂|精通)(?:帮|为|给|替)?(?:我们?|用户|人|大家)?{_ANYTHING}{_WHAT}(?:样的?|方面的?|类型的?)?{_ANYTHING}",
        rf"{_IT}(?:都|到底)?(?:有|具备|支持|提供)(?:了)?{_WHAT}(?:功能|用处?|本领|本事|能力|作用|用途|服务)",
        rf"{_IT}的?(?:功能|作用|用途|用法|使用方法|使用说明)(?:是什么|有哪些|都有哪些|介绍)?",
        rf"{_HOW}(?:使用|用|操作)(?:{_IT}|这个)|{_IT}{_HOW}(?:使用|用|操作|玩)|怎么使用|怎么玩|怎么提问|{_HOW}(?:向|跟|和|问)?{_YOU}(?:提问|问问题)",
        r"(?:使用|操作)(?:说明书?|方法|帮助|指南|教程)|功能(?:介绍|列表|菜单)?|帮助|菜单|有什么功能|有哪些功能",
        rf"(?:简单)?(?:介绍|说说|讲讲|谈谈)(?:一?下)?(?:{_YOU}(?:自己)?|自己|{_TOOL})|(?:做个?|来个?)?(?:简单的?)?自我介绍(?:一?下)?",
        rf"(?:是)?谁(?:开发|做|制作|训练|创造|设计|发明|造)(?:了|的|出)?{_IT}(?:的)?|{_IT}(?:是|由)?(?:谁|哪家公司|哪个公司|什么公司|哪个团队)(?:开发|做|制作|训练|创造|设计|研发|造)(?:出来)?的?|"
        rf"{_IT}的(?:开发者|作者|主人|老板|创造者|开发团队)(?:是谁)?",
        rf"{_YOU}的?(?:回答|答案|知识|资料|信息|数据)(?:都)?(?:是)?(?:从哪里?来|哪来|来自哪里?|来源于?(?:是)?(?:什么|哪里)|靠谱|可靠|准确)(?:的)?",
        r"who (?:are|r) (?:you|u)|what are you|what(?:'s| is) your name|do you have a name|are you (?:a |an )?(?:human|person|real|robot|bot|ai|chatgpt|gpt)",
        r"what (?:can|do|could) you (?:do|help(?: me)? with|answer)|how can you help(?: me)?|what are you (?:able to do|good at|for)|what (?:features|functions) do you have",
        r"(?:which|what) (?:language |ai )?(?:model|llm)(?: (?:are you(?: using| based on)?|do you use|is (?:this|it)|powers you))?|what (?:are you|is this) (?:based|built|running) on",
        r"how (?:do i|can i|to|should i|does one) use (?:you|this|it|this (?:app|tool|site|page|assistant))|how does (?:this|it|this (?:app|tool|site)) work|how do you work",
        r"(?:introduce|describe) yourself|(?:about )?yourself|who (?:made|built|created|trained|developed|designed) you|help|"
        r"what(?:'s| is) this(?: (?:app|tool|site|page|website|for))?",
    ]
)

_FILES = _whole(
    [
        rf"{_IT}?(?:能|可以|都)*(?:支持|读取?|上传|处理|识别|接受|导入|添加|加入|打开)(?:上传)?{_WHAT}(?:格式|类型|种类|样)?的?(?:文件|文档|资料)?(?:格式|类型)?",
        rf"{_WHAT}(?:格式|类型|样)?的?(?:文件|文档|资料)(?:格式)?(?:能|可以)(?:上传|读取?|加入|导入|用)|(?:文件|文档)(?:格式|类型)(?:有)?(?:什么|哪些)?(?:要求|限制)?",
        rf"(?:我)?{_HOW}(?:才能|可以|能)?(?:上传|添加|加入|导入|放入?|传)(?:我|自己|本地|新|的)*(?:文件|文档|资料|知识库|pdf|word|表格)+(?:进去|上去|进来)?|(?:从|在)?哪里?(?:可以|能)?(?:上传|添加|加入|导入)(?:文件|文档|资料)",
        r"(?:what|which) (?:kinds? of |types? of )?(?:files?|formats?|documents?|file (?:types?|formats?))(?: (?:are supported|do you support|can i (?:upload|add)|can you read))|"
        r"how (?:do|can) i (?:upload|add) (?:a |an |my |my own |own )*(?:files?|documents?|pdfs?)",
    ]
)
_KB = "(?:(?:你们?的?|这个?|该|本|系统的?|现在的?|目前的?)*(?:本地)?(?:知识库|资料库|文档库|文件库|语料库|索引库?))"
_IN = "(?:里面?|里边|里头|中|内|上)?的?"
_ALL = "(?:现在|目前|当前|一共|总共|总计|共|大概|大约|都|主要|究竟|到底|全部|具体|有没有)*"
_FILE = "(?:文档|文件|资料|文章|材料|段落|片段|文本块|条目|记录|数据|东西|知识|语料|段|块|篇|页)"
_MANY = "(?:多少|几)(?:个|篇|份|条|段|些|种|页|块)?"
_HOLDS = "(?:有|含有?|收录|包含|包括|涵盖|存|存放|存储|放|装|收集|录入|是)(?:了|着)?"
_GAVE = "(?:上传|添加|加入|加|传|导入|提供|发)"
_BASE = _whole(
    [
        rf"{_KB}{_IN}{_ALL}{_HOLDS}{_ALL}{_MANY}{_FILE}?(?:内容|信息)?",
        rf"{_KB}{_IN}{_ALL}{_HOLDS}?{_ALL}{_WHAT}(?:方面|类型|主题|领域|样)?的?(?:{_FILE}|内容|信息|主题)?",
        rf"{_KB}(?:有)?(?:多大|多少{_FILE}?)|{_KB}的?(?:规模|大小|{_FILE}(?:总?数量?|个数|列表|清单))(?:是|有)?(?:多少|多大|什么)?",
        rf"{_KB}{_IN}(?:主要|全部|所有)?(?:内容|主题|{_FILE})(?:都|主要)?(?:有|是|包括)?(?:什么|哪些|啥|些什么)?(?:内容)?",
        rf"(?:简单)?(?:介绍|说说|讲讲|概括|总结|描述|查看|看看|看)(?:一?下)?{_KB}{_IN}(?:内容|情况|{_FILE})?",
        rf"(?:列出|列举|列一下|显示|查看|看看)(?:一?下)?(?:{_KB}{_IN})?(?:所有|全部)?的?(?:文档|文件|资料)(?:名称?|列表|清单|目录)?",
        rf"(?:{_YOU})?(?:这里|这儿|手头|手里)?{_ALL}(?:有|收录|收集|存放?|装)了?{_ALL}(?:{_MANY}|{_WHAT}|哪几[个份篇])(?:可以?查的?)?(?:文档|文件|资料|材料|文章)(?:可以?(?:查|看|用))?",
        rf"{_YOU}(?:都|到底|究竟|主要)*(?:知道|了解|懂|掌握|学过)(?:了|得)?{_WHAT}(?:方面的?|领域的?)?(?:内容|知识|东西|资料|信息)?",
        r"how many (?:documents|files|passages|chunks|articles|texts|entries|sources)(?: (?:are|is))?(?: there)?(?: do you have)?"
        r"(?: (?:are )?(?:in|does) (?:the|your|this) (?:knowledge base|index|collection|library|database)(?: (?:have|hold|contain))?)?",
        r"how (?:big|large) is (?:the|your|this) (?:knowledge base|index|collection|library)",
        r"what(?:'s| is| are)?(?: (?:there|the contents))?(?: (?:documents|files|articles|sources|topics)(?: are(?: there)?)?)?(?: (?:in|of|inside))? (?:the|your|this) (?:knowledge base|index|collection|library)(?: (?:about|contain|have|hold))?",
        r"what does (?:the|your|this) (?:knowledge base|index|collection|library) (?:contain|have|hold|cover|know)",
        r"(?:what|which) (?:documents|files|articles|sources)(?: do you have| are there| can you search)|(?:list|show)(?: me)?(?: all)?(?: (?:the|your))? (?:files|documents|sources)|"
        r"what do you know(?: about)?",
    ]
)
_OWN = _whole(
    [
        rf"我(?:自己)?(?:都|一共|总共|已经|刚才|刚刚|之前)*{_GAVE}(?:过|了|的)?(?:{_MANY}|{_WHAT}|哪几[个份篇])(?:{_FILE}|东西|内容)?(?:了|过)?",
        rf"我(?:自己)?(?:刚才|刚刚|之前)?{_GAVE}(?:过|了|上去|上来)?的?(?:{_FILE})?(?:都|一共|总共)*(?:有|是)?(?:{_MANY}|{_WHAT}|哪几[个份篇])(?:{_FILE})?",
        rf"(?:列出|列举|列一下|显示|查看|看看)(?:一?下)?我(?:刚才|刚刚|之前)?{_GAVE}(?:过|了)?的?(?:所有|全部)?的?{_FILE}(?:名称?|列表|清单)?",
        r"(?:what|which|how many)(?: (?:documents|files))? (?:did|have) i (?:just )?(?:upload(?:ed)?|add(?:ed)?)|(?:list|show)(?: me)?(?: all)? my (?:files|documents|uploads)",
    ]
)

# The language or form that an answer is wanted in.
_TONGUE = (
    r"(?:(?:英|中|日|韩|法|德|俄|汉|泰|粤|藏|葡萄牙|西班牙|阿拉伯|意大利|越南|拉丁)(?:文|语|国话)|日本话|白话文?|文言文|大白话|普通话|广东话|"
    r"繁体(?:字|中文)?|简体(?:字|中文)?|拼音|english|chinese|japanese|korean|french|german|spanish|russian|italian|portuguese|arabic)"
)
_WORDS = "(?:用|以)?(?:不超过|大约)?(?:[一两三四五几\\d]+)?(?:个)?(?:句话|段话|句|段|句子|字|百字|个字)(?:以内|之内|左右)?(?:来|的话)?"
_SAID = (
    r"(?:(?:把|将|对|给)?(?:(?:上面|以上|上述|前面|刚才|刚刚|上文|之前|上一?[个条次轮段句]|最后一?[个条句段]|我们|咱们|这[段句个些次几]*|那[段句个些]*|它们?|你们?|您|其)(?:的|刚才|刚刚|上面|前面|所|"
    r"(?:说|讲|回答|写|聊|谈|讨论|提到)(?:的|过的|到的)?)*)(?:这|那)?(?:[一两几\d]?[句段个些条])?(?:话|内容|回答|答案|文字|回复|对话|聊天|讨论|结果|信息|句子|消息|结论|文本)*(?:里面?|中)?)"
)
_SUM_UP = "(?:总结|概括|归纳|概述|小结|复述|整理|提炼|梳理|精简|缩写|压缩|简化|概要|摘要)(?:一?下|出)?"
_FORM = "(?:表格?|列表|清单|要点|大纲|提纲|markdown(?:表格)?|思维导图|诗|故事|段子|文言文|一句话|一段话|[两三四五几\\d]点|[两三几\\d]句话|短文|json|邮件|通知|口语|书面语|问答)"
_BRIEF = (
    "(?:简短|简洁|简明|简单|短|长|精简|通俗|通俗易懂|易懂|正式|口语化|生动|有趣|清楚|明白|具体|完整|委婉|礼貌|慢)"
)
_ONCE = "(?:一?遍|一?次|一?下|一?回)"
_AGAIN = rf"(?:说|讲|回答|解释|写|来|生成|复述|念|表达|答|讲解)(?:{_ONCE}|看看)?"
_CONVERSATION = _whole(
    [
        rf"(?:{_SAID})?(?:全部|都|再|直接)*(?:给我)?(?:翻译|译|翻|转换|转|改|改写)(?:成|为|到)(?:{_TONGUE})(?:版本?)?{_ONCE}?",
        rf"(?:{_SAID})?(?:全部|都|再)*翻译(?:{_ONCE})?(?:{_SAID})?|{_TONGUE}版本?",
        rf"(?:再|改|换)?(?:用|以|换成?|改用)(?:{_TONGUE})(?:再)?(?:{_AGAIN}|{_SUM_UP}|翻译{_ONCE}?)(?:{_SAID})?|(?:{_SAID})?用?(?:{_TONGUE})(?:要|应该)?怎么(?:说|讲|写|表达)",
        rf"(?:{_WORDS}|简单|简要|简短|简洁|再|最后|快速|地|来|帮我)*{_SUM_UP}(?:{_SAID})?的?(?:主要)?(?:内容|要点|重点|意思|大意)?(?:成|为)?{_FORM}?",
        rf"{_SAID}(?:{_WORDS}|简单|简要|简短|简洁|再|地)*{_SUM_UP}(?:成|为)?{_FORM}?|{_WORDS}(?:说|讲|回答|说完|讲清楚|说明)",
        rf"(?:再|重新|重复|从头)+(?:{_AGAIN})|重复{_ONCE}?(?:{_SAID})?|重(?:说|写|答|来|讲){_ONCE}?|再来(?:{_ONCE}|一个)|重新(?:回答|生成|来过?)",
        rf"换(?:个|一[种个]|种)(?:更\w{{2,4}}的)?(?:说法|方式|表达|角度|写法|表述|措辞|语气)(?:来|再)?(?:{_AGAIN})?|换句话说|(?:{_SAID})?(?:换个?说法|改写|润色|扩写|续写|缩短|压缩)(?:{_ONCE}|到?{_WORDS})?(?:{_SAID})?",
        r"(?:我)?(?:没|没有|不)(?:太|大|怎么)?(?:听|看)(?:懂|明白|清楚?)(?:了)?|(?:我)?(?:听|看)不(?:太)?(?:懂|明白)|(?:我)?不(?:太|大)?(?:明白|懂|理解)|(?:这|那|这句话?|你这话?|你)?(?:是)?(?:什么|啥)意思",
        rf"(?:{_SAID})?(?:请|再|给我|帮我)*(?:列|做|整理|变|改|写|转|排|生成|画|弄|归纳|总结|汇总)(?:成|出|为|个)(?:一?[个张份段首篇])?{_FORM}(?:的?(?:形式|格式|样子))?",
        rf"(?:再)?(?:用|以)(?:一?[个张])?(?:{_FORM}|分点|条目|分条|编号)(?:的)?(?:形式|方式|格式)?(?:把|将|来)?(?:{_SAID})?(?:来)?(?:列|展示|呈现|表示|整理|回答|说|总结|写|概括|归纳)(?:出来?|一?下|明)?(?:{_SAID})?",
        r"分(?:点|条|段|步|成几点)(?:来)?(?:列出来?|列|说明|回答|说|总结|写|讲)?(?:一?下)?",
        rf"(?:再|请|能|可以|说|写|讲|回答|答|解释)*(?:得)?(?:更|再)?{_BRIEF}(?:一)?(?:点|些)(?:儿)?(?:地)?(?:说|讲|回答|解释|吗)?(?:{_ONCE})?",
        rf"(?:说|写|讲|回答|答案?)?(?:得)?太(?:长|短|啰嗦|复杂|笼统|简单|难|多)(?:了)?(?: ?{_BRIEF}(?:一)?[点些])?|(?:控制|限制|缩短|压缩)(?:在|到|成)?{_WORDS}|(?:{_WORDS})",
        r"继续|接着(?:说|讲|写)?|继续(?:说|讲|写)(?:下去)?|还有吗|说完了吗|没了吗|往下(?:说|讲)",
        r"(?:好像|这|这个|你|你的|你这个?|您)?(?:说|讲|答|回答|答案|搞|弄|理解|记)*(?:得|的|是)?(?:好像|似乎|可能)?(?:不对|错|不正确|有误|不准确|不是真的|有问题|有错误?)(?:了|吧|的)?",
        r"(?:不对|不是的?|错了|你(?:说|答|搞|弄)错了) ?(?:应该|明明|正确的?|其实|实际上?|我记得|答案|事实).*",
        r"不是(?:这样|那样|这个意思|吧|的)?的?|(?:你)?(?:能)?(?:确定|肯定|保证)(?:吗|没错吗?|是这样吗?)?|(?:这|这个)?(?:是)?真的(?:吗|假的)?|(?:是|对|没错)吗|(?:有)?(?:什么)?(?:依据|根据|证据|出处)(?:吗|是什么|呢|在哪里?)?|你(?:是)?怎么知道(?:的)?|你(?:是)?从哪里?(?:知道|看到|得知|查到)的?|出处",
        r"(?:你|您)(?:刚才|刚刚|上面|前面|之前|上一?[次句条]|上次)(?:不是)?(?:说|讲|提|回答|写|告诉)(?:到|我)?.*",
        r"(?:我|我们|咱们)(?:刚才|刚刚|之前|前面|上面|一开始|最开始)(?:都)?(?:问|说|聊|讲|谈|讨论)(?:的|过|了|到)*(?:是)?(?:什么|啥|哪些|几个|到哪|哪里).*",
        r"(?:我|我们)?的?(?:上一?个|第[一二三四五\d]+个|刚才的?|前一?个|最开始的?)(?:问题|提问)(?:是|问)?(?:的)?(?:是)?(?:什么|啥)?|(?:我们)?(?:都)?(?:聊|讨论|问)(?:了|到)(?:些)?(?:哪里?|什么|几个问题)(?:了)?",
        r"(?:translate|put|say|write|repeat|rephrase|reword|paraphrase|shorten|summari[sz]e|sum up|condense|simplify|rewrite|explain)"
        r"(?: (?:it|that|this|them|the above|all (?:of )?(?:this|that)|what you (?:just )?said|(?:your|the|this) (?:last |previous |above )?(?:answer|conversation|text|reply|response|discussion|chat)|everything(?: above)?|our (?:conversation|chat|discussion)|the conversation so far|again|up|differently|once more|briefly))*"
        rf"(?: (?:in|into|to|as|with) (?:a |an |one |two |three |simple |plain |few |fewer |other |different )*(?:{_TONGUE}|sentences?|words?|table|list|bullet points?|poem|terms))?",
        rf"(?:now |again |same )?(?:in|into|as) (?:a |an |one |two |three |simple |plain |few |fewer |other |different )*(?:{_TONGUE}|sentences?|words?|table|list|bullet points?|terms)",
        rf"(?:make|keep) (?:it|that|this)(?: (?:a|an|more|into|much|bit|little))* (?:short|shorter|simple|simpler|brief|briefer|long|longer|table|list|concise|formal|clear|clearer|detailed|{_TONGUE})",
        r"(?:a )?(?:bit |little )?(?:more )?(?:shorter|simpler|briefer|briefly|concise|longer|slower)|too (?:long|short|complicated)",
        r"(?:no )?(?:that|this|it|you)(?:'s|'re| is| are| was| were)? (?:wrong|not right|not correct|incorrect|not true|mistaken|false)|(?:are you|you) (?:sure|certain)(?: about that)?|is (?:that|this|it) (?:right|true|correct)|"
        r"i (?:do not|don't|did not|didn't) (?:understand|get it|get that)|what do you mean(?: by that)?|how do you know(?: that)?|repeat|continue|wrong|come again|pardon",
        r"(?:you|as you) (?:just |previously |earlier )?(?:said|mentioned|told me|wrote)\b.*|what did (?:you|i|we) (?:just |first )?(?:say|ask|talk about|discuss|mention)\b.*|what was my (?:last|first|previous) question",
    ]
)
# Whatever is to be done with it, where nothing is asked: 把上面的回答缩短成一句话, 刚才的内容再通俗一些.
_NOTHING_ASKED = "(?:(?!什么|谁|哪|怎么|多少|几|吗|如何|为何|何时|为什么).)*"
_DONE_WITH_IT = (
    rf"{_NOTHING_ASKED}"
    r"(?:上面|以上|上述|上文|前面|刚才|刚刚|上一?[个条次]|你)(?:的|所|说|讲|写|给出?|回答|过)*(?:这|那)?[一两段句个条]*(?:回答|答案|内容|回复|对话|文字|话|总结)"
    rf"{_NOTHING_ASKED}"
)
# In this order: 你刚才说的文件有哪些 is about the conversation.
_ABOUT: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("files", _FILES),
    ("assistant", _ASSISTANT),
    ("base", _BASE),
    ("own", _OWN),
    ("conversation", (*_CONVERSATION, _DONE_WITH_IT)),
)

# A document: by its file's name, by a name in title marks, as this one; a bare name may be a document's or not.
_FILE_NAME = r"[^\s《》“”\"]{1,60}\.(?:txt|text|md|markdown|docx?|pdf|xlsx?|xlsm|csv|tsv|pptx?|html?|jsonl?|eml|ipynb|png|jpe?g|webp|bmp|tiff?|epub|rtf|odt|log)"
_PAPER = "(?:文件|文档|资料|材料|文章|表格?|pdf|word|excel|附件|报告|合同|ppt|论文|说明书|简历|图片)"
_THIS = (
    rf"(?:(?:这|那|此|该)(?:[一两三几\d]?[个份篇张些本])?(?:{_GAVE}的)?{_PAPER}|"
    rf"(?:我|我们)?(?:自己|刚才|刚刚|刚|新|之前|所|最近|已)*{_GAVE}(?:过|了|给你|上去|上来)?的(?:这|那)?(?:[一两三几\d]?[个份篇张些本])?(?:{_PAPER}|内容|东西)|我的{_PAPER})"
)
_THIS_EN = r"(?:this|that|the|my|these|those)(?: uploaded| attached| last)? (?:file|document|pdf|report|paper|attachment|upload|article|files|documents|text i uploaded)s?"
_CERTAIN = rf"(?:{_PAPER}|名为|叫做?)?(?:[《“\"](?P<titled>[^《》“”\"]{{1,60}})[》”\"]|(?P<file>{_FILE_NAME})|(?P<this>{_THIS}|{_THIS_EN}))(?:这|那)?(?:[个份篇本])?{_PAPER}?"
ASKED = "什么|谁|哪|怎|多少|几|吗|如何|为何|有没有|关于"
_POSSIBLE = rf"(?P<bare>(?:(?!{ASKED})[^\s《》“”\"的]){{2,30}}|[a-z][\w -]{{1,40}})"
_ABOUT_ALL = "(?:主要|大概|大致|核心|全部|整体|总体|重要|关键)?的?"
_CONTENT = "(?:内容|要点|重点|大意|观点|主旨|主题|概要|摘要|中心思想)"
_STYLE = rf"(?:{_WORDS}|用(?:{_TONGUE})|简单|简要|简短|简洁|详细|快速|地|来|一下|把|将|对|为)*"


_SUMS_UP = re.compile(rf"{_SUM_UP}|摘要|summar|sum up|outline")


def _document_patterns(thing: str, tells: str) -> tuple[str, ...]:
    return _whole(
        [
            rf"{_STYLE}{_SUM_UP}{_STYLE}{thing}{_IN}{_ABOUT_ALL}{_CONTENT}?",
            rf"{_STYLE}{thing}{_IN}{_STYLE}{_SUM_UP}{_CONTENT}?(?:成|为)?{_FORM}?",
            rf"{_STYLE}{thing}(?:里面?|中)?(?:主要|大概|到底|究竟|都|大致|具体|又)*(?:{tells})(?:的|了|到|着|有)*(?:是)?{_WHAT}(?:内容|东西|方面的?内容|方面|事情?|信息|要点)?的?",
            rf"{thing}{_IN}{_ABOUT_ALL}{_CONTENT}(?:都|主要)?(?:是什么|有哪些|是啥|有什么|讲什么|介绍|总结)?",
            rf"{_STYLE}{thing}{_IN}{_ABOUT_ALL}{_CONTENT}(?:列|整理|归纳|梳理|提取|提炼|写|说|告诉我|发我)(?:出来?|给我|一?下)?(?:成{_FORM})?",
            rf"给{thing}(?:写|做)(?:一?[个段份篇])?(?:总结|摘要|概要|概括)",
            rf"(?:summari[sz]e|sum up|outline|(?:write|give me) (?:a|an) (?:short |brief )?(?:summary|overview|outline) of)(?: the (?:content|contents|file|document) (?:of )?)? ?{thing}(?: in .{{1,20}})?",
            rf"what(?:'s| is| does| are)(?: in)? {thing} (?:about|say|saying|contain|mainly about|tell us|cover)",
        ]
    )


_SURELY = (
    *_document_patterns(_CERTAIN, "讲述?|说明?|写|介绍|谈|记录|记载|包含|包括|规定|关于|提到|有|是|描述|涉及"),
    *_whole(
        [
            rf"{_STYLE}(?:介绍|说说|讲讲|看看|读一?下|看一?下|解读|描述|分析)(?:一?下)?{_CERTAIN}{_IN}{_CONTENT}?",
            rf"what(?:'s| is| are) in {_CERTAIN}",
        ]
    ),
)
_PERHAPS = _document_patterns(_POSSIBLE, "讲述?|说|写")


def _document(said: str, english: bool) -> Request | None:
    titles = _SUMS_UP.search(said) is not None
    for pattern in _SURELY:
        if found := _compiled(pattern).fullmatch(said):
            if found["titled"]:
                return Request("document", found["titled"], certain=False, titles=titles, english=english)
            return Request("document", found["file"] or "", english=english)
    for pattern in _PERHAPS:
        if found := _compiled(pattern).fullmatch(said):
            return Request("document", found["bare"], certain=False, titles=titles, english=english)
    return None
