"""Who may do what: the scopes of keys, and how a key is known without being kept."""

from __future__ import annotations

import hashlib
from enum import StrEnum


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


def key_digest(key: str) -> str:
    """Return the SHA-256 (hex) by which a key is known. Keys are random: it needs no salt and no slow hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
