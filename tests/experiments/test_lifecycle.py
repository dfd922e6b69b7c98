"""The state machine: every step from every state, and what may be changed when."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitleaf.core.errors import Conflict
from splitleaf.experiments.lifecycle import FROZEN, State, Step, require_changeable, state_after
from splitleaf.experiments.plan import Plan
from tests.experiments.plans import RAMP, plan

ALLOWED = {
    ("draft", "start"): "running",
    ("draft", "reject"): "rejected",
    ("running", "pause"): "paused",
    ("running", "stop"): "stopped",
    ("running", "roll_back"): "rolled_back",
    ("paused", "resume"): "running",
    ("paused", "stop"): "stopped",
    ("paused", "roll_back"): "rolled_back",
    ("stopped", "promote"): "promoted",
    ("stopped", "reject"): "rejected",
    ("promoted", "roll_back"): "rolled_back",
}


@pytest.mark.parametrize(("state", "step"), [*itertools.product(State, Step)])
def test_a_step_leads_where_the_design_says_or_is_refused_with_what_is_possible(state: State, step: Step) -> None:
    following = ALLOWED.get((state.value, step.value))
    if following is not None:
        assert state_after(state, step) == following
        return
    with pytest.raises(Conflict) as refused:
        state_after(state, step)
    assert refused.value.error_code == "transition_refused"
    possible = [to for here, to in ALLOWED if here == state.value]
    assert all(one in refused.value.detail for one in possible)


@given(st.lists(st.sampled_from(list(Step))))
def test_no_way_leads_back_into_a_draft_and_none_out_of_the_end(steps: list[Step]) -> None:
    state = State.DRAFT
    for step in steps:
        before = state
        try:
            state = state_after(state, step)
        except Conflict:
            continue
        assert state is not State.DRAFT
        assert before not in (State.REJECTED, State.ROLLED_BACK)
        assert not (state is State.PROMOTED and before is not State.STOPPED)


CHANGES: dict[str, Any] = {
    "mode": "aa",
    "unit": "device",
    "salt": "other",
    "layer": "other",
    "traffic": 50,
    "default": "candidate",
    "alpha": 0.01,
    "primary": {"metric": "error_rate", "direction": "decrease"},
    "shadows": [{"version": "v3"}],
    "hypothesis": "another",
    "guardrails": [{"metric": "error_rate"}],
    "mde": 0.1,
    "planned_n": 7,
    "ramp": RAMP,
    "holdback": 5,
}


def changed(name: str) -> Plan:
    if name == "mode":
        return plan(mode="aa", variants={n: {"version": "v1", "share": 50} for n in ("control", "candidate")})
    if name == "variants":
        return plan(variants={n: {"version": v, "share": 50} for n, v in (("control", "v1"), ("candidate", "v9"))})
    return plan(**{name: CHANGES[name]})


@pytest.mark.parametrize("name", sorted({*Plan.model_fields} - {"key"}))
def test_what_results_could_tempt_to_change_is_frozen_from_the_start_on(name: str) -> None:
    new = changed(name)
    require_changeable(State.DRAFT, plan(), new)
    for state in (State.RUNNING, State.PAUSED):
        if name not in FROZEN:
            require_changeable(state, plan(), new)
            continue
        with pytest.raises(Conflict, match=name) as refused:
            require_changeable(state, plan(), new)
        assert refused.value.error_code == "experiment_frozen"


@pytest.mark.parametrize("state", [State.STOPPED, State.PROMOTED, State.REJECTED, State.ROLLED_BACK])
def test_a_plan_that_is_over_stays_as_it_was(state: State) -> None:
    with pytest.raises(Conflict):
        require_changeable(state, plan(), plan(hypothesis="wiser now"))


def test_a_key_is_for_ever() -> None:
    with pytest.raises(Conflict):
        require_changeable(State.DRAFT, plan(), plan(key="other"))


def test_the_design_freezes_salt_unit_primary_metric_alpha_and_variants() -> None:
    assert {"salt", "unit", "primary", "alpha", "variants"} <= set(FROZEN)


def test_only_what_runs_or_will_go_on_holds_units() -> None:
    assert {state for state in State if state.is_open} == {State.RUNNING, State.PAUSED}
