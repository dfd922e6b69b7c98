"""Raw requests at the HTTP edge: each is answered with a problem, and the server lives on."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.images import jpeg
from tests.system.running import RunningSystem

pytestmark = pytest.mark.slow

Paths = dict[str, dict[str, dict[str, Any]]]

IMAGE = jpeg()
BOUNDARY = b"----leaf"
MULTIPART = b"Content-Type: multipart/form-data; boundary=" + BOUNDARY + b"\r\n"


def part(name: bytes, body: bytes, headers: bytes = b"") -> bytes:
    return (
        b"--"
        + BOUNDARY
        + b'\r\nContent-Disposition: form-data; name="'
        + name
        + b'"; filename="x"\r\n'
        + headers
        + b"\r\n"
        + body
        + b"\r\n"
    )


def text(name: bytes, body: bytes) -> bytes:
    return part(name, body).replace(b'; filename="x"', b"", 1)


END = b"--" + BOUNDARY + b"--\r\n"
GOOD = part(b"file", IMAGE) + END


@dataclass(frozen=True)
class Probe:
    name: str
    headers: bytes
    body: bytes
    status: int
    code: str | None
    method: bytes = b"POST"
    target: bytes = b"/v1/predictions"


PROBES = [
    Probe("a good request", MULTIPART, GOOD, 202, None),
    Probe("a raw image", b"Content-Type: image/jpeg\r\n", IMAGE, 202, None),
    Probe("a raw image of no stated type", b"", IMAGE, 202, None),
    Probe("octets", b"Content-Type: application/octet-stream\r\n", IMAGE, 202, None),
    Probe("no boundary", b"Content-Type: multipart/form-data\r\n", GOOD, 400, "malformed_multipart"),
    Probe("an endless boundary", b"Content-Type: multipart/form-data; boundary=" + b"b" * 400 + b"\r\n", GOOD, 400, "malformed_multipart"),
    Probe("2,000 fields", MULTIPART, part(b"a", b"1") * 2000 + END, 400, "malformed_multipart"),
    Probe("a text field of 2 MB", MULTIPART, text(b"note", b"x" * 2_000_000) + END, 400, "malformed_multipart"),
    Probe("a part header of 200 KB", MULTIPART, part(b"file", IMAGE, b"X-Long: " + b"x" * 200_000 + b"\r\n") + END, 400, "malformed_multipart"),
    Probe("no closing boundary", MULTIPART, part(b"file", IMAGE), 400, "malformed_multipart"),
    Probe("rubbish in place of parts", MULTIPART, b"rubbish" * 100, 400, "malformed_multipart"),
    Probe("no field", MULTIPART, END, 422, "file_required"),
    Probe("another field", MULTIPART, part(b"image", IMAGE) + END, 422, "file_required"),
    Probe("a large image in another field", MULTIPART, part(b"image", IMAGE + bytes(50_000)) + END, 422, "file_required"),
    Probe("two files", MULTIPART, part(b"file", IMAGE) * 2 + END, 400, "duplicate_file"),
    Probe("an empty file", MULTIPART, part(b"file", b"") + END, 422, "image_empty"),
    Probe("an empty body", b"", b"", 422, "image_empty"),
    Probe("a JSON body", b"Content-Type: application/json\r\n", b"{}", 415, "unsupported_media_type"),
    Probe("a form body", b"Content-Type: application/x-www-form-urlencoded\r\n", b"file=x", 415, "unsupported_media_type"),
    Probe("gzip", b"Content-Encoding: gzip\r\n" + MULTIPART, GOOD, 415, "unsupported_encoding"),
    Probe("text in place of an image", MULTIPART, part(b"file", b"hello" * 50) + END, 415, "unsupported_media_type"),
    Probe("11 MB raw", b"Content-Type: image/jpeg\r\n", b"\xff" * 11_000_000, 413, "payload_too_large"),
    Probe("11 MB in a part", MULTIPART, part(b"file", b"\xff" * 11_000_000) + END, 413, "payload_too_large"),
    Probe("an unknown priority", MULTIPART, GOOD, 400, "invalid_priority", target=b"/v1/predictions?priority=first"),
    Probe("an empty unit", b"Splitleaf-Unit: \r\n" + MULTIPART, GOOD, 400, "invalid_unit"),
    Probe("a long unit", b"Splitleaf-Unit: " + b"u" * 300 + b"\r\n" + MULTIPART, GOOD, 400, "invalid_unit"),
    Probe("a long key", b"Idempotency-Key: " + b"k" * 300 + b"\r\n" + MULTIPART, GOOD, 400, "invalid_idempotency_key"),
    Probe("a strange Prefer", b"Prefer: wait=soon, respond-async\r\n" + MULTIPART, GOOD, 202, None),
    Probe("a forged cookie", b"Cookie: splitleaf_unit=x.y\r\n" + MULTIPART, GOOD, 202, None),
    Probe("an unknown address", b"", b"", 404, "not_found", b"GET", b"/nowhere"),
    Probe("an unknown method", b"", b"", 405, "method_not_allowed", b"PUT", b"/v1/predictions"),
    Probe("an unknown id", b"", b"", 404, "prediction_not_found", b"GET", b"/v1/predictions/aaaaaaaaaaaaaaaaaaaaaaaaaa"),
    Probe("no id at all", b"", b"", 404, "not_found", b"GET", b"/v1/predictions/..%2f..%2fetc"),
    Probe("events of an unknown id", b"", b"", 404, "prediction_not_found", b"GET", b"/v1/predictions/aaaaaaaaaaaaaaaaaaaaaaaaaa/events"),
    Probe("cancelling an unknown id", b"", b"", 404, "prediction_not_found", b"DELETE", b"/v1/predictions/aaaaaaaaaaaaaaaaaaaaaaaaaa"),
    Probe("a wait that is no number", b"", b"", 400, "invalid_wait", b"GET", b"/v1/predictions/aaaaaaaaaaaaaaaaaaaaaaaaaa?wait=-1"),
    Probe("feedback that is no JSON", b"Content-Type: application/json\r\n", b"{", 400, "invalid_json", target=b"/v1/predictions/aaaaaaaaaaaaaaaaaaaaaaaaaa/feedback"),
    Probe("feedback that is a list", b"Content-Type: application/json\r\n", b"[]", 422, "invalid_feedback", target=b"/v1/predictions/aaaaaaaaaaaaaaaaaaaaaaaaaa/feedback"),
    Probe("endless feedback", b"Content-Type: application/json\r\n", b'"' + b"x" * 9000 + b'"', 413, "payload_too_large", target=b"/v1/predictions/aaaaaaaaaaaaaaaaaaaaaaaaaa/feedback"),
    Probe("deep feedback", b"Content-Type: application/json\r\n", b"[" * 4000, 400, "invalid_json", target=b"/v1/predictions/aaaaaaaaaaaaaaaaaaaaaaaaaa/feedback"),
    Probe("feedback as a form", b"", b"correct=true", 415, "unsupported_media_type", target=b"/v1/predictions/aaaaaaaaaaaaaaaaaaaaaaaaaa/feedback"),
    Probe("feedback of nothing known", b"Content-Type: application/json\r\n", b'{"correct":true}', 404, "prediction_not_found", target=b"/v1/predictions/aaaaaaaaaaaaaaaaaaaaaaaaaa/feedback"),
]  # fmt: skip


@pytest.fixture(scope="module")
def documented(system: RunningSystem) -> Paths:
    """Path -> method -> statuses that the OpenAPI document declares."""
    paths: Paths = httpx.get(f"{system.url}/openapi.json", timeout=30).json()["paths"]
    return paths


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_each_probe_gets_what_it_is_owed(system: RunningSystem, documented: Paths, probe: Probe) -> None:
    length = b"Content-Length: %d\r\n" % len(probe.body)
    head = probe.method + b" " + probe.target + b" HTTP/1.1\r\nHost: leaf\r\nConnection: close\r\n"
    status, headers, body = exchange(system, head + length + probe.headers + b"\r\n" + probe.body)
    assert status == probe.status, body
    assert headers["x-content-type-options"] == "nosniff"
    assert "x-request-id" in headers
    if probe.code is not None:
        assert headers["content-type"] == "application/problem+json"
        problem = json.loads(body)
        assert (problem["code"], problem["status"]) == (probe.code, status)
        assert httpx.get(f"{system.url}{problem['type']}", timeout=10).status_code == 200
    path = probe.target.decode().partition("?")[0].replace("a" * 26, "{id}")
    if path in documented and probe.method.decode().lower() in documented[path]:
        assert str(status) in documented[path][probe.method.decode().lower()]["responses"]


NOT_HTTP = {
    "a negative length": b"POST /v1/predictions HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "length and chunks": b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a strange version": b"GET / HTTP/9.9\r\n\r\n",
    "a strange method": b"LEAF /predict HTTP/1.1\r\nHost: a\r\n\r\n",
    "binary": b"\x00\x01\x02\x03\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    "a head without an end": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 1_000_000,
}


@pytest.mark.parametrize("head", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_not_http_gets_a_problem_and_the_server_lives_on(system: RunningSystem, head: bytes) -> None:
    status, headers, body = exchange(system, head)
    owed = (431, "headers_too_large") if len(head) > 100_000 else (400, "invalid_request")
    assert (status, json.loads(body)["code"]) == owed
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-content-type-options"] == "nosniff"
    assert httpx.get(f"{system.url}/livez", timeout=5).status_code == 200


def test_a_head_that_never_ends_does_not_fill_the_memory(system: RunningSystem) -> None:
    sent = 0
    with contextlib.suppress(OSError), socket.create_connection(address_of(system), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        while sent < 50_000_000:
            connection.sendall(b"a" * 100_000)
            sent += 100_000
    assert sent < 50_000_000, "the connection is closed long before"


@pytest.mark.parametrize("path", ["/admin/api/keys", "/admin/api/session", f"/v1/predictions/{'a' * 26}/feedback"])
def test_a_stranger_cannot_fill_the_memory_with_json(system: RunningSystem, path: str) -> None:
    def unannounced() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 100_000

    for content in (b" " * 300_000, unannounced()):
        try:
            response = httpx.post(
                f"{system.url}{path}", content=content, headers={"Content-Type": "application/json"}, timeout=10
            )
        except (httpx.WriteError, httpx.ReadError):
            continue  # the server had said its word and closed before all was sent
        assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")


def test_a_chunked_body_that_is_too_long_is_refused(system: RunningSystem) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(12):
            yield b"\xff" * 1_000_000

    try:
        response = httpx.post(f"{system.url}/v1/predictions", content=chunks(), timeout=30)
    except httpx.WriteError:
        return  # the server had said its word and closed before all was sent
    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")


def test_a_page_and_its_files_are_served_under_a_strict_policy(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert client.get("/docs").status_code == 200


def address_of(system: RunningSystem) -> tuple[str, int]:
    parts = urlsplit(system.url)
    return parts.hostname or "", parts.port or 0


def exchange(system: RunningSystem, request: bytes) -> tuple[int, dict[str, str], bytes]:
    with socket.create_connection(address_of(system), timeout=30) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # answered before all was sent
            connection.sendall(request)
        response = b""
        while True:
            try:
                piece = connection.recv(65_536)
            except ConnectionResetError:
                break
            if not piece:
                break
            response += piece
            head, separator, body = response.partition(b"\r\n\r\n")
            if separator and len(body) >= _length(head):
                break
    head, _, body = response.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split(" ")[1]), headers, body


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length: "):
            return int(line.split(b": ")[1])
    return 1 << 62
