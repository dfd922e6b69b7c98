"""The metrics that need no label: errors, slowness, latency, confidence, cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from splitleaf.analysis.frame import ArmSpec, Frame
from splitleaf.analysis.pairs import Pairs
from splitleaf.analysis.report.measures import ArmMeasure, Metric
from splitleaf.analysis.sections.firsts import Firsts
from splitleaf.analysis.sections.measures import Measure
from splitleaf.analysis.sections.rows import Judging, compared_row, control_row, judge_all
from splitleaf.statistics.contrasts import Contrast, Planned, contrast_arms, contrast_pairs, estimate_alone
from splitleaf.statistics.grouping import Grouping, Ints, Sample, count_units
from splitleaf.statistics.records import Estimate


class Comparisons:
    """The rows of each pair of arms, sorted once for all measures."""

    def __init__(self, frame: Frame, pairs: dict[str, Pairs]) -> None:
        """`pairs` are what control's version and each other one said of the same images, by arm."""
        self.frame = frame
        self.pairs = pairs
        self._places = {arm.name: place for place, arm in enumerate(frame.arms)}
        self._rows: dict[int, tuple[Ints, Grouping]] = {}

    def rows(self, candidate: int) -> tuple[Ints, Grouping]:
        """Return the places of control's and the candidate's rows, and their grouping."""
        if candidate not in self._rows:
            rows = self.frame.pair_of(candidate)
            self._rows[candidate] = rows, self.frame.group(rows, self.frame.arm[rows] == candidate)
        return self._rows[candidate]

    def sample(self, measure: Measure, candidate: int) -> Sample:
        rows, grouping = self.rows(candidate)
        counts = measure.counts[rows]
        # Sums are a third faster without weights, which most measures need not have.
        return grouping.total(measure.value[rows] / measure.scale, None if counts.all() else counts)

    def planned(self, place: int) -> Planned:
        """Return the part of the planned images that control and this candidate have; all, without a candidate."""
        plan = self.frame.plan
        if place not in self.frame.candidates:
            return Planned(plan.planned_n, 0.5)
        share = self.frame.planned_share(place)
        names = (self.frame.control.name, self.frame.arms[place].name)
        part = sum(plan.variants[name].share for name in names) / plan.enrolled
        return Planned(plan.planned_n * part, share)

    def contrast(self, measure: Measure, arm: str, alpha: float) -> Contrast:
        """Compare an arm with control: a variant live, a shadow on the same images."""
        place = self._places[arm]
        if self.frame.arms[place].role == "shadow":
            return self._contrast_shadow(measure, arm, alpha)
        found = contrast_arms(self.sample(measure, place), self.planned(place), alpha, measure.scale)
        return self.firsts(measure, place).weigh(found, alpha) if measure.is_rate else found

    def firsts(self, measure: Measure, candidate: int) -> Firsts:
        """Return the first outcomes by a rate, of which more is worse."""
        chance = self.frame.chance(candidate)
        comparable = measure.counts & (chance > 0) & (chance < 1) & np.isin(self.frame.arm, (0, candidate))
        rows = np.flatnonzero(self.frame.is_first & comparable)
        is_candidate, is_good = self.frame.arm[rows] == candidate, measure.value[rows] == 0
        return Firsts(is_candidate, is_good, chance[rows], int(comparable.sum()), better=-1)

    def _contrast_shadow(self, measure: Measure, arm: str, alpha: float) -> Contrast:
        pairs = self.pairs[arm]
        both = measure.counts[pairs.control] & measure.counts[pairs.other]
        control, other = pairs.control[both], pairs.other[both]
        gap = measure.value[other] - measure.value[control]
        planned = self.frame.plan.planned_n * min(1.0, len(gap) / max(len(pairs.control), 1))
        return contrast_pairs(gap, self.frame.rows.unit[control], planned, alpha, measure.scale)


@dataclass(frozen=True, slots=True)
class MetricTable:
    """Turns a measure into a metric."""

    comparisons: Comparisons

    def metric(self, measure: Measure, judging: Judging, *, is_primary: bool) -> Metric:
        frame = self.comparisons.frame
        arms = [arm for arm in self._arms(measure) if arm.role != "control"]
        contrast = cache(lambda name, alpha: self.comparisons.contrast(measure, name, alpha))
        judged = judge_all([arm.name for arm in arms], contrast, judging)
        first = next((judged[frame.arms[place].name].contrast for place in frame.candidates), None)
        rows = [self._row(measure, 0, first.control if first else self._alone(measure, judging.alpha))]
        for place, arm in enumerate(frame.arms):
            if arm.name in judged:
                row = self._row(measure, place, judged[arm.name].contrast.candidate)
                rows.append(compared_row(row, judged[arm.name], judging))
        if measure.spec.shadows == "alone":
            rows += self._unseen(measure)
        where = "by revision" if frame.candidates else "on the same images"
        return Metric(
            metric=measure.metric,
            title=measure.title,
            unit=measure.spec.unit,
            better=measure.spec.better,
            is_primary=is_primary,
            method=f"{measure.method} {where}, clustered by unit",
            basis=None,
            caveat=measure.spec.caveat,
            arms=rows,
        )

    def _unseen(self, measure: Measure) -> list[ArmMeasure]:
        """Return how often each shadow fails on its own; what was shed, or canceled with its image, is no failure."""
        frame, rows = self.comparisons.frame, self.comparisons.frame.rows
        versions = {name: place for place, name in enumerate(rows.versions)}
        found = []
        for place in frame.shadows:
            is_mine = rows.is_shadow & (rows.version == versions.get(frame.arms[place].version, -1))
            mine = np.flatnonzero(is_mine & measure.counts & ~rows.is_expired)
            if len(mine):
                units = count_units(rows.unit[mine])
                found.append(
                    control_row(frame.arms[place].name, units, len(mine), estimate_of_rows(frame, mine, measure))
                )
        return found

    def _arms(self, measure: Measure) -> list[ArmSpec]:
        # A shadow that scored none of control's images yet has nothing to be compared by.
        compared = self.comparisons.pairs if measure.spec.shadows == "compared" else {}
        return [arm for arm in self.comparisons.frame.arms if arm.role != "shadow" or arm.name in compared]

    def _row(self, measure: Measure, place: int, estimate: Estimate | None) -> ArmMeasure:
        frame = self.comparisons.frame
        arm = frame.arms[place]
        pairs = self.comparisons.pairs.get(arm.name)
        mine = pairs.other if arm.role == "shadow" and pairs else np.flatnonzero(frame.arm == place)
        mine = mine[measure.counts[mine]]
        if arm.role == "shadow" and len(mine):
            estimate = estimate_of_rows(frame, mine, measure)
        units = count_units(frame.rows.unit[mine])
        return control_row(arm.name, units, len(mine), estimate if len(mine) else None)

    def _alone(self, measure: Measure, alpha: float) -> Estimate | None:
        mine = np.flatnonzero((self.comparisons.frame.arm == 0) & measure.counts)
        return estimate_of_rows(self.comparisons.frame, mine, measure, alpha) if len(mine) else None


def estimate_of_rows(frame: Frame, rows: Ints, measure: Measure, alpha: float | None = None) -> Estimate:
    """Return the level of some rows on their own."""
    sample = frame.group(rows, np.zeros(len(rows), bool)).total(measure.value[rows] / measure.scale)
    planned = float(frame.plan.planned_n)
    return estimate_alone(sample.control, sample.overlaps[0], planned, alpha or frame.plan.alpha, measure.scale)
