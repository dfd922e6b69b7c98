"""Running one role until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog
import uvloop

from splitleaf.supervision.parent import watch_parent

log = structlog.get_logger(__name__)

ALIVE_S = 2.0
THREADS = 64
"""More than the connections that a process has to its database; they are started when they are needed."""
GC_THRESHOLDS = (5_000, 10, 10)


def run_role(main: Coroutine[Any, Any, None], alive_file: Path | None = None) -> None:
    """Run a role's coroutine on uvloop. `alive_file` is touched as long as the event loop turns."""
    # What a role has loaded by now stays for good: no collection need look through it again. Requests leave few
    # cycles behind, so that looking for them less often costs little memory and saves a part of each request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    uvloop.run(_with_threads(main if alive_file is None else _beside_touching(main, alive_file)))


async def _with_threads(main: Coroutine[Any, Any, None]) -> None:
    # By default there are four more than processors. A database that hangs would hold them all, and names of hosts, for
    # example the broker's, are looked up in them, too.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    await main


async def _beside_touching(main: Coroutine[Any, Any, None], alive_file: Path) -> None:
    touching = asyncio.create_task(_keep_touching(alive_file))
    try:
        await main
    finally:
        touching.cancel()
        _remove(alive_file)


async def _keep_touching(alive_file: Path) -> None:
    while True:
        _touch(alive_file)
        await asyncio.sleep(ALIVE_S)


def _touch(alive_file: Path) -> None:
    try:
        alive_file.touch()
    except OSError as error:
        log.warning("alive_file_unwritable", detail=str(error))


def _remove(alive_file: Path) -> None:
    alive_file.unlink(missing_ok=True)


def stop_on_signals(stop: Callable[[], None], parent_fd: int | None) -> None:
    """Call `stop` on SIGTERM, on SIGINT, and when the process that started this one is gone."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    watch_parent(parent_fd, stop)
