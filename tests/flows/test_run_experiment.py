"""The life of an experiment in the store: each step written whole, with who and why, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from splitleaf.core.clock import SystemClock
from splitleaf.core.errors import Conflict, NotFound, SplitleafError, Unprocessable
from splitleaf.experiments.lifecycle import State
from splitleaf.experiments.plan import Plan
from splitleaf.experiments.reading import parse_plan
from splitleaf.flows.change_routing import clear_split, move_alias, set_split
from splitleaf.flows.load_routing import load_routing
from splitleaf.flows.run_experiment import (
    ChangeRequest,
    create_experiment,
    edit_experiment,
    pause_experiment,
    promote_variant,
    ramp_to_shares,
    ramp_to_stage,
    reject_experiment,
    resume_experiment,
    roll_back_experiment,
    start_experiment,
    stop_experiment,
)
from splitleaf.flows.weigh_promotion import Evidence
from splitleaf.outcomes.experiments import ExperimentChange
from splitleaf.outcomes.store import OutcomeStore
from tests.experiments.plans import RAMP, plan, shadow_plan
from tests.outcomes.facts import audit_entry
from tests.support.stores import EmptyStore

FOR_IT = Evidence("better", "v2 is better than v1.", is_for=True)
READY = {"v1", "v2", "v3"}
CLOCK = SystemClock()
ANN = ChangeRequest("ann", "to find out")
UNITS = [f"unit-{number}" for number in range(2_000)]


@pytest.fixture
def store() -> OutcomeStore:
    return EmptyStore()


def create(store: OutcomeStore, a_plan: Plan | None = None) -> None:
    create_experiment(store, a_plan or plan(), ANN, CLOCK)


def start(store: OutcomeStore, a_plan: Plan | None = None) -> None:
    create(store, a_plan)
    start_experiment(store, (a_plan or plan()).key, READY, ANN, CLOCK)


def state(store: OutcomeStore, key: str = "leaf") -> str:
    record = store.experiment(key)
    assert record is not None
    return record.state


def variants(store: OutcomeStore) -> dict[str, str]:
    routing = load_routing(store, "v9")
    return {unit: routing.route(unit).variant for unit in UNITS}


def refused(call: Callable[[], object], code: str, kind: type[SplitleafError] = Conflict) -> None:
    with pytest.raises(kind) as error:
        call()
    assert error.value.error_code == code


def test_a_shadow_that_won_is_promoted_by_its_version_and_taken_back(store: OutcomeStore) -> None:
    create(store, shadow_plan())
    start_experiment(store, shadow_plan().key, READY, ANN, CLOCK)
    stop_experiment(store, shadow_plan().key, ANN, CLOCK)
    refused(
        lambda: promote_variant(store, shadow_plan().key, "v3", READY, "v1", FOR_IT, ANN, CLOCK),
        "variant_not_found",
        NotFound,
    )
    promote_variant(store, shadow_plan().key, "v2", READY, "v1", FOR_IT, ANN, CLOCK)
    assert store.aliases() == {"champion": "v2"}
    roll_back_experiment(store, shadow_plan().key, ANN, CLOCK)
    assert store.aliases() == {"champion": "v1"}


def test_a_draft_decides_nothing_and_gets_a_salt(store: OutcomeStore) -> None:
    create(store)
    create(store, plan(key="stem"))
    leaf, stem = store.experiments()
    assert leaf.salt != stem.salt
    assert parse_plan(leaf.plan).salt == leaf.salt
    assert set(variants(store).values()) == {""}
    refused(lambda: create(store), "experiment_exists")


def test_a_start_puts_the_first_stage_in_force(store: OutcomeStore) -> None:
    start(store, plan(ramp=RAMP, salt="my-salt", shadows=[{"version": "v3", "sampling": 25}]))
    assert state(store) == "running"
    (live,) = load_routing(store, "v9").experiments
    assert (live.key, live.revision, live.salt, live.default) == ("leaf", 1, "my-salt", "control")
    assert [(one.version, one.slots) for one in live.shadows] == [("v3", 2_500)]
    assert 0 < list(variants(store).values()).count("candidate") < 60


def test_it_starts_only_when_every_version_that_it_names_is_loaded(store: OutcomeStore) -> None:
    create(store, plan(shadows=[{"version": "v3"}]))
    for ready in ({"v1", "v2"}, {"v2", "v3"}, set[str]()):
        refused(lambda ready=ready: start_experiment(store, "leaf", ready, ANN, CLOCK), "version_not_found", NotFound)  # type: ignore[misc]
    assert state(store) == "draft"
    assert len(store.audit_log()) == 1


def test_a_pause_answers_everybody_as_if_there_were_none_and_brings_all_back(store: OutcomeStore) -> None:
    start(store)
    before = variants(store)
    pause_experiment(store, "leaf", ANN, CLOCK)
    assert set(variants(store).values()) == {""}
    refused(lambda: resume_experiment(store, "leaf", {"v1"}, ANN, CLOCK), "version_not_found", NotFound)
    resume_experiment(store, "leaf", READY, ANN, CLOCK)
    assert variants(store) == before


def test_a_ramp_makes_revisions_and_takes_nobody_from_a_candidate(store: OutcomeStore) -> None:
    start(store, plan(ramp=RAMP))
    before = variants(store)
    for stage in (1, 2, 3):
        ramp_to_stage(store, "leaf", stage, ANN, CLOCK)
        after = variants(store)
        assert all(after[unit] == "candidate" for unit, variant in before.items() if variant == "candidate")
        before = after
    assert [(one.revision, one.stage) for one in store.experiment_revisions("leaf")] == [(4, 3), (3, 2), (2, 1), (1, 0)]
    assert abs(list(before.values()).count("candidate") / len(UNITS) - 0.5) < 0.05
    refused(lambda: ramp_to_stage(store, "leaf", 1, ANN, CLOCK), "ramp_refused")
    refused(lambda: ramp_to_stage(store, "leaf", 3, ANN, CLOCK), "ramp_refused")
    refused(lambda: ramp_to_stage(store, "leaf", 5, ANN, CLOCK), "ramp_refused")


def test_shares_can_be_set_by_hand(store: OutcomeStore) -> None:
    start(store, plan(ramp=RAMP))
    ramp_to_shares(store, "leaf", {"control": 20, "candidate": 20}, ANN, CLOCK)
    assert abs(list(variants(store).values()).count("candidate") / len(UNITS) - 0.2) < 0.04
    refused(lambda: ramp_to_shares(store, "leaf", {"other": 20}, ANN, CLOCK), "variant_not_found", NotFound)
    refused(
        lambda: ramp_to_shares(store, "leaf", {"control": 80, "candidate": 30}, ANN, CLOCK),
        "invalid_split",
        Unprocessable,
    )
    refused(lambda: ramp_to_shares(store, "leaf", {"control": 90, "candidate": 10}, ANN, CLOCK), "ramp_refused")
    pause_experiment(store, "leaf", ANN, CLOCK)
    refused(lambda: ramp_to_shares(store, "leaf", {"candidate": 100}, ANN, CLOCK), "transition_refused")


def test_a_promotion_moves_the_champion_and_is_undone_in_one_step(store: OutcomeStore) -> None:
    start(store)
    stop_experiment(store, "leaf", ANN, CLOCK)
    refused(
        lambda: promote_variant(store, "leaf", "winner", READY, "v1", FOR_IT, ANN, CLOCK), "variant_not_found", NotFound
    )
    refused(
        lambda: promote_variant(store, "leaf", "candidate", {"v1"}, "v1", FOR_IT, ANN, CLOCK),
        "version_not_found",
        NotFound,
    )
    promote_variant(store, "leaf", "candidate", READY, "v1", FOR_IT, ChangeRequest("ann", "better"), CLOCK)
    assert (state(store), load_routing(store, "v1").champion) == ("promoted", "v2")
    roll_back_experiment(store, "leaf", ChangeRequest("bob", "worse after all"), CLOCK)
    assert (state(store), load_routing(store, "v9").champion) == ("rolled_back", "v1")
    assert [(one.version, one.actor) for one in store.alias_history("champion")] == [("v1", "bob"), ("v2", "ann")]


def test_nobody_promotes_against_the_evidence_without_saying_so_and_why(store: OutcomeStore) -> None:
    start(store)
    stop_experiment(store, "leaf", ANN, CLOCK)
    unknown = Evidence("undecided", "Whether v2 is better is not decided yet.", is_for=False)

    def promote(request: ChangeRequest, *, against: bool) -> None:
        promote_variant(store, "leaf", "candidate", READY, "v1", unknown, request, CLOCK, against_evidence=against)

    refused(lambda: promote(ANN, against=False), "against_evidence")
    refused(lambda: promote(ChangeRequest("ann", " "), against=True), "reason_missing", Unprocessable)
    assert state(store) == "stopped"
    promote(ChangeRequest("ann", "cheaper"), against=True)
    (entry, *_) = store.audit_log("experiment/leaf")
    assert (entry.action, entry.reason) == ("promote", "cheaper")
    assert json.loads(entry.after)["findings"] == {
        "verdict": "undecided",
        "headline": "Whether v2 is better is not decided yet.",
        "is_for": False,
        "is_against_evidence": True,
    }


def test_a_promotion_that_somebody_has_built_on_is_not_undone(store: OutcomeStore) -> None:
    move_alias(store, "champion", "v1", READY, None, "ann", "first", CLOCK)
    start(store)
    stop_experiment(store, "leaf", ANN, CLOCK)
    promote_variant(store, "leaf", "candidate", READY, "v9", FOR_IT, ANN, CLOCK)
    move_alias(store, "champion", "v3", READY, "v2", "bob", "newer", CLOCK)
    refused(lambda: roll_back_experiment(store, "leaf", ANN, CLOCK), "conflict")
    assert (state(store), store.aliases()) == ("promoted", {"champion": "v3"})


def test_a_roll_back_ends_a_running_experiment_at_once(store: OutcomeStore) -> None:
    start(store)
    roll_back_experiment(store, "leaf", ChangeRequest("controller", "error_rate: e-value 212"), CLOCK)
    assert state(store) == "rolled_back"
    assert load_routing(store, "v1").experiments == ()
    assert store.aliases() == {}


def test_a_rejected_experiment_moves_nothing(store: OutcomeStore) -> None:
    start(store)
    stop_experiment(store, "leaf", ANN, CLOCK)
    reject_experiment(store, "leaf", ANN, CLOCK)
    assert (state(store), store.aliases()) == ("rejected", {})
    create(store, plan(key="stem"))
    reject_experiment(store, "stem", ANN, CLOCK)
    assert state(store, "stem") == "rejected"


def test_a_layer_is_free_again_when_its_experiment_is_over_and_not_while_it_pauses(store: OutcomeStore) -> None:
    start(store, plan(traffic=60))
    create(store, plan(key="stem", traffic=60))

    def start_stem() -> object:
        return start_experiment(store, "stem", READY, ANN, CLOCK)

    refused(start_stem, "layer_full")
    pause_experiment(store, "leaf", ANN, CLOCK)
    refused(start_stem, "layer_full")
    start(store, plan(key="root", traffic=60, layer="other"))
    stop_experiment(store, "leaf", ANN, CLOCK)
    start_stem()
    assert [one.key for one in load_routing(store, "v1").experiments] == ["root", "stem"]


def test_two_experiments_of_a_layer_run_side_by_side(store: OutcomeStore) -> None:
    start(store, plan(traffic=50))
    start(store, plan(key="stem", traffic=50))
    routing = load_routing(store, "v9")
    assert {routing.route(unit).experiment for unit in UNITS} == {"leaf", "stem"}


def test_a_static_split_and_experiments_exclude_each_other(store: OutcomeStore) -> None:
    set_split(store, {"v1": 50, "v2": 50}, READY, "ann", "try", CLOCK)
    refused(lambda: start(store), "split_in_force")
    clear_split(store, "ann", "enough", CLOCK)
    start_experiment(store, "leaf", READY, ANN, CLOCK)
    refused(lambda: set_split(store, {"v1": 50, "v2": 50}, READY, "ann", "try", CLOCK), "experiments_running")


def test_a_decision_on_an_old_view_is_refused(store: OutcomeStore) -> None:
    start(store)
    stale = ChangeRequest("bob", "late", expected=1)
    for call in (pause_experiment, stop_experiment, roll_back_experiment):
        refused(lambda call=call: call(store, "leaf", stale, CLOCK), "conflict")  # type: ignore[misc]
    pause_experiment(store, "leaf", ChangeRequest("bob", "now", expected=2), CLOCK)


def test_a_step_out_of_turn_writes_nothing(store: OutcomeStore) -> None:
    create(store)
    for call in (pause_experiment, stop_experiment, roll_back_experiment):
        refused(lambda call=call: call(store, "leaf", ANN, CLOCK), "transition_refused")  # type: ignore[misc]
    assert len(store.audit_log()) == 1
    refused(lambda: pause_experiment(store, "stem", ANN, CLOCK), "experiment_not_found", NotFound)


def test_a_draft_can_be_edited_and_what_runs_only_where_nothing_is_spoiled(store: OutcomeStore) -> None:
    create(store)
    salt = store.experiments()[0].salt
    edit_experiment(store, "leaf", plan(alpha=0.01), ANN, CLOCK)
    start_experiment(store, "leaf", READY, ANN, CLOCK)
    edit_experiment(store, "leaf", plan(alpha=0.01, planned_n=9_000), ANN, CLOCK)
    refused(lambda: edit_experiment(store, "leaf", plan(alpha=0.05), ANN, CLOCK), "experiment_frozen")
    kept = parse_plan(store.experiments()[0].plan)
    assert (kept.alpha, kept.planned_n, kept.salt) == (0.01, 9_000, salt)
    assert state(store) == "running"


def test_the_audit_log_tells_the_whole_story(store: OutcomeStore) -> None:
    start(store, plan(ramp=RAMP))
    ramp_to_stage(store, "leaf", 1, ChangeRequest("controller", "stage 0 is done"), CLOCK)
    stop_experiment(store, "leaf", ANN, CLOCK)
    promote_variant(store, "leaf", "candidate", READY, "v1", FOR_IT, ChangeRequest("bob", "better"), CLOCK)
    story = [(one.actor, one.action, one.reason) for one in reversed(store.audit_log("experiment/leaf"))]
    assert story == [
        ("ann", "create", "to find out"),
        ("ann", "start", "to find out"),
        ("controller", "ramp", "stage 0 is done"),
        ("ann", "stop", "to find out"),
        ("bob", "promote", "better"),
    ]
    promote, stop, ramp, begin, made = store.audit_log()
    assert (made.before, json.loads(made.after)["plan"]["key"]) == ("null", "leaf")
    assert read(begin) == ({"state": "draft", "revision": 0}, {"state": "running", "revision": 1})
    before, after = read(ramp)
    assert (before["shares"], after["shares"]) == ({"control": 99, "candidate": 1}, {"control": 95, "candidate": 5})
    assert read(stop) == ({"state": "running"}, {"state": "stopped"})
    after = read(promote)[1]
    assert after.pop("findings")["verdict"] == "better"
    assert after == {"state": "promoted", "promoted": "candidate", "champion": "v2"}


def read(entry: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return json.loads(entry.before), json.loads(entry.after)


def test_a_shadow_experiment_is_answered_by_its_control_alone(store: OutcomeStore) -> None:
    start(store, shadow_plan())
    (live,) = load_routing(store, "v9").experiments
    assert {live.route(live.variant_of(unit)).version for unit in UNITS} == {"v1"}
    assert [one.version for one in live.shadows] == ["v2"]


def test_a_plan_of_a_newer_release_is_left_out_and_nothing_else(store: OutcomeStore) -> None:
    start(store, plan(traffic=50))
    start(store, plan(key="stem", traffic=50))
    record = store.experiment("stem")
    assert record is not None
    newer = replace(record, sequence=3, plan='{"key": "stem", "unheard_of": 1}')
    store.change_experiment(ExperimentChange(newer, audit_entry("stem", "edit")))
    assert [one.key for one in load_routing(store, "v1").experiments] == ["leaf"]
    assert State(newer.state) is State.RUNNING
