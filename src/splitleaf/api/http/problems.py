"""Errors as RFC 9457 problem details. This is the only place that maps errors to HTTP statuses."""

from __future__ import annotations

import json
import math
import random
import re
from http import HTTPStatus
from typing import Any, Final

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from splitleaf.api.http.rate_limits import TooManyRequests, limit_headers
from splitleaf.core import errors

log = structlog.get_logger(__name__)

STATUS: Final[dict[type[errors.SplitleafError], int]] = {
    errors.SplitleafError: 500,
    errors.RejectedInput: 400,
    errors.RejectedImage: 422,
    errors.Unprocessable: 422,
    errors.UnsupportedMedia: 415,
    errors.PayloadTooLarge: 413,
    errors.MalformedRequest: 400,
    errors.RequestTimedOut: 408,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.RateLimited: 429,
    errors.Overloaded: 503,
    errors.DependencyDown: 503,
    errors.NoModelReady: 503,
    errors.EngineFailed: 500,
    errors.InvalidArtifact: 409,
    errors.ImportRefused: 422,
    errors.ConfigurationError: 500,
}

PROBLEM_CODE: Final = "splitleaf.problem_code"
"""Key in the ASGI scope that holds the code of the problem that was sent, for logs and metrics."""

# Codes for requests that the framework itself refuses.
_FRAMEWORK_CODES: Final = {404: "not_found", 405: "method_not_allowed"}

# Python before 3.13 has the names from RFC 7231 and earlier.
_RENAMED: Final = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}

# Only these errors send their own detail to clients; the detail of others may name internals.
_WITH_PUBLIC_DETAIL: Final = (
    errors.RejectedInput,
    errors.NotFound,
    errors.Conflict,
    errors.Overloaded,
    errors.InvalidArtifact,
)


def status_of(kind: type[errors.SplitleafError]) -> int:
    """Return the HTTP status of an error class: its own, or that of the nearest parent."""
    return next(STATUS[above] for above in kind.__mro__ if above in STATUS)


def title_of(status: int) -> str:
    """Return the reason phrase of a status from RFC 9110, on every Python version."""
    return _RENAMED.get(status) or HTTPStatus(status).phrase


def problem_response(
    status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **members: Any
) -> Response:
    """Return a problem document. `members` are extensions (RFC 9457, section 3.2)."""
    body = {
        "type": f"/problems/{code}",
        "title": title_of(status),
        "status": status,
        "code": code,
        "detail": _as_sentence(detail),
        **members,
    }
    return Response(
        json.dumps(body, separators=(",", ":"), ensure_ascii=False),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        "application/problem+json",
    )


def _as_sentence(detail: str) -> str:
    """Capitalize the first word, unless it is a name such as `v2` or repository.toml, and end with a full stop."""
    if re.match(r"[a-z]+[ ,]", detail):
        detail = detail[0].upper() + detail[1:]
    return detail if detail.endswith((".", "?", "!", ":")) else f"{detail}."


def respond_to_error(request: Request, error: Exception) -> Response:
    """Turn an error of this package into a problem document."""
    if not isinstance(error, errors.SplitleafError):
        return respond_to_crash(request, error)
    request.scope[PROBLEM_CODE] = error.error_code
    status = status_of(type(error))
    if status >= 500 and not isinstance(error, errors.Overloaded):
        log.warning("request_failed", code=error.error_code, detail=error.detail)
    detail = error.detail if isinstance(error, _WITH_PUBLIC_DETAIL) else _default_detail(type(error))
    return problem_response(status, error.error_code, detail, headers=_headers(error))


def respond_to_refusal(request: Request, error: Exception) -> Response:
    """Turn a refusal by the framework (unknown path, wrong method) into a problem document."""
    if not isinstance(error, HTTPException):
        return respond_to_crash(request, error)
    code = _FRAMEWORK_CODES.get(error.status_code, "invalid_request")
    request.scope[PROBLEM_CODE] = code
    headers = dict(error.headers) if error.headers else None
    return problem_response(error.status_code, code, _refusal_detail(error), headers=headers)


def _refusal_detail(error: HTTPException) -> str:
    if error.status_code == 404:
        return "no resource exists at this address"
    allowed = (error.headers or {}).get("Allow")
    return f"this address supports only {allowed}" if allowed else str(error.detail)


def respond_to_crash(request: Request, error: Exception) -> Response:
    """Log the error, and answer without details."""
    log.error("request_crashed", exc_info=error)
    request.scope[PROBLEM_CODE] = "internal_error"
    return problem_response(500, "internal_error", _default_detail(errors.SplitleafError))


def _headers(error: errors.SplitleafError) -> dict[str, str]:
    if isinstance(error, errors.Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    if error.retryable:
        headers = limit_headers(error.standing) if isinstance(error, TooManyRequests) else {}
        wait_s = error.retry_after_s if isinstance(error, (errors.Overloaded, errors.RateLimited)) else 1.0
        return {**headers, "Retry-After": retry_after(wait_s)}
    return {}


def retry_after(wait_s: float) -> str:
    """Return whole seconds, with jitter of up to a quarter plus 2 s, so that refused clients spread out."""
    least_s = max(1, math.ceil(wait_s))
    return str(math.floor(least_s * random.uniform(1, 1.25) + random.uniform(0, 2)))  # noqa: S311 - not for secrets


def _default_detail(kind: type[errors.SplitleafError]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]
