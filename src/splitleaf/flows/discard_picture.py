"""A grower wants their picture gone -> it is, and who did it is written down."""

from __future__ import annotations

from splitleaf.core.clock import Clock
from splitleaf.images.archive import PictureArchive
from splitleaf.outcomes.experiments import AuditEntry
from splitleaf.outcomes.store import OutcomeStore


def discard_picture(  # noqa: PLR0917 - a change, who makes it, and why
    store: OutcomeStore,
    pictures: PictureArchive | None,
    prediction_id: str,
    actor: str,
    reason: str,
    clock: Clock,
) -> bool:
    """Delete a kept picture; return whether there was one. What was predicted and labelled stays: it shows nothing."""
    if pictures is None or not pictures.discard(prediction_id):
        return False
    store.record_audit(
        AuditEntry(actor, "discard_picture", f"picture/{prediction_id}", reason, "null", "null", clock.now_ms())
    )
    return True
