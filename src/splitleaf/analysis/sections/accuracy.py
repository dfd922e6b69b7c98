"""Accuracy three ways: on pairs, in the audit, and as users see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from splitleaf.analysis.audit import Audit, weigh
from splitleaf.analysis.census import Census
from splitleaf.analysis.labels import LabelledImage, answer_of
from splitleaf.analysis.pairs import LabelledPairs, Pairs, disagree
from splitleaf.analysis.report.measures import ArmMeasure, Metric
from splitleaf.analysis.sections.firsts import Firsts
from splitleaf.analysis.sections.metrics import Comparisons
from splitleaf.analysis.sections.rows import Judging, compared_row, control_row, judge_all
from splitleaf.experiments.metrics import LabelSource, MetricSpec
from splitleaf.outcomes.events import Feedback
from splitleaf.statistics.contrasts import Contrast, Planned, contrast_arms, estimate_alone
from splitleaf.statistics.disagreement import UNLABELLED_PART, Disagreements, compare_answers
from splitleaf.statistics.grouping import Grouping, Ints, Sample, count_units
from splitleaf.statistics.mcnemar import PairedCounts
from splitleaf.statistics.records import Difference, Estimate, Floats, Interval
from splitleaf.statistics.sequences import mixture_width

PICKED: Final = (
    "No image was drawn at random for an expert, and no version answered another one's images: labels that "
    "someone picked cannot say how accurate the versions are. Label the audit share of the review queue, or add a "
    "shadow."
)


@dataclass(frozen=True, slots=True)
class Level:
    """How often an arm is right."""

    estimate: Estimate
    labels: int
    """That it rests on."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """All that is known of the truth."""

    asked: Sequence[LabelledImage]
    """By experts, audits and imports."""
    said: Sequence[LabelledImage]
    """By users."""
    shared: Sequence[Feedback] = ()
    """Labels of images that several labelled."""
    census: Census | None = None
    audit: Audit | None = None

    @property
    def sample(self) -> Census | Audit | None:
        """Return what tells how often a version is right: all images' labels, else a block of those drawn."""
        return self.census or self.audit

    @property
    def representative(self) -> Sequence[LabelledImage]:
        """Return the labels of the sample."""
        return self.sample.images if self.sample else ()

    @property
    def basis(self) -> str | None:
        """Say what the levels rest on; None where there are none."""
        count = len(self.representative)
        if self.census:
            missing = max(self.census.missing.values())
            gap = f"; at most {100 * missing:.2g} % of an arm's are missing" if missing else ""
            return f"Levels: labels of all images ({count:,}{gap})"
        if not self.audit:
            return None
        lost = f"; {self.audit.given_up:,} more could not be labelled" if self.audit.given_up else ""
        return f"Levels: {count:,} labels drawn at random{lost}"


class PairedAccuracy:
    """Which version is right more often on the same images?"""

    def __init__(self, comparisons: Comparisons, labels: Sequence[LabelledImage]) -> None:
        self._frame = comparisons.frame
        self.pairs: Mapping[str, Pairs] = comparisons.pairs
        control = self._frame.control.version
        self.labelled = {
            arm.name: LabelledPairs.of(labels, control, arm.version)
            for arm in self._frame.arms
            if arm.name in comparisons.pairs
        }

    def contrast(self, arm: str, alpha: float) -> Contrast:
        pairs, labelled = self.pairs[arm], self.labelled[arm]
        counts = labelled.count(len(labelled), len(pairs.control), int(disagree(self._frame, pairs).sum()))
        difference = self.compare(arm, counts, len(pairs.control), alpha)
        if not counts.images:
            # Without a label there is no variance by which to tell how it would continue.
            return Contrast(difference, len(pairs.control), 0.0, 0.0, 1.0)
        rho = mixture_width(counts.variance * self._frame.plan.planned_n / counts.images, alpha)
        return Contrast(difference, len(pairs.control), counts.variance, float(counts.images), rho)

    def compare(self, arm: str, counts: PairedCounts, until: int, alpha: float) -> Difference:
        """Return what labels and the first `until` images say together."""
        plan = self._frame.plan
        return compare_answers(counts, self.disagreements(arm, until), plan.planned_n, alpha, plan.primary.margin)

    def disagreements(self, arm: str, until: int | None = None) -> Disagreements:
        """Return on how many of the first images, all without `until`, the versions say different things."""
        pairs = self.pairs[arm]
        unit = self._frame.rows.unit[pairs.control[:until]]
        return Disagreements.of_units(np.bincount(unit), np.bincount(unit, disagree(self._frame, pairs)[:until]))

    def most_difference(self, arm: str) -> float:
        """Return what the accuracies differ by at most, whatever labels would say."""
        return self.disagreements(arm).most(UNLABELLED_PART * self._frame.plan.alpha / len(self.pairs))

    def metric(
        self, spec: MetricSpec, judging: Judging, live: LiveAccuracy, basis: str | None, *, is_primary: bool
    ) -> Metric:
        """Return the metric; `basis` says what the levels rest on, which `live` has.

        A candidate whose version answered no image that control's did is compared by `live`, too.
        """
        alone = self.list_unpaired()
        judged = judge_all(
            [*self.pairs, *alone],
            lambda arm, alpha: (live if arm in alone else self).contrast(arm, alpha),
            judging,
        )
        levels = live.levels(judging.alpha)
        rows = [
            compared_row(live.row(arm, judging.alpha) if arm in alone else self._row(arm, arm, levels), one, judging)
            for arm, one in judged.items()
        ]
        first = next(iter(self.pairs))
        method = "labels of disagreements on the same images, anytime McNemar, within what they disagree on"
        return Metric(
            metric=spec.name,
            title=spec.title,
            unit=spec.unit,
            better=spec.better,
            is_primary=is_primary,
            method=f"{method}; {' and '.join(alone)}: {live.method(spec)}" if alone else method,
            basis=basis,
            caveat=None,
            arms=[self._row(first, self._frame.control.name, levels), *rows],
        )

    def list_unpaired(self) -> list[str]:
        """Return the candidates that can only be compared live."""
        candidates = (self._frame.arms[place].name for place in self._frame.candidates)
        return [name for name in candidates if name not in self.pairs]

    def _row(self, pair: str, arm: str, levels: Mapping[str, Level]) -> ArmMeasure:
        rows = self.pairs[pair].control
        units = count_units(self._frame.rows.unit[rows])
        level = levels.get(arm)
        estimate, labels = (level.estimate, level.labels) if level else (None, None)
        return control_row(arm, units, len(rows), estimate, len(self.labelled[pair]), estimate_labels=labels)


class LiveAccuracy:
    """Accuracy of what was shown, variant against variant: in the audit, or by users."""

    def __init__(
        self, comparisons: Comparisons, labels: Sequence[LabelledImage], sample: Census | Audit | None = None
    ) -> None:
        """With the `sample` that they are, nothing is made of labels that are missing."""
        self._frame = comparisons.frame
        self._comparisons = comparisons
        self._taken = sample
        self._places = {arm.name: place for place, arm in enumerate(self._frame.arms)}
        self._labels = labels
        self._units: dict[str, int] = {}

    def contrast(self, arm: str, alpha: float) -> Contrast:
        sample, planned, _ = self._sample(self._places[arm], None)
        return self._contrast(arm, sample, planned, alpha, None)

    def _contrast(self, arm: str, sample: Sample, planned: Planned, alpha: float, until_ms: int | None) -> Contrast:
        missing = self._missing(self._frame.control.name) + self._missing(arm)
        found = contrast_arms(sample, planned, alpha)
        # Exact evidence is of labels that no one chose by what they say, and allows for none that is missing.
        if self._taken is None or missing:
            return found.allow_for(missing)
        return self._firsts(self._places[arm], until_ms).weigh(found, alpha)

    def _firsts(self, place: int, until_ms: int | None) -> Firsts:
        """Return the first labelled answer of each unit."""
        columns = [self._columns(0, until_ms), self._columns(place, until_ms)]
        revision, unit, right, _, at_ms = (np.concatenate(pair) for pair in zip(*columns, strict=True))
        is_candidate = np.repeat([False, True], [len(one[0]) for one in columns])
        chances = self._frame.chances(place)
        chance = np.array([chances.get(one, 0.0) for one in revision.tolist()], np.float64)
        rows = np.lexsort((unit, at_ms))
        rows = rows[(chance[rows] > 0) & (chance[rows] < 1)]
        _, first = np.unique(unit[rows], return_index=True)
        firsts = rows[np.sort(first)]
        return Firsts(is_candidate[firsts], right[firsts] > 0, chance[firsts], len(rows))

    def _missing(self, arm: str) -> float:
        return self._taken.missing.get(arm, 0.0) if self._taken else 0.0

    def course(self, arm: str, alpha: float, looks: int) -> Iterator[tuple[int, int, Difference]]:
        """Yield (time, labels, difference) by the images' times, with the labels that are known now."""
        place = self._places[arm]
        _, planned, times = self._sample(place, None)
        for end in np.unique(np.ceil(np.linspace(0, len(times), min(looks, len(times)) + 1)[1:]).astype(int)):
            until_ms = int(times[end - 1])
            sample, _, _ = self._sample(place, until_ms)
            yield until_ms, int(end), self._contrast(arm, sample, planned, alpha, until_ms).difference

    def _sample(self, place: int, until_ms: int | None) -> tuple[Sample, Planned, Ints]:
        """Return the totals of control and an arm, what the plan makes of them, and the labels' times in order."""
        columns = [self._columns(0, until_ms), self._columns(place, until_ms)]
        revision, unit, right, weight, at_ms = (np.concatenate(pair) for pair in zip(*columns, strict=True))
        is_candidate = np.repeat([False, True], [len(one[0]) for one in columns])
        sample = Grouping.of(revision, is_candidate, unit).total(right, weight)
        return sample, self._planned(place, float(weight.sum())), np.sort(at_ms)

    def level(self, place: int, alpha: float) -> Level | None:
        revision, unit, right, weight, _ = self._columns(place)
        if not len(right):
            return None
        sample = Grouping.of(revision, np.zeros(len(right), bool), unit).total(right, weight)
        planned = self._planned(place, float(weight.sum())).images
        told = estimate_alone(sample.control, sample.overlaps[0], planned, alpha)
        missing = self._missing(self._frame.arms[place].name)
        # What has no label may be all wrong, or all right.
        interval = Interval(told.interval.low * (1 - missing), told.interval.high * (1 - missing) + missing)
        return Level(Estimate(told.value, interval), len(right))

    def metric(self, spec: MetricSpec, judging: Judging, *, is_primary: bool, caveat: str | None = None) -> Metric:
        frame = self._frame
        live = [frame.arms[place].name for place in frame.candidates]
        judged = judge_all(live, self.contrast, judging)
        rows = []
        for arm in frame.arms:
            row = self.row(arm.name, judging.alpha)
            if arm.name in judged:
                rows.append(compared_row(row, judged[arm.name], judging))
            elif arm.role == "control" or (row.images and spec.label_source is not LabelSource.USERS):
                rows.append(row)
        is_whole = spec.label_source is LabelSource.AUDIT and isinstance(self._taken, Census)
        return Metric(
            metric=spec.name,
            title="Accuracy on all images" if is_whole else spec.title,
            unit=spec.unit,
            better=spec.better,
            is_primary=is_primary,
            method=self.method(spec),
            basis=None,
            caveat=caveat or spec.caveat,
            arms=rows,
        )

    def method(self, spec: MetricSpec) -> str:
        """Say how the arms are compared."""
        words = "labels weighted by one over their probability"
        if spec.label_source is LabelSource.USERS:
            words = "what users said"
        elif isinstance(self._taken, Census):
            words = "labels of all images"
        return f"{words}; by revision, clustered by unit"

    def levels(self, alpha: float) -> dict[str, Level]:
        """Return by arm how often it is right, where that can be told."""
        found = {name: self.level(place, alpha) for name, place in self._places.items()}
        return {name: level for name, level in found.items() if level is not None}

    def row(self, arm: str, alpha: float) -> ArmMeasure:
        """Return an arm's row, before it is compared."""
        place = self._places[arm]
        _, unit, right, _, _ = self._columns(place)
        level, labels = self.level(place, alpha), len(right)
        estimate = level.estimate if level else None
        return control_row(arm, count_units(unit), labels, estimate, labels, estimate_labels=labels)

    def _planned(self, place: int, labels: float) -> Planned:
        """Return how many labels there would be if as many images in a hundred were labelled up to the plan's end."""
        planned = self._comparisons.planned(place)
        shown = max(int(self._frame.shown.sum()), 1)
        return replace(planned, images=max(planned.images * labels / shown, 1.0))

    def _columns(self, place: int, until_ms: int | None = None) -> tuple[Ints, Ints, Floats, Floats, Ints]:
        """Return revision, unit, rightness, weight and time of the labels that tell of an arm."""
        told = [
            (one, answer.is_right)
            for one in self._labels
            if (until_ms is None or one.created_ms <= until_ms)
            and (answer := answer_of(self._frame.arms[place], one)) is not None
            and answer.is_right is not None
        ]
        units = [self._units.setdefault(one.unit_hash, len(self._units)) for one, _ in told]
        return (
            np.array([one.revision for one, _ in told], np.int64),
            np.array(units, np.int64),
            np.array([is_right for _, is_right in told], np.float64),
            weigh([one for one, _ in told]),
            np.array([one.created_ms for one, _ in told], np.int64),
        )
