"""Admin routes for sessions. The dashboard exchanges a key for a cookie that scripts cannot read."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field

from splitleaf.api.http.addresses import client_network
from splitleaf.api.schemas import Schema
from splitleaf.api.security.access import Access
from splitleaf.api.security.key_ring import Identity
from splitleaf.api.security.sessions import Session, end_cookie, require_same_site
from splitleaf.api.services import ApiServices
from splitleaf.core.access import Scope
from splitleaf.core.clock import as_rfc3339
from splitleaf.jobs.rates import Rate

LOGINS = Rate("logins", 10, 60)
"""Login attempts per address. Generated keys cannot be guessed; this protects keys that a person chose."""


class Login(Schema):
    model_config = ConfigDict(extra="forbid")

    key: str = Field("", max_length=500, description="A key of the admin API.", examples=["splitleaf_…"])


class SessionSchema(Schema):
    actor: str = Field(description="The name in the audit log.", examples=["key:1f3a9c02"])
    scope: Scope
    expires_at: str | None = Field(
        description="When the session ends; null if the request has a key instead.",
        examples=["2026-05-04T17:30:00.000Z"],
    )


def add_session(router: APIRouter, services: ApiServices) -> None:
    """Add the routes of `/session`."""
    access = services.access

    @router.post("/session", summary="Log in: exchange a key for a session cookie")
    async def log_in(body: Login, request: Request, response: Response) -> SessionSchema:
        require_same_site(request)
        await services.client_limits.charge(LOGINS, f"address:{client_network(request)}")
        who = await access.of_key(body.key)
        session = access.sessions.open(who.key_id, who.expires_ms)
        _send_cookie(response, access.sessions.cookie(session, is_secure=_is_secure(request)))
        return _session_of(who, session)

    @router.get("/session", summary="Show the current actor, scope and end of the session")
    async def show(request: Request, response: Response) -> SessionSchema:
        response.headers["Cache-Control"] = "no-store"
        return _session_of(await access.identify(request), _session_in_use(access, request))

    @router.delete("/session", status_code=204, summary="Log out")
    async def log_out(request: Request, response: Response) -> None:
        await access.identify(request)
        if session := access.session(request):
            store, now_ms = services.store, services.clock.now_ms()
            await asyncio.to_thread(store.end_session, session.session_id, session.expires_ms, now_ms)
            access.keys.forget()
        _send_cookie(response, end_cookie(is_secure=_is_secure(request)))


def _session_in_use(access: Access, request: Request) -> Session | None:
    return None if "authorization" in request.headers else access.session(request)


def _session_of(who: Identity, session: Session | None) -> SessionSchema:
    expires_at = as_rfc3339(session.expires_ms) if session else None
    return SessionSchema(actor=who.actor, scope=who.scope, expires_at=expires_at)


def _send_cookie(response: Response, cookie: str) -> None:
    response.headers["Set-Cookie"] = cookie
    response.headers["Cache-Control"] = "no-store"


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"
