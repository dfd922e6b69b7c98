"""Which versions lie in the repository. One that is broken never hides the others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from splitleaf.core.errors import InvalidArtifact, NotFound, SplitleafError
from splitleaf.core.files import read_plain_text
from splitleaf.registry.digests import fingerprint
from splitleaf.registry.manifest import MANIFEST_NAME, MAX_BYTES, VERSION_PATTERN, Manifest, read_manifest

SOURCE_SUFFIXES = (".h5", ".hdf5", ".keras", ".onnx")
SAVED_MODEL_NAME = "saved_model.pb"

State = Literal["imported", "bare", "failed"]


@dataclass(frozen=True, slots=True)
class VersionFolder:
    """The current state of a version's folder."""

    version: str
    folder: Path
    fingerprint: str
    """Changes whenever anything of the folder that is served changes."""
    manifest: Manifest | None
    """None unless the version is imported."""
    sources: tuple[Path, ...]
    """Files (or SavedModel folders) in it that could be imported."""
    problem: str = ""
    """Why it failed."""

    @property
    def state(self) -> State:
        """`imported`: can be served; `bare`: only a source file yet; `failed`: see `problem`."""
        if self.problem:
            return "failed"
        return "bare" if self.manifest is None else "imported"


class Catalogue:
    """Scans the repository. A folder that did not change is not read again."""

    def __init__(self, models_dir: Path) -> None:
        self.models_dir = models_dir
        self._known: dict[str, VersionFolder] = {}

    def scan(self) -> tuple[VersionFolder, ...]:
        """Return every version's folder, `v2` before `v10`. A missing repository has none."""
        folders = [path for path in _children(self.models_dir) if path.is_dir() and not path.name.startswith(".")]
        present = {path.name: self._look_at(path) for path in sorted(folders, key=_natural)}
        self._known = {name: one for name, one in present.items() if one is not None}
        return tuple(self._known.values())

    def imported(self) -> tuple[VersionFolder, ...]:
        """Return the versions that can be served."""
        return tuple(one for one in self.scan() if one.state == "imported")

    def find(self, version: str) -> VersionFolder:
        """Return one version's folder; raise `NotFound`."""
        for one in self.scan():
            if one.version == version:
                return one
        raise NotFound(f"there is no version {version!r} in {self.models_dir}")

    def _look_at(self, folder: Path) -> VersionFolder | None:
        mark = fingerprint(folder)
        known = self._known.get(folder.name)
        if known is not None and known.fingerprint == mark and known.state == "imported":
            return known
        sources = find_sources(folder)
        try:
            manifest = read_version(folder)
        except SplitleafError as error:
            return VersionFolder(folder.name, folder, mark, None, sources, error.detail)
        if manifest is None and not sources:
            return None
        return VersionFolder(folder.name, folder, mark, manifest, sources)


def known_labels(folders: Iterable[VersionFolder]) -> dict[str, str]:
    """Return every condition that a version knows with its display name, in the order of the versions' outputs."""
    labels: dict[str, str] = {}
    for one in folders:
        if one.manifest is not None:
            for label in one.manifest.conditions:
                labels.setdefault(label, one.manifest.display_name(label))
    return labels


def read_version(folder: Path) -> Manifest | None:
    """Read the manifest of the version in `folder`; None when it is not imported yet.

    Raises `InvalidArtifact` for a manifest that is broken or speaks of another version.
    """
    if not re.fullmatch(VERSION_PATTERN, folder.name):
        raise InvalidArtifact(f"{folder.name!r} is not a name for a version", code="invalid_manifest")
    if is_draft(folder):
        return None
    manifest = read_manifest(folder)
    if manifest.version != folder.name:
        raise InvalidArtifact(
            f"{folder.name}/{MANIFEST_NAME} speaks of version {manifest.version!r}", code="invalid_manifest"
        )
    return manifest


def is_draft(folder: Path) -> bool:
    """Tell whether the folder has no manifest, or one that its author wrote for an import to come."""
    try:
        text = read_plain_text(folder / MANIFEST_NAME, MAX_BYTES)
    except FileNotFoundError:
        return True
    except (OSError, UnicodeDecodeError):
        return False  # who reads it as a manifest will say what is wrong
    return re.search(r"^\s*\[\s*(artifact|source)\s*\]", text, re.MULTILINE) is None


def find_sources(folder: Path) -> tuple[Path, ...]:
    """Return what could be imported from a version's folder: files by their ending, SavedModel folders."""
    if (folder / SAVED_MODEL_NAME).is_file():
        return (folder,)
    return tuple(
        path
        for path in sorted(_children(folder))
        if not path.name.startswith(".")
        and ((path.is_file() and path.suffix.lower() in SOURCE_SUFFIXES) or (path / SAVED_MODEL_NAME).is_file())
    )


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort numbers in names by their value."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]
