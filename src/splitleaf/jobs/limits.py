"""The bounds of the queue and the times after which it acts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Everything about the queue that an operator may want to set."""

    max_waiting: int = 2_000
    """Tasks of one version that may be waiting or running."""
    max_bytes: int = 256_000_000
    """Bytes of pixels of one version that may be waiting or running."""
    max_unrecorded: int = 50_000
    """Final states of one version that may wait for the recorder; beyond it nothing more is accepted."""
    deadline_share: float = 0.75
    """A task is accepted while the expected wait is less than this share of its time to live."""
    shadow_share: float = 0.5
    """Shadow work may use this share of each bound, so that it is shed first."""
    lease_ms: int = 5_000
    """A worker that does not respond for this long loses its tasks to others."""
    max_deliveries: int = 3
    """Deaths on one task after which it is set aside as a dead letter."""
    result_ttl_s: int = 3_600
    """How long final states are kept once they are recorded."""
    dead_letter_ttl_s: int = 604_800
    """How long the pixels of dead letters are kept."""
    max_dead_letters: int = 1_000
    """Dead letters of one version that are kept; the oldest go first."""
    inline_bytes: int = 65_536
    """Pixels up to this size travel in the stream's entry, larger ones in a key of their own."""
    worker_silence_ms: int = 10_000
    """A worker that has not taken or finished anything for this long is not counted as working."""
    replicas: int = 0
    """Replicas of the broker that must have a task or a final state before anyone is told of it."""
    timeout_s: float = 0.9
    """The broker must answer an API process within this time."""
    worker_timeout_s: float = 5.0
    """The broker must answer a worker or recorder within this time."""
    poll_s: float = 1.0
    """How often a waiting client's task is looked up in case an announcement was lost."""
    smoothing: float = 0.2
    """Weight of the newest batch in the smoothed service time."""
