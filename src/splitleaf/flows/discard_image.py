"""A grower wants their image gone -> it is, and who did it is written down."""

from __future__ import annotations

from splitleaf.core.clock import Clock
from splitleaf.images.archive import ImageArchive
from splitleaf.outcomes.experiments import AuditEntry
from splitleaf.outcomes.store import OutcomeStore


def discard_image(  # noqa: PLR0917 - a change, who makes it, and why
    store: OutcomeStore,
    images: ImageArchive | None,
    prediction_id: str,
    actor: str,
    reason: str,
    clock: Clock,
) -> bool:
    """Delete a kept image; return whether there was one. What was predicted and labelled stays: it shows nothing."""
    if images is None or not images.discard(prediction_id):
        return False
    store.record_audit(
        AuditEntry(actor, "discard_image", f"image/{prediction_id}", reason, "null", "null", clock.now_ms())
    )
    return True
