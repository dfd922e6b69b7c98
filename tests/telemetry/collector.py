"""A collector of spans, as far as the protocol asks for one: OTLP over HTTP."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """Keeps every span it is sent, with its service."""

    def __init__(self) -> None:
        self._spans: list[tuple[str, Any]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector._keep(body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def spans(self, *, until: Callable[[list[tuple[str, Any]]], bool], within_s: float = 30) -> list[tuple[str, Any]]:
        """Return (service, span) of all that came, once they are what is waited for."""
        give_up_at = time.monotonic() + within_s
        while not until(list(self._spans)):
            assert time.monotonic() < give_up_at, [(service, span.name) for service, span in self._spans]
            time.sleep(0.05)
        return list(self._spans)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _keep(self, body: bytes) -> None:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(one.value.string_value for one in group.resource.attributes if one.key == "service.name")
            self._spans += [(service, span) for scope in group.scope_spans for span in scope.spans]
