"""The whole queue in this process's memory: for tests of what stands on the ports. Keeps nothing."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from splitleaf.core.clock import Clock, SystemClock
from splitleaf.core.errors import NotFound, Overloaded
from splitleaf.core.ids import new_prediction_id
from splitleaf.core.prediction import Failure, PredictionStatus
from splitleaf.jobs.fairness import Rotation
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.messages import completion_status
from splitleaf.jobs.queue import (
    Claim,
    Completion,
    DeadLetter,
    FeedEntry,
    JobState,
    Priority,
    QueueDepth,
    Recovery,
    SubmitOutcome,
    Task,
    Timings,
    WorkerReport,
)

_GAVE_UP = Failure("inference_failed", "The picture could not be processed. Please try another one.")


@dataclass(slots=True)
class _Entry:
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
    entries: dict[str, _Entry] = field(default_factory=dict)
    """Open tasks by token, oldest first."""
    finals: dict[str, JobState] = field(default_factory=dict)
    feed: dict[str, JobState] = field(default_factory=dict)
    dead: dict[str, tuple[DeadLetter, Task]] = field(default_factory=dict)
    reports: dict[str, tuple[WorkerReport, float]] = field(default_factory=dict)
    fenced: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def open_entry(self, prediction_id: str) -> _Entry | None:
        return next((entry for entry in self.entries.values() if entry.task.id == prediction_id), None)

    def state(self, prediction_id: str) -> JobState | None:
        if prediction_id in self.finals:
            return self.finals[prediction_id]
        entry = self.open_entry(prediction_id)
        if entry is None:
            return None
        state = _open_state(entry)
        if state.status is PredictionStatus.QUEUED and entry.deadline_ms <= self.clock.now_ms():
            return replace(state, status=PredictionStatus.EXPIRED, finished_ms=entry.deadline_ms)
        return state

    def finalize(self, entry: _Entry, status: PredictionStatus, said: JobState | None = None) -> JobState | None:
        """Make a final state, or return None when somebody else was first."""
        if self.entries.pop(entry.token, None) is None:
            self.fenced += 1
            return None
        now_ms, said = self.clock.now_ms(), said or _open_state(entry)
        if entry.started_ms is None and entry.deadline_ms <= now_ms:
            # Readers have been told so since its deadline.
            status, said = PredictionStatus.EXPIRED, _open_state(entry)
        finished_ms = entry.deadline_ms if status is PredictionStatus.EXPIRED else now_ms
        state = replace(said, status=status, finished_ms=finished_ms)
        self.finals[entry.task.id] = self.feed[f"{entry.task.version}/{entry.token}"] = state
        return state

    async def tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()


class MemoryJobQueue:
    """`JobQueue` in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def submit(self, task: Task) -> SubmitOutcome:
        broker, limits = self._broker, self._broker.limits
        if broker.state(task.id) is not None:
            return SubmitOutcome.DUPLICATE
        mates = [entry for entry in broker.entries.values() if entry.task.version == task.version]
        share = limits.shadow_share if task.priority is Priority.SHADOW else 1.0
        size = sum(entry.size for entry in mates) + len(task.tensor.data)
        if len(mates) >= limits.max_waiting * share:
            raise Overloaded(bound="count")
        if size > limits.max_bytes * share:
            raise Overloaded(bound="bytes")
        if len(broker.feed) >= limits.max_unrecorded:
            raise Overloaded(bound="unrecorded")
        token, now_ms = f"{next(broker.numbers)}", broker.clock.now_ms()
        broker.entries[token] = _Entry(token, task, now_ms, now_ms + task.ttl_ms)
        await broker.tell()
        return SubmitOutcome.ACCEPTED

    async def state(self, prediction_id: str) -> JobState | None:
        return self._broker.state(prediction_id)

    async def wait(self, prediction_id: str, timeout_s: float) -> JobState | None:
        def is_over() -> bool:
            state = self._broker.state(prediction_id)
            return state is None or state.status.is_final

        try:
            async with asyncio.timeout(timeout_s), self._broker.changed:
                await self._broker.changed.wait_for(is_over)
        except TimeoutError:
            pass
        return self._broker.state(prediction_id)

    async def submit_and_wait(self, task: Task, timeout_s: float) -> tuple[SubmitOutcome, JobState | None]:
        return await self.submit(task), await self.wait(task.id, timeout_s)

    async def follow(self, prediction_id: str) -> AsyncIterator[JobState]:
        state = self._broker.state(prediction_id)
        while state is not None:
            yield state
            if state.status.is_final:
                return
            async with self._broker.changed:
                await self._broker.changed.wait_for(partial(self._differs, prediction_id, state.status))
            state = self._broker.state(prediction_id)

    async def cancel(self, prediction_id: str) -> JobState | None:
        entry = self._broker.open_entry(prediction_id)
        if entry is not None:
            is_late = entry.started_ms is None and entry.deadline_ms <= self._broker.clock.now_ms()
            self._broker.finalize(entry, PredictionStatus.EXPIRED if is_late else PredictionStatus.CANCELED)
            await self._broker.tell()
        return self._broker.finals.get(prediction_id)

    async def depths(self) -> Sequence[QueueDepth]:
        broker = self._broker
        versions = {entry.task.version for entry in broker.entries.values()}
        versions |= {state.version for state in broker.finals.values()}
        return [self._depth(version, priority) for version in sorted(versions) for priority in Priority]

    async def sweep(self) -> int:
        """End every waiting task whose deadline has passed; return how many."""
        now_ms = self._broker.clock.now_ms()
        late = [one for one in self._broker.entries.values() if not one.owner and one.deadline_ms <= now_ms]
        for entry in late:
            self._broker.finalize(entry, PredictionStatus.EXPIRED)
        await self._broker.tell()
        return len(late)

    async def ping(self) -> None:
        return

    async def close(self) -> None:
        return

    def _differs(self, prediction_id: str, present: PredictionStatus) -> bool:
        state = self._broker.state(prediction_id)
        return state is None or state.status is not present

    def _depth(self, version: str, priority: Priority) -> QueueDepth:
        broker = self._broker
        mates = [entry for entry in broker.entries.values() if entry.task.version == version]
        waiting = [entry for entry in mates if entry.task.priority is priority and not entry.owner]
        running = sum(entry.task.priority is priority for entry in mates) - len(waiting)
        oldest_ms = max((broker.clock.now_ms() - entry.created_ms for entry in waiting), default=0)
        dead = sum(letter.version == version for letter, _ in broker.dead.values())
        size = sum(entry.size for entry in mates)
        return QueueDepth(version, priority, len(waiting), running, size, oldest_ms, dead)


class MemoryJobConsumer:
    """`JobConsumer` in memory."""

    def __init__(self, broker: MemoryBroker, worker: str = "worker") -> None:
        self._broker = broker
        self.worker = worker
        self._rotation = Rotation()

    async def take(self, caps: Mapping[str, int], block_ms: int) -> Sequence[Claim]:
        claims: list[Claim] = []

        def something_is_there() -> bool:
            claims.extend(self._take_now(caps))
            return bool(claims)

        try:
            async with asyncio.timeout(max(block_ms, 1) / 1000), self._broker.changed:
                await self._broker.changed.wait_for(something_is_there)
        except TimeoutError:
            pass
        await self._broker.tell()
        return claims

    async def heartbeat(self, claims: Sequence[Claim]) -> None:
        for entry in self._held(claims):
            entry.leased_at_ms = self._broker.clock.now_ms()

    async def finish(self, completions: Sequence[Completion]) -> int:
        visible = 0
        for completion in completions:
            entry = self._broker.entries.get(completion.claim.token)
            if entry is None:
                self._broker.fenced += 1
            else:
                self._broker.finalize(entry, completion_status(completion), _said(entry, completion, self.worker))
                visible += 1
        await self._broker.tell()
        return visible

    async def release(self, claims: Sequence[Claim]) -> None:
        for entry in self._held(claims):
            entry.owner, entry.started_ms, entry.deliveries = "", None, entry.deliveries - 1
        await self._broker.tell()

    async def recover(self, caps: Mapping[str, int]) -> Recovery:  # noqa: ARG002 - the port's
        broker, now_ms = self._broker, self._broker.clock.now_ms()
        handed_back = buried = expired = 0
        for entry in list(broker.entries.values()):
            if entry.owner and now_ms - entry.leased_at_ms < broker.limits.lease_ms:
                continue
            if entry.deadline_ms <= now_ms:
                broker.finalize(entry, PredictionStatus.EXPIRED)
                expired += 1
            elif entry.deliveries >= broker.limits.max_deliveries and entry.owner:
                self._bury(entry)
                buried += 1
            elif entry.owner:
                entry.owner, entry.started_ms, entry.is_suspect = "", None, True
                handed_back += 1
        await broker.tell()
        return Recovery(dead_lettered=buried, expired=expired, handed_back=handed_back)

    async def close(self) -> None:
        """Give back what is still in hand."""
        for entry in self._broker.entries.values():
            if entry.owner == self.worker:
                entry.owner, entry.started_ms, entry.deliveries = "", None, entry.deliveries - 1
        await self._broker.tell()

    def _held(self, claims: Sequence[Claim]) -> list[_Entry]:
        entries = [self._broker.entries.get(claim.token) for claim in claims]
        return [entry for entry in entries if entry is not None and entry.owner == self.worker]

    def _take_now(self, caps: Mapping[str, int]) -> list[Claim]:
        now_ms = self._broker.clock.now_ms()
        for version, priority in self._rotation.order(list(caps)):
            waiting = [
                entry
                for entry in list(self._broker.entries.values())
                if (entry.task.version, entry.task.priority) == (version, priority) and not entry.owner
            ]
            for late in [entry for entry in waiting if entry.deadline_ms <= now_ms]:
                self._broker.finalize(late, PredictionStatus.EXPIRED)
                waiting.remove(late)
            suspects = [entry for entry in waiting if entry.is_suspect]
            if batch := suspects[:1] or waiting[: caps[version]]:
                self._rotation.served(version)
                return [self._claim(entry, now_ms) for entry in batch]
        return []

    def _claim(self, entry: _Entry, now_ms: int) -> Claim:
        entry.owner, entry.leased_at_ms, entry.started_ms = self.worker, now_ms, now_ms
        entry.deliveries += 1
        task, queue_ms = entry.task, float(now_ms - entry.created_ms)
        place = (task.id, task.version, task.priority, task.tensor)
        return Claim(*place, entry.created_ms, entry.deadline_ms, queue_ms, entry.deliveries, entry.token)

    def _bury(self, entry: _Entry) -> None:
        broker, task = self._broker, entry.task
        now_ms = broker.clock.now_ms()
        letter = DeadLetter(entry.token, task.id, task.version, entry.deliveries, "lease lost", now_ms)
        broker.dead[entry.token] = (letter, task)
        broker.finalize(entry, PredictionStatus.FAILED, replace(_open_state(entry), failure=_GAVE_UP))


class MemoryOutcomeFeed:
    """`OutcomeFeed` in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._in_hand: set[str] = set()

    async def read(self, count: int, block_ms: int) -> Sequence[FeedEntry]:
        def unread() -> list[str]:
            return [token for token in self._broker.feed if token not in self._in_hand][:count]

        try:
            async with asyncio.timeout(max(block_ms, 1) / 1000), self._broker.changed:
                tokens = await self._broker.changed.wait_for(unread)
        except TimeoutError:
            return ()
        self._in_hand.update(tokens)
        return [FeedEntry(token, self._broker.feed[token]) for token in tokens]

    async def acknowledge(self, entries: Sequence[FeedEntry]) -> None:
        for entry in entries:
            self._broker.feed.pop(entry.token, None)
            self._in_hand.discard(entry.token)

    async def backlog(self) -> int:
        return len(self._broker.feed)

    async def close(self) -> None:
        return


class MemoryDeadLetters:
    """`DeadLetters` in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def list(self, version: str, limit: int) -> Sequence[DeadLetter]:
        letters = [letter for letter, _ in self._broker.dead.values() if letter.version == version]
        return letters[::-1][:limit]

    async def retry(self, version: str, token: str) -> str:
        _, task = self._letter(version, token)
        fresh = replace(task, id=new_prediction_id())
        await MemoryJobQueue(self._broker).submit(fresh)
        await self.discard(version, token)
        return fresh.id

    async def discard(self, version: str, token: str) -> None:
        self._letter(version, token)
        del self._broker.dead[token]

    def _letter(self, version: str, token: str) -> tuple[DeadLetter, Task]:
        found = self._broker.dead.get(token)
        if found is None or found[0].version != version:
            raise NotFound("There is no such dead letter.")
        return found


class MemoryWorkerDirectory:
    """`WorkerDirectory` in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def report(self, report: WorkerReport, ttl_s: float) -> None:
        self._broker.reports[report.worker] = (report, self._broker.clock.now_ms() + ttl_s * 1000)

    async def workers(self) -> Sequence[WorkerReport]:
        now_ms = self._broker.clock.now_ms()
        return [report for _, (report, until_ms) in sorted(self._broker.reports.items()) if until_ms > now_ms]

    async def remove(self, worker: str) -> None:
        self._broker.reports.pop(worker, None)


def _open_state(entry: _Entry) -> JobState:
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


def _said(entry: _Entry, completion: Completion, worker: str) -> JobState:
    return replace(
        _open_state(entry),
        classification=completion.classification,
        failure=completion.failure,
        timings=replace(completion.timings, intake_ms=entry.task.context.intake_ms),
        served_version=completion.served_version,
        served_digest=completion.served_digest,
        worker=worker,
        batch_size=completion.batch_size,
        deliveries=completion.claim.deliveries,
    )
