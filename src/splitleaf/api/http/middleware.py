"""What holds for every request: an id, security headers, one canonical log line."""

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

from splitleaf.api.http.body_budget import HeldBodies, HeldBody
from splitleaf.api.http.headers import header
from splitleaf.api.http.problems import PROBLEM_CODE, problem_response
from splitleaf.core.tracing import NO_TRACER, Span, Tracer
from splitleaf.web.pages import SECURITY_HEADERS

log = structlog.get_logger(__name__)

MAX_HEADER_BYTES = 32_768
HEADERS_TOO_LARGE: Final = (431, "headers_too_large", "the request's headers are too large")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
NO_PATHS: Final[Mapping[Callable[..., Any], str]] = MappingProxyType({})
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """A request that was answered, without anything that its client chose freely."""

    method: str
    route: str
    """The route's template, such as `/v1/predictions/{id}`; `other` where nothing is at the address."""
    status: int
    duration_s: float
    problem: str
    """Code of the problem document; empty: none was sent."""


class Edge:
    """Pure ASGI, because a middleware of Starlette's own costs more than the rest of the hot path."""

    def __init__(
        self,
        app: ASGIApp,
        paths: Mapping[Callable[..., Any], str] = NO_PATHS,
        on_answer: Callable[[RequestFacts], None] | None = None,
        tracer: Tracer = NO_TRACER,
        bodies: HeldBodies | None = None,
    ) -> None:
        """`on_answer` is told of each request that got an answer; `paths` has each endpoint's template."""
        self._app = app
        self._bodies = bodies or HeldBodies()
        self._tracer = tracer
        self._is_observed = on_answer is not None or tracer is not NO_TRACER
        self._paths = paths
        self._on_answer = on_answer
        self._headers = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
        self._header_names = frozenset(name for name, _ in self._headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["request_id"] = request_id
        app = self._app if _header_bytes(scope) <= MAX_HEADER_BYTES else _refuse_headers
        body = HeldBody(self._bodies, scope, receive) if scope["method"] not in _BODILESS else None
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.get("headers", ())
                message["headers"] = self._complete(_turned(headers) if 300 <= status < 400 else headers, request_id)
            await send(message)

        with self._tracer.span("request", parent=header(scope, b"traceparent") or "") as span:
            try:
                await app(scope, body.receive if body else receive, send_with_headers)
            finally:
                if body:
                    body.let_go()
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
                    self._tell(self._facts(scope, status, duration_s), span, request_id)

    def _tell(self, facts: RequestFacts, span: Span, request_id: str) -> None:
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
        # Starlette leaves the endpoint, FastAPI the route; a template is nothing that a client can make up.
        route = self._paths.get(scope.get("endpoint", _nobody)) or getattr(scope.get("route"), "path", "other")
        return RequestFacts(method, str(route), status, duration_s, scope.get(PROBLEM_CODE, ""))

    def _complete(self, headers: Any, request_id: str) -> list[tuple[bytes, bytes]]:
        present = [*headers]
        names = {name.lower() for name, _ in present}
        present += [(name, value) for name, value in self._headers if name not in names]
        present.append((b"x-request-id", request_id.encode()))
        return present


def _nobody() -> None:
    """Stand for the endpoint of an address at which there is nothing."""


def _turned(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Let a redirect name no host: a client's own word is no place to send anybody, and a proxy's may lack the port."""
    return [(name, _path_of(value) if name.lower() == b"location" else value) for name, value in headers]


def _path_of(address: bytes) -> bytes:
    parts = urlsplit(address)
    # Two slashes would begin a host again.
    return b"/" + parts.path.lstrip(b"/\\") + (b"?" + parts.query if parts.query else b"")


def _header_bytes(scope: Scope) -> int:
    return sum(len(name) + len(value) for name, value in scope["headers"])


async def _refuse_headers(scope: Scope, receive: Receive, send: Send) -> None:
    scope[PROBLEM_CODE] = HEADERS_TOO_LARGE[1]
    response = problem_response(*HEADERS_TOO_LARGE)
    await response(scope, receive, send)


def _request_id(scope: Scope) -> str:
    given = header(scope, b"x-request-id")
    return given if given and _SANE_ID.fullmatch(given) else secrets.token_hex(8)
