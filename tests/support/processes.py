"""What runs on this machine, as /proc tells it."""

from __future__ import annotations

import contextlib
from pathlib import Path


def children_of(parent: int) -> list[int]:
    """Return the processes that this one started and that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if int((entry / "stat").read_text().rsplit(") ", 1)[1].split()[1]) == parent:
                found.append(int(entry.name))
    return found


def command_of(pid: int) -> list[str]:
    """Return the words with which the process was started; none where it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return []


def memory_bytes(pid: int) -> int:
    """Return its proportional set size; 0 where it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return 1024 * int(line.split()[1])
    return 0


def open_files(pid: int) -> int:
    """Return how many descriptors it has; 0 where it has ended."""
    with contextlib.suppress(OSError):
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return 0
