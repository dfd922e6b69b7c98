"""Ends a process when its parent ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable


def watch_parent(fd: int | None, on_gone: Callable[[], None]) -> None:
    """Call `on_gone` when the pipe's other end closes, however the parent ended (SIGKILL included)."""
    if fd is None:
        return
    loop = asyncio.get_running_loop()
    os.set_blocking(fd, False)

    def readable() -> None:
        if os.read(fd, 64) == b"":
            loop.remove_reader(fd)
            on_gone()

    loop.add_reader(fd, readable)
