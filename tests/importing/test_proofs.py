"""The mathematics of an import: parity, calibration, intervals, the assignment of labels."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitleaf.core.errors import ImportRefused
from splitleaf.importing.assignment import assign
from splitleaf.importing.calibration import calibration_error, fit_temperature
from splitleaf.importing.parity import Parity, compare, nudge
from splitleaf.importing.statistics import paired_p_value, wilson_interval
from tests.importing.refusing import refused

ANSWERS = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], dtype=np.float32)


def compared(found: np.ndarray, original: np.ndarray = ANSWERS) -> Parity:
    return compare(
        original, found.astype(np.float32), output="probabilities", random_pictures=1, reference="the original"
    )


def test_equal_answers_prove_parity() -> None:
    proof = compared(ANSWERS + np.array([2e-5, -2e-5, 0]))
    assert (proof.images, proof.random_pictures, proof.real_pictures, proof.same_top_1) == (2, 1, 1, 2)
    assert proof.largest_difference == pytest.approx(2e-5, rel=0.05)


@pytest.mark.parametrize(
    "found",
    [
        ANSWERS + np.array([2e-4, -2e-4, 0]),
        ANSWERS[:, ::-1],
        np.array([[np.nan, 0.2, 0.1], [0.1, 0.3, 0.6]]),
        ANSWERS[:, :2],
        ANSWERS[:1],
    ],
    ids=["far", "another order", "not a number", "fewer classes", "fewer images"],
)
def test_other_answers_are_refused(found: np.ndarray) -> None:
    with refused("parity_failed"):
        compared(found)


def test_another_top_1_is_refused_however_near() -> None:
    original = np.array([[0.50001, 0.49999]], dtype=np.float32)
    with pytest.raises(ImportRefused, match="same top-1 on 0 of 1"):
        compared(original[:, ::-1], original)


def test_a_tie_that_float32_cannot_tell_apart_is_no_difference() -> None:
    original = np.array([[0.5, 0.5, 0.0]], dtype=np.float32)
    assert compared(original + np.array([-1e-7, 1e-7, 0]), original).same_top_1 == 1


@pytest.mark.parametrize(
    ("apart", "own", "is_equal"),
    [(3e-4, 1e-4, True), (3e-4, 1e-5, False), (3e-4, 0.0, False), (2e-3, 1.0, False)],
    ids=["the original moves as far", "it moves less", "it does not move", "too far whatever it does"],
)
def test_nobody_can_be_nearer_to_the_original_than_a_rounding_of_its_images_moves_it(
    apart: float, own: float, is_equal: bool
) -> None:
    def proof() -> Parity:
        return compare(
            ANSWERS,
            (ANSWERS + np.array([apart, -apart, 0])).astype(np.float32),
            output="probabilities",
            random_pictures=1,
            reference="the original",
            nudged=lambda: (ANSWERS + np.array([-own, own, 0])).astype(np.float32),
        )

    if is_equal:
        assert proof().same_top_1 == 2
    else:
        with refused("parity_failed"):
            proof()


def test_a_nudge_is_one_rounding_of_every_value() -> None:
    batch = np.random.default_rng(1).uniform(1, 255, (2, 8, 8, 3)).astype(np.float32)
    moved = nudge(batch)
    assert ((moved != batch) & (np.abs(moved - batch) <= np.spacing(batch))).all()
    assert 0.3 < (moved > batch).mean() < 0.7


@given(st.integers(1, 5), st.integers(0, 2), st.integers(0, 10_000))
def test_an_assignment_is_as_good_as_the_best_of_all(rows: int, more: int, seed: int) -> None:
    weights = np.random.default_rng(seed).integers(0, 20, (rows, rows + more)).astype(np.float64)
    found = assign(weights)
    assert len(set(found)) == rows
    best = max(
        sum(weights[row, column] for row, column in enumerate(columns))
        for columns in itertools.permutations(range(rows + more), rows)
    )
    assert sum(weights[row, column] for row, column in enumerate(found)) == best


def test_a_temperature_undoes_the_overconfidence_that_was_put_in() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 2, (4000, 5))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(5, p=one) for one in shares])
    fit = fit_temperature((3 * logits).astype(np.float32), truth, "logits")
    assert fit.temperature == pytest.approx(3, rel=0.08)
    assert fit.calibration_error_after < 0.03 < fit.calibration_error_before


def test_the_calibration_error_is_the_gap_between_confidence_and_truth() -> None:
    sure = np.array([[0.9, 0.1]] * 10)
    assert calibration_error(sure, np.array([0] * 6 + [1] * 4)) == pytest.approx(0.3)


def test_the_interval_of_a_share_is_wilsons() -> None:
    # By definition each end is the share from which 591 of 600 lies 1.96 standard errors away.
    for end in wilson_interval(591, 600):
        assert abs(591 / 600 - end) == pytest.approx(1.959964 * (end * (1 - end) / 600) ** 0.5, rel=1e-5)
    low, high = wilson_interval(591, 600)
    assert low < 591 / 600 < high
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(5, 5)[1] == 1.0


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (5, 5), (8, 0), (10, 2), (40, 20), (300, 290)])
def test_two_preprocessings_are_compared_by_the_exact_test_of_mcnemar(better: int, worse: int) -> None:
    total, fewer = better + worse, min(better, worse)
    expected = min(1.0, 2 * sum(math.comb(total, k) for k in range(fewer + 1)) / 2**total)
    one = np.array([True] * better + [False] * worse + [True] * 7)
    other = np.array([False] * better + [True] * worse + [True] * 7)
    assert paired_p_value(one, other) == pytest.approx(expected, rel=1e-9)
    assert paired_p_value(other, one) == pytest.approx(expected, rel=1e-9)
