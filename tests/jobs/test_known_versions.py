"""Ids are looked for in the versions that something is left of, and in no others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from splitleaf.core.prediction import PredictionStatus
from splitleaf.jobs.redis import RedisJobConsumer, RedisJobQueue
from tests.jobs.conftest import Parts
from tests.jobs.tasks import classified, task

CAPS = {"v1": 1}
OLD = {"old": 1}
LONG_AGO_MS = 20 * 24 * 3_600_000


async def call(queue: RedisJobQueue, *words: Any) -> Any:
    return await queue.broker.client.call(*words)


async def have_old_version(queue: RedisJobQueue) -> None:
    """Leave in the broker what is left of a version whose last final state was recorded 20 days ago."""
    entry = f"{round(time.time() * 1000) - LONG_AGO_MS}-1"
    await call(queue, "DEL", *(f"{{q:old}}:{name}" for name in ("s:0", "feed", "dead", "w", "peers")))
    await call(queue, "XADD", "{q:old}:feed", entry, "d", "recorded")
    await call(queue, "XGROUP", "CREATE", "{q:old}:feed", "recorders", "$")
    await call(queue, "XDEL", "{q:old}:feed", entry)
    await call(queue, "SADD", "splitleaf:versions", "old")


async def answer_one(parts: Parts, *, recorded: bool) -> None:
    """Have one prediction of the old version answered, by a worker of which nothing is left."""
    queue, worker, feed = parts.queue(), parts.consumer(), parts.feed()
    await queue.submit(task("old"))
    assert await worker.finish([classified(claim) for claim in await worker.take(OLD, 200)]) == 1
    if recorded:
        entries = [*await feed.read(9, 50), *await feed.read(9, 50)]
        assert len(entries) == 1
        await feed.acknowledge(entries)
    await call(queue, "DEL", "{q:old}:s:0", "{q:old}:w", "{q:old}:peers")


async def leave_waiting(parts: Parts) -> None:
    await parts.queue().submit(task("old"))


async def leave_result(parts: Parts) -> None:
    await answer_one(parts, recorded=True)


async def leave_unrecorded(parts: Parts) -> None:
    await answer_one(parts, recorded=False)


async def leave_dead_letter(parts: Parts) -> None:
    await call(parts.queue(), "XADD", "{q:old}:dead", "1-1", "i", "one", "n", "3", "why", "lease lost", "t", "5")


async def leave_worker(parts: Parts) -> None:
    await parts.consumer().recover(OLD)


async def versions_after_recovery(queue: RedisJobQueue, worker: RedisJobConsumer) -> list[str]:
    await worker.recover(CAPS)
    return list(await queue.broker.versions())


async def test_a_version_is_forgotten_when_nothing_is_left_of_it_and_a_submit_makes_it_known(redis: Parts) -> None:
    queue, worker, one = redis.queue(), redis.consumer(), task("old")
    await have_old_version(queue)
    assert await versions_after_recovery(queue, worker) == ["v1"]
    await queue.submit(one)
    assert await versions_after_recovery(queue, worker) == ["old", "v1"]
    (claim,) = await redis.consumer().take(OLD, 200)
    assert await worker.finish([classified(claim)]) == 1
    state = await queue.state(one.id)
    assert state is not None
    assert state.status is PredictionStatus.SUCCEEDED


@pytest.mark.parametrize("leave", [leave_waiting, leave_result, leave_unrecorded, leave_dead_letter, leave_worker])
async def test_a_version_is_known_while_anything_of_it_is_left(
    redis: Parts, leave: Callable[[Parts], Awaitable[None]]
) -> None:
    queue = redis.queue()
    await have_old_version(queue)
    await leave(redis)
    assert await versions_after_recovery(queue, redis.consumer()) == ["old", "v1"]


async def test_a_task_that_is_accepted_while_its_version_is_forgotten_is_known(redis: Parts) -> None:
    queue, workers = redis.queue(), [redis.consumer(), redis.consumer()]
    for _ in range(20):
        one = task("old")
        await have_old_version(queue)
        await asyncio.gather(*(worker.recover(CAPS) for worker in workers), queue.submit(one), queue.submit(task()))
        assert await queue.state(one.id) is not None
