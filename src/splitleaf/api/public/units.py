"""Identify the unit of a request: named by the client, or by a signed cookie. Only keyed hashes leave this module."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from starlette.requests import Request

from splitleaf.api.http.addresses import client_network
from splitleaf.api.http.headers import header
from splitleaf.api.services import ApiSecrets
from splitleaf.core.errors import RejectedInput
from splitleaf.experiments.bucketing import hash_unit

HEADER = b"splitleaf-unit"
COOKIE = "splitleaf_unit"
YEAR_S = 31_536_000
_NAMED = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Unit:
    """A pseudonymous unit, and the cookie to set if the client had none."""

    unit_hash: str
    set_cookie: str = ""


def identify_unit(request: Request, unit_secrets: ApiSecrets, idempotency_key: str = "", body: bytes = b"") -> Unit:
    """Return the unit of a request. Raises `RejectedInput` (`invalid_unit`) for an invalid header.

    A client that lost the first response has no cookie when it retries. If the same request arrives again (the same
    `idempotency_key`, `body`, network and client program), it gets the same unit. All four are needed: many people
    share one address, and many clients send keys such as `1`.
    """
    named = header(request.scope, HEADER)
    if named is not None:
        if not _NAMED.fullmatch(named):
            raise RejectedInput("Splitleaf-Unit must be 1 to 200 printable ASCII characters", code="invalid_unit")
        return Unit(hash_unit(f"named:{named}", unit_secrets.unit_pepper))
    token, _, signature = request.cookies.get(COOKIE, "").partition(".")
    if token and hmac.compare_digest(signature, _sign(token, unit_secrets.signing_key)):
        return Unit(hash_unit(f"cookie:{token}", unit_secrets.unit_pepper))
    token = secrets.token_urlsafe(16)
    if idempotency_key:
        token = _repeatable_token(request, idempotency_key, body, unit_secrets)
    secure = "; Secure" if request.url.scheme == "https" else ""
    cookie = f"{COOKIE}={token}.{_sign(token, unit_secrets.signing_key)}"
    cookie += f"; Max-Age={YEAR_S}; Path=/; HttpOnly; SameSite=Lax{secure}"
    return Unit(hash_unit(f"cookie:{token}", unit_secrets.unit_pepper), cookie)


def _repeatable_token(request: Request, idempotency_key: str, body: bytes, unit_secrets: ApiSecrets) -> str:
    program = "\0".join(request.headers.get(name, "") for name in ("user-agent", "accept-language"))
    image = hashlib.blake2b(body, digest_size=32).hexdigest()
    message = f"{client_network(request)}\0{idempotency_key}\0{image}\0{program}".encode()
    digest = hashlib.blake2b(message, key=unit_secrets.signing_key, digest_size=16, person=b"splitleaf-first").digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def derive_secrets(secret: bytes) -> ApiSecrets:
    """Derive independent keys from the secret of the installation."""
    return ApiSecrets(
        signing_key=hashlib.blake2b(secret, person=b"splitleaf-cookie").digest(),
        unit_pepper=hashlib.blake2b(secret, person=b"splitleaf-unit", digest_size=32).digest(),
        session_key=hashlib.blake2b(secret, person=b"splitleaf-login").digest(),
    )


def _sign(token: str, key: bytes) -> str:
    digest = hashlib.blake2b(token.encode("utf-8", "surrogateescape"), key=key, digest_size=16).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
