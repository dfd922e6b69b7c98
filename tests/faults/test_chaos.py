"""One short seed of `make chaos`: everything is broken under load, and every promise holds."""

from __future__ import annotations

import pytest

from tests.faults.drill import Drill, run_drill
from tests.faults.surroundings import offered_here

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SEED = 2026


async def test_every_promise_holds_while_everything_breaks() -> None:
    has = offered_here() - {"postgres", "host clock"}
    finding = await run_drill(Drill(SEED, seconds=30, per_second=25, has=has))
    told = "\n".join([f"python -m tests.faults --first {SEED} --seeds 1", *finding.violations, finding.stories])
    assert finding.violations == [], told
    assert finding.errors == [], "the harness itself failed"
    assert finding.accepted > 100
    assert len(finding.faults) >= 12, finding.faults
