"""A database that hangs or is gone: images are answered all the same, with a key or without."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.outcomes.servers import NoPostgresHere, PostgresServer
from tests.support.images import jpeg
from tests.system.running import RunningSystem, start_small_system

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(240)]

ANSWERED_WITHIN_S = 15.0
"""Generous: the machine that tests may be busy. The database stays silent for as long as the test likes."""


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory(prefix="slp", dir="/tmp") as folder:
        server = PostgresServer(Path(folder))
        try:
            server.prepare()
            server.start()
        except (NoPostgresHere, OSError) as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"no PostgreSQL can be started here: {error}")
        yield server
        if server.process and server.process.poll() is None:
            server.stop()


@pytest.fixture
def system(postgres: PostgresServer, tmp_path: Path) -> Iterator[RunningSystem]:
    running = start_small_system(tmp_path, SPLITLEAF_DATABASE_URL=postgres.new_database())
    yield running
    assert running.stop() == 0


async def ask(system: RunningSystem, marker: str) -> list[httpx.Response]:
    """Send images at once, half of them with a key, and each of those once more."""
    async with httpx.AsyncClient(base_url=system.url, timeout=ANSWERED_WITHIN_S) as client:

        async def predict(number: int) -> httpx.Response:
            headers = {"Idempotency-Key": f"{marker}-{number}", "Splitleaf-Unit": "ann"} if number % 2 else {}
            return await client.post("/predict", files={"file": jpeg()}, headers=headers)

        first = await asyncio.gather(*(predict(number) for number in range(40)))
        return [*first, *await asyncio.gather(*(predict(number) for number in range(1, 40, 2)))]


def recorded(system: RunningSystem) -> int:
    with system.admin() as admin:
        counts: dict[str, int] = admin.get("/summary").json()["outcomes"]
        return counts.get("succeeded", 0)


async def until_recorded(system: RunningSystem, count: int) -> int:
    async with asyncio.timeout(60):
        while (found := await asyncio.to_thread(recorded, system)) < count:
            await asyncio.sleep(0.1)
    return found


async def test_a_database_that_hangs_or_is_gone_keeps_no_image_from_its_answer(
    system: RunningSystem, postgres: PostgresServer
) -> None:
    assert {one.status_code for one in await ask(system, "well")} == {200}
    assert await until_recorded(system, 40) == 40
    with postgres.frozen():
        for turn in range(3):
            assert {one.status_code for one in await ask(system, f"frozen-{turn}")} == {200}
    assert await until_recorded(system, 160) == 160
    postgres.kill()
    for turn in range(3):
        assert {one.status_code for one in await ask(system, f"gone-{turn}")} == {200}
    postgres.start()
    # Each was recorded once: a key that came again is no other prediction.
    assert await until_recorded(system, 280) == 280
