"""Steps and reports of experiments for which a command asks the broker."""

from __future__ import annotations

from splitleaf.analysis.report import Report
from splitleaf.core.errors import SplitleafError
from splitleaf.experiments.watch import ControlWatch, read_watch
from splitleaf.flows import run_experiment as flow
from splitleaf.flows.judge_experiment import ask_settled, judge_experiment, settled_by_clock
from splitleaf.flows.serving import ready_versions
from splitleaf.installation.queue import QueueBackend
from splitleaf.local.services import LocalServices, ask_broker
from splitleaf.outcomes.experiments import ExperimentRecord


def start_experiment(here: LocalServices, key: str, reason: str) -> ExperimentRecord:
    """Raise `NotFound` for an unknown key, even when no broker answers; else as `flows.run_experiment` does."""
    flow.find_experiment(here.store, key)
    return flow.start_experiment(here.store, key, _loaded_versions(here), here.change(reason), here.clock)


def resume_experiment(here: LocalServices, key: str, reason: str) -> ExperimentRecord:
    """Raise as `start_experiment` does."""
    flow.find_experiment(here.store, key)
    return flow.resume_experiment(here.store, key, _loaded_versions(here), here.change(reason), here.clock)


def _loaded_versions(here: LocalServices) -> frozenset[str]:
    """Return the versions that workers have loaded. Raises `DependencyDown` when no broker answers."""
    return ready_versions(ask_broker(here.settings, QueueBackend.directory, lambda directory: directory.workers()))


def find_watch(here: LocalServices) -> ControlWatch | None:
    """Return what the leading controller sees; None while there is no leader, or when no broker answers."""
    try:
        return read_watch(ask_broker(here.settings, QueueBackend.election, lambda election: election.statement()))
    except SplitleafError:
        return None


def read_report(here: LocalServices, key: str) -> Report:
    """Return the report on an experiment. Raises what `judge_experiment` raises."""
    ttl_s = here.settings.api.prediction_ttl_s
    try:
        settled_ms = ask_broker(here.settings, QueueBackend.election, lambda one: ask_settled(one, here.clock, ttl_s))
    except SplitleafError:
        settled_ms = settled_by_clock(here.clock, ttl_s)
    return judge_experiment(here.store, key, here.clock, settled_ms)
