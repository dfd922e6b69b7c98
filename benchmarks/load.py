"""A load generator that leaves the processor to what it measures: one thread, prepared requests, raw sockets.

Run as a process of its own, so that its share of the processor can be told from the server's:
`python -m benchmarks.load URL --image FILE --connections 64 --seconds 10` prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass
class Connection:
    """One client that sends the next request when it has the last answer."""

    link: socket.socket
    sent_at: float = 0.0
    received: bytearray = field(default_factory=bytearray)


@dataclass
class Load:
    """What a closed loop of clients saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--warm-up", type=float, default=1)
    arguments = parser.parse_args()
    request = prepared_request(arguments.url, arguments.image.read_bytes())
    drive(arguments.url, request, arguments.connections, arguments.warm_up)
    used = processor_seconds()
    started = time.perf_counter()
    load = drive(arguments.url, request, arguments.connections, arguments.seconds)
    seconds = time.perf_counter() - started
    ordered = sorted(load.latencies_s)
    good = load.statuses[200]
    report = {
        "rate": good / seconds,
        "statuses": dict(load.statuses),
        "p50_ms": 1000 * ordered[len(ordered) // 2] if ordered else None,
        "p99_ms": 1000 * ordered[int(len(ordered) * 0.99)] if ordered else None,
        "generator_cpu_share": (processor_seconds() - used) / seconds,
    }
    json.dump(report, sys.stdout)


def prepared_request(url: str, image: bytes, wait_s: int = 30) -> bytes:
    """Return a whole keep-alive request that uploads the image and waits for its result."""
    boundary = b"splitleafload"
    head = b'Content-Disposition: form-data; name="file"; filename="leaf.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = b"--" + boundary + b"\r\n" + head + image + b"\r\n--" + boundary + b"--\r\n"
    lines = [
        "POST /v1/predictions HTTP/1.1",
        f"Host: {urlsplit(url).netloc}",
        f"Content-Type: multipart/form-data; boundary={boundary.decode()}",
        f"Content-Length: {len(body)}",
        f"Prefer: wait={wait_s}",
        "Splitleaf-Unit: load-generator",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def drive(url: str, request: bytes, connections: int, seconds: float) -> Load:
    """Keep `connections` clients busy for that long; answers that come later are not counted."""
    load = Load()
    selector = selectors.DefaultSelector()
    clients = [_connect(url) for _ in range(connections)]
    for client in clients:
        selector.register(client.link, selectors.EVENT_READ, client)
        _send(client, request)
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        for key, _ in selector.select(left):
            client = key.data
            if _answered(client, load):
                _send(client, request)
    for client in clients:
        selector.unregister(client.link)
        client.link.close()
    selector.close()
    return load


@contextmanager
def one_client(url: str) -> Iterator[Callable[[bytes], None]]:
    """Give a function that sends a prepared request and waits for its answer, which must be 200."""
    client = _connect(url)

    def ask(request: bytes) -> None:
        load = Load()
        _send(client, request)
        while not _answered(client, load):
            pass
        if not load.statuses[200]:
            raise RuntimeError(bytes(client.received).decode(errors="replace"))

    with client.link:
        yield ask


def _connect(url: str) -> Connection:
    parts = urlsplit(url)
    link = socket.create_connection((parts.hostname or "", parts.port or 80))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Connection(link)


def _send(client: Connection, request: bytes) -> None:
    client.received.clear()
    client.sent_at = time.perf_counter()
    client.link.sendall(request)


def _answered(client: Connection, load: Load) -> bool:
    chunk = client.link.recv(65_536)
    if not chunk:
        raise ConnectionError("the server hung up")
    client.received += chunk
    end = client.received.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = _LENGTH.search(client.received, 0, end + 4)
    if length is None:
        raise ValueError("an answer without a length")
    if len(client.received) < end + 4 + int(length[1]):
        return False
    load.statuses[int(client.received[9:12])] += 1
    load.latencies_s.append(time.perf_counter() - client.sent_at)
    return True


def processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
