"""May the next stage of the ramp begin, and if not, what is missing? Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from splitleaf.experiments.watch import RampStep, StageWatch


def next_step(stage: StageWatch, holds: Sequence[str]) -> tuple[RampStep, tuple[str, ...]]:
    """Return what comes next and what the stage still waits for.

    A stage is left only when its minimum time *and* number of images are reached and nothing holds it. One that
    names neither is left by a person: no one said when it would be safe.
    """
    if holds:
        return RampStep.HOLD, ()
    if stage.next_share is None:
        return RampStep.COMPLETE, ()
    if not stage.min_minutes and not stage.min_images:
        return RampStep.BY_HAND, ()
    waiting = missing(stage)
    return (RampStep.WAIT, waiting) if waiting else (RampStep.ADVANCE, ())


def missing(stage: StageWatch) -> tuple[str, ...]:
    """Return what the stage's minimums still ask for, in words."""
    images = stage.min_images - stage.images
    minutes = math.ceil(round(stage.min_minutes - stage.minutes, 6))
    found = []
    if images > 0:
        found.append(f"{images:,} more {'image' if images == 1 else 'images'}")
    if minutes > 0:
        found.append(f"{minutes:,} more {'minute' if minutes == 1 else 'minutes'}")
    return tuple(found)


def summarize(stage: StageWatch, step: RampStep, waiting_for: Sequence[str], held_by: Sequence[str]) -> str:
    """Return where the ramp stands in one line."""
    if stage.stages:
        where = f"stage {stage.stage + 1} of {stage.stages} ({stage.share:g} %)"
    else:
        where = f"{stage.share:g} % are shown a candidate" if stage.share else "no one is shown a candidate"
    words = {
        RampStep.ADVANCE: "continues to the next stage now",
        RampStep.WAIT: f"waiting for {' and '.join(waiting_for)}",
        RampStep.HOLD: f"held: {'; '.join(held_by)}",
        RampStep.BY_HAND: "waits for a manual step: the stage names neither min_minutes nor min_n",
        RampStep.COMPLETE: "the last stage" if stage.stages else "the plan has no ramp",
    }
    return f"{where}: {words[step]}"
