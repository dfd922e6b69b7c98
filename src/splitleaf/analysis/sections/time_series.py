"""A difference, its interval and its evidence over time."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from splitleaf.analysis.pairs import disagree
from splitleaf.analysis.report.curves import Look, TimeSeries
from splitleaf.analysis.sections.accuracy import LiveAccuracy, PairedAccuracy
from splitleaf.analysis.sections.measures import Measure
from splitleaf.analysis.sections.metrics import Comparisons
from splitleaf.analysis.sections.rows import LOG_TEN
from splitleaf.outcomes.exposures import Bools
from splitleaf.statistics.contrasts import clip_at_zero, contrast_pairs
from splitleaf.statistics.grouping import Ints
from splitleaf.statistics.looks import total_looks
from splitleaf.statistics.records import Difference, Floats
from splitleaf.statistics.sequences import bound, is_enough, log_e_value, score_difference

LOOKS: Final = 40


def trace_measure(comparisons: Comparisons, measure: Measure, candidate: int) -> TimeSeries | None:
    """Return a variant's course, with the width that the sequence has now: then it is one sequence."""
    frame = comparisons.frame
    rows, grouping = comparisons.rows(candidate)
    counts = measure.counts[rows]
    places = np.flatnonzero(counts)
    if not len(places):
        return None
    name, alpha = frame.arms[candidate].name, frame.plan.alpha
    now = comparisons.contrast(measure, name, alpha)
    ends = _ends(len(places))
    look = np.full(len(rows), -1)
    look[places] = np.searchsorted(ends, np.arange(len(places)), side="right")
    looks = total_looks(grouping, np.where(counts, measure.value[rows] / measure.scale, 0.0), look, len(ends))
    score = score_difference(looks.control, looks.candidate, looks.overlap)
    enough = is_enough(looks.control, looks.candidate)
    weight = np.where(score.weight > 0, score.weight, 1.0)
    value = score.sum / weight * measure.scale
    half = bound(score.variance, now.rho, alpha) / weight * measure.scale
    low, high, log_e = value - half, value + half, log_e_value(score, now.rho)
    if measure.is_rate and (firsts := comparisons.firsts(measure, candidate)).decide and len(firsts.share):
        is_first = frame.is_first[rows[places]] & _is_shared(frame.chance(candidate)[rows[places]])
        seen = np.cumsum(is_first, dtype=np.int64)[ends - 1]
        log_e = firsts.log_e(value, seen)
        low, high = clip_at_zero(value, low, high, is_decided=log_e >= -math.log(alpha))
    at_ms = frame.rows.created_ms[rows[places[ends - 1]]]
    found = [
        _look(
            int(at_ms[place]),
            int(ends[place]),
            (value[place], low[place], high[place], log_e[place]),
            is_known=enough[place],
        )
        for place in range(len(ends))
    ]
    return TimeSeries(arm=name, metric=measure.metric, looks=found)


def trace_shadow(comparisons: Comparisons, measure: Measure, arm: str) -> TimeSeries:
    """Return a shadow's course: the same images, answered by both."""
    frame, pairs = comparisons.frame, comparisons.pairs[arm]
    gap = measure.value[pairs.other] - measure.value[pairs.control]
    unit = frame.rows.unit[pairs.control]
    at_ms = frame.rows.created_ms[pairs.control]
    looks = []
    for end in _ends(len(gap)):
        found = contrast_pairs(gap[:end], unit[:end], frame.plan.planned_n, frame.plan.alpha, measure.scale).difference
        looks.append(_of(int(at_ms[end - 1]), int(end), found))
    return TimeSeries(arm=arm, metric=measure.metric, looks=looks)


def trace_paired_accuracy(comparisons: Comparisons, accuracy: PairedAccuracy, arm: str, metric: str) -> TimeSeries:
    """Return the course by the images' times, with the labels that are known now."""
    frame, pairs, labelled = comparisons.frame, accuracy.pairs[arm], accuracy.labelled[arm]
    at_ms = frame.rows.created_ms[pairs.control]
    disagreements = np.cumsum(disagree(frame, pairs))
    looks = []
    for end in _ends(len(at_ms)):
        now_ms = int(at_ms[:end].max())
        until = int(np.searchsorted(labelled.at_ms, now_ms, side="right"))
        counts = labelled.count(until, int(end), int(disagreements[end - 1]))
        looks.append(_of(now_ms, int(end), accuracy.compare(arm, counts, int(end), frame.plan.alpha)))
    return TimeSeries(arm=arm, metric=metric, looks=looks)


def trace_live_accuracy(accuracy: LiveAccuracy, arm: str, metric: str, alpha: float) -> TimeSeries:
    looks = [_of(at_ms, images, found) for at_ms, images, found in accuracy.course(arm, alpha, LOOKS)]
    return TimeSeries(arm=arm, metric=metric, looks=looks)


def _ends(count: int) -> Ints:
    """Return after how many images to look: at most so often, and at the end."""
    ends: Ints = np.unique(np.ceil(np.linspace(0, count, min(LOOKS, count) + 1)[1:]).astype(np.int64))
    return ends


def _of(at_ms: int, images: int, difference: Difference) -> Look:
    numbers = (difference.value, difference.interval.low, difference.interval.high, difference.log_e_value)
    return _look(at_ms, images, numbers, is_known=difference.is_enough)


def _is_shared(chance: Floats) -> Bools:
    shared: Bools = (chance > 0) & (chance < 1)
    return shared


def _look(at_ms: int, images: int, numbers: tuple[float, float, float, float], *, is_known: bool) -> Look:
    value, low, high, log_e = numbers
    if not is_known:
        return Look(at_ms=at_ms, images=images, value=None, low=None, high=None, log10_e=0.0)
    return Look(at_ms=at_ms, images=images, value=value, low=low, high=high, log10_e=log_e / LOG_TEN)
