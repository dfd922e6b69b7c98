"""What is told while a broker is replaced by its replica, and how the new one is found."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from splitleaf.core.errors import ConfigurationError, DependencyDown
from splitleaf.core.prediction import PredictionStatus
from splitleaf.installation.broker import greet_broker
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.queue import SubmitOutcome
from splitleaf.jobs.redis.client import RedisClient
from tests.jobs.conftest import FAST, Parts, redis_parts
from tests.jobs.sentinels import Replicated
from tests.jobs.servers import BrokerServer, FaultProxy
from tests.jobs.tasks import classified, task

V1 = {"v1": 8}
ONE_REPLICA = QueueLimits(lease_ms=FAST.lease_ms, poll_s=0.2, replicas=1)


@pytest.fixture(scope="module")
def trio() -> Iterator[Replicated]:
    made = Replicated(Path(tempfile.mkdtemp(prefix="slr", dir="/tmp")))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
async def parts(trio: Replicated) -> AsyncIterator[Parts]:
    trio.primary().ask("FLUSHALL")
    made = redis_parts(trio.url, ONE_REPLICA)
    yield made
    await made.close()


async def test_nothing_is_accepted_that_no_replica_has_and_a_repeated_submit_says_so_too(
    trio: Replicated, parts: Parts
) -> None:
    queue, one = parts.queue(), task()
    assert await queue.submit(task()) is SubmitOutcome.ACCEPTED
    trio.cut_replication()
    try:
        for _ in range(2):  # the second finds the id there, which no replica has
            with pytest.raises(DependencyDown, match="0 of 1 replicas"):
                await queue.submit(one)
        await queue.ping()
    finally:
        trio.mend_replication()
    assert await queue.submit(one) is SubmitOutcome.DUPLICATE


async def test_a_final_state_is_told_to_nobody_before_a_replica_has_it(trio: Replicated, parts: Parts) -> None:
    queue, worker, feed, one = parts.queue(), parts.consumer(), parts.feed(), task()
    await queue.submit(task())
    await worker.finish([classified(claim) for claim in await worker.take(V1, 1000)])
    async with asyncio.timeout(10):
        while not (entries := await feed.read(1, 50)):
            pass
    await feed.acknowledge(entries)
    waiting = asyncio.create_task(queue.submit_and_wait(one, 20))
    while not (claims := await worker.take(V1, 1000)):
        pass
    trio.cut_replication()
    try:
        with pytest.raises(DependencyDown):
            await worker.finish([classified(claim) for claim in claims])
        with pytest.raises(DependencyDown):
            await queue.state(one.id)
        with pytest.raises(DependencyDown):
            await feed.read(1, 5)
        assert not waiting.done()
    finally:
        trio.mend_replication()
    _, state = await waiting
    assert state is not None
    assert state.status is PredictionStatus.SUCCEEDED
    async with asyncio.timeout(10):
        while not (entries := await feed.read(1, 50)):
            pass
    assert [entry.state.id for entry in entries] == [one.id]


async def test_the_primary_that_is_promoted_is_found_and_has_what_was_accepted(trio: Replicated, parts: Parts) -> None:
    queue, worker, one = parts.queue(), parts.consumer(), task()
    await queue.submit(one)
    old = trio.primary()
    old.kill()
    try:
        await asyncio.to_thread(trio.until_promoted, old)
        async with asyncio.timeout(20):
            while True:
                try:
                    assert await queue.submit(one) is SubmitOutcome.DUPLICATE
                    break
                except DependencyDown:
                    await asyncio.sleep(0.05)
            while not (claims := await worker.take(V1, 500)):
                pass
        assert await worker.finish([classified(claim) for claim in claims]) == 1
    finally:
        await asyncio.to_thread(trio.bring_back, old)


async def test_a_name_that_no_sentinel_knows_is_said(trio: Replicated) -> None:
    client = RedisClient(trio.url.replace("/broker", "/other"), timeout_s=5)
    with pytest.raises(DependencyDown, match=r"no sentinel names a primary of 'other'.*unknown"):
        await client.call("PING")
    await client.close()


async def test_a_demoted_primary_that_keeps_its_connections_is_left_at_its_first_refusal(
    server: BrokerServer, durable_server: BrokerServer
) -> None:
    """As behind a name or an address that moves to the new primary."""
    with tempfile.TemporaryDirectory(prefix="slp", dir="/tmp") as folder:
        proxy = FaultProxy(server.socket_path, Path(folder) / "p")
        await proxy.start()
        parts = redis_parts(proxy.url)
        queue, worker = parts.queue(), parts.consumer()
        try:
            await queue.submit(task())
            await worker.take({"other": 1}, 1)
            server.command("REPLICAOF", "127.0.0.1", "1")
            proxy.target = durable_server.socket_path
            with pytest.raises(DependencyDown, match="a replica and accepts no writes"):
                await queue.submit(task())
            assert await queue.submit(task()) is SubmitOutcome.ACCEPTED
            with pytest.raises(DependencyDown, match="a replica"):
                await worker.take(V1, 50)
            assert await worker.take(V1, 500)
        finally:
            server.command("REPLICAOF", "NO", "ONE")
            await parts.close()
            await proxy.stop()


async def test_a_cluster_is_refused_in_plain_words() -> None:
    with tempfile.TemporaryDirectory(prefix="slq", dir="/tmp") as folder:
        server = BrokerServer(Path(folder), options=("--cluster-enabled", "yes", "--port", "0"))
        server.start()
        parts = redis_parts(server.url)
        try:
            with pytest.raises(ConfigurationError, match="cluster mode, which is not supported"):
                await parts.queue().ping()
            with pytest.raises(ConfigurationError, match="cluster mode"):
                await greet_broker(server.url)
        finally:
            await parts.close()
            server.kill()
