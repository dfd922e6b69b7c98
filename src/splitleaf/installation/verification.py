"""Verification of versions in the repository, each in a child process."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from splitleaf.core.errors import NotFound, SplitleafError
from splitleaf.importing.network import verify_in_child
from splitleaf.installation.repository import require_repository
from splitleaf.registry.catalogue import Catalogue


def verify(models_dir: Path, versions: Collection[str]) -> dict[str, str]:
    """Load versions as a worker does, each in a sandboxed child; return version -> problem (empty if there is none)."""
    require_repository(models_dir)
    folders = {one.version: one for one in Catalogue(models_dir).scan()}
    results: dict[str, str] = {}
    for version in versions or [name for name, one in folders.items() if one.state != "bare"]:
        try:
            if version not in folders:
                raise NotFound(f"there is no version {version!r}")
            verify_in_child(folders[version].folder)
            results[version] = ""
        except SplitleafError as error:
            results[version] = error.detail
    return results
