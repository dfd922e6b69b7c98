"""An experiment while workers die: every answered prediction is one exposure, and every shadow one outcome."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from splitleaf.core.ids import shadow_prediction_id
from tests.experiments.plans import table
from tests.outcomes.servers import NoPostgresHere, PostgresServer
from tests.support.images import RED, jpeg
from tests.support.repositories import TELLS_COLOUR, add_version
from tests.system.running import RunningSystem, start_system

pytestmark = pytest.mark.slow

COUNT = 400
IMAGE = jpeg(RED)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def own_system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningSystem]:
    models = tmp_path / "models"
    add_version(models, "v1")
    add_version(models, "v2", weights=TELLS_COLOUR[:, ::-1] + np.zeros((3, 3)))
    (models / "repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v1"\n', encoding="utf-8")
    settings = {"SPLITLEAF_QUEUE__LEASE_MS": "1000"}
    with contextlib.ExitStack() as stack:
        if request.param == "postgres":
            settings["SPLITLEAF_DATABASE_URL"] = stack.enter_context(a_postgres())
        system = start_system(models, tmp_path / "data", **settings)
        stack.callback(system.stop)
        yield system


@contextlib.contextmanager
def a_postgres() -> Iterator[str]:
    """Give the URL of an empty database."""
    with tempfile.TemporaryDirectory(prefix="slp", dir="/tmp") as folder:
        server = PostgresServer(Path(folder))
        try:
            server.prepare()
            server.start()
        except NoPostgresHere as reason:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"no PostgreSQL can be started here: {reason}")
        yield server.new_database()
        server.stop()


def kill_workers(system: RunningSystem) -> None:
    for pid in system.pids("worker"):
        os.kill(pid, signal.SIGKILL)


def test_exposures_are_the_answered_predictions_though_workers_die(own_system: RunningSystem) -> None:
    def answer(number: int) -> str:
        headers = {"Prefer": "wait=30", "Splitleaf-Unit": f"unit-{number}"}
        for _ in range(100):
            sent = httpx.post(f"{own_system.url}/v1/predictions", files={"file": IMAGE}, headers=headers, timeout=60)
            if sent.status_code != 503:
                break
            # No worker is there at this moment.
            time.sleep(0.1)
        assert sent.status_code == 200, sent.text
        assert sent.json()["status"] == "succeeded", sent.text
        identity: str = sent.json()["id"]
        return identity

    with own_system.admin() as admin:
        plan = table(key="leaf", shadows=[{"version": "v1"}, {"version": "v2"}])
        admin.post("/experiments", json={"plan": plan, "reason": "faults"}).raise_for_status()
        admin.post("/experiments/leaf/start", json={"reason": "faults"}).raise_for_status()
        with ThreadPoolExecutor(8) as threads:
            answers = threads.map(answer, range(COUNT))
            for _ in range(2):
                time.sleep(0.5)
                kill_workers(own_system)
            ids = list(answers)
        found = recorded(admin, ids)
    primaries = [one for one in found if one["role"] == "primary"]
    assert Counter(one["prediction_id"] for one in primaries) == Counter(ids)
    assert {one["status"] for one in primaries} == {"succeeded"}
    shadows = Counter(one["prediction_id"] for one in found if one["role"] == "shadow")
    possible = {shadow_prediction_id(one, version) for one in ids for version in ("v1", "v2")}
    assert set(shadows.values()) == {1}
    assert set(shadows) <= possible


def recorded(admin: httpx.Client, ids: list[str]) -> list[dict[str, Any]]:
    """Return the experiment's outcomes when every prediction has one."""
    deadline = time.monotonic() + 60
    while True:
        found: list[dict[str, Any]] = admin.get("/experiments/leaf/exposures", params={"limit": 5000}).json()[
            "exposures"
        ]
        if {one["prediction_id"] for one in found} >= set(ids):
            return found
        assert time.monotonic() < deadline
        time.sleep(0.1)
