"""A snapshot of the routing: who answers whom."""

from __future__ import annotations

from collections import Counter

from splitleaf.experiments.bucketing import slot_of
from splitleaf.experiments.routing import Route, Routing, Split
from splitleaf.experiments.slots import new_table, reallocate, to_slots

SALT = "3f9c2a7be1d04c58"
UNITS = [f"unit-{number}" for number in range(20_000)]


def split(revision: int = 1, **percentages: float) -> Split:
    shares = to_slots(percentages)
    return Split(revision, SALT, tuple(name for name, _ in shares), new_table(shares))


def test_without_a_split_the_champion_answers_everybody_and_no_revision_is_noted() -> None:
    assert {Routing("v1").route(unit) for unit in UNITS[:100]} == {Route("v1", 0)}


def test_a_split_decides_by_the_slot_of_the_unit() -> None:
    routing = Routing("v9", split(7, v1=50, v2=50))
    assert routing.split is not None
    for unit in UNITS[:500]:
        owner = routing.split.slots[slot_of(SALT, unit)]
        assert routing.route(unit) == Route(("v1", "v2")[owner], 7)


def test_each_version_gets_its_share_of_the_units() -> None:
    routing = Routing("v1", split(v1=70, v2=20, v3=10))
    answered = Counter(routing.route(unit).version for unit in UNITS)
    for version, share in {"v1": 0.7, "v2": 0.2, "v3": 0.1}.items():
        # Four standard errors of a share of 20,000 units.
        assert abs(answered[version] / len(UNITS) - share) < 4 * (share * (1 - share) / len(UNITS)) ** 0.5


def test_a_unit_keeps_its_version_however_often_it_comes_and_whoever_is_asked() -> None:
    here, there = Routing("v1", split(v1=50, v2=50)), Routing("v1", split(v1=50, v2=50))
    first = [here.route(unit) for unit in UNITS[:2_000]]
    assert [here.route(unit) for unit in UNITS[:2_000]] == first
    assert [there.route(unit) for unit in UNITS[:2_000]] == first


def test_a_unit_keeps_its_version_through_a_ramp_once_it_has_the_new_one() -> None:
    old, new = to_slots({"v1": 99, "v2": 1}), to_slots({"v1": 50, "v2": 50})
    table = new_table(old)
    before = Routing("v1", Split(1, SALT, ("v1", "v2"), table))
    after = Routing("v1", Split(2, SALT, ("v1", "v2"), reallocate(old, table, new)))
    enrolled = [unit for unit in UNITS if before.route(unit).version == "v2"]
    assert len(enrolled) > 100
    assert {after.route(unit).version for unit in enrolled} == {"v2"}


def test_another_salt_deals_the_units_anew() -> None:
    one, other = split(v1=50, v2=50), split(v1=50, v2=50)
    other = Split(other.revision, "3f9c2a7be1d04c59", other.versions, other.slots)
    same = sum(Routing("v1", one).route(unit) == Routing("v1", other).route(unit) for unit in UNITS)
    assert 0.48 < same / len(UNITS) < 0.52
