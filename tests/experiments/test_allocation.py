"""Which units an experiment has: exact by golden vectors, kept apart by layers, and never taken back in a ramp."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitleaf.core.errors import Conflict, Unprocessable
from splitleaf.experiments.allocation import (
    OUTSIDE,
    WHOLE,
    Allocation,
    first_allocation,
    is_held,
    is_sampled,
    next_allocation,
    reserve,
    sampling_slots,
)
from splitleaf.experiments.bucketing import SLOTS
from tests.experiments.plans import RAMP, plan
from tests.experiments.vectors import VECTORS

UNITS = [f"unit-{number}" for number in range(5_000)]


def owners(allocation: Allocation) -> list[str]:
    return [allocation.shares[index][0] for index in allocation.table]


@pytest.mark.parametrize("chain", VECTORS["experiments"], ids=lambda chain: chain[0]["name"])
def test_tables_are_those_that_other_programs_make(chain: list[dict[str, Any]]) -> None:
    present: Allocation | None = None
    for step in chain:
        given_shares, default = step["percentages"], step["default"]
        present = next_allocation(present, given_shares, default) if present else first_allocation(given_shares)
        assert [list(one) for one in present.shares] == step["shares"]
        assert hashlib.sha256(present.table).hexdigest() == step["sha256"]


@pytest.mark.parametrize("vector", VECTORS["layers"], ids=lambda vector: vector["layer"])
def test_a_unit_is_in_the_layers_slot_that_other_programs_compute(vector: dict[str, Any]) -> None:
    slot = vector["slot"]
    assert is_held(((slot, slot + 1),), vector["layer"], vector["unit_hash"])
    assert not is_held(((0, slot), (slot + 1, SLOTS)), vector["layer"], vector["unit_hash"])


@pytest.mark.parametrize("vector", VECTORS["samples"], ids=lambda vector: vector["prediction_id"])
def test_an_image_is_sampled_where_other_programs_sample_it(vector: dict[str, Any]) -> None:
    assert is_sampled(vector["salt"], vector["prediction_id"], vector["slot"] + 1)
    assert not is_sampled(vector["salt"], vector["prediction_id"], vector["slot"])


def test_what_the_shares_leave_belongs_to_nobody() -> None:
    counts = Counter(owners(first_allocation({"control": 10, "candidate": 5.5})))
    assert counts == {"control": 1_000, "candidate": 550, OUTSIDE: 8_450}
    assert OUTSIDE not in owners(first_allocation({"control": 50, "candidate": 50}))


def test_a_ramp_takes_from_the_default_and_from_nobody_alone() -> None:
    present = first_allocation({"control": 10, "candidate": 1})
    following = next_allocation(present, {"control": 20, "candidate": 20}, "control")
    for before, after in zip(owners(present), owners(following), strict=True):
        assert before == after or (before in ("control", OUTSIDE))
    assert Counter(owners(following))["candidate"] == 2_000


def test_the_last_stage_may_leave_the_default_nothing() -> None:
    ramped = plan(ramp=RAMP, holdback=0)
    present = first_allocation(ramped.shares_at(0))
    for stage in range(1, 5):
        present = next_allocation(present, ramped.shares_at(stage), "control")
    assert set(owners(present)) == {"candidate"}


@pytest.mark.parametrize("shares", [{"control": 90, "b": 10}, {"control": 80, "b": 20}, {"b": 25, "c": 9}])
def test_a_candidate_that_would_lose_units_is_refused(shares: dict[str, float]) -> None:
    present = first_allocation({"control": 70, "b": 20, "c": 10})
    with pytest.raises(Conflict) as refused:
        next_allocation(present, shares, "control")
    assert refused.value.error_code == "ramp_refused"


@pytest.mark.parametrize("shares", [{"control": 60, "b": 50}, {"control": 50, "b": -1}, {"control": 99.995}])
def test_shares_that_are_none_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(Unprocessable):
        first_allocation(shares)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4_000), st.integers(1, 4_000)), min_size=1, max_size=4))
def test_through_any_ramp_a_unit_that_has_a_candidate_keeps_it(steps: list[tuple[int, int]]) -> None:
    """However the candidates grow: nobody leaves them, and each has its share."""
    b = c = 0
    present: Allocation | None = None
    for one, other in steps:
        b, c = min(4_500, b + one), min(4_500, c + other)
        shares = {"control": 5.0, "b": b / 100, "c": c / 100}
        following = next_allocation(present, shares, "control") if present else first_allocation(shares)
        counts = Counter(owners(following))
        assert (counts["b"], counts["c"], counts["control"]) == (b, c, 500)
        if present:
            for before, after in zip(owners(present), owners(following), strict=True):
                assert before == after or before in ("control", OUTSIDE)
        present = following


def test_a_layer_is_given_out_once() -> None:
    half = reserve([], 50, "main")
    quarter = reserve([half], 25, "main")
    assert (half, quarter) == (((0, 5_000),), ((5_000, 7_500),))
    with pytest.raises(Conflict, match=r"all but 25 %.*asks for 30 %") as refused:
        reserve([half, quarter], 30, "main")
    assert refused.value.error_code == "layer_full"
    assert reserve([], 100, "main") == WHOLE
    assert reserve([((2_000, 3_000),), ((5_000, 6_000),)], 50, "main") == ((0, 2_000), (3_000, 5_000), (6_000, 7_000))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.01, 100), max_size=6), st.randoms(use_true_random=False))
def test_whoever_comes_and_goes_nobodys_units_are_anybody_elses(wanted: list[float], random: Any) -> None:
    open_ones: list[tuple[tuple[int, int], ...]] = []
    for traffic in wanted:
        if open_ones and random.random() < 0.3:
            open_ones.remove(random.choice(open_ones))
        try:
            open_ones.append(reserve(open_ones, traffic, "main"))
        except Conflict:
            continue
        assert sum(stop - start for start, stop in open_ones[-1]) == max(1, round(traffic * 100))
        places = sorted(one for ranges in open_ones for one in ranges)
        assert all(start < stop <= SLOTS for start, stop in places)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(places))


def test_a_layer_deals_its_units_independently_of_every_salt() -> None:
    half = ((0, 5_000),)
    held = {unit for unit in UNITS if is_held(half, "main", unit)}
    assert abs(len(held) / len(UNITS) - 0.5) < 0.03
    other = {unit for unit in UNITS if is_held(half, "other", unit)}
    assert 0.21 < len(held & other) / len(UNITS) < 0.29


def test_shadows_of_an_experiment_score_the_same_images() -> None:
    quarter = {unit for unit in UNITS if is_sampled("salt", unit, sampling_slots(25))}
    half = {unit for unit in UNITS if is_sampled("salt", unit, sampling_slots(50))}
    assert quarter < half
    assert abs(len(quarter) / len(UNITS) - 0.25) < 0.03
    assert all(is_sampled("salt", unit, sampling_slots(100)) for unit in UNITS[:50])
