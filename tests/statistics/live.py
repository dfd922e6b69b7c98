"""What arrives late, and live differences: the order of evidence, and how many outcomes a decision takes."""

from __future__ import annotations

import math

import numpy as np

from splitleaf.analysis.guardrails import LEAST_FAILURES
from splitleaf.statistics.assignment import weigh_assignment
from splitleaf.statistics.eprocess import EProcess, log_path
from splitleaf.statistics.grouping import total
from splitleaf.statistics.records import Floats
from splitleaf.statistics.sequences import LEAST_OF_EACH, compare, planned_variance
from tests.statistics.differences import ALPHA
from tests.statistics.readings import Bools, Reading, at_least, at_most

_GUARD_ALPHA = 0.01
_REQUESTS = 2_000


def arrival_order(runs: int, seed: int) -> list[Reading]:
    """Equal error rates of 1 %, 50 requests a second: evidence in the order of creation and in that of recording."""
    generator = np.random.default_rng(seed)
    steady = np.cumsum(generator.exponential(0.02, (runs, _REQUESTS)), axis=1)
    bursts = np.floor(steady) + (steady % 1) / 20
    readings = []
    for name, created, slow_s, ready_s, least in (
        ("answers in 1.0 s against 0.1 s", steady, 1.0, 0.0, 0.20),
        ("a worker that is ready 3 s late", steady, 0.1, 3.0, 0.60),
        ("the first, in bursts of a second's requests", bursts, 1.0, 0.0, 0.20),
    ):
        arms = generator.random(created.shape) < 0.5
        right = generator.random(created.shape) < 0.99
        recorded = np.where(arms, np.maximum(created, ready_s) + slow_s, created + 0.1)
        order = np.argsort(recorded, axis=1, kind="stable")
        by_recording = _fires(np.take_along_axis(arms, order, axis=1), np.take_along_axis(right, order, axis=1))
        readings += [
            at_most("16", f"{name}: false rollbacks", _fires(arms, right), _GUARD_ALPHA),
            at_least("16", "the same, in the order of recording", by_recording, least),
        ]
    return readings


def _fires(arms: Bools, right: Bools) -> float:
    path = np.maximum.accumulate(log_path(arms, right, 0.5, EProcess(is_one_sided=True)), axis=1)
    failures = np.cumsum(arms & ~right, axis=1)
    return float(((path >= -math.log(_GUARD_ALPHA)) & (failures >= LEAST_FAILURES)).any(axis=1).mean())


def live_differences(runs: int, seed: int) -> list[Reading]:
    """Median outcomes until two versions are told apart live, over a test of fixed size at 80 % power."""
    generator = np.random.default_rng(seed)
    readings = []
    for rates, share, most in (((0.97, 0.99), 0.5, 1.15), ((0.90, 0.93), 0.5, 1.15), ((0.98, 0.90), 0.01, 1.6)):
        fixed = _fixed(rates, share)
        arms = generator.random((runs, 4 * fixed)) < share
        right = generator.random(arms.shape) < np.where(arms, rates[1], rates[0])
        found = weigh_assignment(arms, right, share)
        side = found.higher if rates[1] > rates[0] else found.lower
        name = f"live {rates[0]:.2f} -> {rates[1]:.2f} at a share of {100 * share:g} %"
        every = np.arange(1, 4 * fixed + 1)
        plug_in = log_path(arms, right, share, EProcess(is_one_sided=False))
        oracle = np.cumsum(_known(arms, right, rates, share), axis=1)
        gated = found.ends[_enough(arms, right, found.ends).argmax(axis=1)]
        readings += [
            at_most("17", f"{name}: median, in fixed n", _median(found.either, found.ends) / fixed, most, "x"),
            at_most("17", "the same, one side", _median(side, found.ends) / fixed, most, "x"),
            at_least("17", "the same, rates learned arm by arm", _median(plug_in, every) / fixed, 0.0, "x"),
            at_least("17", "the same: ten failures of each arm have come", float(np.median(gated)) / fixed, 0.0, "x"),
            at_least("17", "the same, an oracle that knows both rates", _median(oracle, every) / fixed, 0.0, "x"),
        ]
    arms = generator.random((runs, 10_000)) < 0.5
    found = weigh_assignment(arms, generator.random(arms.shape) < 0.95, 0.5)
    wrong = (found.either.max(axis=1) >= -math.log(ALPHA)).mean()
    return [*readings, at_most("17", "equal arms at .95, 10,000 outcomes: false positives", float(wrong), ALPHA)]


def busy_unit(runs: int, seed: int) -> list[Reading]:
    """Equal error rates of 2 %; one unit sends 200 images, all of which fail, beside 3,000 of one image each."""
    generator = np.random.default_rng(seed)
    units = np.concatenate([np.arange(3_000), np.full(200, 3_000)])
    planned = planned_variance(0.98, 1_500, 1_500)
    hidden = wrong = 0
    for _ in range(runs):
        arm_of = generator.random(3_001) < 0.5
        right = generator.random(len(units)) < 0.98
        right[-200:] = False
        sample = total(np.ones(len(units), np.int64), arm_of[units], units, right)
        found = compare(sample.control, sample.candidate, planned, ALPHA)
        hidden += not found.is_enough
        wrong += found.is_enough and 0 not in found.interval
    name = "one unit with 200 failures beside 3,000 units"
    return [
        at_most("18", f"{name}: without an interval", hidden / runs, 0.01),
        at_most("18", f"{name}: a difference where none is", wrong / runs, ALPHA),
    ]


def _fixed(rates: tuple[float, float], share: float) -> int:
    """Return the outcomes of both arms of a test of fixed size, two-sided at 5 % with 80 % power."""
    a, b = rates
    return math.ceil((1.959964 + 0.841621) ** 2 * (a * (1 - a) / (1 - share) + b * (1 - b) / share) / (a - b) ** 2)


def _known(arms: Bools, right: Bools, rates: tuple[float, float], share: float) -> Floats:
    pooled = (1 - share) * rates[0] + share * rates[1]
    ratios = [np.where(right, one / pooled, (1 - one) / (1 - pooled)) for one in rates]
    gains: Floats = np.log(np.where(arms, ratios[1], ratios[0]))
    return gains


def _enough(arms: Bools, right: Bools, ends: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Bools:
    cells = (arms & ~right, ~arms & ~right, arms & right, ~arms & right)
    counts = [np.cumsum(one, axis=1)[:, ends - 1] for one in cells]
    enough: Bools = np.min(counts, axis=0) >= LEAST_OF_EACH
    return enough


def _median(log_e: Floats, ends: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> float:
    is_in = log_e >= -math.log(ALPHA)
    return float(np.median(np.where(is_in.any(axis=1), ends[is_in.argmax(axis=1)], np.inf)))
