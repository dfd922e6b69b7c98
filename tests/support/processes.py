"""What runs on this machine, as /proc tells it."""

from __future__ import annotations

import contextlib
from pathlib import Path


def children_of(parent: int) -> list[int]:
    """Return the processes that this one started and that still run; none where it has ended."""
    found = []
    for file in Path(f"/proc/{parent}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in file.read_text(encoding="ascii").split()]
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
