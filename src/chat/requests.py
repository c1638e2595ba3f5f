"""What a message asks for: most ask the documents, some greet, or ask about the assistant, the knowledge base, one document
or the conversation itself.

The whole message must be made of words that such requests are made of, and say what is wanted: 谢谢的英文怎么说 is a question, 谢谢 is
none.
"""

import re
from collections.abc import Callable, Iterable
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
MAX_WORD = 12

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


def recognise(message: str, names: Callable[[], Iterable[str]] = tuple) -> Request | None:
    """What a message asks for, where that is not an answer from the documents; None: it is a question. ``names`` of files
    are known without their endings too."""
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
    if kind := _about(said, english):
        return Request(kind, english=english)
    return _document(said, english, names)


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


# What such requests are made of, in any order, and what must be among it: 你都能帮我做些什么 is asked of the assistant.
_COMMON = (
    "的 了 过 地 得 呢 吗 啊 呀 吧 嘛 呗 是 有 来 去 在 和 或 都 也 还 就 又 再 才 请 麻烦 给 帮 帮我 帮忙 我 想 要 能 可以 知道 一下 下 一个 个 这 这个 那 "
    "那个 现在 目前 当前 一共 总共 总计 共 大概 大约 到底 究竟 主要 具体 全部 所有 全 简单 什么 啥 些 点 样 样子 哪些 哪个 哪种 哪几 哪 几 多少 怎么 如何 怎样 咋 "
    "份 篇 条 段 种 类 页 块 部 里 里面 中 内 上 你好 您好 你 您 你们 源知 自己 方面 东西"
)
_TOOL = "系统 助手 工具 应用 软件 网站 网页 页面 程序 平台 机器人 app demo"
_FILE = "文档 文件 资料 文章 材料 段落 片段 文本块 条目 记录 数据 知识 语料"
_BASES = "知识库 资料库 文档库 文件库 语料库 索引库 索引"
_GAVE = "上传 添加 加入 导入 传 加"
_TONGUES = (
    "英文 英语 中文 汉语 日文 日语 日本话 韩文 韩语 法文 法语 德文 德语 俄文 俄语 泰语 藏语 粤语 葡萄牙语 西班牙语 阿拉伯语 意大利语 越南语 拉丁文 白话 白话文 "
    "大白话 普通话 广东话 繁体 繁体字 繁体中文 简体 简体字 拼音"
)
_SUMS = "总结 概括 归纳 概述 小结 复述 整理 提炼 梳理 精简 缩写 压缩 简化 概要 摘要"
_FORMS = "表格 列表 清单 要点 大纲 提纲 思维导图 诗 故事 段子 文言文 几句话 几段话 几点 短文 json 邮件 通知 口语 书面语 问答 markdown 表 分点 分条 条目 编号 形式 格式"
_BRIEF = "简短 简洁 简明 简要 短 长 通俗 易懂 正式 口语化 生动 有趣 清楚 明白 完整 委婉 礼貌 慢 快"
_ANY = {
    "files": f"{_TOOL} {_FILE} {_GAVE} {_BASES} 支持 读 读取 处理 识别 接受 打开 放 放入 格式 类型 文件类型 本地 新 进去 进来 上去 上来 pdf word 表格 要求 限制 从 哪里",
    "assistant": f"{_TOOL} {_FILE} 问答 谁 叫 名字 称呼 真人 人 人类 活人 ai 人工智能 chatgpt gpt deepseek 通义 文心一言 模型 大模型 语言 大语言模型 大 还是 不是 会 擅长 懂 精通 做 干 "
    "回答 提供 解决 处理 帮助 为 替 大家 用户 事 事情 问题 忙 活 活儿 功能 服务 工作 用处 用途 作用 本领 本事 能力 用法 用 使用 操作 方法 说明 说明书 指南 教程 介绍 自我介绍 说说 讲讲 谈谈 "
    "开发 制作 训练 创造 设计 发明 研发 由 哪家 公司 团队 开发者 作者 主人 老板 几岁 多大 答案 信息 来自 来源 从 哪里 哪 靠谱 可靠 准确 基于 采用 调用 背后 底层 支持 提问 跟 向 问 玩 该 应该 嘛",
    "base": f"{_BASES} {_FILE} 库 你们的 该 本 系统 本地 含 含有 收录 包含 包括 涵盖 存 存放 存储 放 装 收集 录入 内容 信息 主题 领域 类型 多大 规模 大小 总数 数量 个数 目录 名称 名字 列出 列举 列 显示 "
    "查看 看看 看 介绍 说说 讲讲 概括 总结 描述 情况 查 用 列表 清单 这里 这儿 手头 了解 懂 掌握 学",
    "own": f"{_FILE} {_GAVE} 提供 发 刚才 刚刚 之前 已经 上去 上来 列出 列举 列 显示 查看 看看 列表 清单 名称",
    "conversation": f"{_TONGUES} {_SUMS} {_FORMS} {_BRIEF} 上面 以上 上述 前面 刚才 刚刚 上文 之前 最后 上一 它 它们 其 这些 那些 我们 咱们 话 句 句子 内容 回答 答案 文字 回复 对话 聊天 讨论 结果 信息 消息 "
    "文本 结论 说 讲 写 聊 谈 提到 解释 讲解 表达 念 生成 把 将 对 用 以 改用 换 换成 改 改成 改写 转 转换 转成 翻 译 翻译 成 为 到 出 版 版本 怎么说 怎么写 怎么讲 重复 重新 从头 继续 接着 往下 一遍 一次 一回 "
    "几遍 几个字 几字 几百字 以内 之内 左右 不超过 不要 别 说法 方式 表达 角度 写法 表述 措辞 语气 换句话说 润色 扩写 续写 缩短 变 做 画 弄 列 列出 列出来 出来 排 汇总 展示 呈现 表示 说明 控制 限制 太 啰嗦 复杂 笼统 "
    "难 多 更 一点 一些 儿 意思 大意 重点 最 直接 快速 按",
}  # fmt: skip
_WORDS = {kind: frozenset(f"{_COMMON} {words}".split()) for kind, words in _ANY.items()}


def _any(words: str) -> str:
    return words.replace(" ", "|")


_KB = f"(?:{_any(_BASES)}|(?:^|[的你们])库(?=[里中内]))"
_THESE = "文档|文件|资料|文章|材料"
_NEEDS = {
    "files": rf"(?:支持|能|可以|识别|接受).*(?:什么|啥|哪).*(?:文件|文档|资料|格式|类型)|(?:什么|啥|哪).*(?:格式|类型)|"
    rf"(?:怎么|如何|怎样|咋|哪里).*(?:{_any(_GAVE)}|放).*(?:{_THESE}|{_KB}|pdf|word|表格)|(?:{_THESE}).*(?:怎么|如何|哪里).*(?:{_any(_GAVE)})",
    "assistant": rf"(?:^|[^帮给])(?:你|您|源知)(?!们的).*(?:谁|叫|名|称呼|人|机器人|ai|gpt|deepseek|通义|文心|模型|会|能|可以|擅长|懂|做|干|功能|用|本领|本事|介绍|开发|制作|训练|设计|研发|作者|主人|老板|几岁|多大|来自|靠谱|可靠|准确|基于|支持|哪)|"
    rf"(?:谁|怎么|如何|怎样|咋|介绍|跟|和|向).*(?:你|您|源知)|(?:这|本).*(?:{_any(_TOOL)}).*(?:谁|能|会|可以|做|干|功能|用|支持|模型|介绍)|(?:介绍|如何|怎么|怎样|谁).*这.*(?:{_any(_TOOL)})|"
    r"^自我介绍|^(?:使用|操作)(?:说明|方法|帮助|指南|教程)|^功能(?:介绍|说明)|^(?:有)?(?:什么|哪些)功能|^怎么(?:使用|玩|提问)$|^介绍自己|^帮助$",
    "base": rf"{_KB}.*(?:有|收|含|包|涵盖|存|放|装|内容|主题|{_THESE}|段|多大|规模|大小|数|列|介绍|概括|总结)|(?:介绍|说说|讲讲|概括|总结|描述|看|列出).*{_KB}|"
    rf"(?:有|收录|收集|存|装).*(?:多少|几|什么|哪|啥).*(?:{_THESE})|(?:列|显示|查看|看看).*(?:{_THESE})|(?:你|您).*(?:知道|了解|懂|掌握|学).*(?:什么|哪些|啥)",
    "own": rf"我.*(?:{_any(_GAVE)}|提供|发).*(?:多少|几|什么|哪|啥)|(?:列|显示|查看|看看).*我.*(?:{_any(_GAVE)}|提供|发)",
    "conversation": rf"翻译|[翻译转换改]成|译|(?:{_any(_TONGUES)}).*(?:说|讲|写|版|回答|{_any(_SUMS)})|{_any(_SUMS)}|再.*(?:说|讲|来|回答|解释|写|生成|念|短|简)|重[复新说写答来讲]|"
    rf"换(?:个|一|种|句)|改写|润色|扩写|续写|缩短|(?:简单|{_any(_BRIEF)}).*(?:点|些|说|讲|回答|解释)|(?:用|以|列|做|整理|变|排|画|汇总).*(?:{_any(_FORMS)}|几字|几个字)|分几?[点条段]|"
    r"太(?:长|短|啰嗦|复杂|笼统|难|多)|控制|限制|继续|接着|往下|几个?字以内",
}
_COUNTED = re.compile(r"[一两三四五六七八九十\d]+(?=个?百?(?:句话?|段话?|点|字|遍|个|份|篇|条|页)(?!下))")
# What is said of the conversation in other words.
_REMARKS = _whole(
    [
        r"还有吗|说完了吗|没了吗|我?(?:没|没有|不)(?:太|大|怎么)?(?:听|看)(?:懂|明白|清楚?)了?|我?(?:听|看)不太?(?:懂|明白)|我?不(?:太|大)?(?:明白|懂|理解)|(?:这|那|这句话?|你这话?|你)?是?(?:什么|啥)意思",
        r"(?:好像|这|这个|你|你的|你这个?|您)?(?:说|讲|答|回答|答案|搞|弄|理解|记)*[得的是]?(?:好像|似乎|可能)?(?:不对|错|不正确|有误|不准确|不是真的|有问题|有错误?)[了吧的]?|不是(?:这样|那样|这个意思|吧|的)?的?",
        r"(?:不对|不是的?|错了|你(?:说|答|搞|弄)错了) ?(?:应该|明明|正确的?|其实|实际上?|我记得|答案|事实).*|出处|有?(?:什么)?(?:依据|根据|证据|出处)(?:吗|是什么|呢|在哪里?)?",
        r"你?能?(?:确定|肯定|保证)(?:吗|没错吗?|是这样吗?)?|(?:这|这个)?是?真的(?:吗|假的)?|[是对]吗|没错吗|你是?(?:怎么|从哪里?)(?:知道|看到|得知|查到)的?",
        r"[你您](?:刚才|刚刚|上面|前面|之前|上一?[次句条]|上次)(?:不是)?(?:说|讲|提|回答|写|告诉)(?:到|我)?.*",
        r"(?:我|我们|咱们)(?:刚才|刚刚|之前|前面|上面|一开始|最开始)都?(?:问|说|聊|讲|谈|讨论)[的过了到]*是?(?:什么|啥|哪些|几个|到哪|哪里).*",
        r"(?:我|我们)?的?(?:上一?个|第[一二三四五\d]+个|刚才的?|前一?个|最开始的?)(?:问题|提问)[是问]?的?是?(?:什么|啥)?|(?:我们)?都?(?:聊|讨论|问)[了到]些?(?:哪里?|什么|几个问题)了?",
        r"(?:no )?(?:that|this|it|you)(?:'s|'re| is| are| was| were)? (?:wrong|not right|not correct|incorrect|not true|mistaken|false)|(?:are you|you) (?:sure|certain)(?: about that)?|is (?:that|this|it) (?:right|true|correct)|"
        r"i (?:do not|don't|did not|didn't) (?:understand|get it|get that)|what do you mean(?: by that)?|how do you know(?: that)?|continue|wrong|come again|pardon",
        r"(?:you|as you) (?:just |previously |earlier )?(?:said|mentioned|told me|wrote)\b.*|what did (?:you|i|we) (?:just |first )?(?:say|ask|talk about|discuss|mention)\b.*|what was my (?:last|first|previous) question",
    ]
)
_COMMON_EN = (
    "the a an is are was were this that it your you i me my we our do does did have has can could will would please now so and ok okay what what's which who how of in to for with "
    "about there all any some more much very just again be on at us tell give no"
)
_LANGUAGES = "english chinese japanese korean french german spanish russian italian portuguese arabic"
_SHAPES = "sentence sentences word words table list bullet point points poem terms"
_ANY_EN = {
    "files": "upload add read support supported file files format formats type types kind kinds document documents pdf pdfs own",
    "assistant": "name person human real robot bot ai chatgpt gpt model llm language use using work help features functions good able answer introduce describe yourself made built "
    "created trained developed designed by app tool site page website assistant based running powers",
    "base": "many documents files passages chunks articles texts entries sources topics knowledge base index collection library database contain contains hold cover know contents big large list "
    "show search inside",
    "own": "documents files upload uploaded uploads add added list show many",
    "conversation": f"{_LANGUAGES} {_SHAPES} translate put say write repeat rephrase reword paraphrase shorten summarise summarize sum up condense simplify rewrite explain them above said last previous answer "
    "conversation text reply response discussion chat everything far differently once briefly into as one two three simple plain few fewer other different same make keep short shorter "
    "simpler brief briefer long longer concise formal clear clearer detailed bit little slower too complicated",
}  # fmt: skip
_WORDS_EN = {kind: frozenset(f"{_COMMON_EN} {words}".split()) for kind, words in _ANY_EN.items()}
_NEEDS_EN = {
    "files": r"(?:can i|do i|to|you|are) .*\b(?:upload|add|supported|support|read)\b|files? are supported",
    "assistant": r"\b(?:who|what|what's|which|how|are|do|introduce|describe|about|made|built|created|trained|developed|designed)\b.*\b(?:you|your|yourself)\b|\bhow (?:do|can|to|should|does).*\b(?:it|this)\b|"
    r"^what(?:'s| is) this(?: for| app| tool| site| page| website)*$|^help$|^which model|^yourself$",
    "base": r"(?:the|your|this) (?:knowledge base|index|collection|library|database)|(?:many|what|which|list|show)\b.*\b(?:documents|files|passages|chunks|articles|entries|sources)|what do you know",
    "own": r"\bi (?:just )?(?:have )?(?:upload|add)|\bmy (?:files|documents|uploads)",
    "conversation": rf"translate|\b(?:say|repeat)\b|rephrase|reword|paraphrase|shorten|summari|sum up|condense|simplify|rewrite|explain|(?:write|put|make|keep) (?:it|that|this)|"
    rf"\b(?:in|into|as)\b.* (?:{_any(_LANGUAGES)}|{_any(_SHAPES)})|short|simpler|brief|longer|concise|slower|too (?:long|complicated)",
}
# Whatever is to be done with it, where nothing is asked: 把上面的回答缩短成一句话, 刚才的内容再通俗一些.
_NOTHING_ASKED = "(?:(?!什么|谁|哪|怎么|多少|几|吗|如何|为何|何时|为什么).)*"
_DONE_WITH_IT = (
    rf"{_NOTHING_ASKED}"
    r"(?:上面|以上|上述|上文|前面|刚才|刚刚|上一?[个条次]|你)(?:的|所|说|讲|写|给出?|回答|过)*(?:这|那)?[一两段句个条]*(?:回答|答案|内容|回复|对话|文字|话|总结)"
    rf"{_NOTHING_ASKED}"
)
# In this order: 你刚才说的文件有哪些 is about the conversation.
_ORDER: tuple[Kind, ...] = ("files", "assistant", "base", "own", "conversation")


def _about(said: str, english: bool) -> Kind | None:
    lead = _compiled(LEAD).match(said)
    for kind in _ORDER:
        for words in (said[lead.end() if lead else 0 :], said):
            if english:
                made, needs = _WORDS_EN[kind].issuperset(words.split()), _NEEDS_EN[kind]
            else:
                made, needs = _is_made_of(_COUNTED.sub("几", words), _WORDS[kind]), _NEEDS[kind]
            if made and _compiled(needs).search(_COUNTED.sub("几", words)):
                return kind
    remarks = (*_REMARKS, _DONE_WITH_IT)
    return "conversation" if any(_compiled(pattern).fullmatch(said) for pattern in remarks) else None


def _is_made_of(text: str, words: frozenset[str]) -> bool:
    """Whether the text is nothing but these words, one after the other."""
    text = text.replace(" ", "")
    reached = {0}
    for end in range(1, len(text) + 1):
        if any(
            end - size in reached and text[end - size : end] in words for size in range(1, min(end, MAX_WORD) + 1)
        ):
            reached.add(end)
    return len(text) in reached and text[:1] != "的"


# A document: by its file's name, as this one, by a name in title marks, or by a known name without its ending.
_FILE_NAME = r"[^\s《》“”\"]{1,60}\.(?:txt|text|md|markdown|docx?|pdf|xlsx?|xlsm|csv|tsv|pptx?|html?|jsonl?|eml|ipynb|png|jpe?g|webp|bmp|tiff?|epub|rtf|odt|log)"
_PAPER = "(?:文件|文档|资料|材料|文章|表格?|pdf|word|excel|附件|报告|合同|ppt|论文|说明书|简历|图片)"
_OF_THEM = r"(?:[一两三几\d]?[个份篇张些本])?"
_THIS = (
    rf"(?:这|那|此|该){_OF_THEM}(?:(?:{_any(_GAVE)}|发)的)?{_PAPER}|我的{_PAPER}|"
    rf"(?:我|我们)?(?:自己|刚才|刚刚|刚|新|之前|所|最近|已)*(?:{_any(_GAVE)}|提供|发)(?:过|了|给你|上去|上来)?的(?:这|那)?{_OF_THEM}(?:{_PAPER}|内容|东西)|"
    r"(?:this|that|the|my|these|those)(?: uploaded| attached| last)? (?:file|document|pdf|report|paper|attachment|upload|article|text i uploaded)s?"
)
# A file's name goes back to what leads into it: 概括一下手册.pdf.
_BEFORE = rf"(?:{_any(_SUMS)}|介绍|说说|讲讲|看看|解读|描述|分析|读|看|[将把]|一?下|summari[sz]e|sum up|outline|[句段]话|要点)"
_CERTAIN = rf"(?:(?P<this>{_THIS})|.*{_BEFORE} ?(?P<after>{_FILE_NAME})|(?P<file>{_FILE_NAME}))(?:这|那)?{_OF_THEM}{_PAPER}?"
_TITLED = rf"{_PAPER}?[《“\"](?P<titled>[^《》“”\"]{{1,60}})[》”\"](?:这|那)?{_OF_THEM}{_PAPER}?"
ASKED = "什么|谁|哪|怎|多少|几|吗|如何|为何|有没有|关于"
_OF_DOCUMENTS = frozenset(
    f"{_COMMON} {_SUMS} {_FORMS} {_BRIEF} {_TONGUES} 用 以 把 将 对 为 成 出 出来 给我 告诉我 发我 做 写 写成 讲 讲述 说 说明 谈 记录 记载 包含 包括 规定 关于 提到 描述 涉及 介绍 说说 讲讲 看看 读 "
    "看 解读 分析 列 列出 列出来 提取 大致 核心 整体 总体 重要 关键 快速 详细 内容 重点 观点 主旨 主题 中心思想 信息 事情 方面 几个字 几字 几百字 以内 之内 左右 不超过 "
    "summarise summarize sum up outline write give me a an short brief summary overview of the content contents what is are what's does in about say saying contain mainly tell us cover please "
    "english chinese two three one sentence sentences file document".split()
)
_SUMS_UP = rf"{_any(_SUMS)}|summar|sum up|outline|overview"
_ASKS_ALL = rf"(?:讲述?|说|写).*(?:什么|哪些|啥)|内容|要点|重点|大意|观点|主旨|主题|中心思想|{_SUMS_UP}"
_ASKS_THIS = rf"{_ASKS_ALL}|(?:说明|介绍|谈|记录|记载|包含|包括|规定|关于|提到|有|是|描述|涉及).*(?:什么|哪些|啥)|介绍|说说|讲讲|看看|解读|分析|what.*(?:about|say|contain|cover|tell|in)"


def _document(said: str, english: bool, names: Callable[[], Iterable[str]]) -> Request | None:
    titles = _compiled(_SUMS_UP).search(said) is not None
    if found := _compiled(_CERTAIN).search(said):
        name, place = found["file"] or found["after"] or "", found.start("after" if found["after"] else 0)
        certain = _is_of(said, place, found.end(), _ASKS_THIS)
        return Request("document", name, english=english) if certain else None
    if (found := _compiled(_TITLED).search(said)) and _is_of(said, *found.span(), _ASKS_THIS):
        return Request("document", found["titled"], certain=False, titles=titles, english=english)
    if _compiled(_ASKS_ALL).search(said):
        stems = (fold(name.rpartition("/")[2].rpartition(".")[0] or name) for name in names())
        for stem in sorted((stem for stem in stems if len(stem) > 1 and stem in said), key=len, reverse=True):
            if _is_of(said, start := said.index(stem), start + len(stem), _ASKS_ALL):
                return Request("document", stem, certain=False, english=english)
    return None


def _is_of(said: str, start: int, end: int, asks: str) -> bool:
    """Whether what is said around a document's name asks for all of it."""
    rest = _COUNTED.sub("几", _compiled(rf"^{LEAD}").sub("", f"{said[:start]}这{said[end:]}", count=1))
    return _compiled(asks).search(rest) is not None and _is_made_of(rest, _OF_DOCUMENTS)
