"""Two actors change the same experiments at the same moment: each step is made whole, in an order that is permitted."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from splitleaf.core.clock import SystemClock
from splitleaf.core.errors import Conflict, NotFound
from splitleaf.experiments.lifecycle import TRANSITIONS, State, Step
from splitleaf.flows import change_routing, run_experiment
from splitleaf.flows.run_experiment import ChangeRequest
from splitleaf.flows.weigh_promotion import Evidence
from splitleaf.outcomes.events import AliasChange, RoutingRevision
from splitleaf.outcomes.experiments import ExperimentRecord
from splitleaf.outcomes.sql import SqlOutcomeStore
from splitleaf.outcomes.store import OutcomeStore
from tests.experiments.plans import plan

ACTORS = ("ann", "bob")
READY = ("v1", "v2")
CLOCK = SystemClock()
FOR_IT = Evidence("better", "v2 is better than v1.", is_for=True)
Result = ExperimentRecord | RoutingRevision | AliasChange
Change = Callable[[OutcomeStore, str, ChangeRequest], Result]

CHANGES: dict[str, Change] = {
    "create": lambda store, key, request: run_experiment.create_experiment(
        store, plan(key=key, traffic=60), request, CLOCK
    ),
    "start": lambda store, key, request: run_experiment.start_experiment(store, key, READY, request, CLOCK),
    "pause": lambda store, key, request: run_experiment.pause_experiment(store, key, request, CLOCK),
    "resume": lambda store, key, request: run_experiment.resume_experiment(store, key, READY, request, CLOCK),
    "ramp": lambda store, key, request: run_experiment.ramp_to_shares(
        store, key, {"control": 20, "candidate": 40}, request, CLOCK
    ),
    "stop": lambda store, key, request: run_experiment.stop_experiment(store, key, request, CLOCK),
    "reject": lambda store, key, request: run_experiment.reject_experiment(store, key, request, CLOCK),
    "promote": lambda store, key, request: run_experiment.promote_variant(
        store, key, "candidate", READY, "v1", FOR_IT, request, CLOCK
    ),
    "roll_back": lambda store, key, request: run_experiment.roll_back_experiment(store, key, request, CLOCK),
    "split": lambda store, _key, request: change_routing.set_split(
        store, {"v1": 50, "v2": 50}, READY, request.actor, request.reason, CLOCK
    ),
    "end_split": lambda store, _key, request: change_routing.clear_split(store, request.actor, request.reason, CLOCK),
    "move": lambda store, _key, request: change_routing.move_alias(
        store, "champion", "v1", READY, store.aliases().get("champion"), request.actor, request.reason, CLOCK
    ),
}
MOVES = st.tuples(st.sampled_from(sorted(CHANGES)), st.sampled_from(("a", "b")))


class TwoActors(RuleBasedStateMachine):
    """Each actor has its own connection, and each rule lets both make a change at the same moment."""

    url: ClassVar[str]
    numbers: ClassVar[Iterator[int]]

    def __init__(self) -> None:
        super().__init__()
        self.number = next(self.numbers)
        self.stores = [SqlOutcomeStore(self.url) for _ in ACTORS]
        self.pool = ThreadPoolExecutor(len(ACTORS))
        self.made: list[tuple[str, str, str]] = []
        for name in ("a", "b"):
            self.change(self.stores[0], ("create", name), "ann")
            self.made.append(("ann", "create", self.key(name)))
        # Each takes 60 % of the units, so only one of them can.
        self.change_both(("start", "a"), ("start", "b"))

    def key(self, name: str) -> str:
        return f"{name}-{self.number}"

    def change(self, store: OutcomeStore, move: tuple[str, str], actor: str) -> bool:
        """Return whether the change was made. Anything but a conflict, or a key that is not there, is a fault."""
        name, key = move
        try:
            CHANGES[name](store, self.key(key), ChangeRequest(actor, "by chance"))
        except (Conflict, NotFound):
            return False
        return True

    @rule(ann=MOVES, bob=MOVES)
    def change_at_once(self, ann: tuple[str, str], bob: tuple[str, str]) -> None:
        self.change_both(ann, bob)

    def change_both(self, ann: tuple[str, str], bob: tuple[str, str]) -> None:
        start = Barrier(len(ACTORS))

        def run(place: int, move: tuple[str, str]) -> bool:
            start.wait()
            return self.change(self.stores[place], move, ACTORS[place])

        moves = (ann, bob)
        done = list(self.pool.map(run, range(len(ACTORS)), moves))
        self.made += [
            (actor, name, self.key(key))
            for actor, (name, key), is_made in zip(ACTORS, moves, done, strict=True)
            if is_made
        ]
        self.check()

    def check(self) -> None:
        store = self.stores[0]
        for key in (self.key("a"), self.key("b")):
            story = sorted(store.audit_log(f"experiment/{key}"), key=lambda entry: entry.number)
            told = sorted((entry.actor, entry.action) for entry in story)
            mine = [
                (actor, name)
                for actor, name, of in self.made
                if of == key and name not in ("split", "end_split", "move")
            ]
            assert told == sorted(mine), "each change that succeeded is in the audit log once, and no other"
            self.check_order([(entry.action, json.loads(entry.before), json.loads(entry.after)) for entry in story])
            record = store.experiment(key)
            assert (record.sequence if record else 0) == len(story)
        records = store.experiments()
        slots = [
            slot for one in records if State(one.state).is_open for low, high in one.held for slot in range(low, high)
        ]
        assert len(slots) == len(set(slots)), "no unit is in two experiments of a layer"
        routing = store.routing()
        assert not (routing and routing.shares and store.running_experiments()), (
            "a split and an experiment exclude each other"
        )
        moves = list(store.alias_history("champion"))[::-1]
        assert all(later.previous == earlier.version for earlier, later in itertools.pairwise(moves))

    def check_order(self, steps: list[tuple[str, dict[str, str] | None, dict[str, str]]]) -> None:
        state = None
        for action, before, after in steps:
            assert (before or {}).get("state") == state, "each step starts where the one before it ended"
            if action not in ("create", "ramp"):
                assert TRANSITIONS[State(str(state)), Step(action)] == after["state"]
            state = after["state"]

    def teardown(self) -> None:
        for name, key in itertools.product(("end_split", "roll_back", "reject"), ("a", "b")):
            self.change(self.stores[0], (name, key), "ann")
        self.pool.shutdown()
        for store in self.stores:
            store.close()


def _run(url: str, examples: int, steps: int) -> None:
    machine = type("Machine", (TwoActors,), {"url": url, "numbers": itertools.count()})
    terms = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=terms)


def test_two_actors_at_once_make_each_change_whole_and_in_a_permitted_order(url: str) -> None:
    _run(url, examples=6, steps=15)


@pytest.mark.slow
def test_two_actors_at_once_keep_their_order_in_many_long_histories(url: str) -> None:
    _run(url, examples=40, steps=30)
