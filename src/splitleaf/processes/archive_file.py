"""A backup as a file: a tar with a table of contents in front, in which every part has its digest."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from splitleaf.core.errors import InvalidArtifact
from splitleaf.registry.digests import sha256_file

CONTENTS: Final = "contents.json"
FORMAT: Final = 1


class ArchiveWriter:
    """Gathers the parts in a folder beside the target, then writes the file, which appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts: dict[str, int] = {}

    @contextmanager
    def lines(self, name: str) -> Iterator[Callable[[Any], None]]:
        """Give what keeps one record as a line of JSON."""
        self._counts[name] = 0
        with gzip.open(self._folder / name, "wt", encoding="utf-8", compresslevel=5) as file:

            def keep(record: Any) -> None:
                file.write(json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n")
                self._counts[name] += 1

            yield keep

    def count(self, name: str) -> int:
        """Return how many lines a part has."""
        return self._counts[name]

    def add_text(self, name: str, content: str) -> None:
        (self._folder / name).write_text(content, encoding="utf-8")

    def write(self, target: Path, facts: dict[str, Any], folders: dict[str, Path]) -> None:
        """Write the tar; `folders` are taken along as they are, under their names."""
        parts = sorted(path for path in self._folder.iterdir())
        contents = {
            **facts,
            "format": FORMAT,
            "parts": {path.name: {"sha256": sha256_file(path), "lines": self._counts.get(path.name)} for path in parts},
            "files": {name: sha256_file(path) for name, path in _files(folders)},
        }
        draft = target.with_name(f".{target.name}.part")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                _write_tar(file, contents, parts, folders)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)


class ArchiveReader:
    """A backup that was unpacked into a folder and found to be whole."""

    def __init__(self, source: Path, folder: Path) -> None:
        """Raise `InvalidArtifact` (`invalid_backup`) for what is none, or is damaged."""
        self._folder = folder
        try:
            with tarfile.open(source) as tar:
                tar.extractall(folder, filter="data")
            self.contents: dict[str, Any] = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        except (OSError, tarfile.TarError, ValueError) as error:
            raise InvalidArtifact(f"{source} is no backup: {error}", code="invalid_backup") from error
        if self.contents.get("format") != FORMAT:
            raise InvalidArtifact(
                f"{source} is a backup of another format: {self.contents.get('format')}", code="invalid_backup"
            )
        for name, part in self.contents["parts"].items():
            if not (folder / name).is_file() or sha256_file(folder / name) != part["sha256"]:
                raise _damaged(source, name)
        for name, digest in self.contents["files"].items():
            if not (folder / name).is_file() or sha256_file(folder / name) != digest:
                raise _damaged(source, name)

    def lines(self, name: str) -> Iterator[Any]:
        with gzip.open(self._folder / name, "rt", encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)

    def text(self, name: str) -> str:
        return (self._folder / name).read_text(encoding="utf-8")

    def folder(self, name: str) -> Path:
        return self._folder / name


def _files(folders: dict[str, Path]) -> Iterator[tuple[str, Path]]:
    """Yield every file of the folders with its name in the archive; a folder may be a single file, too."""
    for name, folder in folders.items():
        for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
            if path.is_file():
                yield (name if path == folder else f"{name}/{path.relative_to(folder).as_posix()}"), path


def _damaged(source: Path, name: str) -> InvalidArtifact:
    return InvalidArtifact(f"{source} is damaged: {name} is not what was written", code="invalid_backup")


def _write_tar(file: IO[bytes], contents: dict[str, Any], parts: list[Path], folders: dict[str, Path]) -> None:
    with tarfile.open(fileobj=file, mode="w") as tar:
        table = parts[0].with_name(CONTENTS) if parts else Path(CONTENTS)
        table.write_text(json.dumps(contents, indent=2, ensure_ascii=False), encoding="utf-8")
        for path in (table, *parts):
            tar.add(path, path.name)
        for name, folder in folders.items():
            tar.add(folder, name)
