"""A backup as a file: a tar with a table of contents in front, in which every part has its digest."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from splitleaf.core.errors import InvalidArtifact
from splitleaf.core.files import read_plain_text
from splitleaf.registry.digests import sha256_file

CONTENTS: Final = "contents.json"
FORMAT: Final = 1
MOST_OF_A_LINE: Final = 300_000_000
"""The largest image that a version may ask for, waiting for its answer: 4,096 x 4,096 x 3 float32, as base64."""
_MOST_OF_CONTENTS: Final = 16_000_000
_MOST_OF_A_TEXT: Final = 4_096


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
        parts, files = sorted(self._folder.iterdir()), dict(_files(folders))
        contents = {
            **facts,
            "format": FORMAT,
            "parts": {path.name: {"sha256": sha256_file(path), "lines": self._counts.get(path.name)} for path in parts},
            "files": {name: sha256_file(path) for name, path in files.items()},
        }
        draft = target.with_name(f".{target.name}.part")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                _write_tar(file, contents, parts, files)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)


class ArchiveReader:
    """A backup that was unpacked into a folder and found to be whole: what its table lists, and nothing else."""

    def __init__(self, source: Path, folder: Path) -> None:
        """Raise `InvalidArtifact` (`invalid_backup`) for what is none, or is damaged."""
        self._folder = folder
        self._source = source
        try:
            # Not compressed, as it was written: of a compressed one nobody knows how large it is.
            with tarfile.open(source, "r:") as tar:
                self.contents = _read_contents(tar)
                _unpack(tar, folder, self._digests())
        except (OSError, tarfile.TarError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidArtifact(f"{source} is no backup: {error}", code="invalid_backup") from error
        for name, digest in self._digests().items():
            if not (folder / name).is_file() or sha256_file(folder / name) != digest:
                raise _damaged(source, name)
        for name, part in self.contents["parts"].items():
            if part["lines"] is not None and sum(1 for _ in self.lines(name)) != part["lines"]:
                raise _damaged(source, name)

    def _digests(self) -> dict[str, str]:
        """Return every file's digest, as the table has it."""
        parts = {name: part["sha256"] for name, part in self.contents["parts"].items()}
        return {**parts, **self.contents["files"]}

    def lines(self, name: str) -> Iterator[Any]:
        """Yield the records of a part. Raises `InvalidArtifact` for what no backup has."""
        if name not in self.contents["parts"]:
            raise _damaged(self._source, name)
        try:
            with gzip.open(self._folder / name, "rb") as file:
                while line := file.readline(MOST_OF_A_LINE + 1):
                    if len(line) > MOST_OF_A_LINE:
                        raise ValueError("a line is too long")
                    yield json.loads(line)
        except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
            raise InvalidArtifact(f"{self._source}: {name} cannot be read: {error}", code="invalid_backup") from error

    def text(self, name: str) -> str:
        try:
            return read_plain_text(self._folder / name, _MOST_OF_A_TEXT)
        except (OSError, UnicodeDecodeError) as error:
            raise _damaged(self._source, name) from error

    def folder(self, name: str) -> Path:
        return self._folder / name


def _read_contents(tar: tarfile.TarFile) -> dict[str, Any]:
    """Return the table, which comes first. Raises `ValueError` and what it is not asked for."""
    first = tar.next()
    if first is None or first.name != CONTENTS or not first.isreg() or first.size > _MOST_OF_CONTENTS:
        raise ValueError("its table of contents is missing")
    file = tar.extractfile(first)
    contents: dict[str, Any] = json.loads(file.read(first.size)) if file else {}
    if contents.get("format") != FORMAT:
        raise ValueError(f"it is of another format: {contents.get('format')}")
    if not isinstance(contents["schema"], str | None):
        raise TypeError("it names no schema")
    return contents


def _unpack(tar: tarfile.TarFile, folder: Path, listed: Collection[str]) -> None:
    """Unpack the files that are listed, and no other. Raises `ValueError` for one that is no plain file."""
    for member in tar:
        if member.name not in listed:
            continue
        # Earlier releases kept links as links.
        if not (member.isreg() or member.issym() or member.islnk()) or member.issparse():
            raise ValueError(f"{member.name} is no plain file")
        tar.extract(member, folder, filter="data")


def _files(folders: dict[str, Path]) -> Iterator[tuple[str, Path]]:
    """Yield every file of the folders with its name in the archive; a folder may be a single file, too."""
    for name, folder in folders.items():
        for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
            if path.is_file():
                yield (name if path == folder else f"{name}/{path.relative_to(folder).as_posix()}"), path


def _damaged(source: Path, name: str) -> InvalidArtifact:
    return InvalidArtifact(f"{source} is damaged: {name} is not what was written", code="invalid_backup")


def _write_tar(file: IO[bytes], contents: dict[str, Any], parts: list[Path], files: dict[str, Path]) -> None:
    with tarfile.open(fileobj=file, mode="w", dereference=True) as tar:
        table = parts[0].with_name(CONTENTS) if parts else Path(CONTENTS)
        table.write_text(json.dumps(contents, indent=2, ensure_ascii=False), encoding="utf-8")
        for path in (table, *parts):
            tar.add(path, path.name)
        for name, path in files.items():
            tar.add(path, name)
