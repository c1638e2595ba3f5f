"""What the words of a question and of each candidate passage have in common, for a whole pool at once."""

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

import numpy as np

from src.ingest.split import ROW
from src.search.dates import dated
from src.search.terms import fold, forms, is_content

# A passage usually names its subject within its first characters.
HEAD_CHARS = 10
NAMES = ("chunk", "sentence", "two", "rare", "head", "content")

_CODES = 0x110000
_SENTENCE_END = np.array([ord(c) for c in "。!?;\n"], dtype=np.uint32)  # as they are after folding


@lru_cache(maxsize=1024)  # of a chunk the counts and the features are asked one after the other
def _read(text: str) -> str:
    """Dates in one writing, and a row of a table as one sentence."""
    return ROW.sub(lambda row: row[0].replace("；", "，"), dated(text))


def term_counts(terms: Sequence[str], texts: Sequence[tuple[str, ...]]) -> np.ndarray:
    """How often the parts of each text have each term, float64 (texts, terms)."""
    counts = np.zeros((len(texts), len(terms)))
    if texts and terms:
        codes, starts = _codes(["\n".join(map(_read, parts)) for parts in texts])
        positions, found = _occurrences(codes, terms)
        np.add.at(counts, (np.searchsorted(starts, positions, side="right") - 1, found), 1)
    return counts


def word_features(wordings: Sequence[Mapping[str, float]], passages: Sequence[tuple[str, str]]) -> np.ndarray:
    """Each wording's terms with their weights, (title, text) -> float64 (wordings, passages, 6), all in [0, 1].

    A term counts once wherever it stands, by its weight's share of all; the title counts with every sentence.

    - chunk: what the whole passage has of the question.
    - sentence, two: what its best sentence, and its best two neighbouring ones, have.
    - rare: as chunk, but weights cubed, which leaves the rarest terms: mostly the name that is asked about.
    - head: what the title, or else the first ten characters, have.
    - content: as chunk, of words and pairs without function words (of all terms where there are none).
    """
    passages = [(_read(title), _read(text)) for title, text in passages]
    texts = [f"{title}\n{text}" if title else text for title, text in passages]
    codes, starts = _codes(texts)
    # A question of nothing but emoji has no term; one that nothing has stands in.
    terms = list(dict.fromkeys(term for wording in wordings for term in wording)) or [" "]
    weights = np.array([[wording.get(term, 0.0) for wording in wordings] for term in terms])  # (T, V)
    positions, found = _occurrences(codes, terms)

    ends = np.isin(codes, _SENTENCE_END)
    ends[:-1] |= (codes[:-1] == ord(".")) & (codes[1:] == ord(" "))
    sentence: np.ndarray = np.cumsum(ends) - ends  # the sentence of each character
    first: np.ndarray = sentence[starts]  # each passage's first sentence
    has = np.zeros((int(sentence[-1]) + 1, len(terms)), dtype=bool)  # (S, T)
    has[sentence[positions], found] = True
    owner = np.repeat(np.arange(len(texts)), np.diff(np.append(first, len(has))))  # (S,)
    titled = np.array([bool(title) for title, _ in passages])[owner]
    has[titled] |= has[first[owner[titled]]]
    two = has.copy()
    two[:-1] |= has[1:] & (owner[1:] == owner[:-1])[:, None]
    whole = np.logical_or.reduceat(has, first)  # (P, T)

    heads = np.array([max(HEAD_CHARS, len(title)) for title, _ in passages])
    passage = owner[sentence[positions]]
    near = positions - starts[passage] < heads[passage]
    head = np.zeros_like(whole)
    head[passage[near], found[near]] = True

    shares, cubes = _shares(weights), _shares(weights**3)
    contents = weights * np.array([is_content(term) for term in terms])[:, None]
    contents = _shares(np.where(contents.sum(axis=0) > 0, contents, weights))
    columns = [
        whole @ shares,
        np.maximum.reduceat(has @ shares, first),
        np.maximum.reduceat(two @ shares, first),
        whole @ cubes,
        head @ shares,
        whole @ contents,
    ]
    return np.asarray(np.clip(np.stack(columns, axis=-1).transpose(1, 0, 2), 0, 1))


def _codes(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Folded code points of all texts, each followed by a line break; where each starts."""
    joined = "\n".join(texts) + "\n"
    raw = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    lengths = np.array([len(text) + 1 for text in texts])
    return _folding()[raw], np.cumsum(lengths) - lengths


@cache
def _folding() -> np.ndarray:
    """uint32 (0x110000,): each code point folded, or itself where that would be several characters."""
    table = np.arange(_CODES, dtype=np.uint32)
    for code in (*range(0xD800), *range(0xF900, 0x10000), *range(0x20000, 0x32000)):
        folded = fold(chr(code))
        if len(folded) == 1:
            table[code] = ord(folded)
    return table


def _occurrences(codes: np.ndarray, terms: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Positions of terms, and which term each is."""
    spaced = [i for i, term in enumerate(terms) if term.isascii() or len(term) > 2]
    unspaced = [(i, term) for i, term in enumerate(terms) if not term.isascii() and len(term) <= 2]
    characters = {c: n for n, c in enumerate(dict.fromkeys("".join(term for _, term in unspaced)), 1)}
    base = len(characters) + 1
    number = np.zeros(_CODES, dtype=np.int32)  # untouched pages cost nothing
    for character, n in characters.items():
        number[ord(character)] = n
    single, pair = np.full(base, -1, dtype=np.int32), np.full(base * base, -1, dtype=np.int32)
    for i, term in unspaced:
        if len(term) == 1:
            single[characters[term]] = i
        else:
            pair[characters[term[0]] * base + characters[term[1]]] = i
    here = number[codes]
    singles, pairs = single[here], np.append(pair[here[:-1] * base + here[1:]], np.int32(-1))
    at_single, at_pair = np.flatnonzero(singles >= 0), np.flatnonzero(pairs >= 0)
    positions, found = [at_single, at_pair], [singles[at_single], pairs[at_pair]]
    if spaced:
        text = codes.tobytes().decode("utf-32-le", "surrogatepass")
        for i in spaced:
            matches = re.finditer(rf"(?<![a-z0-9]){forms(terms[i])}(?![a-z0-9])", text)
            at = np.array([match.start() for match in matches], dtype=np.int64)
            positions.append(at)
            found.append(np.full(len(at), i, dtype=np.int32))
    return np.concatenate(positions), np.concatenate(found)


def _shares(weights: np.ndarray) -> np.ndarray:
    return np.asarray(weights / np.maximum(weights.sum(axis=0), 1e-9))
