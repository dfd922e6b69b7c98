"""Time that a test moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from splitleaf.core.clock import SystemClock


class HandClock(SystemClock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self._now_s = 1_800_000_000.0

    def now_ms(self) -> int:
        return round(self._now_s * 1000)

    def monotonic(self) -> float:
        return self._now_s

    def move(self, seconds: float) -> None:
        self._now_s += seconds


def find_faketime() -> Path | None:
    """Return the library of Debian's package `libfaketime`, if it is installed."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


@dataclass
class ProcessClock:
    """The clock of processes that are started with its environment. Time that runs on by itself is left as it is."""

    file: Path
    """Says by how much it is off."""
    cache_s: int = 0
    """For how long a process may go by what it has read; 0: it reads whenever it asks for the time."""
    offset_s: int = 0

    def move(self, seconds: int) -> None:
        self.offset_s += seconds
        draft = self.file.with_suffix(".new")
        draft.write_text(f"{self.offset_s:+d}\n")
        draft.replace(self.file)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs in order to go by this clock. Raises `RuntimeError` where there is no library for it."""
        library = find_faketime()
        if library is None:
            raise RuntimeError("libfaketime is not installed: there is no other way to move a process's clock")
        if not self.file.exists():
            self.move(0)
        caching = {"FAKETIME_CACHE_DURATION": str(self.cache_s)} if self.cache_s else {"FAKETIME_NO_CACHE": "1"}
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",  # its name in older releases
            **caching,
        }
