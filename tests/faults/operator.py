"""An operator who changes, under load, who answers: aliases, experiments, files of versions. Some of it fails, as may be."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.experiments.plans import table
from tests.faults.cluster import Cluster
from tests.faults.images import SHIFTS

WHY: Final = {"reason": "a fault test"}
NEXT_STEPS: Final = {
    "draft": ("start",),
    "running": ("pause", "ramp", "ramp", "stop", "rollback"),
    "paused": ("resume", "resume", "stop"),
    "stopped": ("promote", "reject"),
}
RAMP: Final = [{"share": share, "min_n": 30} for share in (10, 30)] + [{"share": 50}]


@dataclass
class Operator:
    """By the admin API of whichever replica answers."""

    cluster: Cluster
    rng: random.Random
    experiments: int = 0
    key: str = ""
    """Of the experiment that is under way."""

    async def move_alias(self) -> str:
        version = self.rng.choice(tuple(SHIFTS))
        return f"to {version}: {await self._say('PUT', '/aliases/champion', version=version)}"

    async def change_experiment(self) -> str:
        """Take a next step: of the experiment that is under way, else the first of a new one."""
        state = await self._state() if self.key else ""
        steps = NEXT_STEPS.get(state, ())
        if not steps:
            return await self._create()
        step = self.rng.choice(steps)
        body: dict[str, Any] = {"variant": "candidate"} if step == "promote" else {}
        if step == "ramp":
            candidate = self.rng.choice((10, 30, 50))
            body = {"shares": {"control": 100 - candidate, "candidate": candidate}}
        return f"{step}: {await self._say('POST', f'/experiments/{self.key}/{step}', **body)}"

    async def break_model(self, seconds: float, choice: float) -> str:
        """Spoil a file of a version for a while."""
        version = tuple(SHIFTS)[int(choice * len(SHIFTS))]
        name = self.rng.choice(("model.toml", "artifact/model.onnx", "artifact/golden.npz"))
        with _spoilt(self.cluster.models / version / name, self.rng):
            await asyncio.sleep(seconds)
        return f"{version}/{name}"

    async def _create(self) -> str:
        self.experiments += 1
        self.key = f"experiment-{self.experiments}"
        first, second = self.rng.sample(tuple(SHIFTS), 2)
        variants = {"control": {"version": first, "share": 50}, "candidate": {"version": second, "share": 50}}
        shadows = [{"version": second, "sampling": 50}] if self.rng.random() < 0.5 else []
        plan = table(key=self.key, variants=variants, shadows=shadows, ramp=RAMP, guardrails=[{"metric": "error_rate"}])
        created = await self._say("POST", "/experiments", plan=plan)
        return f"create: {created}; start: {await self._say('POST', f'/experiments/{self.key}/start')}"

    async def _state(self) -> str:
        with contextlib.suppress(httpx.HTTPError, KeyError, ValueError):
            async with self._admin() as admin:
                answer = await admin.get(f"/experiments/{self.key}")
                return str(answer.json()["experiment"]["state"])
        return ""

    async def _say(self, method: str, path: str, **body: Any) -> str:
        try:
            async with self._admin() as admin:
                answer = await admin.request(method, path, json={**WHY, **body})
                return str(answer.status_code)
        except httpx.HTTPError as error:
            return type(error).__name__

    def _admin(self) -> httpx.AsyncClient:
        return self.cluster.admin(self.rng.randrange(len(self.cluster.urls)))


@contextlib.contextmanager
def _spoilt(path: Path, rng: random.Random) -> Iterator[None]:
    good = path.read_bytes()
    try:
        path.write_bytes(rng.choice((b"", good[: len(good) // 2], rng.randbytes(len(good)))))
        yield
    finally:
        draft = path.with_suffix(".whole")
        draft.write_bytes(good)
        draft.replace(path)
