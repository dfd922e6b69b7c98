"""The file of a backup: a tar file that begins with a table of contents, which has a digest of each part."""

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
"""The largest waiting image: 4,096 x 4,096 x 3 float32, as base64."""
_MOST_OF_CONTENTS: Final = 16_000_000
_MOST_OF_A_TEXT: Final = 4_096


class ArchiveWriter:
    """Collects the parts in a folder next to the target, then writes the file in one step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts: dict[str, int] = {}

    @contextmanager
    def lines(self, name: str) -> Iterator[Callable[[Any], None]]:
        """Yield a function that writes one record as a line of JSON."""
        self._counts[name] = 0
        with gzip.open(self._folder / name, "wt", encoding="utf-8", compresslevel=5) as file:

            def keep(record: Any) -> None:
                file.write(json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n")
                self._counts[name] += 1

            yield keep

    def count(self, name: str) -> int:
        """Return the number of lines of a part."""
        return self._counts[name]

    def add_text(self, name: str, content: str) -> None:
        (self._folder / name).write_text(content, encoding="utf-8")

    def write(self, target: Path, facts: dict[str, Any], folders: dict[str, Path]) -> None:
        """Write the tar file; `folders` are copied into it under their names."""
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
    """A backup, unpacked into a folder and verified: the files of its table of contents, and no others."""

    def __init__(self, source: Path, folder: Path) -> None:
        """Raise `InvalidArtifact` (`invalid_backup`) for a file that is not a backup, or is damaged."""
        self._folder = folder
        self._source = source
        try:
            # Never compressed: the size of a compressed file is not known before it is unpacked.
            with tarfile.open(source, "r:") as tar:
                self.contents = _read_contents(tar)
                _unpack(tar, folder, self._digests())
        except (OSError, tarfile.TarError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidArtifact(f"{source} is not a backup: {error}", code="invalid_backup") from error
        for name, digest in self._digests().items():
            if not (folder / name).is_file() or sha256_file(folder / name) != digest:
                raise _damaged(source, name)
        for name, part in self.contents["parts"].items():
            if part["lines"] is not None and sum(1 for _ in self.lines(name)) != part["lines"]:
                raise _damaged(source, name)

    def _digests(self) -> dict[str, str]:
        """Return the digests of all files from the table of contents."""
        parts = {name: part["sha256"] for name, part in self.contents["parts"].items()}
        return {**parts, **self.contents["files"]}

    def lines(self, name: str) -> Iterator[Any]:
        """Yield the records of a part. Raises `InvalidArtifact` for a part that is missing or invalid."""
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
    """Return the table of contents, which comes first. Raises `ValueError`, or as parsing does, for another file."""
    first = tar.next()
    if first is None or first.name != CONTENTS or not first.isreg() or first.size > _MOST_OF_CONTENTS:
        raise ValueError("the table of contents is missing")
    file = tar.extractfile(first)
    contents: dict[str, Any] = json.loads(file.read(first.size)) if file else {}
    if contents.get("format") != FORMAT:
        raise ValueError(f"the format is unknown: {contents.get('format')}")
    if not isinstance(contents["schema"], str | None):
        raise TypeError("the schema is missing")
    return contents


def _unpack(tar: tarfile.TarFile, folder: Path, listed: Collection[str]) -> None:
    """Unpack the listed files and no others. Raises `ValueError` for one that is not a regular file."""
    for member in tar:
        if member.name not in listed:
            continue
        # Earlier releases kept links as links.
        if not (member.isreg() or member.issym() or member.islnk()) or member.issparse():
            raise ValueError(f"{member.name} is not a regular file")
        tar.extract(member, folder, filter="data")


def _files(folders: dict[str, Path]) -> Iterator[tuple[str, Path]]:
    """Yield every file of the folders with its name in the archive. A folder may be a single file."""
    for name, folder in folders.items():
        for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
            if path.is_file():
                yield (name if path == folder else f"{name}/{path.relative_to(folder).as_posix()}"), path


def _damaged(source: Path, name: str) -> InvalidArtifact:
    return InvalidArtifact(f"{source} is damaged: the digest of {name} does not match", code="invalid_backup")


def _write_tar(file: IO[bytes], contents: dict[str, Any], parts: list[Path], files: dict[str, Path]) -> None:
    with tarfile.open(fileobj=file, mode="w", dereference=True) as tar:
        table = parts[0].with_name(CONTENTS) if parts else Path(CONTENTS)
        table.write_text(json.dumps(contents, indent=2, ensure_ascii=False), encoding="utf-8")
        for path in (table, *parts):
            tar.add(path, path.name)
        for name, path in files.items():
            tar.add(path, name)
