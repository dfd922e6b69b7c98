"""The loop of a worker, on the queue in memory and on a real broker, with real networks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from splitleaf.core.errors import DependencyDown
from splitleaf.core.ids import new_prediction_id
from splitleaf.core.prediction import PredictionStatus
from splitleaf.jobs.queue import Task
from tests.jobs.conftest import redis_parts
from tests.jobs.servers import BrokerServer
from tests.jobs.tasks import classified
from tests.support.repositories import TELLS_COLOUR, add_version
from tests.support.tensors import BLUE, GREEN, RED, plain
from tests.worker.conftest import FAILS, HANGS, LIMITS, Farm

SUCCEEDED, FAILED = PredictionStatus.SUCCEEDED, PredictionStatus.FAILED


def image(colour: tuple[int, int, int] = RED, version: str = "v1", ttl_ms: int = 30_000) -> Task:
    return Task(new_prediction_id(), version, plain(colour), ttl_ms)


async def until(is_so: Callable[[], Any], within_s: float = 5.0) -> None:
    give_up_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        await asyncio.sleep(0.005)


class Shaky:
    """A consumer whose calls can be made to fail."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.errors: dict[str, Exception] = {}
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any) -> Any:
            self.calls.append(name)
            if name in self.errors:
                raise self.errors[name]
            return await getattr(self._real, name)(*arguments)

        return call


async def test_what_waits_is_one_batch_up_to_the_cap_and_a_lone_image_waits_for_none(farm: Farm) -> None:
    add_version(farm.models, "v1", cap=8)
    tasks = [image(colour) for colour in (RED, GREEN, BLUE, GREEN) * 5]
    await farm.submit(tasks)
    farm.worker()
    states = await farm.results(tasks)
    answers = [state.classification.best.label for state in states if state.classification]
    assert answers == ["red", "green", "blue", "green"] * 5
    assert farm.moods.batches == [8, 8, 4]
    lone = image()
    started = time.monotonic()
    await farm.submit([lone])
    (state,) = await farm.results([lone])
    assert state.batch_size == 1
    assert time.monotonic() - started < 0.5


async def test_stopping_finishes_what_was_started_and_takes_nothing_more(farm: Farm) -> None:
    add_version(farm.models, "v1", cap=1)
    tasks = [image(HANGS), image(), image(), image()]
    await farm.submit(tasks)
    worker = farm.worker(prefetch=1)
    await until(lambda: len(worker.loop._batches) == 2)
    worker.loop.stop()
    await asyncio.sleep(0.05)
    assert not worker.running.done()
    farm.moods.gate.set()
    await worker.stop()
    assert await farm.counts() == (2, 0)
    assert [state.status for state in await farm.results(tasks[:2])] == [SUCCEEDED] * 2
    assert not worker.aborted
    farm.worker()
    assert {state.deliveries for state in await farm.results(tasks)} == {1}


async def test_what_hangs_while_stopping_is_given_back_and_the_process_ended(farm: Farm) -> None:
    add_version(farm.models, "v1", cap=2)
    tasks = [image(HANGS), image()]
    await farm.submit(tasks)
    worker = farm.worker(drain_timeout_s=0.1)
    await until(lambda: farm.moods.batches)
    await worker.stop(within_s=1)
    assert worker.aborted
    assert await farm.counts() == (2, 0)
    farm.moods.gate.set()
    farm.worker()
    # Nobody died of them, so the first delivery does not count.
    assert [(state.status, state.deliveries) for state in await farm.results(tasks)] == [(SUCCEEDED, 1)] * 2


async def test_a_stop_is_heeded_though_every_thread_hangs_and_the_broker_is_away(farm: Farm) -> None:
    add_version(farm.models, "v1", cap=1)
    await farm.submit([image(HANGS)])
    consumer = Shaky(farm.parts.consumer())
    worker = farm.worker(consumer=consumer, drain_timeout_s=0.1)
    await until(lambda: farm.moods.batches)
    consumer.errors = dict.fromkeys(("release", "heartbeat", "recover"), DependencyDown())
    await worker.stop(within_s=1)
    assert worker.aborted


async def test_a_batch_longer_than_a_lease_stays_with_its_worker(farm: Farm) -> None:
    add_version(farm.models, "v1")
    slow = image(HANGS)
    await farm.submit([slow])
    farm.worker()
    await until(lambda: farm.moods.batches)
    other = farm.worker()
    await asyncio.sleep(3 * LIMITS.lease_ms / 1000)
    assert not other.loop._batches
    farm.moods.gate.set()
    (state,) = await farm.results([slow])
    assert (state.status, state.deliveries) == (SUCCEEDED, 1)


async def test_leases_are_kept_on_though_a_renewal_went_wrong_unexpectedly(farm: Farm) -> None:
    add_version(farm.models, "v1")
    slow = image(HANGS)
    await farm.submit([slow])
    consumer = Shaky(farm.parts.consumer())
    consumer.errors = {"heartbeat": RuntimeError("a surprise"), "recover": DependencyDown()}
    farm.worker(consumer=consumer)
    await until(lambda: "heartbeat" in consumer.calls and "recover" in consumer.calls)
    consumer.errors = {}
    farm.worker()
    await asyncio.sleep(3 * LIMITS.lease_ms / 1000)
    farm.moods.gate.set()
    (state,) = await farm.results([slow])
    assert (state.status, state.deliveries) == (SUCCEEDED, 1)


async def test_a_worker_goes_on_whatever_came_of_a_look_for_work(farm: Farm) -> None:
    add_version(farm.models, "v1")
    consumer = Shaky(farm.parts.consumer())
    consumer.errors = {"take": KeyError("a surprise")}
    farm.worker(consumer=consumer)
    await until(lambda: consumer.calls.count("take") > 1)
    consumer.errors = {}
    tasks = [image()]
    await farm.submit(tasks)
    (state,) = await farm.results(tasks)
    assert state.status is SUCCEEDED


async def test_a_network_that_hangs_ends_the_process_after_its_time_and_not_before(farm: Farm) -> None:
    add_version(farm.models, "v1")
    await farm.submit([image(HANGS)])
    worker = farm.worker(batch_timeout_s=0.3)
    await until(lambda: farm.moods.batches)
    started = time.monotonic()
    await until(lambda: worker.aborted)
    assert 0.25 <= time.monotonic() - started < 2
    assert "v1" in worker.aborted[0]


async def test_a_broker_that_is_away_while_results_are_handed_in_is_no_reason_to_die(farm: Farm) -> None:
    add_version(farm.models, "v1")
    one = image(HANGS)
    consumer = Shaky(farm.parts.consumer())
    worker = farm.worker(consumer=consumer, batch_timeout_s=0.5)
    consumer.errors = {"finish": DependencyDown()}
    await farm.submit([one])
    await until(lambda: farm.moods.batches)
    await asyncio.sleep(0.3)
    farm.moods.gate.set()
    # Computing and handing in take longer than the half second together, though neither does.
    await asyncio.sleep(0.4)
    assert "finish" in consumer.calls
    consumer.errors = {}
    (state,) = await farm.results([one])
    assert (state.status, state.deliveries) == (SUCCEEDED, 1)
    assert not worker.aborted


async def test_the_tasks_of_a_silent_worker_are_taken_over_and_its_late_answers_dropped(farm: Farm) -> None:
    add_version(farm.models, "v1", cap=4)
    tasks = [image() for _ in range(3)]
    await farm.submit(tasks)
    silent = farm.parts.consumer()
    claims = await silent.take({"v1": 4}, 50)
    assert len(claims) == 3
    farm.worker()
    states = await farm.results(tasks)
    assert {(state.status, state.deliveries) for state in states} == {(SUCCEEDED, 2)}
    # One at a time: any of them may be what silenced the worker.
    assert farm.moods.batches == [1, 1, 1]
    assert await silent.finish([classified(claim) for claim in claims]) == 0
    assert await farm.results(tasks) == states


async def test_an_image_that_kills_workers_is_set_aside_and_its_mates_are_answered(farm: Farm) -> None:
    add_version(farm.models, "v1", cap=4)
    mates, poison = [image() for _ in range(3)], image(HANGS)
    await farm.submit([mates[0], poison, *mates[1:]])
    deaths = 0
    worker = farm.worker(dies_of_abort=True, batch_timeout_s=0.1)
    give_up_at = time.monotonic() + 10
    while (await farm.counts()) != (0, 0) and time.monotonic() < give_up_at:
        if worker.aborted:
            deaths += 1
            worker = farm.worker(dies_of_abort=True, batch_timeout_s=0.1)
        await asyncio.sleep(0.02)
    assert deaths == LIMITS.max_deliveries
    assert {state.status for state in await farm.results(mates)} == {SUCCEEDED}
    (state,) = await farm.results([poison])
    assert (state.status, state.deliveries) == (FAILED, 3)
    assert state.failure is not None
    assert state.failure.code == "inference_failed"
    (letter,) = await farm.parts.dead_letters().list("v1", 10)
    assert letter.task_id == poison.id


async def test_what_waits_behind_an_image_that_kills_workers_is_not_blamed(farm: Farm) -> None:
    """With a batch claimed in advance, mates die beside the poison though they are in other batches."""
    add_version(farm.models, "v1", cap=1)
    poison, mates = image(HANGS), [image() for _ in range(3)]
    await farm.submit([poison, *mates])
    for _ in range(LIMITS.max_deliveries):
        worker = farm.worker(dies_of_abort=True, batch_timeout_s=0.1, prefetch=2)
        while not worker.aborted:
            await asyncio.sleep(0.005)
    farm.worker()
    assert {state.status for state in await farm.results(mates)} == {SUCCEEDED}
    (state,) = await farm.results([poison])
    assert (state.status, state.deliveries) == (FAILED, 3)


async def test_a_suspect_that_was_given_back_is_still_handed_out_alone(farm: Farm) -> None:
    add_version(farm.models, "v1", cap=8)
    await farm.submit([image()])
    silent, careful, other = (farm.parts.consumer() for _ in range(3))
    await silent.take({"v1": 8}, 50)
    await asyncio.sleep(1.2 * LIMITS.lease_ms / 1000)
    assert (await careful.recover({"v1": 8})).handed_back == 1
    await careful.release(await careful.take({"v1": 8}, 50))
    await farm.submit([image(), image()])
    assert [len(await other.take({"v1": 8}, 50)) for _ in range(2)] == [1, 2]


async def test_an_image_that_the_network_refuses_spoils_no_other_of_its_batch(farm: Farm) -> None:
    add_version(farm.models, "v1", cap=4)
    tasks = [image(), image(FAILS), image(GREEN)]
    await farm.submit(tasks)
    farm.worker()
    states = await farm.results(tasks)
    assert [state.status for state in states] == [SUCCEEDED, FAILED, SUCCEEDED]
    assert farm.moods.batches == [3, 1, 1, 1]
    assert states[1].failure is not None
    assert "mood" not in states[1].failure.detail


@pytest.mark.parametrize("how", ["answers with errors", "does not load"])
async def test_a_version_that_fails_hinders_no_other(farm: Farm, how: str) -> None:
    broken = add_version(farm.models, "v1")
    add_version(farm.models, "v2", weights=TELLS_COLOUR[:, ::-1])
    if how == "does not load":
        (broken / "artifact/model.onnx").write_bytes(b"cut")
    else:
        farm.pool.refresh()
        farm.moods.failing_versions = {"v1"}
    bad = [image(ttl_ms=700) for _ in range(4)]
    good = [image(version="v2") for _ in range(4)]
    await farm.submit([one for pair in zip(bad, good, strict=True) for one in pair])
    farm.worker()
    assert [state.status for state in await farm.results(good)] == [SUCCEEDED] * 4
    ends = {state.status for state in await farm.results(bad)}
    assert ends == {FAILED if how == "answers with errors" else PredictionStatus.EXPIRED}


async def test_what_is_late_or_canceled_is_never_computed(farm: Farm) -> None:
    add_version(farm.models, "v1", cap=8)
    late, canceled, wanted = image(ttl_ms=1), image(BLUE), image(GREEN)
    await farm.submit([late, canceled, wanted])
    await farm.queue.cancel(canceled.id)
    await asyncio.sleep(0.02)
    farm.worker()
    states = await farm.results([late, canceled, wanted])
    assert [state.status for state in states] == [PredictionStatus.EXPIRED, PredictionStatus.CANCELED, SUCCEEDED]
    assert farm.moods.batches == [1]


async def test_a_cancel_while_computing_is_final(farm: Farm) -> None:
    add_version(farm.models, "v1")
    one = image(HANGS)
    await farm.submit([one])
    worker = farm.worker()
    await until(lambda: farm.moods.batches)
    await farm.queue.cancel(one.id)
    farm.moods.gate.set()
    await until(lambda: not worker.loop._batches)
    (state,) = await farm.results([one])
    assert state.status is PredictionStatus.CANCELED


async def test_tasks_of_a_version_that_went_away_are_given_back(farm: Farm) -> None:
    add_version(farm.models, "v1", cap=1)
    add_version(farm.models, "v2")
    tasks = [image(HANGS), image()]
    await farm.submit(tasks)
    worker = farm.worker(prefetch=1)
    await until(lambda: len(worker.loop._batches) == 2)
    (farm.models / "v1").rename(farm.models.parent / f"{farm.models.name}-away")
    farm.pool.refresh()
    farm.moods.gate.set()
    await farm.results(tasks[:1])
    await until(lambda: not worker.loop._batches)
    assert await farm.counts() == (1, 0)
    (farm.models.parent / f"{farm.models.name}-away").rename(farm.models / "v1")
    farm.pool.refresh()
    (state,) = await farm.results(tasks[1:])
    assert (state.status, state.deliveries) == (SUCCEEDED, 1)


async def test_a_worker_resumes_by_itself_after_its_broker_was_killed(
    durable_server: BrokerServer, tmp_path: Path
) -> None:
    farm = Farm(redis_parts(durable_server.url, LIMITS), tmp_path)
    add_version(farm.models, "v1", cap=1)
    worker = farm.worker(threads=2)
    tasks = [image() for _ in range(5)] + [image(HANGS)]
    await farm.submit(tasks)
    await until(lambda: len(farm.moods.batches) == 6)
    durable_server.kill()
    farm.moods.gate.set()
    await asyncio.sleep(0.2)
    durable_server.start()
    assert [state.status for state in await farm.results(tasks)] == [SUCCEEDED] * 6
    more: Sequence[Task] = [image()]
    await farm.submit(more)
    await farm.results(more, within_s=5)
    await worker.stop()
    await farm.close()
