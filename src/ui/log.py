"""One line for each request, for the owner: how much and how long, never what."""

import hashlib
import logging
import secrets
from dataclasses import dataclass

log = logging.getLogger(__name__)

# Forgotten when the process ends, so that no line can be traced back to a visitor.
_SALT = secrets.token_bytes(16)


@dataclass
class Record:
    """Facts about one request. Only numbers and words of ours: nothing in it comes from a visitor.

    Attributes:
        outcome: done, stopped (by the visitor, or he left), busy, refused (the input cannot be used), or
            ``error:`` and the exception's class.
        wait_s: until its turn came.
        characters_in, characters_out: of the texts that came and of those that went (with their markup on the page).
        hits: passages found; None where none were looked for.
    """

    endpoint: str
    tag: str
    outcome: str = "done"
    duration_s: float = 0.0
    wait_s: float = 0.0
    characters_in: int = 0
    characters_out: int = 0
    hits: int | None = None

    def write(self) -> None:
        hits = "-" if self.hits is None else self.hits
        log.info(
            f"request endpoint={self.endpoint} session={self.tag} outcome={self.outcome} "
            f"duration_s={self.duration_s:.3f} wait_s={self.wait_s:.3f} "
            f"in={self.characters_in} out={self.characters_out} hits={hits}"
        )


def tag_of(visitor: str) -> str:
    """Eight hexadecimal digits, the same for one visitor until the process ends."""
    return hashlib.blake2b(visitor.encode(errors="replace"), key=_SALT, digest_size=4).hexdigest()


def characters(value: object) -> int:
    """How many characters the texts in ``value`` have, through lists and dictionaries."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(characters, value.values()))
    return sum(map(characters, value)) if isinstance(value, list | tuple) else 0
