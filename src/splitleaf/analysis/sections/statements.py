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
from splitleaf.analysis.verdicts import PREFERENCE, Verdict, headline, headline_of_harm
from splitleaf.experiments.metrics import METRICS, Truth
from splitleaf.experiments.plan import Plan
from splitleaf.statistics.mcnemar import LEAST_DISCORDANT
from splitleaf.statistics.sequences import LEAST_OF_EACH

_OVER: Final = frozenset({"promoted", "rejected", "rolled_back"})
"""States after which nothing more is wanted."""
_UNSOUND: Final = "The numbers below are shown, but mean nothing until the failed check is explained."


@dataclass(frozen=True, slots=True)
class Findings:
    """What has been found out."""

    plan: Plan
    state: str
    arms: Sequence[ArmSpec]
    health: Health
    metrics: Sequence[Metric]
    """The primary one in front, if there is anything to reckon it from."""
    guardrails: Sequence[GuardrailState]
    agreements: Sequence[Agreement]
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
    said = headline(verdict, findings.plan.primary.metric, *names, margin)
    certainty = _certainty(findings.plan, primary, row)
    concerns = list(_concerns(findings, arm, primary))
    if not findings.health.is_sound:
        verdict = Verdict.INVALID
        said, certainty = headline(verdict, findings.plan.primary.metric, *names, margin), _UNSOUND
        concerns = [*map(_tell_fired, fired), *concerns]
    elif fired:
        if verdict is not Verdict.NOT_ENOUGH_DATA:
            concerns = [f"{said} {certainty}", *concerns]
        verdict = Verdict.HARMFUL
        said, certainty = headline_of_harm([one.metric for one in fired], *names), " ".join(map(_tell_fired, fired))
    situation = Situation(findings.plan, findings.state, arm, verdict, findings.stages_left, bool(fired))
    return Statement(
        verdict=verdict,
        arm=arm.name,
        version=arm.version,
        headline=said,
        certainty=certainty,
        missing=list(_missing(findings, primary, row, verdict)) if findings.state not in _OVER else [],
        concerns=concerns,
        next_steps=advise(situation, findings.health),
    )


def _certainty(plan: Plan, primary: Metric | None, row: ArmMeasure | None) -> str:
    if primary is None or row is None or row.log10_e is None:
        return "There is nothing to reckon from yet."
    evidence = f"the evidence against no difference is e = {_power(row.log10_e)}, where {1 / plan.alpha:g} is a proof"
    if row.difference is None:
        return f"No interval can be given yet; {evidence}."
    sure = f"{100 * (1 - plan.alpha):.4g} %"
    low, high = _signed(row.difference.low, primary), _signed(row.difference.high, primary)
    return (
        f"Difference {_signed(row.difference.value, primary)}, between {low} and {high} with {sure} confidence "
        f"however often one looks; {evidence}."
    )


def _missing(findings: Findings, primary: Metric | None, row: ArmMeasure | None, verdict: Verdict) -> Iterator[str]:
    if verdict not in (Verdict.NOT_ENOUGH_DATA, Verdict.UNDECIDED, Verdict.NOT_WORSE):
        return
    arm = row.arm if row else ""
    unlabelled = _unlabelled(findings.agreements, arm)
    if _needs_labels(findings):
        if row is None:
            yield "Labels by experts, and a shadow or an audit share that gives them something to be compared by."
        elif verdict is Verdict.NOT_ENOUGH_DATA and any(one.arm == arm for one in findings.agreements):
            yield f"At least {LEAST_DISCORDANT} units with labelled pictures on which exactly one version is right."
        elif verdict is Verdict.NOT_ENOUGH_DATA:
            yield f"At least {LEAST_OF_EACH} units with right and as many with wrong labelled answers in each arm."
        if unlabelled:
            yield f"Labels: {unlabelled:,} pictures on which the versions disagree have none yet."
    elif verdict is Verdict.NOT_ENOUGH_DATA:
        yield f"At least {LEAST_OF_EACH} units of either outcome in each arm."
    if row and row.images_needed:
        yield f"About {row.images_needed:,} more pictures{_where(findings, arm)}."
    exposed = max((one.images for one in primary.arms), default=0) if primary else 0
    if exposed < findings.plan.planned_n:
        yield f"The plan asks for {findings.plan.planned_n:,} pictures."


def _needs_labels(findings: Findings) -> bool:
    return findings.plan.primary.spec.truth is Truth.EXPERTS


def _where(findings: Findings, arm: str) -> str:
    if any(one.role == "candidate" for one in findings.arms):
        return " at the present shares"
    paired = _needs_labels(findings) and any(one.arm == arm for one in findings.agreements)
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
        f"{rail.control_units:,}. The evidence is e = {_power(rail.log10_e)}, where {1 / rail.alpha:,.0f} is a proof "
        "however often one looks."
    )


def _amount(share: float, metric: Metric | None) -> str:
    if metric is not None and metric.unit == "ms":
        return f"{100 * share:g} %"
    return f"{100 * share:g} points"


def _signed(value: float, metric: Metric) -> str:
    return f"{value:+,.2f} ms" if metric.unit == "ms" else f"{100 * value:+.2f} points"


def _power(log10_e: float) -> str:
    if log10_e >= 3:
        return f"10^{log10_e:.0f}"
    return f"{10**log10_e:.2g}" if log10_e < 1 else f"{10**log10_e:,.0f}"
