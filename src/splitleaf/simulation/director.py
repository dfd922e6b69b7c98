"""A scenario from its first image to its end, told while it happens."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import httpx

from splitleaf.simulation.crowd import Crowd, Visit
from splitleaf.simulation.expert import Expert
from splitleaf.simulation.findings import (
    Findings,
    count_answered_by,
    current_report,
    find_disagreements,
    find_out,
    is_recorded,
)
from splitleaf.simulation.images import DrawnLeaves, ImageSource, LabelledPhotos
from splitleaf.simulation.news import state_of, tell_state
from splitleaf.simulation.scenarios import KEY, Scenario, paired_plan
from splitleaf.simulation.system import System, running_system
from splitleaf.simulation.versions import make_repository

LOOK_EVERY_S: Final = 1.0
AFTERWARDS: Final = 200
"""Images that come after a rollback or a promotion, to show who answers them."""
OBEYED_WITHIN_S: Final = 1.0
"""API processes ask for what is active twice a second."""
RECORDED_WITHIN_S: Final = 30.0
SETTINGS: Final = MappingProxyType({"SPLITLEAF_RETENTION__ENABLED": "true", "SPLITLEAF_REVIEW__AUDIT_SHARE": "0.05"})
"""An expert needs to be shown the images, and a short run needs a larger audit than a long one."""
READY_WITHIN_S: Final = 30.0
LABELLED_WITHIN_S: Final = 30.0
_WHY: Final = "a simulation"


@dataclass(frozen=True, slots=True)
class Wishes:
    """The choices of the user who runs it."""

    scenario: Scenario
    seed: int = 1
    images: int | None = None
    """At most this many. Default: the number of the scenario."""
    clients: int = 16
    folder: Path | None = None
    """Where versions, database and logs are left; without it, they are thrown away."""
    field: FieldTest | None = None
    """Real versions and photos instead of made ones; only for what an expert judges."""


@dataclass(frozen=True, slots=True)
class FieldTest:
    """Two versions of a repository, and photos whose truth their folders tell."""

    models: Path
    photos: Path
    control: str
    candidate: str


def simulate(wishes: Wishes, say: Callable[[str], None]) -> Findings:
    """Run a scenario in a system of its own. Raises `DependencyDown` when the system does not come up."""
    if wishes.folder is not None:
        wishes.folder.mkdir(parents=True, exist_ok=True)
        return _Run(wishes, wishes.folder.absolute(), say).run()
    # A short path: the embedded broker's socket has to fit into 100 characters.
    with tempfile.TemporaryDirectory(prefix="splitleaf-") as folder:
        return _Run(wishes, Path(folder), say).run()


class _Run:
    def __init__(self, wishes: Wishes, folder: Path, say: Callable[[str], None]) -> None:
        self._wishes = wishes
        self._scenario = wishes.scenario
        self._folder = folder
        self._say = say
        self._ended_at: int | None = None

    def run(self) -> Findings:
        self._say(f"{self._scenario.name}: {self._scenario.about}")
        with running_system(self._repository(), self._folder / "data", **SETTINGS) as system, system.admin() as admin:
            source = self._source(system)
            self._start(admin)
            self._say(f"running at {system.url}; the experiment {KEY!r} has started")
            crowd = Crowd(system.url, source.bring, source.count, self._wishes.seed, clients=self._wishes.clients)
            expert = Expert(admin, KEY) if self._scenario.has_expert else None
            asyncio.run(self._play(admin, crowd, expert))
            self._wait_until_recorded(admin, crowd)
            if expert:
                expert.finish(crowd.true_labels, lambda: find_disagreements(admin, KEY), LABELLED_WITHIN_S)
                self._say(f"the expert has labelled {expert.labelled} images")
            visits = crowd.visits
            if self._scenario.promotes:
                visits += self._promote(admin, system, source)
            return find_out(admin, KEY, visits, expert.labelled if expert else 0)

    def _promote(self, admin: httpx.Client, system: System, source: ImageSource) -> list[Visit]:
        """Do what the report advises, and see who answers from then on; return the visits that came."""
        statement = current_report(admin, KEY)["statement"]
        if statement["verdict"] != "better":
            self._say(f"no one is promoted: {statement['headline']}")
            return []
        self._say(f"{statement['headline']} It is stopped and promoted")
        for step, more in (("stop", {}), ("promote", {"variant": statement["arm"]})):
            body = {"reason": statement["headline"], **more}
            admin.post(f"/experiments/{KEY}/{step}", json=body).raise_for_status()
        time.sleep(OBEYED_WITHIN_S)
        # Other visitors, with the same leaves: no answer is the repetition of an earlier one.
        later = Crowd(system.url, source.bring, min(AFTERWARDS, source.count), self._wishes.seed + 1)
        asyncio.run(later.run(asyncio.Event()))
        self._wait_until_recorded(admin, later)
        by_winner = count_answered_by(admin, statement["version"], later.visits)
        self._say(f"{len(later.visits)} more images come: {statement['version']} answers {by_winner} of them")
        return later.visits

    def _repository(self) -> Path:
        if field := self._wishes.field:
            return field.models.absolute()
        made = self._folder / "models"
        make_repository(made, self._scenario.fault)
        self._say("made and imported v1 and v2; starting the API, a worker, the controller and their broker")
        return made

    def _source(self, system: System) -> ImageSource:
        wishes = self._wishes
        if wishes.field is None:
            return DrawnLeaves(wishes.images or self._scenario.images, wishes.seed, self._scenario.darkness)
        known = httpx.get(f"{system.url}/v1/labels", timeout=30).raise_for_status().json()["labels"]
        return LabelledPhotos(wishes.field.photos, [one["label"] for one in known], wishes.seed, wishes.images)

    def _start(self, admin: httpx.Client) -> None:
        field = self._wishes.field
        plan = dict(self._scenario.plan) if field is None else paired_plan(field.control, field.candidate)
        plan |= {"key": KEY, "hypothesis": self._scenario.about, "salt": f"seed-{self._wishes.seed}"}
        _ask_until_ready(admin, "/experiments", {"plan": plan, "reason": _WHY})
        _wait_for_leader(admin)
        _ask_until_ready(admin, f"/experiments/{KEY}/start", {"reason": _WHY})

    async def _play(self, admin: httpx.Client, crowd: Crowd, expert: Expert | None) -> None:
        stop = asyncio.Event()
        beside = [asyncio.create_task(self._tell(admin, crowd, expert, stop))]
        if expert:
            beside.append(asyncio.create_task(_label(expert, crowd)))
        try:
            await crowd.run(stop)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _tell(self, admin: httpx.Client, crowd: Crowd, expert: Expert | None, stop: asyncio.Event) -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            with suppress(httpx.HTTPError):
                state = await asyncio.to_thread(state_of, admin, KEY)
                labelled = expert.labelled if expert else None
                news = await asyncio.to_thread(tell_state, admin, KEY, state, labelled)
                self._say(f"{time.monotonic() - began:4.0f} s {len(crowd.visits):6,} images  {news}")
                if state == "rolled_back":
                    self._after_rollback(crowd, stop)

    def _after_rollback(self, crowd: Crowd, stop: asyncio.Event) -> None:
        if self._ended_at is None:
            self._ended_at = len(crowd.visits)
            self._say("rolled back automatically; some more visitors come")
        elif len(crowd.visits) >= self._ended_at + AFTERWARDS:
            stop.set()

    def _wait_until_recorded(self, admin: httpx.Client, crowd: Crowd) -> None:
        deadline = time.monotonic() + RECORDED_WITHIN_S
        while not is_recorded(admin, crowd.visits) and time.monotonic() < deadline:
            time.sleep(0.2)


def _ask_until_ready(admin: httpx.Client, path: str, body: dict[str, Any]) -> None:
    """Ask; once more where the database is being made, or the second version is still being loaded."""
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        answer = admin.post(path, json=body)
        if answer.status_code not in (httpx.codes.NOT_FOUND, httpx.codes.SERVICE_UNAVAILABLE):
            break
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    answer.raise_for_status()


async def _label(expert: Expert, crowd: Crowd) -> None:
    while True:
        with suppress(httpx.HTTPError):
            await asyncio.to_thread(expert.label, crowd.true_labels)
        await asyncio.sleep(LOOK_EVERY_S / 2)


def _wait_for_leader(admin: httpx.Client) -> None:
    """Begin when someone watches: what comes before would go unguarded for a moment."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if admin.get("/control").raise_for_status().json()["leader"]:
                return
        time.sleep(0.1)
