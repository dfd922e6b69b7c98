"""Who calls the admin API: a bearer key, or the dashboard's session that one has opened."""

from __future__ import annotations

from starlette.requests import Request

from splitleaf.api.security.key_ring import Identity, KeyRing
from splitleaf.api.security.sessions import SESSION_COOKIE, Session, SessionSigner, require_same_site
from splitleaf.core.access import Scope, key_digest
from splitleaf.core.errors import Forbidden, Unauthorized


class Access:
    """Keys and sessions together."""

    def __init__(self, keys: KeyRing, sessions: SessionSigner) -> None:
        self.keys = keys
        self.sessions = sessions

    async def of_key(self, key: str) -> Identity:
        """Return whose key it is. Raises `Unauthorized`."""
        who = await self.keys.find(key_digest(key.strip())) if key.strip() else None
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
        who = await self.keys.find_of_session(session) if session else None
        if who is None:
            raise Unauthorized
        require_same_site(request)
        return who

    def session(self, request: Request) -> Session | None:
        """Return the session of a request's cookie, unless it is forged or out of time. It may have been ended."""
        return self.sessions.read(request.cookies.get(SESSION_COOKIE, ""))


class Required:
    """Lets those pass who have a scope, and returns the name by which the audit log knows them."""

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
    """Return a dependency for routes that want this scope."""
    return Required(scope, access)
