"""What a person should do now."""

from __future__ import annotations

from dataclasses import dataclass

from splitleaf.analysis.frame import ArmSpec
from splitleaf.analysis.report.health import Health
from splitleaf.analysis.verdicts import Verdict
from splitleaf.experiments.metrics import LabelSource
from splitleaf.experiments.plan import Plan


@dataclass(frozen=True, slots=True)
class Situation:
    plan: Plan
    state: str
    arm: ArmSpec
    verdict: Verdict
    stages_left: int
    """Of the ramp."""
    has_fired: bool
    """A guardrail has."""
    is_labelled: bool = False
    """Every image on which two versions disagree has a label: there is nothing to be labelled."""


_OVER = {
    "promoted": "Decided: the winner was promoted. To undo the promotion: `{cli} rollback {key}`.",
    "rejected": "Decided: the candidates were rejected.",
    "rolled_back": "Rolled back: all users are answered as before. A new experiment needs a new key.",
}


def advise(situation: Situation, health: Health) -> list[str]:
    """Return the steps, the first thing first."""
    plan, state, cli = situation.plan, situation.state, "splitleaf experiments"
    if state in _OVER:
        return [_OVER[state].format(cli=cli, key=plan.key)]
    if state == "draft":
        return [f"Start it: `{cli} start {plan.key}`."]
    if not health.is_sound:
        failed = ", ".join(one.name for one in health.checks if one.status == "failed")
        pause = [f"Pause the experiment until then: `{cli} pause {plan.key}`."] if state == "running" else []
        return [
            f"Find out why the check `{failed}` fails. docs/explanation/statistics.md explains it.",
            *pause,
        ]
    if situation.has_fired and state != "stopped":
        return [f"Roll back, unless the controller has done so: `{cli} rollback {plan.key}`."]
    if plan.mode == "aa":
        return _advise_aa(situation)
    return _BY_VERDICT[situation.verdict](situation)


def _advise_aa(situation: Situation) -> list[str]:
    if situation.verdict in (Verdict.BETTER, Verdict.WORSE, Verdict.HARMFUL):
        return [
            "Both arms run the same version. Find out what else differs between them before you run an A/B experiment."
        ]
    return ["The check shows no problem. Let the experiment run to its planned images, then stop it."]


def _take(situation: Situation) -> list[str]:
    key, arm = situation.plan.key, situation.arm
    if arm.role == "shadow":
        stop = [] if situation.state == "stopped" else [f"End this one: `splitleaf experiments stop {key}`."]
        return [
            *stop,
            f"Run {arm.version} live: an experiment of mode `ab` with it as candidate and a ramp from 1 %.",
            f"Or, if its error rate and latency are known: `splitleaf experiments promote {key} {arm.version}`.",
        ]
    promote = f"`splitleaf experiments promote {key} {arm.name}`"
    if situation.state == "stopped":
        return [f"Promote it: {promote}."]
    ramp = [f"Continue the ramp: `splitleaf experiments ramp {key}`."] if situation.stages_left else []
    return (
        [*ramp, f"Or stop and promote it: `splitleaf experiments stop {key}`, then {promote}."]
        if ramp
        else [
            f"Stop the experiment: `splitleaf experiments stop {key}`.",
            f"Promote it: {promote}.",
        ]
    )


def _drop(situation: Situation) -> list[str]:
    key = situation.plan.key
    if situation.state == "stopped":
        return [f"Reject it: `splitleaf experiments reject {key}`."]
    if situation.arm.role == "shadow":
        return [f"Stop: `splitleaf experiments stop {key}`, then `splitleaf experiments reject {key}`."]
    return [f"Roll back: `splitleaf experiments rollback {key}`."]


def _choose(situation: Situation) -> list[str]:
    return [
        "The primary metric does not decide. Compare the other metrics, and choose the version that you prefer.",
        *_take(situation),
    ]


def _accept(situation: Situation) -> list[str]:
    return [
        "It is not worse than the margin allows. Choose it if it has another advantage, such as its speed.",
        *_take(situation),
    ]


def _wait(situation: Situation) -> list[str]:
    key = situation.plan.key
    label = ["Label the images in the dashboard's review queue, disagreements first."]
    needs_labels = situation.plan.primary.spec.label_source is LabelSource.EXPERTS and not situation.is_labelled
    steps = label if needs_labels else []
    if situation.state == "paused":
        return [*steps, f"Resume: `splitleaf experiments resume {key}`."]
    if situation.state == "stopped":
        return [
            *steps,
            f"If that does not decide it, reject: `splitleaf experiments reject {key}`. Then plan a larger one.",
        ]
    return [*steps, "Let it run. You can look at the report as often as you like."]


_BY_VERDICT = {
    Verdict.BETTER: _take,
    Verdict.WORSE: _drop,
    Verdict.HARMFUL: _drop,
    Verdict.EQUIVALENT: _choose,
    Verdict.NOT_WORSE: _accept,
    Verdict.UNDECIDED: _wait,
    Verdict.NOT_ENOUGH_DATA: _wait,
    Verdict.INVALID: _wait,
}
