"""One leader among controllers: held against memory and a real broker."""

from __future__ import annotations

import asyncio
import time

from splitleaf.core.prediction import PredictionStatus
from splitleaf.jobs.queue import JobQueue, JobState, OutcomeFeed, Priority
from tests.jobs.conftest import FAST, Parts
from tests.jobs.servers import BrokerServer
from tests.jobs.tasks import classified, task

LONG_S = 60.0


async def test_one_leads_and_the_others_are_told_so(parts: Parts) -> None:
    election = parts.election()
    assert await election.lead("ann", LONG_S, "all is well")
    assert not await election.lead("bob", LONG_S, "I lead")
    assert await election.statement() == "all is well"
    assert await election.lead("ann", LONG_S, "still well")
    assert await election.statement() == "still well"


async def test_who_resigns_makes_room_and_takes_its_words_along(parts: Parts) -> None:
    election = parts.election()
    assert await election.lead("ann", LONG_S, "all is well")
    await election.resign("bob")
    assert await election.statement() == "all is well"
    await election.resign("ann")
    assert await election.statement() == ""
    assert await election.lead("bob", LONG_S)
    assert await election.statement() == ""


async def test_a_lease_that_is_not_renewed_lapses_with_what_was_said(parts: Parts) -> None:
    election = parts.election()
    assert await election.lead("ann", 0.05, "all is well")
    deadline = time.monotonic() + 10
    while not await election.lead("bob", LONG_S):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert await election.statement() == ""
    assert not await election.lead("ann", LONG_S, "I was asleep")
    assert await election.statement() == ""


async def test_of_many_that_ask_at_once_one_leads(parts: Parts) -> None:
    election = parts.election()
    answers = await asyncio.gather(*(election.lead(f"controller-{number}", LONG_S) for number in range(20)))
    assert sum(answers) == 1


async def created_ms(queue: JobQueue, prediction_id: str) -> int:
    state = await queue.state(prediction_id)
    assert state is not None
    return state.created_ms


async def record(feed: OutcomeFeed, count: int) -> list[JobState]:
    entries = list(await feed.read(count, 5_000))
    while len(entries) < count:
        entries += await feed.read(count - len(entries), 5_000)
    await feed.acknowledge(entries)
    return [one.state for one in entries]


async def test_all_is_settled_up_to_the_oldest_prediction_that_is_open_or_not_recorded(parts: Parts) -> None:
    election, queue, consumer, feed = parts.election(), parts.queue(), parts.consumer(), parts.feed()
    began_ms = await election.settled_ms()
    first, second = task("v1"), task("v2")
    for one in (task("v1", priority=Priority.SHADOW), first, second, task("v1", priority=Priority.BATCH)):
        await queue.submit(one)
        await asyncio.sleep(0.003)
    first_ms, second_ms = [await created_ms(queue, one.id) for one in (first, second)]
    assert began_ms <= first_ms < second_ms
    assert await election.settled_ms() == first_ms, "it waits"
    claims = [*await consumer.take({"v1": 8}, 200), *await consumer.take({"v1": 8}, 200)]
    assert await election.settled_ms() == first_ms, "it is being worked on"
    await consumer.finish([classified(one) for one in claims])
    assert await election.settled_ms() == first_ms, "it is not recorded"
    await record(feed, len(claims))
    assert await election.settled_ms() == second_ms, "nobody has looked at the other version yet"
    (last,) = await consumer.take({"v2": 8}, 200)
    await consumer.finish([classified(last)])
    await record(feed, 1)
    assert await election.settled_ms() > second_ms


async def test_a_task_that_hangs_ends_one_lease_after_its_deadline_whoever_holds_it(parts: Parts) -> None:
    election, queue, hung, other, feed = (
        parts.election(),
        parts.queue(),
        parts.consumer(),
        parts.consumer(),
        parts.feed(),
    )
    one = task(ttl_ms=100)
    await queue.submit(one)
    claims = await hung.take({"v1": 1}, 200)
    end = time.monotonic() + 10
    while (await other.recover({"v1": 1})).expired == 0:
        assert time.monotonic() < end
        await hung.heartbeat(claims)
        await asyncio.sleep(0.01)
    (state,) = await record(feed, 1)
    assert (state.status, state.finished_ms) == (PredictionStatus.EXPIRED, state.created_ms + 100)
    assert await hung.finish([classified(one) for one in claims]) == 0
    assert await election.settled_ms() > state.created_ms


async def test_what_nobody_serves_holds_it_up_until_its_deadline_and_what_nobody_can_read_not_at_all(
    redis: Parts, server: BrokerServer
) -> None:
    election, queue, feed = redis.election(), redis.queue(), redis.feed()
    lost = task("nobody", ttl_ms=1)
    await queue.submit(lost)
    since_ms = await election.settled_ms()
    await asyncio.sleep(2 * FAST.lease_ms / 1_000)
    await election.settled_ms()
    (state,) = await record(feed, 1)
    assert (state.id, state.status) == (lost.id, PredictionStatus.EXPIRED)
    server.command("XADD", "{q:nobody}:feed", "*", "d", '{"v":99,"c":1,"p":0,"f":1}')
    assert await election.settled_ms() > since_ms
