"""A follow-up -> a question that stands alone, so that retrieval knows what 它 is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from src.chat import question_english
from src.chat.attributes import ATTRIBUTE
from src.chat.claims import plain
from src.chat.question_kinds import name_of
from src.chat.requests import is_aside
from src.chat.subjects import names
from src.models.base import Message
from src.search.courtesy import without_courtesy
from src.search.terms import fold
from src.search.vocabulary import cut

_THING = (
    "大学|学校|院校|学院|中学|城市|地方|省份?|国家|公司|企业|单位|机构|部门|书|小说|作品|诗|河流?|江|湖泊?|山峰?|大?桥|建筑|景点|景区|公园|水库|"
    "线路?|铁路|人物?|作家|节日?|菜|方法|技术|模型|工具|库|产品|设备|型号|项目|活动|算法|制度|规定|会议|奖项?|药|病|动物|植物|花|茶|剧种?|电影|电视剧|歌|游戏|软件|概念|公路|地区|村|塔|寺|庙|岛|比赛|研究|课程|岗位|套餐|车"
)
# 它在哪个区 / 那里有什么特产 / 该校何时成立 / 这所大学有多少人. 他信, 那达慕, 其他 and 这个月 only look like it.
_PRONOUN = (
    rf"(它们?|[这那](?:里|儿|[个所座家本条位部项种款届首篇道](?!月|星期|季度|学期|时候)(?:{_THING})?)|上述|前者|后者|该[校市省国节地公产](?:司|品)?|"
    r"[他她]们?(?=[的是在有叫为和与什哪多怎还也曾会能最教带做当去住毕出担任得获写])|其(?![他中实余次它]))"
)
_OPENING = r"^(?:那么?|还有|另外|再|请问|对了|嗯|哦|好的?|谢谢|不对|不是|我?想问一?下?){0,4}[，, ]*"
_LEADING = re.compile(_OPENING + _PRONOUN)
# Not behind a comma: 什么是 RAG，它有什么局限 says itself what 它 is.
_INSIDE = re.compile(
    rf"^(?P<before>[^，,；;：:。？?！!]*?){_PRONOUN}(?=的|是|在|有|叫|位于|属于|什么|哪|多|怎|为什么|与|和|[？?。]?$)"
)
# What may stand before a pronoun: 贝克尔为他的学位做了什么 says itself who 他 is.
_BEFORE = re.compile(
    r"(?:.*[和与跟同及比对像]|(?:是)?(?:谁|为什么|怎么|如何|什么时候|哪[年里]|一般|主要|目前|现在|后来|除了|关于|对于).*|\d{2,4}年.{0,4}|"
    r"(?:用.{1,4})?请?(?:介绍|说说|讲讲|解释|描述|总结|概括)(?:一下)?|.{0,2})"
)
_BARE = re.compile(
    r"^(?:为什么|为啥|怎么办|然后呢|还有呢|举个例子|解释一下|为什么(?:这么|这样|如此).{0,4})[？?。]*$"
)
# Asks for more of the same.
_MORE = re.compile(
    r"^(?:能不能|能|可以|请|麻烦你?|再|说|讲|介绍|展开|得|更|稍微)*(?:详细|具体|多|展开|再)(?:地)?(?:一?[点些])?(?:说说|讲讲|说|讲|介绍)?(?:一?下|一?[点些])?[吗呢吧]?[？?。！!]*$"
)
_ATTRIBUTE = re.compile(f"{ATTRIBUTE}$")
_COUNTED = re.compile(r"有(?:多少|几)[个位名所座条家间款种]?(?P<what>[^，,。？?的吗呢]{1,8})[？?。]*$")
_ELLIPTIC = re.compile(
    _OPENING
    + r"(?:(?:如果|要是|换成|换做|若|假如)是?)?(?P<what>[^，。？?]{1,16}?)(?:的话|又(?:怎么样|如何|是)?)?呢[？?]?$"
)
# 我问的是深圳 mends the question before.
_MENDED = re.compile(
    r"^(?:不对|不是|错了)?[，, ]*我(?:想|要)?(?:问|说|指|找|了解)的?是(?P<what>[^，。？?]{1,16})[。.！!]?$"
)

# Compiled at the first message.
_compiled = cache(re.compile)

# A question without its subject: 什么时候创办的, 校训是什么, 多少钱, 怎么申请.
_ASKS_WHAT = "(?:多少|多|几|哪|什么|何|谁|啥)"
_WHEN = "(?:什么时候|啥时候|何时|何年|哪一?[年天月日]|哪个(?:月|世纪|朝代)|几[点号月]|几几年)"
_MEASURED = (
    "(?:钱|元|时间|公里|千米|米|岁|年纪|平方公里|平方米|亩|层|页|字|天|年|小时|分钟|次|倍|吨|斤|公斤|度|人|个)"
)
# So short, what follows is a verb without an object.
_VERB = r"\w{1,2}(?:了|过|的)?"
_PIECE = "(?:[一每][个张碗斤盒本份次人位杯瓶台件套只条块间晚天年月小时]+)"
_SUBJECTLESS = (
    rf"(?:是|在)?{_WHEN}(?:才|会|能|可以|开始|正式)*(?:.{{1,6}}的|(?!是|过?\w[节日]){_VERB}|(?:列入|被|开始|入选|迁入).{{0,8}})?",
    rf"(?:\w{{1,2}}于|源自|产自|来自|流经|叫|占地?){_ASKS_WHAT}.{{0,6}}",
    r"(?:是)?(?:在|位于|到|从)?(?:哪里?|哪儿|什么地方|何处|哪一?[个座条省市区县国层楼栋]\w{0,3}|几[楼层]\w{0,2})的?",
    rf"(?:是|由|被)*(?:谁|什么人|哪位|哪[家个]\w{{1,4}})(?:.{{1,6}}的|{_VERB}|主持.{{0,4}})?",
    rf"(?:一共|总共|大概|大约|现在|需要?|要|得|有|卖|花|共|{_PIECE})*(?:多(?:少|长)(?:{_MEASURED})|多(?:大|长|高|重|远|久|深|宽|厚|快)){_PIECE}?(?:面积)?",
    rf"(?:主要|最[大高长]|现任|首任|历任|第[一二三]任|具体|平均|最新|官方|英文|中文|年|日|月|申请|报名|使用|办理|参加|入学|录取|招生|考试|开放|营业|工作|退款|安装)*的?{ATTRIBUTE}"
    r"(?:都|又|主要|大概|到底|分别)*(?:(?:是|有|在|为|叫|包括|多少|多[大长高远久深宽重]|哪|几|谁|什么|怎么样|如何$)[^的，,“”]{0,8})",
    rf"(?:应该|要|该|具体)*(?:怎么|如何|怎样|咋)(?:才能|去)?{_VERB}",
    r"(?:需要?|要|得|应该?)(?:带|准备|提交|交|满足|符合|注意|提供)?(?:什么|哪些|多少|多久|多长时间|几).{0,6}",
    r"由(?:哪些|什么|几).{1,6}",
    r"比[^，,]{1,12}?(?:更|还|要)*(?:[高大长多早晚低短小少贵深远重宽快慢老强弱]|便宜|有名|重要|古老)(?:得多|一[点些]|多少|几倍)?吗?",
    r"(?:主要|平时|一般|通常|都|还)+(?:是)?.{0,3}(?:什么|哪些|哪里).{0,4}",
    rf"有(?:什么|哪些|何)(?:.{{0,3}}的)?(?:{ATTRIBUTE}|好[玩吃看用]的)",
    r"是什么|是哪.{1,4}",
)
_SUBJECT_MAY_LACK = re.compile(
    r"^(?:一共|总共|现在|还)?(?:有|在|位于|属于|是|叫|占|建于|成立于|创办于)(?:多|几|哪|什么|何|谁)"
)
# 2022年呢 asks for another year, B21呢 for another model.
_KINDS_OF_X = tuple(
    re.compile(pattern)
    for pattern in (
        r"\d{1,2}月\d{1,2}[日号]",
        r"(?:\d{4}|\d{2}|[〇零一二三四五六七八九]{2,4})年(?:\d{1,2}月)?|[前去今明后]年",
        r"(?:\d{1,2}|[一二三四五六七八九十]{1,2})月份?|[上这本下]个?月",
        r"第?[一二三四1-4]季度|Q[1-4]|[上下]半年",
        r"(?:周|星期|礼拜)[一二三四五六日天]|[上这本下]周|[昨今明]天",
        r"[A-Za-z]+-?\d[A-Za-z0-9-]*",
    )
)
_TIME_OF_X = 5  # the first of them are times
# 谁发明了电灯 and 怎么申请年假 are about what stands behind the verb.
_BEHIND_VERB = re.compile(
    r"^(?:是)?(?:谁|哪位|怎么|怎样|如何|什么时候|何时|哪里|在?哪[里儿]?|几点)(?:才能|可以|能够?|会|要|应该)*(?P<rest>.+)$"
)

# What a question is about stands before its predicate, behind what leads into it.
_REQUEST = re.compile(
    r"^(?:你好|您好|请问|请|麻烦|我想知道|想知道|我想问|你知道|能不能|能否|可以|帮我|给我|用[英中日]文|[，,！! ])*"
    r"(?:介绍|说说|讲讲|解释|谈谈|聊聊|说明|查|查查|描述|概括|告诉我)?(?:一下|下)?(?:关于|有关)?(?:什么是|何为|何谓|谁是)?"
)
# 会员, 会议室, 有限公司 and 工会 are no predicates.
_PREDICATE = re.compile(
    r"的|是|在(?![校职线读编])|(?<!所)有(?![限色机])|位于|属于|为什么|为何|怎|如何|什么|哪|谁|多[少大长高远久深重]|几(?!何|内亚)|何(?!其芳)|吗|呢|由(?!来)|被(?![告子])|"
    r"(?<![协工社商学议展晚年总委员])会(?![员议计展场馆长费务])|(?<![功智性节核电动])能(?![力源量耗])|(?<![许认])可(?!乐)|需?要(?![求点素])|叫|又|产自|找|丢|最(?!高人民)|"
    r"(?<![费作使应信])[吃喝用做住看玩穿借买卖送写讲说招养种](?=什么|哪|多少|几|啥)|门票|[票单]价|工资|学费|"
    r"[简别又俗合统古旧全美昵尊]称|让|(?:[生卒死葬]|形成|成书|逝世|流行|分布|兴起|诞生|就读|任教|任职|安葬|落成|定都|发表|起步)于(?=[哪什何几多谁])|全长|面积|人口|海拔|总部|地址|电话|价格|首都|省会|校训|作者|发源|流经|成立|创办|创立|建于|始建|出生|毕业|发明|创作|起源|好[吃玩看]|"
    r"[，,。？?！!：:、；;（(“\"]"
)
_TITLE = re.compile(r"《([^》]{1,40})》")
_WHICH = re.compile(r"(?<!在)(?:是|叫|为)(?:谁|哪一?[条座个所位里本部家种]\w{0,4}|哪里)[？?。]*$|^谁")
MAX_SUBJECT_CHARS = 20
# Of a message without a name that may be asked of the topic.
MAX_GUESSED_CHARS = 16
GUESSED_MARGIN = 2.0
_NAMED = re.compile(r"[A-Za-z]{2}|[《“]|^(?:谁|哪一?[个条座所种位])")
# Of an earlier question; a client may send anything for it.
MAX_ASKED_CHARS = 2000
MAX_TURNS = 20

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True)
class FollowUp:
    """What a message that refers back is taken for.

    Attributes:
        question: what to search for.
        certain: whether the message cannot stand alone; if not, it is for the search to tell.
        subject: what the conversation is about.
        margin: how many times as likely as the message alone it must find another passage, where it is not certain.
        thing: X of X呢, where it may be another thing or something that the subject has.
        of_subject: the question, if it is what the subject has.
    """

    question: str
    certain: bool
    subject: str | None = None
    margin: float = 1.0
    thing: str = ""
    of_subject: str = ""


def follow_up(message: str, history: Sequence[Message]) -> FollowUp | None:
    """The question that ``message`` asks in its conversation; None where it stands alone as it is."""
    if is_aside(message):
        return None
    topic, bare = _topic(history), without_courtesy(message)
    # 你好，请问校训是什么？谢谢 is a follow-up behind its politeness.
    meant = _meant(message, topic) or (_meant(bare, topic) if bare != message else None)
    return meant or _guessed(bare, topic)


def _guessed(message: str, topic: str | None) -> FollowUp | None:
    """A short question that names nothing may be asked of the topic: 住一晚多少钱, 老板娘叫什么."""
    subject = subject_of(topic) if topic else None
    names_something = _NAMED.search(message) or names(plain(message)) or name_of(message)
    if subject is None or names_something or not _CHINESE.search(message) or len(message) > MAX_GUESSED_CHARS:
        return None
    return FollowUp(subject + _opened(message), False, subject, GUESSED_MARGIN)


def _meant(message: str, topic: str | None) -> FollowUp | None:
    """``message`` after a question ``topic`` that stands alone."""
    certain = refers_back(message) or _lacks_subject(message)
    if topic is None or not (certain or _may_lack_subject(message)):
        return None
    subject = subject_of(topic)
    if not _CHINESE.search(message):
        return FollowUp(question_english.completed(message, topic, subject), certain, subject)
    question = _completed(message, topic, subject)
    thing, owner = _other_thing(message, subject), subject or _head_of(topic)
    of_subject = _of_subject(thing, topic, owner) if thing and owner else ""
    return FollowUp(question, certain, owner, thing=thing if of_subject else "", of_subject=of_subject)


def _topic(history: Sequence[Message]) -> str | None:
    """The last question as it was meant, if it says what it is about; small talk is none."""
    topic: str | None = None
    for turn in history[-MAX_TURNS:]:
        asked = turn.content[:MAX_ASKED_CHARS].strip()
        if turn.role != "user" or not asked or is_aside(asked):
            continue
        meant = _meant(asked, topic)
        if meant is not None:
            # Joined questions would grow with every turn.
            if topic is None or not meant.question.startswith(_joined(topic, "")):
                topic = meant.question
        elif not refers_back(asked) and not _lacks_subject(asked) and not _may_lack_subject(asked):
            topic = asked
    return topic


def refers_back(message: str) -> bool:
    """Whether the message has a pronoun for its subject, or is but a fragment."""
    if _CHINESE.search(message):
        patterns = (_LEADING, _BARE, _MORE, _ELLIPTIC, _MENDED)
        return _inside(message) is not None or any(pattern.search(message) for pattern in patterns)
    return question_english.refers_back(message)


def subject_of(question: str) -> str | None:
    """What a question is about, or None where its words do not say (中国最长的河流是哪条: the answer does)."""
    if not _CHINESE.search(question):
        return question_english.subject_of(question)
    text = _REQUEST.sub("", question.strip(), count=1)
    if _WHICH.search(text):
        return None
    subject = _before_predicate(text)
    return subject if 2 <= len(subject) <= MAX_SUBJECT_CHARS else None


def _inside(message: str) -> re.Match[str] | None:
    found = _INSIDE.match(message)
    return found if found and _BEFORE.fullmatch(found["before"]) else None


def begins_predicate(text: str) -> bool:
    """Whether ``text`` goes on behind a subject, rather than being more of its name."""
    return _PREDICATE.match(text) is not None


def _lacks_subject(message: str) -> bool:
    asked = _opened(message)
    return any(_compiled(pattern).fullmatch(asked) for pattern in _SUBJECTLESS)


def _may_lack_subject(message: str) -> bool:
    return bool(_SUBJECT_MAY_LACK.match(_opened(message)) or question_english.may_lack_subject(message))


def _opened(message: str) -> str:
    """Without what leads into it, and without marks at its end."""
    return re.sub(_OPENING, "", message.strip()).strip(" ？?。.！!啊呀")


def _joined(asked: str, message: str) -> str:
    return f"{asked.rstrip('？?。.！! ')}？{message}"


def _completed(message: str, asked: str, subject: str | None) -> str:
    """``subject`` in place of the pronoun, or the question before in front of the message."""
    if _BARE.match(message):
        return _joined(asked, message)
    if _MORE.match(message):
        return f"详细介绍一下{subject}" if subject else asked
    if elliptic := _MENDED.match(message) or _ELLIPTIC.match(message):
        typed = elliptic["what"].removesuffix("的")
        what = _PRONOUN_START.sub("", typed)
        of_it = what != typed or (_ATTRIBUTE.search(what) and not _alike(what, subject))
        if of_it and subject and (counted := _COUNTED.search(asked)):
            return asked[: counted.start("what")] + what  # 武汉大学有多少学生, 那老师呢
        if of_it and (subject or not _object_of(asked)):
            return f"{subject}的{what}" if subject else _joined(asked, message)
        return _instead(asked, what, subject) or _joined(asked, message)
    pronoun = _LEADING.match(message) or _inside(message)
    # 中国最长的河流是哪条: 有多长 asks it of that river, not of 中国. 红楼梦的作者是谁: 它 is no person.
    before_it = "谁" in asked and not _A_PERSON.search(pronoun.group()) if pronoun else "最" not in asked
    if subject is None and before_it:
        subject = _object_of(asked) or _head_of(asked) or None
    if subject is None:
        return _joined(asked, message)
    subject = f"《{subject}》" if f"《{subject}》" in asked else subject
    if leading := _LEADING.match(message):
        return subject + ("的" if leading.group().endswith("其") else "") + message[leading.end() :]
    if inside := _inside(message):
        return inside["before"] + subject + message[inside.end() :]
    return subject + re.sub(_OPENING, "", message)


def _other_thing(message: str, subject: str | None) -> str:
    """X of X呢 where its words do not tell whether it is another thing."""
    elliptic = _MENDED.match(message) or _ELLIPTIC.match(message)
    what = elliptic["what"] if elliptic else ""
    told = (
        _PRONOUN_START.match(what) or _ATTRIBUTE.search(what) or any(kind.fullmatch(what) for kind in _KINDS_OF_X)
    )
    return "" if told or _alike(what, subject) else what.removesuffix("的")


def _of_subject(what: str, asked: str, subject: str) -> str:
    """陆一鸣的数学多少分, 英语呢 -> 陆一鸣的英语多少分; 望江塔何时动工, 竣工呢 -> 望江塔何时竣工; else 望江塔的塔门."""
    behind = asked.partition(subject)[2]
    if does := re.match(rf"(?P<asks>(?:{_WHEN}|怎么|如何|在?哪里|[是由]?谁)){_VERB}[？?]*$", behind):
        return f"{subject}{does['asks']}{what}"
    had = re.match(r"的?(?P<what>[^的，,]{1,6}?)(?P<asks>[是为]|有?(?:多少|几|什么|谁|哪)|叫|怎).*", behind)
    return f"{subject}的{what}{behind[had.start('asks') :] if had else ''}"


def _alike(what: str, subject: str | None) -> bool:
    """数学专业 is another 计算机专业, no attribute of it."""
    return subject is not None and len(what) > 2 and what[-2:] == subject[-2:]


def _instead(asked: str, what: str, subject: str | None) -> str | None:
    """The same question with ``what`` for what it is about."""
    for number, kind in enumerate(_KINDS_OF_X):
        if not kind.fullmatch(what):
            continue
        if found := kind.search(asked):
            return asked[: found.start()] + what + asked[found.end() :]
        if subject and number < _TIME_OF_X:
            return asked.replace(subject, subject + what, 1)  # 广州的人口是多少, 2010年呢
    subject = subject or _object_of(asked) or _head_of(asked) or None
    if subject is None:
        return None
    if f"《{subject}》" in asked:
        what = what.strip("《》")
    return asked.replace(subject, what, 1)


def _object_of(asked: str) -> str | None:
    """What stands behind the verb: 怎么申请年假 -> 年假."""
    found = _BEHIND_VERB.match(_opened(asked))
    if found is None:
        return None
    rest = found["rest"]
    words = cut(fold(rest))
    return (rest[len(words[0]) :] if len(words) > 1 else rest).lstrip("了的过") or None


def _head_of(asked: str) -> str | None:
    """What stands before the predicate, whatever the question asks for."""
    text = _REQUEST.sub("", asked.strip(), count=1)
    return _before_predicate(text) if _PREDICATE.search(text) else None


def _before_predicate(text: str) -> str:
    if title := _TITLE.match(text):
        return title[1]
    end = _PREDICATE.search(text)
    return (text[: end.start()] if end else text).strip(" \t\u3000《》")


_PRONOUN_START = re.compile(rf"^{_PRONOUN}的?")
_A_PERSON = re.compile("[他她位人]|作家|其")
