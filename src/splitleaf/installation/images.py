"""The archive of kept images, built from settings."""

from __future__ import annotations

from pathlib import Path

from splitleaf.flows.curate_reviews import Retention
from splitleaf.flows.review_images import ReviewTerms
from splitleaf.images.archive import ImageArchive
from splitleaf.images.directory import DirectoryImageArchive
from splitleaf.settings import Settings

_DAY_MS = 86_400_000


def new_archive(settings: Settings) -> ImageArchive | None:
    """Return the archive for new images; None if images are not kept."""
    return DirectoryImageArchive(_folder(settings)) if settings.retention.enabled else None


def kept_archive(settings: Settings) -> ImageArchive | None:
    """Return the archive of images that exist, even if this process does not keep any; None without an archive."""
    folder = _folder(settings)
    return DirectoryImageArchive(folder) if settings.retention.enabled or folder.is_dir() else None


def _folder(settings: Settings) -> Path:
    # Installations have kept their images under this name since before the code called them images.
    return settings.retention.dir or settings.data_dir / "pictures"


def retention(settings: Settings) -> Retention:
    return Retention(round(settings.retention.days * _DAY_MS), settings.retention.max_bytes)


def review_terms(settings: Settings) -> ReviewTerms:
    return ReviewTerms(
        lease_ms=settings.review.lease_s * 1000,
        kept_ms=retention(settings).keep_ms,
        audit_share=settings.review.audit_share,
    )
