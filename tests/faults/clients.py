"""Clients that send images in many ways to all replicas, and write down all they were told."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.faults.history import Call, History, Request, Result, Verb
from tests.faults.images import IMAGES
from tests.faults.line import Line

GIVE_UP_S: Final = 75.0
"""After so long without an acceptance a client leaves; after so long without a final state it waits no more."""
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0
UNITS: Final = 40
Manner = Callable[["Clients", Request], Awaitable[None]]


@dataclass
class Clients:
    """An open loop: images come at their times, whatever became of those before."""

    urls: Sequence[str]
    history: History
    per_second: float
    seed: int
    most_at_once: int = 150
    is_enough: bool = False
    """Send nothing more."""
    lines: dict[int, list[Line]] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.rng = random.Random(f"clients {self.seed}")
        self.lines = {replica: [] for replica in range(len(self.urls))}
        self._room = asyncio.Semaphore(self.most_at_once)

    async def run(self, seconds: float) -> None:
        """Send for so long, and return when every client is done."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for sent in itertools.count():
                await asyncio.sleep(max(0.0, began + sent / self.per_second - time.monotonic()))
                await self._room.acquire()
                if self.is_enough or time.monotonic() - began >= seconds:
                    self._room.release()
                    return
                group.create_task(self._one(self.rng.choices(MANNERS, WEIGHTS)[0]))

    async def look_at_all(self, one_in: int = 1) -> None:
        """Ask every replica for every accepted prediction (or one in so many) once more."""
        ids = iter([(one, calls[0].request) for one, calls in self.history.accepted().items()][::one_in])

        async def look() -> None:
            for prediction_id, request in ids:
                for replica in range(len(self.urls)):
                    await self.read(prediction_id, request, replica)

        await asyncio.gather(*(look() for _ in range(8)))

    def close(self) -> None:
        for lines in self.lines.values():
            while lines:
                lines.pop().close()

    async def _one(self, manner: Manner) -> None:
        number = next(self.numbers)
        key = "" if manner is without_key else f"key-{self.seed}-{number}"
        unit = f"unit-{self.rng.randrange(UNITS)}"
        request = Request(number, self.rng.randrange(len(IMAGES)), unit, key)
        self.history.requests[number] = request
        try:
            await manner(self, request)
        finally:
            self._room.release()

    def any_replica(self) -> int:
        return self.rng.randrange(len(self.urls))

    async def ask(  # noqa: PLR0917 - a call from its parts
        self, verb: Verb, replica: int, request: int, path: str, headers: str = "", body: bytes = b""
    ) -> Call:
        """Make one call, write it down, and return it."""
        method = {Verb.SUBMIT: "POST", Verb.READ: "GET", Verb.CANCEL: "DELETE"}[verb]
        idle = self.lines[replica]
        line = idle.pop() if idle else Line(self.urls[replica])
        began_s = self.history.now_s()
        status, answer = await line.ask(method, path, headers, body)
        if status:
            idle.append(line)
        asked_for = "" if verb is Verb.SUBMIT else path.split("/")[3].split("?", maxsplit=1)[0]
        prediction_id = asked_for or str(answer.get("id", ""))
        call = Call(verb, began_s, self.history.now_s(), replica, request, status, answer, prediction_id)
        self.history.add(call)
        return call

    async def submit(self, request: Request, replica: int | None = None, image: int | None = None) -> Call:
        """Send the image until it is accepted or refused for good; without a key, until it may have been accepted."""
        give_up_at, pause_s = time.monotonic() + GIVE_UP_S, FIRST_PAUSE_S
        wait = self.rng.choice(("", "Prefer: wait=2\r\n", "Prefer: wait=10\r\n"))
        headers = f"Content-Type: image/jpeg\r\nSplitleaf-Unit: {request.unit}\r\n{wait}"
        headers += f"Idempotency-Key: {request.key}\r\n" if request.key else ""
        upload = IMAGES[request.image if image is None else image]
        while True:
            at = self.any_replica() if replica is None else replica
            call = await self.ask(Verb.SUBMIT, at, request.number, "/v1/predictions", headers, upload)
            is_refused = 400 <= call.status < 500 and call.status != 429
            is_over = call.result is Result.OK or is_refused or time.monotonic() > give_up_at
            if is_over or (call.result is Result.UNKNOWN and not request.key):
                return call
            await asyncio.sleep(pause_s * self.rng.uniform(0.5, 1.5))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def read(self, prediction_id: str, request: int, replica: int, wait_s: int = 0) -> Call:
        """Ask once, and again where the answer was lost or refused."""
        give_up_at, pause_s = time.monotonic() + GIVE_UP_S, FIRST_PAUSE_S
        while True:
            path = f"/v1/predictions/{prediction_id}" + (f"?wait={wait_s}" if wait_s else "")
            call = await self.ask(Verb.READ, replica, request, path)
            if call.result is Result.OK or time.monotonic() > give_up_at:
                return call
            await asyncio.sleep(pause_s * self.rng.uniform(0.5, 1.5))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def follow(self, call: Call) -> None:
        """Read until the final state was seen at one replica, and then at the next at once."""
        give_up_at = time.monotonic() + GIVE_UP_S
        while call.result is Result.OK and not call.is_final and time.monotonic() < give_up_at:
            call = await self.read(call.prediction_id, call.request, self.any_replica(), self.rng.choice((0, 1, 5)))
            if not call.is_final:
                await asyncio.sleep(0.05)
        if call.result is Result.OK:
            await self.read(call.prediction_id, call.request, (call.replica + 1) % len(self.urls))


async def without_key(clients: Clients, request: Request) -> None:
    """Nobody may send it twice: an answer that got lost stays lost."""
    await clients.follow(await clients.submit(request))


async def with_key(clients: Clients, request: Request) -> None:
    await clients.follow(await clients.submit(request))


async def to_both_at_once(clients: Clients, request: Request) -> None:
    calls = await asyncio.gather(*(clients.submit(request, replica) for replica in range(len(clients.urls))))
    await asyncio.gather(*(clients.follow(call) for call in calls))


async def again_late(clients: Clients, request: Request) -> None:
    await clients.follow(await clients.submit(request))
    await asyncio.sleep(clients.rng.uniform(1, 12))
    await clients.follow(await clients.submit(request))


async def and_cancel(clients: Clients, request: Request) -> None:
    call = await clients.submit(request)
    if call.result is Result.OK:
        path = f"/v1/predictions/{call.prediction_id}"
        await clients.ask(Verb.CANCEL, clients.any_replica(), request.number, path)
        await clients.follow(call)
        await clients.follow(await clients.submit(request))


async def with_another_image(clients: Clients, request: Request) -> None:
    """Reuse the key for another image, soon or late: that is to be refused."""
    await clients.follow(await clients.submit(request))
    await asyncio.sleep(clients.rng.choice((0.0, clients.rng.uniform(1, 8))))
    other = Request(next(clients.numbers), (request.image + 1) % len(IMAGES), request.unit, request.key)
    clients.history.requests[other.number] = other
    await clients.submit(other)


MANNERS: Final[Sequence[Manner]] = (
    without_key,
    with_key,
    to_both_at_once,
    again_late,
    and_cancel,
    with_another_image,
)
WEIGHTS: Final = (30, 25, 25, 8, 6, 6)
