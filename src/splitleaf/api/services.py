"""What the API is built from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from splitleaf.api.http.body_budget import HeldBodies
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
from splitleaf.jobs.control import ControlDesk
from splitleaf.jobs.queue import DeadLetters, JobQueue, Task
from splitleaf.outcomes.store import OutcomeStore


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """Bounds of the HTTP edge."""

    max_upload_bytes: int = 10_000_000
    body_timeout_s: float = 30.0
    max_wait_s: float = 30.0
    prediction_ttl_s: float = 30.0
    top_k: int = 3


@dataclass(frozen=True, slots=True)
class ApiSecrets:
    """What signs and hides."""

    signing_key: bytes
    unit_pepper: bytes
    session_key: bytes
    """Signs the dashboard's sessions."""


@dataclass(frozen=True, slots=True)
class ApiServices:
    """Ports, limits and secrets. The processes build it."""

    intake: ImageIntake
    queue: JobQueue
    dead_letters: DeadLetters
    desk: ControlDesk
    store: OutcomeStore
    monitor: ServingMonitor
    clock: Clock
    secrets: ApiSecrets
    access: Access
    client_limits: ClientLimits
    limits: ApiLimits = field(default_factory=ApiLimits)
    is_draining: Callable[[], bool] = lambda: False
    default_alias: Callable[[str], str] = lambda _: ""
    """Where the repository itself points an alias; empty: nowhere."""
    tracer: Tracer = NO_TRACER
    admission: Admission = field(default_factory=Admission)
    """What is known of the queue's room."""
    bodies: HeldBodies = field(default_factory=HeldBodies)
    on_accepted: Callable[[Task], None] = lambda _task: None
    """Told of each image that was handed over."""
    images: ImageArchive | None = None
    """Images kept for review; None: none are."""
    keeping: ImageKeeping | None = None
    """Keeps those that are accepted."""
    review: ReviewTerms = field(default_factory=ReviewTerms)
