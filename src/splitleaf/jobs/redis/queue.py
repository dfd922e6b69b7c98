"""The API's side of the queue on Redis Streams."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import structlog

from splitleaf.core.errors import Overloaded
from splitleaf.core.prediction import PredictionStatus
from splitleaf.jobs import keys
from splitleaf.jobs.admission import Admission, Room, retry_after_s
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.messages import UnreadableMessage, decode_context, decode_state, encode_context, encode_header
from splitleaf.jobs.queue import JobState, Priority, QueueDepth, SubmitOutcome, Task
from splitleaf.jobs.redis.announcements import Announcements
from splitleaf.jobs.redis.broker import RedisBroker, keys_of
from splitleaf.jobs.redis.connection import Command
from splitleaf.jobs.redis.scripts import script

log = structlog.get_logger(__name__)

_ORPHAN_LIFE_MS = 10_000
"""Life of pixels whose submit never came to be decided."""
_SPARE_LIFE_MS = 60_000


class RedisJobQueue:
    """`JobQueue` on Redis >= 7.0 or Valkey >= 8; any number of processes may have one."""

    def __init__(
        self,
        url: str,
        limits: QueueLimits | None = None,
        *,
        expected: Callable[[], Collection[str]] = tuple,
        admission: Admission | None = None,
    ) -> None:
        """`expected` names the versions that may be asked for at any moment: others leave them their turns.

        `admission` learns from each submit what room is left.
        """
        limits = limits or QueueLimits()
        self._limits = limits
        self._expected = expected
        self._admission = admission or Admission()
        self.broker = RedisBroker(url, limits, timeout_s=limits.timeout_s)
        self._client = self.broker.replicated
        self._announcements = Announcements(
            self._client.blocking(), self.states, poll_s=limits.poll_s, are_hints=limits.replicas > 0
        )

    async def submit(self, task: Task) -> SubmitOutcome:
        names = keys_of(task.version)
        size = len(task.tensor.data)
        before: list[Command] = []
        script_keys = [*names.streams, names.record(task.id), names.meters, names.feed, names.workers, names.wakeup]
        pixels: Any = task.tensor.data
        if size > self._limits.inline_bytes:
            place = names.pixels(task.id, secrets.token_hex(4))
            script_keys.append(place)
            before.append(("SET", place, pixels, "PX", _ORPHAN_LIFE_MS))
            pixels = b""
        answer = await self._client.run_script_after(
            before, script("submit"), script_keys, self._terms(task, pixels, size)
        )
        if answer[0]:
            wait_ms, tasks, task_ms = answer[2:5]
            self._admission.heard(task.version, task.priority, Room(max(0, tasks), float(task_ms), wait_ms))
        return _outcome(answer)

    async def state(self, prediction_id: str) -> JobState | None:
        (state,) = await self.states([prediction_id])
        return state

    async def states(self, prediction_ids: Sequence[str]) -> Sequence[JobState | None]:
        """Return the present states of several predictions, all as of one moment, in one round trip."""
        now_ms, *found = await self._client.run_script(script("states"), (), prediction_ids)
        return [_state(one, reply, now_ms) for one, reply in zip(prediction_ids, found, strict=True)]

    async def wait(self, prediction_id: str, timeout_s: float) -> JobState | None:
        with self._announcements.listening(prediction_id) as news:
            state = await self.state(prediction_id)
            if state is None or state.status.is_final or timeout_s <= 0:
                return state
            return await _final(news, timeout_s) or await self.state(prediction_id)

    async def submit_and_wait(
        self, task: Task, timeout_s: float, on_submitted: Callable[[SubmitOutcome], None] = lambda _outcome: None
    ) -> tuple[SubmitOutcome, JobState | None]:
        give_up_at = time.monotonic() + timeout_s
        with self._announcements.listening(task.id) as news:
            outcome = await self.submit(task)
            on_submitted(outcome)
            if outcome is SubmitOutcome.DUPLICATE:
                state = await self.state(task.id)
                if state is None or state.status.is_final:
                    return outcome, state
            final = await _final(news, give_up_at - time.monotonic()) if timeout_s > 0 else None
            return outcome, final or await self.state(task.id)

    async def follow(self, prediction_id: str) -> AsyncIterator[JobState]:
        with self._announcements.listening(prediction_id) as news:
            state = await self.state(prediction_id)
            while state is not None:
                yield state
                if state.status.is_final:
                    return
                state = await self._next_state(state, news)

    async def cancel(self, prediction_id: str) -> JobState | None:
        fixed = (keys.ANNOUNCEMENTS, self._limits.result_ttl_s * 1000)
        document = await self._client.run_script(script("cancel"), (), (*fixed, prediction_id))
        return decode_state(document) if document else None

    async def depths(self) -> Sequence[QueueDepth]:
        found = []
        for version in await self.broker.versions():
            names = keys_of(version)
            answer = await self.broker.client.run_script(
                script("depths"), (*names.streams, names.meters, names.dead), ()
            )
            payload_bytes, dead, *streams = answer
            found += [
                QueueDepth(version, priority, waiting, running, payload_bytes, oldest_ms, dead)
                for priority, (waiting, running, oldest_ms) in zip(Priority, streams, strict=True)
            ]
        return found

    async def ping(self) -> None:
        await self.broker.ping()

    async def close(self) -> None:
        await self._announcements.close()
        await self.broker.close()

    def _terms(self, task: Task, pixels: Any, size: int) -> tuple[Any, ...]:
        limits = self._limits
        return (
            int(task.priority),
            task.id,
            task.ttl_ms,
            encode_context(task.context),
            encode_header(task.tensor),
            pixels,
            size,
            limits.max_waiting,
            limits.max_bytes,
            limits.max_unrecorded,
            limits.shadow_share if task.priority is Priority.SHADOW else 1,
            limits.deadline_share,
            limits.lease_ms * limits.max_deliveries + _SPARE_LIFE_MS,
            limits.worker_silence_ms,
            *self._expected(),
        )

    async def _next_state(self, present: JobState, news: asyncio.Queue[Any]) -> JobState | None:
        """Return the next state that differs, from an announcement or, in time, from a look."""
        while True:
            try:
                async with asyncio.timeout(self._limits.poll_s):
                    announcement = await news.get()
            except TimeoutError:
                announcement = await self.state(present.id)
            if announcement is None or isinstance(announcement, JobState):
                if announcement is None or announcement.status is not present.status:
                    return announcement
            elif present.status is PredictionStatus.QUEUED:
                return replace(present, status=PredictionStatus.RUNNING, started_ms=announcement)


def _outcome(answer: Sequence[Any]) -> SubmitOutcome:
    if answer[0] < 0:
        bound, expected_ms = answer[1].decode(), answer[2]
        raise Overloaded(retry_after_s=retry_after_s(expected_ms), bound=bound)
    return SubmitOutcome.ACCEPTED if answer[0] else SubmitOutcome.DUPLICATE


async def _final(news: asyncio.Queue[Any], timeout_s: float) -> JobState | None:
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                announcement = await news.get()
                if isinstance(announcement, JobState):
                    return announcement
    except TimeoutError:
        return None


def _state(prediction_id: str, found: Any, now_ms: int) -> JobState | None:
    try:
        if isinstance(found, bytes):
            return decode_state(found)
        return _open_state(prediction_id, found, now_ms) if found else None
    except UnreadableMessage as error:
        # One that no one can read keeps no other from being read.
        log.warning("state_unreadable", prediction=prediction_id, **error.context)
        return None


def _open_state(prediction_id: str, record: Sequence[bytes | None], now_ms: int) -> JobState:
    version, created, deadline, started, priority, context = record
    deadline_ms = int(deadline or 0)
    status = PredictionStatus.RUNNING if started else PredictionStatus.QUEUED
    is_late = status is PredictionStatus.QUEUED and deadline_ms <= now_ms
    return JobState(
        id=prediction_id,
        # No worker will take it any more, and a cancel comes too late: it is expired, if not yet written down.
        status=PredictionStatus.EXPIRED if is_late else status,
        version=(version or b"").decode(),
        created_ms=int(created or 0),
        started_ms=int(started) if started else None,
        finished_ms=deadline_ms if is_late else None,
        context=decode_context(context),
        priority=Priority(int(priority or 0)),
    )
