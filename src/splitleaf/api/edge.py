"""What holds for every request: an id, security headers, one canonical log line."""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from splitleaf.api.problems import problem_response
from splitleaf.web.pages import SECURITY_HEADERS

log = structlog.get_logger(__name__)

MAX_HEADER_BYTES = 32_768
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{8,128}")


class Edge:
    """Pure ASGI, because a middleware of Starlette's own costs more than the rest of the hot path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
        self._header_names = frozenset(name for name, _ in self._headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["request_id"] = request_id
        app = self._app if _header_bytes(scope) <= MAX_HEADER_BYTES else _refuse_headers
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._complete(message.get("headers", ()), request_id)
            await send(message)

        try:
            await app(scope, receive, send_with_headers)
        finally:
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                duration_ms=round((time.perf_counter() - started) * 1000, 2),
                request_id=request_id,
            )

    def _complete(self, headers: Any, request_id: str) -> list[tuple[bytes, bytes]]:
        present = [*headers]
        names = {name.lower() for name, _ in present}
        present += [(name, value) for name, value in self._headers if name not in names]
        present.append((b"x-request-id", request_id.encode()))
        return present


def _header_bytes(scope: Scope) -> int:
    return sum(len(name) + len(value) for name, value in scope["headers"])


async def _refuse_headers(scope: Scope, receive: Receive, send: Send) -> None:
    response = problem_response(431, "headers_too_large", "the request's headers are too large")
    await response(scope, receive, send)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SANE_ID.fullmatch(value):
            return str(value, "ascii")
    return secrets.token_hex(8)
