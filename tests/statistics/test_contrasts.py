"""Contrasts, Holm's levels and units that send many images."""

from __future__ import annotations

import math

import numpy as np
import pytest

from splitleaf.statistics.contrasts import Planned, contrast_arms, contrast_pairs
from splitleaf.statistics.grouping import Sample, total
from splitleaf.statistics.mcnemar import PairedCounts, compare_paired, pairs_design_effect
from splitleaf.statistics.multiplicity import adjust_holm, holm_levels

PLANNED = Planned(4000, 0.5)


def sample_of(seed: int, images: int, rates: tuple[float, float] = (0.9, 0.9)) -> Sample:
    generator = np.random.default_rng(seed)
    arms = generator.random(images) < 0.5
    right = generator.random(images) < np.where(arms, rates[1], rates[0])
    return total(np.ones(images), arms, np.arange(images), right)


def test_a_level_leaves_out_zero_just_where_holm_rejects() -> None:
    p_values = {"a": 0.012, "b": 0.3, "c": 0.024, "d": 0.02}
    levels, adjusted = holm_levels(p_values, 0.05), adjust_holm(p_values)
    assert levels["a"] == pytest.approx(0.05 / 4)
    for name, p_value in p_values.items():
        assert (p_value <= levels[name]) == (adjusted[name] <= 0.05)


def test_as_many_further_images_as_are_needed_make_the_interval_narrow_enough() -> None:
    found = contrast_arms(sample_of(1, 2000), PLANNED, 0.05)
    more = found.images_needed(0.02, 0.05)
    assert more is not None
    later = contrast_arms(sample_of(1, 2000 + more), PLANNED, 0.05).difference
    assert later.interval.half_width == pytest.approx(max(0.02, abs(found.difference.value)), rel=0.1)
    assert found.images_needed(0.5, 0.05) == 0
    assert contrast_arms(sample_of(1, 30), PLANNED, 0.05).images_needed(0.02, 0.05) is None


def test_a_measure_in_its_own_unit_scales_as_it_should() -> None:
    share = contrast_arms(sample_of(2, 3000, (0.6, 0.5)), PLANNED, 0.05)
    in_ms = contrast_arms(sample_of(2, 3000, (0.6, 0.5)), PLANNED, 0.05, scale=250.0)
    assert in_ms.difference.value == pytest.approx(250 * share.difference.value)
    assert in_ms.difference.interval.low == pytest.approx(250 * share.difference.interval.low)
    assert in_ms.difference.log_e_value == share.difference.log_e_value


def test_pairs_cover_the_truth_and_see_a_difference_that_is_there() -> None:
    generator = np.random.default_rng(3)
    unit = np.repeat(np.arange(400), 5)
    gap = 0.05 + 0.2 * generator.standard_normal(400)[unit] / 3 + 0.1 * generator.standard_normal(2000)
    found = contrast_pairs(np.clip(gap, -1, 1), unit, 2000, 0.05).difference
    assert 0 < found.interval.low <= 0.05 <= found.interval.high
    alone = contrast_pairs(np.clip(gap, -1, 1), np.arange(2000), 2000, 0.05).difference
    assert alone.interval.half_width < found.interval.half_width, "images of one unit tell less"


def test_images_of_one_unit_count_for_what_they_tell() -> None:
    assert pairs_design_effect([1, -1, 1], [1, 1, 1]) == 1
    assert pairs_design_effect([5, -5, 5], [5, 5, 5]) == 5
    assert pairs_design_effect([0] * 10, [2] * 10) == 1, "wins and losses that cancel out make nobody surer"
    assert pairs_design_effect([0, 0], [4, 2]) == 3, "two units tell no more than two images, whatever they look like"
    assert pairs_design_effect([], []) == 1
    once = compare_paired(PairedCounts(1000, 30, 60), 2000)
    five = compare_paired(PairedCounts(5000, 150, 300, design_effect=5.0), 10_000)
    assert five.log_e_value == pytest.approx(once.log_e_value)
    assert five.value == pytest.approx(once.value)
    assert math.isclose(five.interval.half_width, once.interval.half_width, rel_tol=0.05)
