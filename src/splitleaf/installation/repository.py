"""Checks of the repository of versions when a process starts."""

from __future__ import annotations

import os
from pathlib import Path

from splitleaf.core.errors import ConfigurationError
from splitleaf.registry.catalogue import Catalogue
from splitleaf.registry.repository import CHAMPION, read_repository


def require_repository(models_dir: Path) -> None:
    """Raise `ConfigurationError` unless there is a folder that can be read."""
    place = models_dir.absolute()
    if not models_dir.is_dir():
        raise ConfigurationError(
            f"the models folder {place} does not exist; name it with --models or SPLITLEAF_MODELS_DIR", code="no_models"
        )
    if not os.access(models_dir, os.R_OK | os.X_OK):
        raise ConfigurationError(f"the models folder {place} cannot be read by this user", code="no_models")


def default_alias(models_dir: Path, alias: str) -> str:
    """Return the version of an alias that was never moved: the one that `repository.toml` names.

    If it names no champion, this is the first imported version, so a folder with a single model works.
    """
    named = read_repository(models_dir).aliases.get(alias, "")
    if named or alias != CHAMPION:
        return named
    imported = Catalogue(models_dir).imported()
    return imported[0].version if imported else ""


def unserved_versions(models_dir: Path) -> list[str]:
    """Return a sentence for each version that no worker can serve: the problem and the solution."""
    folders = Catalogue(models_dir).scan()
    if not folders:
        return [f"There is no version in {models_dir.absolute()}; see `splitleaf models import --help`."]
    bare = ", ".join(one.version for one in folders if one.state == "bare")
    sentences = [f"Not imported yet: {bare}. Run `splitleaf models import --models {models_dir}`."] if bare else []
    return [*sentences, *(f"{one.version} cannot be served: {one.problem}" for one in folders if one.problem)]
