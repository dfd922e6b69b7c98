"""What goes wrong between the queue and its broker."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from splitleaf.core.errors import ConfigurationError, DependencyDown, Overloaded
from splitleaf.core.prediction import PredictionStatus
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.queue import SubmitOutcome
from splitleaf.jobs.redis import RedisJobConsumer, RedisJobQueue
from splitleaf.jobs.redis.connection import ErrorReply, check_server
from splitleaf.jobs.redis.errors import translate_error
from tests.jobs.conftest import FAST, Parts, redis_parts
from tests.jobs.servers import BrokerServer, FaultProxy
from tests.jobs.tasks import classified, task

V1 = {"v1": 8}


@pytest.fixture
async def proxy(server: BrokerServer) -> AsyncIterator[FaultProxy]:
    with tempfile.TemporaryDirectory(prefix="slp", dir="/tmp") as folder:
        proxy = FaultProxy(server.socket_path, Path(folder) / "p")
        await proxy.start()
        yield proxy
        await proxy.stop()


@pytest.fixture
async def shaky(proxy: FaultProxy) -> AsyncIterator[Parts]:
    """All parts, with the bad network in between."""
    parts = redis_parts(proxy.url)
    yield parts
    proxy.is_black_hole = False
    await parts.close()


async def pixel_keys(parts: Parts) -> list[bytes]:
    keys: list[bytes] = await parts.queue().broker.client.call("KEYS", "*:b:*")
    return keys


async def pending(parts: Parts) -> int:
    return sum(depth.waiting + depth.running for depth in await parts.queue().depths())


async def test_a_submit_whose_answer_is_lost_is_not_sent_again_and_can_be_repeated(
    shaky: Parts, redis: Parts, proxy: FaultProxy
) -> None:
    queue = shaky.queue()
    await queue.ping()
    one = task(side=200)
    await queue.submit(task())
    proxy.cut_after_send = 1
    with pytest.raises(DependencyDown):
        await queue.submit(one)
    assert await pending(redis) == 2
    assert await queue.submit(one) is SubmitOutcome.DUPLICATE
    assert await pending(redis) == 2
    assert len(await pixel_keys(redis)) == 1


async def test_tasks_whose_take_was_never_answered_come_back_with_the_next(
    shaky: Parts, redis: Parts, proxy: FaultProxy
) -> None:
    await redis.queue().submit(task())
    await redis.queue().submit(task(side=200))
    worker = shaky.consumer()
    assert not await worker.take({"other": 1}, 1)
    proxy.cut_after_send = 1
    with pytest.raises(DependencyDown):
        await worker.take(V1, 50)
    claims = await worker.take(V1, 50)
    assert len(claims) == 2
    assert {claim.deliveries for claim in claims} == {1}


async def test_a_finish_whose_answer_is_lost_counts_once(shaky: Parts, redis: Parts, proxy: FaultProxy) -> None:
    queue, worker = redis.queue(), shaky.consumer()
    await queue.submit(task())
    await worker.finish([classified(claim) for claim in await worker.take(V1, 50)])
    one = task()
    await queue.submit(one)
    claims = await worker.take(V1, 50)
    proxy.cut_after_send = 1
    with pytest.raises(DependencyDown):
        await worker.finish([classified(claim, "first") for claim in claims])
    assert await worker.finish([classified(claim, "second") for claim in claims]) == 0
    state = await queue.state(one.id)
    assert state is not None
    assert state.classification is not None
    assert state.classification.best.label == "first"
    assert await redis.feed().backlog() == 2


async def test_outcomes_whose_answer_is_lost_are_read_again_though_a_later_look_was_answered(
    shaky: Parts, redis: Parts, proxy: FaultProxy
) -> None:
    queue, worker, feed = redis.queue(), redis.consumer(), shaky.feed()
    await queue.submit(task())
    claims = await worker.take(V1, 50)
    assert not await feed.read(1, 5)
    look = asyncio.create_task(feed.read(1, 5_000))
    while b"flags=b" not in await queue.broker.client.call("CLIENT", "LIST"):
        pass
    proxy.cut_after_send = 1
    await worker.finish([classified(claim) for claim in claims])
    with pytest.raises(DependencyDown):
        await look
    async with asyncio.timeout(10):
        while not await feed.read(1, 5):
            pass


async def test_a_broker_that_says_nothing_is_reported_within_a_second(shaky: Parts, proxy: FaultProxy) -> None:
    queue = shaky.queue()
    await queue.ping()
    proxy.is_black_hole = True
    started = time.monotonic()
    answers = await asyncio.gather(*(queue.submit(task()) for _ in range(20)), queue.ping(), return_exceptions=True)
    assert {type(answer) for answer in answers} == {DependencyDown}
    with pytest.raises(DependencyDown):
        await queue.ping()
    assert time.monotonic() - started < 2.5
    proxy.is_black_hole = False
    started = time.monotonic()
    while True:
        try:
            await queue.ping()
            break
        except DependencyDown:
            assert time.monotonic() - started < 3


async def test_a_frozen_broker_is_reported_within_a_second_and_used_again_after(
    redis: Parts, server: BrokerServer
) -> None:
    queue = redis.queue()
    await queue.ping()
    with server.frozen():
        started = time.monotonic()
        with pytest.raises(DependencyDown):
            await queue.submit(task())
        assert time.monotonic() - started < 1.2
    async with asyncio.timeout(3):
        assert await queue.submit(task()) is SubmitOutcome.ACCEPTED


async def test_a_submit_that_gave_up_while_waiting_for_the_line_is_never_sent(
    redis: Parts, server: BrokerServer
) -> None:
    queue = redis.queue(QueueLimits(timeout_s=0.2))
    await queue.ping()
    with server.frozen():
        submits = [asyncio.create_task(queue.submit(task())) for _ in range(2000)]
        answers = await asyncio.gather(*submits, return_exceptions=True)
    assert {type(answer) for answer in answers} == {DependencyDown}
    assert await pending(redis) <= 2 * 256


async def test_no_broker_at_all_is_a_dependency_that_is_down() -> None:
    queue = RedisJobQueue("unix:///nowhere/at/all.sock")
    with pytest.raises(DependencyDown):
        await queue.ping()
    with pytest.raises(DependencyDown):
        await queue.submit(task())
    await queue.close()


async def test_who_waits_learns_of_the_result_though_the_announcement_was_lost(
    shaky: Parts, redis: Parts, proxy: FaultProxy
) -> None:
    queue, worker = shaky.queue(), redis.consumer()
    one = task()
    waiting = asyncio.create_task(queue.submit_and_wait(one, 5))
    (claim,) = await worker.take(V1, 1000)
    # Behind the submit on the same line: its answer is there, too.
    await queue.ping()
    proxy.reset()
    await worker.finish([classified(claim)])
    async with asyncio.timeout(2):
        outcome, state = await waiting
    assert outcome is SubmitOutcome.ACCEPTED
    assert state is not None
    assert state.status is PredictionStatus.SUCCEEDED


async def test_announcements_resume_after_the_line_broke(shaky: Parts, redis: Parts, proxy: FaultProxy) -> None:
    queue = shaky.queue(QueueLimits(poll_s=30))
    await queue.submit_and_wait(task("other"), 0.05)
    proxy.reset()
    await asyncio.sleep(0.3)
    worker = redis.consumer()
    one = task()
    waiting = asyncio.create_task(queue.submit_and_wait(one, 5))
    (claim,) = await worker.take(V1, 1000)
    await worker.finish([classified(claim)])
    async with asyncio.timeout(1):
        _, state = await waiting
    assert state is not None
    assert state.status is PredictionStatus.SUCCEEDED


async def test_a_slow_network_delays_and_breaks_nothing(shaky: Parts, redis: Parts, proxy: FaultProxy) -> None:
    proxy.delay_s, proxy.throttle_bytes_s = 0.01, 3_000_000
    queue, worker = shaky.queue(), shaky.consumer()
    tasks = [task(side=200) for _ in range(4)]
    waiting = [asyncio.create_task(queue.submit_and_wait(one, 5)) for one in tasks]
    done = 0
    while done < 4:
        claims = await worker.take(V1, 1000)
        done += await worker.finish([classified(claim) for claim in claims])
    states = [state for _, state in await asyncio.gather(*waiting)]
    assert [state and state.status for state in states] == [PredictionStatus.SUCCEEDED] * 4
    assert await pending(redis) == 0


async def test_a_full_memory_refuses_new_work_and_lets_old_work_finish(redis: Parts, server: BrokerServer) -> None:
    queue, worker = redis.queue(), redis.consumer()
    one = task(side=200)
    await queue.submit(one)
    await worker.take({"other": 1}, 1)
    server.command("CONFIG", "SET", "maxmemory", "1")
    for side in (4, 200):
        with pytest.raises(Overloaded):
            await queue.submit(task(side=side))
    assert len(await pixel_keys(redis)) == 1
    (claim,) = await worker.take(V1, 200)
    await worker.heartbeat([claim])
    assert await worker.finish([classified(claim)]) == 1
    state = await queue.state(one.id)
    assert state is not None
    assert state.status is PredictionStatus.SUCCEEDED
    server.command("CONFIG", "SET", "maxmemory", "0")
    assert await queue.submit(task()) is SubmitOutcome.ACCEPTED
    assert await pixel_keys(redis) == []


async def test_pixels_of_a_refused_task_are_not_left_behind(redis: Parts) -> None:
    queue = redis.queue(QueueLimits(max_waiting=1))
    one = task(side=200)
    await queue.submit(one)
    with pytest.raises(Overloaded):
        await queue.submit(task(side=200))
    assert await queue.submit(one) is SubmitOutcome.DUPLICATE
    assert len(await pixel_keys(redis)) == 1


async def test_forgotten_scripts_are_taught_again(redis: Parts, server: BrokerServer) -> None:
    queue, worker = redis.queue(), redis.consumer()
    await queue.submit(task(side=200))
    server.command("SCRIPT", "FLUSH")
    await queue.submit(task(side=200))
    server.command("SCRIPT", "FLUSH")
    claims = await worker.take(V1, 200)
    assert len(claims) == 2
    server.command("SCRIPT", "FLUSH")
    assert await worker.finish([classified(claim) for claim in claims]) == 2


async def test_after_everything_was_flushed_new_work_flows_again(redis: Parts, server: BrokerServer) -> None:
    queue, worker, feed = redis.queue(), redis.consumer(), redis.feed()
    lost = task()
    await queue.submit(lost)
    (claim,) = await worker.take(V1, 200)
    assert not await feed.read(10, 5)
    server.command("FLUSHALL")
    assert await worker.finish([classified(claim)]) == 0
    assert await queue.state(lost.id) is None
    one = task()
    await queue.submit(one)
    (again,) = await worker.take(V1, 1000)
    assert await worker.finish([classified(again)]) == 1
    state = await queue.state(one.id)
    assert state is not None
    assert state.status is PredictionStatus.SUCCEEDED
    entries = [*await feed.read(10, 50), *await feed.read(10, 50)]
    assert [entry.state.id for entry in entries] == [one.id]


async def test_pixels_that_ran_out_of_time_make_the_task_expired(redis: Parts) -> None:
    queue, worker = redis.queue(), redis.consumer()
    one = task(side=200)
    await queue.submit(one)
    await queue.submit(task())
    await queue.broker.client.call("DEL", *await pixel_keys(redis))
    claims = await worker.take(V1, 200)
    assert len(claims) == 1
    state = await queue.state(one.id)
    assert state is not None
    assert state.status is PredictionStatus.EXPIRED


async def test_a_message_of_an_unknown_release_fails_visibly(redis: Parts) -> None:
    queue, worker = redis.queue(), redis.consumer()
    one = task()
    await queue.submit(one)
    client = queue.broker.client
    ((_, flat),) = await client.call("XRANGE", "{q:v1}:s:0", "-", "+")
    flat[flat.index(b"h") + 1] = b"99,4,4,3,uint8"
    await client.call("DEL", "{q:v1}:s:0")
    entry = await client.call("XADD", "{q:v1}:s:0", "*", *flat)
    await client.call("HSET", "{q:v1}:t:" + one.id, "e", entry)
    assert not await worker.take(V1, 50)
    state = await queue.state(one.id)
    assert state is not None
    assert state.status is PredictionStatus.FAILED


async def test_work_is_refused_when_it_would_take_too_long(redis: Parts) -> None:
    queue, worker = redis.queue(), redis.consumer()
    await queue.submit(task())
    claims = await worker.take(V1, 200)
    await asyncio.sleep(0.1)
    await worker.finish([classified(claim) for claim in claims])
    # 100 ms a task and one worker: four that wait leave no time for a fifth within 0.75 x 500 ms.
    for _ in range(4):
        await queue.submit(task(ttl_ms=500))
    with pytest.raises(Overloaded) as refused:
        await queue.submit(task(ttl_ms=500))
    assert refused.value.context["bound"] == "time"
    assert refused.value.retry_after_s == 1
    assert await queue.submit(task(ttl_ms=30_000)) is SubmitOutcome.ACCEPTED


async def test_expected_waits_shrink_with_the_number_of_workers(redis: Parts) -> None:
    queue, workers = redis.queue(), [redis.consumer(), redis.consumer()]
    await queue.submit(task())
    claims = await workers[0].take(V1, 200)
    await asyncio.sleep(0.1)
    await workers[0].finish([classified(claim) for claim in claims])
    await workers[1].take(V1, 1)
    for _ in range(6):
        assert await queue.submit(task(ttl_ms=500)) is SubmitOutcome.ACCEPTED


async def test_a_worker_leaves_the_group_only_with_empty_hands(redis: Parts) -> None:
    queue, worker, client = redis.queue(), redis.consumer(), redis.queue().broker.client
    await queue.submit(task())
    claims = await worker.take(V1, 200)
    await worker.finish([classified(claim) for claim in claims])

    async def names() -> set[bytes]:
        return {row[1] for row in await client.call("XINFO", "CONSUMERS", "{q:v1}:s:0", "workers")}

    assert worker.worker.encode() in await names()
    await worker.close()
    assert worker.worker.encode() not in await names()


async def test_a_canceled_take_loses_nothing(redis: Parts) -> None:
    queue, worker = redis.queue(), redis.consumer()
    await worker.take(V1, 1)
    await queue.submit(task())
    taking = asyncio.create_task(worker.take(V1, 5_000))
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    await asyncio.sleep(0.02)
    async with asyncio.timeout(2):
        while not (claims := await worker.take(V1, 50)):
            pass
    assert claims[0].deliveries == 1


async def test_a_result_is_forgotten_after_its_time_but_not_before_it_is_recorded(server: BrokerServer) -> None:
    parts = redis_parts(server.url, QueueLimits(result_ttl_s=1))
    queue, worker, feed = parts.queue(), parts.consumer(), parts.feed()
    one = task()
    await queue.submit(one)
    await worker.finish([classified(claim) for claim in await worker.take(V1, 200)])
    assert await queue.broker.client.call("PTTL", "{q:v1}:r:" + one.id) > 86_400_000
    await feed.acknowledge(await feed.read(10, 0) or await feed.read(10, 0))
    assert 0 < await queue.broker.client.call("PTTL", "{q:v1}:r:" + one.id) <= 1000
    await parts.close()


@pytest.mark.parametrize(
    "facts",
    [
        {"redis_version": "6.2.14"},
        {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "7.2.5"},
        {"redis_version": "7.4.0", "maxmemory": "1000000", "maxmemory_policy": "allkeys-lru"},
    ],
)
def test_a_broker_that_does_not_fit_is_refused_with_the_reason(facts: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"too old|noeviction"):
        check_server(facts)


@pytest.mark.parametrize(
    "facts",
    [
        {"redis_version": "7.0.15", "maxmemory": "0", "maxmemory_policy": "allkeys-lru"},
        {"redis_version": "8.6.3", "maxmemory": "1000000", "maxmemory_policy": "noeviction"},
        {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "9.1.2"},
    ],
)
def test_a_broker_that_fits_is_accepted(facts: dict[str, str]) -> None:
    check_server(facts)


def test_a_command_that_the_broker_refuses_is_a_dependency_that_is_down() -> None:
    error = translate_error(ErrorReply("WRONGTYPE Operation against a key holding the wrong kind of value"))
    assert isinstance(error, DependencyDown)
    assert "WRONGTYPE" in error.detail


def test_an_error_of_the_program_is_not_blamed_on_the_broker() -> None:
    error = ValueError("a mistake")
    assert translate_error(error) is error


async def test_consumers_have_names_of_their_own(server: BrokerServer) -> None:
    workers = [RedisJobConsumer(server.url, FAST) for _ in range(3)]
    assert len({worker.worker for worker in workers}) == 3
    for worker in workers:
        await worker.close()
