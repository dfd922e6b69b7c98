"""From numbers to what may be said."""

from __future__ import annotations

from splitleaf.analysis.records import Difference, Verdict


def judge(difference: Difference, margin: float, *, is_mismatch: bool = False) -> Verdict:
    """Return the strongest true statement, at any look, for a metric of which more is better.

    `margin` >= 0 is the loss that would still be accepted. For a metric of which less is better pass the
    difference of its complement.
    """
    low, high = difference.interval.low, difference.interval.high
    rules = (
        (is_mismatch, Verdict.INVALID),
        (not difference.is_enough, Verdict.NOT_ENOUGH_DATA),
        (low > 0, Verdict.BETTER),
        (high < 0, Verdict.WORSE),
        (-margin < low and high < margin, Verdict.EQUIVALENT),
        (low > -margin, Verdict.NOT_WORSE),
    )
    return next((verdict for applies, verdict in rules if applies), Verdict.UNDECIDED)
