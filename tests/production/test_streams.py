"""Events and waits pass NGINX as they happen; replicas come and go behind it."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import httpx
import pytest

from tests.production.broker import Broker
from tests.production.conftest import UNHINDERED, OpenDoor
from tests.production.door import Door
from tests.support.images import jpeg
from tests.system.running import RunningSystem

pytestmark = pytest.mark.slow


@pytest.fixture
def asleep(system: RunningSystem) -> Iterator[int]:
    """The worker, stopped; awake again after the test."""
    (worker,) = system.pids("worker")
    os.kill(worker, signal.SIGSTOP)
    yield worker
    os.kill(worker, signal.SIGCONT)


def test_events_arrive_when_they_happen(door: Door, asleep: int) -> None:
    made = httpx.post(f"{door.url}/v1/predictions", content=jpeg((1, 2, 250)), headers={"Content-Type": "image/jpeg"})
    events = made.json()["links"]["events"]
    with httpx.stream("GET", door.url + events, timeout=20) as stream:
        lines = stream.iter_lines()
        started = time.monotonic()
        first = next(line for line in lines if line.startswith("event:"))
        # Running, though its worker sleeps: the worker's next look lay in the broker already, which gave it the image.
        assert first in ("event: queued", "event: running")
        assert time.monotonic() - started < 1.0, "the first event was held back until there were more"
        os.kill(asleep, signal.SIGCONT)
        assert "event: done" in list(lines)


def test_a_long_poll_waits_and_is_answered_at_once_when_there_is_an_answer(door: Door, asleep: int) -> None:
    made = httpx.post(f"{door.url}/v1/predictions", content=jpeg((2, 1, 250)), headers={"Content-Type": "image/jpeg"})
    threading.Timer(1.0, os.kill, (asleep, signal.SIGCONT)).start()
    started = time.monotonic()
    found = httpx.get(f"{door.url}{made.json()['links']['self']}?wait=10", timeout=20)
    assert found.json()["status"] == "succeeded"
    assert 0.8 < time.monotonic() - started < 5.0


@dataclass
class Names:
    """A name server that knows one name. `addresses` may change at any time."""

    addresses: list[str]
    asked: int = 0
    line: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    def start(self) -> int:
        self.line.bind(("127.0.0.1", 0))
        threading.Thread(target=self._answer, daemon=True).start()
        port: int = self.line.getsockname()[1]
        return port

    def _answer(self) -> None:
        while True:
            try:
                query, client = self.line.recvfrom(512)
            except OSError:
                return
            self.asked += 1
            head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(self.addresses), 0, 0)
            question = query[12 : query.index(b"\0", 12) + 5]
            found = [b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(address) for address in self.addresses]
            self.line.sendto(head + question + b"".join(found), client)


@pytest.fixture
def second_api(system: RunningSystem, broker: Broker) -> Iterator[subprocess.Popen[bytes]]:
    """A replica at 127.0.0.2, on the same port, broker, database and secret as the first."""
    port = system.url.rsplit(":", 1)[1]
    settings = {"REDIS_URL": broker.url, "API__HOST": "127.0.0.2", "API__PORT": port, "LOG_LEVEL": "warning"}
    settings |= {"MODELS_DIR": str(system.models), "DATA_DIR": str(system.data)}
    environment = os.environ | {f"SPLITLEAF_{name}": value for name, value in settings.items()}
    process = subprocess.Popen([sys.executable, "-m", "splitleaf", "api"], env=environment)
    give_up_at = time.monotonic() + 30
    while True:
        try:
            if httpx.get(f"http://127.0.0.2:{port}/readyz", timeout=2).status_code == 200:
                break
        except httpx.TransportError:
            assert time.monotonic() < give_up_at
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


def test_a_replica_that_comes_is_used_and_one_that_dies_costs_no_request(
    another_door: OpenDoor, system: RunningSystem, second_api: subprocess.Popen[bytes]
) -> None:
    port = system.url.rsplit(":", 1)[1]
    names = Names(["127.0.0.1"])
    with closing(names.line):
        resolver = f"resolver 127.0.0.1:{names.start()} valid=1s ipv6=off;\nresolver_timeout 2s;\n"
        door = another_door(UNHINDERED, upstream=resolver + f'map "" $api {{ default api.test:{port}; }}\n')
        assert served_by(door, 20) == {f"127.0.0.1:{port}"}

        names.addresses = ["127.0.0.1", "127.0.0.2"]
        time.sleep(1.2)
        assert served_by(door, 40) == {f"127.0.0.1:{port}", f"127.0.0.2:{port}"}

        second_api.kill()  # the name server still names it: NGINX must find out by itself
        second_api.wait()
        served_by(door, 40)


def served_by(door: Door, count: int) -> set[str]:
    """Send images, all of which must be accepted; return which replicas answered, as NGINX noted it."""
    log = door.folder / "log"
    before = log.stat().st_size
    with httpx.Client(base_url=door.url, headers={"Content-Type": "image/jpeg"}, timeout=20) as client:
        statuses = [client.post("/v1/predictions", content=jpeg()).status_code for _ in range(count)]
        statuses += [client.get("/v1/labels").status_code for _ in range(count)]
    assert set(statuses) == {200, 202}
    noted = log.read_bytes()[before:].decode().split('"upstream":"')[1:]
    # The last address of each is the one that answered; what NGINX answered by itself has none.
    return {one.split('"')[0].split(", ")[-1] for one in noted} - {""}
