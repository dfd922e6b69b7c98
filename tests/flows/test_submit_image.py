"""An upload -> a prediction, accepted once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from splitleaf.core.clock import SystemClock
from splitleaf.core.errors import DependencyDown, NoModelReady, Overloaded, RejectedImage, Unprocessable
from splitleaf.core.ids import idempotent_prediction_id
from splitleaf.core.prediction import PredictionStatus
from splitleaf.experiments.routing import LiveExperiment, Routing, Split
from splitleaf.experiments.slots import new_table, to_slots
from splitleaf.flows.record_outcomes import Recorder
from splitleaf.flows.serving import NOTHING, Choice, Serving
from splitleaf.flows.submit_image import FALLBACK, UNEXPLAINED, ImageSubmission, Submission
from splitleaf.images.limits import ImageLimits
from splitleaf.images.pool import PooledIntake
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.redis import RedisJobQueue
from splitleaf.outcomes.events import Outcome
from splitleaf.registry.catalogue import Catalogue
from splitleaf.registry.manifest import AuxiliaryTable
from tests.jobs.conftest import Parts
from tests.jobs.tasks import classified
from tests.outcomes.facts import outcome
from tests.support.images import BLUE, jpeg
from tests.support.repositories import SIDE, add_version
from tests.support.stores import EmptyStore

IMAGE = jpeg()
ONE = Submission(IMAGE, "u" * 32, "req-1")


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    add_version(tmp_path, "v1")
    manifests = {one.version: one.manifest for one in Catalogue(tmp_path).scan() if one.manifest}
    return Serving(Routing("v1"), manifests, frozenset({"v1"}))


class CountingServing(Serving):
    """Notes for whom it chose."""

    asked: ClassVar[list[str]] = []

    def choose(self, unit_hash: str) -> Choice:
        self.asked.append(unit_hash)
        return super().choose(unit_hash)


@pytest.fixture
def counting(serving: Serving) -> CountingServing:
    CountingServing.asked.clear()
    return CountingServing(serving.routing, serving.manifests, serving.ready)


@pytest.fixture
async def intake() -> AsyncIterator[PooledIntake]:
    pool = await PooledIntake.start(ImageLimits(), 1)
    yield pool
    await pool.close()


def flow(
    intake: PooledIntake,
    parts: Parts,
    serving: Serving,
    limits: QueueLimits | None = None,
    store: EmptyStore | None = None,
) -> ImageSubmission:
    store = store or EmptyStore()
    return ImageSubmission(intake, parts.queue(limits), lambda: serving, SystemClock(), ttl_s=30, store=store)


async def test_an_image_is_handed_over_as_the_version_wants_it(
    parts: Parts, intake: PooledIntake, serving: Serving
) -> None:
    state = await flow(intake, parts, serving).submit(ONE)
    assert (state.status, state.version) == (PredictionStatus.QUEUED, "v1")
    (claim,) = await parts.consumer().take({"v1": 1}, 500)
    assert (claim.task_id, claim.tensor.shape, claim.tensor.dtype) == (state.id, (SIDE, SIDE, 3), "uint8")
    known = await parts.queue().state(state.id)
    assert known is not None
    assert (known.context.unit_hash, known.context.request_id, known.context.revision) == ("u" * 32, "req-1", 0)
    assert known.context.intake_ms > 0


async def test_a_client_that_waits_gets_the_final_state(parts: Parts, intake: PooledIntake, serving: Serving) -> None:
    waiting = asyncio.create_task(flow(intake, parts, serving).submit(replace(ONE, wait_s=10)))
    consumer = parts.consumer()
    claims = await consumer.take({"v1": 1}, 5_000)
    await consumer.finish([classified(claim) for claim in claims])
    assert (await waiting).status is PredictionStatus.SUCCEEDED


async def test_one_key_sent_fifty_times_at_once_is_one_task(
    parts: Parts, intake: PooledIntake, serving: Serving
) -> None:
    flows = [flow(intake, parts, serving), flow(intake, parts, serving)]
    keyed = replace(ONE, idempotency_key="key-1")
    states = await asyncio.gather(*(flows[number % 2].submit(keyed) for number in range(50)))
    assert len({state.id for state in states}) == 1
    assert len(await parts.consumer().take({"v1": 50}, 500)) == 1


@pytest.fixture
def moved(serving: Serving, tmp_path: Path) -> tuple[Serving, Serving]:
    """What two API processes know while the champion moves: the one has heard of it, the other has not."""
    add_version(tmp_path, "v2", side=8)
    manifests = {one.version: one.manifest for one in Catalogue(tmp_path).scan() if one.manifest}
    before = replace(serving, manifests=manifests, ready=frozenset({"v1", "v2"}))
    return before, replace(before, routing=Routing("v2"))


async def test_one_key_is_one_task_while_the_champion_moves(
    parts: Parts, intake: PooledIntake, moved: tuple[Serving, Serving]
) -> None:
    flows, consumer = [flow(intake, parts, one) for one in moved], parts.consumer()
    keyed = [replace(ONE, idempotency_key=f"key-{number}", wait_s=5) for number in range(12)]
    asked = [asyncio.create_task(one.submit(submission)) for submission in keyed for one in flows]
    while not all(one.done() for one in asked):
        claims = await consumer.take({"v1": 8, "v2": 8}, 20)
        await consumer.finish([classified(claim, claim.version) for claim in claims])
    states = [one.result() for one in asked]
    assert [state.status for state in states] == [PredictionStatus.SUCCEEDED] * 24
    assert states[::2] == states[1::2]
    assert len(await parts.feed().read(100, 50)) == 12
    assert await flows[1].submit(keyed[0]) == states[0]


async def test_one_key_is_one_task_whoever_stands_in(
    parts: Parts, intake: PooledIntake, moved: tuple[Serving, Serving]
) -> None:
    all_candidate = new_table(to_slots({"candidate": 100}))
    versions = {"control": "v1", "candidate": "v2"}
    live = LiveExperiment("leaf", 4, "salt", ("candidate",), all_candidate, versions, "control")
    serving = replace(moved[0], routing=Routing("v1", experiments=(live,)))
    submission = flow(intake, parts, serving, replace(parts.limits, max_waiting=1))
    await submission.submit(ONE)
    keyed = replace(ONE, idempotency_key="key-1")
    stood_in = await submission.submit(keyed)
    # By now the candidate has room again: another process would have it answer.
    consumer = parts.consumer()
    await consumer.finish([classified(claim) for claim in await consumer.take({"v2": 1}, 500)])
    again = await flow(intake, parts, serving).submit(keyed)
    assert (again.id, again.version, again.context.fallback) == (stood_in.id, "v1", "overloaded")
    assert not await consumer.take({"v2": 1}, 5)


async def test_a_key_is_honoured_after_the_broker_has_forgotten_the_result(
    parts: Parts, intake: PooledIntake, serving: Serving
) -> None:
    store = EmptyStore()
    store.record_outcomes([outcome(prediction_id=idempotent_prediction_id(ONE.unit_hash, "key-1"), fingerprint="")])
    state = await flow(intake, parts, serving, store=store).submit(replace(ONE, idempotency_key="key-1"))
    assert state.status is PredictionStatus.SUCCEEDED
    assert not await parts.consumer().take({"v1": 1}, 10)


class FrozenStore(EmptyStore):
    """Says nothing before its test is over."""

    def __init__(self) -> None:
        super().__init__()
        self.is_over = threading.Event()

    def outcome(self, prediction_id: str) -> Outcome | None:
        self.is_over.wait(60)
        return super().outcome(prediction_id)


async def test_a_silent_database_keeps_no_new_image_from_being_answered(
    parts: Parts, intake: PooledIntake, serving: Serving
) -> None:
    store = FrozenStore()
    submission = flow(intake, parts, serving, store=store)
    states = await asyncio.gather(*(submission.submit(replace(ONE, idempotency_key=f"key-{n}")) for n in range(12)))
    assert {state.status for state in states} == {PredictionStatus.QUEUED}
    # What the broker remembers needs no database.
    again = await submission.submit(replace(ONE, idempotency_key="key-3"))
    assert again.id == states[3].id
    assert len(await parts.consumer().take({"v1": 50}, 500)) == 12
    store.is_over.set()


async def test_a_late_reuse_of_a_key_for_another_image_is_refused(
    parts: Parts, intake: PooledIntake, serving: Serving
) -> None:
    store = EmptyStore()
    keyed = replace(ONE, idempotency_key="key-1")
    submission = flow(intake, parts, serving, store=store)
    first, unkeyed = await submission.submit(keyed), await submission.submit(ONE)
    consumer = parts.consumer()
    await consumer.finish([classified(claim) for claim in await consumer.take({"v1": 2}, 500)])
    recorder = Recorder(parts.feed(), store)
    while len(store.outcomes_after(0, 9)) < 2:
        await recorder.record_once(100)
    await forget_results(parts)
    again = await submission.submit(keyed)
    assert (again.id, again.status) == (first.id, PredictionStatus.SUCCEEDED)
    with pytest.raises(Unprocessable) as refused:
        await submission.submit(replace(keyed, data=jpeg(BLUE)))
    assert refused.value.error_code == "idempotency_key_reused"
    # No digest is kept of images that came without a key: nothing is ever compared with them.
    assert [store.outcome(one.id).fingerprint != "" for one in (first, unkeyed)] == [True, False]  # type: ignore[union-attr]


async def forget_results(parts: Parts) -> None:
    """Let the results' time to live pass."""
    queue: Any = parts.queue()
    if isinstance(queue, RedisJobQueue):
        client = queue.broker.client
        await client.call("DEL", *await client.call("KEYS", "{q:*}:r:*"))
    else:
        queue._broker.finals.clear()


async def test_a_key_is_the_clients_own(parts: Parts, intake: PooledIntake, serving: Serving) -> None:
    submission = flow(intake, parts, serving)
    mine = await submission.submit(replace(ONE, idempotency_key="key-1"))
    theirs = await submission.submit(replace(ONE, idempotency_key="key-1", unit_hash="w" * 32))
    assert mine.id != theirs.id


async def test_a_key_with_another_image_is_refused(parts: Parts, intake: PooledIntake, serving: Serving) -> None:
    submission = flow(intake, parts, serving)
    await submission.submit(replace(ONE, idempotency_key="key-1"))
    with pytest.raises(Unprocessable) as refused:
        await submission.submit(replace(ONE, idempotency_key="key-1", data=jpeg(BLUE)))
    assert refused.value.error_code == "idempotency_key_reused"


async def test_a_full_queue_is_said_to_be_full(parts: Parts, intake: PooledIntake, serving: Serving) -> None:
    submission = flow(intake, parts, serving, replace(parts.limits, max_waiting=1))
    await submission.submit(ONE)
    with pytest.raises(Overloaded) as refused:
        await submission.submit(ONE)
    assert (refused.value.error_code, refused.value.retryable) == ("overloaded", True)
    assert refused.value.retry_after_s > 0


async def test_what_a_full_candidate_turns_away_is_answered_by_control_and_counts_against_the_candidate(
    parts: Parts, intake: PooledIntake, serving: Serving, tmp_path: Path
) -> None:
    add_version(tmp_path, "v2", side=8)
    manifests = {one.version: one.manifest for one in Catalogue(tmp_path).scan() if one.manifest}
    all_candidate = new_table(to_slots({"candidate": 100}))
    versions = {"control": "v1", "candidate": "v2"}
    live = LiveExperiment("leaf", 4, "salt", ("candidate",), all_candidate, versions, "control")
    both = Serving(Routing("v1", experiments=(live,)), manifests, frozenset({"v1", "v2"}))
    submission = flow(intake, parts, both, replace(parts.limits, max_waiting=1))
    first, second = await submission.submit(ONE), await submission.submit(ONE)
    assert (first.version, first.context.fallback) == ("v2", "")
    assert (second.version, second.context.variant, second.context.fallback) == ("v1", "candidate", "overloaded")
    assert (second.context.revision, second.context.experiment) == (4, "leaf")
    (claim,) = await parts.consumer().take({"v1": 1}, 500)
    assert (claim.task_id, claim.tensor.shape) == (second.id, (SIDE, SIDE, 3))
    with pytest.raises(Overloaded):
        await submission.submit(ONE)


async def test_a_broken_image_never_reaches_the_queue(parts: Parts, intake: PooledIntake, serving: Serving) -> None:
    with pytest.raises(RejectedImage):
        await flow(intake, parts, serving).submit(replace(ONE, data=IMAGE[: len(IMAGE) // 2]))
    assert not await parts.consumer().take({"v1": 1}, 10)


async def test_without_a_ready_model_it_is_said_so(parts: Parts, intake: PooledIntake) -> None:
    with pytest.raises(NoModelReady):
        await flow(intake, parts, NOTHING).submit(ONE)


async def test_what_the_champion_answers_for_another_is_flagged(
    parts: Parts, intake: PooledIntake, serving: Serving
) -> None:
    split = Split(2, "salt", ("v2",), new_table(to_slots({"v2": 100})))
    state = await flow(intake, parts, replace(serving, routing=Routing("v1", split))).submit(ONE)
    assert (state.version, state.context.revision) == ("v1", 0)
    assert FALLBACK in state.context.flags


async def test_a_broker_that_does_not_answer_is_our_error(
    intake: PooledIntake, serving: Serving, tmp_path: Path
) -> None:
    queue = RedisJobQueue(f"unix://{tmp_path / 'nobody'}")
    submission = ImageSubmission(intake, queue, lambda: serving, SystemClock(), ttl_s=30, store=EmptyStore())
    with pytest.raises(DependencyDown):
        await submission.submit(ONE)
    await queue.close()


async def test_what_may_not_be_explained_is_noted_when_the_image_is_accepted(
    parts: Parts, intake: PooledIntake, serving: Serving
) -> None:
    heat = AuxiliaryTable(sha256="0" * 64, map_output="map", map_shape=(4, 4))
    offering = replace(serving, manifests={"v1": serving.manifests["v1"].model_copy(update={"insight": heat})})
    flags = []
    for one in (serving, offering):
        state = await flow(intake, parts, one).submit(ONE)
        known = await parts.queue().state(state.id)
        assert known is not None
        flags.append(UNEXPLAINED in known.context.flags)
    assert flags == [True, False]


@pytest.mark.parametrize("key", ["", "key-1"])
async def test_the_version_is_decided_once_for_an_upload(
    parts: Parts, intake: PooledIntake, counting: CountingServing, key: str
) -> None:
    submission, one = flow(intake, parts, counting), replace(ONE, idempotency_key=key)
    await submission.require_room(one)
    await submission.submit(one)
    assert counting.asked == [one.unit_hash]


async def test_the_version_is_decided_again_when_the_image_tells_whose_it_is(
    parts: Parts, intake: PooledIntake, counting: CountingServing
) -> None:
    submission, one = flow(intake, parts, counting), replace(ONE)
    await submission.require_room(one)
    one.unit_hash = "w" * 32
    await submission.submit(one)
    assert counting.asked == ["u" * 32, "w" * 32]


async def test_the_version_is_decided_again_when_the_champion_moved_while_the_image_arrived(
    parts: Parts, intake: PooledIntake, moved: tuple[Serving, Serving]
) -> None:
    known = iter((moved[0], moved[1]))
    submission = ImageSubmission(
        intake, parts.queue(), lambda: next(known), SystemClock(), ttl_s=30, store=EmptyStore()
    )
    one = replace(ONE)
    await submission.require_room(one)
    assert (await submission.submit(one)).version == "v2"
