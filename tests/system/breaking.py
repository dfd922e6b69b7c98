"""Hands that kill and freeze parts of a running system."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from splitleaf.processes.supervisor import Child, Supervisor
from tests.system.running import RunningSystem


@dataclass
class Workers:
    """The worker that `splitleaf up` started, and more beside it, all restarted by the product's own supervisor."""

    system: RunningSystem
    children: list[Child]
    frozen: set[int] = field(default_factory=set)
    kills: int = 0
    freezes: int = 0

    def pids(self) -> list[int]:
        own = [one.process.pid for one in self.children if one.process and one.process.returncode is None]
        return [*self.system.pids("worker"), *own]

    async def kill_every(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            if candidates := [pid for pid in self.pids() if pid not in self.frozen]:
                os.kill(random.choice(candidates), signal.SIGKILL)
                self.kills += 1

    async def freeze(self, seconds: float) -> None:
        """Stop one worker for this long, and let it go on."""
        pid = random.choice(self.pids())
        self.frozen.add(pid)
        os.kill(pid, signal.SIGSTOP)
        self.freezes += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)
            self.frozen.discard(pid)


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


def broker_pid(system: RunningSystem) -> int:
    """Return the process of the embedded broker."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            parent = int((entry / "stat").read_text().rsplit(") ", 1)[1].split()[1])
            program = (entry / "comm").read_text().strip()
            if parent == system.process.pid and program in ("valkey-server", "redis-server"):
                return int(entry.name)
    raise ProcessLookupError("there is no broker")


def kill_broker(system: RunningSystem) -> float:
    """Kill it, and return when, in milliseconds since the epoch."""
    pid = broker_pid(system)
    os.kill(pid, signal.SIGKILL)
    return time.time() * 1000
