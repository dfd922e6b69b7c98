"""A real container engine, and an installation in it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
OWN_ENGINE = ROOT.parent / "shared/tools/container-engine.sh"
CANNOT = 3
"""Exit status with which that script says that this machine can run no engine."""


def engine_or_skip() -> dict[str, str]:
    """Return the environment in which `docker compose` works; skip where no engine can be had."""
    if _answers(dict(os.environ)):
        return dict(os.environ)
    if not OWN_ENGINE.is_file():
        pytest.skip("there is no container engine on this machine")
    started = subprocess.run(["bash", str(OWN_ENGINE), "up"], capture_output=True, text=True, check=False)
    if started.returncode == CANNOT:
        pytest.skip(f"this machine cannot run containers: {started.stderr.strip().splitlines()[-1]}")
    assert started.returncode == 0, started.stderr
    exports = subprocess.run(["bash", str(OWN_ENGINE), "env"], capture_output=True, text=True, check=True).stdout
    words = [word for word in shlex.split(exports.removeprefix("export "), posix=True) if "=" in word]
    given = dict(word.split("=", 1) for word in words)
    given["PATH"] = given["PATH"].replace("$PATH", os.environ["PATH"])
    return {**os.environ, **given}


def _answers(environment: dict[str, str]) -> bool:
    if shutil.which("docker", path=environment["PATH"]) is None:
        return False
    return subprocess.run(["docker", "info"], env=environment, capture_output=True, check=False).returncode == 0


@dataclass
class Installation:
    """`compose.yaml`, as a project of its own on ports of its own."""

    project: str
    environment: dict[str, str]
    url: str
    inner_url: str

    def compose(self, *words: str, timeout_s: float = 600) -> str:
        command = ["docker", "compose", "--project-name", self.project, *words]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=timeout_s
        )
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def up(self) -> None:
        """The one command of the documentation, with more of what can be more."""
        self.compose("up", "--build", "--detach", "--scale", "api=3", "--scale", "worker=2", timeout_s=3000)
        self.wait_until_ready()

    def wait_until_ready(self, within_s: float = 180) -> None:
        give_up_at = time.monotonic() + within_s
        while True:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200 and not self.unwell():
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > give_up_at:
                raise AssertionError(f"not ready: {self.unwell()}\n{self.compose('logs', '--tail', '30')}")
            time.sleep(0.5)

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """Return what the engine knows of the containers, those of finished services included."""
        ids = self.compose("ps", "--all", "--quiet", *([service] if service else [])).split()
        done = subprocess.run(["docker", "inspect", *ids], env=self.environment, capture_output=True, check=True)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def unwell(self) -> list[str]:
        """Return the containers that run without being healthy, or ended otherwise than with 0."""
        return [
            one["Name"]
            for one in self.containers()
            if one["State"].get("Health", {}).get("Status", "healthy") != "healthy" or one["State"]["ExitCode"] != 0
        ]

    def crash(self, service: str) -> str:
        """Kill one container's processes from outside, as a lack of memory would, and return its id."""
        victim = self.containers(service)[0]
        os.kill(victim["State"]["Pid"], signal.SIGKILL)
        return str(victim["Id"])

    def restart(self, container: str) -> None:
        """Restart one container, with the time to stop in that the file gives it."""
        subprocess.run(["docker", "restart", container], env=self.environment, check=True, capture_output=True)

    def sql(self, query: str) -> str:
        words = ("exec", "-T", "postgres", "psql", "--host=/tmp", "--no-align", "--tuples-only", "--command", query)
        return self.compose(*words, "splitleaf").strip()

    def remove(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")
