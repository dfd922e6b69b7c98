"""Reading results, judging them, and making them: read_result, record_feedback, classify_batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from splitleaf.core.errors import Conflict, NotFound, Unprocessable
from splitleaf.core.ids import new_prediction_id
from splitleaf.core.prediction import PredictionStatus
from splitleaf.engine.classifier import Classifier
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.flows.classify_batch import classify_batch
from splitleaf.flows.read_result import ResultReader
from splitleaf.flows.record_feedback import Opinion, record_feedback
from splitleaf.flows.record_outcomes import to_outcome
from splitleaf.jobs.queue import Claim, JobState, Priority
from splitleaf.outcomes.events import FeedbackSource
from splitleaf.registry.catalogue import read_version
from tests.jobs.conftest import Parts
from tests.jobs.tasks import classified, task
from tests.support.repositories import LABELS, add_version
from tests.support.stores import EmptyStore
from tests.support.tensors import BLUE, GREEN, RED, plain


async def succeeded(parts: Parts) -> JobState:
    one = task()
    queue, consumer = parts.queue(), parts.consumer()
    await queue.submit(one)
    (claim,) = await consumer.take({"v1": 1}, 500)
    await consumer.finish([classified(claim)])
    state = await queue.state(one.id)
    assert state is not None
    return state


async def test_a_result_is_read_from_the_broker_and_later_from_the_record(parts: Parts) -> None:
    store = EmptyStore()
    reader = ResultReader(parts.queue(), store)
    state = await succeeded(parts)
    assert await reader.read(state.id) == state
    forgotten = new_prediction_id()
    store.record_outcomes([replace(to_outcome(state), prediction_id=forgotten)])
    recorded = await reader.read(forgotten, wait_s=0.1)
    assert (recorded.status, recorded.classification) == (PredictionStatus.SUCCEEDED, state.classification)
    assert [one.id async for one in reader.follow(forgotten)] == [forgotten]
    assert (await reader.cancel(forgotten)).status is PredictionStatus.SUCCEEDED


@pytest.mark.parametrize("prediction_id", [new_prediction_id(), "", "../etc", "A" * 26, "x" * 10_000])
async def test_an_unknown_or_malformed_id_is_not_found(parts: Parts, prediction_id: str) -> None:
    reader = ResultReader(parts.queue(), EmptyStore())
    for call in (reader.read, reader.cancel):
        with pytest.raises(NotFound) as refused:
            await call(prediction_id)
        assert refused.value.error_code == "prediction_not_found"


async def test_a_waiting_prediction_can_be_canceled(parts: Parts) -> None:
    one = task()
    await parts.queue().submit(one)
    reader = ResultReader(parts.queue(), EmptyStore())
    assert (await reader.cancel(one.id)).status is PredictionStatus.CANCELED
    assert (await reader.read(one.id)).status is PredictionStatus.CANCELED


@pytest.mark.parametrize(
    ("opinion", "correct", "label"),
    [
        (Opinion(correct=True), True, "late_blight"),
        (Opinion(correct=False), False, None),
        (Opinion(label="late_blight"), True, "late_blight"),
        (Opinion(label="healthy"), False, "healthy"),
    ],
)
async def test_an_opinion_is_kept_beside_the_prediction(
    parts: Parts, opinion: Opinion, correct: bool, label: str | None
) -> None:
    store, state = EmptyStore(), await succeeded(parts)
    kept = await record_feedback(store, state, opinion, author="u", known_labels=["late_blight", "healthy"], now_ms=1)
    assert (kept.correct, kept.label, kept.source, kept.author) == (correct, label, FeedbackSource.USER, "u")
    assert store.feedback(state.id) == [kept]


@pytest.mark.parametrize(
    ("opinion", "code"),
    [
        (Opinion(), "invalid_feedback"),
        (Opinion(correct=True, label="healthy"), "invalid_feedback"),
        (Opinion(correct="yes"), "invalid_feedback"),
        (Opinion(correct=1), "invalid_feedback"),
        (Opinion(label="rust"), "unknown_label"),
        (Opinion(label=["healthy"]), "unknown_label"),
        (Opinion(label={"a": 1}), "unknown_label"),
    ],
)
async def test_an_opinion_that_says_nothing_sensible_is_refused(parts: Parts, opinion: Opinion, code: str) -> None:
    store, state = EmptyStore(), await succeeded(parts)
    for known in (["healthy"], {"healthy"}):
        with pytest.raises(Unprocessable) as refused:
            await record_feedback(store, state, opinion, author="u", known_labels=known, now_ms=1)
        assert refused.value.error_code == code
    assert store.feedback(state.id) == []


async def test_what_has_no_answer_cannot_be_judged() -> None:
    store, state = EmptyStore(), JobState(new_prediction_id(), PredictionStatus.QUEUED, "v1", 1)
    with pytest.raises(Conflict) as refused:
        await record_feedback(store, state, Opinion(correct=True), author="u", known_labels=[], now_ms=1)
    assert refused.value.error_code == "feedback_impossible"


class RefusesBlue:
    """A real network in front of which somebody stands who breaks on blue images."""

    def __init__(self, runtime: OnnxRuntime) -> None:
        self._runtime = runtime

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        if (batch[..., 2] > 200).any():
            raise RuntimeError("secret internals of v1")
        return self._runtime.run(batch)

    def run_with(self, batch: NDArray[np.float32], outputs: Sequence[str]) -> tuple[NDArray[np.float32], ...]:
        return (self.run(batch), *self._runtime.run_with(batch, outputs)[1:])


def claims(colours: Sequence[tuple[int, int, int]]) -> list[Claim]:
    return [
        Claim(f"t{number}", "v1", Priority.INTERACTIVE, plain(colour), 0, 1, 2.5, 1, f"{number}")
        for number, colour in enumerate(colours)
    ]


def classifier(models: Path, *, breaks: bool = False) -> Classifier:
    folder = add_version(models, "v1")
    manifest = read_version(folder)
    assert manifest is not None
    runtime = OnnxRuntime((folder / "artifact/model.onnx").read_bytes())
    return Classifier(manifest, RefusesBlue(runtime) if breaks else runtime)


def test_each_image_of_a_batch_gets_its_own_answer(tmp_path: Path) -> None:
    ready = classifier(tmp_path)
    said = classify_batch(claims([RED, BLUE, GREEN]), ready)
    assert [one.classification.best.label for one in said if one.classification] == [LABELS[0], LABELS[2], LABELS[1]]
    assert {(one.batch_size, one.served_version, one.served_digest) for one in said} == {(3, "v1", ready.digest)}
    assert all(one.timings.queue_ms == 2.5 and one.timings.inference_ms > 0 for one in said)


def test_an_image_that_breaks_the_network_spoils_no_others_answer(tmp_path: Path) -> None:
    said = classify_batch(claims([RED, BLUE, GREEN]), classifier(tmp_path, breaks=True))
    assert [one.claim.task_id for one in said] == ["t0", "t1", "t2"]
    assert [one.classification is not None for one in said] == [True, False, True]
    failure = said[1].failure
    assert failure is not None
    assert failure.code == "inference_failed"
    assert "v1" not in failure.detail
    assert "secret" not in failure.detail
