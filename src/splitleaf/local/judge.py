"""A report from the database that a running system writes, on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from splitleaf.analysis.report import Report
from splitleaf.core.errors import SplitleafError
from splitleaf.flows.judge_experiment import ask_settled, judge_experiment, settled_by_clock
from splitleaf.installation.broker import installed_broker_url, queue_limits
from splitleaf.installation.store import LocalHand
from splitleaf.jobs.redis import RedisControlDesk


class Judge(LocalHand):
    """Reads, and changes nothing."""

    def report(self, key: str) -> Report:
        """Raise what `judge_experiment` raises."""
        return judge_experiment(self._store, key, self._clock, self._settled_ms())

    def _settled_ms(self) -> int:
        ttl_s = self._settings.api.prediction_ttl_s
        try:
            return asyncio.run(self._ask(installed_broker_url(self._settings), ttl_s))
        except SplitleafError:
            return settled_by_clock(self._clock, ttl_s)

    async def _ask(self, url: str, ttl_s: float) -> int:
        desk = RedisControlDesk(url, queue_limits(self._settings))
        try:
            return await ask_settled(desk, self._clock, ttl_s)
        finally:
            await desk.close()


def judge_here(key: str, data_dir: Path | None = None) -> Report:
    with Judge(data_dir) as judge:
        return judge.report(key)
