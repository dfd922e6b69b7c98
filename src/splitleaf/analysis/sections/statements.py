"""The verdict in plain language: which version, how sure, what is missing, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from splitleaf.analysis.frame import ArmSpec
from splitleaf.analysis.report.comparisons import Agreement
from splitleaf.analysis.report.health import Health
from splitleaf.analysis.report.measures import ArmMeasure, GuardrailState, Metric
from splitleaf.analysis.report.statement import Statement
from splitleaf.analysis.sections.advice import Situation, advise
from splitleaf.analysis.verdicts import PREFERENCE, Verdict, headline, headline_of_harm, tell_evidence
from splitleaf.experiments.metrics import METRICS, LabelSource
from splitleaf.experiments.plan import Plan
from splitleaf.statistics.disagreement import items_needed
from splitleaf.statistics.mcnemar import LEAST_DISCORDANT
from splitleaf.statistics.sequences import LEAST_OF_EACH

_OVER: Final = frozenset({"promoted", "rejected", "rolled_back"})
"""States after which nothing more is wanted."""
_FAR: Final = 0.1
"""That versions differ by less than so much is worth telling."""
_UNSOUND: Final = "The numbers below are not reliable until the failed check is explained."


@dataclass(frozen=True, slots=True)
class Findings:
    """What has been found out."""

    plan: Plan
    state: str
    arms: Sequence[ArmSpec]
    health: Health
    metrics: Sequence[Metric]
    """The primary one in front, if there is data for it."""
    guardrails: Sequence[GuardrailState]
    agreements: Sequence[Agreement]
    images: int
    """That were to be shown to someone."""
    stages_left: int


def write_statements(findings: Findings) -> list[Statement]:
    """Return a statement on each candidate and shadow."""
    return [_state(findings, arm) for arm in findings.arms if arm.role != "control"]


def choose_statement(statements: Sequence[Statement]) -> Statement:
    """Return the one on the candidate that matters most."""
    return min(statements, key=lambda one: PREFERENCE.index(one.verdict))


def _state(findings: Findings, arm: ArmSpec) -> Statement:
    primary = next((one for one in findings.metrics if one.is_primary), None)
    row = next((one for one in primary.arms if one.arm == arm.name), None) if primary else None
    verdict = row.verdict if row and row.verdict else Verdict.NOT_ENOUGH_DATA
    fired = [one for one in findings.guardrails if one.arm == arm.name and one.is_fired]
    control = findings.arms[0]
    # In an A/A experiment both are one version, and only the arms' names tell them apart.
    names = (arm.name, control.name) if arm.version == control.version else (arm.version, control.version)
    margin = _amount(findings.plan.primary.margin, primary)
    metric = findings.plan.primary.metric
    said = headline(verdict, metric, *names, margin, is_behind=_is_behind(primary, row))
    certainty = _certainty(findings, primary, row)
    concerns = list(_concerns(findings, arm, primary))
    if not findings.health.is_sound:
        verdict = Verdict.INVALID
        said, certainty = headline(verdict, metric, *names, margin), _UNSOUND
        concerns = [*map(_tell_fired, fired), *concerns]
    elif fired:
        told = [*map(_tell_fired, fired)]
        if verdict is Verdict.WORSE:
            concerns = [f"{said} {certainty}", *concerns]
        elif verdict is not Verdict.NOT_ENOUGH_DATA:
            # No concern, but what the plan asked: it stands behind what harms.
            told.append(f"Apart from that: {said} {certainty}")
        verdict = Verdict.HARMFUL
        said, certainty = headline_of_harm([one.metric for one in fired], *names), " ".join(told)
    situation = Situation(
        findings.plan,
        findings.state,
        arm,
        verdict,
        findings.stages_left,
        has_fired=bool(fired),
        is_labelled=_agreement(findings, arm.name) is not None and not _unlabelled(findings.agreements, arm.name),
    )
    return Statement(
        verdict=verdict,
        arm=arm.name,
        version=arm.version,
        headline=said,
        certainty=certainty,
        missing=list(_missing(findings, row, verdict)) if findings.state not in _OVER else [],
        concerns=concerns,
        next_steps=advise(situation, findings.health),
    )


def _is_behind(primary: Metric | None, row: ArmMeasure | None) -> bool:
    """Return whether the whole interval is on the worse side of zero."""
    if primary is None or row is None or row.difference is None:
        return False
    return row.difference.high < 0 if primary.better == "higher" else row.difference.low > 0


def _certainty(findings: Findings, primary: Metric | None, row: ArmMeasure | None) -> str:
    if primary is None or row is None or row.log10_e is None:
        return "There is no data to compare yet."
    bound = _tell_bound(findings, row)
    level = row.alpha or findings.plan.alpha
    evidence = (
        f"the e-value against no difference is {tell_evidence(row.log10_e)}, and the threshold is {1 / level:,.3g}"
    )
    if row.difference is None:
        return f"There is no interval yet; {evidence}.{bound}"
    sure = f"{100 * (1 - level):.4g} %"
    sided = f" ({100 * (1 - level / 2):.4g} % to either side)" if findings.plan.primary.one_sided else ""
    low, high = _signed(row.difference.low, primary), _signed(row.difference.high, primary)
    return (
        f"Difference {_signed(row.difference.value, primary)}, between {low} and {high} with {sure} confidence{sided} "
        f"at any number of looks; {evidence}.{bound}"
    )


def _tell_bound(findings: Findings, row: ArmMeasure) -> str:
    """Say how far the accuracies can be apart without any label; empty where labels know more."""
    found = _agreement(findings, row.arm)
    if not _needs_labels(findings) or found is None or found.most_difference is None:
        return ""
    labelled = max(abs(row.difference.low), abs(row.difference.high)) if row.difference else _FAR
    if found.most_difference > labelled + 1e-9:
        return ""
    apart = sum(one.images for one in found.disagreements)
    return (
        f" They disagree on {apart:,} of {found.images:,} images, so even without labels, their accuracies are known "
        f"to differ by at most {100 * found.most_difference:.2g} points."
    )


def _agreement(findings: Findings, arm: str) -> Agreement | None:
    return next((one for one in findings.agreements if one.arm == arm), None)


def _missing(findings: Findings, row: ArmMeasure | None, verdict: Verdict) -> Iterator[str]:
    if verdict not in (Verdict.NOT_ENOUGH_DATA, Verdict.UNDECIDED):
        return
    arm = row.arm if row else ""
    unlabelled = _unlabelled(findings.agreements, arm)
    if _needs_labels(findings):
        if row is None:
            yield "Labels by experts, and a shadow or an audit share to compare them on."
        elif verdict is Verdict.NOT_ENOUGH_DATA and _agreement(findings, arm) is not None:
            yield f"At least {LEAST_DISCORDANT} units with labelled images on which exactly one version is right."
        elif verdict is Verdict.NOT_ENOUGH_DATA:
            yield f"At least {LEAST_OF_EACH} units with right and as many with wrong labelled answers in each arm."
        if unlabelled:
            yield f"Labels: {unlabelled:,} images on which the versions disagree have none yet."
        yield from _without_labels(findings, arm)
    elif verdict is Verdict.NOT_ENOUGH_DATA:
        yield f"At least {LEAST_OF_EACH} units with each outcome in each arm."
    if row and row.images_needed:
        yield from _tell_needed(findings, arm, row.images_needed)
    if findings.images < findings.plan.planned_n:
        yield f"The plan asks for {findings.plan.planned_n:,} images; {findings.images:,} have arrived."


def _tell_needed(findings: Findings, arm: str, needed: int) -> Iterator[str]:
    """Say how many images would decide a difference as large as the one seen, or the smallest that matters.

    And where half of the plan's have come, and those that are left are less than half of that, that they will not do.
    """
    planned, come = findings.plan.planned_n, findings.images
    yield f"About {needed:,} more images{_where(findings, arm)}."
    if come >= planned / 2 and planned - come < needed / 2:
        yield (
            f"The {planned:,} images of the plan are unlikely to decide it: stop, or plan a new experiment with more "
            "images or a larger minimum detectable effect."
        )


def _without_labels(findings: Findings, arm: str) -> Iterator[str]:
    """Say how many images would settle it though no one labelled one, where the versions hardly ever disagree."""
    found, margin = _agreement(findings, arm), findings.plan.primary.margin
    if found is None or not found.images:
        return
    share = sum(one.images for one in found.disagreements) / found.images
    needed = items_needed(share, margin, alpha=findings.plan.alpha) if share < margin / 2 else None
    if needed is not None and needed > found.images:
        yield (
            f"Or about {needed - found.images:,} more images without labels: versions that disagree on "
            f"{100 * share:.2g} % are then known to be within {100 * margin:g} points."
        )


def _needs_labels(findings: Findings) -> bool:
    return findings.plan.primary.spec.label_source is LabelSource.EXPERTS


def _where(findings: Findings, arm: str) -> str:
    if any(one.role == "candidate" for one in findings.arms):
        return " at the present shares"
    paired = _needs_labels(findings) and _agreement(findings, arm) is not None
    return ", labelled where the versions disagree" if paired else ""


def _unlabelled(agreements: Sequence[Agreement], arm: str) -> int:
    found = (one for one in agreements if not arm or one.arm == arm)
    return sum(each.images - each.labelled for one in found for each in one.disagreements)


def _concerns(findings: Findings, arm: ArmSpec, primary: Metric | None) -> Iterator[str]:
    yield from (one.summary for one in findings.health.checks if one.status == "failed")
    if primary and primary.caveat:
        yield primary.caveat
    for metric in findings.metrics:
        row = next((one for one in metric.arms if one.arm == arm.name), None)
        if not metric.is_primary and row and row.verdict is Verdict.WORSE and row.difference:
            worse = METRICS[metric.metric].words[1]
            yield f"{arm.version} is {worse}: {_signed(row.difference.value, metric)} ({metric.title.lower()})."
    yield from (one.summary for one in findings.health.checks if one.status == "warning")


def _tell_fired(rail: GuardrailState) -> str:
    bad = METRICS[rail.metric].name_bad(rail.threshold_ms)
    candidate = f"{rail.candidate_bad:,} of {rail.candidate_units:,} units {bad}"
    return (
        f"The guardrail {rail.metric} has fired: {candidate}, against control's {rail.control_bad:,} of "
        f"{rail.control_units:,}. The e-value is {tell_evidence(rail.log10_e)}; the guardrail fires "
        f"at {1 / rail.alpha:,.0f}, at any number of looks."
    )


def _amount(share: float, metric: Metric | None) -> str:
    if metric is not None and metric.unit == "ms":
        return f"{100 * share:g} %"
    return f"{100 * share:g} points"


def _signed(value: float, metric: Metric) -> str:
    return f"{value:+,.2f} ms" if metric.unit == "ms" else f"{100 * value:+.2f} points"
