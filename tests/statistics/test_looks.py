from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from splitleaf.statistics.grouping import Grouping, total
from splitleaf.statistics.looks import total_looks
from splitleaf.statistics.sequences import estimate_level, estimate_mean, score_difference, stratum_weights


def returning_visitors(images: int = 600, seed: int = 3) -> dict[str, np.ndarray]:
    """Units that come back in later revisions, some of them in another arm; one sends a fifth of all images."""
    generator = np.random.default_rng(seed)
    unit = np.where(generator.random(images) < 0.2, 7, generator.integers(0, 80, images))
    revision = np.sort(generator.integers(1, 4, images))
    arms = (unit % 3 == 0) | ((unit % 3 == 1) & (revision == 3))
    return {"revision": revision, "arms": arms, "unit": unit, "right": generator.random(images) < 0.8}


def test_every_look_is_what_a_report_at_that_moment_would_have_counted() -> None:
    data = returning_visitors()
    grouping = Grouping.of(data["revision"], data["arms"], data["unit"])
    ends = np.array([250, 433, 600])
    looks = total_looks(grouping, data["right"], np.searchsorted(ends, np.arange(600), side="right"), 3)
    for place, end in enumerate(ends):
        until = {name: column[:end] for name, column in data.items()}
        then = total(until["revision"], until["arms"], until["unit"], until["right"])
        score = score_difference(looks.control, looks.candidate, looks.overlap)
        expected = score_difference(then.control, then.candidate, then.overlap)
        assert looks.overlap[place] == pytest.approx(then.overlap, rel=1e-9)
        assert [float(one[place]) for one in astuple(score)] == pytest.approx([float(one) for one in astuple(expected)])


def test_images_that_no_look_sees_count_nowhere() -> None:
    data = returning_visitors()
    grouping = Grouping.of(data["revision"], data["arms"], data["unit"])
    is_seen = data["unit"] % 5 != 0
    looks = total_looks(grouping, data["right"], np.where(is_seen, 0, -1), 1)
    weighted = grouping.total(data["right"], is_seen)
    assert looks.overlap[0] == pytest.approx(weighted.overlap)
    for ours, theirs in ((looks.control, weighted.control), (looks.candidate, weighted.candidate)):
        for mine, whole in zip(astuple(ours), astuple(theirs), strict=True):
            assert mine[0] == pytest.approx(whole)


def test_the_levels_of_both_arms_differ_by_the_difference_that_is_reported() -> None:
    data = returning_visitors()
    sample = total(data["revision"], data["arms"], data["unit"], data["right"])
    weight = stratum_weights(sample.control, sample.candidate)
    levels = [
        estimate_level(arm, weight, 200.0, overlap=overlap)
        for arm, overlap in zip((sample.control, sample.candidate), sample.overlaps, strict=True)
    ]
    score = score_difference(sample.control, sample.candidate)
    assert levels[1].value - levels[0].value == pytest.approx(float(score.sum / score.weight))
    assert all(one.value in one.interval for one in levels)


def test_in_one_stratum_the_level_is_the_mean() -> None:
    data = returning_visitors()
    sample = total(np.ones(600), data["unit"] % 2, data["unit"], data["right"])
    arm = sample.candidate
    assert estimate_level(arm, arm.units, 200.0) == estimate_mean(arm, 200.0)
    assert sample.overlaps == (0.0, 0.0)
