"""A prediction's id -> its state, from the broker or, later, from what was recorded."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Final

from splitleaf.core.errors import NotFound
from splitleaf.core.ids import is_prediction_id
from splitleaf.core.prediction import Classification, Failure, LabelScore, PredictionStatus
from splitleaf.flows.find_outcome import OutcomeFinder
from splitleaf.jobs.queue import JobQueue, JobState, TaskContext
from splitleaf.outcomes.events import Outcome
from splitleaf.outcomes.store import OutcomeStore

RECORDED_WITHIN_S: Final = 3.0
"""Who asks for a prediction that the broker does not know waits no longer for the database."""


class ResultReader:
    """Reads, waits, follows and cancels."""

    def __init__(self, queue: JobQueue, store: OutcomeStore) -> None:
        self._queue = queue
        self._outcomes = OutcomeFinder(store)

    async def read(self, prediction_id: str, wait_s: float = 0.0) -> JobState:
        """Return the state, after at most `wait_s` seconds of waiting for the final one.

        Raises `NotFound` (code `prediction_not_found`).
        """
        self._require_form(prediction_id)
        state = await (self._queue.wait(prediction_id, wait_s) if wait_s > 0 else self._queue.state(prediction_id))
        return state or await self._recorded(prediction_id)

    async def follow(self, prediction_id: str) -> AsyncIterator[JobState]:
        """Yield the present state and every further one up to the final one. Raises as `read` does."""
        self._require_form(prediction_id)
        nothing = True
        async for state in self._queue.follow(prediction_id):
            nothing = False
            yield state
        if nothing:
            yield await self._recorded(prediction_id)

    async def cancel(self, prediction_id: str) -> JobState:
        """Cancel unless there is a final state; return the state after that. Raises as `read` does."""
        self._require_form(prediction_id)
        return await self._queue.cancel(prediction_id) or await self._recorded(prediction_id)

    async def _recorded(self, prediction_id: str) -> JobState:
        outcome = await self._outcomes.find(prediction_id, RECORDED_WITHIN_S)
        if outcome is None:
            raise _unknown()
        return from_outcome(outcome)

    @staticmethod
    def _require_form(prediction_id: str) -> None:
        if not is_prediction_id(prediction_id):
            raise _unknown()


def from_outcome(outcome: Outcome) -> JobState:
    """Return a recorded outcome as the state it once was."""
    classification = None
    if outcome.top:
        top = tuple(LabelScore(*entry) for entry in outcome.top)
        classification = Classification(
            top,
            outcome.entropy or 0.0,
            bool(outcome.is_sure),
            is_familiar=outcome.is_familiar is not False,
            heat=b64decode(outcome.heat),
            measures=tuple(json.loads(outcome.measures or "[]")),
        )
    failure = Failure(outcome.error_code, outcome.error_detail or "") if outcome.error_code else None
    return JobState(
        id=outcome.prediction_id,
        status=PredictionStatus(outcome.status),
        version=outcome.assigned_version,
        created_ms=outcome.created_ms,
        finished_ms=outcome.finished_ms,
        classification=classification,
        failure=failure,
        context=TaskContext(unit_hash=outcome.unit_hash, flags=outcome.flags, fingerprint=outcome.fingerprint),
    )


def _unknown() -> NotFound:
    return NotFound("there is no such prediction, or it is no longer kept", code="prediction_not_found")
