"""Windows of live images: silent while nothing changes, loud when something does."""

from __future__ import annotations

import numpy as np
import pytest

from splitleaf.analysis.baseline import Baseline, Spread
from splitleaf.analysis.windows import ALPHA, LABEL, judge_window

NAMES = tuple(f"measure {number}" for number in range(12))
LABELS = ("a", "b", "c", "d", "e")
REFERENCE = np.random.default_rng(1).normal(size=(2000, len(NAMES)))
BASELINE = Baseline(
    {name: Spread.of(REFERENCE[:, place]) for place, name in enumerate(NAMES)}, dict.fromkeys(LABELS, 400)
)


def alarms(rng: np.random.Generator, images: int, shift: float = 0.0, shares: tuple[float, ...] | None = None) -> bool:
    values = rng.normal(size=(images, len(NAMES)))
    values[:, 0] += shift
    labels = rng.choice(LABELS, images, p=shares).tolist()
    judged = judge_window(BASELINE, dict(zip(NAMES, values.T.tolist(), strict=True)), labels)
    return any(one.is_drift for one in judged)


@pytest.mark.slow
@pytest.mark.parametrize("images", [100, 500])
def test_without_drift_at_most_one_window_in_a_hundred_is_an_alarm(images: int) -> None:
    rng = np.random.default_rng(7)
    found = sum(alarms(rng, images) for _ in range(500))
    assert found <= 500 * ALPHA


def test_a_shift_of_one_measure_among_many_is_an_alarm() -> None:
    rng = np.random.default_rng(8)
    assert all(alarms(rng, 500, shift=0.8) for _ in range(20))


def test_other_shares_of_the_labels_are_an_alarm() -> None:
    rng = np.random.default_rng(9)
    assert all(alarms(rng, 500, shares=(0.6, 0.1, 0.1, 0.1, 0.1)) for _ in range(20))


def test_labels_that_training_did_not_have_count() -> None:
    judged = judge_window(BASELINE, {}, ["new"] * 300)
    assert [(one.measure, one.is_drift) for one in judged] == [(LABEL, True)]


def test_what_the_baseline_does_not_know_is_left_out_and_the_furthest_off_comes_first() -> None:
    values = {NAMES[0]: [0.0] * 300, NAMES[1]: REFERENCE[:300, 1].tolist(), "unknown": [1.0] * 300}
    judged = judge_window(BASELINE, values, [])
    assert [one.measure for one in judged] == [NAMES[0], NAMES[1]]


def test_values_that_are_all_alike_in_training_have_a_single_bin() -> None:
    constant = Baseline({"grey": Spread.of([3.0] * 200)}, {})
    (same,) = judge_window(constant, {"grey": [3.0] * 200}, [])
    assert not same.is_drift
