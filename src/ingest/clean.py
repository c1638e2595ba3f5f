"""Bytes to text that is fit to be shown, indexed and counted in characters."""

import codecs
import re
import unicodedata
from contextlib import suppress

from src.errors import KnowledgeError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Control characters but tab and newline, lone surrogates, byte order marks, invisible marks that would
# split a word for the index, and direction overrides that would show a text in another order than it is.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\ud800-\udfff\ufeff\ufffe\uffff\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069]"
)
_LINE_BREAKS = re.compile("\r\n?|\u2028|\u2029|\x85")
_SPACES = re.compile(r"\s+")
_PLAIN_CONTROLS = "\t\n\r\f\v"
_SAMPLE_CHARS = 200_000
_SAMPLE_BYTES = 100_000
# What nearly every character of a Chinese or English text is.
_USUAL = re.compile("[\t\n\r -~\u00a0-\u04ff\u2010-\u27bf\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]")
_PAIR = re.compile(rb"[\x81-\xfe][\x40-\xfe]")
# Punctuation and frequent characters: the first half of each code.
_FREQUENT_BIG5 = re.compile(rb"[\xa1-\xc6].", re.DOTALL)
_FREQUENT_GB = re.compile(rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]")
_MIN_PAIRS = 10
_WIDE = re.compile("[^\x00-\xff]")
_KANA = re.compile("[\u3041-\u30ff]")
_HALF_KANA = re.compile("[\uff61-\uff9f]")
_MIN_KANA = 0.1
# Kana have the same bytes in GB2312 as in EUC-JP: a Chinese text has few of them.
_MIN_KANA_EUC = 0.2
# Hangul takes the first codes of GB2312's characters, whose later ones are as frequent in a Chinese text.
_LATER_GB = re.compile(rb"[\xc9-\xf7][\xa1-\xfe]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_FREQUENT_HANGUL = re.compile("[이다는을를에의가하고지로은기사한서자인어]")
_MIN_HANGUL = 20
_HIGH = re.compile(rb"[\x80-\xff]")
_ACCENT = re.compile(rb"(?<=[A-Za-z \n'])[\xc0-\xff](?=[a-z .,;:!?'\r\n]|\Z)")


def decode(data: bytes, name: str) -> str:
    """UTF-8, UTF-16/32 by their mark, UTF-16, Shift-JIS, EUC or Big5 without one where that is certain, else GB18030.

    Raises:
        KnowledgeError: binary data, or UTF-8 with damaged bytes; ``name`` is the file in the message.
    """
    text = _decode_bytes(data, name)
    sample = text[:_SAMPLE_CHARS]
    odd = sum(unicodedata.category(c) in {"Cc", "Co", "Cn", "Cs"} and c not in _PLAIN_CONTROLS for c in sample)
    if odd > max(8, len(sample) // 50):
        raise KnowledgeError(_not_text(name))
    return text


def clean(text: str) -> str:
    r"""Drop what cannot be shown, make every line break ``\n``, trim. Offsets are counted in the result."""
    return _UNWANTED.sub("", _LINE_BREAKS.sub("\n", text)).strip()


def squash(text: str) -> str:
    """What two texts are compared by: NFKC, each run of white space one space."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip()


def _decode_bytes(data: bytes, name: str) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError as error:
                raise KnowledgeError(_not_text(name)) from error
    if b"\0" in data and (text := _unmarked_utf16(data)):
        return text
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse_damaged_utf8(data, name, error.start)
    if _is_shift_jis(data):
        return data.decode("cp932")
    if _is_euc_jp(data):
        return data.decode("euc_jp")
    if _is_euc_kr(data):
        return data.decode("cp949")
    if _is_latin(data):
        return data.decode("cp1252", "replace")
    try:
        return data.decode("cp950" if _is_big5(data) else "gb18030")
    except UnicodeDecodeError as error:
        raise KnowledgeError(_not_text(name)) from error


def _unmarked_utf16(data: bytes) -> str:
    """Empty where it is something else: in the wrong byte order, or as UTF-16, few texts look like one."""
    best, most = "", 0.95
    for encoding in ("utf-16-le", "utf-16-be"):
        with suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            sample = text[:_SAMPLE_CHARS]
            if (usual := len(_USUAL.findall(sample)) / max(1, len(sample))) > most:
                best, most = text, usual
    return best


def _is_big5(data: bytes) -> bool:
    """Big5 pairs are mostly possible in GB18030 too, but then of rare characters."""
    sample = data[:_SAMPLE_BYTES]
    pairs = _PAIR.findall(sample)
    big5 = sum(_FREQUENT_BIG5.match(pair) is not None for pair in pairs)
    gb = sum(_FREQUENT_GB.match(pair) is not None for pair in pairs)
    if len(pairs) < _MIN_PAIRS or big5 < 0.9 * len(pairs) or gb > 0.75 * len(pairs):
        return False
    try:
        data.decode("cp950")
    except UnicodeDecodeError:
        return False
    return True


def _is_shift_jis(data: bytes) -> bool:
    """Kana begin with a byte that no character of GB2312 has."""
    try:
        text = data.decode("cp932")[:_SAMPLE_CHARS]
    except UnicodeDecodeError:
        return False
    wide = len(_WIDE.findall(text))
    return len(_KANA.findall(text)) >= max(2, _MIN_KANA * wide) and len(_HALF_KANA.findall(text)) < 0.2 * wide


def _is_euc_jp(data: bytes) -> bool:
    try:
        text = data.decode("euc_jp")[:_SAMPLE_CHARS]
    except UnicodeDecodeError:
        return False
    kana = len(_KANA.findall(text))
    return kana >= _MIN_PAIRS and kana >= _MIN_KANA_EUC * len(_WIDE.findall(text))


def _is_euc_kr(data: bytes) -> bool:
    """Hangul nearly throughout, of which some is frequent."""
    try:
        text = data.decode("cp949")[:_SAMPLE_CHARS]
    except UnicodeDecodeError:
        return False
    hangul = len(_HANGUL.findall(text))
    frequent = len(_FREQUENT_HANGUL.findall(text))
    pairs = _PAIR.findall(data[:_SAMPLE_BYTES])
    later = sum(_LATER_GB.fullmatch(pair) is not None for pair in pairs)
    return (
        hangul >= max(_MIN_HANGUL, 0.9 * len(_WIDE.findall(text)))
        and frequent >= 0.15 * hangul
        and later <= 0.1 * len(pairs)
    )


def _is_latin(data: bytes) -> bool:
    """Single letters with accents among others; characters of Chinese encodings come in pairs and in rows."""
    sample = data[:_SAMPLE_BYTES]
    high = len(_HIGH.findall(sample))
    return high > 0 and len(_ACCENT.findall(sample)) >= 0.9 * high and high <= 0.2 * len(sample)


def _refuse_damaged_utf8(data: bytes, name: str, position: int) -> None:
    """GB18030 would read UTF-8 with one bad byte as nonsense without a complaint."""
    replaced = data.decode("utf-8", "replace")
    bad = replaced.count("\ufffd")
    other = sum(c > "\x7f" for c in replaced[:_SAMPLE_CHARS]) - bad
    if other > 20 * bad:
        line = data.count(b"\n", 0, position) + 1
        raise KnowledgeError(f"{name} 第 {line} 行有损坏的 UTF-8 字节；请用编辑器改好后另存为 UTF-8")


def _not_text(name: str) -> str:
    return f"{name} 不是文本文件（或编码无法识别）；请另存为 UTF-8 文本后再试"
