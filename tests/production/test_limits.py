"""What one client may take, whatever it says about itself; and that one who is slow does not hold up the others."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.production.conftest import OpenDoor
from tests.production.door import Door
from tests.production.test_edge import Answer, ask, get, read_answer
from tests.support.images import jpeg
from tests.system.running import RunningSystem

pytestmark = pytest.mark.slow

HARDLY_ANY = {"rate=20r/s": "rate=1r/m", "rate=100r/s": "rate=1000r/s", "zone=uploads burst=40": "zone=uploads burst=2"}
IMAGE = jpeg()


def upload(headers: bytes = b"") -> bytes:
    head = b"POST /v1/predictions HTTP/1.1\r\nHost: leaf\r\nConnection: close\r\nContent-Type: image/jpeg\r\n"
    return head + b"Content-Length: %d\r\n" % len(IMAGE) + headers + b"\r\n" + IMAGE


def test_too_many_uploads_are_refused_with_a_time_to_wait(another_door: OpenDoor) -> None:
    door = another_door(HARDLY_ANY)
    answers = [ask(door.port, upload()) for _ in range(5)]
    assert [answer.status for answer in answers] == [202, 202, 202, 429, 429]
    assert answers[-1].problem()["code"] == "rate_limited"
    assert int(answers[-1].header("retry-after")) >= 1
    assert ask(door.port, get(b"/livez")).status == 200, "reading is limited apart"


def test_no_spoofed_address_passes_the_limiter(another_door: OpenDoor) -> None:
    door = another_door(HARDLY_ANY)
    for _ in range(3):
        assert ask(door.port, upload()).status == 202
    names = (b"X-Forwarded-For", b"X-Real-IP", b"Forwarded", b"True-Client-IP", b"X-Client-IP")
    passed = 0
    for number in range(200):
        address = b"203.0.113.%d" % number
        value = b"for=" + address if names[number % 5] == b"Forwarded" else address
        passed += ask(door.port, upload(names[number % 5] + b": " + value + b"\r\n")).status != 429
    assert passed == 0
    assert ask(door.port, upload(), source="127.0.0.9").status == 202, "another client is not held to account"


def test_the_api_sees_the_address_of_the_connection(another_door: OpenDoor) -> None:
    """What arrives behind NGINX, read off the wire."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        door = another_door({}, upstream=f'map "" $api {{ default 127.0.0.1:{server.getsockname()[1]}; }}\n')
        client = socket.create_connection(("127.0.0.1", door.port), source_address=("127.0.0.7", 0))
        lies = b"X-Forwarded-For: 8.8.8.8\r\nForwarded: for=8.8.8.8\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"
        client.sendall(get(b"/livez", lies + b"X-Real-IP: 8.8.8.8\r\n"))
        line, _ = server.accept()
        with client, line:
            received = line.recv(65_536).lower()
    assert b"\r\nx-forwarded-for: 127.0.0.7\r\n" in received
    assert b"\r\nx-forwarded-proto: http\r\n" in received
    assert b"8.8.8.8" not in received
    assert b"evil" not in received


def test_one_client_may_hold_only_so_many_calls_open(another_door: OpenDoor, system: RunningSystem) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:  # takes calls, and never answers
        door = another_door({}, upstream=f'map "" $api {{ default 127.0.0.1:{server.getsockname()[1]}; }}\n')
        with contextlib.ExitStack() as stack:
            lines = [stack.enter_context(connect(door, "127.0.0.3")) for _ in range(101)]
            for line in lines:
                line.sendall(get(b"/livez"))
            lines[-1].settimeout(5)
            refused = read_first(lines)
            assert refused.problem()["code"] == "rate_limited"
            assert ask(door.port, get(b"/"), source="127.0.0.4").status == 200


def read_first(lines: list[socket.socket]) -> Answer:
    """Return the answer of whichever line has one."""
    give_up_at = time.monotonic() + 5
    while time.monotonic() < give_up_at:
        for line in lines:
            line.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                if line.recv(1, socket.MSG_PEEK):
                    line.setblocking(True)
                    return read_answer(line)
        time.sleep(0.02)
    raise AssertionError("none of the calls was refused")


def test_a_thousand_idle_connections_do_not_keep_a_healthy_client_waiting(door: Door) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(1000):
            line = stack.enter_context(connect(door, f"127.0.1.{number % 250 + 1}"))
            if number % 2:
                line.sendall(b"GET / HTTP/1.1\r\nHost: l")  # half of them in the middle of a head
        slowest = max(seconds_of_an_answer(door) for _ in range(30))
    assert slowest < 1.0


def test_clients_that_drip_do_not_keep_a_healthy_client_waiting(door: Door) -> None:
    """Each gets a problem when the API's time for a body is over (here 3 s), though it never paused for long."""
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(connect(door, f"127.0.2.{number + 1}")) for number in range(60)]
        for line in lines:
            line.sendall(upload()[:-200])
        give_up_at, slowest = time.monotonic() + 4.0, 0.0
        while time.monotonic() < give_up_at:
            for line in lines:
                with contextlib.suppress(OSError):
                    line.sendall(b"x")
            slowest = max(slowest, seconds_of_an_answer(door))
            time.sleep(0.3)
        assert slowest < 1.0
        codes = {read_answer(line).problem()["code"] for line in lines}
    assert codes == {"request_timeout"}


def test_a_head_that_never_ends_is_cut_off(another_door: OpenDoor) -> None:
    door = another_door({"client_header_timeout 10s": "client_header_timeout 1s"})
    with connect(door, "127.0.0.5") as line:
        line.settimeout(5)
        line.sendall(b"GET / HTTP/1.1\r\nHost: leaf\r\n")
        started = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            while line.recv(1000):
                pass
        assert time.monotonic() - started < 3


@contextlib.contextmanager
def connect(door: Door, source: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", door.port), timeout=10, source_address=(source, 0)) as line:
        yield line


def seconds_of_an_answer(door: Door) -> float:
    started = time.monotonic()
    response = httpx.post(f"{door.url}/predict", content=IMAGE, headers={"Content-Type": "image/jpeg"}, timeout=10)
    assert response.status_code == 200, response.text
    return time.monotonic() - started
