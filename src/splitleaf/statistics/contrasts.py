"""Two arms on one measure: levels, difference, evidence, and how much more it would take."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.statistics.grouping import Ints, Sample
from splitleaf.statistics.power import growth_needed
from splitleaf.statistics.proportions import estimate_rate
from splitleaf.statistics.records import ArmTotals, Difference, Estimate, Floats, Interval, cap_units, divide
from splitleaf.statistics.sequences import (
    Score,
    bound,
    estimate_level,
    is_enough,
    log_e_value,
    mean_variance,
    mixture_width,
    score_difference,
    stratum_weights,
)

_NEAREST: Final = 1e-9
"""What stands for "just next to zero"."""
MOST_GROWTH: Final = 1_000.0
"""Beyond a thousand times today's data, "how many more?" has no answer that anyone could use."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """Candidate against control. Values are in the measure's own unit."""

    difference: Difference
    images: int
    variance: float
    """With `weight` and `rho` what the sequence is made of, as in `sequences.Score`."""
    weight: float
    rho: float
    scale: float = 1.0
    """What one of the measure's units was divided by to lie in about [0, 1]."""
    control: Estimate | None = None
    candidate: Estimate | None = None

    def decided_by(self, log_e: float, alpha: float) -> Contrast:
        """Return what is to be said where exact evidence decides whether there is a difference at all.

        As in `mcnemar.compare_paired`, the interval leaves zero out just when that evidence is in; while there are too
        few outcomes for an interval, the evidence speaks alone.
        """
        found = replace(self.difference, log_e_value=log_e)
        low, high = clip_at_zero(
            found.value, found.interval.low, found.interval.high, is_decided=log_e >= -math.log(alpha)
        )
        interval = Interval(float(low), float(high)) if found.is_enough else found.interval
        return replace(self, difference=replace(found, interval=interval))

    def allow_for(self, missing: float) -> Contrast:
        """Return what is left to say when the truth may be so much off to either side, in the measure's unit."""
        found = self.difference
        if not missing or not found.is_enough:
            return self
        interval = Interval(
            max(-self.scale, found.interval.low - missing), min(self.scale, found.interval.high + missing)
        )
        nearest = max(0.0, abs(found.value) - missing) / self.scale * self.weight
        score = Score(*(np.asarray(one, dtype=np.float64) for one in (nearest, self.variance, self.weight)))
        log_e = float(log_e_value(score, self.rho))
        return replace(self, difference=replace(found, interval=interval, log_e_value=log_e))

    def images_needed(self, smallest: float, alpha: float) -> int | None:
        """Return the further images until the interval is as narrow as the difference seen or `smallest`.

        None while nothing can be told. `alpha` as the interval's.
        """
        target = max(abs(self.difference.value), smallest) / self.scale
        if not self.difference.is_enough or not target:
            return None
        if self.difference.interval.half_width <= target * self.scale:
            return 0
        if not self.weight:
            return None
        growth = growth_needed(self.variance, self.weight, self.rho, target, alpha)
        return math.ceil((growth - 1) * self.images) if growth <= MOST_GROWTH else None


def clip_at_zero(value: ArrayLike, low: ArrayLike, high: ArrayLike, *, is_decided: ArrayLike) -> tuple[Floats, Floats]:
    """Return bounds, elementwise, that leave zero out just where it is decided that there is a difference."""
    lowest = np.where(np.greater(value, 0), np.maximum(low, _NEAREST), low)
    highest = np.where(np.greater(value, 0), high, np.minimum(high, -_NEAREST))
    return np.where(is_decided, lowest, np.minimum(low, 0.0)), np.where(is_decided, highest, np.maximum(high, 0.0))


@dataclass(frozen=True, slots=True)
class Planned:
    """What the sequence is tuned to: fixed by the plan, so that no look can choose it."""

    images: float
    """Over both arms."""
    share: float
    """The candidate's."""


def contrast_arms(sample: Sample, planned: Planned, alpha: float, scale: float = 1.0) -> Contrast:
    """Compare two arms revision by revision, clustered by unit; totals are of outcomes divided by `scale`."""
    score = score_difference(sample.control, sample.candidate, sample.overlap)
    weight, variance = float(score.weight), float(score.variance)
    images = float(sample.control.images.sum() + sample.candidate.images.sum())
    units = float(sample.control.units.sum() + sample.candidate.units.sum())
    value = float(score.sum) / weight if weight else 0.0
    if not weight:
        return Contrast(Difference(0.0, Interval(-scale, scale), 0.0, is_enough=False), round(images), 0, 0, 1, scale)
    planned_weight = planned.images * units / images * planned.share * (1 - planned.share)
    rho = mixture_width(variance / weight * planned_weight, alpha)
    weights = stratum_weights(sample.control, sample.candidate)
    enough = bool(is_enough(sample.control, sample.candidate))
    levels = [
        _scaled(
            estimate_level(arm, weights, planned_weight, alpha, overlap) if enough else estimate_few(arm, alpha), scale
        )
        for arm, overlap in zip((sample.control, sample.candidate), sample.overlaps, strict=True)
    ]
    difference = difference_of(score, value, rho, alpha, scale, enough=enough)
    return Contrast(difference, round(images), variance, weight, rho, scale, *levels)


def difference_of(score: Score, value: float, rho: float, alpha: float, scale: float, *, enough: bool) -> Difference:
    """Return the difference in the measure's unit from a score in units of `scale`."""
    if not enough:
        return Difference(value * scale, Interval(-scale, scale), 0.0, is_enough=False)
    half = float(bound(score.variance, rho, alpha)) / float(score.weight)
    interval = Interval(max(-1.0, value - half) * scale, min(1.0, value + half) * scale)
    return Difference(value * scale, interval, float(log_e_value(score, rho)), is_enough=True)


def contrast_pairs(difference: Floats, unit: Ints, planned_images: float, alpha: float, scale: float = 1.0) -> Contrast:
    """Compare two versions on the same images, clustered by unit; `difference` is other minus control, (images,)."""
    images = len(difference)
    if not images:
        return Contrast(Difference(0.0, Interval(-scale, scale), 0.0, is_enough=False), 0, 0.0, 0.0, 1.0, scale)
    # Halved and moved, a difference in [-1, 1] is an outcome in [0, 1], and no difference is one half.
    sizes = np.bincount(unit).astype(np.float64)
    # Units of other images have none here, and count nowhere.
    sums = np.bincount(unit, (difference / scale + 1) / 2).astype(np.float64)
    totals = ArmTotals.of_units(*cap_units(sizes, sums))
    units = float(totals.units.sum())
    value = 2 * float(totals.mean.sum()) - 1
    variance = 4 * float(mean_variance(totals).sum()) * units**2
    rho = mixture_width(variance * planned_images / images, alpha)
    score = Score(*(np.asarray(one, dtype=np.float64) for one in (value * units, variance, units)))
    enough = bool(is_enough(totals))
    found = difference_of(score, value, rho, alpha, scale, enough=enough)
    return Contrast(found, images, variance, units, rho, scale)


def estimate_alone(arm: ArmTotals, overlap: float, planned_images: float, alpha: float, scale: float = 1.0) -> Estimate:
    """Return the level of an arm that is compared with none, its revisions weighted by their units."""
    if not is_enough(arm):
        return _scaled(estimate_few(arm, alpha), scale)
    per_image = float(divide(arm.units.sum(), arm.images.sum()))
    return _scaled(estimate_level(arm, arm.units, planned_images * per_image, alpha, overlap), scale)


def estimate_few(arm: ArmTotals, alpha: float) -> Estimate:
    """Return the rate of an arm with few successes or few failures: exact, on as many units as its images amount to."""
    right = float((arm.effective_units * arm.mean).sum())
    return estimate_rate(right, float(arm.effective_units.sum()) - right, alpha)


def _scaled(estimate: Estimate, scale: float) -> Estimate:
    interval = Interval(estimate.interval.low * scale, estimate.interval.high * scale)
    return Estimate(estimate.value * scale, interval)
