"""What the parts share: every task, in the memory of this process."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field, replace

from splitleaf.core.clock import Clock, SystemClock
from splitleaf.core.prediction import Failure, PredictionStatus
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.queue import (
    DeadLetter,
    JobState,
    Task,
    Timings,
    WorkerReport,
)

GAVE_UP = Failure("inference_failed", "The image could not be processed. Please try another one.")


@dataclass(slots=True)
class Entry:
    token: str
    task: Task
    created_ms: int
    deadline_ms: int
    owner: str = ""
    leased_at_ms: int = 0
    started_ms: int | None = None
    deliveries: int = 0
    is_suspect: bool = False

    @property
    def size(self) -> int:
        return len(self.task.tensor.data)


@dataclass(slots=True)
class MemoryBroker:
    """What the adapters below share: the stand-in for the server."""

    limits: QueueLimits = field(default_factory=QueueLimits)
    clock: Clock = field(default_factory=SystemClock)
    entries: dict[str, Entry] = field(default_factory=dict)
    """Open tasks by token, oldest first."""
    finals: dict[str, JobState] = field(default_factory=dict)
    feed: dict[str, JobState] = field(default_factory=dict)
    dead: dict[str, tuple[DeadLetter, Task]] = field(default_factory=dict)
    reports: dict[str, tuple[WorkerReport, float]] = field(default_factory=dict)
    leader: tuple[str, float, str] = ("", 0.0, "")
    """Name, until when in milliseconds, statement."""
    fenced: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def open_entry(self, prediction_id: str) -> Entry | None:
        return next((entry for entry in self.entries.values() if entry.task.id == prediction_id), None)

    def state(self, prediction_id: str) -> JobState | None:
        if prediction_id in self.finals:
            return self.finals[prediction_id]
        entry = self.open_entry(prediction_id)
        if entry is None:
            return None
        state = open_state(entry)
        if state.status is PredictionStatus.QUEUED and entry.deadline_ms <= self.clock.now_ms():
            return replace(state, status=PredictionStatus.EXPIRED, finished_ms=entry.deadline_ms)
        return state

    def finalize(self, entry: Entry, status: PredictionStatus, said: JobState | None = None) -> JobState | None:
        """Make a final state, or return None when somebody else was first."""
        if self.entries.pop(entry.token, None) is None:
            self.fenced += 1
            return None
        now_ms, said = self.clock.now_ms(), said or open_state(entry)
        if entry.started_ms is None and entry.deadline_ms <= now_ms:
            # Readers have been told so since its deadline.
            status, said = PredictionStatus.EXPIRED, open_state(entry)
        finished_ms = entry.deadline_ms if status is PredictionStatus.EXPIRED else now_ms
        state = replace(said, status=status, finished_ms=finished_ms)
        self.finals[entry.task.id] = self.feed[f"{entry.task.version}/{entry.token}"] = state
        return state

    async def tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()


def open_state(entry: Entry) -> JobState:
    task = entry.task
    return JobState(
        id=task.id,
        status=PredictionStatus.RUNNING if entry.started_ms is not None else PredictionStatus.QUEUED,
        version=task.version,
        created_ms=entry.created_ms,
        started_ms=entry.started_ms,
        context=task.context,
        timings=Timings(intake_ms=task.context.intake_ms),
        deliveries=entry.deliveries,
        priority=task.priority,
    )
