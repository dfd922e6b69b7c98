"""What the API depends on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from splitleaf.api.http.body_budget import BodyBudget
from splitleaf.api.security.access import Access
from splitleaf.api.security.client_limits import ClientLimits
from splitleaf.core.clock import Clock
from splitleaf.core.tracing import NO_TRACER, Tracer
from splitleaf.flows.keep_images import ImageKeeping
from splitleaf.flows.review_images import ReviewTerms
from splitleaf.flows.serving import ServingMonitor
from splitleaf.images.archive import ImageArchive
from splitleaf.images.intake import ImageIntake
from splitleaf.jobs.admission import Admission
from splitleaf.jobs.leader_election import LeaderElection
from splitleaf.jobs.queue import DeadLetters, JobQueue, Task
from splitleaf.outcomes.store import OutcomeStore


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """Limits on requests and predictions."""

    max_upload_bytes: int = 10_000_000
    body_timeout_s: float = 30.0
    max_wait_s: float = 30.0
    prediction_ttl_s: float = 30.0
    top_k: int = 3


@dataclass(frozen=True, slots=True)
class ApiSecrets:
    """Keys for signatures and keyed hashes."""

    signing_key: bytes
    unit_pepper: bytes
    session_key: bytes
    """Signs the dashboard's sessions."""


@dataclass(frozen=True, slots=True)
class ApiServices:
    """Ports, limits and secrets. The composition root builds it."""

    intake: ImageIntake
    queue: JobQueue
    dead_letters: DeadLetters
    election: LeaderElection
    store: OutcomeStore
    monitor: ServingMonitor
    clock: Clock
    secrets: ApiSecrets
    access: Access
    client_limits: ClientLimits
    limits: ApiLimits = field(default_factory=ApiLimits)
    is_draining: Callable[[], bool] = lambda: False
    default_alias: Callable[[str], str] = lambda _: ""
    """The version that the repository itself names for an alias; empty if none."""
    tracer: Tracer = NO_TRACER
    admission: Admission = field(default_factory=Admission)
    """What is known of the free space in the queue."""
    body_budget: BodyBudget = field(default_factory=BodyBudget)
    on_accepted: Callable[[Task], None] = lambda _task: None
    """Called for each image that the queue accepted."""
    images: ImageArchive | None = None
    """Images kept for review; None if retention is off."""
    keeping: ImageKeeping | None = None
    """Keeps accepted images for review; None if retention is off."""
    review: ReviewTerms = field(default_factory=ReviewTerms)
