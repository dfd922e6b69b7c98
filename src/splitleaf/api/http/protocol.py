"""The HTTP/1.1 server protocol: unreadable requests get a problem document, and early responses are not lost.

If a server responds and closes before it has read the whole body, the kernel resets the connection and the response is
lost. So the rest of the body is read and discarded, within limits, before the connection is closed or reused.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from splitleaf.api.http.middleware import HEADERS_TOO_LARGE, MAX_HEADER_BYTES
from splitleaf.api.http.problems import problem_response, title_of
from splitleaf.web.pages import SECURITY_HEADERS

MAX_HEAD_BYTES: Final = 4 * MAX_HEADER_BYTES
"""Limit on an incomplete request head. The middleware applies the smaller limit to complete ones."""
HEAD_S: Final = 10.0
"""Time limit for a request head, from its first byte or, for the first request, from the connection."""
LINGER_S: Final = 10.0
LINGER_BYTES: Final = 32_000_000
"""How much of one body is discarded at most, and for how long."""
_LATE_HEAD: Final = (408, "request_timeout", "the request headers did not arrive in time")
_NO_HTTP: Final = (400, "invalid_request", "this is not a valid HTTP/1.1 request")


class ProblemProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with problem documents, a time limit for request heads, and a lingering close."""

    _head_bytes = 0
    _is_in_head = False
    _discarded: int | None = None
    """Bytes received after the response; None if no answered request is still being sent."""
    _is_last = False
    """No further request on this connection gets a response."""
    _linger: asyncio.TimerHandle | None = None
    _head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        if self._discarded is not None:
            self._discarded += len(data)
            if self._discarded > LINGER_BYTES:
                self.transport.close()
                return
        if self._is_last and self._is_in_head:
            return  # nothing after an invalid request is parsed
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(*HEADERS_TOO_LARGE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_lingering()
        self._stop_expecting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_expecting()
        super().on_headers_complete()
        self.cycle.transport = cast(asyncio.Transport, _ResponseTransport(self, self.cycle))

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._discarded is not None:
            self._stop_lingering()
            if self._is_last:
                self.transport.close()
            else:
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self._discard_rest()

    def close_after(self, cycle: RequestResponseCycle) -> None:
        """Close when the rest of the request body has arrived, or has taken too long."""
        if cycle is not self.cycle or not cycle.more_body:
            self.transport.close()
        else:
            self._close_for_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own text
        """Respond to data that the parser could not read."""
        self._refuse(*_NO_HTTP)

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Respond and close: where the next request begins is unknown."""
        if self.transport.is_closing():
            return
        if self._is_last:
            self.transport.close()
            return
        refusal = problem_response(status, code, detail, headers={**SECURITY_HEADERS, "Connection": "close"})
        fields = b"".join(name + b": " + value + b"\r\n" for name, value in refusal.raw_headers)
        self.transport.write(
            b"HTTP/1.1 %d %s\r\n" % (status, title_of(status).encode()) + fields + b"\r\n" + bytes(refusal.body)
        )
        self._is_in_head = True
        self._close_for_writing()

    def _expect_head(self) -> None:
        self._stop_expecting()
        self._head_deadline = self.loop.call_later(HEAD_S, self._time_out_head)

    def _stop_expecting(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _time_out_head(self) -> None:
        """Close a connection whose next request head does not arrive. Without a proxy, nothing else does."""
        cycle: RequestResponseCycle | None = getattr(self, "cycle", None)  # None before the first request
        if cycle is not None and not cycle.response_complete:
            self._expect_head()  # the previous request is still being answered
            return
        if self._is_in_head:
            self._refuse(*_LATE_HEAD)
        self.transport.close()

    def _close_for_writing(self) -> None:
        self._is_last = True
        self.transport.write_eof()
        self._discard_rest()

    def _discard_rest(self) -> None:
        self._discarded = self._discarded or 0
        self.flow.resume_reading()
        if self._linger is None:
            self._linger = self.loop.call_later(LINGER_S, self.transport.close)

    def _stop_lingering(self) -> None:
        self._discarded = None
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None


class _ResponseTransport:
    """The transport that a response writes to. It closes only after the request has been read."""

    __slots__ = ("_cycle", "_protocol", "write")

    def __init__(self, protocol: ProblemProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self.write = protocol.transport.write

    def close(self) -> None:
        self._protocol.close_after(self._cycle)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol.transport, name)
