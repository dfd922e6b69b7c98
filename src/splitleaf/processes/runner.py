"""Running one role until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from splitleaf.processes.parent import watch_parent


def run_role(main: Coroutine[Any, Any, None]) -> None:
    """Run a role's coroutine on uvloop."""
    uvloop.run(main)


def stop_on_signals(stop: Callable[[], None], parent_fd: int | None) -> None:
    """Call `stop` on SIGTERM, on SIGINT, and when the process that started this one is gone."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    watch_parent(parent_fd, stop)
