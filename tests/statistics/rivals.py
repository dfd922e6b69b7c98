"""Acceptance figure 27: how many labels a paired verdict takes by this and by other methods, on the same outcomes."""

from __future__ import annotations

import math

import numpy as np

from splitleaf.statistics import mcnemar
from splitleaf.statistics.records import Floats
from tests.statistics.differences import ALPHA
from tests.statistics.readings import Bools, Reading, at_least, at_most, first_look, share_of_runs

_Z, _POWER_Z = 1.95996, 0.84162
_PLANNED = {"two of three": 2 / 3, "three of five": 3 / 5}
_GROUPS, _CONSTANT, _INFLATION = 5, 2.040, 1.028
"""O'Brien and Fleming's boundary, five looks, two-sided 5 %, 80 % power: C. Jennison and B. Turnbull, "Group Sequential
Methods with Applications to Clinical Trials" (2000), tables 2.3 and 2.4."""


def paired_rivals(runs: int, seed: int) -> list[Reading]:
    """A label tells when exactly one version is right; the candidate is, in two of three or in three of five cases."""
    generator = np.random.default_rng(seed)
    readings = []
    for name, share in _PLANNED.items():
        fixed = _fixed(share)
        wins = np.cumsum(generator.random((runs, 6 * fixed)) < share, axis=1, dtype=np.float64)
        even = np.cumsum(generator.random((runs, 6 * fixed)) < 0.5, axis=1, dtype=np.float64)
        labels = np.arange(1.0, 6 * fixed + 1)
        median = {
            method: float(np.median(first_look(decides(wins, share, fixed), labels))) / fixed
            for method, decides in _METHODS.items()
        }
        readings += [
            at_most("27", f"{name} for the candidate: labels until a verdict, in fixed n", median["ours"], 1.1, "x"),
            at_most("27", "the same, mSPRT with the width of the plan", median["msprt"], 2.0, "x"),
            at_most("27", "the same, group-sequential, five looks planned", median["groups"], 1.1, "x"),
            at_least("27", "the same, an oracle that knows the share", median["oracle"], 0.1, "x"),
            at_most("27", "neither better: false positives", share_of_runs(_ours(even, share, fixed)), ALPHA),
            at_most("27", "the same, mSPRT", share_of_runs(_msprt(even, share, fixed)), ALPHA),
            at_least("27", "the same, the group-sequential bound at each label", share_of_runs(_misused(even)), 0.1),
        ]
    return readings


def _fixed(share: float) -> int:
    """Return the labels of McNemar's test for one look, two-sided 5 %, 80 % power."""
    spread = _Z / 2 + _POWER_Z * math.sqrt(share * (1 - share))
    return math.ceil((spread / (share - 0.5)) ** 2)


def _ours(wins: Floats, share: float, fixed: int) -> Bools:
    n = np.arange(1, wins.shape[1] + 1)
    decided: Bools = mcnemar.log_evidence(n - wins, wins) >= -math.log(ALPHA)
    return decided


def _msprt(wins: Floats, share: float, fixed: int) -> Bools:
    """Mix over normal effects: R. Johari, P. Koomen, L. Pekelis, D. Walsh, "Always valid inference" (2022).

    Valid without a normal approximation, because a fair coin's steps of 1 and -1 are 1-sub-Gaussian.
    """
    n = np.arange(1, wins.shape[1] + 1)
    width = fixed / (_Z + _POWER_Z) ** 2
    net = 2 * wins - n
    decided: Bools = net**2 / (2 * (n + width)) - np.log1p(n / width) / 2 >= -math.log(ALPHA)
    return decided


def _groups(wins: Floats, share: float, fixed: int) -> Bools:
    """Look five times by the plan; its end is a verdict or none."""
    planned = math.ceil(_INFLATION * fixed)
    decided = np.zeros(wins.shape, bool)
    for look in range(1, _GROUPS + 1):
        n = math.ceil(planned * look / _GROUPS)
        z = np.abs(2 * wins[:, n - 1] - n) / math.sqrt(n)
        decided[:, n - 1] = z >= _CONSTANT * math.sqrt(_GROUPS / look)
    decided[:, planned - 1] = True
    return decided


def _misused(wins: Floats) -> Bools:
    """Take the last look's bound at every label, as who looks whenever they like does."""
    n = np.arange(1, wins.shape[1] + 1)
    decided: Bools = (np.abs(2 * wins - n) / np.sqrt(n) >= _CONSTANT)[:, 9:]
    return decided


def _oracle(wins: Floats, share: float, fixed: int) -> Bools:
    """Bet what is true, on either side: no test of that level needs fewer labels on average (A. Wald, 1945)."""
    n = np.arange(1, wins.shape[1] + 1)
    ahead, behind = math.log(2 * share), math.log(2 * (1 - share))
    sides = np.logaddexp(wins * ahead + (n - wins) * behind, wins * behind + (n - wins) * ahead) - math.log(2)
    decided: Bools = sides >= -math.log(ALPHA)
    return decided


_METHODS = {"ours": _ours, "msprt": _msprt, "groups": _groups, "oracle": _oracle}
