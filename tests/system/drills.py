"""Clients that remember all they were told, and hands that break things meanwhile. Used by tests and benchmarks."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.support.pictures import jpeg
from tests.system.running import RunningSystem

PICTURES = [jpeg((37 * i % 256, 91 * i % 256, 149 * i % 256)) for i in range(1, 17)]
GIVE_UP_S = 90.0
"""A prediction without a final state for so long after its acceptance counts as lost."""
RETRY_S = 0.05
FINAL = frozenset({"succeeded", "failed", "canceled", "expired"})


@dataclass
class Ledger:
    """What the clients were told."""

    accepted: dict[str, int] = field(default_factory=dict)
    """Id -> number of the picture."""
    finals: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The final state as it was first seen."""
    changed: set[str] = field(default_factory=set)
    """Ids whose final state was another one at a later look."""
    looks: int = 0
    refusals: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Answers other than 2xx, by status and code; status 0 where the connection broke."""

    def see(self, body: dict[str, Any]) -> bool:
        """Note a state; return whether it is final."""
        is_final = body["status"] in FINAL
        known = self.finals.get(body["id"])
        if known is not None and known != body:
            self.changed.add(body["id"])
        elif is_final and known is None:
            self.finals[body["id"]] = body
        return is_final

    def by_status(self) -> Counter[str]:
        return Counter(body["status"] for body in self.finals.values())

    def mixed_up(self) -> int:
        """Count succeeded predictions whose answer is not the one that most others of the same picture got."""
        answers: dict[int, Counter[str]] = {}
        for one, body in self.finals.items():
            if body["status"] == "succeeded":
                text = json.dumps(body["result"], sort_keys=True)
                answers.setdefault(self.accepted[one], Counter())[text] += 1
        return sum(counter.total() - counter.most_common(1)[0][1] for counter in answers.values())


class Line:
    """One client's connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, headers: str = "", body: bytes = b"") -> tuple[int, dict[str, Any]]:
        """Return status and JSON; (0, {}) when the connection broke."""
        head = f"{method} {path} HTTP/1.1\r\nHost: drill\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        try:
            async with asyncio.timeout(40):
                if self._streams is None:
                    self._streams = await asyncio.open_connection(*self._address)
                reader, writer = self._streams
                writer.write(head.encode() + body)
                answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(answer.split("content-length:", 1)[1].split("\r\n", 1)[0])
                return int(answer[9:12]), json.loads(await reader.readexactly(length))
        except (OSError, EOFError, TimeoutError):
            self.close()
            return 0, {}

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


@dataclass
class Crowd:
    """Clients that send pictures at a steady pace, repeat what was refused, and look again at old answers."""

    system: RunningSystem
    count: int
    """Pictures to send; may be lowered while they are sent, to end early."""
    per_second: float
    ledger: Ledger = field(default_factory=Ledger)
    clients: int = 16

    async def run(self) -> None:
        numbers = itertools.takewhile(lambda number: number < self.count, itertools.count())
        started = time.monotonic()

        async def client() -> None:
            line = Line(self.system.url)
            for number in numbers:
                await asyncio.sleep(max(0.0, started + number / self.per_second - time.monotonic()))
                await self._one(line, number)
            line.close()

        await asyncio.gather(*(client() for _ in range(self.clients)))

    async def look_again(self) -> None:
        """Ask for every accepted prediction once more."""
        ids = iter(list(self.ledger.accepted))

        async def client() -> None:
            line = Line(self.system.url)
            for one in ids:
                await self._follow(line, one)
            line.close()

        await asyncio.gather(*(client() for _ in range(self.clients)))

    async def _one(self, line: Line, number: int) -> None:
        picture = number % len(PICTURES)
        # With a key, repeating is safe: what was accepted before an answer got lost is not accepted again.
        headers = f"Content-Type: image/jpeg\r\nIdempotency-Key: drill-{number}\r\nSplitleaf-Unit: crowd\r\n"
        while True:
            status, body = await line.ask("POST", "/v1/predictions", headers, PICTURES[picture])
            if status in (200, 202):
                break
            self.ledger.refusals[status, body.get("code", "connection broken")] += 1
            await asyncio.sleep(RETRY_S)
        self.ledger.accepted[body["id"]] = picture
        if not self.ledger.see(body):
            await self._follow(line, body["id"])
        if number % 4 == 0:
            await self._follow(line, random.choice(list(self.ledger.finals)))

    async def _follow(self, line: Line, prediction_id: str) -> None:
        give_up_at = time.monotonic() + GIVE_UP_S
        while time.monotonic() < give_up_at:
            status, body = await line.ask("GET", f"/v1/predictions/{prediction_id}?wait=5")
            if status == 200:
                self.ledger.looks += 1
                if self.ledger.see(body):
                    return
            elif status == 404:
                return
            else:
                self.ledger.refusals[status, body.get("code", "connection broken")] += 1
                await asyncio.sleep(RETRY_S)


@dataclass(frozen=True)
class Findings:
    """What is left when all is quiet again. Every number but the first three should be 0."""

    accepted: int
    by_status: dict[str, int]
    looks: int
    lost: int
    """Accepted, and without a final state."""
    changed: int
    mixed_up: int
    unrecorded: int
    """Not in the outcome store, or there with another status or label."""
    recorded_twice: int

    @property
    def faults(self) -> int:
        return self.lost + self.changed + self.mixed_up + self.unrecorded + self.recorded_twice


async def find_out(crowd: Crowd) -> Findings:
    """Ask again for everything, and compare with what the outcome store has."""
    await crowd.look_again()
    ledger = crowd.ledger
    rows: list[tuple[str, str, str | None]] = []
    for _ in range(60):
        rows = _recorded(crowd.system)
        if len({row[0] for row in rows} & set(ledger.accepted)) == len(ledger.accepted):
            break
        await asyncio.sleep(0.5)
    times = Counter(row[0] for row in rows)
    recorded = {one: (status, label) for one, status, label in rows}
    seen = {one: (body["status"], (body["result"] or {}).get("label")) for one, body in ledger.finals.items()}
    return Findings(
        accepted=len(ledger.accepted),
        by_status=dict(ledger.by_status()),
        looks=ledger.looks,
        lost=len(set(ledger.accepted) - set(ledger.finals)),
        changed=len(ledger.changed),
        mixed_up=ledger.mixed_up(),
        unrecorded=sum(recorded.get(one) != seen.get(one) for one in ledger.accepted),
        recorded_twice=sum(count > 1 for count in times.values()),
    )


def finished_after(system: RunningSystem, moment_ms: float) -> float:
    """Return how many milliseconds after this moment the next prediction was finished."""
    with sqlite3.connect(f"file:{system.data / 'outcomes.sqlite3'}?mode=ro", uri=True) as database:
        (first,) = database.execute(
            "SELECT min(finished_ms) FROM outcomes WHERE status = 'succeeded' AND finished_ms > ?", [moment_ms]
        ).fetchone()
    return float("inf") if first is None else float(first - moment_ms)


def _recorded(system: RunningSystem) -> list[tuple[str, str, str | None]]:
    with sqlite3.connect(f"file:{system.data / 'outcomes.sqlite3'}?mode=ro", uri=True) as database:
        return database.execute("SELECT prediction_id, status, label FROM outcomes").fetchall()
