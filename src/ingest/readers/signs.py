"""Characters that mean something by how they are set: exponents, ticked boxes."""

import re

_RAISED = str.maketrans("0123456789+-−–=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁼⁽⁾ⁿ")
_EXPONENT = re.compile(r"[0-9+\-−–=()n]{1,12}")
# Codes of the Wingdings fonts, as w:sym gives them and as PDF files do (in the private area).
_BOXES = {
    0x52: "☑", 0x53: "☒", 0x54: "☒", 0xFE: "☑", 0xFD: "☒", 0xFB: "✗", 0xFC: "✓", 0x50: "✓", 0x51: "✗",
    0xA3: "☐", 0xA8: "☐", 0x6F: "☐", 0x30: "☐", 0x2A: "☐", 0x6C: "●", 0x6E: "■", 0xB7: "•", 0xD8: "➢", 0xE0: "→",
}  # fmt: skip
# Only what a PDF font cannot mean otherwise.
_PRIVATE = {
    0xF000 + code: _BOXES[code] for code in (0x52, 0xFE, 0xFD, 0xFC, 0xA3, 0xA8, 0x6F, 0x6C, 0x6E, 0xB7, 0xD8)
}


def raised(text: str) -> str:
    """An exponent as one: 10⁻⁹, m²; other raised text (TM, a note's mark) as it is."""
    bare = text.strip()
    return bare.translate(_RAISED) if _EXPONENT.fullmatch(bare) else text


def symbol(font: str, code: str) -> str:
    """What a ``w:sym`` shows: a box, ticked or not; empty where it says nothing."""
    try:
        number = int(code, 16) & 0xFFF
    except ValueError:
        return ""
    if "wingdings" in font.lower():
        return _BOXES.get(number & 0xFF, "")
    return chr(int(code, 16)) if int(code, 16) < 0xD800 else ""


def with_boxes(text: str) -> str:
    """The boxes of a PDF's Wingdings as characters."""
    return text.translate(_PRIVATE)
