"""HTTP/1.1 as the API speaks it: what never becomes a request is answered with a problem, too."""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from splitleaf.api.edge import HEADERS_TOO_LARGE, MAX_HEADER_BYTES
from splitleaf.api.problems import problem_response, title_of
from splitleaf.web.pages import SECURITY_HEADERS

MAX_HEAD_BYTES: Final = 4 * MAX_HEADER_BYTES
"""Of a head that has not ended. One that has is judged by the edge, whose limit is closer."""
_NO_HTTP: Final = (400, "invalid_request", "this is not a request of HTTP/1.1, or it contradicts itself")


class ProblemProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which answers nonsense in plain text, and keeps a head that never ends for ever."""

    _head_bytes = 0
    _is_in_head = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(*HEADERS_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's sentence
        """Answer what the parser could not read."""
        self._refuse(*_NO_HTTP)

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Answer and close: nobody knows where the next request would begin."""
        if self.transport.is_closing():
            return
        refusal = problem_response(status, code, detail, headers={**SECURITY_HEADERS, "Connection": "close"})
        fields = b"".join(name + b": " + value + b"\r\n" for name, value in refusal.raw_headers)
        self.transport.write(
            b"HTTP/1.1 %d %s\r\n" % (status, title_of(status).encode()) + fields + b"\r\n" + bytes(refusal.body)
        )
        self.transport.close()
