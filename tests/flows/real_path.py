"""An experiment's requests on the way that they really take: submitted, taken and finished by workers, recorded from the
feed, and looked at by the leading controller. Seeded, in time that the simulation moves.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from splitleaf.analysis.report import Report
from splitleaf.core.tensor import ImageTensor
from splitleaf.experiments.plan import Plan
from splitleaf.flows.guard_experiments import ExperimentGuardian
from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.flows.load_routing import load_routing
from splitleaf.flows.record_outcomes import Recorder
from splitleaf.flows.run_experiment import ChangeRequest, create_experiment, start_experiment
from splitleaf.jobs.queue import Claim, Task, TaskContext
from tests.jobs.tasks import classified, failed
from tests.support.clocks import HandClock
from tests.support.memory_queue import (
    MemoryBroker,
    MemoryJobConsumer,
    MemoryJobQueue,
    MemoryLeaderElection,
    MemoryOutcomeFeed,
)
from tests.support.stores import EmptyStore

TICK_S: Final = 0.05
LOOK_TICKS: Final = 5
TTL_MS: Final = 30_000
_PIXEL: Final = ImageTensor((1, 1, 3), "uint8", bytes(3))


@dataclass(frozen=True)
class Service:
    """How one version's workers answer."""

    answers_in_s: float = 0.1
    fails: float = 0.01
    """Share of the images without an answer."""
    hangs: float = 0.0
    """Share of the images that their worker never finishes."""
    ready_after_s: float = 0.0


@dataclass(frozen=True)
class Crowd:
    """How visitors come, each with one image."""

    a_second: float = 50.0
    in_bursts: bool = False
    """All of a second's within its first twentieth."""
    cancels: tuple[float, float] = (0.0, 0.0)
    """Share of control's and the candidate's images that are taken back at once."""


@dataclass
class RealPath:
    """One experiment that runs."""

    plan: Plan
    seed: int
    control: Service = field(default_factory=Service)
    candidate: Service = field(default_factory=Service)
    crowd: Crowd = field(default_factory=Crowd)
    candidate_requests: int = 0
    requests: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self.clock, self.store = HandClock(), EmptyStore()
        self.broker = MemoryBroker(clock=self.clock)
        self.election = MemoryLeaderElection(self.broker)
        self._queue, self._feed = MemoryJobQueue(self.broker), MemoryOutcomeFeed(self.broker)
        self._worker = MemoryJobConsumer(self.broker)
        self._recorder = Recorder(self._feed, self.store)
        self._guardian = ExperimentGuardian(self.store, self.election, self.clock, "first")
        self._due: list[tuple[float, int, Claim]] = []
        self._held: list[Claim] = []
        self._numbers = itertools.count()
        self._began_s = self.clock.monotonic()
        request = ChangeRequest("ann", "to find out")
        create_experiment(self.store, self.plan, request, self.clock)
        start_experiment(self.store, self.plan.key, self.plan.versions, request, self.clock)
        (self._live,) = load_routing(self.store, "v1").experiments
        self._services = {"v1": self.control, "v2": self.candidate}

    @property
    def is_rolled_back(self) -> bool:
        record = self.store.experiment(self.plan.key)
        return record is not None and record.state == "rolled_back"

    async def run(self, seconds: float) -> None:
        """Go on for so long, or until the candidate is rolled back."""
        for tick in range(round(seconds / TICK_S)):
            await self._arrive(tick)
            await self._work()
            if tick % LOOK_TICKS == 0:
                await self._look()
                if self.is_rolled_back:
                    return

    async def report(self) -> Report:
        return judge_experiment(self.store, self.plan.key, self.clock, await self.election.settled_ms())

    async def _arrive(self, tick: int) -> None:
        crowd = self.crowd
        second = round(1 / TICK_S)
        expected = crowd.a_second * TICK_S
        if crowd.in_bursts:
            expected = 0.0 if tick % second else crowd.a_second
        count = int(self._rng.poisson(expected))
        for _ in range(count):
            self.clock.move(TICK_S / count)
            await self._submit()
        if not count:
            self.clock.move(TICK_S)

    async def _submit(self) -> None:
        unit = self._rng.bytes(16).hex()
        variant = self._live.variant_of(unit)
        self.requests += 1
        self.candidate_requests += variant != self.plan.default
        context = TaskContext(unit_hash=unit, revision=self._live.revision, experiment=self.plan.key, variant=variant)
        version = self.plan.variants[variant].version
        task = Task(self._rng.bytes(13).hex(), version, _PIXEL, TTL_MS, context=context)
        await self._queue.submit(task)
        if self._rng.random() < self.crowd.cancels[variant != self.plan.default]:
            await self._queue.cancel(task.id)

    async def _work(self) -> None:
        now_s = self.clock.monotonic()
        for version, service in self._services.items():
            is_ready = now_s - self._began_s >= service.ready_after_s
            while is_ready and any(
                not one.owner and one.task.version == version for one in self.broker.entries.values()
            ):
                for claim in await self._worker.take({version: 1_000}, 1):
                    self._begin(claim, service, now_s)
        done = []
        while self._due and self._due[0][0] <= now_s:
            claim = heapq.heappop(self._due)[2]
            is_failed = self._rng.random() < self._services[claim.version].fails
            done.append(failed(claim) if is_failed else replace(classified(claim), batch_size=1))
        if done:
            await self._worker.finish(done)
        if self._held:
            await self._worker.heartbeat(self._held)
            await self._worker.recover({})

    def _begin(self, claim: Claim, service: Service, now_s: float) -> None:
        if self._rng.random() < service.hangs:
            self._held.append(claim)
        else:
            heapq.heappush(self._due, (now_s + service.answers_in_s, next(self._numbers), claim))

    async def _look(self) -> None:
        while self.broker.feed:
            await self._recorder.record_once(0)
        await self._guardian.renew()
        self._guardian.look(await self.election.settled_ms())
