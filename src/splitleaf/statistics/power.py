"""How many images, and how long?

Fixed-horizon sizes are the normal approximation of J. Fleiss, B. Levin, M. Paik, "Statistical Methods for Rates and
Proportions" (2003), 4.2; for pairs R. Connor, Biometrics 43 (1987), 207-211. A sequential test is planned with twice
as many: measured, that gives a power of .83 to .88, and it stops earlier whenever the effect is there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from splitleaf.statistics.sequences import bound
from splitleaf.statistics.special import normal_cdf, normal_quantile

SEQUENTIAL_FACTOR: Final = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """Images over both arms; in a paired plan each image is answered by both versions."""

    fixed_images: int
    """For one look at the end."""
    sequential_images: int
    """For looking at any time: the planned n of an experiment."""
    labels: int
    """Labels that the sequential plan needs: discordant images alone in a paired plan."""
    days: int
    """At the stated traffic."""


def power(baseline: float, candidate: float, images: float, share: float = 0.5, alpha: float = 0.05) -> float:
    """Return the probability that a two-sided z test with one look notices the difference.

    `images` over both arms, of which `share` are the candidate's.
    """
    gap = abs(candidate - baseline)
    null, true = _deviations(baseline, candidate, share)
    critical = -normal_quantile(alpha / 2) * null
    scaled = gap * math.sqrt(images)
    return normal_cdf((scaled - critical) / true) + normal_cdf((-scaled - critical) / true)


def images_needed(
    baseline: float, candidate: float, power: float = 0.8, share: float = 0.5, alpha: float = 0.05
) -> float:
    """Return the images, over both arms and not rounded, with which one look at the end has the power.

    0 for a power that false alarms alone reach.
    """
    null, true = _deviations(baseline, candidate, share)
    reach = -normal_quantile(alpha / 2) * null + normal_quantile(power) * true
    return (max(reach, 0.0) / (candidate - baseline)) ** 2


def _deviations(baseline: float, candidate: float, share: float) -> tuple[float, float]:
    """Return the standard deviation of the difference, times sqrt(images), with equal and with the stated rates."""
    pooled = (1 - share) * baseline + share * candidate
    null = pooled * (1 - pooled) / (share * (1 - share))
    true = baseline * (1 - baseline) / (1 - share) + candidate * (1 - candidate) / share
    return math.sqrt(null), math.sqrt(true)


def pairs_needed(difference: float, discordance: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """Return the images, not rounded, that both versions answer, for McNemar's test with one look.

    0 for a power that false alarms alone reach. `discordance` is the share of images that exactly one version gets
    right; it is at least |difference|.
    """
    if not 0 < abs(difference) <= discordance <= 1:
        raise ValueError("the versions must differ on at least as many images as they differ in accuracy")
    null, true = math.sqrt(discordance), math.sqrt(discordance - difference**2)
    reach = -normal_quantile(alpha / 2) * null + normal_quantile(power) * true
    return (max(reach, 0.0) / difference) ** 2


def design_effect(images_per_unit: float, intraclass_correlation: float) -> float:
    """Return how many times more images are needed because images of one unit resemble each other (L. Kish, 1965)."""
    return 1 + (images_per_unit - 1) * intraclass_correlation


def plan_split(
    baseline: float,
    candidate: float,
    images_per_day: float,
    *,
    share: float = 0.5,
    alpha: float = 0.05,
    power: float = 0.8,
    images_per_unit: float = 1.0,
    intraclass_correlation: float = 0.0,
) -> Plan:
    """Plan a live split in which each image is answered by one version. `images_per_day` reach the experiment."""
    fixed = images_needed(baseline, candidate, power, share, alpha)
    fixed *= design_effect(images_per_unit, intraclass_correlation)
    fixed = max(fixed, 1.0)
    sequential = math.ceil(SEQUENTIAL_FACTOR * fixed)
    return Plan(math.ceil(fixed), sequential, sequential, math.ceil(sequential / images_per_day))


def plan_pairs(
    difference: float, discordance: float, images_per_day: float, *, alpha: float = 0.05, power: float = 0.8
) -> Plan:
    """Plan a shadow test in which both versions answer each image; only those they disagree on need labels."""
    fixed = max(pairs_needed(difference, discordance, power, alpha), 1.0)
    sequential = math.ceil(SEQUENTIAL_FACTOR * fixed)
    labels = math.ceil(sequential * discordance)
    return Plan(math.ceil(fixed), sequential, labels, math.ceil(sequential / images_per_day))


def allow_for_mistakes(plan: Plan, mistaken: float, images_per_day: float) -> Plan:
    """Return the plan when this share of the labels, below one half, is mistaken whatever the image shows.

    A mistake turns a win into a loss, so that the difference looks 1 - 2 * mistaken as large (I. Bross,
    "Misclassification in 2 x 2 tables", Biometrics 10 (1954), 478-486); it takes the square of its inverse as many.
    """
    factor = (1 - 2 * mistaken) ** -2
    fixed, images, labels = (
        math.ceil(factor * one) for one in (plan.fixed_images, plan.sequential_images, plan.labels)
    )
    return Plan(fixed, images, labels, math.ceil(images / images_per_day))


def growth_needed(variance: float, weight: float, rho: float, half_width: float, alpha: float = 0.05) -> float:
    """Return how many times today's data make the confidence sequence as narrow as `half_width`; 1 if it is.

    `variance` and `weight` as in `sequences.Score`, both of which grow in proportion to the data.
    """
    low, high = 0.0, 1.0

    def is_narrow(log_growth: float) -> bool:
        growth = math.exp(log_growth)
        return float(bound(variance * growth, rho, alpha)) <= half_width * weight * growth

    if is_narrow(0.0):
        return 1.0
    while not is_narrow(high):
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if is_narrow(middle) else (middle, high)
    return math.exp(high)
