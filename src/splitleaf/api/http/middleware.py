"""Middleware for every request: request id, security headers, one canonical log line, metrics and a span."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from splitleaf.api.http.body_budget import BodyBudget, BudgetedBody
from splitleaf.api.http.headers import header
from splitleaf.api.http.problems import PROBLEM_CODE, problem_response
from splitleaf.core.tracing import NO_TRACER, Span, Tracer
from splitleaf.web.pages import SECURITY_HEADERS

log = structlog.get_logger(__name__)

MAX_HEADER_BYTES = 32_768
HEADERS_TOO_LARGE: Final = (431, "headers_too_large", "the request's headers are too large")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
NO_PATHS: Final[Mapping[Callable[..., Any], str]] = MappingProxyType({})
_VALID_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """An answered request, without anything that its client can choose freely."""

    method: str
    route: str
    """The template of the route, such as `/v1/predictions/{id}`; `other` if no route matches."""
    status: int
    duration_s: float
    problem: str
    """Code of the problem document; empty if none was sent."""


class RequestMiddleware:
    """Plain ASGI: a middleware based on Starlette's class costs more than the rest of the hot path."""

    def __init__(
        self,
        app: ASGIApp,
        paths: Mapping[Callable[..., Any], str] = NO_PATHS,
        on_answer: Callable[[RequestFacts], None] | None = None,
        tracer: Tracer = NO_TRACER,
        body_budget: BodyBudget | None = None,
    ) -> None:
        """Call `on_answer` for each answered request. `paths` maps endpoints to the templates of their routes."""
        self._app = app
        self._body_budget = body_budget or BodyBudget()
        self._tracer = tracer
        self._is_observed = on_answer is not None or tracer is not NO_TRACER
        self._paths = paths
        self._on_answer = on_answer
        self._headers = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["request_id"] = request_id
        app = self._app if _header_bytes(scope) <= MAX_HEADER_BYTES else _refuse_headers
        body = BudgetedBody(self._body_budget, scope, receive) if scope["method"] not in _WITHOUT_BODY else None
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.get("headers", ())
                message["headers"] = self._complete(
                    _without_host(headers) if 300 <= status < 400 else headers, request_id
                )
            await send(message)

        with self._tracer.span("request", parent=header(scope, b"traceparent") or "") as span:
            try:
                await app(scope, body.receive if body else receive, send_with_headers)
            finally:
                if body:
                    body.release()
                duration_s = time.perf_counter() - started
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    duration_ms=round(duration_s * 1000, 2),
                    request_id=request_id,
                )
                if self._is_observed and status:
                    self._report(self._facts(scope, status, duration_s), span, request_id)

    def _report(self, facts: RequestFacts, span: Span, request_id: str) -> None:
        span.name(f"{facts.method} {facts.route}")
        span.describe(
            http__request__method=facts.method,
            http__route=facts.route,
            http__response__status_code=facts.status,
            splitleaf__request_id=request_id,
        )
        if facts.problem:
            span.describe(error__type=facts.problem)
        if self._on_answer:
            self._on_answer(facts)

    def _facts(self, scope: Scope, status: int, duration_s: float) -> RequestFacts:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        # Starlette sets the endpoint, FastAPI the route. Clients cannot choose a template.
        route = self._paths.get(scope.get("endpoint", _no_endpoint)) or getattr(scope.get("route"), "path", "other")
        return RequestFacts(method, str(route), status, duration_s, scope.get(PROBLEM_CODE, ""))

    def _complete(self, headers: Any, request_id: str) -> list[tuple[bytes, bytes]]:
        present = [*headers]
        names = {name.lower() for name, _ in present}
        present += [(name, value) for name, value in self._headers if name not in names]
        present.append((b"x-request-id", request_id.encode()))
        return present


def _no_endpoint() -> None:
    """Placeholder for the endpoint of a path that no route matches."""


def _without_host(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Make redirects relative: the `Host` header can be forged, and a proxy may drop the port from it."""
    return [(name, _path_of(value) if name.lower() == b"location" else value) for name, value in headers]


def _path_of(address: bytes) -> bytes:
    parts = urlsplit(address)
    # Two slashes at the start would name a host again.
    return b"/" + parts.path.lstrip(b"/\\") + (b"?" + parts.query if parts.query else b"")


def _header_bytes(scope: Scope) -> int:
    return sum(len(name) + len(value) for name, value in scope["headers"])


async def _refuse_headers(scope: Scope, receive: Receive, send: Send) -> None:
    scope[PROBLEM_CODE] = HEADERS_TOO_LARGE[1]
    response = problem_response(*HEADERS_TOO_LARGE)
    await response(scope, receive, send)


def _request_id(scope: Scope) -> str:
    given = header(scope, b"x-request-id")
    return given if given and _VALID_ID.fullmatch(given) else secrets.token_hex(8)
