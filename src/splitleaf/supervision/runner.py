"""Runs one role until it is stopped."""

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
"""More than the database connections of a process. Threads start when they are needed."""
GC_THRESHOLDS = (5_000, 10, 10)


def run_role(main: Coroutine[Any, Any, None], alive_file: Path | None = None) -> None:
    """Run a role's coroutine on uvloop. `alive_file` is touched while the event loop runs."""
    # What a role has loaded by now stays in memory, so collections can skip it. Requests leave few reference cycles, so
    # less frequent collections cost little memory and save time in each request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    uvloop.run(_with_threads(main if alive_file is None else _beside_touching(main, alive_file)))


async def _with_threads(main: Coroutine[Any, Any, None]) -> None:
    # The default is the number of processors plus four. A database that hangs would block them all, and host names, for
    # example the broker's, are resolved in these threads, too.
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
