"""Who calls the admin API: a bearer key, or the dashboard's session that one has opened."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from starlette.requests import Request

from splitleaf.api.sessions import SESSION_COOKIE, Session, SessionSigner, require_same_site
from splitleaf.core.access import Scope, key_digest
from splitleaf.core.errors import Forbidden, Unauthorized

__all__ = ["Access", "Identity", "KeyRing", "Scope", "require"]

ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Identity:
    """A key that is in force. Nothing in it opens anything."""

    digest: str
    scope: Scope

    @property
    def key_id(self) -> str:
        """Return the beginning of the digest: enough to tell keys apart, in logs as well."""
        return self.digest[:ID_LENGTH]

    @property
    def actor(self) -> str:
        """Return how the audit log names it."""
        return f"key:{self.digest[:8]}"


class KeyRing:
    """The keys in force."""

    def __init__(self, read_keys: Iterable[str] = (), write_keys: Iterable[str] = ()) -> None:
        """Take the SHA-256 (hex) of keys from the settings. Those that may write may manage keys: they come first."""
        given = [Identity(digest.lower(), Scope.READ) for digest in read_keys]
        given += [Identity(digest.lower(), Scope.ADMIN) for digest in write_keys]
        self._settled = tuple(given)

    async def find(self, digest: str) -> Identity | None:
        """Return whom the SHA-256 of a key belongs to; the strongest where it is named twice."""
        return _strongest(one for one in self._settled if hmac.compare_digest(one.digest, digest))

    async def find_by_id(self, key_id: str) -> Identity | None:
        """Return the key that a session was opened with, while it is in force."""
        return _strongest(one for one in self._settled if hmac.compare_digest(one.key_id, key_id))


class Access:
    """Keys and sessions together."""

    def __init__(self, keys: KeyRing, sessions: SessionSigner) -> None:
        self._keys = keys
        self.sessions = sessions

    async def of_key(self, key: str) -> Identity:
        """Return whose key it is. Raises `Unauthorized`."""
        who = await self._keys.find(key_digest(key.strip())) if key.strip() else None
        if who is None:
            raise Unauthorized
        return who

    async def identify(self, request: Request) -> Identity:
        """Return who asks. A key that is sent counts alone; a session only for what its own pages ask.

        Raises `Unauthorized`, and `Forbidden` (`cross_site`) for a change that another site may have sent.
        """
        if "authorization" in request.headers:
            kind, _, key = request.headers["authorization"].partition(" ")
            return await self.of_key(key if kind.lower() == "bearer" else "")
        session = self.session(request)
        who = await self._keys.find_by_id(session.key_id) if session else None
        if who is None:
            raise Unauthorized
        require_same_site(request)
        return who

    def session(self, request: Request) -> Session | None:
        """Return the session of a request's cookie, unless it is forged or over. Its key may be revoked."""
        return self.sessions.read(request.cookies.get(SESSION_COOKIE, ""))


def require(scope: Scope, access: Access) -> Callable[[Request], Awaitable[str]]:
    """Return a dependency that lets those pass who have this scope, and returns the actor's name."""

    async def check(request: Request) -> str:
        who = await access.identify(request)
        if not who.scope.allows(scope):
            raise Forbidden
        return who.actor

    return check


def _strongest(found: Iterable[Identity]) -> Identity | None:
    return max(found, key=lambda one: tuple(Scope).index(one.scope), default=None)
