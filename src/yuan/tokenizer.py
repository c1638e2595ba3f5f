"""Yuan2's tokenizer on transformers 5, and text that stays text."""

import functools
import importlib
import re
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from src.errors import ModelError

EOD, TURN, SEP, PAD = "<eod>", "<n>", "<sep>", "<pad>"
COURSE_TOKENS = [
    *("<sep>", "<pad>", "<mask>", "<predict>", "<FIM_SUFFIX>", "<FIM_PREFIX>", "<FIM_MIDDLE>"),
    *("<commit_before>", "<commit_msg>", "<commit_after>"),
    *("<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>", "<empty_output>"),
]
# The vocabulary has no newline piece, so a newline is always its byte and never merges with what follows.
_NEWLINE = "<0x0A>"
_MARKER = re.compile(r"<\|?[A-Za-z_]+\|?>|</s>")
# SentencePiece writes spaces with this character; typed by a user it must not come back as a space.
_SPACE = "\u2581"


def load_tokenizer(path: str | Path) -> Any:
    """The tokenizer in ``path`` with the course's arguments and its fifteen added tokens.

    Raises:
        ModelError: a package or file is missing, or it is another model's tokenizer.
    """
    for module, package in (("sentencepiece", "sentencepiece"), ("google.protobuf", "protobuf")):
        try:
            importlib.import_module(module)
        except ImportError:
            raise ModelError(
                f"Yuan2's tokenizer needs the package {package}, which is not installed; pip install {package}"
            ) from None
    if not (Path(path) / "tokenizer.model").is_file():
        raise ModelError(f"no tokenizer.model in {path}; download the checkpoint's tokenizer files again")
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(path), add_bos_token=False, add_eos_token=False, eos_token=EOD, trust_remote_code=False
        )
    except Exception as error:
        raise ModelError(f"cannot read the tokenizer in {path}: {error}; download its files again") from error
    missing = [piece for piece in (EOD, TURN, SEP, PAD, _NEWLINE) if piece not in tokenizer.get_vocab()]
    if missing:
        raise ModelError(f"the tokenizer in {path} has no {' '.join(missing)}: this is not Yuan2's tokenizer")
    tokenizer.add_tokens(COURSE_TOKENS, special_tokens=True)
    tokenizer.pad_token = EOD
    return tokenizer


class PlainEncoder:
    """Text -> ids, never a marker: ``<sep>`` typed by a user is a few ordinary pieces.

    Encodes with SentencePiece itself, as in training; transformers' conversion joins runs of spaces differently.
    """

    def __init__(self, tokenizer: Any) -> None:
        sentencepiece = importlib.import_module("sentencepiece")
        self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer.vocab_file))
        vocabulary = tokenizer.get_vocab()
        markers = {i for piece, i in vocabulary.items() if _MARKER.fullmatch(piece)}
        self._markers = markers | set(tokenizer.added_tokens_decoder)
        self._bytes = [vocabulary[f"<0x{byte:02X}>"] for byte in range(256)]

    def __call__(self, text: str, *, continued: bool = False) -> list[int]:
        """Ids of ``text``; ``continued`` when it stands behind other tokens, where SentencePiece puts no space."""
        if not text:
            return []
        # A lone surrogate has no UTF-8.
        first, *others = text.encode("utf-8", "replace").decode("utf-8").split(_SPACE)
        ids = self._encode(first, continued)
        for other in others:
            ids += [self._bytes[byte] for byte in _SPACE.encode()] + self._encode(other, continued=True)
        return ids

    def _encode(self, text: str, continued: bool) -> list[int]:
        if not text and continued:
            return []
        # Behind a newline there is no space in front; take the newline and its space away again.
        ids: list[int] = self._pieces.encode("\n" + text)[2:] if continued else self._pieces.encode(text)
        if self._markers.isdisjoint(ids):
            return ids
        return [plain for i in ids for plain in (self._spelt(i) if i in self._markers else [i])]

    def _spelt(self, marker: int) -> list[int]:
        """The marker's characters, as their UTF-8 bytes."""
        return [self._bytes[byte] for byte in self._pieces.id_to_piece(marker).encode()]


@functools.lru_cache(maxsize=4)
def _encoder(tokenizer: Any) -> PlainEncoder:
    return PlainEncoder(tokenizer)


def encode_plain(tokenizer: Any, text: str) -> list[int]:
    """``text`` as the beginning of a prompt, with no special token in it; see ``PlainEncoder``."""
    return _encoder(tokenizer)(text)
