"""When the next stage may begin, and what is said while it may not."""

from __future__ import annotations

from typing import Any

import pytest

from splitleaf.experiments.ramping import missing, next_step, summarize
from splitleaf.experiments.watch import RampStep, StageWatch


def stage(**changes: Any) -> StageWatch:
    values: dict[str, Any] = {
        "stage": 0,
        "stages": 4,
        "revision": 1,
        "share": 1.0,
        "next_share": 5.0,
        "began_ms": 0,
        "minutes": 60.0,
        "min_minutes": 60.0,
        "images": 500,
        "min_images": 500,
    }
    return StageWatch(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "holds", "step", "line"),
    [
        ({}, [], RampStep.ADVANCE, "stage 1 of 4 (1 %): continues to the next stage now"),
        ({"images": 287}, [], RampStep.WAIT, "stage 1 of 4 (1 %): waiting for 213 more images"),
        ({"images": 499}, [], RampStep.WAIT, "stage 1 of 4 (1 %): waiting for 1 more image"),
        ({"minutes": 58.2}, [], RampStep.WAIT, "stage 1 of 4 (1 %): waiting for 2 more minutes"),
        (
            {"images": 0, "min_images": 5000, "minutes": 0.0},
            [],
            RampStep.WAIT,
            "stage 1 of 4 (1 %): waiting for 5,000 more images and 60 more minutes",
        ),
        ({}, ["paused", "the split is off"], RampStep.HOLD, "stage 1 of 4 (1 %): held: paused; the split is off"),
        (
            {"min_minutes": 0.0, "min_images": 0},
            [],
            RampStep.BY_HAND,
            "stage 1 of 4 (1 %): waits for a manual step: the stage names neither min_minutes nor min_n",
        ),
        ({"min_minutes": 0.0}, [], RampStep.ADVANCE, "stage 1 of 4 (1 %): continues to the next stage now"),
        (
            {"stage": 3, "share": 100.0, "next_share": None},
            [],
            RampStep.COMPLETE,
            "stage 4 of 4 (100 %): the last stage",
        ),
        (
            {"stages": 0, "share": 50.0, "next_share": None},
            [],
            RampStep.COMPLETE,
            "50 % are shown a candidate: the plan has no ramp",
        ),
        (
            {"stages": 0, "share": 0.0, "next_share": None},
            [],
            RampStep.COMPLETE,
            "no one is shown a candidate: the plan has no ramp",
        ),
    ],
)
def test_a_stage_ends_when_both_minimums_are_reached_and_nothing_holds_it(
    changes: dict[str, Any], holds: list[str], step: RampStep, line: str
) -> None:
    here = stage(**changes)
    found, waiting_for = next_step(here, holds)
    assert found is step
    assert summarize(here, found, waiting_for, holds) == line


def test_a_minimum_that_is_just_reached_is_reached() -> None:
    assert missing(stage(minutes=59.99999999999)) == ()
    assert missing(stage(minutes=59.9)) == ("1 more minute",)
