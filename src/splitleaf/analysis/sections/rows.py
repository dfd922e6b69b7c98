"""A contrast -> a row of the table of metrics, with its verdict at Holm's level."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from splitleaf.analysis.report.measures import ArmMeasure, Metric
from splitleaf.analysis.report.parts import Measured
from splitleaf.analysis.verdicts import Verdict, judge
from splitleaf.statistics.contrasts import Contrast
from splitleaf.statistics.multiplicity import adjust_holm, holm_levels, select_ebh
from splitleaf.statistics.records import Difference, Estimate, Interval

LOG_TEN: Final = math.log(10)

Compare = Callable[[str, float], Contrast]
"""(arm, alpha) -> contrast."""


@dataclass(frozen=True, slots=True)
class Judging:
    """By what a metric's differences are judged."""

    alpha: float
    better: Literal["higher", "lower"]
    margin: float
    """In the metric's unit."""
    smallest: float
    """Smallest difference that matters, in the metric's unit."""
    is_sound: bool = True


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate's contrast at the level that Holm gives it."""

    contrast: Contrast
    alpha: float
    p_value: float
    verdict: Verdict


def judge_all(arms: Sequence[str], compare: Compare, judging: Judging) -> Mapping[str, Judged]:
    """Compare each arm with control; a false claim about any of them in at most alpha of all experiments."""
    if not arms:
        return {}
    first = {arm: compare(arm, judging.alpha) for arm in arms}
    levels = holm_levels({arm: p_value(one.difference) for arm, one in first.items()}, judging.alpha)
    final = {arm: first[arm] if level == judging.alpha else compare(arm, level) for arm, level in levels.items()}
    adjusted = adjust_holm({arm: p_value(one.difference) for arm, one in final.items()})
    return {
        arm: Judged(final[arm], levels[arm], adjusted[arm], _verdict(final[arm].difference, judging, levels[arm]))
        for arm in arms
    }


def correct_secondary(metrics: Sequence[Metric], alpha: float) -> list[Metric]:
    """Return the metrics, those that do not decide without verdicts that their number alone explains."""
    evidence = {
        (metric.metric, row.arm): row.log10_e * LOG_TEN
        for metric in metrics
        if not metric.is_primary
        for row in metric.arms
        if row.log10_e is not None
    }
    claimed = select_ebh(evidence, alpha)

    def corrected(metric: Metric, row: ArmMeasure) -> ArmMeasure:
        is_claim = row.verdict in (Verdict.BETTER, Verdict.WORSE) and not metric.is_primary
        if not is_claim or (metric.metric, row.arm) in claimed:
            return row
        return row.model_copy(update={"verdict": Verdict.UNDECIDED})

    return [one.model_copy(update={"arms": [corrected(one, row) for row in one.arms]}) for one in metrics]


def p_value(difference: Difference) -> float:
    """Return the anytime-valid p-value of the evidence now."""
    return min(1.0, math.exp(-difference.log_e_value))


def _verdict(difference: Difference, judging: Judging, alpha: float) -> Verdict:
    better = difference if judging.better == "higher" else turned(difference)
    if judging.is_sound and not difference.is_enough and difference.log_e_value >= -math.log(alpha):
        # Too few for an interval, but exact evidence needs no minimum. It is of any loss, so the margin is left out of
        # it as far as the loss that was seen.
        if better.value > 0:
            return Verdict.BETTER
        return Verdict.WORSE if better.value < -judging.margin else Verdict.UNDECIDED
    return judge(better, judging.margin, is_mismatch=not judging.is_sound)


def turned(difference: Difference) -> Difference:
    """Return the difference of a measure of which less is better, as one of which more is."""
    interval = Interval(-difference.interval.high, -difference.interval.low)
    return replace(difference, value=-difference.value, interval=interval)


def control_row(
    arm: str,
    units: int,
    images: int,
    estimate: Estimate | None,
    labels: int | None = None,
    *,
    estimate_labels: int | None = None,
) -> ArmMeasure:
    return ArmMeasure(
        arm=arm,
        units=units,
        images=images,
        labels=labels,
        estimate=measured(estimate),
        estimate_labels=estimate_labels,
        difference=None,
        log10_e=None,
        alpha=None,
        p_value=None,
        verdict=None,
        images_needed=None,
    )


def compared_row(row: ArmMeasure, judged: Judged, judging: Judging) -> ArmMeasure:
    """Return the row with what the comparison says."""
    contrast = judged.contrast
    difference = contrast.difference
    return row.model_copy(
        update={
            "difference": measured(Estimate(difference.value, difference.interval)) if difference.is_enough else None,
            "log10_e": difference.log_e_value / LOG_TEN,
            "alpha": judged.alpha,
            "p_value": judged.p_value,
            "verdict": judged.verdict,
            "images_needed": contrast.images_needed(judging.smallest, judged.alpha),
        }
    )


def measured(estimate: Estimate | None) -> Measured | None:
    if estimate is None:
        return None
    return Measured(value=estimate.value, low=estimate.interval.low, high=estimate.interval.high)
