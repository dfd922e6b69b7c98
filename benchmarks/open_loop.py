"""An open loop: requests come when they come, whether or not earlier ones are answered. One thread, raw sockets.

Run as a process of its own: `python -m benchmarks.open_loop URL --image FILE --rate 100 --seconds 10` prints one line
of JSON for each client. A client is a source address (`--client 127.0.0.2=50` adds one with a rate of its own).
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import re
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.load import prepared_request

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STATE = re.compile(rb'"status":"(\w+)"')
MOST_CONNECTIONS = 6_000


@dataclass(eq=False)
class Line:
    """A connection with at most one request on its way."""

    link: socket.socket
    client: Client
    asked_at: float = 0.0
    is_counted: bool = False
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    received: bytearray = field(default_factory=bytearray)


@dataclass(eq=False)
class Client:
    """A source address, and what it saw of the requests that came after the warm-up."""

    address: str
    rate: float
    idle: list[Line] = field(default_factory=list)
    asked: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """By state, or by HTTP status where there is none."""
    latencies_s: dict[str, list[float]] = field(default_factory=dict)
    done_in_time: int = 0
    """Answers that came between the warm-up and the end, whenever they were asked for."""

    def report(self) -> dict[str, Any]:
        refused = sorted(self.latencies_s.get("503", []))
        accepted = sorted(one for state, all_ in self.latencies_s.items() if not state.isdigit() for one in all_)
        return {
            "client": self.address,
            "asked": self.asked,
            "answers": dict(self.answers),
            "done_in_time": self.done_in_time,
            "refused_ms": [_quantile_ms(refused, 0.5), _quantile_ms(refused, 0.99)],
            "accepted_ms": [_quantile_ms(accepted, 0.5), _quantile_ms(accepted, 0.99)],
        }


def _quantile_ms(ordered: Sequence[float], share: float) -> float | None:
    return 1000 * ordered[int((len(ordered) - 1) * share)] if ordered else None


class OpenLoop:
    """Sends by the clock; what is not answered `patience_s` after the end counts as `unanswered`."""

    def __init__(
        self, url: str, request: bytes, clients: Sequence[Client], *, warm_up_s: float, seconds: float
    ) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._request = request
        self._clients = clients
        self._selector = selectors.DefaultSelector()
        self._open = 0
        self._on_the_way: set[Line] = set()
        self._from = time.perf_counter() + warm_up_s
        self._until = self._from + seconds

    def run(self, patience_s: float, seed: int = 1) -> None:
        draw = random.Random(seed)
        start = time.perf_counter()
        due = [(start + draw.expovariate(one.rate), number) for number, one in enumerate(self._clients) if one.rate]
        heapq.heapify(due)
        while due and due[0][0] < self._until:
            at, number = due[0]
            self._listen(max(0.0, at - time.perf_counter()))
            while due[0][0] <= time.perf_counter():
                at, number = due[0]
                client = self._clients[number]
                heapq.heapreplace(due, (at + draw.expovariate(client.rate), number))
                if at < self._until:
                    self._ask(client, at)
        give_up_at = time.perf_counter() + patience_s
        while self._on_the_way and time.perf_counter() < give_up_at:
            self._listen(0.1)
        for line in self._on_the_way:
            if line.is_counted:
                line.client.answers["unanswered"] += 1

    def _ask(self, client: Client, due_at: float) -> None:
        is_counted = due_at >= self._from
        client.asked += is_counted
        if client.idle:
            line = client.idle.pop()
        elif self._open < MOST_CONNECTIONS:
            line = self._connect(client)
        else:
            client.answers["unsent"] += is_counted
            return
        # From when it was due, so that a generator that is late does not make the service look quick.
        line.asked_at, line.is_counted, line.unsent = due_at, is_counted, memoryview(self._request)
        line.received.clear()
        self._on_the_way.add(line)
        self._send(line)

    def _connect(self, client: Client) -> Line:
        link = socket.create_connection(self._address, source_address=(client.address, 0))
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.setblocking(False)
        line = Line(link, client)
        self._selector.register(link, selectors.EVENT_READ, line)
        self._open += 1
        return line

    def _send(self, line: Line) -> None:
        try:
            line.unsent = line.unsent[line.link.send(line.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._end(line, "broken")
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.unsent else 0)
        if self._selector.get_key(line.link).events != wanted:
            self._selector.modify(line.link, wanted, line)

    def _listen(self, within_s: float) -> None:
        for key, events in self._selector.select(within_s):
            if events & selectors.EVENT_WRITE:
                self._send(key.data)
            if events & selectors.EVENT_READ:
                self._hear(key.data)

    def _hear(self, line: Line) -> None:
        try:
            chunk = line.link.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._end(line, "broken")
            return
        line.received += chunk
        end = line.received.find(b"\r\n\r\n")
        length = _LENGTH.search(line.received, 0, end + 4) if end >= 0 else None
        if length is not None and len(line.received) >= end + 4 + int(length[1]):
            self._answered(line, end)

    def _answered(self, line: Line, end: int) -> None:
        status, state = line.received[9:12].decode(), _STATE.search(line.received, end)
        name = state[1].decode() if state and status in ("200", "202") else status
        now, client = time.perf_counter(), line.client
        self._on_the_way.discard(line)
        if name == "succeeded" and self._from <= now <= self._until:
            client.done_in_time += 1
        if line.is_counted:
            client.answers[name] += 1
            client.latencies_s.setdefault(name, []).append(now - line.asked_at)
        if line.unsent or b"connection: close" in line.received[:end].lower():
            self._end(line, "")
        else:
            client.idle.append(line)

    def _end(self, line: Line, why: str) -> None:
        if line in self._on_the_way:
            self._on_the_way.discard(line)
            line.client.answers[why] += line.is_counted
        elif line in line.client.idle:
            line.client.idle.remove(line)
        self._selector.unregister(line.link)
        line.link.close()
        self._open -= 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--rate", type=float, required=True, help="requests a second of 127.0.0.1")
    parser.add_argument("--client", action="append", default=[], help="ADDRESS=RATE of one more client")
    parser.add_argument("--warm-up", type=float, default=8)
    parser.add_argument("--seconds", type=float, default=16)
    parser.add_argument("--patience", type=float, default=12)
    arguments = parser.parse_args()
    clients = [Client("127.0.0.1", arguments.rate)]
    clients += [Client(one.partition("=")[0], float(one.partition("=")[2])) for one in arguments.client]
    request = prepared_request(arguments.url, arguments.image.read_bytes())
    request = request.replace(b"Splitleaf-Unit: load-generator\r\n", b"Splitleaf-Unit: open-loop\r\n")
    loop = OpenLoop(arguments.url, request, clients, warm_up_s=arguments.warm_up, seconds=arguments.seconds)
    loop.run(arguments.patience)
    for client in clients:
        json.dump(client.report(), sys.stdout)
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
