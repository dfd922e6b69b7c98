"""The leading controller: what it takes back, when it ramps, what it waits for; and that it can be anybody."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from splitleaf.core.errors import DependencyDown
from splitleaf.experiments.routing import LiveExperiment
from splitleaf.experiments.watch import ExperimentWatch, GuardrailState, RampStep, read_watch, write_watch
from splitleaf.flows.guard_experiments import LEASE_S, ExperimentGuardian
from splitleaf.flows.load_routing import load_routing
from splitleaf.flows.run_experiment import (
    ChangeRequest,
    create_experiment,
    edit_experiment,
    pause_experiment,
    ramp_to_shares,
    ramp_to_stage,
    resume_experiment,
    start_experiment,
    stop_experiment,
)
from splitleaf.outcomes.events import FeedbackSource, Outcome
from splitleaf.outcomes.store import OutcomeStore
from tests.experiments.plans import plan, shadow_plan
from tests.outcomes.facts import NOW_MS, failed_outcome, feedback, outcome
from tests.support.clocks import HandClock
from tests.support.memory_queue import MemoryBroker, MemoryLeaderElection
from tests.support.stores import EmptyStore

ANN = ChangeRequest("ann", "to find out")
READY = {"v1", "v2"}
RAMP = [
    {"share": 1, "min_minutes": 10, "min_n": 200},
    {"share": 10, "min_minutes": 10, "min_n": 100},
    {"share": 50},
]


class Scene:
    """A store with an experiment, visitors who are assigned as they would be, and controllers."""

    def __init__(self, store: OutcomeStore) -> None:
        self.store = store
        self.clock = HandClock()
        self.broker = MemoryBroker(clock=self.clock)
        self.election = MemoryLeaderElection(self.broker)
        self._visitors = 0

    def start(self, **changes: Any) -> None:
        # With a salt of its own each run would deal out other units.
        made = plan(**{"salt": "5a17", **changes})
        create_experiment(self.store, made, ANN, self.clock)
        start_experiment(self.store, made.key, READY, ANN, self.clock)

    async def controller(self, name: str = "first") -> ExperimentGuardian:
        made = ExperimentGuardian(self.store, self.election, self.clock, name)
        await made.renew()
        return made

    def visit(self, count: int, make: Callable[[LiveExperiment, str], Outcome]) -> None:
        """Let new visitors come, each with one image."""
        (live,) = load_routing(self.store, "v1").experiments
        seen = range(self._visitors, self._visitors + count)
        self._visitors += count
        arrivals = [(number, f"{number:032x}", live.variant_of(f"{number:032x}")) for number in seen]
        self.store.record_outcomes([self._at(number, make(live, name), unit) for number, unit, name in arrivals])

    @property
    def now_ms(self) -> int:
        """After the last visit."""
        return NOW_MS + self._visitors + 1

    def _at(self, number: int, made: Outcome, unit: str) -> Outcome:
        return replace(made, unit_hash=unit, created_ms=made.created_ms + number, finished_ms=made.finished_ms + number)

    @property
    def state(self) -> tuple[str, int]:
        record = self.store.experiment("leaf")
        assert record is not None
        return record.state, record.stage

    def story(self) -> list[tuple[str, str]]:
        return [(one.actor, one.action) for one in reversed(self.store.audit_log("experiment/leaf"))]


def good(live: LiveExperiment, variant: str) -> Outcome:
    return outcome(experiment=live.key, revision=live.revision, variant=variant)


def failing(candidate_rate: float, seed: int = 1) -> Callable[[LiveExperiment, str], Outcome]:
    """Return visitors of whom some of the candidate's get no answer."""
    rng = random.Random(seed)

    def make(live: LiveExperiment, variant: str) -> Outcome:
        is_failed = variant == "candidate" and rng.random() < candidate_rate
        of = failed_outcome if is_failed else outcome
        return of(experiment=live.key, revision=live.revision, variant=variant)

    return make


def only(watches: Any) -> ExperimentWatch:
    (one,) = watches
    assert isinstance(one, ExperimentWatch)
    return one


@pytest.fixture
def scene() -> Iterator[Scene]:
    store = EmptyStore()
    yield Scene(store)
    store.close()


async def test_a_candidate_that_fails_is_rolled_back_and_the_audit_log_says_why_in_numbers(scene: Scene) -> None:
    scene.start(ramp=RAMP, guardrails=[{"metric": "error_rate"}])
    controller = await scene.controller()
    visits = failing(0.8)
    for _ in range(60):
        scene.visit(100, visits)
        controller.look(scene.now_ms)
        if scene.state[0] != "running":
            break
    assert scene.state[0] == "rolled_back"
    assert scene.story()[-1] == ("controller", "roll_back")
    entry = scene.store.audit_log("experiment/leaf")[0]
    assert "error_rate: candidate" in entry.reason
    assert "units without an answer, control 0 of" in entry.reason
    (found,) = json.loads(entry.after)["findings"]["guardrails"]
    assert found["log_peak"] >= found["log_limit"]
    assert 0 < found["candidate_bad"] <= found["candidate_units"] <= 45
    assert controller.look(scene.now_ms) == []


async def test_a_candidate_that_is_as_good_is_left_alone(scene: Scene) -> None:
    guardrails = [{"metric": name} for name in ("error_rate", "slow_rate", "fallback_rate", "feedback_accuracy")]
    scene.start(guardrails=guardrails)
    controller = await scene.controller()
    scene.visit(3_000, good)
    watch = only(controller.look(scene.now_ms))
    assert scene.state[0] == "running"
    assert [one.metric for one in watch.guardrails] == [one["metric"] for one in guardrails]
    assert {one.state for one in watch.guardrails} == {GuardrailState.WATCHING}
    assert sum(watch.split.units.values()) == 3_000
    assert not watch.split.is_off


@pytest.mark.parametrize(
    ("metric", "harm"),
    [
        ("error_rate", {"fallback": "not_ready", "served_version": "v1"}),
        ("fallback_rate", {"fallback": "not_ready", "served_version": "v1"}),
        ("slow_rate", {"fallback": "not_ready", "served_version": "v1"}),
        ("error_rate", {"status": "expired"}),
        ("slow_rate", {"status": "failed"}),
        ("slow_rate", {"finished_ms": NOW_MS + 900}),
    ],
)
async def test_whatever_befalls_a_candidates_unit_counts_against_the_candidate(
    scene: Scene, metric: str, harm: dict[str, Any]
) -> None:
    """Intention to treat: also what another version answered in the candidate's place."""
    scene.start(guardrails=[{"metric": metric}])
    controller = await scene.controller()

    def make(live: LiveExperiment, variant: str) -> Outcome:
        return replace(good(live, variant), **(harm if variant == "candidate" else {}))

    scene.visit(450, make)
    controller.look(scene.now_ms)
    assert scene.state[0] == "rolled_back"


@pytest.mark.parametrize(("metric", "counted"), [("error_rate", 0), ("slow_rate", 1)])
async def test_what_a_client_takes_back_is_no_failure_unless_it_had_waited_too_long(
    scene: Scene, metric: str, counted: int
) -> None:
    rail = {"metric": metric, **({"threshold_ms": 500} if metric == "slow_rate" else {})}
    scene.start(guardrails=[rail])
    controller = await scene.controller()

    def canceled_after(waited_ms: int) -> Callable[[LiveExperiment, str], Outcome]:
        return lambda live, variant: replace(good(live, variant), status="canceled", finished_ms=NOW_MS + waited_ms)

    for waited_ms in (100, 900):
        scene.visit(1, canceled_after(waited_ms))
    (guardrail,) = only(controller.look(scene.now_ms)).guardrails
    assert guardrail.control_units + guardrail.candidate_units == counted


async def test_the_threshold_of_latency_is_what_95_percent_of_controls_first_answers_kept(scene: Scene) -> None:
    scene.start(guardrails=[{"metric": "slow_rate"}])
    controller = await scene.controller()
    rng = random.Random(3)

    def make(live: LiveExperiment, variant: str) -> Outcome:
        latency = rng.randrange(100, 200) + (1_000 if variant == "candidate" else 0)
        made = good(live, variant)
        return replace(made, intake_ms=0.0, finished_ms=made.created_ms + latency)

    scene.visit(300, make)
    (learning,) = only(controller.look(scene.now_ms)).guardrails
    assert learning.state is GuardrailState.LEARNING
    assert (learning.threshold_ms, learning.candidate_units) == (None, 0)
    scene.visit(300, make)
    (judged,) = only(controller.look(scene.now_ms)).guardrails
    assert judged.threshold_ms is not None
    assert 180 <= judged.threshold_ms < 200
    assert judged.state is GuardrailState.FIRED
    assert "slower than" in scene.store.audit_log("experiment/leaf")[0].reason


async def test_a_guardrail_without_a_threshold_takes_the_primarys(scene: Scene) -> None:
    primary = {"metric": "slow_rate", "direction": "decrease", "threshold_ms": 300.0}
    scene.start(primary=primary, guardrails=[{"metric": "slow_rate"}])
    controller = await scene.controller()
    scene.visit(20, good)
    (guardrail,) = only(controller.look(scene.now_ms)).guardrails
    assert (guardrail.state, guardrail.threshold_ms) == (GuardrailState.WATCHING, 300.0)
    assert guardrail.control_units + guardrail.candidate_units == 20


async def test_what_users_call_wrong_fires_the_guardrail_of_feedback(scene: Scene) -> None:
    scene.start(guardrails=[{"metric": "feedback_accuracy"}])
    controller = await scene.controller()
    scene.visit(400, good)
    controller.look(scene.now_ms)
    assert scene.state[0] == "running"
    for one in scene.store.exposures_after("leaf", 0, 400):
        said = feedback(
            one.prediction_id, correct=one.variant == "control", author=one.unit_hash, created_ms=scene.clock.now_ms()
        )
        scene.store.record_feedback(said)
    controller.look(scene.now_ms)
    assert scene.state[0] == "rolled_back"
    assert "units reported as wrong" in scene.store.audit_log("experiment/leaf")[0].reason


async def test_an_opinion_that_overtakes_its_outcome_is_read_with_it(scene: Scene) -> None:
    scene.start(guardrails=[{"metric": "feedback_accuracy"}])
    controller = await scene.controller()
    scene.visit(2, good)
    first, late = scene.store.exposures_after("leaf", 0, 2)
    early = replace(late, prediction_id="a" * 26, unit_hash="early")
    scene.store.record_feedback(feedback(early.prediction_id, created_ms=scene.clock.now_ms()))
    scene.store.record_feedback(feedback(first.prediction_id, created_ms=scene.clock.now_ms()))

    def rated() -> int:
        (one,) = only(controller.look(scene.now_ms)).guardrails
        return one.control_units + one.candidate_units

    assert rated() == 0
    scene.store.record_outcomes([early])
    assert rated() == 2
    # One whose outcome never comes holds nobody up for ever; experts are no users.
    scene.store.record_feedback(feedback("b" * 26, created_ms=scene.clock.now_ms()))
    scene.store.record_feedback(feedback(late.prediction_id, source=FeedbackSource.EXPERT))
    scene.store.record_feedback(feedback(late.prediction_id))
    assert rated() == 2
    scene.clock.move(11)
    await controller.renew()
    assert rated() == 3


async def test_a_stage_is_left_when_its_time_and_its_number_are_reached_and_not_before(scene: Scene) -> None:
    scene.start(ramp=RAMP, guardrails=[{"metric": "error_rate"}])
    controller = await scene.controller()
    scene.visit(150, good)
    watch = only(controller.look(scene.now_ms))
    assert watch.step is RampStep.WAIT
    assert watch.waiting_for == ("50 more images", "10 more minutes")
    assert watch.summary == "stage 1 of 3 (1 %): waiting for 50 more images and 10 more minutes"
    scene.visit(50, good)
    assert only(controller.look(scene.now_ms)).waiting_for == ("10 more minutes",)
    scene.clock.move(599)
    await controller.renew()
    assert only(controller.look(scene.now_ms)).waiting_for == ("1 more minute",)
    assert scene.state == ("running", 0)
    scene.clock.move(1)
    assert only(controller.look(scene.now_ms)).step is RampStep.ADVANCE
    assert scene.state == ("running", 1)
    entry = scene.store.audit_log("experiment/leaf")[0]
    assert (entry.actor, entry.action) == ("controller", "ramp")
    assert "200 images (at least 200) in 10.0 minutes (at least 10)" in entry.reason
    assert json.loads(entry.after)["shares"] == {"candidate": 10.0, "control": 90.0}
    watch = only(controller.look(scene.now_ms))
    assert (watch.stage.images, watch.waiting_for) == (0, ("100 more images", "10 more minutes"))


async def test_the_last_stage_and_one_without_minimums_stay(scene: Scene) -> None:
    scene.start(ramp=[{"share": 1}, {"share": 50}])
    controller = await scene.controller()
    scene.visit(500, good)
    scene.clock.move(86_400)
    await controller.renew()
    assert only(controller.look(scene.now_ms)).step is RampStep.BY_HAND
    ramp_to_stage(scene.store, "leaf", 1, ANN, scene.clock)
    assert only(controller.look(scene.now_ms)).step is RampStep.COMPLETE
    assert scene.story()[-1] == ("ann", "ramp")


async def test_a_pause_holds_the_stage_and_its_clock(scene: Scene) -> None:
    scene.start(ramp=RAMP)
    controller = await scene.controller()
    scene.visit(200, good)
    scene.clock.move(300)
    pause_experiment(scene.store, "leaf", ANN, scene.clock)
    scene.clock.move(3_600)
    await controller.renew()
    watch = only(controller.look(scene.now_ms))
    assert (watch.step, watch.held_by) == (RampStep.HOLD, ("paused",))
    assert watch.stage.minutes == 5
    resume_experiment(scene.store, "leaf", READY, ANN, scene.clock)
    scene.clock.move(60)
    await controller.renew()
    assert only(controller.look(scene.now_ms)).waiting_for == ("4 more minutes",)


async def test_a_split_that_is_off_holds_the_ramp(scene: Scene) -> None:
    scene.start(ramp=[{"share": 40, "min_n": 100}, {"share": 50}])
    controller = await scene.controller()
    # The candidate's units get lost on the way.
    (live,) = load_routing(scene.store, "v1").experiments
    lost = [replace(good(live, "control"), unit_hash=f"{number:032x}") for number in range(400)]
    scene.store.record_outcomes(lost)
    watch = only(controller.look(scene.now_ms))
    assert watch.split.is_off
    assert watch.step is RampStep.HOLD
    assert watch.held_by[0].startswith("the split is off (control 400 of 240, candidate 0 of 160")
    assert scene.state == ("running", 0)


async def test_shares_that_a_person_set_are_left_to_that_person(scene: Scene) -> None:
    scene.start(ramp=RAMP)
    controller = await scene.controller()
    ramp_to_shares(scene.store, "leaf", {"control": 70, "candidate": 30}, ANN, scene.clock)
    scene.visit(300, good)
    scene.clock.move(3_600)
    await controller.renew()
    watch = only(controller.look(scene.now_ms))
    assert watch.step is RampStep.HOLD
    assert "ramp to a stage by hand" in watch.held_by[0]
    assert scene.story()[-1] == ("ann", "ramp")


async def test_a_guardrail_without_control_rests_and_says_so(scene: Scene) -> None:
    scene.start(
        variants={"control": {"version": "v1", "share": 50}, "candidate": {"version": "v2", "share": 50}},
        ramp=[{"share": 100, "min_n": 10}],
        holdback=0,
        guardrails=[{"metric": "error_rate"}],
    )
    controller = await scene.controller()
    scene.visit(100, failing(0.5))
    watch = only(controller.look(scene.now_ms))
    assert [one.state for one in watch.guardrails] == [GuardrailState.RESTING]
    assert scene.state[0] == "running"


async def test_at_a_stage_of_100_percent_a_holdback_keeps_the_guardrails_awake(scene: Scene) -> None:
    scene.start(
        variants={"control": {"version": "v1", "share": 50}, "candidate": {"version": "v2", "share": 50}},
        ramp=[{"share": 50}, {"share": 100}],
        guardrails=[{"metric": "error_rate"}],
    )
    controller = await scene.controller()
    scene.visit(500, good)
    ramp_to_stage(scene.store, "leaf", 1, ANN, scene.clock)
    scene.visit(500, good)
    watch = only(controller.look(scene.now_ms))
    assert [one.state for one in watch.guardrails] == [GuardrailState.WATCHING]
    visits = failing(0.3)
    for _ in range(16):
        scene.visit(250, visits)
        controller.look(scene.now_ms)
        if scene.state[0] != "running":
            break
    assert scene.state[0] == "rolled_back"


async def test_one_person_with_a_hundred_bad_images_is_one_unit(scene: Scene) -> None:
    scene.start(guardrails=[{"metric": "error_rate"}])
    controller = await scene.controller()
    scene.visit(200, good)
    (live,) = load_routing(scene.store, "v1").experiments
    bad = failed_outcome(experiment="leaf", revision=live.revision, variant="candidate", unit_hash="one person")
    scene.store.record_outcomes([replace(bad, prediction_id=f"{number:026d}") for number in range(100)])
    (guardrail,) = only(controller.look(scene.now_ms)).guardrails
    assert guardrail.candidate_bad == 1
    assert scene.state[0] == "running"


async def test_shadows_and_overrides_are_no_evidence(scene: Scene) -> None:
    scene.start(guardrails=[{"metric": "error_rate"}])
    controller = await scene.controller()
    (live,) = load_routing(scene.store, "v1").experiments
    bad = failed_outcome(experiment="leaf", revision=live.revision, variant="candidate")
    others = [replace(bad, role="shadow"), replace(bad, override=True)]
    scene.store.record_outcomes(
        [
            replace(one, prediction_id=f"{i:013d}{j:013d}", unit_hash=f"{i}-{j}")
            for i, one in enumerate(others)
            for j in range(200)
        ]
    )
    watch = only(controller.look(scene.now_ms))
    assert (watch.stage.images, watch.guardrails[0].candidate_units) == (0, 0)


async def test_who_takes_over_comes_to_the_same_evidence(scene: Scene) -> None:
    scene.start(guardrails=[{"metric": "error_rate"}, {"metric": "slow_rate"}], ramp=[{"share": 10}, {"share": 30}])
    first = await scene.controller("first")
    visits = failing(0.02)
    for count in (1, 7, 100, 250):
        scene.visit(count, visits)
        first.look(scene.now_ms)
    ramp_to_stage(scene.store, "leaf", 1, ANN, scene.clock)
    scene.visit(300, visits)
    seen = only(first.look(scene.now_ms))
    assert not (await scene.controller("second")).leads
    scene.clock.move(LEASE_S)
    second = await scene.controller("second")
    assert second.leads
    assert not first.leads
    anew = only(second.look(scene.now_ms))
    assert anew.split.units == seen.split.units
    for old, new in zip(seen.guardrails, anew.guardrails, strict=True):
        assert replace(new, log_e=old.log_e, log_peak=old.log_peak) == old
        assert new.log_e == pytest.approx(old.log_e, abs=1e-9)
        assert new.log_peak == pytest.approx(old.log_peak, abs=1e-9)
    assert seen.guardrails[0].candidate_units > 0


async def test_who_does_not_lead_changes_nothing(scene: Scene) -> None:
    scene.start(guardrails=[{"metric": "error_rate"}])
    scene.visit(400, failing(1.0))
    await scene.controller("first")
    second = await scene.controller("second")
    assert only(second.look(scene.now_ms)).guardrails[0].state is GuardrailState.FIRED
    assert scene.state[0] == "running"


async def test_a_leader_that_was_frozen_undoes_nothing_that_was_decided_meanwhile(scene: Scene) -> None:
    """It believes that it leads, and has looked before somebody else decided."""
    scene.start(guardrails=[{"metric": "error_rate"}])
    scene.visit(400, failing(1.0))
    frozen = await scene.controller()
    seen = scene.store.experiments()
    stop_experiment(scene.store, "leaf", ANN, scene.clock)
    frozen._store = _Remembering(scene.store, seen)
    assert frozen.look(scene.now_ms) == []
    assert scene.state[0] == "stopped"
    assert ("controller", "roll_back") not in scene.story()


class _Remembering:
    """A store as it was looked at some time ago."""

    def __init__(self, store: OutcomeStore, seen: Any) -> None:
        self._store = store
        self._seen = seen

    def experiments(self) -> Any:
        return self._seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_guardrails_that_are_added_later_begin_with_the_first_outcome(scene: Scene) -> None:
    scene.start()
    controller = await scene.controller()
    scene.visit(400, failing(1.0))
    assert only(controller.look(scene.now_ms)).guardrails == ()
    edit_experiment(scene.store, "leaf", plan(guardrails=[{"metric": "error_rate"}], salt="5a17"), ANN, scene.clock)
    controller.look(scene.now_ms)
    assert scene.state[0] == "rolled_back"


async def test_one_experiment_that_cannot_be_read_leaves_the_others_guarded(scene: Scene) -> None:
    scene.start(guardrails=[{"metric": "error_rate"}], traffic=50)
    other = shadow_plan(key="newer", traffic=10)
    create_experiment(scene.store, other, ANN, scene.clock)
    record = start_experiment(scene.store, "newer", READY, ANN, scene.clock)
    seen = [
        replace(one, plan='{"of": "another release"}') if one.key == record.key else one
        for one in scene.store.experiments()
    ]
    controller = await scene.controller()
    controller._store = _Remembering(scene.store, seen)
    assert [one.experiment for one in controller.look(scene.now_ms)] == ["leaf"]


async def test_what_the_leader_sees_can_be_read_by_others(scene: Scene) -> None:
    scene.start(ramp=RAMP, guardrails=[{"metric": "slow_rate", "threshold_ms": 100}])
    controller = await scene.controller()
    scene.visit(100, good)
    watch = only(controller.look(scene.now_ms))
    await controller.renew()
    said = read_watch(await scene.election.statement())
    assert said is not None
    assert said.leader == "first"
    assert said.of("leaf") == watch
    assert said.of("other") is None
    assert read_watch(write_watch(said)) == said
    assert read_watch('{"of": "another release"}') is None


async def test_a_silent_store_is_told_upwards_and_the_next_look_goes_on(scene: Scene) -> None:
    scene.start(guardrails=[{"metric": "error_rate"}])
    controller = await scene.controller()
    scene.visit(400, failing(1.0))
    controller._store, store = _Silent(), controller._store
    with pytest.raises(DependencyDown):
        controller.look(scene.now_ms)
    controller._store = store
    controller.look(scene.now_ms)
    assert scene.state[0] == "rolled_back"


class _Silent:
    def __getattr__(self, name: str) -> Any:
        raise DependencyDown
