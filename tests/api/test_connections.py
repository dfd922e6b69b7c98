"""Bodies that are refused or held, over real connections: nobody's answer is reset, and memory has a bound."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import uvicorn

from splitleaf.api.app import build_app
from splitleaf.api.http import protocol
from splitleaf.api.http.body_budget import BodyBudget
from splitleaf.api.http.protocol import ProblemProtocol
from splitleaf.jobs.admission import Room
from splitleaf.jobs.queue import Priority
from tests.api.served import Served
from tests.support.images import jpeg

MB = 1_000_000
LEAF = jpeg()


class Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Line:
    """A client's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send_for_ever(self) -> None:
        while True:
            await self.send(bytes(100_000))

    async def answer(self) -> tuple[int, str, bytes]:
        """Return status, code, and the head in small letters."""
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
            return int(head[9:12]), json.loads(await self.reader.readexactly(length)).get("code", ""), head


@pytest.fixture
async def port(served: Served) -> AsyncIterator[int]:
    served.services.body_budget._max_bytes = 20 * MB
    config = uvicorn.Config(
        build_app(served.services),
        port=0,
        loop="none",
        http=ProblemProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.force_exit = server.should_exit = True
    await serving


@contextlib.asynccontextmanager
async def connected(port: int, address: str = "127.0.0.1") -> AsyncIterator[Line]:
    line = Line(*await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0)))
    try:
        yield line
    finally:
        line.writer.close()


def head(length: int, more: str = "", media_type: str = "image/jpeg") -> bytes:
    return (
        f"POST /v1/predictions HTTP/1.1\r\nHost: leaf\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n"
        f"{more}\r\n"
    ).encode()


async def test_a_multipart_of_11_mb_that_closes_gets_its_refusal_and_not_a_reset(port: int) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + bytes(11 * MB) + b"\r\n--b--\r\n"
    )
    async with connected(port) as line:
        await line.send(head(len(body), "Connection: close\r\n", "multipart/form-data; boundary=b") + body)
        assert (await line.answer())[:2] == (413, "payload_too_large")
        assert await line.reader.read() == b"", "and then the connection ends"


@pytest.mark.parametrize("more", ["", "Connection: close\r\n"])
async def test_an_image_refused_before_it_is_read_does_not_reset_a_client_that_still_sends(
    served: Served, port: int, more: str
) -> None:
    served.services.admission.heard("v1", Priority.INTERACTIVE, Room(tasks=0, task_ms=1e9, wait_ms=1e9))
    async with connected(port) as line:
        await line.send(head(8 * MB, more))
        status, code, fields = await line.answer()
        assert (status, code) == (503, "overloaded")
        assert b"retry-after: " in fields
        for _ in range(8):
            await line.send(bytes(MB))
        if more:
            assert await line.reader.read() == b""
        else:
            await line.send(b"GET /livez HTTP/1.1\r\nHost: leaf\r\n\r\n")
            assert (await line.answer())[0] == 200


async def test_a_client_that_never_stops_is_cut_off(served: Served, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LINGER_BYTES", 2 * MB)
    served.services.admission.heard("v1", Priority.INTERACTIVE, Room(tasks=0, task_ms=1e9, wait_ms=1e9))
    async with connected(port) as line:
        await line.send(head(9 * MB))
        await line.answer()
        with pytest.raises(OSError):
            await line.send_for_ever()


async def test_a_body_that_pauses_after_its_refusal_is_not_waited_for(
    served: Served, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LINGER_S", 0.05)
    served.services.admission.heard("v1", Priority.INTERACTIVE, Room(tasks=0, task_ms=1e9, wait_ms=1e9))
    async with connected(port) as line:
        await line.send(head(9 * MB) + b"x")
        await line.answer()
        async with asyncio.timeout(10):
            assert await line.reader.read() == b""


async def test_bodies_have_a_bound_together_and_what_they_held_is_given_back(served: Served, port: int) -> None:
    bodies = served.services.body_budget
    async with contextlib.AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(connected(port, f"127.0.0.{number}")) for number in (1, 2, 3)]
        for line in lines:
            await line.send(head(9_900_000) + bytes(5 * MB))
        await until_held(bodies, 15 * MB)
        late = await stack.enter_async_context(connected(port, "127.0.0.4"))
        await late.send(head(9_900_000))
        status, code, fields = await late.answer()
        assert (status, code) == (503, "overloaded")
        assert b"retry-after: " in fields
        small = await stack.enter_async_context(connected(port, "127.0.0.5"))
        await small.send(head(len(LEAF)) + LEAF)
        assert (await small.answer())[0] == 202, "what fits is still taken"
    await until_held(bodies, 0)


async def test_one_client_cannot_hold_all_the_room_for_bodies(served: Served, port: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(connected(port)) for _ in range(3)]
        for line in lines:
            await line.send(head(9_900_000) + bytes(6 * MB))
        await until_held(served.services.body_budget, 12 * MB, 16 * MB)
        other = await stack.enter_async_context(connected(port, "127.0.0.9"))
        await other.send(head(len(LEAF)) + LEAF)
        assert (await other.answer())[0] == 202


async def test_an_image_is_held_no_longer_than_until_the_queue_has_it(served: Served, port: int) -> None:
    async with connected(port) as line:
        await line.send(head(len(LEAF), "Prefer: wait=20\r\n") + LEAF)
        while not served.broker.entries:
            await asyncio.sleep(0.01)
        assert served.services.body_budget.bytes == 0


async def until_held(bodies: BodyBudget, least: int, most: int | None = None) -> None:
    async with asyncio.timeout(20):
        while not least <= bodies.bytes <= (most if most is not None else least):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("begun", [b"", b"GET /livez HTTP/1.1\r\nHost: leaf\r\nX-Slow: "])
async def test_a_head_that_does_not_come_to_its_end_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    async with connected(port) as line, asyncio.timeout(10):
        await line.send(begun)
        said = await line.reader.read()
    assert said.startswith(b"HTTP/1.1 408 " if begun else b"")
    assert bool(said) is bool(begun)


async def test_a_connection_whose_requests_are_whole_is_kept(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    async with connected(port) as line, asyncio.timeout(10):
        for _ in range(3):
            await line.send(b"GET /livez HTTP/1.1\r\nHost: leaf\r\n\r\n")
            assert (await line.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            await line.reader.readuntil(b"}")
            await asyncio.sleep(0.3)
