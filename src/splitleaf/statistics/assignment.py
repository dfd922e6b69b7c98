"""Exact evidence that two arms' success rates differ, from who was assigned to which: no gate, no approximation.

If the arms do not differ, a unit's arm says nothing about its outcome: given the outcome, it is the candidate's with
just the chance of its assignment, whatever the success rate is at that moment. So neither drift nor ramps can break it.
The bet is the one of `eprocess` (arXiv 2106.02693), with two changes that make it need as few outcomes as a sequence
that knows the variance. The rate of both arms together is learned from all outcomes before; and by how much the odds
differ is not learned but mixed over, log odds ratios as of a standard normal distribution (Robbins' mixture).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splitleaf.statistics.records import Floats

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

_STEPS: Final = np.geomspace(0.02, 4.0, 16)
"""Log odds ratios that are mixed over, to either side; evenly on a logarithmic scale."""
_WEIGHTS: Final = _STEPS * np.exp(-(_STEPS**2) / 2) / (_STEPS * np.exp(-(_STEPS**2) / 2)).sum()
_PRIOR: Final = 0.5
"""Pseudo-successes and -failures of both arms together."""
_GROWTH: Final = 1.03
"""The rate is learned again each time that the outcomes have become so many times more."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Natural logarithms of the evidence after some outcomes, each of the shape (..., looks)."""

    ends: Ints
    """After how many outcomes, (looks,)."""
    higher: Floats
    """That the candidate's success rate is higher: it ever reaches ln(1 / alpha) in at most alpha of all experiments in
    which it never is."""
    lower: Floats

    @property
    def either(self) -> Floats:
        """That the rates differ: of the two, the one that is further, at half its stake.

        So each side on its own errs in at most half of alpha.
        """
        further: Floats = np.maximum(self.higher, self.lower) - np.log(2)
        return further


def weigh_assignment(is_candidate: ArrayLike, successes: ArrayLike, candidate_share: ArrayLike) -> Evidence:
    """Return the evidence, looked at some hundred times, of outcomes in the order of their assignment, (..., outcomes).

    `candidate_share` is the probability with which each unit was to be the candidate's, in (0, 1): a number, or
    (outcomes,). One outcome a unit. Raises ValueError for an impossible share, and where there is no outcome.
    """
    arms, right = np.asarray(is_candidate, dtype=bool), np.asarray(successes, dtype=bool)
    count = arms.shape[-1]
    shares = np.broadcast_to(np.asarray(candidate_share, dtype=np.float64), (count,))
    if not count or not np.all((shares > 0) & (shares < 1)):
        raise ValueError("there must be outcomes, and a share of the candidate must lie between 0 and 1")
    starts = _starts(shares)
    cells = [np.add.reduceat(one.astype(np.float64), starts, axis=-1) for one in _cells(arms, right)]
    failed = cells[2] + cells[3]
    before = np.cumsum(failed, axis=-1) - failed
    rate = (before + _PRIOR) / (starts + 2 * _PRIOR)
    # Of failures: a candidate whose odds of failing are lower succeeds more often.
    higher, lower = (_mix(sign * _STEPS, rate, shares[starts], cells) for sign in (-1.0, 1.0))
    return Evidence(np.append(starts[1:], count), higher, lower)


def _starts(shares: Floats) -> Ints:
    """Return where the rate is learned again, and wherever the share changes."""
    places, most = [0], len(shares)
    while places[-1] < most:
        places.append(max(places[-1] + 1, round(places[-1] * _GROWTH)))
    changes = np.flatnonzero(np.diff(shares)) + 1
    return np.unique(np.concatenate([np.array(places[:-1], np.int64), changes]))


def _cells(arms: Bools, right: Bools) -> tuple[Bools, ...]:
    return arms & right, ~arms & right, arms & ~right, ~arms & ~right


def _mix(steps: Floats, rate: Floats, share: Floats, cells: Sequence[Floats]) -> Floats:
    """Return ln of the mixture of the evidence for each log odds ratio, (..., looks)."""
    paths = np.stack([np.cumsum(_gain(float(one), rate, share, cells), axis=-1) for one in steps])
    top = paths.max(axis=0)
    mixed: Floats = top + np.log(np.tensordot(_WEIGHTS, np.exp(paths - top), axes=1))
    return mixed


def _gain(step: float, rate: Floats, share: Floats, cells: Sequence[Floats]) -> Floats:
    """Return what the outcomes between two looks add to ln e for this log odds ratio of failures."""
    odds = np.exp(step)
    # Control's rate of failure for which both arms' together is `rate`: the root of a quadratic equation.
    a, b = (1 - share) * (odds - 1), 1 - share + share * odds - rate * (odds - 1)
    control = 2 * rate / (b + np.sqrt(b * b + 4 * a * rate))
    candidate = odds * control / (1 + control * (odds - 1))
    ratios = (1 - candidate) / (1 - rate), (1 - control) / (1 - rate), candidate / rate, control / rate
    gain: Floats = np.sum([count * np.log(ratio) for count, ratio in zip(cells, ratios, strict=True)], axis=0)
    return gain
