"""Several experiments in one snapshot: kept apart by layers, and deciding before split and champion."""

from __future__ import annotations

import time
from collections import Counter

from splitleaf.experiments.allocation import OUTSIDE, Ranges, first_allocation, next_allocation, reserve
from splitleaf.experiments.routing import LiveExperiment, Route, Routing, ShadowRun

UNITS = [f"unit-{number}" for number in range(10_000)]
HALF, OTHER_HALF = reserve([], 50, "main"), reserve([reserve([], 50, "main")], 50, "main")


def live(
    key: str = "leaf", *, held: Ranges = ((0, 10_000),), layer: str = "main", salt: str = "", **shares: float
) -> LiveExperiment:
    allocation = first_allocation(shares or {"control": 50, "candidate": 50})
    return LiveExperiment(
        key=key,
        revision=3,
        salt=salt or f"salt-{key}",
        owners=tuple(name for name, _ in allocation.shares),
        slots=allocation.table,
        versions={"control": "v1", "candidate": f"v2-{key}"},
        default="control",
        layer=layer,
        held=held,
        shadows=(ShadowRun("v3", 2_500),),
    )


def share(routing: Routing, experiment: str, variant: str) -> float:
    routes = [routing.route(unit) for unit in UNITS]
    return sum((one.experiment, one.variant) == (experiment, variant) for one in routes) / len(UNITS)


def test_an_enrolled_unit_is_answered_by_its_variants_version() -> None:
    routing = Routing("v9", experiments=(live(),))
    routes = {routing.route(unit) for unit in UNITS[:200]}
    shadows = (ShadowRun("v3", 2_500),)
    assert routes == {
        Route("v1", 3, "leaf", "control", "v1", "salt-leaf", shadows),
        Route("v2-leaf", 3, "leaf", "candidate", "v1", "salt-leaf", shadows),
    }
    assert abs(share(routing, "leaf", "candidate") - 0.5) < 0.02


def test_a_unit_outside_is_answered_by_the_champion_and_is_no_exposure() -> None:
    small = live(control=10, candidate=10)
    routing = Routing("v9", experiments=(small,))
    outside = [routing.route(unit) for unit in UNITS if small.variant_of(unit) == OUTSIDE]
    assert set(outside) == {Route("v9", 0)}
    assert abs(len(outside) / len(UNITS) - 0.8) < 0.02


def test_experiments_of_one_layer_never_meet_a_unit() -> None:
    one, other = live("leaf", held=HALF), live("stem", held=OTHER_HALF)
    for unit in UNITS:
        assert (one.variant_of(unit) == OUTSIDE) != (other.variant_of(unit) == OUTSIDE)
    routing = Routing("v9", experiments=(one, other))
    for key in ("leaf", "stem"):
        for variant in ("control", "candidate"):
            assert abs(share(routing, key, variant) - 0.25) < 0.02


def test_where_layers_overlap_the_one_that_started_first_has_the_unit_whatever_the_others_variant() -> None:
    one, other = live("leaf", control=20, candidate=20), live("stem", layer="other")
    routing = Routing("v9", experiments=(one, other))
    counts = Counter((route.experiment, route.variant) for route in map(routing.route, UNITS))
    assert abs(counts["leaf", "candidate"] / len(UNITS) - 0.2) < 0.02
    left = counts["stem", "control"] + counts["stem", "candidate"]
    assert left == len(UNITS) - counts["leaf", "control"] - counts["leaf", "candidate"]
    # What is left is dealt as evenly as before.
    assert abs(counts["stem", "candidate"] / left - 0.5) < 0.03


def test_through_a_ramp_a_unit_that_has_the_candidate_keeps_it() -> None:
    old = first_allocation({"control": 99, "candidate": 1})
    new = next_allocation(old, {"control": 50, "candidate": 50}, "control")

    def routing(revision: int, table: bytes) -> Routing:
        owners = tuple(name for name, _ in old.shares)
        versions = {"control": "v1", "candidate": "v2"}
        return Routing("v1", experiments=(LiveExperiment("leaf", revision, "s", owners, table, versions, "control"),))

    before, after = routing(1, old.table), routing(2, new.table)
    enrolled = [unit for unit in UNITS if before.route(unit).variant == "candidate"]
    assert len(enrolled) > 50
    assert {(after.route(unit).variant, after.route(unit).revision) for unit in enrolled} == {("candidate", 2)}


def test_a_named_variant_can_be_had_by_whoever_may_ask_for_it() -> None:
    routing = Routing("v9", experiments=(live(control=100),))
    forced = routing.force("leaf", "candidate")
    assert forced is not None
    assert (forced.version, forced.variant, forced.revision) == ("v2-leaf", "candidate", 3)
    assert routing.force("leaf", "other") is None
    assert routing.force("stem", "control") is None
    assert routing.without_experiments() == Routing("v9")


def test_a_decision_among_experiments_takes_microseconds() -> None:
    routing = Routing("v9", experiments=(live("leaf", held=HALF), live("stem", held=OTHER_HALF)))

    def one_round_us() -> float:
        started = time.perf_counter()
        for unit in UNITS[:1_000]:
            routing.route(unit)
        return (time.perf_counter() - started) / 1_000 * 1e6

    assert min(one_round_us() for _ in range(10)) <= 40
