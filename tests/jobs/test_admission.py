"""What is accepted is answered in time, whatever is accepted beside it: on a real broker, by a clock of the test's own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from splitleaf.core.errors import Overloaded
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.queue import Priority, SubmitOutcome
from splitleaf.jobs.redis import RedisJobConsumer, RedisJobQueue
from tests.jobs.conftest import Parts, redis_parts
from tests.jobs.servers import BrokerServer
from tests.jobs.tasks import classified, task

TTL_MS = 20_000
LIMITS = QueueLimits(smoothing=0)
"""What was measured of a version stays as a test sets it."""


@dataclass
class Shop:
    """Two versions on one worker, which the test makes work."""

    queue: RedisJobQueue
    worker: RedisJobConsumer
    service_ms: dict[str, int]
    caps: dict[str, int]
    clock_ms: float = 0.0

    async def open(self) -> Shop:
        await self.worker.take(self.caps, 1)
        for version, service_ms in self.service_ms.items():
            await self.queue.broker.client.call("HSET", f"{{q:{version}}}:m", "svc", service_ms)
        return self

    async def fill(self, version: str, priority: Priority = Priority.INTERACTIVE) -> list[str]:
        """Submit until no more is accepted; return the ids."""
        accepted: list[str] = []
        while True:
            one = task(version, ttl_ms=TTL_MS, priority=priority)
            try:
                await self.queue.submit(one)
            except Overloaded:
                return accepted
            accepted.append(one.id)

    async def work(self) -> list[str]:
        """Do one batch, as long as it takes by the test's clock; return the ids."""
        claims = await self.worker.take(self.caps, 1)
        await self.worker.finish([classified(claim) for claim in claims])
        self.clock_ms += sum(self.service_ms[claim.version] for claim in claims)
        return [claim.task_id for claim in claims]


def shop(
    server: BrokerServer, service_ms: dict[str, int], cap: int, expected: tuple[str, ...] = ()
) -> tuple[Parts, Shop]:
    parts = redis_parts(server.url, LIMITS)
    queue = RedisJobQueue(server.url, LIMITS, expected=lambda: expected)
    parts.made.append(queue)
    return parts, Shop(queue, parts.consumer(), service_ms, dict.fromkeys(service_ms, cap))


BESIDE = [
    ({"v1": 400, "v2": 400}, 4),
    ({"v1": 200, "v2": 800}, 2),
    ({"v1": 1000, "v2": 100}, 1),
    ({"v1": 150, "v2": 150}, 8),
]


@pytest.mark.parametrize(("service_ms", "cap"), BESIDE)
@pytest.mark.parametrize("priority", [Priority.INTERACTIVE, Priority.BATCH])
async def test_what_a_version_accepted_alone_is_answered_in_time_when_another_one_then_never_runs_dry(
    server: BrokerServer, service_ms: dict[str, int], cap: int, priority: Priority
) -> None:
    parts, one = shop(server, service_ms, cap, expected=("v1", "v2"))
    await one.open()
    if priority is Priority.BATCH:
        await one.fill("v1")
    open_ids = set(await one.fill("v1", priority))
    while open_ids:
        await one.fill("v2")
        await one.fill("v1")
        open_ids -= set(await one.work())
    assert one.clock_ms <= TTL_MS
    await parts.close()


async def test_a_version_on_workers_of_its_own_has_all_of_their_time(server: BrokerServer) -> None:
    parts, both = shop(server, {"v1": 500, "v2": 500}, 1, expected=("v1", "v2"))
    alone = replace(both, worker=parts.consumer(), caps={"v1": 1})
    await alone.open()
    assert len(await alone.fill("v1")) == 0.75 * TTL_MS / 500 + 1
    await both.open()
    assert await alone.fill("v1") == [], "two workers now, but half of each may be the other version's"
    await parts.close()


async def test_a_version_that_nobody_is_sent_to_takes_no_time_from_another(server: BrokerServer) -> None:
    parts, one = shop(server, {"v1": 500, "retired": 5000}, 1, expected=("v1",))
    await one.open()
    assert len(await one.fill("v1")) == 0.75 * TTL_MS / 500 + 1
    await parts.close()


async def test_shadow_work_is_shed_while_those_who_wait_fill_half_of_their_time(server: BrokerServer) -> None:
    parts, one = shop(server, {"v1": 500, "v2": 500}, 1, expected=("v1",))
    await one.open()
    shadow = task("v2", ttl_ms=TTL_MS, priority=Priority.SHADOW)
    waiting = len(await one.fill("v1"))
    with pytest.raises(Overloaded):
        await one.queue.submit(shadow)
    for _ in range(waiting // 2 + 1):
        await one.work()
    assert await one.queue.submit(shadow) is SubmitOutcome.ACCEPTED
    await parts.close()


async def test_an_empty_version_takes_a_task_whatever_was_measured_of_it(server: BrokerServer) -> None:
    parts, one = shop(server, {"v1": 60_000}, 1)
    await one.open()
    assert len(await one.fill("v1")) == 1
    await parts.close()
