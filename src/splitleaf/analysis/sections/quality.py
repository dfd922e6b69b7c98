"""Recall by condition, honesty of the confidence, and accuracy against latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from splitleaf.analysis.audit import weigh
from splitleaf.analysis.classes import compare_recalls
from splitleaf.analysis.frame import ArmSpec, Frame
from splitleaf.analysis.labels import Answer, LabelledImage, answer_of
from splitleaf.analysis.report.comparisons import ClassRecall, ReliabilityBin, Tradeoff
from splitleaf.analysis.report.comparisons import Reliability as ReliabilityPart
from splitleaf.analysis.report.curves import Latency, LatencyPart
from splitleaf.analysis.report.measures import ArmMeasure, Metric
from splitleaf.analysis.report.parts import Measured
from splitleaf.analysis.sections.accuracy import Labelled
from splitleaf.analysis.sections.rows import measured
from splitleaf.experiments.metrics import METRICS, LabelSource
from splitleaf.outcomes.exposures import Bools
from splitleaf.statistics.calibration import BINS, Reliability, measure_reliability
from splitleaf.statistics.contrasts import estimate_few
from splitleaf.statistics.grouping import Ints
from splitleaf.statistics.records import ArmTotals, Estimate

TradeoffTruth = Literal["census", "audit", "feedback"]
TruthName = Literal["census", "audit", "feedback"]


def describe_recalls(frame: Frame, arm: ArmSpec, audit: Sequence[LabelledImage]) -> list[ClassRecall]:
    """Compare the recalls of two versions on the audited images that both answered.

    Of the audit alone: where the disagreements were labelled first, every condition would look difficult.
    """
    control = frame.control.version
    both = [one for one in audit if one.truth is not None and control in one.answers and arm.version in one.answers]
    names = sorted({one.truth for one in both if one.truth is not None})
    if not both:
        return []
    number = {name: place for place, name in enumerate(names)}
    said = [[number.get(one.answers[version].label, len(names)) for one in both] for version in (control, arm.version)]
    truth = [number[one.truth] for one in both if one.truth is not None]
    # One class more than there are truths, for answers that are none of them.
    classes = len(names) + 1
    units: dict[str, int] = {}
    unit = np.array([units.setdefault(one.unit_hash, len(units)) for one in both])
    alpha = frame.plan.alpha
    gaps = compare_recalls(
        truth, said[0], said[1], classes, planned_images=frame.plan.planned_n, alpha=alpha, unit=unit
    )
    found = []
    for name, place in number.items():
        mine = np.array(truth) == place
        images = int(mine.sum())
        levels = [_recall(np.array(one)[mine] == place, unit[mine], alpha / len(names)) for one in said]
        gap = gaps[place]
        difference = measured(Estimate(gap.value, gap.interval)) if gap.is_enough else None
        found.append(
            ClassRecall(
                arm=arm.name, label=name, images=images, control=levels[0], other=levels[1], difference=difference
            )
        )
    return found


def _recall(is_right: Bools, unit: Ints, alpha: float) -> Measured | None:
    """Return a recall; images of one unit tell as little more than one as they resemble each other."""
    totals = ArmTotals.of_units(np.bincount(unit), np.bincount(unit, is_right))
    return measured(estimate_few(totals, alpha))


def describe_reliability(arm: ArmSpec, labelled: Labelled) -> ReliabilityPart | None:
    """Compare an arm's confidences with its rightness by the best truth that there is; None without any."""
    sources: tuple[tuple[TruthName, Sequence[LabelledImage]], ...] = (
        ("census" if labelled.census else "audit", labelled.representative),
        ("feedback", labelled.said),
    )
    for name, images in sources:
        told = [
            (answer, one)
            for one in images
            if (answer := _answer(arm, one, name)) is not None and answer.is_right is not None
        ]
        if told:
            confidence, right = ([getattr(answer, each) for answer, _ in told] for each in ("confidence", "is_right"))
            found = measure_reliability(confidence, right, weigh([one for _, one in told]))
            return ReliabilityPart(
                arm=arm.name,
                version=arm.version,
                truth=name,
                images=len(told),
                calibration_error=found.calibration_error,
                bins=_bins(found),
            )
    return None


def _answer(arm: ArmSpec, image: LabelledImage, truth: TruthName) -> Answer | None:
    # What an expert says is true for every version that answered; what a user says is about what they saw.
    return answer_of(arm, image) if truth == "feedback" else image.answers.get(arm.version)


def _bins(found: Reliability) -> list[ReliabilityBin]:
    return [
        ReliabilityBin(
            low=place / BINS,
            high=(place + 1) / BINS,
            images=float(found.images[place]),
            confidence=float(found.confidence[place] / found.images[place]),
            accuracy=float(found.right[place] / found.images[place]),
        )
        for place in np.flatnonzero(found.images > 0).tolist()
    ]


def describe_tradeoff(
    frame: Frame, metrics: Sequence[Metric], latency: Latency, *, is_census: bool = False
) -> list[Tradeoff]:
    """Return a point for each arm; accuracy by a census or the audit, or by users where there is neither."""
    levels: tuple[tuple[LabelSource, TradeoffTruth], ...] = (
        (LabelSource.AUDIT, "census" if is_census else "audit"),
        (LabelSource.USERS, "feedback"),
    )
    by_truth = {METRICS[one.metric].label_source: one for one in metrics}
    # A shadow waits behind everyone: next to it, only the work itself can be compared.
    part: LatencyPart = "inference" if frame.shadows else "total"
    points = []
    for arm in frame.arms:
        accuracy: Measured | None = None
        truth: TradeoffTruth | None = None
        for source, name in levels:
            row = _row(by_truth.get(source), arm.name)
            if accuracy is None and row is not None and row.estimate is not None:
                accuracy, truth = row.estimate, name
        median = next(
            (one.measured for one in latency.quantiles if (one.arm, one.part, one.quantile) == (arm.name, part, 0.5)),
            None,
        )
        points.append(
            Tradeoff(arm=arm.name, version=arm.version, part=part, latency_ms=median, accuracy=accuracy, truth=truth)
        )
    return points


def _row(metric: Metric | None, arm: str) -> ArmMeasure | None:
    return next((row for row in metric.arms if row.arm == arm), None) if metric else None
