"""The repository: the folder that holds the versions, and `repository.toml` in it."""

from __future__ import annotations

from pathlib import Path

from splitleaf.registry.drafts import RepositoryDefaults, read_table

REPOSITORY_NAME = "repository.toml"
CHAMPION = "champion"


def read_repository(models_dir: Path) -> RepositoryDefaults:
    """Read the defaults; a repository without the file has none.

    Raises `ConfigurationError` when the file is not what it should be.
    """
    return read_table(RepositoryDefaults, models_dir / REPOSITORY_NAME)
