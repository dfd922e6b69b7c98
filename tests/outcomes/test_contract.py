"""What the outcome store promises, held against memory, SQLite and a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from splitleaf.core.errors import Conflict
from splitleaf.core.ids import new_prediction_id
from splitleaf.outcomes.events import FeedbackSource, Outcome, Sighting, TrafficCount
from splitleaf.outcomes.store import OutcomeStore
from tests.outcomes.facts import NOW_MS, failed_outcome, feedback, outcome, revision


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run all at the same moment; return their results, or the `Conflict` that they raised."""
    start = threading.Barrier(len(calls))

    def one(call: Callable[[], object]) -> object:
        start.wait()
        try:
            return call()
        except Conflict as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


@pytest.mark.parametrize("fact", [outcome(), failed_outcome(), outcome(override=True, is_sure=False, label="ü\n'; --")])
def test_an_outcome_comes_back_as_it_was_recorded(store: OutcomeStore, fact: Outcome) -> None:
    assert store.outcome(fact.prediction_id) is None
    assert store.record_outcomes([fact]) == 1
    assert store.outcome(fact.prediction_id) == fact


def test_an_outcome_is_written_once_and_never_changed(store: OutcomeStore) -> None:
    first = outcome()
    assert store.record_outcomes([first]) == 1
    assert store.record_outcomes([replace(first, status="failed", label="healthy")]) == 0
    assert store.outcome(first.prediction_id) == first
    assert len(store.outcomes_after(0, 10)) == 1


def test_of_two_with_the_same_id_in_one_batch_the_first_counts(store: OutcomeStore) -> None:
    first, other = outcome(), outcome()
    assert store.record_outcomes([first, other, replace(first, label="healthy")]) == 2
    assert store.outcome(first.prediction_id) == first


def test_only_what_is_new_is_counted(store: OutcomeStore) -> None:
    batch = [outcome() for _ in range(5)]
    assert store.record_outcomes([]) == 0
    assert store.record_outcomes(batch[:3]) == 3
    assert store.record_outcomes(batch) == 2


def test_two_recorders_with_the_same_batch_record_it_once(store: OutcomeStore) -> None:
    batch = [outcome() for _ in range(200)]
    counts = at_once(*(lambda: store.record_outcomes(batch) for _ in range(4)))
    assert sorted(map(str, counts)) == ["0", "0", "0", "200"]
    assert [one.prediction_id for one in store.outcomes_after(0, 1_000)] == [one.prediction_id for one in batch]


def test_outcomes_are_counted_by_status(store: OutcomeStore) -> None:
    assert store.count_by_status() == {}
    store.record_outcomes([outcome(), outcome(), failed_outcome(), outcome(status="expired")])
    assert store.count_by_status() == {"succeeded": 2, "failed": 1, "expired": 1}


def test_the_traffic_since_a_moment_is_counted_without_shadows(store: OutcomeStore) -> None:
    times = [outcome(created_ms=NOW_MS + number) for number in range(5)]
    store.record_outcomes([*times, outcome(created_ms=NOW_MS + 9, role="shadow")])
    assert [store.count_since(NOW_MS + number) for number in (0, 3, 5)] == [5, 2, 0]


def test_the_traffic_falls_into_periods_versions_states_and_bands_of_time(store: OutcomeStore) -> None:
    def took(ms: int, at: int = 0, intake_ms: float = 0.0, **changes: Any) -> Outcome:
        return outcome(created_ms=NOW_MS + at, finished_ms=NOW_MS + at + ms, intake_ms=intake_ms, **changes)

    store.record_outcomes(
        [
            took(10),
            took(9, intake_ms=1.0),
            took(9, intake_ms=1.5),
            took(500, at=999),
            took(500, at=1000, assigned_version="v2", served_version="", status="expired"),
            took(10, at=-1),
            took(10, role="shadow"),
        ]
    )
    found = store.count_traffic(NOW_MS, 1000, (10, 20))
    assert sorted(found, key=lambda one: (one.period, one.band)) == [
        TrafficCount(0, "v1", "succeeded", 0, 2),
        TrafficCount(0, "v1", "succeeded", 1, 1),
        TrafficCount(0, "v1", "succeeded", 2, 1),
        TrafficCount(1, "v2", "expired", 2, 1),
    ]


def test_pages_follow_the_order_of_recording_whenever_the_images_came(store: OutcomeStore) -> None:
    late = [outcome(created_ms=NOW_MS - number) for number in range(7)]
    for one in late:
        store.record_outcomes([one])
    read: list[Outcome] = []
    sizes = []
    while page := store.outcomes_after(read[-1].number if read else 0, 3):
        read += page
        sizes.append(len(page))
    assert sizes == [3, 3, 1]
    assert read == late


def test_a_reader_that_follows_misses_none_and_sees_none_twice_while_others_record(store: OutcomeStore) -> None:
    writers, batches, size = 3, 8, 15
    facts = [[[outcome() for _ in range(size)] for _ in range(batches)] for _ in range(writers)]
    is_over = threading.Event()
    seen: list[str] = []

    def follow() -> None:
        number = 0
        while True:
            last_round = is_over.is_set()
            while page := store.outcomes_after(number, 20):
                assert [one.number for one in page] == sorted(one.number for one in page)
                seen.extend(one.prediction_id for one in page)
                number = page[-1].number
            if last_round:
                return
            is_over.wait(0.002)

    def record(mine: list[list[Outcome]]) -> None:
        for batch in mine:
            store.record_outcomes(batch)

    with ThreadPoolExecutor(writers + 1) as pool:
        following = pool.submit(follow)
        try:
            list(pool.map(record, facts))
        finally:
            is_over.set()
        following.result(30)
    assert len(seen) == len(set(seen)) == writers * batches * size


def test_feedback_is_appended_and_of_an_author_the_last_counts(store: OutcomeStore) -> None:
    prediction_id = new_prediction_id()
    # The clocks of two API processes need not agree: what was recorded last is last.
    first = feedback(prediction_id, created_ms=NOW_MS + 5_000)
    second = feedback(prediction_id, correct=False, label=None, created_ms=NOW_MS)
    expert = feedback(prediction_id, source=FeedbackSource.EXPERT, author="key-1", sampling_probability=0.02)
    for one in (first, second, expert, feedback(new_prediction_id())):
        store.record_feedback(one)
    assert store.feedback(prediction_id) == [first, second, expert]
    assert {(one.source, one.author): one for one in store.feedback(prediction_id)} == {
        (FeedbackSource.USER, "u" * 32): second,
        (FeedbackSource.EXPERT, "key-1"): expert,
    }
    assert store.feedback(new_prediction_id()) == []


def test_a_hundred_opinions_of_one_moment_keep_their_order(store: OutcomeStore) -> None:
    prediction_id = new_prediction_id()
    said = [feedback(prediction_id, correct=number % 2 == 0) for number in range(100)]
    for one in said:
        store.record_feedback(one)
    assert store.feedback(prediction_id) == said


def test_an_alias_moves_with_its_history(store: OutcomeStore) -> None:
    assert store.aliases() == {}
    first = store.move_alias("champion", "v1", expected=None, actor="ann", reason="first", now_ms=NOW_MS)
    second = store.move_alias("champion", "v2", expected="v1", actor="bob", reason="better", now_ms=NOW_MS + 1)
    store.move_alias("challenger", "v3", expected=None, actor="ann", reason="try", now_ms=NOW_MS)
    assert (first.previous, second.previous) == (None, "v1")
    assert store.aliases() == {"champion": "v2", "challenger": "v3"}
    assert store.alias_history("champion") == [second, first]
    assert [(one.actor, one.reason) for one in store.alias_history("champion")] == [("bob", "better"), ("ann", "first")]


@pytest.mark.parametrize("expected", [None, "v9"])
def test_an_alias_that_names_something_else_than_expected_stays(store: OutcomeStore, expected: str | None) -> None:
    store.move_alias("champion", "v1", expected=None, actor="ann", reason="first", now_ms=NOW_MS)
    with pytest.raises(Conflict):
        store.move_alias("champion", "v2", expected=expected, actor="bob", reason="late", now_ms=NOW_MS)
    assert store.aliases() == {"champion": "v1"}
    assert len(store.alias_history("champion")) == 1


def test_of_many_hands_on_an_alias_one_wins(store: OutcomeStore) -> None:
    store.move_alias("champion", "v0", expected=None, actor="ann", reason="first", now_ms=NOW_MS)

    def move(version: str) -> object:
        return store.move_alias("champion", version, expected="v0", actor="ann", reason="race", now_ms=NOW_MS)

    results = at_once(*(lambda version=f"v{n}": move(version) for n in range(1, 7)))
    assert sum(isinstance(one, Conflict) for one in results) == 5
    assert len(store.alias_history("champion")) == 2


def test_a_routing_revision_comes_back_as_it_was_put_in_force(store: OutcomeStore) -> None:
    assert store.routing() is None
    first, second = revision(1), revision(2, v1=90, v2=10)
    store.set_routing(first)
    assert store.routing() == first
    store.set_routing(second)
    assert store.routing() == second
    assert store.routing_history() == [second, first]
    assert isinstance(second.slots, bytes)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_revision_out_of_turn_is_refused(store: OutcomeStore, number: int) -> None:
    store.set_routing(revision(1))
    with pytest.raises(Conflict):
        store.set_routing(revision(number))
    assert [one.revision for one in store.routing_history()] == [1]


def test_of_many_changes_of_the_routing_at_once_one_wins(store: OutcomeStore) -> None:
    store.set_routing(revision(1))
    results = at_once(*(lambda: store.set_routing(revision(2)) for _ in range(6)))
    assert sum(isinstance(one, Conflict) for one in results) == 5
    assert [one.revision for one in store.routing_history()] == [2, 1]


def test_what_cannot_be_recorded_is_kept_aside(store: OutcomeStore) -> None:
    store.set_aside("a" * 26, '{"label":"\\u0000"}', "no NUL here", NOW_MS)
    store.set_aside("b" * 26, "{}", "why", NOW_MS)
    assert store.aside() == [("a" * 26, '{"label":"\\u0000"}', "no NUL here"), ("b" * 26, "{}", "why")]


def test_an_idle_store_answers_and_is_closed_twice_without_harm(store: OutcomeStore) -> None:
    store.ping()
    store.close()
    store.close()


def test_moves_and_splits_are_in_the_audit_log_with_what_was_before(store: OutcomeStore) -> None:
    store.move_alias("champion", "v1", expected=None, actor="ann", reason="first", now_ms=NOW_MS)
    store.move_alias("champion", "v2", expected="v1", actor="bob", reason="better", now_ms=NOW_MS + 1)
    with pytest.raises(Conflict):
        store.move_alias("champion", "v3", expected="v1", actor="eve", reason="too late", now_ms=NOW_MS + 2)
    store.set_routing(revision(1, v1=75, v2=25))
    ended = replace(revision(2), shares=(), slots=b"")
    store.set_routing(ended)
    told = [(one.subject, one.action, one.actor, one.before, one.after) for one in reversed(store.audit_log())]
    assert told == [
        ("alias/champion", "move", "ann", "null", '{"version": "v1"}'),
        ("alias/champion", "move", "bob", '{"version": "v1"}', '{"version": "v2"}'),
        ("routing", "split", "ann", "null", '{"shares": {"v1": 75.0, "v2": 25.0}}'),
        ("routing", "end_split", "ann", '{"shares": {"v1": 75.0, "v2": 25.0}}', "null"),
    ]


def test_sightings_come_in_the_order_of_recording_and_of_one_artifact(store: OutcomeStore) -> None:
    facts = [
        outcome(served_digest=digest, confidence=number / 10, measures="[1.5]", role=role)
        for number, (digest, role) in enumerate(
            [("a" * 64, "primary"), ("b" * 64, "primary"), ("a" * 64, "shadow"), ("a" * 64, "primary")]
        )
    ]
    store.record_outcomes([*facts, outcome(served_digest="a" * 64)])
    assert store.count_sightings("a" * 64) == 3
    assert [one.confidence for one in store.newest_sightings("a" * 64, 2)] == [0.2, 0.3]
    assert store.newest_sightings("a" * 64, 9)[0] == Sighting("late_blight", 0.0, "[1.5]", facts[0].created_ms)
    assert store.newest_sightings("a" * 64, 0) == []
    assert store.count_sightings("c" * 64) == 0
