"""Unit -> slot. The same everywhere and forever: docs/reference/assignment.md has the algorithm and golden vectors.

blake2b (RFC 7693) because weaker hashes (FNV, CRC) make experiments with related salts depend on each other.
"""

from __future__ import annotations

import hashlib
from typing import Final

SLOTS: Final = 10_000


def hash_unit(raw_unit: str, pepper: bytes) -> str:
    """Return a unit's pseudonym, 128 bits in hex. The raw unit is never kept and, for the pepper, not to be guessed."""
    return hashlib.blake2b(raw_unit.encode("utf-8", "surrogateescape"), key=pepper, digest_size=16).hexdigest()


def slot_of(salt: str, unit_hash: str) -> int:
    """Return the unit's slot in [0, 10,000) under this salt.

    The first 8 bytes of blake2b(salt NUL unit), big-endian, modulo 10,000; the bias of the modulo is 5e-16.
    """
    digest = hashlib.blake2b(f"{salt}\0{unit_hash}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % SLOTS
