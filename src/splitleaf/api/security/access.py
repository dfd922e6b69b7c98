"""Authentication and authorization: bearer keys, and sessions of the dashboard."""

from __future__ import annotations

from starlette.requests import Request

from splitleaf.api.security.key_ring import Identity, KeyRing
from splitleaf.api.security.sessions import SESSION_COOKIE, Session, SessionSigner, require_same_site
from splitleaf.core.access import Scope, key_digest
from splitleaf.core.errors import Forbidden, Unauthorized


class Access:
    """Identifies clients by key or by session."""

    def __init__(self, keys: KeyRing, sessions: SessionSigner) -> None:
        self.keys = keys
        self.sessions = sessions

    async def of_key(self, key: str) -> Identity:
        """Return the identity of a key. Raises `Unauthorized`."""
        who = await self.keys.find(key_digest(key.strip())) if key.strip() else None
        if who is None:
            raise Unauthorized
        return who

    async def identify(self, request: Request) -> Identity:
        """Return who sent a request. If a key is present, the session is ignored.

        Raises `Unauthorized`, and `Forbidden` (`cross_site`) for a change that another site may have caused.
        """
        if "authorization" in request.headers:
            kind, _, key = request.headers["authorization"].partition(" ")
            return await self.of_key(key if kind.lower() == "bearer" else "")
        session = self.session(request)
        who = await self.keys.find_of_session(session) if session else None
        if who is None:
            raise Unauthorized
        require_same_site(request)
        return who

    def session(self, request: Request) -> Session | None:
        """Return the session from a cookie, unless it is forged or expired. It may have been ended."""
        return self.sessions.read(request.cookies.get(SESSION_COOKIE, ""))


class Required:
    """A FastAPI dependency that requires a scope and returns the actor's name for the audit log."""

    def __init__(self, scope: Scope, access: Access) -> None:
        self.scope = scope
        self._access = access

    async def __call__(self, request: Request) -> str:
        """Raise `Unauthorized` or `Forbidden`."""
        who = await self._access.identify(request)
        if not who.scope.allows(self.scope):
            raise Forbidden
        return who.actor


def require(scope: Scope, access: Access) -> Required:
    """Return a dependency for routes that require this scope."""
    return Required(scope, access)
