"""Final states -> the store: none lost, none twice, acknowledged only when written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from splitleaf.core.errors import DependencyDown, Unprocessable
from splitleaf.flows import record_outcomes
from splitleaf.flows.record_outcomes import Recorder
from splitleaf.outcomes.events import Outcome
from splitleaf.outcomes.sql import SqlOutcomeStore
from tests.jobs.conftest import Parts
from tests.jobs.tasks import CONTEXT, classified, failed, task
from tests.support.stores import EmptyStore


class MoodyStore(EmptyStore):
    """A store that is down so many times, and cannot keep one label."""

    def __init__(self, down: int = 0, poison: str = "") -> None:
        super().__init__()
        self.down = down
        self.poison = poison

    def record_outcomes(self, outcomes: Sequence[Outcome]) -> int:
        if self.down:
            self.down -= 1
            raise DependencyDown("the database does not answer")
        if any(self.poison and one.label == self.poison for one in outcomes):
            raise Unprocessable("cannot keep this")
        return super().record_outcomes(outcomes)


async def finished(parts: Parts, count: int, label: str = "late_blight") -> list[str]:
    """Let so many predictions succeed."""
    queue, consumer = parts.queue(), parts.consumer()
    tasks = [task() for _ in range(count)]
    for one in tasks:
        await queue.submit(one)
    done = 0
    while done < count:
        claims = await consumer.take({"v1": 50}, 500)
        done += await consumer.finish([classified(claim, label) for claim in claims])
    return [one.id for one in tasks]


async def test_a_final_state_becomes_an_outcome_and_is_acknowledged(parts: Parts, tmp_path: Path) -> None:
    store = SqlOutcomeStore(f"sqlite:///{tmp_path / 'outcomes.sqlite3'}")
    (prediction_id,) = await finished(parts, 1)
    feed = parts.feed()
    recorder = Recorder(feed, store)
    while not await recorder.record_once(100):
        pass
    assert await feed.backlog() == 0
    outcome = store.outcome(prediction_id)
    state = await parts.queue().state(prediction_id)
    assert outcome is not None
    assert state is not None
    assert (outcome.status, outcome.role, outcome.label, outcome.confidence) == (
        "succeeded",
        "primary",
        "late_blight",
        0.9731,
    )
    assert (outcome.revision, outcome.experiment, outcome.variant) == (3, CONTEXT.experiment, CONTEXT.variant)
    assert (outcome.override, outcome.unit_hash, outcome.flags) == (True, CONTEXT.unit_hash, CONTEXT.flags)
    assert outcome.origin == "page"
    assert (outcome.created_ms, outcome.finished_ms, outcome.worker) == (
        state.created_ms,
        state.finished_ms,
        state.worker,
    )
    assert (outcome.intake_ms, outcome.inference_ms, outcome.served_digest) == (4.5, 7.25, "d" * 64)
    store.close()


async def test_a_failure_is_recorded_with_its_code(parts: Parts) -> None:
    queue, consumer, store = parts.queue(), parts.consumer(), EmptyStore()
    one = task()
    await queue.submit(one)
    (claim,) = await consumer.take({"v1": 1}, 500)
    await consumer.finish([failed(claim)])
    recorder = Recorder(parts.feed(), store)
    while not await recorder.record_once(100):
        pass
    outcome = store.outcome(one.id)
    assert outcome is not None
    assert (outcome.status, outcome.error_code, outcome.label, outcome.top) == ("failed", "inference_failed", None, ())


async def test_while_the_store_is_down_nothing_is_acknowledged_and_then_all_is_recorded(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_outcomes, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(record_outcomes, "BLOCK_MS", 20)
    store, feed, stop = MoodyStore(down=3), parts.feed(), asyncio.Event()
    ids = await finished(parts, 20)
    recorder = Recorder(feed, store)
    with pytest.raises(DependencyDown):
        await recorder.record_once(500)
    assert await feed.backlog() == 20
    running = asyncio.create_task(recorder.run(stop))
    async with asyncio.timeout(10):
        while store.count_by_status() != {"succeeded": 20}:
            await asyncio.sleep(0.01)
    stop.set()
    await running
    assert store.down == 0
    assert await feed.backlog() == 0
    assert all(store.outcome(prediction_id) for prediction_id in ids)


async def test_a_repetition_after_a_lost_acknowledgement_changes_nothing(parts: Parts) -> None:
    store, feed = EmptyStore(), parts.feed()
    ids = await finished(parts, 3)
    entries = list(await feed.read(10, 500))
    assert len(entries) == 3
    assert store.record_outcomes([record_outcomes.to_outcome(one.state) for one in entries]) == 3
    # A recorder dies here; what the feed gives to the next one is the same.
    recorder = Recorder(feed, store)
    recorder._in_hand = entries
    assert await recorder.record_once(0) == 3
    assert {one.prediction_id for one in store.outcomes_after(0, 10)} == set(ids)
    assert await feed.backlog() == 0


async def test_a_poison_document_is_set_aside_and_all_others_are_recorded(parts: Parts) -> None:
    store, feed = MoodyStore(poison="poison"), parts.feed()
    good = await finished(parts, 5)
    (bad,) = await finished(parts, 1, "poison")
    good += await finished(parts, 5)
    recorder, done = Recorder(feed, store), 0
    async with asyncio.timeout(10):
        while done < 11:
            done += await recorder.record_once(100)
    assert {one.prediction_id for one in store.outcomes_after(0, 20)} == set(good)
    ((prediction_id, document, reason),) = store.aside()
    assert prediction_id == bad
    assert json.loads(document)["classification"]["top"][0]["label"] == "poison"
    assert "cannot keep this" in reason
    assert await feed.backlog() == 0


async def test_a_real_database_keeps_aside_what_it_cannot_record(parts: Parts, tmp_path: Path) -> None:
    store, feed = SqlOutcomeStore(f"sqlite:///{tmp_path / 'outcomes.sqlite3'}"), parts.feed()
    await finished(parts, 1)
    (entry,) = await feed.read(10, 500)
    recorder = Recorder(feed, store)
    recorder._in_hand = [replace(entry, state=replace(entry.state, worker="half a pair \ud800"))]
    await recorder.record_once(0)
    assert [one[0] for one in store.aside()] == [entry.state.id]
    assert await feed.backlog() == 0
    store.close()


async def test_what_the_last_requests_left_is_recorded_before_the_end(parts: Parts) -> None:
    store, stop = EmptyStore(), asyncio.Event()
    await finished(parts, 4)
    stop.set()
    await Recorder(parts.feed(), store).run(stop)
    await Recorder(parts.feed(), store).run(stop)
    assert store.count_by_status() == {"succeeded": 4}
