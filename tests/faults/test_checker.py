"""The checker can fail: each promise, broken in a made-up history, is found; and an honest history passes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.checker import Evidence, check
from tests.faults.history import Call, History, Mark, Request, Verb
from tests.faults.images import COLOURS, label_of
from tests.faults.schedule import KINDS, draw_schedule

ID = "abcdefghijklmnopqrstuvwxyz"
OTHER = "bbcdefghijklmnopqrstuvwxyz"
RESULT = {"label": label_of(0, "v1"), "confidence": 45.0}


def call(
    verb: Verb,
    at_s: float,
    state: str = "succeeded",
    *,
    prediction_id: str = ID,
    request: int = 0,
    status: int = 200,
    result: dict[str, Any] | None = None,
) -> Call:
    body = {"id": prediction_id, "status": state, "result": (result or RESULT) if state == "succeeded" else None}
    known = prediction_id if status == 200 or verb is not Verb.SUBMIT else ""
    return Call(verb, at_s, at_s + 0.1, 0, request, status, body if status == 200 else {"code": state}, known)


def row(prediction_id: str = ID, **changes: Any) -> dict[str, Any]:
    facts = {
        "prediction_id": prediction_id,
        "status": "succeeded",
        "role": "primary",
        "label": label_of(0, "v1"),
        "confidence": 0.45,
        "served_version": "v1",
        "error_code": None,
        "deliveries": 1,
        "experiment": "",
        "variant": "",
        "revision": 0,
        "unit_hash": "u",
        "primary_id": "",
        "override": False,
    }
    return {**facts, **changes}


def honest() -> Evidence:
    """One prediction with a key: accepted, seen running, answered, seen again, recorded."""
    history = History({0: Request(0, 0, "unit", "key"), 1: Request(1, 1, "unit", "key")})
    history.calls = [call(Verb.SUBMIT, 1, "queued"), call(Verb.READ, 2, "running"), call(Verb.READ, 3)]
    history.calls.append(call(Verb.READ, 4))
    return Evidence(history, [row()], {"pending entries": 0})


def test_an_honest_history_passes() -> None:
    assert check(honest()) == []


def never_answered(evidence: Evidence) -> None:
    evidence.history.calls = evidence.history.calls[:2]


def another_answer(evidence: Evidence) -> None:
    evidence.history.calls.append(call(Verb.READ, 5, result={"label": "blue", "confidence": 45.0}))


def running_again(evidence: Evidence) -> None:
    evidence.history.calls.append(call(Verb.READ, 5, "running"))


def unknown_for_a_moment(evidence: Evidence) -> None:
    evidence.history.calls.append(call(Verb.READ, 2.5, "prediction_not_found", status=404))


def recorded_otherwise(evidence: Evidence) -> None:
    evidence.rows = [row(status="expired", label=None)]


def never_recorded(evidence: Evidence) -> None:
    evidence.rows = []


def recorded_twice(evidence: Evidence) -> None:
    evidence.rows = [row(), row()]


def a_document_set_aside(evidence: Evidence) -> None:
    evidence.set_aside = 1


def another_id(evidence: Evidence) -> None:
    calls = [call(Verb.SUBMIT, 2, prediction_id=OTHER), call(Verb.READ, 3, prediction_id=OTHER)]
    evidence.history.calls += calls
    evidence.rows = [row(), row(OTHER)]


def another_image_with_the_key(evidence: Evidence) -> None:
    evidence.history.calls.append(call(Verb.SUBMIT, 5, request=1))


def another_images_answer(evidence: Evidence) -> None:
    evidence.rows = [row(served_version="v2")]


def an_innocent_that_failed(evidence: Evidence) -> None:
    evidence.history.calls = [call(Verb.SUBMIT, 1, "queued"), call(Verb.READ, 3, "failed")]
    evidence.rows = [row(status="failed", label=None, error_code="inference_failed", deliveries=3)]


def canceled_by_nobody(evidence: Evidence) -> None:
    evidence.history.calls = [call(Verb.SUBMIT, 1, "queued"), call(Verb.READ, 3, "canceled")]
    evidence.rows = [row(status="canceled", label=None)]


def more_exposures_than_answers(evidence: Evidence) -> None:
    evidence.rows = [row(), row(OTHER)]


def a_unit_in_two_variants(evidence: Evidence) -> None:
    evidence.history.calls.append(call(Verb.SUBMIT, 2, prediction_id=OTHER))
    evidence.history.requests[0] = Request(0, 0, "unit", "")
    evidence.rows = [
        row(experiment="leaf", revision=1, variant="control"),
        row(OTHER, experiment="leaf", revision=1, variant="candidate"),
    ]


def a_shadow_of_nothing(evidence: Evidence) -> None:
    evidence.rows = [row(), row(f"0{OTHER[1:]}", role="shadow", primary_id=OTHER)]


def an_internal_error(evidence: Evidence) -> None:
    evidence.history.calls.append(call(Verb.READ, 5, "internal_error", status=500))


def something_pending(evidence: Evidence) -> None:
    evidence.leftovers = {"pending entries": 2}


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (never_answered, "lost"),
        (another_answer, "changed"),
        (running_again, "changed"),
        (unknown_for_a_moment, "vanished"),
        (recorded_otherwise, "differing"),
        (never_recorded, "unrecorded"),
        (recorded_twice, "recorded twice"),
        (a_document_set_aside, "set aside"),
        (another_id, "two ids"),
        (another_image_with_the_key, "key reused"),
        (another_images_answer, "wrong answer"),
        (an_innocent_that_failed, "innocent failed"),
        (canceled_by_nobody, "canceled by nobody"),
        (more_exposures_than_answers, "recorded for nobody"),
        (a_unit_in_two_variants, "two variants"),
        (a_shadow_of_nothing, "shadow of nothing"),
        (an_internal_error, "strange refusal"),
        (something_pending, "left over"),
    ],
)
def test_a_broken_promise_is_found(spoil: Callable[[Evidence], None], rule: str) -> None:
    evidence = honest()
    spoil(evidence)
    assert [one.rule for one in check(evidence)] == [rule]


def test_the_story_of_a_prediction_tells_its_calls_and_what_was_broken_meanwhile() -> None:
    history = honest().history
    history.marks = [Mark("broker SIGKILL", "process 7", 1.5, 1.9), Mark("api SIGKILL", "process 8", 60, 61)]
    story = history.story_of(ID).splitlines()
    assert [line.split("  ")[-1] for line in story[1:]] == [
        "submit of 0 at replica 0: ok, queued",
        "FAULT broker SIGKILL: process 7",
        "read of 0 at replica 0: ok, running",
        "read of 0 at replica 0: ok, succeeded green 45.0",
        "read of 0 at replica 0: ok, succeeded green 45.0",
    ]


def test_a_seed_draws_the_same_faults_again_and_no_two_of_a_lane_at_once() -> None:
    everything = {one.needs for one in KINDS}
    schedule = draw_schedule(5, 300, everything, every_s=0.3)
    assert schedule == draw_schedule(5, 300, everything, every_s=0.3)
    assert {one.kind.name for one in schedule} == {one.name for one in KINDS}
    for lane in {one.lane for one in KINDS}:
        own = [one for one in schedule if one.kind.lane == lane]
        assert all(earlier.at_s + earlier.seconds <= later.at_s for earlier, later in itertools.pairwise(own))


def test_every_image_tells_every_version_apart() -> None:
    assert len(set(COLOURS)) == 16
    for image in range(len(COLOURS)):
        assert len({label_of(image, version) for version in ("v1", "v2", "v3")}) == 3
