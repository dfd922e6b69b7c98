"""What is left of stored times when the broker's clock goes back or ahead by an hour."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from splitleaf.core.prediction import PredictionStatus
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.queue import SubmitOutcome, WorkerReport
from splitleaf.jobs.rates import Rate
from splitleaf.jobs.redis import RedisRateLimiter, RedisWorkArchive, feed, workers
from tests.jobs.conftest import Parts, redis_parts
from tests.jobs.servers import BrokerServer
from tests.jobs.tasks import classified, task
from tests.support.clocks import ProcessClock, find_faketime

HOUR_S = 3600
V1 = {"v1": 8}
LIMITS = QueueLimits(lease_ms=200, poll_s=0.2)


@dataclass
class FakedBroker:
    """A broker whose clock can be moved."""

    clock: ProcessClock
    server: BrokerServer
    parts: Parts

    def jump(self, seconds: int) -> None:
        """Move the clock, and return when the broker goes by it.

        Valkey 9 counts on with the processor's clock and reads the system's clock about once a millisecond. A call that
        arrives sooner is still dated by the old time.
        """
        self.clock.move(seconds)
        give_up_at = time.monotonic() + 30
        while abs(self._now_s() - time.time() - self.clock.offset_s) > HOUR_S / 2:
            assert time.monotonic() < give_up_at, "the broker does not go by the moved clock"

    def _now_s(self) -> int:
        """Return the broker's time in whole seconds: `*2`, `$10`, seconds, ..."""
        return int(self.server.command("TIME").split(b"\r\n")[2])


@pytest.fixture
async def faked() -> AsyncIterator[FakedBroker]:
    if find_faketime() is None and os.environ.get("CI") != "true":
        pytest.skip("libfaketime is not installed: there is no other way to move a broker's clock")
    with tempfile.TemporaryDirectory(prefix="slq", dir="/tmp") as folder:
        clock = ProcessClock(Path(folder) / "offset")
        server = BrokerServer(Path(folder), environment=clock.environment)
        server.start()
        parts = redis_parts(server.url, LIMITS)
        try:
            yield FakedBroker(clock, server, parts)
        finally:
            await parts.close()
            server.kill()


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():
            await asyncio.sleep(0.02)


async def test_a_client_is_not_locked_out_when_the_clock_goes_back(faked: FakedBroker) -> None:
    rates, quick = RedisRateLimiter(faked.parts.queue()), Rate("calls", 2, 1)
    while (await rates.charge(quick, "anna")).is_allowed:
        pass
    faked.jump(-HOUR_S)
    assert (await rates.charge(quick, "anna")).wait_s <= 0.5

    async def is_allowed() -> bool:
        return (await rates.charge(quick, "anna")).is_allowed

    await until(is_allowed)


async def test_a_dead_leader_is_followed_when_the_clock_goes_back(faked: FakedBroker) -> None:
    election = faked.parts.election()
    assert await election.lead("ann", 0.3, "all is well")
    faked.jump(-HOUR_S)

    async def leads() -> bool:
        return await election.lead("bob", 0.3)

    await until(leads)
    assert await election.statement() == ""


async def test_a_dead_worker_is_not_thought_alive_when_the_clock_goes_back(
    faked: FakedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_LONGEST_LIFE_MS", 300)
    directory = faked.parts.directory()
    await directory.report(WorkerReport("w1", "host", 1, 0, {"v1": "ready"}, {}), 5)
    faked.jump(-HOUR_S)

    async def is_gone() -> bool:
        return not await directory.workers()

    await until(is_gone)


@pytest.mark.parametrize("seconds", [-HOUR_S, HOUR_S])
async def test_a_dead_workers_tasks_are_handed_out_again_whichever_way_the_clock_went(
    faked: FakedBroker, seconds: int
) -> None:
    queue, dead, alive = faked.parts.queue(), faked.parts.consumer(), faked.parts.consumer()
    one = task(ttl_ms=2 * HOUR_S * 1000)
    await queue.submit(one)
    assert await dead.take(V1, 100)
    faked.jump(seconds)

    async def is_handed_back() -> int:
        return (await alive.recover(V1)).handed_back

    await until(is_handed_back)
    (claim,) = await alive.take(V1, 1000)
    assert await alive.finish([classified(claim)]) == 1


async def test_a_waiting_task_expires_in_its_time_when_the_clock_goes_back(faked: FakedBroker) -> None:
    queue, other = faked.parts.queue(), faked.parts.consumer()
    one = task(ttl_ms=300)
    await queue.submit(one)
    faked.jump(-HOUR_S)

    async def is_expired() -> int:
        return (await other.recover({"v2": 1})).expired

    await until(is_expired)
    state = await queue.state(one.id)
    assert state is not None
    assert state.status is PredictionStatus.EXPIRED
    assert not await other.take(V1, 5)


async def test_without_a_worker_the_controller_ends_a_waiting_task_when_the_clock_goes_back(
    faked: FakedBroker,
) -> None:
    queue, election = faked.parts.queue(), faked.parts.election()
    one = task(ttl_ms=300)
    await queue.submit(one)
    faked.jump(-HOUR_S)

    async def is_recorded_as_expired() -> bool:
        await election.settled_ms()
        return bool(await queue.broker.client.call("XLEN", "{q:v1}:feed") == 1)

    await until(is_recorded_as_expired)
    state = await queue.state(one.id)
    assert state is not None
    assert state.status is PredictionStatus.EXPIRED


async def test_a_waiting_task_is_done_as_if_it_had_just_come_when_the_clock_goes_back(faked: FakedBroker) -> None:
    queue, worker = faked.parts.queue(), faked.parts.consumer()
    one = task(ttl_ms=30_000)
    await queue.submit(one)
    faked.jump(-HOUR_S)
    (claim,) = await worker.take(V1, 1000)
    state = await queue.state(one.id)
    assert state is not None
    assert state.started_ms is not None
    assert claim.deadline_ms == state.started_ms + 30_000
    assert claim.queue_ms == 0
    assert await worker.finish([classified(claim)]) == 1


async def test_tasks_of_a_hung_worker_end_in_their_time_when_the_clock_goes_back(faked: FakedBroker) -> None:
    queue, hung, other = faked.parts.queue(), faked.parts.consumer(), faked.parts.consumer()
    for _ in range(3):
        await queue.submit(task(ttl_ms=1_000))
    claims = await hung.take(V1, 100)
    assert len(claims) == 3
    faked.jump(-HOUR_S)
    await other.recover({"v2": 1})
    (_, *later) = [await queue.broker.client.call("HGET", f"{{q:v1}}:t:{one.task_id}", "d") for one in claims]
    assert all(int(deadline) < one.deadline_ms for deadline, one in zip(later, claims[1:], strict=True))
    expired = 0

    async def all_are_expired() -> bool:
        nonlocal expired
        await hung.heartbeat(claims)
        expired += (await other.recover({"v2": 1})).expired
        return expired == len(claims)

    await until(all_are_expired)


async def test_a_backup_gives_no_task_more_than_its_time_to_live_when_the_clock_goes_back(faked: FakedBroker) -> None:
    queue = faked.parts.queue()
    await queue.submit(task(ttl_ms=30_000))
    faked.jump(-HOUR_S)
    (saved,) = [one async for one in RedisWorkArchive(queue, 60).waiting()]
    assert saved.ttl_ms == 30_000


async def test_a_dead_recorders_entries_are_taken_over_when_the_clock_goes_back(
    faked: FakedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_ABANDONED_MS", 200)
    queue, worker, dead, alive = faked.parts.queue(), faked.parts.consumer(), faked.parts.feed(), faked.parts.feed()
    await queue.submit(task())
    await worker.finish([classified(claim) for claim in await worker.take(V1, 100)])
    await until(lambda: dead.read(1, 50))
    faked.jump(-HOUR_S)

    async def is_taken_over() -> int:
        alive._takes_over_at = 0.0
        return len(await alive.read(1, 5))

    await until(is_taken_over)


async def test_dead_workers_do_not_count_as_working_and_ages_are_right_when_the_clock_goes_back(
    faked: FakedBroker,
) -> None:
    queue, worker = faked.parts.queue(), faked.parts.consumer()
    await queue.submit(task())
    claims = await worker.take(V1, 100)
    await asyncio.sleep(0.1)
    await worker.finish([classified(claim) for claim in claims])
    await queue.submit(task("v1"))
    await worker.take(V1, 100)
    faked.jump(-HOUR_S)
    began = time.monotonic()
    # 100 ms a task, and one worker that was seen an hour from now: it is not there to be waited for.
    for _ in range(6):
        assert await queue.submit(task(ttl_ms=500)) is SubmitOutcome.ACCEPTED

    async def oldest_ms() -> int:
        return max(depth.oldest_waiting_ms for depth in await queue.depths())

    async def is_older() -> bool:
        return await oldest_ms() >= 50

    await until(is_older)
    assert await oldest_ms() <= (time.monotonic() - began) * 1000 + 100
