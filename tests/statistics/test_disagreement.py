"""What can be known of two versions without any label."""

from __future__ import annotations

import numpy as np
import pytest

from splitleaf.statistics.disagreement import UNLABELLED_PART, Disagreements, compare_answers, items_needed
from splitleaf.statistics.mcnemar import PairedCounts, compare_paired
from splitleaf.statistics.proportions import bound_rate_above

MARGIN = 0.01


def known_within(generator: np.random.Generator, disagreement: float, images: int) -> int:
    """Return after how many images two versions are known to be within the margin; `images` where never."""
    different = np.cumsum(generator.random(images) < disagreement)
    for seen in range(400, images, 100):
        found = compare_answers(
            PairedCounts(0, 0, 0), Disagreements(seen, int(different[seen - 1])), 5_000, 0.05, MARGIN
        )
        if found.is_enough:
            assert found.interval.low > -MARGIN
            assert found.interval.high < MARGIN
            return seen
    return images


def test_versions_that_hardly_disagree_are_known_to_be_alike_without_a_label() -> None:
    generator = np.random.default_rng(1)
    images = [known_within(generator, 0.002, 3_000) for _ in range(40)]
    assert np.median(images) <= 1_400


def test_the_bound_holds_at_all_looks_together() -> None:
    generator = np.random.default_rng(2)
    looks = np.arange(200, 3_000, 200)
    missed = 0
    for _ in range(120):
        # At its worst: the candidate is right wherever the versions disagree.
        different = np.cumsum(generator.random(3_000) < MARGIN)
        missed += any(bound_rate_above(int(different[n - 1]), int(n - different[n - 1]), 0.05) < MARGIN for n in looks)
    assert missed / 120 <= 0.05


def test_images_of_one_unit_that_resemble_each_other_are_no_more_than_one() -> None:
    alike = Disagreements.of_units([20] * 60, [0] * 60)
    apart = Disagreements.of_units([1] * 1200, [0] * 1200)
    assert (alike.items, apart.items) == (1200, 1200)
    assert alike.most(0.005) > 0.05
    assert apart.most(0.005) < 0.01
    learnt = Disagreements.of_units([20] * 60, [20] * 12 + [0] * 48)
    assert learnt.design_effect == pytest.approx(20)


def test_labels_decide_where_they_know_more_and_the_bound_takes_a_tenth_of_alpha_only() -> None:
    counts = PairedCounts(5_000, 90, 160)
    both = compare_answers(counts, Disagreements(5_000, 300), 5_000)
    alone = compare_paired(counts, 5_000, 0.05 * (1 - UNLABELLED_PART))
    assert both.interval == alone.interval
    assert np.exp(both.log_e_value - alone.log_e_value) == pytest.approx(1 - UNLABELLED_PART)


def test_the_plan_without_labels_grows_with_the_disagreement_and_ends_at_the_margin() -> None:
    sizes = [items_needed(share, MARGIN) for share in (0.0, 0.001, 0.002, 0.005)]
    assert sizes == sorted(sizes, key=lambda one: one or 0)
    assert items_needed(0.01, MARGIN) is None
    planned = items_needed(0.002, MARGIN)
    assert planned is not None
    generator = np.random.default_rng(3)
    in_time = [known_within(generator, 0.002, planned + 100) <= planned for _ in range(40)]
    assert np.mean(in_time) >= 0.7


@pytest.mark.filterwarnings("error")
def test_the_plan_without_labels_grows_with_the_power_from_one_end_of_it_to_the_other() -> None:
    powers = (1e-300, 1e-9, 1e-3, 0.1, 0.5, 0.8, 0.99, 1 - 1e-12)
    without, with_some = ([items_needed(share, MARGIN, power) for power in powers] for share in (0.0, 0.002))
    assert len(set(without)) == 1, "without disagreements there is no luck"
    assert with_some == sorted(with_some, key=lambda one: one or 0)
    assert with_some[0] == without[0], "the lowest power hopes for no disagreement"
