"""Times with heavy tails, and arms with a share of a percent, through the report's own measures."""

from __future__ import annotations

import numpy as np

from splitleaf.analysis.frame import Frame
from splitleaf.analysis.sections.measures import LatencyThreshold, list_measures
from splitleaf.analysis.sections.metrics import Comparisons
from splitleaf.experiments.plan import Plan
from splitleaf.outcomes.experiments import RevisionRecord
from splitleaf.outcomes.exposures import Bools, Exposures
from splitleaf.statistics.contrasts import Contrast
from splitleaf.statistics.grouping import Ints
from splitleaf.statistics.records import Floats
from tests.statistics.readings import Reading, at_least, at_most
from tests.support.synthetic import plan_of

ALPHA = 0.05
IMAGES = 10_000
LOOKS = 10


def plan_with(share: float) -> Plan:
    variants = {"control": {"version": "v1", "share": 100 - share}, "candidate": {"version": "v2", "share": share}}
    return plan_of(variants=variants, primary={"metric": "cost_ms", "direction": "decrease"}, planned_n=IMAGES)


def exposures_of(is_candidate: Bools, cost_ms: Floats) -> Exposures:
    """Return answered images, one a unit, in the order in which they came."""
    count = len(cost_ms)
    numbers, arm = np.arange(count), is_candidate.astype(np.int64)
    no, same = np.zeros(count, bool), np.zeros(count, np.int64)
    return Exposures(
        number=numbers + 1,
        revision=same + 1,
        unit=numbers,
        image=numbers,
        variant=arm,
        version=arm,
        label=same,
        origin=same,
        confidence=np.full(count, 0.9),
        is_shadow=no,
        is_answered=~no,
        is_canceled=no,
        is_expired=no,
        is_fallback=no,
        is_failed=no,
        is_unsure=no,
        created_ms=numbers,
        total_ms=cost_ms,
        queue_ms=cost_ms * 0,
        work_ms=cost_ms,
        cost_ms=cost_ms,
        variants=("control", "candidate"),
        versions=("v1", "v2"),
        labels=("healthy",),
        origins=("",),
    )


def contrast_of(plan: Plan, is_candidate: Bools, cost_ms: Floats) -> Contrast:
    slots = tuple((name, round(100 * one.share)) for name, one in plan.variants.items())
    revision = RevisionRecord(plan.key, 1, 0, slots, b"", "ann", "", 0)
    frame = Frame(plan, exposures_of(is_candidate, cost_ms), [revision])
    measure = next(one for one in list_measures(frame, LatencyThreshold(None, False)) if one.metric == "cost_ms")
    return Comparisons(frame, {}).contrast(measure, "candidate", ALPHA)


def watch(generator: np.random.Generator, share: float, sigma: float, factor: float) -> tuple[bool, bool, bool]:
    """Return whether a difference was ever claimed, was known at the end, and each estimate lay in its interval."""
    plan = plan_with(share)
    is_candidate = generator.random(IMAGES) < share / 100
    cost_ms = 20 * generator.lognormal(0, sigma, IMAGES) * np.where(is_candidate, factor, 1.0)
    ends: Ints = np.linspace(IMAGES // LOOKS, IMAGES, LOOKS).astype(np.int64)
    claimed, is_known, is_whole = False, False, True
    for end in ends.tolist():
        found = contrast_of(plan, is_candidate[:end], cost_ms[:end])
        difference = found.difference
        is_known = difference.is_enough
        claimed |= is_known and 0 not in difference.interval
        levels = [one for one in (found.control, found.candidate) if one is not None]
        is_whole &= all(one.value in one.interval for one in levels) and difference.value in difference.interval
    return claimed, is_known, is_whole


def heavy_tails(runs: int, seed: int) -> list[Reading]:
    generator = np.random.default_rng(seed)
    alike = np.array([watch(generator, 5, 1.5, 1.0) for _ in range(runs)])
    dearer = np.array([watch(generator, 5, 1.5, 2.0) for _ in range(max(5, runs // 10))])
    return [
        at_most("20", "lognormal times, sigma 1.5, a share of 5 %: false positives", alike[:, 0].mean(), ALPHA),
        at_least("20", "the same, twice as expensive: found in", dearer[:, 0].mean(), 0.8),
    ]


def tiny_shares(runs: int, seed: int) -> list[Reading]:
    generator = np.random.default_rng(seed)
    readings = []
    for share in (0.5, 1.0):
        alike = np.array([watch(generator, share, 0.5, 1.0) for _ in range(runs)])
        dearer = np.array([watch(generator, share, 0.3, 4.0) for _ in range(max(5, runs // 10))])
        where = f"cost at a share of {share:g} %"
        readings += [
            at_most("21", f"{where}: false positives", alike[:, 0].mean(), ALPHA),
            at_least("21", f"{where}, four times as expensive: found in", dearer[:, 0].mean(), 0.95),
            at_least("21", f"{where}: estimates in their intervals", np.concatenate([alike, dearer])[:, 2].mean(), 1.0),
        ]
    return readings
