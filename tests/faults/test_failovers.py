"""What is left of accepted predictions when the broker's primary fails under load and a replica takes over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.failovers import Plan, run_failovers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("is_demoted", [False, True], ids=["killed", "demoted"])
async def test_a_primary_that_fails_with_its_replication_cut_takes_nothing_along(
    tmp_path: Path, is_demoted: bool
) -> None:
    finding = await run_failovers(tmp_path, Plan(failovers=1, is_demoted=is_demoted, per_second=30))
    told = [str(one) for one in finding.violations]
    assert told == [], "\n".join([*told, *(finding.history.story_of(one.prediction_id) for one in finding.violations)])
    assert len(finding.history.accepted()) > 60
    assert max(finding.from_failover_s) < 30  # some hundred milliseconds; `python -m tests.faults.failovers` prints it
