"""Acceptance figures 1 to 6: thousands of experiments on two arms, looked at a hundred times each.

Each function returns what the method does and what the ordinary method does on the same outcomes, which has to
fail: a simulation in which nothing can fail proves nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from splitleaf.statistics.power import images_needed
from splitleaf.statistics.records import ArmTotals, Floats
from splitleaf.statistics.sequences import (
    Score,
    bound,
    is_enough,
    mixture_width,
    planned_variance,
    score_difference,
)
from tests.statistics.fixed_horizon import z_statistic
from tests.statistics.readings import Bools, Reading, at_least, at_most, first_look, share_of_runs

ALPHA = 0.05
LOOKS = 100
BATCH = 100
Z = 1.959964
Ints = NDArray[np.int64]
Arms = tuple[ArmTotals, ArmTotals]


def draw_arms(generator: np.random.Generator, runs: int, share: float, rates: tuple[float, float], batch: int) -> Arms:
    """Return both arms at 100 looks, (runs, looks, 1), when units of one image come in batches."""
    ours = generator.binomial(batch, share, (runs, LOOKS))
    theirs = batch - ours
    right = [generator.binomial(n, rate) for n, rate in zip((theirs, ours), rates, strict=True)]
    counts = ((np.cumsum(r, axis=1), np.cumsum(n, axis=1)) for r, n in zip(right, (theirs, ours), strict=True))
    control, candidate = (ArmTotals.of_single(r[..., None], n[..., None]) for r, n in counts)
    return control, candidate


def is_outside(arms: Arms, planned: float, truth: float = 0.0) -> Bools:
    """Return at which looks the sequence excludes the truth, (runs, looks)."""
    score = score_difference(*arms)
    return is_enough(*arms) & _is_beyond(score, planned, truth)


def _is_beyond(score: Score, planned: float, truth: float) -> Bools:
    beyond: Bools = np.abs(score.sum - truth * score.weight) > bound(
        score.variance, mixture_width(planned, ALPHA), ALPHA
    )
    return beyond


def is_beyond_z(arms: Arms) -> Bools:
    """Return at which looks the ordinary z test rejects, (runs, looks)."""
    control, candidate = ((each.outcomes[..., 0], each.units[..., 0]) for each in arms)
    beyond: Bools = np.abs(z_statistic(control[0], candidate[0], control[1], candidate[1])) > Z
    return beyond


def is_beyond_ungated(arms: Arms, planned: float) -> Bools:
    """Return at which looks the sequence rejects without gate and pseudo-counts, (runs, looks)."""
    variances = [each.mean * (1 - each.mean) / np.maximum(each.units, 1) for each in arms]
    score = score_difference(*arms)
    weight = score.weight
    plain = Score(score.sum, (weight[..., None] ** 2 * (variances[0] + variances[1])).sum(axis=-1), weight)
    return (weight > 0) & _is_beyond(plain, planned, 0.0)


def even_split(runs: int, seed: int) -> list[Reading]:
    readings = []
    for rate in (0.5, 0.9, 0.98):
        arms = draw_arms(np.random.default_rng(seed), runs, 0.5, (rate, rate), BATCH)
        wrong = share_of_runs(is_outside(arms, planned_variance(rate, 5000, 5000)))
        readings += [
            at_most("1", f"A/A at {rate}, 50/50: false positives", wrong, 0.05),
            at_least("1", f"the same, z test at each look (A/A at {rate})", share_of_runs(is_beyond_z(arms)), 0.30),
        ]
    return readings


def small_shares(runs: int, seed: int) -> list[Reading]:
    readings = []
    for share in (0.01, 0.05, 0.10):
        wrong, plain, naive = [], [], []
        for rate in (0.5, 0.9, 0.98):
            arms = draw_arms(np.random.default_rng(seed), runs, share, (rate, rate), BATCH)
            planned = planned_variance(rate, 10_000 * (1 - share), 10_000 * share)
            wrong.append(share_of_runs(is_outside(arms, planned)))
            plain.append(share_of_runs(is_beyond_ungated(arms, planned)))
            naive.append(share_of_runs(is_beyond_z(arms)))
        name = f"A/A at a share of {100 * share:g} %"
        readings += [
            at_most("2", f"{name}: false positives, worst of three rates", max(wrong), 0.05),
            at_least("2", f"{name}, z test at each look, worst of three", max(naive), 0.30),
        ]
        if share < 0.10:
            readings += [at_least("2", f"{name}, without gate and pseudo-counts, worst of three", max(plain), 0.09)]
    return readings


def ramp_under_drift(runs: int, seed: int) -> list[Reading]:
    generator = np.random.default_rng(seed)
    rate = np.linspace(0.92, 0.86, LOOKS)
    stage = np.arange(LOOKS) * 4 // LOOKS
    share = np.array([0.01, 0.05, 0.25, 0.50])[stage]
    batch = 4 * BATCH
    ours = generator.binomial(batch, share, (runs, LOOKS))
    counts = [(generator.binomial(n, rate), n) for n in (batch - ours, ours)]
    in_stage = stage[:, None] == np.arange(4)

    def by_stage(values: Ints) -> Floats:
        sums: Floats = np.cumsum(values[..., None] * in_stage, axis=1)
        return sums

    control, candidate = (ArmTotals.of_single(by_stage(right), by_stage(n)) for right, n in counts)
    pooled = [ArmTotals.of_single(np.cumsum(r, axis=1)[..., None], np.cumsum(n, axis=1)[..., None]) for r, n in counts]
    planned = sum(planned_variance(0.89, 25 * batch * (1 - s), 25 * batch * s) for s in (0.01, 0.05, 0.25, 0.50))
    final, mixed = (score_difference(*arms) for arms in ((control, candidate), (pooled[0], pooled[1])))
    bias, mixed_bias = (abs(float((each.sum[:, -1] / each.weight[:, -1]).mean())) for each in (final, mixed))
    name = "A/A, ramp 1-5-25-50, drift .92 -> .86"
    return [
        at_most("3", f"{name}: false positives", share_of_runs(is_outside((control, candidate), planned)), 0.05),
        at_most("3", f"{name}: bias", bias, 0.002, "pp"),
        at_least("3", f"{name}, stages pooled: false positives",
                 share_of_runs(is_outside((pooled[0], pooled[1]), planned)), 0.90),
        at_least("3", f"{name}, stages pooled: bias", mixed_bias, 0.01, "pp"),
    ]  # fmt: skip


def clustered_units(runs: int, seed: int) -> list[Reading]:
    generator = np.random.default_rng(seed)
    # Beta(8.1, 0.9): mean .9 and an intraclass correlation of 1 / (8.1 + 0.9 + 1).
    units = (runs, LOOKS, 20)
    right = generator.binomial(5, generator.beta(8.1, 0.9, units))
    ours = generator.random(units) < 0.5
    arms = [_clustered_arm(right, mask) for mask in (~ours, ours)]
    images = [ArmTotals.of_single(each.outcomes, each.images) for each in arms]
    name = "A/A, 5 images a unit, ICC .1"
    by_image = planned_variance(0.9, 5000, 5000)
    planned = 1.4 * planned_variance(0.9, 1000, 1000) / 5
    return [
        at_most("4", f"{name}: false positives", share_of_runs(is_outside((arms[0], arms[1]), planned)), 0.05),
        at_least("4", f"{name}, by image, the same sequence: false positives",
                 share_of_runs(is_outside((images[0], images[1]), by_image)), 0.05),
        at_least("4", f"{name}, by image, z test at each look",
                 share_of_runs(is_beyond_z((images[0], images[1]))), 0.12),
    ]  # fmt: skip


def _clustered_arm(right: Ints, mask: Bools) -> ArmTotals:
    def running(values: Ints) -> Floats:
        sums: Floats = np.cumsum((values * mask).sum(axis=-1), axis=1)[..., None].astype(np.float64)
        return sums

    units, outcomes = running(np.ones_like(right)), running(right)
    sums = (units, 5 * units, outcomes, 25 * units, 5 * outcomes, running(right**2))
    return ArmTotals(*sums, running((right > 0).astype(np.int64)), running((right < 5).astype(np.int64)))


def coverage(runs: int, seed: int) -> list[Reading]:
    readings = []
    for rates in ((0.90, 0.93), (0.97, 0.99)):
        arms = draw_arms(np.random.default_rng(seed), runs, 0.5, rates, BATCH)
        truth = rates[1] - rates[0]
        missed = share_of_runs(is_outside(arms, planned_variance(sum(rates) / 2, 5000, 5000), truth))
        first, second = (each.mean[..., 0] for each in arms)
        n, m = (np.maximum(each.units[..., 0], 1) for each in arms)
        wald = Z * np.sqrt(first * (1 - first) / n + second * (1 - second) / m)
        plain = share_of_runs(np.abs(second - first - truth) > wald)
        name = f"{rates[0]} against {rates[1]}: coverage at all looks together"
        readings += [at_least("5", name, 1 - missed, 0.95), at_most("5", f"{name}, ordinary interval", 1 - plain, 0.80)]
    return readings


def power_and_stops(runs: int, seed: int) -> list[Reading]:
    fixed = images_needed(0.90, 0.93)
    batch = round(2 * fixed / LOOKS)
    arms = draw_arms(np.random.default_rng(seed), runs, 0.5, (0.90, 0.93), batch)
    hits = is_outside(arms, planned_variance(0.915, fixed, fixed))
    stops = first_look(hits, batch * np.arange(1.0, LOOKS + 1))
    name = ".90 -> .93"
    return [
        at_least("6", f"{name}: power at twice the fixed n", share_of_runs(hits), 0.80),
        at_most("6", f"{name}: median stop, in fixed n", float(np.median(stops)) / fixed, 1.25, "x"),
        at_most(
            "6", f"{name}: power of the sequence at the fixed n itself", share_of_runs(hits[:, : LOOKS // 2]), 0.70
        ),
    ]
