"""Traditional and simplified Chinese as one script, so that either finds the other."""

from functools import cache

import opencc

# Everything OpenCC's character tables speak about: CJK, compatibility and the supplementary planes.
_RANGES = ((0x3400, 0xA000), (0xF900, 0xFB00), (0x20000, 0x32000))


def simplified(text: str) -> str:
    """``text`` character by character in simplified script; its length stays.

    Phrases are not looked at (乾隆 becomes 干隆): this is for comparing texts, never for showing them.
    """
    return text.translate(simplified_table())


@cache
def simplified_table() -> dict[int, int]:
    """Code points of traditional characters to simplified ones; 40 ms, once."""
    characters = [chr(code) for start, end in _RANGES for code in range(start, end)]
    # A line each, so that OpenCC cannot convert by phrase.
    converted = opencc.OpenCC("t2s").convert("\n".join(characters)).split("\n")
    pairs = zip(characters, converted, strict=True)
    return {ord(before): ord(after) for before, after in pairs if before != after and len(after) == 1}
