"""What stands in the broker and should not, and what should stand there and does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from splitleaf.core.errors import NotFound
from splitleaf.core.prediction import PredictionStatus
from splitleaf.jobs.queue import FeedEntry, JobState, Priority, SubmitOutcome, TaskContext, WorkerReport
from splitleaf.jobs.redis import RedisJobConsumer, RedisJobQueue, RedisWorkArchive
from tests.jobs.conftest import Parts
from tests.jobs.tasks import CONTEXT, classified, task

CAPS = {"v1": 8}
LEASE_OVER_S = 0.09


async def call(queue: RedisJobQueue, *words: Any) -> Any:
    return await queue.broker.client.call(*words)


async def ended(parts: Parts, queue: RedisJobQueue, prediction_id: str) -> JobState:
    """Return the final state after seeing that it was recorded once and that nothing is left of the task."""
    state = await queue.state(prediction_id)
    assert state is not None
    entries: list[FeedEntry] = []
    feed = parts.feed()
    while more := await feed.read(100, 20):
        entries += more
    assert [entry.state for entry in entries if entry.state.id == prediction_id] == [state]
    assert not [key for key in await call(queue, "KEYS", "*") if b":t:" in key or b":b:" in key]
    for depth in await queue.depths():
        assert (depth.waiting, depth.running, depth.payload_bytes) == (0, 0, 0)
    return state


@pytest.mark.parametrize("side", [4, 200])
@pytest.mark.parametrize("found_by", ["take", "recover", "finish", "lost lease"])
async def test_a_task_whose_record_is_gone_ends_as_expired(redis: Parts, side: int, found_by: str) -> None:
    queue, consumer, other = redis.queue(), redis.consumer(), redis.consumer()
    one = task(side=side, priority=Priority.BATCH)
    await queue.submit(one)
    claims = await consumer.take(CAPS, 200) if found_by in ("finish", "lost lease") else ()
    await call(queue, "DEL", f"{{q:v1}}:t:{one.id}")
    if found_by == "take":
        assert not await consumer.take(CAPS, 5)
    elif found_by == "finish":
        assert await consumer.finish([classified(claim) for claim in claims]) == 1
    else:
        if found_by == "lost lease":
            await asyncio.sleep(LEASE_OVER_S)
        assert (await other.recover(CAPS)).expired == 1
    state = await ended(redis, queue, one.id)
    assert (state.status, state.version, state.priority) == (PredictionStatus.EXPIRED, "v1", Priority.BATCH)
    assert (state.context, state.classification) == (TaskContext(), None)
    assert await queue.submit(one) is SubmitOutcome.DUPLICATE


async def test_tasks_are_ended_with_all_that_is_known_of_them_however_long_everything_stood_still(
    redis: Parts,
) -> None:
    queue, consumer = redis.queue(), redis.consumer()
    one = task(ttl_ms=1)
    await queue.submit(one)
    assert await call(queue, "PTTL", f"{{q:v1}}:t:{one.id}") == -1
    await asyncio.sleep(0.005)
    await consumer.recover(CAPS)
    assert not await consumer.take(CAPS, 5)
    state = await ended(redis, queue, one.id)
    assert (state.status, state.context) == (PredictionStatus.EXPIRED, CONTEXT)


async def test_an_id_that_was_accepted_anew_after_its_record_was_gone_has_one_final_state(redis: Parts) -> None:
    queue, consumer = redis.queue(), redis.consumer()
    one = task()
    await queue.submit(one)
    await call(queue, "DEL", f"{{q:v1}}:t:{one.id}")
    assert await queue.submit(task("v2", task_id=one.id)) is SubmitOutcome.ACCEPTED
    assert not await consumer.take(CAPS, 5)
    (claim,) = await consumer.take({"v2": 1}, 200)
    assert await consumer.finish([classified(claim)]) == 1
    state = await ended(redis, queue, one.id)
    assert (state.status, state.version) == (PredictionStatus.SUCCEEDED, "v2")


async def test_an_id_that_was_accepted_anew_by_the_same_version_has_one_final_state(redis: Parts) -> None:
    queue, consumer = redis.queue(), redis.consumer()
    one = task(side=200)
    await queue.submit(one)
    (old,) = await consumer.take(CAPS, 200)
    await call(queue, "DEL", f"{{q:v1}}:t:{one.id}")
    assert await queue.submit(one) is SubmitOutcome.ACCEPTED
    assert await consumer.finish([classified(old, "old")]) == 0
    (new,) = await consumer.take(CAPS, 200)
    assert await consumer.finish([classified(new, "new")]) == 1
    state = await ended(redis, queue, one.id)
    assert state.classification is not None
    assert state.classification.best.label == "new"


MALFORMED: list[dict[str, str]] = [
    {"x": "y"},
    {"i": "a" * 26},
    {"i": "a" * 26, "c": "now", "d": "later", "h": "1,4,4,3,uint8", "p": "0" * 48},
    {"i": "a" * 26, "c": "1", "d": "99999999999999", "h": "1,4,4,3,uint8"},
    {str(number): "" for number in range(3_000)},
]


@pytest.mark.parametrize("fields", MALFORMED)
@pytest.mark.parametrize("found_by", ["take", "recover"])
async def test_an_entry_that_is_no_task_is_set_aside_and_stops_nobody(
    redis: Parts, fields: dict[str, str], found_by: str
) -> None:
    queue, consumer = redis.queue(), redis.consumer()
    await queue.submit(task("v2"))
    await call(queue, "XADD", "{q:v1}:s:0", "*", *(word for pair in fields.items() for word in pair))
    one = task()
    await queue.submit(one)
    if found_by == "recover":
        await consumer.recover(CAPS)
    (claim,) = await consumer.take(CAPS, 200)
    assert claim.task_id == one.id
    await consumer.finish([classified(claim)])
    await consumer.recover(CAPS)
    assert await call(queue, "XLEN", "{q:v1}:aside") == 1
    assert await call(queue, "XLEN", "{q:v1}:s:0") == 0
    assert len(await consumer.take({"v2": 1}, 200)) == 1


@pytest.mark.parametrize("lost", ["c", "d", "h", "p"])
async def test_an_accepted_task_whose_entry_was_spoilt_ends_as_expired(redis: Parts, lost: str) -> None:
    queue, consumer = redis.queue(), redis.consumer()
    one = task()
    await queue.submit(one)
    ((_, flat),) = await call(queue, "XRANGE", "{q:v1}:s:0", "-", "+")
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    del fields[lost.encode()]
    await call(queue, "DEL", "{q:v1}:s:0")
    entry = await call(queue, "XADD", "{q:v1}:s:0", "*", *(word for pair in fields.items() for word in pair))
    await call(queue, "HSET", f"{{q:v1}}:t:{one.id}", "e", entry)
    assert not await consumer.take(CAPS, 5)
    state = await ended(redis, queue, one.id)
    assert (state.status, state.context) == (PredictionStatus.EXPIRED, CONTEXT)


NAMES = ["m", "w", "peers", "bell", "feed", "dead", "aside", "s:0", "s:1", "s:2", "suspects:0", "returned:2"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_foreign_key_under_a_name_of_ours_is_set_aside_and_work_goes_on(redis: Parts, name: str) -> None:
    queue, consumer = redis.queue(), redis.consumer()
    await call(queue, "SADD", "splitleaf:versions", "v1")
    await call(queue, "SET", f"{{q:v1}}:{name}", "foreign")
    if name[0] not in "sr":
        # (A list of tokens beside an empty stream is thrown away with whatever it holds.)
        await _suffer(consumer)
    await consumer.recover(CAPS)
    one = task()
    await queue.submit(one)
    (claim,) = await consumer.take(CAPS, 500)
    assert await consumer.finish([classified(claim)]) == 1
    assert (await ended(redis, queue, one.id)).status is PredictionStatus.SUCCEEDED
    (kept,) = await call(queue, "KEYS", "splitleaf:aside:*")
    assert await call(queue, "GET", kept) == b"foreign"


@pytest.mark.parametrize("name", ["m", "feed", "bell", "w"])
async def test_no_task_is_half_ended_while_a_foreign_key_is_in_the_way(redis: Parts, name: str) -> None:
    queue, consumer = redis.queue(), redis.consumer()
    one = task(side=200)
    await queue.submit(one)
    (claim,) = await consumer.take(CAPS, 200)
    await call(queue, "DEL", f"{{q:v1}}:{name}")
    await call(queue, "SET", f"{{q:v1}}:{name}", "foreign")
    visible = 0
    for _ in range(2):
        try:
            visible += await consumer.finish([classified(claim)])
        except Exception:  # noqa: BLE001 - whatever the broker said: the worker hands in again, and recovers
            await consumer.recover(CAPS)
    await consumer.recover(CAPS)
    assert visible <= 1
    state = await ended(redis, queue, one.id)
    assert state.status is PredictionStatus.SUCCEEDED


async def test_a_foreign_key_in_place_of_a_record_ends_the_task(redis: Parts) -> None:
    queue, consumer = redis.queue(), redis.consumer()
    one = task()
    await queue.submit(one)
    await call(queue, "SET", f"{{q:v1}}:t:{one.id}", "foreign")
    assert await queue.state(one.id) is None
    assert await queue.cancel(one.id) is None
    assert not await consumer.take(CAPS, 5)
    assert (await ended(redis, queue, one.id)).status is PredictionStatus.EXPIRED


@pytest.mark.parametrize("field", ["b", "svc", "aside"])
async def test_meters_that_hold_no_numbers_stop_nobody(redis: Parts, field: str) -> None:
    queue, consumer = redis.queue(), redis.consumer()
    await call(queue, "HSET", "{q:v1}:m", field, "many")
    one = task()
    await queue.submit(one)
    (claim,) = await consumer.take(CAPS, 200)
    assert await consumer.finish([classified(claim)]) == 1
    await consumer.recover(CAPS)
    assert (await ended(redis, queue, one.id)).status is PredictionStatus.SUCCEEDED


@pytest.mark.parametrize(
    "document",
    ["", "{", "[1]", "null", '{"v":1}', "[" * 5_000, '{"v":1,"id":3,"st":"lost","ver":"v1","x":null,"r":null}'],
)
async def test_an_entry_of_the_feed_that_is_no_final_state_is_set_aside_and_holds_nothing_up(
    redis: Parts, document: str
) -> None:
    queue, consumer, feed = redis.queue(), redis.consumer(), redis.feed()
    await queue.submit(task())
    await call(queue, "XADD", "{q:v1}:feed", "*", "d", document)
    await call(queue, "XADD", "{q:v1}:feed", "*", "no", "document")
    await consumer.finish([classified(claim) for claim in await consumer.take(CAPS, 200)])
    entries = [*await feed.read(10, 50), *await feed.read(10, 50)]
    assert len(entries) == 1
    assert await feed.backlog() == 1
    ((_, first), _) = await call(queue, "XRANGE", "{q:v1}:aside", "-", "+")
    assert first[-2:] == [b"d", document.encode()]


async def test_a_final_state_that_nobody_can_read_keeps_no_other_from_being_read(redis: Parts) -> None:
    queue, consumer = redis.queue(), redis.consumer()
    ids = [task().id for _ in range(2)]
    for one in ids:
        await queue.submit(task(task_id=one))
    await consumer.finish([classified(claim) for claim in await consumer.take(CAPS, 200)])
    await call(queue, "SET", f"{{q:v1}}:r:{ids[0]}", "{")
    spoilt, good = await queue.states(ids)
    assert spoilt is None
    assert good is not None
    assert good.status is PredictionStatus.SUCCEEDED


async def test_an_accepted_task_whose_context_was_spoilt_fails_and_stops_nobody(redis: Parts) -> None:
    queue, consumer = redis.queue(), redis.consumer()
    one, other = task(), task()
    for each in (one, other):
        await queue.submit(each)
    await call(queue, "HSET", f"{{q:v1}}:t:{one.id}", "x", "[")
    (claim,) = await consumer.take(CAPS, 200)
    assert claim.task_id == other.id
    assert await consumer.finish([classified(claim)]) == 1
    feed = redis.feed()
    assert [entry.state.id for entry in [*await feed.read(9, 50), *await feed.read(9, 50)]] == [other.id]
    assert await call(queue, "XLEN", "{q:v1}:aside") == 1


async def test_a_foreign_set_of_versions_or_workers_is_set_aside(redis: Parts) -> None:
    queue, consumer, directory = redis.queue(), redis.consumer(), redis.directory()
    await queue.submit(task())
    for name in ("versions", "workers"):
        await call(queue, "SET", f"splitleaf:{name}", "foreign")
    report = WorkerReport("w1", "host", 17, 1_000, {"v1": "ready"}, {})
    await directory.report(report, 30)
    await consumer.recover(CAPS)
    assert await directory.workers() == [report]
    assert len(await consumer.take(CAPS, 200)) == 1


@pytest.mark.parametrize("text", ["no JSON", "3", "{}", '{"worker":"w2","versions":3}'])
async def test_a_malformed_report_hides_no_other_worker(redis: Parts, text: str) -> None:
    queue, directory = redis.queue(), redis.directory()
    report = WorkerReport("w1", "host", 17, 1_000, {"v1": "ready"}, {})
    await directory.report(report, 30)
    await call(queue, "SADD", "splitleaf:workers", "w2")
    await call(queue, "SET", "splitleaf:worker:w2", text)
    assert await directory.workers() == [report]


async def test_a_malformed_dead_letter_hides_no_other_and_can_be_discarded(redis: Parts) -> None:
    queue, letters = redis.queue(), redis.dead_letters()
    await call(queue, "XADD", "{q:v1}:dead", "1-1", "i", "one", "n", "3", "why", "lease lost", "t", "5")
    await call(queue, "XADD", "{q:v1}:dead", "2-1", "n", "many")
    assert [letter.token for letter in await letters.list("v1", 10)] == ["1-1"]
    with pytest.raises(NotFound):
        await letters.find("v1", "2-1")
    await letters.discard("v1", "2-1")
    assert await call(queue, "XLEN", "{q:v1}:dead") == 1


async def test_a_backup_keeps_final_states_that_only_a_newer_release_can_read(redis: Parts) -> None:
    queue = redis.queue()
    await queue.submit(task())
    await call(queue, "XADD", "{q:v1}:feed", "*", "d", '{"v":99}')
    archive = RedisWorkArchive(queue, 60)
    assert [document async for document in archive.unrecorded()] == [b'{"v":99}']
    assert not archive.unreadable


async def _suffer(consumer: RedisJobConsumer) -> None:
    """Look for work while a foreign key is in the way: whatever is said, nobody dies of it."""
    try:
        await consumer.take(CAPS, 1)
    except Exception:  # noqa: BLE001 - see above
        return
