"""What the ports promise, held against the memory adapter and a real broker alike."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from splitleaf.core.errors import NotFound, Overloaded
from splitleaf.core.ids import is_prediction_id, new_prediction_id
from splitleaf.core.prediction import PredictionStatus
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.queue import Claim, FeedEntry, JobQueue, JobState, Priority, SubmitOutcome, WorkerReport
from tests.jobs.conftest import Parts
from tests.jobs.tasks import CONTEXT, classified, failed, task

V1 = {"v1": 8}
LEASE_OVER_S = 0.09


async def recorded(parts: Parts, count: int) -> list[FeedEntry]:
    """Read the feed until so many entries came, and acknowledge them."""
    feed = parts.feed()
    entries: list[FeedEntry] = []
    async with asyncio.timeout(5):
        while len(entries) < count:
            entries += await feed.read(100, 50)
    await feed.acknowledge(entries)
    assert await feed.backlog() == 0
    return entries


async def take(parts_consumer: object, caps: dict[str, int] = V1, block_ms: int = 200) -> Sequence[Claim]:
    claims: Sequence[Claim] = await parts_consumer.take(caps, block_ms)  # type: ignore[attr-defined]
    return claims


async def test_a_task_travels_from_submit_to_its_result_unchanged(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    one = task()
    assert await queue.submit(one) is SubmitOutcome.ACCEPTED
    waiting = await queue.state(one.id)
    assert waiting is not None
    assert (waiting.status, waiting.version, waiting.context) == (PredictionStatus.QUEUED, "v1", CONTEXT)
    (claim,) = await take(consumer)
    assert (claim.task_id, claim.version, claim.deliveries) == (one.id, "v1", 1)
    assert (claim.tensor.shape, claim.tensor.dtype) == ((4, 4, 3), "uint8")
    assert bytes(claim.tensor.data) == one.tensor.data
    assert claim.deadline_ms == claim.created_ms + one.ttl_ms
    running = await queue.state(one.id)
    assert running is not None
    assert running.status is PredictionStatus.RUNNING
    said = classified(claim)
    assert await consumer.finish([said]) == 1
    state = await queue.state(one.id)
    assert state is not None
    assert state.status is PredictionStatus.SUCCEEDED
    assert state.classification == said.classification
    assert state.timings == replace(said.timings, intake_ms=CONTEXT.intake_ms)
    assert (state.context, state.served_digest, state.batch_size) == (CONTEXT, "d" * 64, 1)
    assert (state.worker, state.created_ms, state.deliveries) == (consumer.worker, claim.created_ms, 1)
    assert state.started_ms is not None
    assert state.finished_ms is not None
    assert state.created_ms <= state.started_ms <= state.finished_ms
    (entry,) = await recorded(parts, 1)
    assert entry.state == state


@pytest.mark.parametrize("side", [4, 200])
async def test_pixels_arrive_whole_whether_small_or_large(parts: Parts, side: int) -> None:
    one = task(side=side)
    await parts.queue().submit(one)
    (claim,) = await take(parts.consumer())
    assert bytes(claim.tensor.data) == one.tensor.data


async def test_a_failure_is_a_final_state_with_its_reason(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    one = task()
    await queue.submit(one)
    (claim,) = await take(consumer)
    said = failed(claim)
    await consumer.finish([said])
    state = await queue.state(one.id)
    assert state is not None
    assert (state.status, state.failure, state.classification) == (PredictionStatus.FAILED, said.failure, None)


async def test_the_same_id_is_accepted_once(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    one = task()
    outcomes = await asyncio.gather(*(queue.submit(one) for _ in range(50)))
    assert sorted(outcomes) == [SubmitOutcome.ACCEPTED] + [SubmitOutcome.DUPLICATE] * 49
    claims = await take(consumer)
    assert [claim.task_id for claim in claims] == [one.id]
    assert await queue.submit(one) is SubmitOutcome.DUPLICATE
    await consumer.finish([classified(claims[0])])
    assert await queue.submit(one) is SubmitOutcome.DUPLICATE
    assert await take(consumer, block_ms=1) == [] or await take(consumer, block_ms=1) == ()
    await recorded(parts, 1)


async def test_an_id_has_one_task_whichever_version_it_is_asked_for(parts: Parts) -> None:
    one_api, other_api, consumer = parts.queue(), parts.queue(), parts.consumer()
    ids = [new_prediction_id() for _ in range(20)]
    both = [queue.submit(task(version, task_id=one)) for one in ids for queue, version in _asked(one_api, other_api)]
    outcomes = await asyncio.gather(*both)
    assert outcomes.count(SubmitOutcome.ACCEPTED) == len(ids)
    decided = [await one_api.state(one) for one in ids]
    assert [await other_api.state(one) for one in ids] == decided
    finals = {one: await other_api.cancel(one) for one in ids[:5]}
    while claims := await take(consumer, {"v1": 8, "v2": 8}, block_ms=5):
        await consumer.finish([classified(claim, claim.version) for claim in claims])
    for first in decided:
        assert first is not None
        last = await one_api.state(first.id)
        assert last is not None
        assert last.version == first.version
        assert last == finals.get(first.id, last)
        for queue, version in _asked(one_api, other_api):
            assert await queue.submit(task(version, task_id=first.id)) is SubmitOutcome.DUPLICATE
    assert {entry.state.id for entry in await recorded(parts, len(ids))} == set(ids)


def _asked(one_api: JobQueue, other_api: JobQueue) -> list[tuple[JobQueue, str]]:
    return [(one_api, "v1"), (other_api, "v2")]


async def test_an_unknown_id_has_no_state(parts: Parts) -> None:
    queue = parts.queue()
    assert await queue.state(new_prediction_id()) is None
    assert await queue.wait(new_prediction_id(), 5) is None
    assert await queue.cancel(new_prediction_id()) is None


async def test_whatever_waits_comes_as_one_batch_up_to_the_cap(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    tasks = [task() for _ in range(5)]
    for one in tasks:
        await queue.submit(one)
    first, second = await take(consumer, {"v1": 3}), await take(consumer, {"v1": 3})
    assert [claim.task_id for claim in (*first, *second)] == [one.id for one in tasks]
    assert (len(first), len(second)) == (3, 2)


async def test_a_batch_never_mixes_versions_and_versions_take_turns(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    for _ in range(12):
        await queue.submit(task("hot"))
    for _ in range(2):
        await queue.submit(task("cold"))
    served: list[str] = []
    for _ in range(4):
        versions = {claim.version for claim in await take(consumer, {"hot": 3, "cold": 3})}
        assert len(versions) == 1
        served += versions
    assert "cold" in served[:2]


async def test_only_versions_that_were_asked_for_are_taken(parts: Parts) -> None:
    await parts.queue().submit(task("v2"))
    assert not await take(parts.consumer(), {"v1": 3}, block_ms=5)


async def test_interactive_work_goes_before_batch_work_and_shadow_work_last(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    for priority in (Priority.SHADOW, Priority.BATCH, Priority.INTERACTIVE):
        await queue.submit(task(priority=priority))
    taken = [(await take(consumer))[0].priority for _ in range(3)]
    assert taken == [Priority.INTERACTIVE, Priority.BATCH, Priority.SHADOW]


async def test_shadow_work_is_not_starved_by_endless_interactive_work(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    shadow = task(priority=Priority.SHADOW)
    await queue.submit(shadow)
    for turn in range(25):
        await queue.submit(task())
        await queue.submit(task())
        claims = await take(consumer, {"v1": 1})
        await consumer.finish([classified(claim) for claim in claims])
        if claims[0].task_id == shadow.id:
            assert turn > 0
            return
    pytest.fail("shadow work never came")


async def test_an_idle_worker_waits_and_is_woken_by_a_task(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    assert not await take(consumer, block_ms=10)
    taking = asyncio.create_task(consumer.take(V1, 5_000))
    await asyncio.sleep(0.02)
    await queue.submit(task())
    async with asyncio.timeout(1):
        assert len(await taking) == 1


async def test_two_workers_share_and_never_hold_the_same_task(parts: Parts) -> None:
    queue, workers = parts.queue(), [parts.consumer(), parts.consumer()]
    await asyncio.gather(*(queue.submit(task()) for _ in range(40)))
    taken: list[str] = []
    for _ in range(10):
        for worker in workers:
            taken += [claim.task_id for claim in await take(worker, {"v1": 2})]
    assert len(taken) == len(set(taken)) == 40


async def test_waiting_ends_with_the_result_at_once(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    one = task()
    waiting = asyncio.create_task(queue.submit_and_wait(one, 5))
    (claim,) = await take(consumer, block_ms=1000)
    await consumer.finish([classified(claim)])
    async with asyncio.timeout(1):
        outcome, state = await waiting
    assert outcome is SubmitOutcome.ACCEPTED
    assert state is not None
    assert state == await queue.state(one.id)
    assert state.status is PredictionStatus.SUCCEEDED
    assert await queue.wait(one.id, 5) == state
    assert await queue.submit_and_wait(one, 5) == (SubmitOutcome.DUPLICATE, state)


async def test_another_process_may_wait_for_the_same_id(parts: Parts) -> None:
    one_api, other_api, consumer = parts.queue(), parts.queue(), parts.consumer()
    one = task()
    await one_api.submit(one)
    waiting = [asyncio.create_task(api.wait(one.id, 5)) for api in (one_api, other_api, other_api)]
    (claim,) = await take(consumer)
    await consumer.finish([classified(claim)])
    states = await asyncio.gather(*waiting)
    assert {state.status for state in states if state} == {PredictionStatus.SUCCEEDED}
    assert len(states) == 3


async def test_waiting_in_vain_returns_the_present_state(parts: Parts) -> None:
    queue = parts.queue()
    outcome, state = await queue.submit_and_wait(task(), 0.02)
    assert outcome is SubmitOutcome.ACCEPTED
    assert state is not None
    assert state.status is PredictionStatus.QUEUED
    _, at_once = await queue.submit_and_wait(task(), 0)
    assert at_once is not None
    assert at_once.status is PredictionStatus.QUEUED


async def test_following_yields_every_state_once_and_ends(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    one = task()
    await queue.submit(one)
    seen: list[JobState] = []

    async def follow() -> None:
        async for state in queue.follow(one.id):
            seen.append(state)

    following = asyncio.create_task(follow())
    while not seen:
        await asyncio.sleep(0.005)
    (claim,) = await take(consumer)
    while len(seen) < 2:
        await asyncio.sleep(0.005)
    await consumer.finish([classified(claim)])
    async with asyncio.timeout(2):
        await following
    assert [state.status.value for state in seen] == ["queued", "running", "succeeded"]
    assert [state.status.value async for state in queue.follow(one.id)] == ["succeeded"]
    assert [state async for state in queue.follow(new_prediction_id())] == []


async def test_canceling_a_waiting_task_keeps_it_from_the_worker(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    one = task(side=200)
    await queue.submit(one)
    state = await queue.cancel(one.id)
    assert state is not None
    assert state.status is PredictionStatus.CANCELED
    assert not await take(consumer, block_ms=5)
    assert await queue.cancel(one.id) == state
    (entry,) = await recorded(parts, 1)
    assert entry.state == state
    assert all(depth.payload_bytes == 0 for depth in await queue.depths())


async def test_canceling_a_running_task_fences_its_result(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    one = task()
    await queue.submit(one)
    (claim,) = await take(consumer)
    state = await queue.cancel(one.id)
    assert state is not None
    assert state.status is PredictionStatus.CANCELED
    assert await consumer.finish([classified(claim)]) == 0
    assert await queue.state(one.id) == state
    await recorded(parts, 1)


async def test_canceling_a_finished_task_changes_nothing(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    one = task()
    await queue.submit(one)
    (claim,) = await take(consumer)
    await consumer.finish([classified(claim)])
    before = await queue.state(one.id)
    assert await queue.cancel(one.id) == before


async def test_cancel_wakes_who_waits(parts: Parts) -> None:
    queue = parts.queue()
    one = task()
    await queue.submit(one)
    waiting = asyncio.create_task(queue.wait(one.id, 5))
    await asyncio.sleep(0.02)
    await queue.cancel(one.id)
    async with asyncio.timeout(1):
        state = await waiting
    assert state is not None
    assert state.status is PredictionStatus.CANCELED


async def test_a_result_is_final_and_a_second_one_is_dropped(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    one = task()
    await queue.submit(one)
    (claim,) = await take(consumer)
    assert await consumer.finish([classified(claim, "first")]) == 1
    assert await consumer.finish([classified(claim, "second")]) == 0
    state = await queue.state(one.id)
    assert state is not None
    assert state.classification is not None
    assert state.classification.best.label == "first"
    await recorded(parts, 1)


async def test_a_late_task_is_expired_and_never_reaches_a_worker(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    late, in_time = task(ttl_ms=1), task()
    await queue.submit(late)
    await queue.submit(in_time)
    await asyncio.sleep(0.005)
    assert [claim.task_id for claim in await take(consumer)] == [in_time.id]
    state = await queue.state(late.id)
    assert state is not None
    assert state.status is PredictionStatus.EXPIRED
    (entry,) = await recorded(parts, 1)
    assert entry.state == state


async def test_a_late_task_shows_as_expired_before_anybody_wrote_it_down(parts: Parts) -> None:
    queue = parts.queue()
    late = task(ttl_ms=1)
    await queue.submit(late)
    await asyncio.sleep(0.005)
    state = await queue.state(late.id)
    assert state is not None
    assert state.status is PredictionStatus.EXPIRED
    canceled = await queue.cancel(late.id)
    assert canceled is not None
    assert canceled.status is PredictionStatus.EXPIRED


async def test_a_late_task_that_was_shown_as_expired_stays_so_whatever_a_silent_worker_says(parts: Parts) -> None:
    queue, silent, other = parts.queue(), parts.consumer(), parts.consumer()
    one = task(ttl_ms=1_500)
    await queue.submit(one)
    claims = await take(silent)
    await asyncio.sleep(LEASE_OVER_S)
    assert (await other.recover(V1)).handed_back == 1
    async with asyncio.timeout(30):
        while (shown := await queue.state(one.id)) is None or shown.status is not PredictionStatus.EXPIRED:
            await asyncio.sleep(0.02)
    await silent.finish([classified(claim) for claim in claims])
    after = await queue.state(one.id)
    assert after is not None
    assert (after.status, after.finished_ms) == (shown.status, shown.finished_ms)
    assert after.classification is None
    await recorded(parts, 1)


async def test_recovery_ends_late_tasks_of_versions_that_no_worker_serves(parts: Parts) -> None:
    queue = parts.queue()
    late = task("nobody-serves-this", ttl_ms=1, side=200)
    await queue.submit(late)
    await queue.submit(task("nobody-serves-this"))
    await asyncio.sleep(0.005)
    assert (await parts.consumer().recover(V1)).expired == 1
    (entry,) = await recorded(parts, 1)
    assert (entry.state.id, entry.state.status) == (late.id, PredictionStatus.EXPIRED)


async def test_a_lost_lease_hands_the_task_to_another_worker(parts: Parts) -> None:
    queue, dead, alive = parts.queue(), parts.consumer(), parts.consumer()
    one = task()
    await queue.submit(one)
    (lost,) = await take(dead)
    assert (await alive.recover(V1)).handed_back == 0
    await asyncio.sleep(LEASE_OVER_S)
    assert (await alive.recover(V1)).handed_back == 1
    state = await queue.state(one.id)
    assert state is not None
    assert state.status is PredictionStatus.QUEUED
    (claim,) = await take(alive)
    assert (claim.task_id, claim.deliveries) == (one.id, 2)
    assert await alive.finish([classified(claim, "alive")]) == 1
    assert await dead.finish([classified(lost, "dead")]) == 0
    final = await queue.state(one.id)
    assert final is not None
    assert final.worker == alive.worker
    await recorded(parts, 1)


async def test_a_heartbeat_keeps_the_lease_and_the_delivery_count(parts: Parts) -> None:
    queue, consumer, other = parts.queue(), parts.consumer(), parts.consumer()
    await queue.submit(task())
    claims = await take(consumer)
    for _ in range(40):
        await asyncio.sleep(0.004)
        await consumer.heartbeat(claims)
        assert (await other.recover(V1)).handed_back == 0
    await consumer.release(claims)
    (again,) = await take(other)
    assert again.deliveries == 1


async def test_suspects_come_one_at_a_time_so_that_poison_has_no_mates(parts: Parts) -> None:
    queue, dead, alive = parts.queue(), parts.consumer(), parts.consumer()
    for _ in range(3):
        await queue.submit(task())
    assert len(await take(dead)) == 3
    await asyncio.sleep(LEASE_OVER_S)
    await alive.recover(V1)
    await queue.submit(task())
    batches = [await take(alive) for _ in range(4)]
    assert [len(batch) for batch in batches] == [1, 1, 1, 1]
    assert [batch[0].deliveries for batch in batches] == [2, 2, 2, 1]


async def test_poison_becomes_a_dead_letter_after_three_deaths_and_spares_its_mates(parts: Parts) -> None:
    queue, letters = parts.queue(), parts.dead_letters()
    poison, mate = task(), task()
    await queue.submit(poison)
    await queue.submit(mate)
    for _ in range(10):
        worker = parts.consumer()
        await worker.recover(V1)
        claims = await take(worker, block_ms=20)
        if all(claim.task_id != poison.id for claim in claims):
            await worker.finish([classified(claim) for claim in claims])
        await asyncio.sleep(LEASE_OVER_S)
    state, spared = await queue.state(poison.id), await queue.state(mate.id)
    assert state is not None
    assert spared is not None
    assert (state.status, spared.status) == (PredictionStatus.FAILED, PredictionStatus.SUCCEEDED)
    assert state.failure is not None
    assert state.failure.code == "inference_failed"
    (letter,) = await letters.list("v1", 10)
    assert (letter.task_id, letter.version, letter.deliveries) == (poison.id, "v1", 3)
    assert (await queue.depths())[0].dead_letters == 1
    await recorded(parts, 2)


async def bury(parts: Parts, side: int) -> str:
    queue = parts.queue()
    one = task(side=side)
    await queue.submit(one)
    for _ in range(3):
        worker = parts.consumer()
        assert await take(worker)
        await asyncio.sleep(LEASE_OVER_S)
        await worker.recover(V1)
    return one.id


@pytest.mark.parametrize("side", [4, 200])
async def test_a_dead_letter_can_be_tried_again_as_a_new_prediction(parts: Parts, side: int) -> None:
    dead_id = await bury(parts, side)
    letters, queue, consumer = parts.dead_letters(), parts.queue(), parts.consumer()
    (letter,) = await letters.list("v1", 10)
    fresh_id = await letters.retry("v1", letter.token)
    assert is_prediction_id(fresh_id)
    assert fresh_id != dead_id
    (claim,) = await take(consumer)
    assert (claim.task_id, claim.deliveries) == (fresh_id, 1)
    assert len(claim.tensor.data) == side * side * 3
    await consumer.finish([classified(claim)])
    dead, fresh = await queue.state(dead_id), await queue.state(fresh_id)
    assert dead is not None
    assert fresh is not None
    assert (dead.status, fresh.status) == (PredictionStatus.FAILED, PredictionStatus.SUCCEEDED)
    assert fresh.context == CONTEXT
    assert await letters.list("v1", 10) == []


async def test_a_dead_letter_can_be_discarded(parts: Parts) -> None:
    await bury(parts, 200)
    letters = parts.dead_letters()
    (letter,) = await letters.list("v1", 10)
    await letters.discard("v1", letter.token)
    assert await letters.list("v1", 10) == []
    with pytest.raises(NotFound):
        await letters.discard("v1", letter.token)
    with pytest.raises(NotFound):
        await letters.retry("v1", letter.token)


@pytest.mark.parametrize("token", ["", "-", "abc", "1", "(1-1", "99999999999999999999-0"])
async def test_what_names_no_dead_letter_is_not_found(parts: Parts, token: str) -> None:
    letters = parts.dead_letters()
    with pytest.raises(NotFound):
        await letters.retry("v1", token)
    with pytest.raises(NotFound):
        await letters.discard("v1", token)


async def test_released_tasks_are_there_for_others_at_once(parts: Parts) -> None:
    queue, leaving, staying = parts.queue(), parts.consumer(), parts.consumer()
    for _ in range(3):
        await queue.submit(task())
    claims = await take(leaving)
    taking = asyncio.create_task(staying.take(V1, 5_000))
    await asyncio.sleep(0.02)
    await leaving.release(claims)
    async with asyncio.timeout(1):
        taken = list(await taking)
    while len(taken) < 3:
        taken += await take(staying)
    assert {claim.task_id for claim in taken} == {claim.task_id for claim in claims}
    assert {claim.deliveries for claim in taken} == {1}


async def test_a_worker_that_leaves_drops_nothing(parts: Parts) -> None:
    queue, leaving, staying = parts.queue(), parts.consumer(), parts.consumer()
    await queue.submit(task())
    assert await take(leaving)
    await leaving.close()
    assert len(await take(staying)) == 1


async def test_the_queue_is_full_by_count_and_shadow_work_is_shed_first(parts: Parts) -> None:
    queue, consumer = parts.queue(QueueLimits(max_waiting=4)), parts.consumer()
    await queue.submit(task())
    await queue.submit(task())
    with pytest.raises(Overloaded) as refused:
        await queue.submit(task(priority=Priority.SHADOW))
    assert refused.value.retry_after_s > 0
    await queue.submit(task())
    one = task()
    await queue.submit(one)
    with pytest.raises(Overloaded):
        await queue.submit(task())
    assert await queue.submit(one) is SubmitOutcome.DUPLICATE
    claims = await take(consumer)
    await consumer.finish([classified(claim) for claim in claims])
    assert await queue.submit(task()) is SubmitOutcome.ACCEPTED


async def test_the_queue_is_full_by_bytes(parts: Parts) -> None:
    queue, consumer = parts.queue(QueueLimits(max_bytes=250_000)), parts.consumer()
    await queue.submit(task(side=200))
    await queue.submit(task(side=200))
    refused = task(side=200)
    with pytest.raises(Overloaded):
        await queue.submit(refused)
    assert await queue.state(refused.id) is None
    claims = await take(consumer)
    await consumer.finish([classified(claim) for claim in claims])
    assert await queue.submit(refused) is SubmitOutcome.ACCEPTED


async def test_a_recorder_that_is_away_for_long_stops_acceptance(parts: Parts) -> None:
    queue, consumer = parts.queue(QueueLimits(max_unrecorded=2)), parts.consumer()
    for _ in range(2):
        await queue.submit(task())
        await consumer.finish([classified(claim) for claim in await take(consumer)])
    with pytest.raises(Overloaded):
        await queue.submit(task())
    await recorded(parts, 2)
    assert await queue.submit(task()) is SubmitOutcome.ACCEPTED


async def test_depths_count_what_waits_and_what_runs(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    for _ in range(5):
        await queue.submit(task())
    await queue.submit(task(priority=Priority.SHADOW))
    claims = await take(consumer, {"v1": 2})
    await asyncio.sleep(0.003)
    by_priority = {depth.priority: depth for depth in await queue.depths()}
    interactive, shadow = by_priority[Priority.INTERACTIVE], by_priority[Priority.SHADOW]
    assert (interactive.waiting, interactive.running, shadow.waiting, shadow.running) == (3, 2, 1, 0)
    assert interactive.payload_bytes == 6 * 48
    assert interactive.oldest_waiting_ms >= 2
    await consumer.release(claims[:1])
    await consumer.finish([classified(claims[1])])
    interactive = (await queue.depths())[0]
    assert (interactive.waiting, interactive.running, interactive.payload_bytes) == (4, 0, 5 * 48)


async def test_the_feed_gives_each_final_state_to_one_recorder(parts: Parts) -> None:
    queue, consumer, feeds = parts.queue(), parts.consumer(), [parts.feed()]
    ids = set()
    for version in ("v1", "v2"):
        for _ in range(5):
            one = task(version)
            ids.add(one.id)
            await queue.submit(one)
        await consumer.finish([classified(claim) for claim in await take(consumer, {version: 8})])
    entries: list[FeedEntry] = []
    async with asyncio.timeout(5):
        while len(entries) < 10:
            entries += await feeds[0].read(3, 20)
    assert {entry.state.id for entry in entries} == ids
    assert len(entries) == 10
    assert await feeds[0].backlog() == 10
    await feeds[0].acknowledge(entries)
    assert await feeds[0].backlog() == 0


async def test_workers_are_listed_until_they_fall_silent(parts: Parts) -> None:
    directory = parts.directory()
    report = WorkerReport("w1", "host", 17, 1_000, {"v1": "ready", "v2": "failed: digest"}, {"v1": "d" * 64})
    await directory.report(report, 30)
    await directory.report(replace(report, worker="w2", draining=True), 0.02)
    assert [one.worker for one in await directory.workers()] == ["w1", "w2"]
    await asyncio.sleep(0.04)
    assert await directory.workers() == [report]
    await directory.remove("w1")
    assert list(await directory.workers()) == []


async def test_accepted_is_the_sum_of_all_final_states_and_nothing_stays_behind(parts: Parts) -> None:
    queue, consumer = parts.queue(), parts.consumer()
    tasks = [task(side=200 if i % 3 else 4, ttl_ms=1 if i % 5 == 0 else 30_000) for i in range(20)]
    for one in tasks:
        await queue.submit(one)
    await asyncio.sleep(0.005)
    await queue.cancel(tasks[1].id)
    while claims := await take(consumer, {"v1": 4}, block_ms=5):
        await consumer.finish([failed(claim) if i == 0 else classified(claim) for i, claim in enumerate(claims)])
    entries = await recorded(parts, 20)
    assert {entry.state.id for entry in entries} == {one.id for one in tasks}
    assert all(entry.state.status.is_final for entry in entries)
    for depth in await queue.depths():
        assert (depth.waiting, depth.running, depth.payload_bytes) == (0, 0, 0)


async def test_ping_answers(parts: Parts) -> None:
    await parts.queue().ping()
