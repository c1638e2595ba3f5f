"""Answers to messages that are no question to the documents: small talk, the assistant, the knowledge base, a whole document,
the conversation."""

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast

from src.caller import Caller
from src.chat.abroad import Similarity
from src.chat.clock import Clock
from src.chat.events import Delta, Event, Finished, Retrieved, Supported
from src.chat.prompt import MAX_PASSAGE_CHARS, Prompt, build_messages
from src.chat.question import subject_of
from src.chat.requests import Request, recognise
from src.chat.support import support_of
from src.chat.writing import written
from src.ingest.parse import readable_kinds
from src.ingest.types import Chunk
from src.models.base import GenerationOptions, LanguageModel, Message
from src.search.base import Base
from src.search.knowledge_base import KnowledgeBase
from src.search.search import Retriever
from src.search.terms import fold
from src.search.types import Collection, Hit, Stages

# Of a document, as many passages as the page shows of a search.
MAX_HITS = 20
# Of a long document, so many are looked at.
MAX_READ = 200
MAX_TURNS = 8
MAX_NAMES = 10
EXAMPLES = 8

_FIXED = {
    "greeting": (
        "你好！我是源知，根据知识库和您加入的文档回答问题，并标出每句话的出处。想了解什么，直接问就可以。",
        "Hello! I am YuanZhi. I answer questions from the knowledge base and from documents you add, and show where each sentence "
        "comes from. Just ask.",
    ),
    "thanks": ("不客气！还有问题可以接着问。", "You are welcome! Ask me anything else."),
    "farewell": ("再见！需要的时候随时来问。", "Goodbye! Come back whenever you have a question."),
    "acknowledgement": ("好的。还有什么想了解的，可以接着问。", "Good. Ask me anything else you want to know."),
    "assistant": (
        "我是源知，一个知识库问答助手。我根据知识库和您加入的文档回答问题，标出每句话的出处；资料里没有的，我会说没有找到。"
        "在“抽取”页，我能从简历等文字里抽出姓名、学历、职位等信息；在“索引”页可以查看知识库里有什么、检索是怎样得到结果的。"
        "用法：直接输入问题，也可以先加入自己的文档再提问。我用的语言模型是 {model}。",
        "I am YuanZhi, an assistant for questions to a knowledge base. I answer from its documents and from those you add, show where each "
        "sentence comes from, and say so when nothing is found. On the page “Extract” I take names, education, positions and more from "
        "resumes; on the page “Index” you can look into the knowledge base and into a search. Just type a question, or add documents of "
        "your own first. My language model is {model}.",
    ),
    "files": (
        "把文件拖进“问答”页，或点加入文档的按钮，加入之后就可以提问，只有您自己看得到。能读的格式：{kinds}。",
        "Drop files on the page “Chat”, or press the button that adds documents; then ask about them. Only you can see them. "
        "I can read {kinds}.",
    ),
    "nothing above": (
        "这是对话的开头，上面还没有内容。请先提一个问题。",
        "This is the beginning of our conversation: there is nothing above yet. Please ask a question first.",
    ),
    "which document": (
        "没有找到您说的文档。{files}请告诉我文件名，或先加入文档。",
        "I cannot find that document. {files}Please tell me the name of a file, or add the document first.",
    ),
}
_SYSTEM = (
    "你是源知，一个认真、简洁的助手。请按用户最后的要求处理上面的对话，不要添加对话里没有的内容。",
    "You are YuanZhi, a careful and concise assistant. Do what the user asks last with the conversation above; add nothing that it "
    "does not say.",
)
# What the interface adds to an answer is not to be translated or summed up.
_QUOTED = re.compile(r"\n\n原文：“.*”\[\d+\]\s*$", re.DOTALL)
_LAST = re.compile(r"[这那此该](?!些|几|两|三)|刚|\b(?:this|that)\b")
_ADDED = re.compile(r"我|上传|添加|加入|\b(?:my|uploaded|added)\b")
_SUM_UP_ONLY = re.compile(r".{0,8}(?:总结|概括|归纳|概述)(?:一?下)?.{0,3}|summari[sz]e\W*", re.IGNORECASE)

T = TypeVar("T")


@dataclass(frozen=True)
class Aside:
    """A message that is no question to the documents, and what its answer is made of.

    Attributes:
        text: the whole answer, where the model is not asked.
        hits: passages of the document that was asked for.
    """

    message: str
    request: Request
    text: str = ""
    hits: tuple[Hit, ...] = ()


class Asides:
    """Recognises and answers them.

    Args:
        options, prompt: how the model is asked.
        similarity: compares meanings, for the support of sentences about a document.
    """

    def __init__(
        self,
        model: LanguageModel,
        retriever: Retriever,
        options: GenerationOptions,
        prompt: Prompt,
        similarity: Similarity,
    ) -> None:
        self._model = model
        self._retriever = retriever
        self._options = options
        self._prompt = prompt
        self._similarity = similarity

    def recognise(self, message: str, history: Sequence[Message], extra: Collection | None) -> Aside | None:
        """The aside that a message is; None: it is a question to the documents."""
        base = _listed(self._retriever.base)
        own = _listed(extra)
        request = recognise(
            message, lambda: [name for one in (own, base) if one is not None for name in _names(one)]
        )
        if request is None:
            return None
        aside = Aside(message, request)
        if request.kind == "conversation" and not history and own and _SUM_UP_ONLY.fullmatch(message):
            request = Request("document", english=request.english)  # whoever has just added a file means that
        if request.kind == "document":
            return self._document(replace(aside, request=request), base, own)
        if request.kind == "conversation":
            return aside if history else replace(aside, text=_said("nothing above", request))
        if request.kind in ("base", "own"):
            text = _contents(base, own, request)
            return replace(aside, text=text) if text else None
        return replace(
            aside, text=_said(request.kind, request).format(model=self._model.name, kinds=readable_kinds())
        )

    def answer(self, aside: Aside, history: Sequence[Message], caller: Caller) -> Generator[Event, None, None]:
        """Events as of ``ChatService.ask``."""
        clock = Clock()
        if aside.text:
            clock.first("first_token")
            yield Delta(aside.text)
            clock.lap("total")
            yield Finished(timings_ms=clock.timings_ms)
            return
        if aside.hits:
            yield Retrieved(aside.hits, clock.lap("retrieve"))
            room = self._options.max_new_tokens
            messages = build_messages(self._model, aside.message, aside.hits, (), room, self._prompt)
        else:
            messages = self._conversation(aside, history)
        text = yield from written(self._model, messages, self._options, caller, clock)
        if caller.stopped:
            return
        clock.lap("total")
        if aside.hits:
            variants = self._retriever.lexicon.variants
            yield Supported(support_of(text, aside.hits, "", self._similarity, variants), ())
        yield Finished(timings_ms=clock.timings_ms)

    def _conversation(self, aside: Aside, history: Sequence[Message]) -> list[Message]:
        system = Message("system", _SYSTEM[aside.request.english])
        turns = [replace(turn, content=_QUOTED.sub("", turn.content)) for turn in history[-MAX_TURNS:]]
        while True:
            messages = [system, *turns, Message("user", aside.message)]
            fits = self._model.count_tokens(messages) <= self._model.context_tokens - self._options.max_new_tokens
            if fits or len(turns) <= 1:
                return messages
            turns.pop(0)

    def _document(self, aside: Aside, base: Base | None, own: Base | None) -> Aside | None:
        """The passages of the document that is meant; where there is none, a word about it or None."""
        name = aside.request.name
        found: list[tuple[Base, bool, str]] = []
        for collection, mine in ((own, True), (base, False)):
            files = _names(collection) if collection is not None else []
            if collection is None or (not name and found):
                continue
            if name:
                meant = [file for file in files if _is_called(file, name)]
            elif mine:
                meant = files[-1:] if _LAST.search(fold(aside.message)) else files
            else:
                meant = files if len(files) == 1 and not _ADDED.search(fold(aside.message)) else []
            found += [(collection, mine, file) for file in meant]
        chunks = [(chunk, mine) for collection, mine, file in found for chunk in _chunks(collection, file)]
        if not chunks and aside.request.titles:
            chunks = self._titled(name, base, own)
        if chunks:
            return replace(aside, hits=_hits(chunks))
        if not aside.request.certain:
            return None
        return replace(
            aside, text=_said("which document", aside.request).format(files=_contents(base, own, aside.request))
        )

    def _titled(self, title: str, base: Base | None, own: Base | None) -> list[tuple[Chunk, bool]]:
        """The passages of the document of that title."""
        extra = own if isinstance(own, KnowledgeBase) else None
        hits = self._retriever.search(title, MAX_HITS, "lexical", extra)
        hit = next((hit for hit in hits if fold(hit.chunk.title) == title), None)
        collection = own if hit is not None and hit.own else base
        if hit is None or collection is None:
            return []
        files = [file for file in _names(collection) if file == hit.chunk.source] or _names(collection)
        chunks = [chunk for file in files for chunk in _chunks(collection, file, hit.chunk.title)]
        return [(chunk, hit.own) for chunk in chunks]


def _listed(collection: Collection | None) -> Base | None:
    """A collection that can say what is in it."""
    return cast(Base, collection) if hasattr(collection, "files") else None


def _said(kind: str, request: Request) -> str:
    return _FIXED[kind][request.english]


def _names(collection: Base) -> list[str]:
    """Files that something of is to be found, as they were added."""
    return [name for name, entry in collection.files().items() if entry.chunks]


def _is_called(file: str, name: str) -> bool:
    path = Path(fold(file))
    return fold(name) in (str(path), path.name, path.stem)


def _chunks(collection: Base, file: str, title: str | None = None) -> list[Chunk]:
    """Of a file, or of what has one title in it, in order; of many at even distances."""
    if isinstance(collection, KnowledgeBase) and title is None:
        return [stored.chunk for stored in collection.store.sample(MAX_READ, file)]
    chunks = [stored.chunk for stored in collection.chunks(file)]
    return _evenly([chunk for chunk in chunks if title in (None, chunk.title)], MAX_READ)


def _hits(chunks: Sequence[tuple[Chunk, bool]]) -> tuple[Hit, ...]:
    """As many as a prompt has room for, spread over the whole."""
    mean = sum(len(chunk.text) for chunk, _ in chunks) / len(chunks)
    fitting = max(1, int(MAX_PASSAGE_CHARS / max(mean, 1)))
    chosen = _evenly(chunks, min(MAX_HITS, fitting))
    return tuple(Hit(chunk, 1.0, rank, Stages(), own=mine) for rank, (chunk, mine) in enumerate(chosen, 1))


def _evenly(items: Sequence[T], count: int) -> list[T]:
    """At most ``count``, the first among them, at even distances."""
    if len(items) <= count:
        return list(items)
    return [items[number * len(items) // count] for number in range(count)]


def _contents(base: Base | None, own: Base | None, request: Request) -> str:
    """What there is: counts, files, examples."""
    parts = []
    if own is not None or request.kind == "own":
        names = _names(own) if own is not None else []
        parts.append(_own_files(own, names, request.english))
    if base is not None:
        parts.append(_base_files(base, request.english))
    return (" " if request.english else "").join(parts)


def _own_files(own: Base | None, names: Sequence[str], english: bool) -> str:
    if own is None or not names:
        return "You have added no documents." if english else "您还没有加入文档。"
    entries = own.files()
    if english:
        listed = ", ".join(f"{name} ({entries[name].chunks} passages)" for name in names)
        return f"You have added {len(names)} file{'s' * (len(names) > 1)}: {listed}."
    listed = "、".join(f"{name}（{entries[name].chunks} 段）" for name in names)
    return f"您加入了 {len(names)} 个文件：{listed}。"


def _base_files(base: Base, english: bool) -> str:
    stats, names = base.stats(), _names(base)
    listed = (", " if english else "、").join(names[:MAX_NAMES])
    examples = _examples(base)
    if english:
        more = f" and {len(names) - MAX_NAMES} other files" if len(names) > MAX_NAMES else ""
        text = f"The knowledge base has {stats['documents']} documents in {stats['chunks']} passages, from {listed}{more}."
        return f"{text} Among others it tells about {', '.join(examples)}." if examples else text
    more = f" 等 {len(names)} 个文件" if len(names) > MAX_NAMES else ""
    text = f"知识库里有 {stats['documents']} 篇文档，共 {stats['chunks']} 段，来自 {listed}{more}。"
    return f"{text}例如：{'、'.join(examples)}。" if examples else text


def _examples(base: Base) -> list[str]:
    """What some of the passages are about."""
    if isinstance(base, KnowledgeBase):
        chunks = [stored.chunk for stored in base.store.sample(EXAMPLES)]
    else:
        chunks = [stored.chunk for _, stored in zip(range(EXAMPLES), base.chunks(), strict=False)]
    about = (chunk.title or subject_of(chunk.text[:60]) for chunk in chunks)
    return list(dict.fromkeys(words for words in about if words))
