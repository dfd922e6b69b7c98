"""The leading controller: takes back what harms, ramps on what does not, and tells what it waits for.

Several controllers may run; one leads by a lease. The lease is not a fence: a frozen leader may resume when another one
leads. Each of its changes is a compare-and-swap on the state that it read, and its decisions use only append-only
facts. So it does either what the new leader would do or nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import structlog

from splitleaf.core.clock import Clock
from splitleaf.core.errors import Conflict, DependencyDown, SplitleafError
from splitleaf.experiments.watch import (
    ControlWatch,
    ExperimentWatch,
    GuardrailState,
    GuardrailWatch,
    RampStep,
    write_watch,
)
from splitleaf.flows.guard_candidate import tell
from splitleaf.flows.run_experiment import ChangeRequest, ramp_to_stage, roll_back_experiment
from splitleaf.flows.watch_experiment import ExperimentWatcher
from splitleaf.jobs.leader_election import LeaderElection
from splitleaf.outcomes.experiments import OPEN_STATES, ExperimentRecord
from splitleaf.outcomes.store import OutcomeStore

log = structlog.get_logger(__name__)

ACTOR: Final = "controller"
LEASE_S: Final = 3.0
RENEWAL_S: Final = 0.5
PERIOD_S: Final = 0.25
"""Between two looks. The API processes need the rest of the two seconds until no one is sent to a bad candidate."""


class ExperimentGuardian:
    """Leads if it can, and while it leads looks after every open experiment."""

    def __init__(self, store: OutcomeStore, election: LeaderElection, clock: Clock, name: str) -> None:
        self._store = store
        self._election = election
        self._clock = clock
        self._name = name
        self._leads_until = 0.0
        self._statement = ""
        self._watchers: dict[str, ExperimentWatcher] = {}
        self._is_migrated = False

    @property
    def leads(self) -> bool:
        return self._clock.monotonic() < self._leads_until

    async def run(self, stop: asyncio.Event) -> None:
        """Guard until stopped, then let another one lead."""
        # Apart: to read everything after a start may take longer than the lease lasts.
        await asyncio.gather(self._keep_lease(stop), self._keep_looking(stop))
        with contextlib.suppress(SplitleafError):
            await self._election.resign(self._name)

    async def renew(self) -> bool:
        """Take or renew the lease; raise `DependencyDown` when the broker does not respond."""
        asked_at = self._clock.monotonic()
        if await self._election.lead(self._name, LEASE_S, self._statement):
            # Counted from before the question: the broker's lease never ends earlier than this one.
            self._leads_until = asked_at + LEASE_S
        else:
            self._leads_until = 0.0
        return self.leads

    def look(self, settled_ms: int) -> Sequence[ExperimentWatch]:
        """Look at every open experiment once and do what its numbers ask for. For one thread at a time.

        `settled_ms` as the election says it: up to there all predictions are recorded.
        """
        if not self._is_migrated:
            self._store.migrate()
            self._is_migrated = True
        records = [one for one in self._store.experiments() if one.state in OPEN_STATES]
        for gone in self._watchers.keys() - {one.key for one in records}:
            del self._watchers[gone]
        watches = [watch for record in records if (watch := self._look_at(record, settled_ms)) is not None]
        self._statement = write_watch(ControlWatch(self._name, self._clock.now_ms(), tuple(watches)))
        return watches

    def _look_at(self, record: ExperimentRecord, settled_ms: int) -> ExperimentWatch | None:
        watcher = self._watchers.setdefault(record.key, ExperimentWatcher(self._store, record.key))
        try:
            watch = watcher.look(record, settled_ms, self._clock.now_ms())
            if self.leads:
                self._act(watch)
            return watch
        except DependencyDown:
            raise
        except Conflict as error:
            # Someone was faster; the next look is at what they made of it.
            log.info("overtaken", experiment=record.key, detail=error.detail)
        except Exception:
            # One experiment that cannot be read must not leave all others unguarded.
            log.exception("not_watched", experiment=record.key)
            del self._watchers[record.key]
        return None

    def _act(self, watch: ExperimentWatch) -> None:
        fired = [one for one in watch.guardrails if one.state is GuardrailState.FIRED]
        if fired:
            request = ChangeRequest(ACTOR, "; ".join(tell(one) for one in fired), watch.sequence, _findings(watch))
            roll_back_experiment(self._store, watch.experiment, request, self._clock)
            log.warning("rolled_back", experiment=watch.experiment, reason=request.reason)
        elif watch.step is RampStep.ADVANCE:
            request = ChangeRequest(ACTOR, _why_on(watch), watch.sequence, _findings(watch))
            ramp_to_stage(self._store, watch.experiment, watch.stage.stage + 1, request, self._clock)
            log.info("ramped", experiment=watch.experiment, stage=watch.stage.stage + 1, reason=request.reason)

    async def _keep_lease(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            led = self.leads
            try:
                if await self.renew() and not led:
                    log.info("leads", controller=self._name)
            except SplitleafError as error:
                log.warning("lease_not_renewed", detail=error.detail)
            await _stopped(stop, RENEWAL_S)

    async def _keep_looking(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self.leads:
                try:
                    await asyncio.to_thread(self.look, await self._election.settled_ms())
                except SplitleafError as error:
                    log.warning("not_guarded", detail=error.detail)
                except Exception:
                    # Whatever it is: the recorder next to this one must continue.
                    log.exception("not_guarded")
            await _stopped(stop, PERIOD_S)


async def _stopped(stop: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), timeout_s)


def _why_on(watch: ExperimentWatch) -> str:
    stage = watch.stage
    found = f"{stage.images:,} images (at least {stage.min_images:,}) in {stage.minutes:.1f} minutes (at least "
    found += f"{stage.min_minutes:g}); the split is as asked for"
    return "; ".join([found, *(tell(one) for one in watch.guardrails)])


def _findings(watch: ExperimentWatch) -> dict[str, Any]:
    guardrails = [_rounded(one) for one in watch.guardrails]
    return {"read_up_to": watch.read_up_to, "units": watch.split.units, "guardrails": guardrails}


def _rounded(guardrail: GuardrailWatch) -> dict[str, Any]:
    table = asdict(guardrail)
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in table.items()}
