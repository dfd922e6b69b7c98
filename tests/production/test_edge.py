"""Raw requests at a real NGINX in front of a real system: each error is a problem document, and both live on."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from splitleaf.api.http.problem_codes import CODES
from splitleaf.web.pages import SECURITY_HEADERS, PageAssets
from tests.production.door import CONFIGURATION, Door
from tests.system.running import RunningSystem
from tests.system.test_edge import PROBES, Probe

pytestmark = pytest.mark.slow

NEVER_TWICE = [name.lower() for name in SECURITY_HEADERS] + ["x-request-id", "strict-transport-security", "server"]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    def problem(self) -> dict[str, object]:
        assert self.header("content-type") == "application/problem+json", (self.status, self.body[:200])
        found: dict[str, object] = json.loads(self.body)
        return found


def ask(port: int, request: bytes, *, source: str = "127.0.0.1") -> Answer:
    """Send bytes and read until the answer is whole or the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(source, 0)) as line:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # answered before all was sent
            line.sendall(request)
        return read_answer(line)


def read_answer(line: socket.socket) -> Answer:
    received = b""
    while True:
        try:
            piece = line.recv(65_536)
        except ConnectionResetError:
            piece = b""
        received += piece
        head, end, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if not piece or (end and length and len(body) >= int(length[1])):
            break
    lines = head.decode("latin-1").split("\r\n")
    assert lines[0].startswith("HTTP/1.1 "), received[:200]
    pairs = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines[1:])]
    return Answer(int(lines[0][9:12]), pairs, body)


@pytest.mark.parametrize("is_direct", [False, True], ids=["behind NGINX", "direct"])
@pytest.mark.parametrize(
    ("megabytes", "headers", "owed"),
    [(11, b"", (413, "payload_too_large")), (9, b"Content-Encoding: gzip\r\n", (415, "unsupported_encoding"))],
    ids=["too long", "refused before it is read"],
)
def test_a_client_that_still_sends_gets_its_refusal_and_not_a_reset(
    door: Door, system: RunningSystem, megabytes: int, headers: bytes, owed: tuple[int, str], *, is_direct: bool
) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + bytes(megabytes * 1_000_000)
    head = b"POST /v1/predictions HTTP/1.1\r\nHost: leaf\r\nConnection: close\r\nContent-Length: %d\r\n" % len(body)
    head += b"Content-Type: multipart/form-data; boundary=b\r\n" + headers + b"\r\n"
    port = urlsplit(system.url).port if is_direct else door.port
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.sendall(head)
        time.sleep(0.1)  # the refusal is on its way before the body is
        line.sendall(body)
        answer = read_answer(line)
    assert (answer.status, answer.problem()["code"]) == owed


def get(path: bytes, headers: bytes = b"") -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\nHost: leaf\r\nConnection: close\r\n" + headers + b"\r\n"


def assert_no_doubles(answer: Answer) -> None:
    names = [name for name, _ in answer.headers]
    assert [name for name in NEVER_TWICE if names.count(name) > 1] == []
    assert answer.header("x-request-id")
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("server") in ("", "nginx")


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_what_the_api_owes_reaches_the_client_through_nginx(door: Door, probe: Probe) -> None:
    head = probe.method + b" " + probe.target + b" HTTP/1.1\r\nHost: leaf\r\nConnection: close\r\n"
    length = b"Content-Length: %d\r\n" % len(probe.body)
    answer = ask(door.port, head + length + probe.headers + b"\r\n" + probe.body)
    assert answer.status == probe.status, answer.body
    assert_no_doubles(answer)
    if probe.code is not None:
        assert (answer.problem()["code"], answer.problem()["status"]) == (probe.code, probe.status)


POST = b"POST /v1/predictions HTTP/1.1\r\nHost: leaf\r\nConnection: close\r\n"
RAW = [
    ("an address of 20 KB", get(b"/" + b"a" * 20_000), 414, "address_too_long"),
    ("a header of 40 KB", get(b"/", b"X: " + b"a" * 40_000 + b"\r\n"), 431, "headers_too_large"),
    ("40 headers of 1 KB", get(b"/", b"".join(b"X%d: " % i + b"a" * 1000 + b"\r\n" for i in range(40))), 431, "headers_too_large"),
    ("length and chunks", POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "invalid_request"),
    ("two lengths", POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400, "invalid_request"),
    ("two lengths alike", POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400, "invalid_request"),
    ("a negative length", POST + b"Content-Length: -5\r\n\r\n", 400, "invalid_request"),
    ("a length in words", POST + b"Content-Length: five\r\n\r\n", 400, "invalid_request"),
    ("no host", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "invalid_request"),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", 400, "invalid_request"),
    ("a host with a slash", b"GET / HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n", 400, "invalid_request"),
    ("a strange version", b"GET / HTTP/9.9\r\nHost: leaf\r\n\r\n", 400, "invalid_request"),
    ("binary", b"\x00\x01\x02\x03\r\n\r\n", 400, "invalid_request"),
    ("a TLS greeting", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\x00" * 32 + b"\r\n\r\n", 400, "invalid_request"),
    ("an unknown transfer coding", POST + b"Transfer-Encoding: gzip\r\n\r\n", 400, "invalid_request"),
    ("a chunk that is no number", POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", 400, "invalid_request"),
    ("11 MB by length", POST + b"Content-Length: 11000000\r\n\r\n", 413, "payload_too_large"),
    ("11 MB in chunks", POST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"100000\r\n" + b"\xff" * 0x100000 + b"\r\n") * 11 + b"0\r\n\r\n", 413, "payload_too_large"),
    ("feedback of 100 KB", b"POST /v1/predictions/" + b"a" * 26 + b"/feedback HTTP/1.1\r\nHost: leaf\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n", 413, "payload_too_large"),
    ("TRACE", b"TRACE / HTTP/1.1\r\nHost: leaf\r\nConnection: close\r\n\r\n", 405, "method_not_allowed"),
    ("a body to the page", b"POST / HTTP/1.1\r\nHost: leaf\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", 405, "method_not_allowed"),
    ("a file that is not there", get(b"/static/nothing.js"), 404, "not_found"),
    ("the folder of files", get(b"/static/"), 404, "not_found"),
    ("out of the folder", get(b"/static/../../etc/passwd"), 400, "invalid_request"),
    ("out of the folder, encoded", get(b"/static/%2e%2e/%2e%2e/etc/passwd"), 400, "invalid_request"),
    ("an encoded slash", get(b"/v1%2fpredictions"), 404, "not_found"),
    ("a NUL", get(b"/v1/%00"), 400, "invalid_request"),
    ("the problem page itself", get(b"/.problem"), 404, "not_found"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "request_bytes", "status", "code"), RAW, ids=[probe[0] for probe in RAW])
def test_what_nginx_refuses_is_a_problem_too(
    door: Door, name: str, request_bytes: bytes, status: int, code: str
) -> None:
    answer = ask(door.port, request_bytes)
    assert (answer.status, answer.problem()["code"], answer.problem()["status"]) == (status, code, status)
    assert_no_doubles(answer)
    assert httpx.get(f"{door.url}/livez").status_code == 200


ADMIN = ["/admin", "/admin/", "/admin/models", "/admin/static/main.js", "/admin/api/models", "/metrics", "//admin/api/models", "/%61dmin/api/models", "/./admin/api/models",
         "/v1/../admin/api/models", "/v1/%2e%2e/admin/api/models", "/v1/..%2fadmin/api/models", "/admin%2fapi/models",
         "/static/../admin/api/models", "/admin/api/models?x=/../", "/ADMIN/api/models"]  # fmt: skip


@pytest.mark.parametrize("path", ADMIN)
def test_the_admin_api_does_not_exist_outside(door: Door, system: RunningSystem, path: str) -> None:
    key = f"Authorization: Bearer {system.admin_key}\r\n".encode()
    answer = ask(door.port, get(path.encode(), key))
    assert (answer.status, answer.problem()["code"]) == (404, "not_found")


def test_the_dashboard_answers_inside_with_all_its_files(door: Door) -> None:
    page = httpx.get(f"{door.inner_url}/admin/experiments/one")
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'none';")
    named = re.findall(r'(?:href|src)="(/admin/static/[^"]+)"', page.text)
    assert len(named) > 12
    for name in [*named, "/admin/static/vendor/plot.js"]:
        assert httpx.get(f"{door.inner_url}{name}").status_code == 200, name


def test_the_admin_api_answers_inside(door: Door, system: RunningSystem) -> None:
    key = {"Authorization": f"Bearer {system.admin_key}"}
    assert httpx.get(f"{door.inner_url}/admin/api/models", headers=key).status_code == 200
    assert httpx.get(f"{door.inner_url}/admin/api/models").status_code == 401


def test_the_page_is_the_apis_page(door: Door, system: RunningSystem) -> None:
    """Same bytes, same types, same headers, whoever answers."""
    assets = PageAssets()
    names = [f"/static/{name}" for name in ("js/main.js", "css/page.css", "img/leaf.svg", "conditions.json")]
    names += [f"/static/{assets.fingerprint}/js/main.js", "/static/site.webmanifest", "/static/img/leaf-180.png", "/"]
    for name in names:
        ours, theirs = httpx.get(door.url + name), httpx.get(system.url + name)
        assert ours.content == theirs.content, name
        for header in ("content-type", "cache-control", "content-encoding", *SECURITY_HEADERS):
            assert ours.headers.get(header) == theirs.headers.get(header), (name, header)


def test_an_unchanged_file_is_not_sent_again(door: Door) -> None:
    first = httpx.get(f"{door.url}/")
    again = httpx.get(f"{door.url}/", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("sane-id.42", True), ("short", False), ("x" * 129, False), ("with space 1", False), ('q"uote-123', False)],
)
def test_a_request_id_is_kept_where_it_is_sane_and_made_where_not(door: Door, sent: str, kept: bool) -> None:
    for path in (b"/livez", b"/nowhere", b"/", b"/admin"):
        answer = ask(door.port, get(path, f"X-Request-ID: {sent}\r\n".encode()))
        assert (answer.header("x-request-id") == sent) is kept
        assert re.fullmatch(r"[A-Za-z0-9._-]{8,128}", answer.header("x-request-id"))


def test_every_problem_of_nginx_has_a_documented_code() -> None:
    text = (CONFIGURATION / "problems.conf").read_text(encoding="utf-8")
    problems = [json.loads(body.replace("\\'", "'")) for body in re.findall(r"'(\{.*\})';", text)]
    assert len(problems) > 8
    for problem in problems:
        assert CODES[problem["code"]][0] == problem["status"]
        assert problem["type"] == f"/problems/{problem['code']}"


@pytest.mark.parametrize("path", ["/grafana/", "/prometheus/graph"])
def test_who_looks_for_the_dashboards_without_their_profile_is_told_how_to_start_them(door: Door, path: str) -> None:
    answer = httpx.get(f"{door.inner_url}{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.json()["code"] == "unavailable"
    assert "--profile observability" in answer.json()["detail"]
    assert httpx.get(f"{door.url}{path}").status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "leaf.example:8443"])
def test_an_address_with_a_slash_too_many_leads_to_the_same_host_and_port(door: Door, host: str) -> None:
    answer = ask(door.port, f"GET /docs/?a=1 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert (answer.status, answer.header("location")) == (307, "/docs?a=1")
