"""Scopes of keys, the format of a key, and the digest that is stored in its place."""

from __future__ import annotations

import hashlib
import secrets
import zlib
from enum import StrEnum
from typing import Final

KEY_PREFIX: Final = "splitleaf_"
_RANDOM_LENGTH: Final = 43
"""62^43 is a little more than 2^256."""
_CHECK_LENGTH: Final = 6
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH: Final = 16


class Scope(StrEnum):
    """What a key may do. Each scope holds those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    """May manage keys, too."""

    def allows(self, asked: Scope) -> bool:
        """Tell whether a key of this scope may do what asks for another."""
        order = tuple(Scope)
        return order.index(self) >= order.index(asked)


def new_key() -> str:
    """Return a new key: a prefix, 256 random bits, and their checksum (CRC-32), which secret scanners can verify."""
    body = _in_base_62(secrets.randbits(256), _RANDOM_LENGTH)
    return f"{KEY_PREFIX}{body}{_checksum(body)}"


def key_digest(key: str) -> str:
    """Return the SHA-256 (hex) by which a key is known. Keys are random: it needs no salt and no slow hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def key_id_of(digest: str) -> str:
    """Return the beginning of a key's digest: enough to tell keys apart, and it opens nothing."""
    return digest[:_ID_LENGTH]


def _checksum(body: str) -> str:
    return _in_base_62(zlib.crc32(body.encode("ascii")), _CHECK_LENGTH)


def _in_base_62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return digits
