"""A confidence sequence for the difference of two arms: look whenever you like.

Robbins' normal mixture in its asymptotic form: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central
limit theory and asymptotic confidence sequences" (arXiv 2103.06476). Strata are compared within themselves and
only then summed, so that a ramp under drift cannot pass for an effect. Variances are the delta method's for a
ratio of unit totals: Deng, Knoblich, Lu, "Applying the Delta Method in Metric Analytics" (arXiv 1803.06336).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from splitleaf.statistics.records import ArmTotals, Difference, Estimate, Floats, Interval, divide

LEAST_OF_EACH: Final = 10
"""Successes, and failures, that each arm must have before the normal approximation is trusted."""


@dataclass(frozen=True, slots=True)
class Score:
    """The running sum whose drift is the effect. Each field has the shape (...)."""

    sum: Floats
    """S = sum over strata of h * D, h = n_a n_b / (n_a + n_b) in units."""
    variance: Floats
    """V = variance of S: the clock by which evidence grows."""
    weight: Floats
    """Sum of h; S / weight estimates the difference."""


def score_difference(control: ArmTotals, candidate: ArmTotals, overlap: Floats | float = 0.0) -> Score:
    """Return the score of candidate minus control, strata weighted by how much they can tell.

    `overlap` is what units that were seen in several strata add to the variance (`grouping.Sample.overlap`).
    """
    weight = stratum_weights(control, candidate)
    difference = candidate.mean - control.mean
    variance = weight**2 * (mean_variance(control) + mean_variance(candidate))
    total = variance.sum(axis=-1)
    # Units that changed arms can make the overlap negative; the variance is not lowered for their sake.
    return Score((weight * difference).sum(axis=-1), total + np.maximum(overlap, 0.0), weight.sum(axis=-1))


def stratum_weights(control: ArmTotals, candidate: ArmTotals) -> Floats:
    """Return h of each stratum, (..., strata); 0 where an arm is empty."""
    return divide(control.units * candidate.units, control.units + candidate.units)


def mean_variance(arm: ArmTotals) -> Floats:
    """Return the variance of the arm's mean by stratum, clustered by unit, with one pseudo-unit right and one wrong.

    The pseudo-units, of average size, keep the variance from being 0 while all outcomes are equal.
    """
    size = divide(arm.images, arm.units)
    mean = divide(arm.outcomes + size, arm.images + 2 * size)
    squares = arm.outcomes_squared + size**2
    squares = squares - 2 * mean * (arm.products + size**2) + mean**2 * (arm.images_squared + 2 * size**2)
    # Exact arithmetic would never be negative; subtraction of large sums may be.
    variance: Floats = np.maximum(squares, 0.0)
    return divide(variance, (arm.units + 2) * arm.units * size**2)


def is_enough(*arms: ArmTotals) -> NDArray[np.bool_]:
    """Return whether each arm, over its strata, has enough successes and failures.

    Counted in effective units, and in units that have any: a unit's failures alone open nothing.
    """
    enough: NDArray[np.bool_] = np.all([_least(arm) >= LEAST_OF_EACH for arm in arms], axis=0)
    return enough


def _least(arm: ArmTotals) -> Floats:
    # Rounded, because 0.9 * 100 failures of 100 are 9.999999999999998.
    successes = (arm.effective_units * arm.mean).sum(axis=-1)
    failures = (arm.effective_units * (1 - arm.mean)).sum(axis=-1)
    units = np.minimum(arm.succeeding.sum(axis=-1), arm.failing.sum(axis=-1))
    least: Floats = np.minimum(np.minimum(successes, failures).round(9), units)
    return least


def planned_variance(baseline: float, control_units: float, candidate_units: float) -> float:
    """Return V once the planned units are seen, when about `baseline` of the outcomes are successes."""
    return baseline * (1 - baseline) * control_units * candidate_units / (control_units + candidate_units)


def mixture_width(planned: float, alpha: float) -> float:
    """Return rho, which makes the sequence narrowest at half the planned variance, where decisions usually fall."""
    return planned / 2 / (-2 * math.log(alpha) + math.log1p(-2 * math.log(alpha)))


def bound(variance: Floats | float, rho: float, alpha: float) -> Floats:
    """Return what |S - its drift| stays below forever, with probability 1 - alpha."""
    return np.sqrt((variance + rho) * (np.log((variance + rho) / rho) - 2 * math.log(alpha)))


def log_e_value(score: Score, rho: float) -> Floats:
    """Return ln of the evidence against "no difference"; at least ln(1 / alpha) just where the bound excludes 0."""
    variance = score.variance
    return score.sum**2 / (2 * (variance + rho)) - np.log((variance + rho) / rho) / 2


def compare(
    control: ArmTotals, candidate: ArmTotals, planned: float, alpha: float = 0.05, overlap: float = 0.0
) -> Difference:
    """Return candidate minus control with its confidence sequence. Totals of the shape (strata,)."""
    score = score_difference(control, candidate, overlap)
    weight = float(score.weight)
    value = float(score.sum) / weight if weight else 0.0
    if not weight or not is_enough(control, candidate):
        return Difference(value, Interval(-1.0, 1.0), 0.0, is_enough=False)
    rho = mixture_width(planned, alpha)
    half = float(bound(score.variance, rho, alpha)) / weight
    interval = Interval(max(-1.0, value - half), min(1.0, value + half))
    return Difference(value, interval, float(log_e_value(score, rho)), is_enough=True)


def estimate_level(
    arm: ArmTotals, weight: Floats, planned_weight: float, alpha: float = 0.05, overlap: float = 0.0
) -> Estimate:
    """Return the mean of one arm over strata with given weights, (strata,), with its confidence sequence.

    With the weights of a comparison (`stratum_weights`) the two arms' levels differ by just the difference that is
    reported; another weighting would compare one season's images with another's. Until there are enough successes
    and failures the interval is [0, 1].
    """
    whole = float(weight.sum())
    value = float((weight * arm.mean).sum()) / whole if whole else 0.0
    if not whole or not is_enough(arm):
        return Estimate(value, Interval(0.0, 1.0))
    variance = float((weight**2 * mean_variance(arm)).sum()) + max(overlap, 0.0)
    rho = mixture_width(variance * planned_weight / whole, alpha)
    half = float(bound(variance, rho, alpha)) / whole
    return Estimate(value, Interval(max(0.0, value - half), min(1.0, value + half)))


def estimate_mean(arm: ArmTotals, planned_units: float, alpha: float = 0.05) -> Estimate:
    """Return the mean of one arm in one stratum, clustered by unit, with its confidence sequence.

    Until there are enough successes and failures the interval is [0, 1]. Raises ValueError for several strata:
    a mean over periods with different traffic is no one's accuracy.
    """
    if arm.units.shape != (1,):
        raise ValueError("a mean is estimated in one stratum")
    return estimate_level(arm, arm.units, planned_units, alpha)
