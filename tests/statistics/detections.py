"""Acceptance figures 7, 8, 11, 12 and 15: pairs, splits, guardrails, latency, and how long a report takes."""

from __future__ import annotations

import math
import time

import numpy as np

from splitleaf.analysis.classes import compare_recalls, count_pairs
from splitleaf.analysis.guardrails import LEAST_FAILURES
from splitleaf.statistics import mcnemar, ratio
from splitleaf.statistics.calibration import measure_reliability
from splitleaf.statistics.disagreement import UNLABELLED_PART
from splitleaf.statistics.eprocess import EProcess, log_path
from splitleaf.statistics.exceedance import threshold_ms
from splitleaf.statistics.grouping import total
from splitleaf.statistics.power import images_needed
from splitleaf.statistics.proportions import RARE, log_e_value
from splitleaf.statistics.quantiles import estimate_quantile, rank_bounds
from splitleaf.statistics.records import Floats
from splitleaf.statistics.sequences import compare, planned_variance
from tests.statistics.differences import ALPHA, LOOKS, draw_arms, is_outside
from tests.statistics.fixed_horizon import z_statistic
from tests.statistics.readings import Bools, Reading, at_least, at_most, first_look, share_of_runs

ONE_SIDED = EProcess(is_one_sided=True)
CHUNK = 50


def paired_versions(runs: int, seed: int) -> list[Reading]:
    generator = np.random.default_rng(seed)
    wins = np.cumsum(generator.random((runs, 600)) < 0.5, axis=1)
    n = np.arange(1, 601)
    wrong = share_of_runs(mcnemar.log_evidence(n - wins, wins) >= -math.log(ALPHA))
    naive = share_of_runs((np.abs(2 * wins - n) > 1.96 * np.sqrt(n))[:, 9:])
    # .90 -> .92 with 6 % discordant: two thirds of those are the candidate's.
    better = np.cumsum(generator.random((runs, 600)) < 2 / 3, axis=1)
    images = np.cumsum(generator.geometric(0.06, (runs, 600)), axis=1).astype(np.float64)
    paired = np.median(first_look(mcnemar.log_evidence(n - better, better) >= -math.log(ALPHA), images))
    fixed = images_needed(0.90, 0.92)
    batch = round(4 * fixed / LOOKS)
    arms = draw_arms(generator, runs, 0.5, (0.90, 0.92), batch)
    unpaired = np.median(
        first_look(is_outside(arms, planned_variance(0.91, fixed, fixed)), batch * np.arange(1.0, LOOKS + 1))
    )
    return [
        at_most("7", "anytime McNemar, neither better, 600 looks: false positives", wrong, 0.05),
        at_least("7", "the same, ordinary McNemar at each look", naive, 0.30),
        at_most("7", ".90 -> .92, 6 % discordant: median images", float(paired), 1400, "images"),
        at_least("7", "how many times more without pairs", float(unpaired / paired), 4.5, "x"),
    ]


def alike_versions(runs: int, seed: int) -> list[Reading]:
    """Versions that disagree on 0.2 % of the images, of which none is labelled; looked at every 25 images."""
    generator = np.random.default_rng(seed)
    looks = np.arange(25, 3_001, 25)

    def ever_known(disagreement: float) -> Bools:
        different = np.cumsum(generator.random((runs, 3_000)) < disagreement, axis=1)[:, looks - 1]
        against = log_e_value(different, looks - different, 0.01, RARE)
        is_known: Bools = (against >= -math.log(UNLABELLED_PART * ALPHA)) & (different < 0.01 * looks)
        return is_known

    images = np.median(first_look(ever_known(0.002), looks.astype(np.float64)))
    # .90 -> .92 as above: how many more labels it takes that a tenth of alpha is given to the bound.
    better = np.cumsum(generator.random((runs, 600)) < 2 / 3, axis=1)
    evidence, labels = mcnemar.log_evidence(np.arange(1, 601) - better, better), np.arange(1.0, 601)
    alone, beside = (
        np.median(first_look(evidence >= -math.log(level), labels)) for level in (ALPHA, (1 - UNLABELLED_PART) * ALPHA)
    )
    return [
        at_most("22", "0.2 % disagreement: median images to within 1 point, no label", float(images), 1400, "images"),
        at_most("22", "disagreement of the whole margin: called equivalent", share_of_runs(ever_known(0.01)), ALPHA),
        at_most("22", "labels until a verdict, beside McNemar without that bound", float(beside / alone), 1.1, "x"),
    ]


def paired_clusters(runs: int, seed: int) -> list[Reading]:
    """Five discordant images a unit that resemble each other (correlation .2), neither version better; 200 units."""
    generator = np.random.default_rng(seed)
    # A beta(2, 2) coin for each unit makes two of its images correlated by 1 / (2 + 2 + 1).
    wins = generator.binomial(5, generator.beta(2, 2, (runs, 200)))
    net, discordant = np.cumsum((2 * wins - 5) ** 2, axis=1), 5 * np.arange(1, 201)
    effect = np.maximum(net / discordant, 1.0)
    won = np.cumsum(wins, axis=1)
    limit = -math.log(ALPHA)
    clustered = mcnemar.log_evidence((discordant - won) / effect, won / effect) >= limit
    by_image = mcnemar.log_evidence(discordant - won, won) >= limit
    return [
        at_most(
            "7", "anytime McNemar, 5 images a unit, correlation .2: false positives", share_of_runs(clustered), 0.05
        ),
        at_least("7", "the same, by image", share_of_runs(by_image), 0.06),
    ]


def sample_ratio(runs: int, seed: int) -> list[Reading]:
    generator = np.random.default_rng(seed)
    even, skewed = (np.cumsum(generator.binomial(100, share, (runs, 200)), axis=1) for share in (0.5, 0.47))
    n = 100 * np.arange(1, 201)
    limit = -math.log(ratio.ALPHA)
    false, true = (ratio.log_evidence(np.stack([n - x, x], axis=-1), [1, 1]) >= limit for x in (even, skewed))
    chi_square = (2 * even - n) ** 2 / n
    return [
        at_least("8", "split 53/47 asked for as 50/50: caught by 10,000", share_of_runs(true[:, :100]), 0.95),
        at_most("8", "split as asked for, 200 looks: false alarms", share_of_runs(false), 0.002),
        # 10.83 is exceeded by a chi-square of one degree of freedom with probability .001.
        at_least("8", "the same, ordinary chi-square at .001 at each look", share_of_runs(chi_square > 10.8276), 0.01),
    ]


def guardrail(runs: int, seed: int) -> list[Reading]:
    generator = np.random.default_rng(seed)
    limit = -math.log(0.01)
    rollbacks, false, naive = [], [], []
    for _ in range(math.ceil(runs / CHUNK)):
        arms = generator.random((CHUNK, 10_000)) < 0.01
        luck = generator.random(arms.shape)
        seen = np.cumsum(arms, axis=1)
        broken = luck < np.where(arms, 0.80, 0.995)
        rollbacks.append(first_look(_fires(arms, broken, limit), seen.astype(np.float64)))
        healthy = luck < 0.995
        false.append(_fires(arms, healthy, limit).any(axis=1))
        naive.append(_is_below(arms, healthy, 2.326).any(axis=1))
    requests = np.concatenate(rollbacks)
    return [
        at_most("11", "success 99.5 -> 80 % at 1 %: median rollback", np.median(requests), 20, "candidate requests"),
        at_most("11", "the same: 90th percentile", np.quantile(requests, 0.9), 45, "candidate requests"),
        at_most("11", "A/A over 10,000 requests: false rollbacks", np.concatenate(false).mean(), 0.01),
        at_least("11", "the same, one-sided z at .01 at each request", np.concatenate(naive).mean(), 0.10),
    ]


def _fires(arms: Bools, right: Bools, limit: float) -> Bools:
    """Return from where on a guardrail at a share of 1 % has fired."""
    proved = np.maximum.accumulate(log_path(arms, right, 0.01, ONE_SIDED), axis=1) >= limit
    fires: Bools = proved & (np.cumsum(arms & ~right, axis=1) >= LEAST_FAILURES)
    return fires


def _is_below(arms: Bools, right: Bools, z: float) -> Bools:
    """Return where an ordinary one-sided z test calls the candidate's success rate lower."""
    counts = (np.cumsum(each, axis=1) for each in (~arms & right, arms & right, ~arms, arms))
    below: Bools = z_statistic(*counts) < -z
    return below


def every_outcome(runs: int, seed: int) -> list[Reading]:
    generator = np.random.default_rng(seed)
    readings = []
    for share in (0.5, 0.05, 0.01):
        wrong, naive = [], []
        for _ in range(math.ceil(runs / CHUNK)):
            arms = generator.random((CHUNK, 10_000)) < share
            right = generator.random(arms.shape) < 0.9
            wrong.append((log_path(arms, right, share, EProcess(is_one_sided=False)) >= -math.log(ALPHA)).any(axis=1))
            naive.append((_is_below(arms, right, 1.645)).any(axis=1))
        name = f"e-process at a share of {100 * share:g} %, 10,000 looks"
        readings += [
            at_most("2", f"{name}: false positives", np.concatenate(wrong).mean(), 0.05),
            at_least(
                "2",
                f"one-sided z test at a share of {100 * share:g} %, 10,000 looks",
                np.concatenate(naive).mean(),
                0.20,
            ),
        ]
    return readings


def slower_candidate(runs: int, seed: int) -> list[Reading]:
    """Latencies are lognormal with a standard deviation of 0.5 in the logarithm: p95 is 2.3 times the median."""
    generator = np.random.default_rng(seed)
    n = 10_000
    flagged, false, by_quantile = [], [], []
    looks = np.arange(200, n + 1, 200)
    for _ in range(runs):
        earlier, later = np.split(40 * np.exp(0.5 * generator.standard_normal(2000 + n)), [2000])
        limit = threshold_ms(earlier)
        arms = generator.random(n) < 0.5
        slower = np.where(arms, 1.2, 1.0) * later
        found, alarm = (log_path(arms, each <= limit, 0.5, ONE_SIDED) >= -math.log(ALPHA) for each in (slower, later))
        flagged.append(float(found.argmax() + 1) if found.any() else np.inf)
        false.append(alarm.any())
        hit = (float(look) for look in looks if _is_disjoint(slower[:look], arms[:look]))
        by_quantile.append(next(hit, np.inf))
    return [
        at_most("12", "latency x1.2 by exceedance: median", np.median(flagged), 1600, "requests"),
        at_most("12", "the same latency, 10,000 looks: false flags", float(np.mean(false)), 0.05),
        at_least("12", "latency x1.2 by disjoint p95 intervals: median", np.median(by_quantile), 1600, "requests"),
    ]


def _is_disjoint(latency: Floats, arms: Bools) -> bool:
    """Return whether the sequences of both arms' p95 have parted, the candidate's above."""
    samples = [np.sort(latency[mask]) for mask in (~arms, arms)]
    ranks = [rank_bounds(len(sample), 0.95, ALPHA / 2) for sample in samples]
    if ranks[0] is None or ranks[1] is None:
        return False
    return bool(samples[1][ranks[1][0] - 1] > samples[0][ranks[0][1] - 1])


def whole_report(rows: int, seed: int) -> list[Reading]:
    """Everything that a report says about `rows` exposures that are in memory already."""
    generator = np.random.default_rng(seed)
    revision, unit = np.sort(generator.integers(1, 5, rows)), generator.integers(0, rows // 5, rows)
    arms = unit % 2 == 1
    truth = generator.integers(0, 10, rows)
    control, candidate = (np.where(generator.random(rows) < rate, truth, (truth + 1) % 10) for rate in (0.90, 0.91))
    right = np.where(arms, candidate, control) == truth
    confidence, latency = generator.beta(9, 1, rows), generator.lognormal(3, 0.5, rows)
    started = time.perf_counter()
    sample = total(revision, arms, unit, right)
    compare(sample.control, sample.candidate, 4500.0, overlap=sample.overlap)
    ratio.is_mismatch(np.stack([sample.control.units, sample.candidate.units], axis=-1), [[1, 1]] * 4)
    ONE_SIDED.observe(arms, right, 0.5)
    for mask in (~arms, arms):
        ascending = np.sort(latency[mask])
        for quantile in (0.5, 0.95, 0.99):
            estimate_quantile(ascending, quantile)
        _ = measure_reliability(confidence[mask], right[mask]).calibration_error
    count_pairs(control, candidate, 10)
    count_pairs(truth, control, 10)
    compare_recalls(truth, control, candidate, 10, planned_images=rows)
    seconds = time.perf_counter() - started
    return [at_most("15", f"all statistics of a report over {rows:,} exposures in memory", seconds, 5.0, "s")]
