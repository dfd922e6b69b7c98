"""A report from the database that a running system writes, on this machine."""

from __future__ import annotations

from pathlib import Path

from splitleaf.analysis.report import Report
from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.processes.store import LocalHand


class Judge(LocalHand):
    """Reads, and changes nothing."""

    def report(self, key: str) -> Report:
        """Raise what `judge_experiment` raises."""
        return judge_experiment(self._store, key, self._clock)


def judge_here(key: str, data_dir: Path | None = None) -> Report:
    with Judge(data_dir) as judge:
        return judge.report(key)
