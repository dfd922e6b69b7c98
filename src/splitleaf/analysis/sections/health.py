"""Checks of an experiment's data. Each says what it found in a sentence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from splitleaf.analysis.dissent import Dissenter, find_dissenters
from splitleaf.analysis.frame import Frame
from splitleaf.analysis.labels import LabelledImage
from splitleaf.analysis.report.health import Check, Health, ResponseRate, SplitCount, Status
from splitleaf.analysis.sections.accuracy import Labelled
from splitleaf.analysis.sections.rows import LOG_TEN, measured
from splitleaf.experiments.allocation import sampling_slots
from splitleaf.experiments.bucketing import SLOTS
from splitleaf.experiments.metrics import LabelSource
from splitleaf.outcomes.exposures import Bools
from splitleaf.statistics import ratio
from splitleaf.statistics.contrasts import Planned, contrast_arms
from splitleaf.statistics.grouping import count_units
from splitleaf.statistics.proportions import estimate_rate
from splitleaf.statistics.records import MOST_IMAGES

MOST_FALLBACKS: Final = 0.01
"""Shares from which on a check warns."""
MOST_CROSSOVERS: Final = 0.001
MOST_MISSING_SHADOWS: Final = 0.2
MOST_CONTESTED: Final = 0.05
LEAST_SHADOWS: Final = 20
LEAST_UNITS: Final = 10
"""Fewer are a warning once there are `LEAST_IMAGES` of them."""
LEAST_IMAGES: Final = 50
HEAVY_SHARE: Final = 0.02
"""Of all images: a unit that sends more is named."""


@dataclass(frozen=True, slots=True)
class _Finding:
    status: Status
    summary: str


def check_health(frame: Frame, labelled: Labelled, set_aside: int) -> Health:
    """Return the health; `set_aside` are this experiment's outcomes that could not be recorded."""
    split, split_log_e = _count_units(frame, frame.shown)
    responses, is_uneven = _count_responses(frame, labelled.said)
    fallback_share = _mean(frame.rows.is_fallback[frame.shown])
    crossovers = _count_crossovers(frame)
    missing, expected = _count_missing_shadows(frame)
    findings: Mapping[str, _Finding] = {
        "split": _judge_split(split, split_log_e),
        "responses": _judge_responses(
            responses, is_uneven, decides=frame.plan.primary.spec.label_source is LabelSource.USERS
        ),
        "fallbacks": _judge_fallbacks(frame, fallback_share),
        "cancellations": _judge_cancellations(frame),
        "units": _judge_units(frame),
        "crossovers": _judge_crossovers(frame, crossovers),
        "missing": _judge_missing(missing, expected, set_aside),
        "aa": _judge_halves(frame),
        "truth": _judge_truth(labelled.asked, find_dissenters(labelled.shared)),
    }
    checks = [
        Check.model_validate({"name": name, "status": one.status, "summary": one.summary})
        for name, one in findings.items()
    ]
    return Health(
        is_sound=all(one.status != "failed" for one in checks),
        checks=checks,
        split=split,
        split_log10_e=split_log_e / LOG_TEN,
        responses=responses,
        fallback_share=fallback_share,
        crossover_units=crossovers,
        missing_shadows=missing,
        set_aside=set_aside,
    )


def _count_units(
    frame: Frame, among: Bools, concentration: float = ratio.CONCENTRATION
) -> tuple[list[SplitCount], float]:
    """Return the units whose first image is among these, by its revision and arm, and ln e against the shares."""
    counts, log_e = [], 0.0
    for revision, slots in frame.slots.items():
        mine = frame.is_first & among & (frame.rows.revision == revision)
        arms = [(place, arm) for place, arm in enumerate(frame.arms) if slots.get(arm.name)]
        seen = [int((mine & (frame.arm == place)).sum()) for place, _ in arms]
        shares = [slots[arm.name] for _, arm in arms]
        if len(arms) > 1:
            log_e += float(ratio.log_evidence(seen, shares, concentration))
        counts += [
            SplitCount(revision=revision, arm=arm.name, units=units, expected=sum(seen) * share / sum(shares))
            for (_, arm), units, share in zip(arms, seen, shares, strict=True)
        ]
    return counts, log_e


def _judge_split(split: Sequence[SplitCount], log_e: float) -> _Finding:
    if len({one.arm for one in split}) < 2:
        return _Finding("ok", "One variant answers all units, so there is no split to check.")
    if not any(one.units for one in split):
        return _Finding("unknown", "There are no units yet.")
    told = _tell_counts(split)
    if log_e >= -math.log(ratio.ALPHA):
        return _Finding("failed", f"The units do not match the shares: {told}. Some were lost or counted twice.")
    return _Finding("ok", f"The units match the shares: {told}.")


def _tell_counts(counts: Sequence[SplitCount]) -> str:
    return ", ".join(
        f"{arm} {sum(one.units for one in counts if one.arm == arm):,} of "
        f"{sum(one.expected for one in counts if one.arm == arm):,.0f} expected"
        for arm in dict.fromkeys(one.arm for one in counts)
    )


def _count_responses(frame: Frame, said: Sequence[LabelledImage]) -> tuple[list[ResponseRate], bool]:
    """Return how many units of each arm said something, and whether one arm's do so more often than another's.

    A unit's first feedback counts, in the revision and arm in which it was given. Without a difference, a unit
    that gives feedback belongs to an arm with that arm's share, however many units give none.
    """
    places = {arm.name: place for place, arm in enumerate(frame.arms) if arm.role != "shadow"}
    heard: dict[str, set[str]] = {arm: set() for arm in places}
    first_words: Counter[tuple[int, str]] = Counter()
    spoke: set[str] = set()
    for one in said:
        if one.variant in places:
            heard[one.variant].add(one.unit_hash)
            if one.unit_hash not in spoke:
                spoke.add(one.unit_hash)
                first_words[one.revision, one.variant] += 1
    rates = []
    for arm, place in places.items():
        # Those too who came first to another arm, and were handed over by the ramp.
        units = count_units(frame.rows.unit[frame.arm == place])
        count = min(len(heard[arm]), units)
        rate = measured(estimate_rate(count, units - count, frame.plan.alpha))
        assert rate is not None
        rates.append(ResponseRate(arm=arm, units=units, responding=count, rate=rate))
    log_e = sum(
        float(ratio.log_evidence([first_words[revision, arm] for arm in slots], list(slots.values())))
        for revision, slots in frame.slots.items()
        if len(slots) > 1
    )
    return rates, log_e >= -math.log(ratio.ALPHA)


def _judge_responses(rates: Sequence[ResponseRate], is_uneven: bool, *, decides: bool) -> _Finding:
    if not any(one.responding for one in rates):
        return _Finding("unknown", "There is no user feedback yet.")
    told = ", ".join(f"{one.arm} {100 * one.responding / max(one.units, 1):.1f} %" for one in rates)
    if is_uneven:
        return _Finding(
            "failed" if decides else "warning",
            f"Units give feedback at different rates ({told}), so the feedback of the arms cannot be compared.",
        )
    return _Finding("ok", f"Units with feedback: {told}.")


def _judge_fallbacks(frame: Frame, share: float) -> _Finding:
    if not frame.shown.any():
        return _Finding("unknown", "There is no exposure yet.")
    summary = f"{100 * share:.2f} % of the exposures were answered by another version than the assigned one."
    if share > MOST_FALLBACKS:
        return _Finding(
            "warning", f"{summary} They count against the assigned version. Check that all workers have loaded it."
        )
    return _Finding("ok", summary)


def _judge_cancellations(frame: Frame) -> _Finding:
    """Ask whether the units whose first image was taken back came as the shares say.

    What was taken back counts neither way. Where one arm loses more, those that stay in it are not like the other's.
    """
    counts, log_e = _count_units(frame, frame.rows.is_canceled, ratio.CONCENTRATION_OF_FEW)
    if not any(one.units for one in counts):
        return _Finding("ok", "No predictions were cancelled.")
    told = _tell_counts(counts)
    if log_e >= -math.log(ratio.ALPHA):
        return _Finding(
            "failed",
            f"Clients cancel at different rates in the arms: {told}. The remaining units cannot be compared.",
        )
    return _Finding("ok", f"Units that cancelled their first image, at the same rate in each arm: {told}.")


def _judge_units(frame: Frame) -> _Finding:
    units, images = int(frame.is_first.sum()), int(frame.shown.sum())
    told = f"{images:,} images came from {units:,} units."
    if not units:
        return _Finding("unknown", "There are no units yet.")
    if units >= LEAST_UNITS or images < LEAST_IMAGES:
        return _judge_heaviest(frame, told)
    whose = "one unit" if units == 1 else f"only {units} units"
    return _Finding(
        "warning",
        f"All {images:,} images came from {whose}, and comparisons count units, not images. Give "
        "each grower a unit: the page's cookie, the header `Splitleaf-Unit`, or `splitleaf predict --units`.",
    )


def _judge_heaviest(frame: Frame, told: str) -> _Finding:
    """Name the unit that sent most, where that is more than many do, by its first outcome."""
    rows = np.flatnonzero(frame.shown)
    sent = np.bincount(frame.rows.unit[rows])
    heaviest = int(sent.argmax())
    most, share = int(sent[heaviest]), int(sent[heaviest]) / len(rows)
    if most <= MOST_IMAGES or share < HEAVY_SHARE:
        return _Finding("ok", told)
    first = int(frame.rows.number[rows[frame.rows.unit[rows] == heaviest][0]])
    return _Finding(
        "warning",
        f"{told} One unit sent {most:,} of them ({100 * share:.0f} %), and counts as at most {MOST_IMAGES} in "
        f"comparisons. Its first is outcome {first:,}. A program that sends for many should name a unit for each.",
    )


def _count_crossovers(frame: Frame) -> int:
    """Return the units that changed arms otherwise than a ramp changes them."""
    places = np.flatnonzero(frame.shown)
    unit, arm, revision = frame.rows.unit[places], frame.arm[places], frame.rows.revision[places]
    order = np.argsort(unit, kind="stable")
    unit, arm, revision = unit[order], arm[order], revision[order]
    same_unit, changed = unit[1:] == unit[:-1], arm[1:] != arm[:-1]
    # A ramp hands units over from control to a candidate, in a later revision.
    is_handed_over = (arm[:-1] == 0) & (revision[1:] > revision[:-1])
    return count_units(unit[1:][same_unit & changed & ~is_handed_over])


def _judge_crossovers(frame: Frame, units: int) -> _Finding:
    total = int(frame.is_first.sum())
    if not total:
        return _Finding("unknown", "There are no units yet.")
    if units / total > MOST_CROSSOVERS:
        return _Finding(
            "warning",
            f"{units:,} of {total:,} units were seen in two arms. One arm affects the other, and "
            "differences look smaller than they are.",
        )
    return _Finding("ok", f"{units:,} of {total:,} units were seen in two arms.")


def _count_missing_shadows(frame: Frame) -> tuple[int, float]:
    """Return how many shadow results are missing, and how many there should be."""
    rows, missing, expected = frame.rows, 0, 0.0
    known = {name: place for place, name in enumerate(rows.versions)}
    for shadow in frame.plan.shadows:
        version = known.get(shadow.version, -1)
        wanted = int((frame.shown & (rows.version != version)).sum()) * sampling_slots(shadow.sampling) / SLOTS
        found = int((rows.is_shadow & ~rows.is_expired & (rows.version == version)).sum())
        missing += max(0, round(wanted) - found)
        expected += wanted
    return missing, expected


def _judge_missing(missing: int, expected: float, set_aside: int) -> _Finding:
    if set_aside:
        return _Finding("warning", f"{set_aside:,} outcomes could not be recorded; see `set_aside` in the database.")
    if expected and missing > MOST_MISSING_SHADOWS * expected and missing > LEAST_SHADOWS:
        return _Finding(
            "warning",
            f"{missing:,} of {expected:,.0f} shadow results are missing: shed under load, so quiet hours weigh more.",
        )
    if expected:
        return _Finding("ok", f"{missing:,} of {expected:,.0f} shadow results are missing.")
    return _Finding("ok", "Every recorded outcome is in the report.")


def _judge_halves(frame: Frame) -> _Finding:
    """Compare the odd and the even units of control: a difference between them would be one of the method."""
    rows = np.flatnonzero((frame.arm == 0) & frame.rows.is_answered)
    half, count = frame.rows.unit[rows] % 2 == 1, len(rows)
    if not count:
        return _Finding("unknown", "Control has no answers yet.")
    sample = frame.group(rows, half).total(frame.rows.confidence[rows])
    found = contrast_arms(sample, Planned(frame.plan.planned_n, 0.5), ratio.ALPHA).difference
    if not found.is_enough:
        return _Finding("unknown", "Control has too few answers to compare its halves.")
    if found.log_e_value >= -math.log(ratio.ALPHA):
        return _Finding(
            "failed",
            f"Two halves of control's units differ in confidence by {100 * found.value:.1f} points, although one "
            "version answers both. Something unknown to the analysis groups the units.",
        )
    return _Finding("ok", "The two halves of control's units agree.")


def _judge_truth(asked: Sequence[LabelledImage], dissenters: Sequence[Dissenter]) -> _Finding:
    if not asked:
        return _Finding("unknown", "No image is labelled yet.")
    contested = sum(one.is_contested for one in asked)
    summary = f"Experts disagree on {contested:,} of {len(asked):,} images."
    if dissenters:
        told = ", ".join(f"{one.author} on {one.against:,} of {one.compared:,}" for one in dissenters)
        summary += f" Against the others: {told}. To decide: `splitleaf review disputes`."
    is_much = bool(dissenters) or contested > MOST_CONTESTED * len(asked)
    return _Finding("warning" if is_much else "ok", summary)


def _mean(values: Bools) -> float:
    return float(values.mean()) if len(values) else 0.0
