"""Pieces of the line that the log has of each request: how much and how long, never what."""

import hashlib
import logging
import secrets

log = logging.getLogger(__name__)

# Forgotten when the process ends, so that no line can be traced back to a visitor.
_SALT = secrets.token_bytes(16)


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
