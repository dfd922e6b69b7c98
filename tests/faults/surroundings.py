"""What the servers stand on: small disks that can be filled, and a clock that can be moved."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from splitleaf.jobs.embedded import find_server
from tests.outcomes.servers import NoPostgresHere, find_binaries

_LIBRARIES: Final = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")
_FILLER: Final = "filler"


def offered_here() -> frozenset[str]:
    """Return what this machine has of `Kind.needs`."""
    found = {"sqlite"}
    with contextlib.suppress(NoPostgresHere):
        find_binaries()
        found.add("postgres")
    if _stands_faketime(find_server()):
        found |= {"clock", "host clock"}
    if os.geteuid() == 0 and shutil.which("mount"):
        found.add("tmpfs")
    return frozenset(found)


def find_faketime() -> Path | None:
    """Return the library of Debian's package `libfaketime` (or `faketime`), if it is installed."""
    for pattern in _LIBRARIES:
        for path in Path("/").glob(pattern.lstrip("/")):
            return path
    return None


def _stands_faketime(program: Path) -> bool:
    """Some builds hang in their allocator when their clock is another one."""
    library = find_faketime()
    if library is None:
        return False
    environment = {**os.environ, "LD_PRELOAD": str(library), "FAKETIME": "+0"}
    try:
        done = subprocess.run([str(program), "--version"], env=environment, capture_output=True, timeout=5, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


@dataclass
class Clock:
    """The clock of some processes, which is off by what a file says. Time that runs on by itself is left as it is."""

    file: Path
    is_movable: bool
    offset_s: int = 0

    def move(self, seconds: int) -> None:
        self.offset_s += seconds
        draft = self.file.with_suffix(".new")
        draft.write_text(f"{self.offset_s:+d}")
        draft.replace(self.file)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs in order to go by this clock."""
        library = find_faketime()
        if not self.is_movable or library is None:
            return {}
        if not self.file.exists():
            self.move(0)
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # its name from release 0.9.10 on
            "FAKETIME_DONT_RESET": "1",
        }


@dataclass(frozen=True)
class Disk:
    """A folder on a file system of its own, where this machine allows that."""

    folder: Path
    is_own: bool

    def fill(self) -> None:
        """Leave no room. Raises `RuntimeError` for a disk that others use too."""
        if not self.is_own:
            raise RuntimeError("this disk is not ours alone")
        with contextlib.suppress(OSError), (self.folder / _FILLER).open("ab", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        with contextlib.suppress(OSError), (self.folder / _FILLER).open("ab", buffering=0) as file:
            while True:
                file.write(bytes(512))

    def empty(self) -> None:
        (self.folder / _FILLER).unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """Give a disk of this size in memory or, where nobody may mount one, a plain folder."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "splitleaf-test", str(folder)]
    is_own = "tmpfs" in offered_here() and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield Disk(folder, is_own)
    finally:
        if is_own:
            subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)
