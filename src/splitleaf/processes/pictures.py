"""Kept pictures as the settings describe them."""

from __future__ import annotations

from splitleaf.flows.curate_reviews import Retention
from splitleaf.flows.review_pictures import ReviewTerms
from splitleaf.images.archive import PictureArchive
from splitleaf.images.directory import DirectoryPictureArchive
from splitleaf.settings import Settings

_DAY_MS = 86_400_000


def new_archive(settings: Settings) -> PictureArchive | None:
    """Return where pictures are kept; None where they are not."""
    kept = settings.retention
    return DirectoryPictureArchive(kept.dir or settings.data_dir / "pictures") if kept.enabled else None


def retention(settings: Settings) -> Retention:
    return Retention(round(settings.retention.days * _DAY_MS), settings.retention.max_bytes)


def review_terms(settings: Settings) -> ReviewTerms:
    return ReviewTerms(
        lease_ms=settings.review.lease_s * 1000,
        kept_ms=retention(settings).keep_ms,
        audit_share=settings.review.audit_share,
    )
