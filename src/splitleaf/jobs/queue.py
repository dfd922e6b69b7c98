"""The ports of the queue: what the API and the workers may ask of it.

One stream for each (version, priority). A task is accepted once, is done by the worker that holds its lease,
and reaches exactly one final state, which never changes. Every final state also enters the outcome
feed, so that the recorder can write it down once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol

from splitleaf.core.prediction import Classification, Failure, PredictionStatus
from splitleaf.core.tensor import ImageTensor


class Priority(IntEnum):
    """Lower is served first. Shadow work is shed first."""

    INTERACTIVE = 0
    BATCH = 1
    SHADOW = 2


@dataclass(frozen=True, slots=True)
class TaskContext:
    """What travels with a task into its outcome: who asked, and why this version answers."""

    request_id: str = ""
    unit_hash: str = ""
    revision: int = 0
    """The revision, of the experiment or else of the split, that decided the version; 0: neither."""
    experiment: str = ""
    variant: str = ""
    override: bool = False
    """True when the version was forced, so that analysis leaves the prediction out."""
    fallback: str = ""
    """Why another version than the assigned one answers; empty: none does."""
    primary_id: str = ""
    """Of a shadow: the prediction whose image it scores."""
    intake_ms: float = 0.0
    flags: tuple[str, ...] = ()
    """Remarks of the intake, such as `low_information`."""
    trace: str = ""
    """The span that submitted it, as a `traceparent` (W3C Trace Context); empty: no one traces."""
    origin: str = ""
    """How the image came, one of `core.prediction.Origin`; empty: it was not said."""
    fingerprint: str = ""
    """Digest of an upload that came with an idempotency key; detects that the key is used again for another image."""


@dataclass(frozen=True, slots=True)
class Task:
    """One image for one version."""

    id: str
    version: str
    tensor: ImageTensor
    ttl_ms: int
    """Time from acceptance until the answer is worthless; the deadline is set by the broker's clock."""
    priority: Priority = Priority.INTERACTIVE
    context: TaskContext = field(default_factory=TaskContext)


class SubmitOutcome(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """The id was accepted before; nothing was added."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds spent in each phase by the broker's and the worker's clocks; 0 where not reached."""

    intake_ms: float = 0.0
    queue_ms: float = 0.0
    preprocess_ms: float = 0.0
    inference_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class JobState:
    """A prediction as the queue knows it. Internal: names the version, so it never goes out as it is."""

    id: str
    status: PredictionStatus
    version: str
    created_ms: int
    started_ms: int | None = None
    finished_ms: int | None = None
    classification: Classification | None = None
    failure: Failure | None = None
    context: TaskContext = field(default_factory=TaskContext)
    timings: Timings = field(default_factory=Timings)
    served_version: str = ""
    served_digest: str = ""
    worker: str = ""
    batch_size: int = 0
    deliveries: int = 0
    priority: Priority = Priority.INTERACTIVE


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """What waits and what is being worked on in one stream."""

    version: str
    priority: Priority
    waiting: int
    running: int
    payload_bytes: int
    """Bytes admitted and not finished, over all priorities of the version."""
    oldest_waiting_ms: int
    dead_letters: int


class JobQueue(Protocol):
    """The API's side."""

    async def submit(self, task: Task) -> SubmitOutcome:
        """Accept a task, once per id.

        Raises `Overloaded` (with `retry_after_s`) when the version's queue is full by count, by bytes, or
        by the time the waiting work would take, or the broker is out of memory; `DependencyDown` when
        the broker does not answer. After an error of the connection it is unknown whether the task was
        accepted: sending the same task again is safe and answers DUPLICATE if it was.
        """
        ...

    async def state(self, prediction_id: str) -> JobState | None:
        """Return the present state, or None for an id that is unknown or no longer kept."""
        ...

    async def wait(self, prediction_id: str, timeout_s: float) -> JobState | None:
        """Return the state as soon as it is final, or the present state when the time is up."""
        ...

    async def submit_and_wait(
        self, task: Task, timeout_s: float, on_submitted: Callable[[SubmitOutcome], None] = lambda _outcome: None
    ) -> tuple[SubmitOutcome, JobState | None]:
        """Submit, tell `on_submitted`, and wait as `wait` does; listens before, so that no wake-up is missed."""
        ...

    def follow(self, prediction_id: str) -> AsyncIterator[JobState]:
        """Yield the present state and then every further one, ending with the final one."""
        ...

    async def cancel(self, prediction_id: str) -> JobState | None:
        """Make `canceled` the final state unless there is one already; return the state after that."""
        ...

    async def depths(self) -> Sequence[QueueDepth]: ...

    async def ping(self) -> None:
        """Raise `DependencyDown` when the broker does not answer within its time limit."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A task in a worker's hands, held by a lease."""

    task_id: str
    version: str
    priority: Priority
    tensor: ImageTensor
    created_ms: int
    deadline_ms: int
    queue_ms: float
    deliveries: int
    token: str
    """What the adapter needs to finish or release the claim (stream entry id)."""
    context: TaskContext = field(default_factory=TaskContext)
    """As it was submitted."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a worker has to say of one claim: a classification or a failure."""

    claim: Claim
    classification: Classification | None
    failure: Failure | None
    timings: Timings
    served_version: str
    served_digest: str
    batch_size: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a round of recovery did."""

    dead_lettered: int = 0
    expired: int = 0
    handed_back: int = 0
    """Tasks whose lease ran out, and which `take` now leases one at a time and before all others."""


class JobConsumer(Protocol):
    """The worker's side. A batch never mixes versions."""

    async def take(self, caps: Mapping[str, int], block_ms: int) -> Sequence[Claim]:
        """Claim up to `caps[version]` tasks of *one* version, whatever waits, at once.

        Blocks for at most `block_ms` when nothing waits; weighted round-robin over versions and
        priorities. Tasks that are canceled or past their deadline never come out; the latter become `expired`.
        """
        ...

    async def heartbeat(self, claims: Sequence[Claim]) -> None:
        """Renew the leases (without raising the delivery count)."""
        ...

    async def finish(self, completions: Sequence[Completion]) -> int:
        """Make results final, once each, and return how many became visible.

        A result that comes second (after a lost lease, a cancel) is dropped and counted as fenced.
        """
        ...

    async def release(self, claims: Sequence[Claim]) -> None:
        """Give unfinished claims back at once, for another worker to take."""
        ...

    async def recover(self, caps: Mapping[str, int]) -> Recovery:
        """Hand tasks whose lease ran out back to `take`; dead-letter those that were delivered too often.

        Looks after every version, also those that no worker serves currently.
        """
        ...

    async def close(self) -> None:
        """Leave. Never drops a pending task."""
        ...


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A final state on its way to the outcome store."""

    token: str
    state: JobState


class OutcomeFeed(Protocol):
    """The recorder's side: every final state at least once, until acknowledged."""

    async def read(self, count: int, block_ms: int) -> Sequence[FeedEntry]: ...

    async def acknowledge(self, entries: Sequence[FeedEntry]) -> None: ...

    async def backlog(self) -> int: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A task that took down its worker, or lost its lease, too often."""

    token: str
    task_id: str
    version: str
    deliveries: int
    reason: str
    died_ms: int


class DeadLetters(Protocol):
    """The operator's side."""

    async def list(self, version: str, limit: int) -> Sequence[DeadLetter]: ...

    async def find(self, version: str, token: str) -> DeadLetter:
        """Raise `NotFound` (`dead_letter_not_found`) for one that is not there, as the calls below do."""
        ...

    async def retry(self, version: str, token: str) -> str:
        """Queue the image again as a *new* prediction and return its id (the failed one stays failed)."""
        ...

    async def discard(self, version: str, token: str) -> None: ...


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker says of itself, kept in the broker with a short time to live."""

    worker: str
    host: str
    pid: int
    started_ms: int
    versions: Mapping[str, str]
    """Version -> `ready` | `loading` | `failed: reason`."""
    digests: Mapping[str, str]
    draining: bool = False


class WorkerDirectory(Protocol):
    """Who serves what. Readiness and routing look here."""

    async def report(self, report: WorkerReport, ttl_s: float) -> None: ...

    async def workers(self) -> Sequence[WorkerReport]: ...

    async def remove(self, worker: str) -> None: ...

    async def close(self) -> None: ...
