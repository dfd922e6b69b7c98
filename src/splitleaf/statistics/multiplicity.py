"""Several candidates against one control."""

from __future__ import annotations

from collections.abc import Mapping


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
