"""A whole running system, as `splitleaf up` starts it, for tests from the outside."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.processes import children_of, command_of
from tests.support.repositories import add_version

START_WITHIN_S = 60.0


@dataclass
class RunningSystem:
    """`url` answers; `data` holds its files."""

    url: str
    data: Path
    models: Path
    process: subprocess.Popen[str]

    @property
    def admin_key(self) -> str:
        return (self.data / "admin.key").read_text(encoding="ascii")

    def admin(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.admin_key}"}
        return httpx.Client(base_url=f"{self.url}/admin/api", headers=headers, timeout=30)

    def pids(self, role: str) -> list[int]:
        """Return the processes of a role of this system."""
        return [pid for pid in children_of(self.process.pid) if {role, "--parent-fd"} <= set(command_of(pid))]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def start_system(models: Path, data: Path, **settings: str) -> RunningSystem:
    """Start everything on a free port and return when it is ready."""
    port = free_port()
    environment = {**os.environ, **settings}
    command = [sys.executable, "-m", "splitleaf", "up", "--port", str(port)]
    command += ["--models", str(models), "--data", str(data)]
    data.mkdir(parents=True, exist_ok=True)
    log = (data / "up.log").open("w")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, text=True)
    system = RunningSystem(f"http://127.0.0.1:{port}", data, models, process)
    deadline = time.monotonic() + START_WITHIN_S
    with httpx.Client(timeout=2) as client:  # one for all: making one costs what the start could use
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if client.get(f"{system.url}/readyz").status_code == 200:
                    return system
            time.sleep(0.05)
    process.kill()
    raise AssertionError(f"the system did not start:\n{(data / 'up.log').read_text()}")


def start_small_system(folder: Path, **settings: str) -> RunningSystem:
    """Start one with a single small version, which tells colours apart."""
    add_version(folder / "models", "v1")
    (folder / "models/repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v1"\n', encoding="utf-8")
    return start_system(folder / "models", folder / "data", **settings)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
