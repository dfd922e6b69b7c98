"""Which share owns which slot: a table of 10,000 bytes, changed as little as possible."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from splitleaf.core.errors import Unprocessable
from splitleaf.experiments.bucketing import SLOTS

MAX_SHARES: Final = 16
_TOLERANCE: Final = 1e-6


def to_slots(percentages: Mapping[str, float]) -> tuple[tuple[str, int], ...]:
    """Return (name, number of slots) from percentages that sum to 100, rounded by largest remainder.

    Raises `Unprocessable` (code `invalid_split`) when they do not, when one is below a slot, or for more
    than 16 names. Names are sorted: the same shares make the same table.
    """
    if not 1 <= len(percentages) <= MAX_SHARES:
        raise _invalid(f"a split has 1 to {MAX_SHARES} versions")
    # Rounded, because 0.29 * 100 is 28.999999999999996.
    quotas = {name: round(percentages[name] * SLOTS / 100, 6) for name in sorted(percentages)}
    if not all(1 <= quota <= SLOTS for quota in quotas.values()):
        raise _invalid("each share must be from 0.01 % to 100 %")
    total = math.fsum(percentages.values())
    if abs(total - 100) > _TOLERANCE:
        raise _invalid(f"the shares sum to {total:.8g} %, not to 100 %")
    counts = {name: int(quota) for name, quota in quotas.items()}
    # A stable sort: of equal remainders the first name's goes up.
    by_remainder = sorted(quotas, key=lambda name: round(counts[name] - quotas[name], 6))
    for name in by_remainder[: SLOTS - sum(counts.values())]:
        counts[name] += 1
    return tuple(counts.items())


def new_table(shares: Sequence[tuple[str, int]]) -> bytes:
    """Return a table in which entry `slot` is the index into `shares` of the slot's owner.

    Slots are dealt out in turn by largest lag, so that every stretch of the table has the shares of the whole.
    """
    owed = [0] * len(shares)
    table = bytearray(SLOTS)
    for slot in range(SLOTS):
        owed = [lag + count for lag, (_, count) in zip(owed, shares, strict=True)]
        owner = max(range(len(shares)), key=owed.__getitem__)
        owed[owner] -= SLOTS
        table[slot] = owner
    return bytes(table)


def reallocate(old_shares: Sequence[tuple[str, int]], old_table: bytes, shares: Sequence[tuple[str, int]]) -> bytes:
    """Return the table for new shares that hands over the fewest slots.

    Who keeps or gains keeps all slots; who loses gives up its last ones; those go to the gainers in turn.
    """
    index = {name: position for position, (name, _) in enumerate(shares)}
    room = [count for _, count in shares]
    table: list[int | None] = [None] * SLOTS
    for slot, owner in enumerate(old_table):
        position = index.get(old_shares[owner][0])
        if position is not None and room[position]:
            table[slot] = position
            room[position] -= 1
    for slot in range(SLOTS):
        if table[slot] is None:
            gainer = max(range(len(room)), key=room.__getitem__)
            table[slot] = gainer
            room[gainer] -= 1
    return bytes(owner for owner in table if owner is not None)


def _invalid(detail: str) -> Unprocessable:
    return Unprocessable(detail, code="invalid_split")
