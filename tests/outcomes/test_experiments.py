"""What the store promises of experiments, held against memory, SQLite and a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from splitleaf.core.errors import Conflict
from splitleaf.core.ids import new_prediction_id
from splitleaf.outcomes.events import FeedbackSource
from splitleaf.outcomes.experiments import AliasMove, Exposure, ExposureCount
from splitleaf.outcomes.store import OutcomeStore
from tests.outcomes.facts import (
    NOW_MS,
    audit_entry,
    experiment_record,
    experiment_revision,
    failed_outcome,
    feedback,
    outcome,
    revision,
    step,
)
from tests.outcomes.test_contract import at_once

BEGIN = (-1, "")
"""In front of all exposures."""

HELD = ((0, 2_500), (5_000, 7_500))


def start(store: OutcomeStore, key: str = "leaf", started_ms: int = NOW_MS) -> None:
    store.change_experiment(step(key))
    table = experiment_revision(key=key)
    store.change_experiment(
        step(key, 2, "running", table=table, layer="main", held=HELD, revision=1, started_ms=started_ms)
    )


def test_an_experiment_comes_back_as_its_newest_change_left_it(store: OutcomeStore) -> None:
    assert (store.experiments(), store.experiment("leaf")) == ([], None)
    draft = store.change_experiment(step())
    assert draft == experiment_record()
    facts: dict[str, Any] = {
        "layer": "main",
        "held": HELD,
        "revision": 1,
        "stage": 2,
        "started_ms": NOW_MS,
        "promoted": "b",
    }
    running = store.change_experiment(step(sequence=2, state="running", table=experiment_revision(), **facts))
    assert running == experiment_record(sequence=2, state="running", **facts)
    assert store.experiment("leaf") == running
    assert running.number > draft.number
    assert store.experiments() == [running]


def test_a_key_can_be_used_once(store: OutcomeStore) -> None:
    store.change_experiment(step())
    with pytest.raises(Conflict) as refused:
        store.change_experiment(step(state="running"))
    assert refused.value.error_code == "experiment_exists"
    assert store.experiments() == [experiment_record()]


@pytest.mark.parametrize("sequence", [0, 3, 7])
def test_a_step_that_does_not_follow_on_the_present_one_is_refused_whole(store: OutcomeStore, sequence: int) -> None:
    store.change_experiment(step())
    with pytest.raises(Conflict):
        store.change_experiment(step(sequence=sequence, state="running", table=experiment_revision()))
    assert store.experiments() == [experiment_record()]
    assert store.experiment_revisions("leaf") == []
    assert len(store.audit_log()) == 1


def test_of_many_hands_on_an_experiment_one_wins(store: OutcomeStore) -> None:
    store.change_experiment(step())
    results = at_once(*(lambda: store.change_experiment(step(sequence=2, state="running")) for _ in range(6)))
    assert sum(isinstance(one, Conflict) for one in results) == 5
    assert len(store.audit_log()) == 2


def test_a_decision_on_a_stale_view_of_the_others_is_refused(store: OutcomeStore) -> None:
    newest = store.change_experiment(step("leaf")).number
    other = store.change_experiment(step("stem"))
    with pytest.raises(Conflict):
        store.change_experiment(step("leaf", 2, "running", newest=newest))
    assert store.change_experiment(step("leaf", 2, "running", newest=other.number)).state == "running"


def test_of_two_experiments_that_start_on_the_same_view_one_wins(store: OutcomeStore) -> None:
    for key in ("leaf", "stem"):
        store.change_experiment(step(key))
    newest = store.experiments()[-1].number
    results = at_once(
        *(lambda key=key: store.change_experiment(step(key, 2, "running", newest=newest)) for key in ("leaf", "stem"))
    )
    assert sum(isinstance(one, Conflict) for one in results) == 1


def test_only_what_runs_is_given_out_with_its_revision_in_the_order_of_the_start(store: OutcomeStore) -> None:
    start(store, "stem", NOW_MS + 1)
    start(store, "leaf", NOW_MS)
    store.change_experiment(step("root"))
    found = store.running_experiments()
    assert [(record.key, table) for record, table in found] == [
        ("leaf", experiment_revision(key="leaf")),
        ("stem", experiment_revision(key="stem")),
    ]
    assert isinstance(found[0][1].slots, bytes)
    store.change_experiment(step("leaf", 3, "paused", revision=1))
    assert [record.key for record, _ in store.running_experiments()] == ["stem"]


def test_the_newest_revision_is_the_one_in_force(store: OutcomeStore) -> None:
    start(store)
    second = experiment_revision(2, control=20, candidate=80)
    store.change_experiment(step(sequence=3, state="running", table=second, revision=2, started_ms=NOW_MS))
    ((_, in_force),) = store.running_experiments()
    assert in_force == second
    assert store.experiment_revisions("leaf") == [second, experiment_revision()]
    assert store.experiment_revisions("stem") == []


def test_a_revision_that_is_there_is_not_written_over(store: OutcomeStore) -> None:
    start(store)
    with pytest.raises(Conflict):
        store.change_experiment(step(sequence=3, state="running", table=experiment_revision(1, control=100)))
    assert store.experiment_revisions("leaf") == [experiment_revision()]
    assert len(store.audit_log()) == 2


def test_a_step_moves_an_alias_with_it_or_neither_happens(store: OutcomeStore) -> None:
    store.change_experiment(step())
    move = AliasMove("champion", "v2", None)
    store.change_experiment(step(sequence=2, state="promoted", alias=move))
    assert store.aliases() == {"champion": "v2"}
    assert store.alias_history("champion")[0].actor == "ann"
    with pytest.raises(Conflict):
        store.change_experiment(step(sequence=3, state="rolled_back", alias=AliasMove("champion", "v1", "v9")))
    assert store.aliases() == {"champion": "v2"}
    assert store.experiment("leaf") == experiment_record(sequence=2, state="promoted")


def test_a_split_and_an_experiment_exclude_each_other(store: OutcomeStore) -> None:
    store.set_routing(revision(1))
    store.change_experiment(step())
    with pytest.raises(Conflict) as refused:
        store.change_experiment(step(sequence=2, state="running"))
    assert refused.value.error_code == "split_in_force"
    store.set_routing(type(revision(2))(2, "", (), b"", "ann", "end", NOW_MS))
    store.change_experiment(step(sequence=2, state="running"))
    for sequence, state in ((3, "paused"), (4, "running")):
        with pytest.raises(Conflict) as refused:
            store.set_routing(revision(3))
        assert refused.value.error_code == "experiments_running"
        store.change_experiment(step(sequence=sequence, state=state))
    store.change_experiment(step(sequence=5, state="stopped"))
    store.set_routing(revision(3))


def test_of_a_split_and_an_experiment_at_the_same_moment_one_wins(store: OutcomeStore) -> None:
    store.change_experiment(step())
    results = at_once(
        lambda: store.set_routing(revision(1)), lambda: store.change_experiment(step(sequence=2, state="running"))
    )
    assert sum(isinstance(one, Conflict) for one in results) == 1


def test_the_audit_log_tells_who_did_what_and_why_newest_first_page_by_page(store: OutcomeStore) -> None:
    assert store.audit_log() == []
    entries = [audit_entry(action=f"step-{number}") for number in range(5)]
    for one in entries:
        store.record_audit(one)
    store.record_audit(audit_entry("stem"))
    assert store.audit_log()[0] == audit_entry("stem")
    first = store.audit_log("experiment/leaf", limit=2)
    second = store.audit_log("experiment/leaf", before=first[-1].number, limit=10)
    assert [*first, *second] == entries[::-1]
    assert store.audit_log("experiment/root") == []


def test_the_audit_log_is_told_without_the_labels_of_single_images(store: OutcomeStore) -> None:
    steps = [audit_entry(action="start"), audit_entry(action="stop")]
    label = replace(audit_entry(action="label"), subject="label/abc")
    of_file = replace(audit_entry(action="import"), subject="labels")
    for one in (steps[0], label, of_file, label, steps[1]):
        store.record_audit(one)
    assert store.audit_log(with_labels=False) == [steps[1], of_file, steps[0]]
    assert store.audit_log(limit=2, with_labels=False) == [steps[1], of_file]
    assert len(store.audit_log()) == 5


def test_the_outcomes_of_an_experiment_are_read_page_by_page(store: OutcomeStore) -> None:
    mine = [outcome(experiment="leaf") for _ in range(5)]
    for one in mine:
        store.record_outcomes([outcome(experiment=""), one, outcome(experiment="stem")])
    first = store.exposures_after("leaf", 0, 3)
    assert [*first, *store.exposures_after("leaf", first[-1].number, 3)] == mine
    assert store.exposures_after("root", 0, 3) == []
    assert store.exposures_after("", 0, 3) == []


def test_a_shadow_of_a_prediction_is_recorded_beside_it_and_once(store: OutcomeStore) -> None:
    primary = outcome(experiment="leaf")
    shadows = [
        outcome(
            prediction_id=f"0{new_prediction_id()[1:]}",
            role="shadow",
            experiment="leaf",
            assigned_version=version,
            primary_id=primary.prediction_id,
        )
        for version in ("v2", "v3")
    ]
    assert store.record_outcomes([primary, *shadows]) == 3
    assert store.record_outcomes([primary, *shadows]) == 0
    assert store.exposures_after("leaf", 0, 10) == [primary, *shadows]
    assert store.count_by_status() == {"succeeded": 1}


def test_exposures_are_counted_by_revision_and_variant_without_overrides(store: OutcomeStore) -> None:
    facts = {"experiment": "leaf", "revision": 1}
    candidate = {**facts, "variant": "candidate", "assigned_version": "v2"}
    store.record_outcomes(
        [
            *(outcome(**facts, variant="control") for _ in range(3)),
            outcome(**{**candidate, "assigned_version": "v1"}, fallback="not_ready"),
            outcome(**candidate),
            outcome(**candidate, override=True),
            outcome(**{**candidate, "revision": 2}),
            outcome(**candidate, role="shadow"),
            outcome(experiment="stem"),
        ]
    )
    assert store.count_exposures("leaf") == [
        ExposureCount(1, "candidate", "primary", "v1", 1, 1),
        ExposureCount(1, "candidate", "primary", "v2", 0, 1),
        ExposureCount(1, "candidate", "shadow", "v2", 0, 1),
        ExposureCount(1, "control", "primary", "v1", 0, 3),
        ExposureCount(2, "candidate", "primary", "v2", 0, 1),
    ]


def at(one: Exposure) -> tuple[int, str]:
    return one.created_ms, one.prediction_id


def test_the_evidence_of_an_experiment_is_its_exposures_in_the_order_of_creation(store: OutcomeStore) -> None:
    earlier = outcome(experiment="leaf", variant="b", revision=2, created_ms=NOW_MS - 5, finished_ms=NOW_MS + 35)
    earlier = replace(earlier, is_sure=False)
    later = outcome(experiment="leaf", fallback="not_ready")
    others = [outcome(experiment="leaf", role="shadow"), outcome(experiment="leaf", override=True), outcome()]
    store.record_outcomes([later, *others, earlier])
    first, second = store.evidence_after("leaf", BEGIN, NOW_MS + 1, 10)
    assert (first.revision, first.variant, first.status, first.latency_ms) == (2, "b", "succeeded", 44.5)
    assert (first.is_answered, second.is_answered, second.fallback) == (True, False, "not_ready")
    assert (first.is_sure, second.is_sure) == (False, True)
    assert store.evidence_after("leaf", BEGIN, NOW_MS + 1, 1) == [first]
    assert store.evidence_after("leaf", BEGIN, NOW_MS, 10) == [first]
    assert store.evidence_after("leaf", at(first), NOW_MS + 1, 10) == [second]
    assert store.evidence_after("leaf", at(second), NOW_MS + 1, 10) == []
    newest, before = store.newer_exposures("leaf", 0, NOW_MS)
    assert before == 1
    assert store.newer_exposures("leaf", newest, NOW_MS) == (newest, 0)


def test_of_two_that_were_created_at_once_the_id_decides_which_is_evidence_first(store: OutcomeStore) -> None:
    ids = [new_prediction_id() for _ in range(40)]
    store.record_outcomes([outcome(experiment="leaf", prediction_id=one) for one in ids])
    found: list[str] = []
    place = BEGIN
    while page := store.evidence_after("leaf", place, NOW_MS + 1, 7):
        found += [one.prediction_id for one in page]
        place = at(page[-1])
    assert found == sorted(ids)
    columns = store.exposures("leaf")
    assert [store.image_ids([int(one)])[int(one)] for one in columns.number] == sorted(ids)


def test_what_users_say_is_joined_to_the_exposure_that_it_is_about(store: OutcomeStore) -> None:
    mine, other = outcome(experiment="leaf", unit_hash="a" * 32), outcome(experiment="other")
    unseen = outcome(experiment="leaf", role="shadow")
    store.record_outcomes([mine, other, unseen])
    for about in (mine, other, unseen):
        store.record_feedback(feedback(about.prediction_id, correct=False))
    store.record_feedback(feedback(mine.prediction_id, source=FeedbackSource.EXPERT))
    store.record_feedback(feedback(new_prediction_id()))
    rated, waiting = store.ratings_after("leaf", 0, 10)
    assert (rated.is_recorded, rated.unit_hash, rated.variant, rated.is_right) == (True, "a" * 32, "B", False)
    assert (waiting.is_recorded, waiting.revision, waiting.variant, waiting.unit_hash) == (False, 0, "", "")
    assert store.ratings_after("leaf", rated.number, 10) == [waiting]
    assert store.ratings_after("leaf", 0, 1) == [rated]


def test_outcomes_come_by_column_in_the_order_of_creation_without_overrides(store: OutcomeStore) -> None:
    first, shadowed, forced = new_prediction_id(), new_prediction_id(), new_prediction_id()
    facts = [
        outcome(
            prediction_id=first,
            experiment="leaf",
            variant="control",
            unit_hash="a" * 32,
            label="rust / mould",
            origin="page",
        ),
        outcome(prediction_id=forced, experiment="leaf", override=True),
        outcome(experiment="stem"),
        failed_outcome(prediction_id=shadowed, experiment="leaf", variant="candidate", unit_hash="b" * 32),
        outcome(
            experiment="leaf",
            variant="candidate",
            unit_hash="b" * 32,
            role="shadow",
            primary_id=shadowed,
            served_version="v2",
            label="healthy",
            fallback="not_ready",
            is_sure=False,
            revision=12,
            origin="",
        ),
    ]
    store.record_outcomes(
        [
            replace(one, created_ms=one.created_ms + place, finished_ms=one.finished_ms + place)
            for place, one in enumerate(facts)
        ][::-1]
    )
    found = store.exposures("leaf")
    assert found.unit.tolist() == [0, 1, 1]
    assert found.revision.tolist() == [3, 3, 12]
    assert [found.variants[place] for place in found.variant] == ["control", "candidate", "candidate"]
    assert [found.versions[place] for place in found.version] == ["v1", "v1", "v2"]
    assert [found.labels[place] if place >= 0 else None for place in found.label] == ["rust / mould", None, "healthy"]
    assert [found.origins[place] for place in found.origin] == ["page", "unit", ""]
    assert found.image[1] == found.image[2] != found.image[0]
    assert np.isnan(found.confidence).tolist() == [False, True, False]
    flags = (found.is_shadow, found.is_answered, found.is_fallback, found.is_failed, found.is_canceled)
    assert [one.tolist() for one in flags] == [
        [False, False, True],
        [True, False, True],
        [False, False, True],
        [False, True, True],
        [False, False, False],
    ]
    assert found.is_unsure.tolist() == [False, False, True]
    assert found.total_ms.tolist() == [44.5] * 3
    assert found.waited_ms.tolist() == [44.5, np.inf, np.inf]
    assert (found.work_ms[0], found.cost_ms[0], found.queue_ms[0]) == (7.625, 7.625 / 4, 1.25)
    assert list(np.diff(found.number) > 0) == [False, False]
    assert store.newest_exposure("leaf") == found.number[0]
    assert len(store.exposures("leaf", before_ms=NOW_MS + 4)) == 2
    numbers = [int(found.number[0]), int(found.number[2])]
    assert store.image_ids(numbers) == {numbers[0]: first, numbers[1]: shadowed}
    assert len(set(store.exposures("leaf", with_images=False).number)) == 3


def test_more_outcomes_than_are_read_at_once_come_all_and_each_once(store: OutcomeStore) -> None:
    assert len(store.exposures("leaf")) == 0
    assert store.newest_exposure("leaf") == 0
    names = [f"{number:032x}" for number in range(5_001)]
    for place in range(0, 5_001, 1_000):
        store.record_outcomes(
            [
                outcome(experiment="leaf", unit_hash=name, created_ms=NOW_MS + int(name, 16))
                for name in names[place : place + 1_000]
            ]
        )
    assert store.exposures("leaf").unit.tolist() == list(range(5_001))
