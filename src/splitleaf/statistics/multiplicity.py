"""Several questions at once: candidates against one control, or measures of one candidate."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def adjust_holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values that may each be compared with alpha: a false claim about *any* version in at most alpha.

    S. Holm, Scandinavian Journal of Statistics 6 (1979), 65-70. Anytime-valid p-values (1 / e) stay anytime-valid.
    """
    adjusted: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = largest
    return adjusted


def holm_levels(p_values: Mapping[str, float], alpha: float) -> dict[str, float]:
    """Return the level at which each version's interval leaves out zero just where Holm's procedure rejects.

    The smallest p-value is held against alpha / k, the next against alpha / (k - 1), and so on; from the first one that
    does not pass, the level stays.
    """
    levels: dict[str, float] = {}
    passed = 0
    for name in sorted(p_values, key=p_values.__getitem__):
        levels[name] = alpha / (len(p_values) - passed)
        # One that does not pass keeps all further ones, whose p-values are larger, from passing, too.
        passed += p_values[name] <= levels[name]
    return levels


def select_ebh(log_e_values: Mapping[Key, float], alpha: float) -> frozenset[Key]:
    """Return what may be claimed so that at most alpha of the claims are false, on average, however they depend.

    R. Wang, A. Ramdas, "False discovery rate control with e-values", JRSS B 84 (2022), 822-852: the k largest, where
    the k-th is at least K / (k alpha) of K in all. Where nothing is true, anything is claimed in at most alpha of all
    experiments. E-values that hold at any look keep that.
    """
    ranked = sorted(log_e_values, key=lambda one: -log_e_values[one])
    passed = [
        rank
        for rank, one in enumerate(ranked, start=1)
        if log_e_values[one] >= math.log(len(ranked)) - math.log(rank * alpha)
    ]
    return frozenset(ranked[: max(passed, default=0)])
