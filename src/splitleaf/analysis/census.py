"""Labels of (nearly) all images. No one chose them by what the versions said, so each stands for itself alone.

Images without a label are taken for what they could be at worst, once all wrong and once all right: C. F. Manski,
"Anatomy of the Selection Problem", Journal of Human Resources 24 (1989), 343-360. So it does not matter why they
have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from splitleaf.analysis.frame import ArmSpec, Frame
from splitleaf.analysis.labels import LabelledImage, answer_of
from splitleaf.outcomes.events import FeedbackSource
from splitleaf.outcomes.exposures import Bools

MOST_MISSING: Final = 0.05
"""Of any arm's answers: with more, the bounds say less than an audit would."""


@dataclass(frozen=True, slots=True)
class Census:
    images: Sequence[LabelledImage]
    """Each with the probability 1."""
    missing: Mapping[str, float]
    """By arm, the share of its answers of which no one knows whether they are right."""


def take_census(frame: Frame, asked: Sequence[LabelledImage]) -> Census | None:
    """Return the labels of all images up to the newest imported one, or up to the newest one where none is imported.

    What came later has not had its turn yet. None where an arm lacks more than `MOST_MISSING`: of labels that
    someone picked, no one knows what they stand for.
    """
    if not asked:
        return None
    until_ms = max(
        [one.created_ms for one in asked if one.source is FeedbackSource.IMPORT] or [one.created_ms for one in asked]
    )
    images = [replace(one, sampling_probability=1.0) for one in asked if one.created_ms <= until_ms]
    shown = frame.shown & (frame.rows.created_ms <= until_ms)
    missing = {}
    for place, arm in enumerate(frame.arms):
        if answered := int(_answers(frame, place, shown).sum()):
            missing[arm.name] = max(0.0, 1 - _count_told(arm, images) / answered)
    is_whole = frame.control.name in missing and max(missing.values()) <= MOST_MISSING
    return Census(images, missing) if is_whole else None


def _answers(frame: Frame, place: int, shown: Bools) -> Bools:
    """Return an arm's answers to the images of the rows `shown`."""
    rows, arm = frame.rows, frame.arms[place]
    if arm.role != "shadow":
        answers: Bools = shown & rows.is_answered & (frame.arm == place)
        return answers
    version = rows.versions.index(arm.version) if arm.version in rows.versions else -1
    answers = rows.is_shadow & rows.is_answered & (rows.version == version)
    return answers & np.isin(rows.image, rows.image[shown])


def _count_told(arm: ArmSpec, images: Sequence[LabelledImage]) -> int:
    answers = (answer_of(arm, one) for one in images)
    return sum(answer is not None and answer.is_right is not None for answer in answers)
