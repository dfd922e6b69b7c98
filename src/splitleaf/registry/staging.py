"""Putting a version's files in their place so that no reader ever sees half of them.

Everything is written into `models/.import-XXXX/` first. A new version then appears by one rename of its
whole folder. Where the folder exists already, the artifact's folder moves in under a name that no one
reads yet, and the rename of `model.toml` is the moment from which it counts.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from splitleaf.core.errors import Conflict
from splitleaf.registry.manifest import MANIFEST_NAME

STAGING_PREFIX = ".import-"
ARTIFACT_FOLDER = "artifact"


@contextmanager
def staged_folder(models_dir: Path) -> Iterator[Path]:
    """Yield an empty folder in the repository that readers ignore; it is removed in the end."""
    models_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=models_dir))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def artifact_folder_name(folder: Path, digest: str) -> str:
    """Return the name under which a new artifact can move into the version's folder."""
    return f"{ARTIFACT_FOLDER}-{digest[:12]}" if (folder / ARTIFACT_FOLDER).exists() else ARTIFACT_FOLDER


def publish(staged: Path, folder: Path) -> None:
    """Make the version in `staged` (sources, one artifact folder, manifest) the one in `folder`.

    Files of `folder` that are not replaced stay. Raises `Conflict` when someone else made it meanwhile.
    """
    _flush(staged)
    if not folder.exists():
        try:
            staged.rename(folder)
        except OSError as error:
            raise Conflict(f"{folder} appeared during the import", code="version_exists") from error
        _flush_folder(folder.parent)
        return
    names = sorted(path.name for path in staged.iterdir() if path.name != MANIFEST_NAME)
    for name in names:
        _move_in(staged / name, folder / name)
    # From here on the new version counts.
    (staged / MANIFEST_NAME).replace(folder / MANIFEST_NAME)
    _flush_folder(folder)
    _remove_former(folder, keep=[name for name in names if name.startswith(ARTIFACT_FOLDER)])


def _move_in(path: Path, target: Path) -> None:
    if path.is_dir() and target.exists():
        shutil.rmtree(target)
    path.replace(target)


def _remove_former(folder: Path, keep: list[str]) -> None:
    for path in folder.glob(f"{ARTIFACT_FOLDER}*"):
        if path.is_dir() and keep and path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)


def _flush(folder: Path) -> None:
    """Bring all files to the disk before the rename that announces them."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
