"""Hands that kill workers of a running system."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from splitleaf.supervision.supervisor import Child, Supervisor
from tests.system.running import RunningSystem


@dataclass
class Workers:
    """The worker that `splitleaf up` started, and more beside it, all restarted by the product's own supervisor."""

    system: RunningSystem
    children: list[Child]
    kills: int = 0

    def pids(self) -> list[int]:
        own = [one.process.pid for one in self.children if one.process and one.process.returncode is None]
        return [*self.system.pids("worker"), *own]

    async def kill_every(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            if pids := self.pids():
                os.kill(random.choice(pids), signal.SIGKILL)
                self.kills += 1


@contextlib.asynccontextmanager
async def more_workers(system: RunningSystem, count: int) -> AsyncIterator[Workers]:
    """Start more workers on the same broker and models as the system's own."""
    words = Path(f"/proc/{system.pids('worker')[0]}/environ").read_bytes().split(b"\0")
    environment = dict(word.decode().split("=", 1) for word in words if b"=" in word)
    children = [Child(f"worker-{number}", ("worker",), environment) for number in range(count)]
    supervisor = Supervisor(children)
    await supervisor.start()
    try:
        yield Workers(system, children)
    finally:
        await supervisor.stop(20)
