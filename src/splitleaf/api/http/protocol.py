"""HTTP/1.1 as the API speaks it: what never becomes a request is answered with a problem, and answers are not reset.

A server that answers before it has read the whole body, and closes, resets the connection, and its answer is lost. So
what is still to come is read and thrown away, within bounds, before the connection is closed or used again.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from splitleaf.api.http.middleware import HEADERS_TOO_LARGE, MAX_HEADER_BYTES
from splitleaf.api.http.problems import problem_response, title_of
from splitleaf.web.pages import SECURITY_HEADERS

MAX_HEAD_BYTES: Final = 4 * MAX_HEADER_BYTES
"""Of a head that has not ended. One that has is judged by the edge, whose limit is closer."""
HEAD_S: Final = 10.0
"""For a request's head, from its first byte on, and from the connection on for the first one."""
LINGER_S: Final = 10.0
LINGER_BYTES: Final = 32_000_000
"""What is thrown away of one body at most, and for how long."""
_LATE_HEAD: Final = (408, "request_timeout", "the request's head did not arrive in time")
_NO_HTTP: Final = (400, "invalid_request", "this is not a request of HTTP/1.1, or it contradicts itself")


class ProblemProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which answers nonsense in plain text, keeps a head that never ends, and resets answers."""

    _head_bytes = 0
    _is_in_head = False
    _discarded: int | None = None
    """Bytes that came after the answer; None: nothing more is to come of an answered request."""
    _is_last = False
    """Nothing more is answered on this connection."""
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
            return  # what was no request is not read on
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
        self.cycle.transport = cast(asyncio.Transport, _Outlet(self, self.cycle))

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
            self._read_on()

    def close_after(self, cycle: RequestResponseCycle) -> None:
        """Close once the body of the answered request is over, or has gone on for too long."""
        if cycle is not self.cycle or not cycle.more_body:
            self.transport.close()
        else:
            self._say_no_more()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's sentence
        """Answer what the parser could not read."""
        self._refuse(*_NO_HTTP)

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Answer and close: nobody knows where the next request would begin."""
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
        self._say_no_more()

    def _expect_head(self) -> None:
        self._stop_expecting()
        self._head_deadline = self.loop.call_later(HEAD_S, self._give_up_head)

    def _stop_expecting(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _give_up_head(self) -> None:
        """End a connection whose next head does not come: nobody else may, without a proxy in front."""
        cycle: RequestResponseCycle | None = getattr(self, "cycle", None)  # None before the first request
        if cycle is not None and not cycle.response_complete:
            self._expect_head()  # nothing is read on while the request before is being answered
            return
        if self._is_in_head:
            self._refuse(*_LATE_HEAD)
        self.transport.close()

    def _say_no_more(self) -> None:
        self._is_last = True
        self.transport.write_eof()
        self._read_on()

    def _read_on(self) -> None:
        self._discarded = self._discarded or 0
        self.flow.resume_reading()
        if self._linger is None:
            self._linger = self.loop.call_later(LINGER_S, self.transport.close)

    def _stop_lingering(self) -> None:
        self._discarded = None
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None


class _Outlet:
    """The transport as a response sees it, which does not know whether its request has been read."""

    __slots__ = ("_cycle", "_protocol", "write")

    def __init__(self, protocol: ProblemProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self.write = protocol.transport.write

    def close(self) -> None:
        self._protocol.close_after(self._cycle)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol.transport, name)
