"""Changing who answers: only ready versions, whole shares, one hand at a time."""

from __future__ import annotations

import pytest

from splitleaf.core.clock import SystemClock
from splitleaf.core.errors import Conflict, NotFound, Unprocessable
from splitleaf.experiments.routing import Route
from splitleaf.flows.change_routing import clear_split, move_alias, roll_back_alias, set_split
from splitleaf.flows.load_routing import load_routing
from splitleaf.outcomes.events import RoutingRevision
from splitleaf.outcomes.store import OutcomeStore
from tests.support.stores import EmptyStore

READY = {"v1", "v2"}
CLOCK = SystemClock()
UNITS = [f"unit-{number}" for number in range(3_000)]


@pytest.fixture
def store() -> OutcomeStore:
    return EmptyStore()


def split(store: OutcomeStore, **shares: float) -> RoutingRevision:
    return set_split(store, shares, READY, "ann", "try", CLOCK)


def test_a_split_comes_back_from_the_store_as_it_was_made(store: OutcomeStore) -> None:
    made = split(store, v1=70, v2=30)
    routing = load_routing(store, "v9")
    assert routing.champion == "v9"
    assert routing.split is not None
    assert (routing.split.revision, routing.split.salt, routing.split.slots) == (1, made.salt, made.slots)
    assert routing.split.versions == ("v1", "v2")


def test_a_further_split_keeps_the_salt_so_that_nobody_moves_who_need_not(store: OutcomeStore) -> None:
    split(store, v1=99, v2=1)
    before = load_routing(store, "v1")
    split(store, v1=50, v2=50)
    after = load_routing(store, "v1")
    enrolled = [unit for unit in UNITS if before.route(unit).version == "v2"]
    assert enrolled
    assert {after.route(unit) for unit in enrolled} == {Route("v2", 2)}


def test_only_a_version_that_a_worker_has_loaded_may_get_a_share(store: OutcomeStore) -> None:
    with pytest.raises(NotFound) as refused:
        split(store, v1=50, v3=50)
    assert refused.value.error_code == "version_not_found"
    assert store.routing() is None


def test_shares_that_do_not_sum_to_a_hundred_are_refused(store: OutcomeStore) -> None:
    with pytest.raises(Unprocessable, match="sum to 90"):
        split(store, v1=50, v2=40)
    assert store.routing() is None


def test_who_decided_on_a_stale_revision_is_refused() -> None:
    class Overtaken(EmptyStore):
        def set_routing(self, revision: RoutingRevision) -> None:
            if not self.routing_history():
                super().set_routing(revision)
            super().set_routing(revision)

    store = Overtaken()
    with pytest.raises(Conflict):
        split(store, v1=50, v2=50)
    assert len(store.routing_history()) == 1


def test_ending_a_split_gives_everybody_to_the_champion_and_is_kept_with_its_reason(store: OutcomeStore) -> None:
    split(store, v1=50, v2=50)
    clear_split(store, "bob", "enough", CLOCK)
    assert {load_routing(store, "v1").route(unit) for unit in UNITS[:50]} == {Route("v1", 0)}
    assert [(one.revision, one.actor, one.reason) for one in store.routing_history()] == [
        (2, "bob", "enough"),
        (1, "ann", "try"),
    ]
    assert split(store, v1=50, v2=50).revision == 3


def test_the_champion_is_the_alias_or_else_the_repositorys_own(store: OutcomeStore) -> None:
    assert load_routing(store, "v1").champion == "v1"
    move_alias(store, "champion", "v2", READY, None, "ann", "better", CLOCK)
    assert load_routing(store, "v1").champion == "v2"
    with pytest.raises(NotFound):
        move_alias(store, "champion", "v3", READY, "v2", "ann", "no", CLOCK)
    with pytest.raises(Conflict):
        move_alias(store, "champion", "v1", READY, None, "ann", "stale", CLOCK)


def test_a_roll_back_returns_to_the_version_before(store: OutcomeStore) -> None:
    move_alias(store, "champion", "v1", READY, None, "ann", "first", CLOCK)
    with pytest.raises(NotFound):
        roll_back_alias(store, "champion", "", READY, "ann", "oops", CLOCK)
    move_alias(store, "champion", "v2", READY, "v1", "ann", "better", CLOCK)
    roll_back_alias(store, "champion", "v9", READY, "bob", "worse", CLOCK)
    assert load_routing(store, "").champion == "v1"
    assert [one.version for one in store.alias_history("champion")] == ["v1", "v2", "v1"]


def test_a_roll_back_of_the_first_move_returns_to_the_repositorys_own_version(store: OutcomeStore) -> None:
    with pytest.raises(NotFound):
        roll_back_alias(store, "champion", "v1", READY, "ann", "never moved", CLOCK)
    move_alias(store, "champion", "v2", READY, None, "ann", "better", CLOCK)
    change = roll_back_alias(store, "champion", "v1", READY, "bob", "worse", CLOCK)
    assert (change.previous, change.version) == ("v2", "v1")
    assert load_routing(store, "v9").champion == "v1"


def test_a_first_move_to_the_repositorys_own_version_has_nothing_to_roll_back_to(store: OutcomeStore) -> None:
    move_alias(store, "champion", "v1", READY, None, "ann", "make it plain", CLOCK)
    with pytest.raises(Conflict):
        roll_back_alias(store, "champion", "v1", READY, "ann", "oops", CLOCK)


def test_earlier_champions_are_known_newest_first_and_the_repositorys_own_last(store: OutcomeStore) -> None:
    assert load_routing(store, "v9").earlier == ()
    for before, version in ((None, "v1"), ("v1", "v2"), ("v2", "v1")):
        move_alias(store, "champion", version, READY, before, "ann", "try", CLOCK)
    assert load_routing(store, "v9").earlier == ("v2", "v9")
    assert load_routing(store, "v9").without_experiments().earlier == ("v2", "v9")
