"""From numbers to what may be said."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from splitleaf.experiments.metrics import METRICS
from splitleaf.statistics.records import Difference


class Verdict(StrEnum):
    """What may be said by now."""

    INVALID = "invalid"
    """The split is not what was asked for: no difference means anything until that is explained."""
    HARMFUL = "harmful"
    """A guardrail has fired: whatever the primary metric says, this candidate must not be shown."""
    NOT_ENOUGH_DATA = "not_enough_data"
    UNDECIDED = "undecided"
    BETTER = "better"
    WORSE = "worse"
    NOT_WORSE = "not_worse"
    """Not worse than control by more than the margin."""
    EQUIVALENT = "equivalent"
    """Neither better nor worse by more than the margin."""


PREFERENCE: Final = (
    Verdict.INVALID,
    Verdict.HARMFUL,
    Verdict.BETTER,
    Verdict.NOT_WORSE,
    Verdict.EQUIVALENT,
    Verdict.UNDECIDED,
    Verdict.NOT_ENOUGH_DATA,
    Verdict.WORSE,
)
"""Of several candidates, whose verdict comes first."""


def judge(difference: Difference, margin: float, *, is_mismatch: bool = False) -> Verdict:
    """Return the strongest true statement, at any look, for a metric of which more is better.

    `margin` >= 0 is the loss that would still be accepted: only a loss that is surely larger is `WORSE`, and one that
    is surely smaller is `NOT_WORSE`, though it be surely a loss. For a metric of which less is better pass the
    difference of its complement.
    """
    low, high = difference.interval.low, difference.interval.high
    rules = (
        (is_mismatch, Verdict.INVALID),
        (not difference.is_enough, Verdict.NOT_ENOUGH_DATA),
        (low > 0, Verdict.BETTER),
        (high < -margin, Verdict.WORSE),
        (-margin < low and 0 <= high < margin, Verdict.EQUIVALENT),
        (low > -margin, Verdict.NOT_WORSE),
    )
    return next((verdict for applies, verdict in rules if applies), Verdict.UNDECIDED)


def headline_of_harm(guardrails: Sequence[str], candidate: str, control: str) -> str:
    """Return what the guardrails that have fired say, in a sentence."""
    worse = " and ".join(METRICS[one].words[1] for one in guardrails)
    return f"{candidate} is harmful: it is {worse} than {control}."


def headline(
    verdict: Verdict, metric: str, candidate: str, control: str, margin: str, *, is_behind: bool = False
) -> str:
    """Return the verdict on the primary metric in a sentence; `margin` in words.

    `is_behind`: surely worse, whether by more than the margin or not.
    """
    better, worse, alike = METRICS[metric].words
    sentences = {
        Verdict.INVALID: f"There is no conclusion about {candidate}: the experiment is not sound.",
        Verdict.NOT_ENOUGH_DATA: f"There is not enough data yet to compare {candidate} with {control}.",
        Verdict.UNDECIDED: f"It is not yet clear whether {candidate} is {better} than {control}.",
        Verdict.BETTER: f"{candidate} is {better} than {control}.",
        Verdict.WORSE: f"{candidate} is {worse} than {control}.",
        Verdict.NOT_WORSE: f"{candidate} is not {worse} than {control} by more than {margin}.",
        Verdict.EQUIVALENT: f"{candidate} is {alike} as {control}, to within {margin}.",
    }
    if is_behind and verdict is Verdict.NOT_WORSE:
        return f"{candidate} is {worse} than {control}, but not by more than the {margin} that the margin allows."
    if is_behind and verdict is Verdict.UNDECIDED:
        return f"{candidate} is {worse} than {control}; it is not yet clear whether by more than {margin}."
    return sentences[verdict]


def tell_evidence(log10_e: float) -> str:
    """Return an e-value in a sentence: `0.23`, `83`, `over a million`, beyond which it makes no difference."""
    if log10_e >= 6:
        return "over a million"
    return f"{10**log10_e:.2g}" if log10_e < 1 else f"{10**log10_e:,.0f}"
