"""Versions that score images unseen: behind everything else, and never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from splitleaf.core.clock import SystemClock
from splitleaf.core.errors import DependencyDown, NotFound
from splitleaf.core.ids import is_prediction_id, shadow_prediction_id
from splitleaf.experiments.allocation import first_allocation, is_sampled
from splitleaf.experiments.routing import LiveExperiment, Routing, ShadowRun
from splitleaf.flows import run_shadows
from splitleaf.flows.read_result import ResultReader
from splitleaf.flows.record_outcomes import Recorder
from splitleaf.flows.serving import Serving
from splitleaf.flows.submit_image import ImageSubmission, Submission
from splitleaf.images.intake import DecodedImage
from splitleaf.images.limits import ImageLimits
from splitleaf.images.pool import PooledIntake
from splitleaf.jobs.queue import JobQueue, Priority, SubmitOutcome, Task
from splitleaf.registry.catalogue import Catalogue
from tests.jobs.conftest import Parts
from tests.jobs.tasks import classified
from tests.support.images import jpeg
from tests.support.repositories import add_version
from tests.support.stores import EmptyStore

ONE = Submission(jpeg(), "u" * 32, "req-1")


@pytest.fixture
async def intake() -> AsyncIterator[PooledIntake]:
    pool = await PooledIntake.start(ImageLimits(), 1)
    yield pool
    await pool.close()


def serving(models: Path, *, side: int = 16, sampling: int = 10_000, ready: Sequence[str] = ("v1", "v2")) -> Serving:
    add_version(models, "v1")
    add_version(models, "v2", side=side)
    manifests = {one.version: one.manifest for one in Catalogue(models).scan() if one.manifest}
    allocation = first_allocation({"control": 100})
    experiment = LiveExperiment(
        key="leaf",
        revision=4,
        salt="salt",
        owners=("control",),
        slots=allocation.table,
        versions={"control": "v1"},
        default="control",
        shadows=(ShadowRun("v2", sampling),),
    )
    return Serving(Routing("v1", experiments=(experiment,)), manifests, frozenset(ready))


def flow(intake: PooledIntake, queue: JobQueue, snapshot: Serving) -> ImageSubmission:
    return ImageSubmission(intake, queue, lambda: snapshot, SystemClock(), ttl_s=30, store=EmptyStore())


async def test_a_shadow_scores_the_same_image_behind_everything_else(
    parts: Parts, intake: PooledIntake, tmp_path: Path
) -> None:
    submission = flow(intake, parts.queue(), serving(tmp_path))
    state = await submission.submit(ONE)
    await submission.finish_shadows()
    consumer = parts.consumer()
    (primary,) = await consumer.take({"v1": 5, "v2": 5}, 500)
    (shadow,) = await consumer.take({"v1": 5, "v2": 5}, 500)
    assert (primary.task_id, primary.version, primary.priority) == (state.id, "v1", Priority.INTERACTIVE)
    assert (shadow.version, shadow.priority) == ("v2", Priority.SHADOW)
    assert shadow.tensor == primary.tensor
    assert shadow.task_id == shadow_prediction_id(state.id, "v2")


async def test_a_shadow_of_another_input_gets_the_image_as_it_wants_it(
    parts: Parts, intake: PooledIntake, tmp_path: Path
) -> None:
    submission = flow(intake, parts.queue(), serving(tmp_path, side=24))
    await submission.submit(ONE)
    await submission.finish_shadows()
    (shadow,) = await parts.consumer().take({"v2": 1}, 500)
    assert shadow.tensor.shape == (24, 24, 3)


async def test_its_outcome_has_the_role_shadow_and_names_the_prediction(
    parts: Parts, intake: PooledIntake, tmp_path: Path
) -> None:
    submission, store = flow(intake, parts.queue(), serving(tmp_path)), EmptyStore()
    state = await submission.submit(ONE)
    await submission.finish_shadows()
    consumer = parts.consumer()
    for _ in range(2):
        claims = await consumer.take({"v1": 5, "v2": 5}, 500)
        await consumer.finish([classified(claim) for claim in claims])
    recorder = Recorder(parts.feed(), store)
    while len(store.outcomes_after(0, 10)) < 2:
        await recorder.record_once(100)
    primary, shadow = sorted(store.outcomes_after(0, 10), key=lambda one: one.role)
    assert (primary.role, primary.experiment, primary.variant, primary.revision) == ("primary", "leaf", "control", 4)
    assert (primary.prediction_id, primary.primary_id) == (state.id, "")
    assert (shadow.role, shadow.assigned_version, shadow.primary_id) == ("shadow", "v2", state.id)
    assert (shadow.experiment, shadow.variant, shadow.revision) == ("leaf", "control", 4)
    assert shadow.unit_hash == ONE.unit_hash


async def test_the_public_cannot_reach_it(parts: Parts, intake: PooledIntake, tmp_path: Path) -> None:
    submission = flow(intake, parts.queue(), serving(tmp_path))
    state = await submission.submit(ONE)
    await submission.finish_shadows()
    shadow_id = shadow_prediction_id(state.id, "v2")
    assert await parts.queue().state(shadow_id) is not None
    assert not is_prediction_id(shadow_id)
    reader = ResultReader(parts.queue(), EmptyStore())
    for call in (reader.read, reader.cancel):
        with pytest.raises(NotFound):
            await call(shadow_id)
    with pytest.raises(NotFound):
        await anext(reader.follow(shadow_id))


async def test_a_share_of_the_images_is_scored_and_anybody_can_tell_which(
    parts: Parts, intake: PooledIntake, tmp_path: Path
) -> None:
    submission = flow(intake, parts.queue(), serving(tmp_path, sampling=5_000))
    ids = []
    for _ in range(12):
        ids.append((await submission.submit(ONE)).id)
        await submission.finish_shadows()
    found = [one.task_id for one in await parts.consumer().take({"v2": 50}, 50)]
    assert found == [shadow_prediction_id(one, "v2") for one in ids if is_sampled("salt", one, 5_000)]


async def test_one_key_sent_twice_is_scored_once(parts: Parts, intake: PooledIntake, tmp_path: Path) -> None:
    submission = flow(intake, parts.queue(), serving(tmp_path))
    for _ in range(2):
        await submission.submit(replace(ONE, idempotency_key="key-1"))
        await submission.finish_shadows()
    assert len(await parts.consumer().take({"v2": 5}, 50)) == 1


async def test_an_image_that_was_accepted_before_is_not_scored_again(intake: PooledIntake, tmp_path: Path) -> None:
    class Knowing(Unwilling):
        async def submit(self, task: Task) -> SubmitOutcome:
            await super().submit(task)
            return SubmitOutcome.DUPLICATE

        async def state(self, prediction_id: str) -> None: ...

    queue = Knowing()
    submission = flow(intake, queue, serving(tmp_path))  # type: ignore[arg-type]
    await submission.submit(replace(ONE, idempotency_key="key-1"))
    await submission.finish_shadows()
    assert [one.priority for one in queue.asked] == [Priority.INTERACTIVE]


@pytest.mark.parametrize("ready", [("v1",), ("v1", "v3")])
async def test_a_shadow_that_no_worker_has_is_left_out(
    parts: Parts, intake: PooledIntake, tmp_path: Path, ready: Sequence[str]
) -> None:
    submission = flow(intake, parts.queue(), serving(tmp_path, ready=ready))
    await submission.submit(ONE)
    await submission.finish_shadows()
    assert not await parts.consumer().take({"v2": 5}, 10)


async def test_a_full_queue_refuses_shadows_while_it_takes_everything_else(
    parts: Parts, intake: PooledIntake, tmp_path: Path
) -> None:
    snapshot = serving(tmp_path)
    submission = flow(intake, parts.queue(replace(parts.limits, max_waiting=8)), snapshot)
    for _ in range(8):
        await submission.submit(ONE)
        await submission.finish_shadows()
    consumer = parts.consumer()
    assert len(await consumer.take({"v1": 50}, 50)) == 8
    # Half of the bound is theirs.
    assert len(await consumer.take({"v2": 50}, 50)) == 4


class Unwilling:
    """A queue that takes answers' images and breaks on shadows, or keeps them waiting."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[Task] = []
        self.gate = asyncio.Event()

    async def submit(self, task: Task) -> SubmitOutcome:
        self.asked.append(task)
        if task.priority is Priority.SHADOW:
            if self.error:
                raise self.error
            await self.gate.wait()
        return SubmitOutcome.ACCEPTED


@pytest.mark.parametrize("error", [DependencyDown("gone"), RuntimeError("a bug")])
async def test_whatever_breaks_in_a_shadow_the_prediction_is_accepted(
    intake: PooledIntake, tmp_path: Path, error: Exception
) -> None:
    queue = Unwilling(error)
    submission = flow(intake, queue, serving(tmp_path))  # type: ignore[arg-type]
    state = await submission.submit(ONE)
    await submission.finish_shadows()
    assert state.status.value == "queued"
    assert [one.priority for one in queue.asked] == [Priority.INTERACTIVE, Priority.SHADOW]


async def test_a_shadow_that_waits_delays_nobody_and_what_is_too_much_is_given_up(
    intake: PooledIntake, tmp_path: Path
) -> None:
    queue = Unwilling()
    submission = flow(intake, queue, serving(tmp_path))  # type: ignore[arg-type]
    for _ in range(run_shadows.MOST_IN_HAND + 3):
        async with asyncio.timeout(5):
            await submission.submit(ONE)
    await asyncio.sleep(0)
    shadows = [one for one in queue.asked if one.priority is Priority.SHADOW]
    assert len(shadows) == run_shadows.MOST_IN_HAND
    queue.gate.set()
    await submission.finish_shadows()


async def test_the_answers_image_is_prepared_for_the_answer_alone(tmp_path: Path) -> None:
    asked: list[int] = []

    class Counting:
        async def decode(self, data: bytes, specs: Sequence[object]) -> DecodedImage:
            asked.append(len(specs))
            return await real.decode(data, specs)  # type: ignore[arg-type]

        async def close(self) -> None: ...

    real = await PooledIntake.start(ImageLimits(), 1)
    queue = Unwilling()
    submission = ImageSubmission(
        Counting(),
        queue,  # type: ignore[arg-type]
        lambda: snapshot,
        SystemClock(),
        ttl_s=30,
        store=EmptyStore(),
    )
    snapshot = serving(tmp_path, side=24)
    await submission.submit(ONE)
    queue.gate.set()
    await submission.finish_shadows()
    await real.close()
    assert asked == [1, 1]
