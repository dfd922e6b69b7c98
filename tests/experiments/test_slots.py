"""Shares -> slots, and from one table to the next."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitleaf.core.errors import Unprocessable
from splitleaf.experiments.bucketing import SLOTS, slot_of
from splitleaf.experiments.slots import MAX_SHARES, new_table, reallocate, to_slots
from tests.experiments.vectors import VECTORS

Shares = tuple[tuple[str, int], ...]
NAMES = [f"v{number}" for number in range(1, 8)]


@st.composite
def shares_of(draw: st.DrawFn) -> Shares:
    """Any shares of 1 to 7 versions that fill the table."""
    names = sorted(draw(st.sets(st.sampled_from(NAMES), min_size=1)))
    cuts = sorted(draw(st.sets(st.integers(1, SLOTS - 1), min_size=len(names) - 1, max_size=len(names) - 1)))
    return tuple(zip(names, (after - before for before, after in itertools.pairwise([0, *cuts, SLOTS])), strict=True))


def owners(shares: Shares, table: bytes) -> list[str]:
    return [shares[index][0] for index in table]


def counts(shares: Shares, table: bytes) -> dict[str, int]:
    return dict(Counter(owners(shares, table)))


def moved(old: Sequence[str], new: Sequence[str]) -> int:
    return sum(before != after for before, after in zip(old, new, strict=True))


@pytest.mark.parametrize("chain", VECTORS["revisions"], ids=lambda chain: "-".join(chain[0]["percentages"]))
def test_tables_are_those_that_other_programs_make(chain: list[dict[str, Any]]) -> None:
    shares: Shares = ()
    table = b""
    for step in chain:
        following = to_slots(step["percentages"])
        assert [list(one) for one in following] == step["shares"]
        following_table = reallocate(shares, table, following) if table else new_table(following)
        assert list(following_table[:32]) == step["first_32"]
        assert hashlib.sha256(following_table).hexdigest() == step["sha256"]
        if table:
            assert moved(owners(shares, table), owners(following, following_table)) == step["moved"]
        shares, table = following, following_table


@pytest.mark.parametrize(
    ("percentages", "slots"),
    [
        ({"v1": 100}, {"v1": 10_000}),
        ({"v2": 50, "v1": 50}, {"v1": 5_000, "v2": 5_000}),
        ({"v1": 100 / 3, "v2": 100 / 3, "v3": 100 / 3}, {"v1": 3_334, "v2": 3_333, "v3": 3_333}),
        ({"v1": 0.29, "v2": 99.71}, {"v1": 29, "v2": 9_971}),
        ({"v1": 12.345, "v2": 87.655}, {"v1": 1_235, "v2": 8_765}),
        ({"v1": 99.99, "v2": 0.01}, {"v1": 9_999, "v2": 1}),
        ({f"v{n:02}": 100 / 13 for n in range(13)}, {f"v{n:02}": 770 if n < 3 else 769 for n in range(13)}),
    ],
)
def test_shares_are_rounded_by_largest_remainder(percentages: Mapping[str, float], slots: dict[str, int]) -> None:
    assert dict(to_slots(percentages)) == slots


@settings(deadline=None)
@given(st.lists(st.integers(1, 1_000_000), min_size=1, max_size=MAX_SHARES))
def test_rounding_fills_the_table_and_is_off_by_less_than_a_slot(weights: list[int]) -> None:
    percentages = {f"v{n:02}": weight * 100 / sum(weights) for n, weight in enumerate(weights)}
    if min(percentages.values()) < 0.01:
        with pytest.raises(Unprocessable):
            to_slots(percentages)
        return
    shares = dict(to_slots(percentages))
    assert sum(shares.values()) == SLOTS
    assert all(abs(shares[name] - percentages[name] * 100) < 1.000_01 for name in percentages)


@pytest.mark.parametrize(
    ("percentages", "reason"),
    [
        ({}, "1 to 16 versions"),
        ({f"v{n}": 100 / 17 for n in range(17)}, "1 to 16 versions"),
        ({"v1": 60, "v2": 50}, "sum to 110 %"),
        ({"v1": 50, "v2": 49.999}, "sum to 99.999 %"),
        ({"v1": 100, "v2": 0}, "from 0.01 %"),
        ({"v1": 99.995, "v2": 0.005}, "from 0.01 %"),
        ({"v1": 150, "v2": -50}, "from 0.01 %"),
        ({"v1": float("nan"), "v2": 50}, "from 0.01 %"),
        ({"v1": float("inf")}, "from 0.01 %"),
    ],
)
def test_shares_that_are_no_split_are_refused_with_a_reason(percentages: Mapping[str, float], reason: str) -> None:
    with pytest.raises(Unprocessable, match=reason) as refused:
        to_slots(percentages)
    assert refused.value.error_code == "invalid_split"


@settings(max_examples=15, deadline=None)
@given(shares_of())
def test_a_new_table_gives_each_its_share_in_every_stretch(shares: Shares) -> None:
    table = new_table(shares)
    assert counts(shares, table) == dict(shares)
    for stop in range(1_000, SLOTS, 1_000):
        there = Counter(owners(shares, table[:stop]))
        assert all(abs(there[name] - count * stop / SLOTS) < len(shares) for name, count in shares)


@settings(max_examples=20, deadline=None)
@given(shares_of(), shares_of())
def test_a_change_moves_as_few_slots_as_possible(old: Shares, new: Shares) -> None:
    before = new_table(old)
    after = reallocate(old, before, new)
    assert counts(new, after) == dict(new)
    fewest = SLOTS - sum(min(count, dict(new).get(name, 0)) for name, count in old)
    assert moved(owners(old, before), owners(new, after)) == fewest


@settings(max_examples=20, deadline=None)
@given(shares_of(), st.lists(shares_of(), min_size=1, max_size=3))
def test_nobody_moves_who_need_not(first: Shares, following: list[Shares]) -> None:
    """Through any chain of changes: a unit leaves only a version that lost slots, for one that gained some."""
    old, table = first, new_table(first)
    for new in following:
        after = reallocate(old, table, new)
        had, has = dict(old), dict(new)
        for left, joined in zip(owners(old, table), owners(new, after), strict=True):
            if left != joined:
                assert had[left] > has.get(left, 0)
                assert had.get(joined, 0) < has[joined]
        old, table = new, after


def test_a_ramp_moves_only_units_of_the_control() -> None:
    ramp: list[Shares] = [(("v1", SLOTS - count), ("v2", count)) for count in (100, 500, 1_000, 2_500, 5_000)]
    shares, table = ramp[0], new_table(ramp[0])
    enrolled: set[int] = set()
    for following in ramp[1:]:
        table, shares = reallocate(shares, table, following), following
        now = {slot for slot, owner in enumerate(owners(shares, table)) if owner == "v2"}
        assert enrolled < now
        enrolled = now


def test_units_move_as_slots_do() -> None:
    """Acceptance: 80/10/10 -> 60/20/20 moves 20 % of the units (cumulative ranges would move 30 %)."""
    old, new = to_slots({"a": 80, "b": 10, "c": 10}), to_slots({"a": 60, "b": 20, "c": 20})
    before = new_table(old)
    after = reallocate(old, before, new)
    slots = [slot_of("3f9c2a7be1d04c58", f"unit-{number}") for number in range(50_000)]
    share = moved([old[before[s]][0] for s in slots], [new[after[s]][0] for s in slots]) / len(slots)
    assert share <= 0.20 + 0.005
