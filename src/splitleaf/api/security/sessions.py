"""The dashboard's session: a signed cookie, so that any API replica can read it and none has to keep it."""

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
"""The dashboard's own requests carry it. Another site's page cannot add a header without asking first (CORS), and
nothing here ever says yes."""
COOKIE_PATH: Final = "/admin"
_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
_TOKEN: Final = re.compile(r"1\.([0-9a-f]{16})\.([0-9]{1,15})\.([A-Za-z0-9_-]{16})")


@dataclass(frozen=True, slots=True)
class Session:
    """A login. What it may do is what its key may do at the moment."""

    session_id: str
    key_id: str
    expires_ms: int


class SessionSigner:
    """Makes and reads the cookie's value."""

    def __init__(self, signing_key: bytes, ttl_s: int, clock: Clock) -> None:
        self._signing_key = signing_key
        self._ttl_s = ttl_s
        self._clock = clock

    def open(self, key_id: str, key_expires_ms: int | None = None) -> Session:
        """Return a new session of a key, which ends after the time to live or with the key."""
        expires_ms = self._clock.now_ms() + self._ttl_s * 1000
        if key_expires_ms is not None:
            expires_ms = min(expires_ms, key_expires_ms)
        return Session(secrets.token_urlsafe(12), key_id, expires_ms)

    def cookie(self, session: Session, *, is_secure: bool) -> str:
        """Return the `Set-Cookie` header that begins it. `is_secure`: the browser came by HTTPS."""
        value = f"1.{session.key_id}.{session.expires_ms}.{session.session_id}"
        age_s = max(0, session.expires_ms - self._clock.now_ms()) // 1000
        return _set_cookie(f"{value}.{self._sign(value)}", age_s, is_secure=is_secure)

    def read(self, token: str) -> Session | None:
        """Return the session of a cookie's value; None for one that is forged or over."""
        value, _, signature = token.rpartition(".")
        genuine = hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), self._sign(value).encode())
        match = _TOKEN.fullmatch(value)
        if not genuine or match is None:
            return None
        session = Session(match[3], match[1], int(match[2]))
        # One that would last longer than one of now was opened before the clock went back.
        left_ms = session.expires_ms - self._clock.now_ms()
        return session if 0 < left_ms <= self._ttl_s * 1000 + MOST_SKEW_MS else None

    def _sign(self, value: str) -> str:
        digest = hashlib.blake2b(value.encode("utf-8", "surrogateescape"), key=self._signing_key, digest_size=32)
        return base64.urlsafe_b64encode(digest.digest()).decode("ascii").rstrip("=")


def end_cookie(*, is_secure: bool) -> str:
    """Return the `Set-Cookie` header that makes a browser forget its session."""
    return _set_cookie("", 0, is_secure=is_secure)


def require_same_site(request: Request) -> None:
    """Refuse a change that a page of another site may have made the browser send (CSRF).

    `SameSite=Strict` keeps the cookie from such requests already; this holds where a browser or a sibling domain
    defeats that. Raises `Forbidden` (`cross_site`).
    """
    if request.method in _SAFE_METHODS:
        return
    fetched_from = request.headers.get("sec-fetch-site", "same-origin")
    if SESSION_HEADER not in request.headers or fetched_from != "same-origin":
        raise Forbidden(code="cross_site")


def _set_cookie(value: str, age_s: int, *, is_secure: bool) -> str:
    attributes = f"Max-Age={age_s}; Path={COOKIE_PATH}; HttpOnly; SameSite=Strict{'; Secure' if is_secure else ''}"
    return f"{SESSION_COOKIE}={value}; {attributes}"
