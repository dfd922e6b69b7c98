"""An upload -> a prediction, accepted once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from splitleaf.core.clock import Clock
from splitleaf.core.errors import DependencyDown, NoModelReady, NotFound, Overloaded, Unprocessable
from splitleaf.core.ids import idempotent_prediction_id, new_prediction_id
from splitleaf.core.prediction import Origin, PredictionStatus
from splitleaf.core.tracing import NO_TRACER, Tracer
from splitleaf.flows.find_outcome import OutcomeFinder
from splitleaf.flows.keep_images import ImageKeeping
from splitleaf.flows.read_result import from_outcome
from splitleaf.flows.run_shadows import Accepted, ShadowRuns
from splitleaf.flows.serving import Choice, Serving
from splitleaf.images.intake import DecodedImage, ImageIntake
from splitleaf.jobs.admission import Admission
from splitleaf.jobs.queue import JobQueue, JobState, Priority, SubmitOutcome, Task, TaskContext
from splitleaf.outcomes.events import Outcome
from splitleaf.outcomes.store import OutcomeStore

log = structlog.get_logger(__name__)

RECORDED_WITHIN_S: Final = 0.25
"""A key that no one has looked up by then counts as a new one."""
FALLBACK = "fallback"
"""Flag of a prediction that another version answered because its assigned one could not."""
UNEXPLAINED = "unexplained"
"""Flag of a prediction that was accepted while not every version that might have answered it offered a heat map.

Decided then and kept: an experiment that has ended must not tell, later on, who had which version.
"""


@dataclass(frozen=True, slots=True)
class Decision:
    """Who answers a unit, as of a snapshot."""

    serving: Serving
    unit_hash: str
    choice: Choice


@dataclass(slots=True)
class Submission:
    """An upload and the circumstances of its arrival. Its data come last, and go first."""

    data: bytes
    unit_hash: str
    request_id: str
    wait_s: float = 0.0
    """How long the client is willing to wait for the final state."""
    idempotency_key: str = ""
    priority: Priority = Priority.INTERACTIVE
    origin: Origin = Origin.API
    forced: tuple[str, str] | None = None
    """An experiment and the variant that must answer, for any unit. The analysis excludes the prediction."""
    client: str = ""
    """Whose share of the queue it takes: as limits count clients."""
    on_read: Callable[[], None] = lambda: None
    """Called when no one needs the data any more, which is long before a client that waits has its answer."""
    decision: Decision | None = field(default=None, init=False, repr=False)


class ImageSubmission:
    """Check and decode -> decide the version -> hand over."""

    def __init__(
        self,
        intake: ImageIntake,
        queue: JobQueue,
        serving: Callable[[], Serving],
        clock: Clock,
        ttl_s: float,
        *,
        store: OutcomeStore,
        keeping: ImageKeeping | None = None,
        on_accepted: Callable[[Task], None] = lambda _task: None,
        tracer: Tracer = NO_TRACER,
        admission: Admission | None = None,
    ) -> None:
        """`on_accepted` is told of each image that was handed over and not of those that came again."""
        self._intake = intake
        self._queue = queue
        self._outcomes = OutcomeFinder(store)
        self._keeping = keeping
        self._on_accepted = on_accepted
        self._tracer = tracer
        self._serving = serving
        self._clock = clock
        self._ttl_ms = round(ttl_s * 1000)
        self._admission = admission or Admission()
        self._shadows = ShadowRuns(intake, queue, self._admission)

    async def require_room(self, submission: Submission) -> None:
        """Refuse an image that is still to be read where it would be refused after that. Raises `Overloaded`.

        One whose key was accepted before is read and answered all the same.
        """
        try:
            choice: Choice | None = self._choose(submission)
        except (NoModelReady, NotFound):
            return
        refusal = Overloaded()
        while choice is not None:
            try:
                self._admission.check(choice.manifest.version, submission.priority, submission.client)
            except Overloaded as error:
                refusal, choice = error, choice.fall_back()
            else:
                return
        if not submission.idempotency_key or not await self._is_known(submission):
            raise refusal

    async def _is_known(self, submission: Submission) -> bool:
        prediction_id = idempotent_prediction_id(submission.unit_hash, submission.idempotency_key)
        known = await self._queue.state(prediction_id)
        return known is not None or await self._recorded(prediction_id) is not None

    def _choose(self, submission: Submission) -> Choice:
        """Decide who answers. The decision stands unless the unit or what can be served changes meanwhile."""
        serving, unit_hash, decision = self._serving(), submission.unit_hash, submission.decision
        if decision and decision.serving is serving and decision.unit_hash == unit_hash:
            return decision.choice
        choice = serving.choose_forced(*submission.forced) if submission.forced else serving.choose(unit_hash)
        submission.decision = Decision(serving, unit_hash, choice)
        return choice

    async def submit(self, submission: Submission) -> JobState:
        """Return the state after the client's wait at the latest.

        Raises what the intake and the queue raise; `NoModelReady`; `NotFound` (`variant_not_found`) for a forced one;
        `Unprocessable` with code `idempotency_key_reused` when the key came with another image before.
        """
        prediction_id, fingerprint = new_prediction_id(), ""
        if submission.idempotency_key:
            fingerprint = hashlib.blake2b(submission.data, digest_size=16).hexdigest()
            prediction_id = idempotent_prediction_id(submission.unit_hash, submission.idempotency_key)
            known = await self._queue.state(prediction_id)
            if known is not None:
                submission.on_read()
                return await self._again(known, fingerprint, submission.wait_s)
            # The broker forgets results in time; a second prediction of the same id would change what was answered.
            recorded = await self._recorded(prediction_id)
            if recorded is not None:
                return await self._again(from_outcome(recorded), fingerprint, 0)
        choice = self._choose(submission)
        try:
            return await self._begin(prediction_id, submission, choice, fingerprint)
        except Overloaded:
            # What a version that is too slow turns away is its doing: it must not vanish from the experiment, nor
            # keep anyone from an answer.
            fallback = choice.fall_back()
            if fallback is None:
                raise
            return await self._begin(prediction_id, submission, fallback, fingerprint)

    async def _recorded(self, prediction_id: str) -> Outcome | None:
        """Look whether an earlier request of the same key was answered before the time that the broker remembers.

        Nearly no key is that old, so a silent database must not keep new images from being answered.
        """
        try:
            return await self._outcomes.find(prediction_id, RECORDED_WITHIN_S)
        except DependencyDown as error:
            log.warning("old_key_not_looked_up", prediction=prediction_id, detail=error.detail)
            return None

    async def _begin(self, prediction_id: str, submission: Submission, choice: Choice, fingerprint: str) -> JobState:
        """Prepare the image for the version and hand it over; return the state after the client's wait."""
        started = time.perf_counter()
        place = self._admission.place(choice.manifest.version, submission.priority, submission.client)
        with place, self._tracer.span("intake"):
            image = await self._intake.decode(submission.data, [choice.manifest.preprocessing.input_spec])
        intake_ms = (time.perf_counter() - started) * 1000
        task = self._task(prediction_id, submission, choice, image, intake_ms, fingerprint)
        with self._tracer.span("submit" if submission.wait_s <= 0 else "submit and wait") as span:
            if span.traceparent:
                task = replace(task, context=replace(task.context, trace=span.traceparent))
            return await self._hand_over(task, submission, choice, image)

    def _accepted(self, task: Task, submission: Submission, choice: Choice, image: DecodedImage) -> None:
        """Do what an upload causes in addition to its answer."""
        self._on_accepted(task)
        if self._keeping and not choice.override:
            self._keeping.offer(task.id, submission.data, image)
        if choice.shadows:
            accepted = Accepted(task, choice.manifest.preprocessing.input_spec, submission.data)
            self._shadows.offer(accepted, choice.shadows_of(task.id))

    async def finish_shadows(self) -> None:
        """Wait until what is to be scored unseen is handed over or given up."""
        await self._shadows.finish()

    def _task(  # noqa: PLR0917 - one record from its parts
        self,
        prediction_id: str,
        submission: Submission,
        choice: Choice,
        image: DecodedImage,
        intake_ms: float,
        fingerprint: str,
    ) -> Task:
        context = TaskContext(
            request_id=submission.request_id,
            unit_hash=submission.unit_hash,
            revision=choice.revision,
            experiment=choice.experiment,
            variant=choice.variant,
            override=choice.override,
            fallback=choice.fallback,
            intake_ms=round(intake_ms, 3),
            flags=_flags(image, choice),
            origin=submission.origin.value,
            fingerprint=fingerprint,
        )
        return Task(
            prediction_id, choice.manifest.version, image.tensors[0], self._ttl_ms, submission.priority, context
        )

    async def _hand_over(self, task: Task, submission: Submission, choice: Choice, image: DecodedImage) -> JobState:
        def note(outcome: SubmitOutcome) -> None:
            if outcome is SubmitOutcome.ACCEPTED:
                self._accepted(task, submission, choice, image)
            submission.on_read()

        if submission.wait_s > 0:
            outcome, state = await self._queue.submit_and_wait(task, submission.wait_s, note)
        else:
            outcome, state = await self._queue.submit(task), None
            note(outcome)
        if outcome is SubmitOutcome.DUPLICATE:
            known = state or await self._queue.state(task.id)
            return await self._again(known or self._queued(task), task.context.fingerprint, 0)
        return state or self._queued(task)

    async def _again(self, known: JobState, fingerprint: str, wait_s: float) -> JobState:
        """Answer a repeated request with the first one's prediction."""
        # Empty: of an older release, or all that was known of the task was lost.
        if known.context.fingerprint not in ("", fingerprint):
            raise Unprocessable(
                "this Idempotency-Key was used for another image; use a new key for a new image",
                code="idempotency_key_reused",
            )
        if wait_s > 0 and not known.status.is_final:
            return await self._queue.wait(known.id, wait_s) or known
        return known

    def _queued(self, task: Task) -> JobState:
        return JobState(task.id, PredictionStatus.QUEUED, task.version, self._clock.now_ms(), context=task.context)


def _flags(image: DecodedImage, choice: Choice) -> tuple[str, ...]:
    flags = (*image.flags, FALLBACK) if choice.is_fallback else image.flags
    return flags if choice.is_explained else (*flags, UNEXPLAINED)


__all__ = ["FALLBACK", "UNEXPLAINED", "ImageSubmission", "Submission"]
