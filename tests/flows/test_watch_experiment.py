"""What the watcher of an experiment waits for."""

from __future__ import annotations

import pytest

from splitleaf.flows.watch_experiment import LATE_MS, _until_unrecorded
from splitleaf.outcomes.experiments import RatedExposure

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    ("age_ms", "is_awaited"), [(LATE_MS - 1, True), (LATE_MS, False), (-1_000, True), (-3_600_000, False)]
)
def test_what_was_said_of_an_unrecorded_answer_is_awaited_unless_it_is_late_or_the_clock_went_back(
    age_ms: int, is_awaited: bool
) -> None:
    page = [RatedExposure(1, False, 0, "", "", True, NOW_MS - age_ms)]
    assert _until_unrecorded(page, NOW_MS) == ([] if is_awaited else page)
