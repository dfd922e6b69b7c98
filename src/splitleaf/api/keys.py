"""Keys of the admin API: bearer tokens, known by their SHA-256 alone."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum

from starlette.requests import Request

from splitleaf.api.services import ApiSecrets
from splitleaf.core.errors import Forbidden, Unauthorized


class Scope(StrEnum):
    READ = "read"
    WRITE = "write"


def require(scope: Scope, known: ApiSecrets) -> Callable[[Request], Awaitable[str]]:
    """Return a dependency that lets a key of this scope pass and returns its actor name."""

    async def check(request: Request) -> str:
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not key.strip():
            raise Unauthorized
        digest = hashlib.sha256(key.strip().encode("utf-8", "surrogateescape")).hexdigest()
        if _is_among(digest, known.write_keys):
            return f"key:{digest[:8]}"
        if not _is_among(digest, known.read_keys):
            raise Unauthorized
        if scope is Scope.WRITE:
            raise Forbidden
        return f"key:{digest[:8]}"

    return check


def _is_among(digest: str, known: Iterable[str]) -> bool:
    """Compare with all of them, each in constant time."""
    return any([hmac.compare_digest(digest, one.lower()) for one in known])  # noqa: C419 - no early exit
