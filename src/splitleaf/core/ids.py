"""Identifiers. All are opaque: they reveal nothing about a version or a client."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

_PREDICTION_ID = re.compile(r"[a-z2-7]{26}")


def new_prediction_id() -> str:
    """Return a new id: 128 random bits as 26 characters of lower-case base32."""
    return _base32(secrets.token_bytes(16))


def idempotent_prediction_id(scope: str, key: str) -> str:
    """Return the id that every request with this `Idempotency-Key` in this scope shares.

    Deriving the id makes the queue's set-if-absent submit deduplicate on its own. The form is
    that of a random id, so that a reader cannot tell one from the other.
    """
    digest = hashlib.blake2b(f"{len(scope)}:{scope}:{key}".encode(), digest_size=16, person=b"splitleaf-idem")
    return _base32(digest.digest())


def shadow_prediction_id(primary_id: str, version: str) -> str:
    """Return the id under which this version scores that prediction's image unseen: one a version.

    It begins with a digit that no prediction's id has, so that nothing which takes such an id finds it.
    """
    digest = hashlib.blake2b(f"{primary_id}:{version}".encode(), digest_size=16, person=b"splitleaf-shadow")
    return f"0{_base32(digest.digest())[:25]}"


def is_prediction_id(text: str) -> bool:
    """Tell whether the text has the form of a prediction id."""
    return _PREDICTION_ID.fullmatch(text) is not None


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode("ascii").rstrip("=").lower()
