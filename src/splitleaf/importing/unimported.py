"""Importing all versions of a repository that are not imported yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from splitleaf.core.errors import ImportRefused, SplitleafError
from splitleaf.importing.importer import import_model
from splitleaf.importing.report import ImportReport
from splitleaf.importing.request import ImportRequest, ProgressCallback
from splitleaf.registry.catalogue import Catalogue, VersionFolder


def import_unimported(
    models_dir: Path,
    options: ImportRequest,
    progress: Callable[[str], ProgressCallback],
) -> dict[str, ImportReport | SplitleafError]:
    """Import every version that consists of a source file only; a refused one does not stop the others.

    `options` gives everything but source and version; `progress` returns the callback for each version.
    """
    outcomes: dict[str, ImportReport | SplitleafError] = {}
    for found in Catalogue(models_dir).scan():
        if found.state != "bare":
            continue
        try:
            request = replace(options, version=found.version, source=only_source(found), models_dir=models_dir)
            outcomes[found.version] = import_model(request, progress(found.version))
        except SplitleafError as error:
            outcomes[found.version] = error
    return outcomes


def only_source(found: VersionFolder) -> Path:
    """Return the one file of a version's folder that can be imported. Raises `ImportRefused`."""
    if len(found.sources) == 1:
        return found.sources[0]
    names = ", ".join(path.name for path in found.sources) or "none"
    raise ImportRefused(f"{found.version} must contain exactly one model file; found: {names}", code="ambiguous_source")
