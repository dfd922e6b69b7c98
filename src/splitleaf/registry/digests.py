"""SHA-256 of what is served: checked before anything is parsed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from splitleaf.core.errors import InvalidArtifact
from splitleaf.core.files import open_plain
from splitleaf.registry.manifest import MANIFEST_NAME, Manifest, read_manifest

# What import itself adds to a folder that is a SavedModel is not part of the source.
_NOT_SOURCE = (MANIFEST_NAME, "artifact")


def sha256_file(path: Path) -> str:
    """Return the file's SHA-256 in lower-case hex. Raises `OSError` for what is no plain file."""
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_tree(path: Path) -> str:
    """Return one SHA-256 for a file, or for a folder: that of its sorted lines `name NUL digest LF`.

    Names are relative, with `/`. Nothing but the files' names and contents enters.
    """
    if path.is_file():
        return sha256_file(path)
    total = hashlib.sha256()
    for file in source_files(path):
        name = file.relative_to(path).as_posix()
        total.update(f"{name}\0{sha256_file(file)}\n".encode())
    return total.hexdigest()


def size_bytes(path: Path) -> int:
    """Return the size of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in source_files(path))


def source_files(path: Path) -> Iterator[Path]:
    """Yield the file itself, or a folder's files in the order of their names; links are not followed."""
    if path.is_file():
        yield path
        return
    for file in sorted(path.rglob("*"), key=lambda f: f.relative_to(path).as_posix()):
        top = file.relative_to(path).parts[0]
        if file.is_file() and not file.is_symlink() and not top.startswith(_NOT_SOURCE):
            yield file


def verify_version(folder: Path) -> Manifest:
    """Check the digests of what is served of the version in `folder`; return its manifest.

    Raises `InvalidArtifact` that names the file which is missing or is not what the manifest says.
    Nothing but the manifest is parsed.
    """
    manifest = read_manifest(folder)
    _verify_file(folder, manifest.artifact.file, manifest.artifact.sha256)
    _verify_file(folder, manifest.artifact.golden, manifest.artifact.golden_sha256)
    if manifest.insight is not None:
        _verify_file(folder, manifest.insight.file, manifest.insight.sha256)
    return manifest


def fingerprint(folder: Path) -> str:
    """Return a text that changes whenever the manifest or the artifact in `folder` is touched.

    Made from names, sizes, times and inode numbers alone, so that it can be asked every second.
    """
    parts = []
    for path in (folder / MANIFEST_NAME, *_served_files(folder)):
        # A file may go between listing and asking: that is a change, too.
        with contextlib.suppress(OSError):
            status = path.stat()
            parts.append(f"{path.name}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _served_files(folder: Path) -> Iterator[Path]:
    for name in _names(folder):
        if name.startswith("artifact"):
            yield from (folder / name / file for file in _names(folder / name))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []


def _verify_file(folder: Path, name: str, expected: str) -> None:
    path = _inside(folder, name)
    try:
        found = sha256_file(path)
    except OSError as error:
        raise InvalidArtifact(
            f"{folder.name}/{name} cannot be read: {error.strerror}", code="artifact_missing"
        ) from error
    if found != expected:
        raise InvalidArtifact(
            f"{folder.name}/{name} is not the file that was imported (SHA-256 {found[:12]}, expected {expected[:12]})",
            code="digest_mismatch",
        )


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InvalidArtifact(f"{name} lies outside {folder.name}", code="invalid_manifest")
    return path
