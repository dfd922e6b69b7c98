"""Sessions of the dashboard: signed cookies that every API replica can verify without shared state."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from splitleaf.core.clock import MOST_SKEW_MS, Clock
from splitleaf.core.errors import Forbidden

SESSION_COOKIE: Final = "splitleaf_session"
SESSION_HEADER: Final = "splitleaf-session"
"""Sent by the dashboard's own requests. A page of another site cannot add it without a CORS preflight, and this server
grants none."""
COOKIE_PATH: Final = "/admin"
_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
_TOKEN: Final = re.compile(r"1\.([0-9a-f]{16})\.([0-9]{1,15})\.([A-Za-z0-9_-]{16})")


@dataclass(frozen=True, slots=True)
class Session:
    """A login. It has the current scope of its key."""

    session_id: str
    key_id: str
    expires_ms: int


class SessionSigner:
    """Signs and verifies session cookies."""

    def __init__(self, signing_key: bytes, ttl_s: int, clock: Clock) -> None:
        self._signing_key = signing_key
        self._ttl_s = ttl_s
        self._clock = clock

    def open(self, key_id: str, key_expires_ms: int | None = None) -> Session:
        """Return a new session of a key. It ends after the time to live or when the key expires."""
        expires_ms = self._clock.now_ms() + self._ttl_s * 1000
        if key_expires_ms is not None:
            expires_ms = min(expires_ms, key_expires_ms)
        return Session(secrets.token_urlsafe(12), key_id, expires_ms)

    def cookie(self, session: Session, *, is_secure: bool) -> str:
        """Return the `Set-Cookie` header of a session. `is_secure`: the request used HTTPS."""
        value = f"1.{session.key_id}.{session.expires_ms}.{session.session_id}"
        age_s = max(0, session.expires_ms - self._clock.now_ms()) // 1000
        return _set_cookie(f"{value}.{self._sign(value)}", age_s, is_secure=is_secure)

    def read(self, token: str) -> Session | None:
        """Return the session from a cookie's value; None if it is forged or expired."""
        value, _, signature = token.rpartition(".")
        genuine = hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), self._sign(value).encode())
        match = _TOKEN.fullmatch(value)
        if not genuine or match is None:
            return None
        session = Session(match[3], match[1], int(match[2]))
        # A session that outlasts a new one was opened before the clock was set back.
        left_ms = session.expires_ms - self._clock.now_ms()
        return session if 0 < left_ms <= self._ttl_s * 1000 + MOST_SKEW_MS else None

    def _sign(self, value: str) -> str:
        digest = hashlib.blake2b(value.encode("utf-8", "surrogateescape"), key=self._signing_key, digest_size=32)
        return base64.urlsafe_b64encode(digest.digest()).decode("ascii").rstrip("=")


def end_cookie(*, is_secure: bool) -> str:
    """Return the `Set-Cookie` header that deletes the session cookie."""
    return _set_cookie("", 0, is_secure=is_secure)


def require_same_site(request: Request) -> None:
    """Refuse a change that a page of another site may have caused (CSRF).

    `SameSite=Strict` already keeps the cookie out of such requests. This check is a second defence, for example against
    sibling domains. Raises `Forbidden` (`cross_site`).
    """
    if request.method in _SAFE_METHODS:
        return
    fetched_from = request.headers.get("sec-fetch-site", "same-origin")
    if SESSION_HEADER not in request.headers or fetched_from != "same-origin":
        raise Forbidden(code="cross_site")


def _set_cookie(value: str, age_s: int, *, is_secure: bool) -> str:
    attributes = f"Max-Age={age_s}; Path={COOKIE_PATH}; HttpOnly; SameSite=Strict{'; Secure' if is_secure else ''}"
    return f"{SESSION_COOKIE}={value}; {attributes}"
