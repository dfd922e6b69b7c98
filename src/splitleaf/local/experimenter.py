"""What the command line does to experiments, in the database that a running system reads."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from splitleaf.core.errors import SplitleafError
from splitleaf.experiments.plan import Plan
from splitleaf.experiments.watch import ControlWatch, read_watch
from splitleaf.flows import run_experiment as flow
from splitleaf.flows.run_experiment import Hand
from splitleaf.flows.serving import ready_versions
from splitleaf.flows.size_experiment import Question, Sizing, size_experiment
from splitleaf.flows.weigh_promotion import Evidence
from splitleaf.installation.broker import installed_broker_url, queue_limits
from splitleaf.jobs.redis import RedisControlDesk, RedisWorkerDirectory
from splitleaf.local.operator import Operator
from splitleaf.outcomes.experiments import AuditEntry, ExperimentRecord, ExposureCount, RevisionRecord
from splitleaf.registry.repository import CHAMPION


class Experimenter(Operator):
    """Raises what `flows.run_experiment` raises."""

    def experiments(self) -> Sequence[ExperimentRecord]:
        return self._store.experiments()

    def experiment(self, key: str) -> ExperimentRecord:
        return flow.find_experiment(self._store, key)

    def revisions(self, key: str) -> Sequence[RevisionRecord]:
        return self._store.experiment_revisions(key)

    def exposures(self, key: str) -> Sequence[ExposureCount]:
        return self._store.count_exposures(key)

    def story(self, key: str) -> Sequence[AuditEntry]:
        return self._store.audit_log(f"experiment/{key}")

    def watch(self) -> ControlWatch | None:
        """Return what the leading controller sees; None while nobody leads, or the broker cannot be asked."""
        try:
            return asyncio.run(self._ask_leader(installed_broker_url(self._settings)))
        except SplitleafError:
            return None

    def create(self, plan: Plan, reason: str) -> ExperimentRecord:
        return flow.create_experiment(self._store, plan, self._hand(reason), self._clock)

    def edit(self, plan: Plan, reason: str) -> ExperimentRecord:
        return flow.edit_experiment(self._store, plan.key, plan, self._hand(reason), self._clock)

    def start(self, key: str, reason: str) -> ExperimentRecord:
        self.experiment(key)
        return flow.start_experiment(self._store, key, self._loaded(), self._hand(reason), self._clock)

    def pause(self, key: str, reason: str) -> ExperimentRecord:
        return flow.pause_experiment(self._store, key, self._hand(reason), self._clock)

    def resume(self, key: str, reason: str) -> ExperimentRecord:
        self.experiment(key)
        return flow.resume_experiment(self._store, key, self._loaded(), self._hand(reason), self._clock)

    def ramp_to_stage(self, key: str, stage: int | None, reason: str) -> ExperimentRecord:
        """Without a stage: the next one."""
        stage = self.experiment(key).stage + 1 if stage is None else stage
        return flow.ramp_to_stage(self._store, key, stage, self._hand(reason), self._clock)

    def ramp_to_shares(self, key: str, shares: Mapping[str, float], reason: str) -> ExperimentRecord:
        return flow.ramp_to_shares(self._store, key, shares, self._hand(reason), self._clock)

    def stop(self, key: str, reason: str) -> ExperimentRecord:
        return flow.stop_experiment(self._store, key, self._hand(reason), self._clock)

    def promote(
        self, key: str, variant: str, evidence: Evidence, reason: str, *, against_evidence: bool
    ) -> ExperimentRecord:
        """A version that lies in the repository can be promoted, also while nothing runs."""
        ready, champion, hand = self._imported(), self.alias(CHAMPION), self._hand(reason)
        return flow.promote_variant(
            *(self._store, key, variant, ready, champion, evidence, hand, self._clock),
            against_evidence=against_evidence,
        )

    def reject(self, key: str, reason: str) -> ExperimentRecord:
        return flow.reject_experiment(self._store, key, self._hand(reason), self._clock)

    def roll_back(self, key: str, reason: str) -> ExperimentRecord:
        return flow.roll_back_experiment(self._store, key, self._hand(reason), self._clock)

    def size(self, question: Question) -> Sizing:
        return size_experiment(self._store, question, self._clock)

    def _hand(self, reason: str) -> Hand:
        return Hand(self._actor, reason)

    def _loaded(self) -> frozenset[str]:
        """Ask the workers' reports in the broker. Raises `DependencyDown` when there is none to ask."""
        return asyncio.run(self._ask_workers(installed_broker_url(self._settings)))

    async def _ask_workers(self, url: str) -> frozenset[str]:
        directory = RedisWorkerDirectory(url, queue_limits(self._settings))
        try:
            return ready_versions(await directory.workers())
        finally:
            await directory.close()

    async def _ask_leader(self, url: str) -> ControlWatch | None:
        desk = RedisControlDesk(url, queue_limits(self._settings))
        try:
            return read_watch(await desk.statement())
        finally:
            await desk.close()
