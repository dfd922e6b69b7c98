"""Starts child processes, restarts those that end, and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)

EXIT_SETTINGS = 2
"""The exit status of `splitleaf` for invalid settings."""
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 3.0
SETTLED_AFTER_S = 3.0
"""After this time a child counts as started: when it ends, the next one starts after the shortest pause."""


@dataclass(slots=True)
class Child:
    """A role that the supervisor keeps running."""

    name: str
    arguments: Sequence[str]
    """Arguments of `splitleaf`."""
    environment: Mapping[str, str]
    process: asyncio.subprocess.Process | None = field(default=None)
    restarts: int = 0


class Supervisor:
    """Runs `splitleaf ROLE` processes. They end with this process, even if it is killed."""

    def __init__(
        self,
        children: Sequence[Child],
        on_invalid_settings: Callable[[Child], None] = lambda _child: None,
        program: Sequence[str] = (sys.executable, "-m", "splitleaf"),
    ) -> None:
        """`on_invalid_settings` is called for a child that ended because of its settings: a restart would not help."""
        self._program = program
        self._on_invalid_settings = on_invalid_settings
        self._children = list(children)
        self._watchers: list[asyncio.Task[None]] = []
        self._stopping = False
        # Children hold the reading end. It reaches its end of file when this process ends, even if it is killed.
        self._alive_read, self._alive_write = os.pipe()

    async def start(self, *names: str) -> None:
        """Start the children of these names, or all of them."""
        for child in self._children:
            if (not names or child.name in names) and child.process is None and not self._stopping:
                await self._spawn(child)
                self._watchers.append(asyncio.create_task(self._watch(child)))

    async def stop(self, grace_s: float) -> None:
        """Stop the children one after another, in their order; each has the grace time to stop."""
        self._stopping = True
        # First, so that no watcher starts a child again.
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for child in self._children:
            await self._end(child, grace_s)
        os.close(self._alive_write)
        os.close(self._alive_read)

    def kill(self) -> None:
        """Kill the children. Their unfinished work is done again after the next start."""
        self._stopping = True
        for child in self._children:
            if child.process is not None and child.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.kill()

    def restarts(self) -> dict[str, int]:
        return {child.name: child.restarts for child in self._children}

    async def _spawn(self, child: Child) -> None:
        command = [*self._program, *child.arguments, "--parent-fd", str(self._alive_read)]
        child.process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(child.environment),
            pass_fds=(self._alive_read,),
            stdin=asyncio.subprocess.DEVNULL,
            # Ctrl-C signals the whole process group, but this process decides the order in which children stop.
            start_new_session=True,
        )

    async def _watch(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while child.process is not None:
            started_at = loop.time()
            code = await child.process.wait()
            if self._stopping:
                return
            if code == EXIT_SETTINGS:
                self._on_invalid_settings(child)
                return
            if loop.time() - started_at > SETTLED_AFTER_S:
                pause_s = FIRST_PAUSE_S
            log.warning("child_ended", child=child.name, code=code, restart_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            child.restarts += 1
            await self._spawn(child)

    async def _end(self, child: Child, grace_s: float) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), grace_s)
        except TimeoutError:
            log.warning("child_killed", child=child.name, grace_s=grace_s)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
