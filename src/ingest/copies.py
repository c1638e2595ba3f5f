"""Passages that say the same: exact copies, and copies that differ in nothing a reader would miss."""

import hashlib
import re

from src.ingest.clean import squash

# Marks that may differ between two copies. Between digits, or as a sign or point before one, they are part of a number
# or a date (3.5, 2024-1-12), and a question is not its answer, so those stay; + # % / = < > are content anyway.
_MARK = r"[\s,.:;!'\"()\[\]{}*_`~|·•●■◆▪—–\-…、。〈〉《》「」『』【】〔〕“”‘’]"
_FREE_MARKS = re.compile(rf"{_MARK}++(?!\d)|(?<!\d){_MARK}++(?<![-–—.])")
# Words that change the style of a sentence, never what it states. No negation, no "and/or", no pronoun is among them.
_FILLERS = re.compile("因此|所以|因而|此外|另外|并且|而且|的|了")
MIN_CHARS = 20
# A key that lacks more than this share of the text says too little about it.
MAX_LOST = 0.2


def copy_keys(title: str, text: str) -> tuple[int, int]:
    """(exact, near): 64 bits each that are equal for copies; near is 0 where a text is too short for near copies.

    Copies have the same title. Exact: the same text but for width of characters and white space. Near: also but for
    punctuation, letter case and filler words, in texts of at least ``MIN_CHARS``. A changed number, name, date or
    negation makes another passage, however alike the rest is (similarity cannot tell 2023 from 2024).
    """
    title, text = squash(title), squash(text)
    bare = _bare(text)
    return _digest(title, text), _digest(title, bare) if bare else 0


def _bare(text: str) -> str:
    """What must be equal in near copies; empty where a text is too short for any."""
    bare = _FREE_MARKS.sub("", text.casefold())
    key = _FILLERS.sub("", bare)
    return key if len(key) >= max(MIN_CHARS, (1 - MAX_LOST) * len(bare)) else ""


def _digest(title: str, text: str) -> int:
    digest = hashlib.blake2b(f"{title}\0{text}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1
