"""Which units an experiment has: its part of a layer, and within it a table of slots for each revision. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from splitleaf.core.errors import Conflict
from splitleaf.experiments.bucketing import SLOTS, slot_of
from splitleaf.experiments.slots import new_table, reallocate, to_slots

OUTSIDE: Final = ""
"""Owner of the slots whose units are in no variant."""
WHOLE: Final = ((0, SLOTS),)

Ranges = tuple[tuple[int, int], ...]
"""[start, stop) of slots, ascending and apart."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """The shares of one revision and the table that they make."""

    shares: tuple[tuple[str, int], ...]
    table: bytes


def first_allocation(percentages: Mapping[str, float]) -> Allocation:
    """Return the table of a first revision. What the percentages leave of 100 belongs to no one.

    Raises `Unprocessable` (`invalid_split`).
    """
    shares = to_slots(_with_outside(percentages))
    return Allocation(shares, new_table(shares))


def next_allocation(present: Allocation, percentages: Mapping[str, float], default: str) -> Allocation:
    """Return the table of the next revision: slots of the default, or of no one, are handed over, and no others.

    So a unit that once had a candidate keeps it. Raises `Conflict` (`ramp_refused`) when a candidate would lose
    slots, and `Unprocessable` (`invalid_split`).
    """
    shares = to_slots(_with_outside(percentages))
    new = dict(shares)
    for name, count in present.shares:
        if name not in (default, OUTSIDE) and new.get(name, 0) < count:
            raise Conflict(
                f"{name} has {count / 100:g} % and would have less; roll back to take units away", code="ramp_refused"
            )
    return Allocation(shares, reallocate(present.shares, present.table, shares))


def reserve(taken: Iterable[Ranges], traffic: float, layer: str) -> Ranges:
    """Return `traffic` percent of a layer's slots, the first ones that are free.

    Raises `Conflict` (`layer_full`) when fewer are left.
    """
    wanted = min(SLOTS, max(1, round(traffic * SLOTS / 100)))
    busy = sorted(one for ranges in taken for one in ranges)
    free = SLOTS - sum(stop - start for start, stop in busy)
    if free < wanted:
        raise Conflict(
            f"other experiments of the layer {layer!r} hold all but {free / 100:g} % of its units, "
            f"and this one asks for {traffic:g} %",
            code="layer_full",
        )
    found: list[tuple[int, int]] = []
    place = 0
    for start, stop in [*busy, (SLOTS, SLOTS)]:
        size = min(start - place, wanted)
        if size > 0:
            found.append((place, place + size))
            wanted -= size
        place = stop
    return tuple(found)


def is_held(ranges: Ranges, layer: str, unit_hash: str) -> bool:
    """Tell whether the unit is among those that these ranges of the layer hold."""
    if ranges == WHOLE:
        return True
    slot = slot_of(f"layer:{layer}", unit_hash)
    return any(start <= slot < stop for start, stop in ranges)


def is_sampled(salt: str, prediction_id: str, slots: int) -> bool:
    """Tell whether a shadow that gets this many of 10,000 images gets this one.

    The same for all shadows of an experiment, so that they score the same images; anyone can compute later
    which images should have a shadow's outcome.
    """
    return slots >= SLOTS or slot_of(f"{salt}:shadow", prediction_id) < slots


def sampling_slots(percent: float) -> int:
    return round(percent * SLOTS / 100)


def _with_outside(percentages: Mapping[str, float]) -> dict[str, float]:
    left = round(100 - sum(percentages.values()), 6)
    return {**percentages, OUTSIDE: left} if left > 0 else dict(percentages)
