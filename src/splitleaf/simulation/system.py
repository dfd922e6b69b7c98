"""A Splitleaf of the simulation's own: the one that `splitleaf up` starts, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import httpx

from splitleaf.core.errors import DependencyDown
from splitleaf.settings import PREFIX
from splitleaf.supervision.ports import next_free

START_WITHIN_S: Final = 90.0
STOP_WITHIN_S: Final = 60.0
FIRST_PORT: Final = 8100
LAST_PORT: Final = 9100
HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class System:
    """It answers at `url`; its files lie in `data`."""

    url: str
    data: Path

    @property
    def key_file(self) -> Path:
        return self.data / "admin.key"

    def admin(self) -> httpx.Client:
        """Return a client of the admin API with the key that the system made for itself."""
        key = self.key_file.read_text(encoding="ascii").strip()
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=f"{self.url}/admin/api", headers=headers, timeout=30)


@contextlib.contextmanager
def running_system(models: Path, data: Path, **settings: str) -> Iterator[System]:
    """Start everything and stop it at the end. Raises `DependencyDown` when it does not come up."""
    data.mkdir(parents=True, exist_ok=True)
    # Not always the same first one: two simulations that begin together would take each other for themselves.
    port = next_free(HOST, random.randrange(FIRST_PORT, LAST_PORT))  # noqa: S311 - not for secrets
    command = [sys.executable, "-m", "splitleaf", "up", "--host", HOST, "--port", str(port)]
    command += ["--models", str(models), "--data", str(data)]
    log = data / "up.log"
    with log.open("w", encoding="utf-8") as output:
        process, alive_write = _start(command, environment_of(settings), output)
    system = System(f"http://{HOST}:{port}", data)
    try:
        _wait_until_ready(system, process, log)
        yield system
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(alive_write)


def _start(
    command: Sequence[str], environment: Mapping[str, str], output: IO[str]
) -> tuple[subprocess.Popen[bytes], int]:
    """Start `splitleaf up`, which stops when the returned descriptor closes: also if this process is killed."""
    alive_read, alive_write = os.pipe()
    # A group of its own: Ctrl-C is for the simulation, which then stops the system in order.
    process = subprocess.Popen(
        [*command, "--parent-fd", str(alive_read)],
        env=environment,
        stdout=output,
        stderr=output,
        process_group=0,
        pass_fds=(alive_read,),
    )
    os.close(alive_read)
    return process, alive_write


def environment_of(settings: Mapping[str, str]) -> dict[str, str]:
    """Ignore all settings of the user: the simulation must not use their database and broker."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | dict(settings)


def _wait_until_ready(system: System, process: subprocess.Popen[Any], log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    with httpx.Client(timeout=2) as client:
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                is_ready = client.get(f"{system.url}/readyz").status_code == httpx.codes.OK
                if is_ready and system.key_file.exists():
                    return
            time.sleep(0.05)
    text = log.read_text(encoding="utf-8", errors="replace")
    raise DependencyDown(f"the system did not start:\n{text}", code="server_unreachable")
