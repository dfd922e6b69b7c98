"""An accepted prediction is known at every moment, also while it becomes final."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from splitleaf.core.ids import new_prediction_id
from splitleaf.jobs.redis import RedisJobConsumer, RedisJobQueue
from tests.jobs.conftest import Parts
from tests.jobs.servers import BrokerServer
from tests.jobs.tasks import classified, task

CAPS = {"v1": 1}
ROUNDS, IDS = 2, 40
READERS = 2


async def test_an_accepted_prediction_is_known_at_every_moment_while_it_becomes_final(redis: Parts) -> None:
    queue, consumer = redis.queue(), redis.consumer()
    reads = 0
    for _ in range(ROUNDS):
        ids = [new_prediction_id() for _ in range(IDS)]
        await asyncio.gather(*(queue.submit(task(task_id=one)) for one in ids))
        finishing = asyncio.create_task(finish_one_by_one(consumer))
        reads += sum(await asyncio.gather(*(read_until_done(queue, ids, finishing) for _ in range(READERS))))
        assert await finishing == IDS
    assert reads > ROUNDS * IDS


async def finish_one_by_one(consumer: RedisJobConsumer) -> int:
    finished = 0
    while claims := await consumer.take(CAPS, 50):
        finished += await consumer.finish([classified(claim) for claim in claims])
    return finished


async def read_until_done(queue: RedisJobQueue, ids: Sequence[str], finishing: asyncio.Task[int]) -> int:
    """Return how many reads found every prediction."""
    reads = 0
    while not finishing.done():
        assert None not in await queue.states(ids)
        reads += 1
    return reads


async def test_one_script_reads_results_and_records_at_one_moment(redis: Parts, server: BrokerServer) -> None:
    queue, consumer = redis.queue(), redis.consumer()
    final, waiting = new_prediction_id(), new_prediction_id()
    await queue.submit(task(task_id=final))
    assert await consumer.finish([classified(claim) for claim in await consumer.take(CAPS, 200)]) == 1
    await queue.submit(task(task_id=waiting))
    await queue.states([final, waiting])
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(str(server.socket_path))
        monitor.sendall(b"MONITOR\r\n")
        assert monitor.recv(1024).startswith(b"+OK")
        assert None not in await queue.states([final, waiting])
        server.command("ECHO", "the end")
        seen = b""
        while b"the end" not in seen:
            seen += monitor.recv(65536)
    commands = [line for line in seen.splitlines() if final.encode() in line or waiting.encode() in line]
    by_client = [line for line in commands if b" lua] " not in line]
    assert len(by_client) == 1, "more than one command of a client: a task may become final in between"
    assert b'"EVALSHA"' in by_client[0]
    assert len(commands) > 1
