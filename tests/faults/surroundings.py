"""What this machine offers, and small disks that can be filled."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.outcomes.servers import NoPostgresHere, find_binaries
from tests.support.clocks import find_faketime
from tests.support.server_programs import find_server

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


def end_in_order_when_told() -> None:
    """Let SIGTERM and SIGINT, also in the background, cancel what `asyncio.run` runs: no server or disk stays behind."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


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
