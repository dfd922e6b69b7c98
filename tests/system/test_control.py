"""Controllers that die, and more than one of them: an experiment goes on from stage to stage, each once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from splitleaf.supervision.supervisor import Child, Supervisor
from tests.experiments.plans import table
from tests.support.images import RED, jpeg
from tests.support.repositories import TELLS_COLOUR, add_version
from tests.system.running import RunningSystem, start_system

pytestmark = pytest.mark.slow

WHY = {"reason": "to find out"}
RAMP = [{"share": share, "min_n": 60} for share in (5, 10, 20, 30)] + [{"share": 50}]
STAGES = len(RAMP)
UPLOAD = jpeg(RED)
SOON_S = 30.0
"""What takes a second or two where nothing else is to do."""


@pytest.fixture
def own_system(tmp_path: Path) -> Iterator[RunningSystem]:
    models = tmp_path / "models"
    add_version(models, "v1")
    add_version(models, "v2", weights=TELLS_COLOUR[:, ::-1] + np.zeros((3, 3)))
    (models / "repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v1"\n', encoding="utf-8")
    system = start_system(models, tmp_path / "data")
    yield system
    system.stop()


@pytest.fixture
async def second_controller(own_system: RunningSystem) -> AsyncIterator[Child]:
    words = Path(f"/proc/{own_system.pids('worker')[0]}/environ").read_bytes().split(b"\0")
    environment = dict(word.decode().split("=", 1) for word in words if b"=" in word)
    child = Child("controller-2", ("controller",), environment)
    supervisor = Supervisor([child])
    await supervisor.start()
    yield child
    await supervisor.stop(20)


class Visitors:
    """New ones each time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._count = 0

    def come(self, count: int) -> None:
        numbers = range(self._count, self._count + count)
        self._count += count
        with httpx.Client(base_url=self._url, timeout=30) as client, ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda number: self._visit(client, number), numbers))

    @staticmethod
    def _visit(client: httpx.Client, number: int) -> None:
        headers = {"Prefer": "wait=20", "Splitleaf-Unit": f"visitor-{number}"}
        client.post("/v1/predictions", files={"file": UPLOAD}, headers=headers).raise_for_status()


def wait_for(admin: httpx.Client, found: Any) -> dict[str, Any]:
    """Return what the controller says as soon as it is what is waited for."""
    deadline = time.monotonic() + SOON_S
    while True:
        said: dict[str, Any] = admin.get("/experiments/leaf/control").raise_for_status().json()
        if said["watch"] and found(said):
            return said
        assert time.monotonic() < deadline, said
        time.sleep(0.1)


async def test_an_experiment_goes_on_whoever_leads_and_each_step_is_taken_once(
    own_system: RunningSystem, second_controller: Child
) -> None:
    await asyncio.to_thread(play, own_system, second_controller)


def play(system: RunningSystem, second: Child) -> None:
    visitors = Visitors(system.url)
    with system.admin() as admin:
        admin.post("/experiments", json={"plan": table(ramp=RAMP, guardrails=[{"metric": "error_rate"}]), **WHY})
        admin.post("/experiments/leaf/start", json=WHY).raise_for_status()
        leaders = []
        for stage in range(1, STAGES):
            visitors.come(70)
            said = wait_for(admin, lambda said, stage=stage: said["watch"]["stage"]["stage"] == stage)
            leaders.append(said["leader"])
            kill(system, second, said["leader"])
        said = wait_for(admin, lambda said: said["leader"] not in leaders)
        assert said["summary"] == f"stage {STAGES} of {STAGES} (50 %): the last stage"
        assert sum(said["watch"]["split"]["units"].values()) == 70 * (STAGES - 1)
        story = admin.get("/experiments/leaf").json()["audit"]
    steps = [(one["actor"], one["action"]) for one in reversed(story)]
    assert steps[2:] == [("controller", "ramp")] * (STAGES - 1)
    assert len(set(leaders)) == len(leaders)


def kill(system: RunningSystem, second: Child, leader: str) -> None:
    """Kill the leader, whose name has its process in it; it is started again under another name."""
    pid = int(leader.split("-")[-2])
    assert pid in {*system.pids("controller"), second.process.pid if second.process else 0}
    os.kill(pid, signal.SIGKILL)
