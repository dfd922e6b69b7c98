"""From draft to verdict: which step may follow which, and what stays as it was. Pure."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from splitleaf.core.errors import Conflict
from splitleaf.experiments.plan import Plan


class State(StrEnum):
    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    """No one is assigned; the experiment keeps its units for when it continues."""
    STOPPED = "stopped"
    """Over; to be decided on."""
    PROMOTED = "promoted"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"

    @property
    def is_open(self) -> bool:
        """Whether the experiment holds units of its layer."""
        return self in (State.RUNNING, State.PAUSED)


class Step(StrEnum):
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    PROMOTE = "promote"
    REJECT = "reject"
    ROLL_BACK = "roll_back"


TRANSITIONS: Final = MappingProxyType(
    {
        (State.DRAFT, Step.START): State.RUNNING,
        (State.DRAFT, Step.REJECT): State.REJECTED,
        (State.RUNNING, Step.PAUSE): State.PAUSED,
        (State.RUNNING, Step.STOP): State.STOPPED,
        (State.RUNNING, Step.ROLL_BACK): State.ROLLED_BACK,
        (State.PAUSED, Step.RESUME): State.RUNNING,
        (State.PAUSED, Step.STOP): State.STOPPED,
        (State.PAUSED, Step.ROLL_BACK): State.ROLLED_BACK,
        (State.STOPPED, Step.PROMOTE): State.PROMOTED,
        (State.STOPPED, Step.REJECT): State.REJECTED,
        # A promotion that turns out badly is undone in one step.
        (State.PROMOTED, Step.ROLL_BACK): State.ROLLED_BACK,
    }
)
"""Every step that there is."""

FROZEN: Final = (
    "key",
    "mode",
    "unit",
    "salt",
    "layer",
    "traffic",
    "variants",
    "default",
    "shadows",
    "primary",
    "alpha",
)
"""What a plan keeps from the start on: changed after a look at the results, it would invalidate them."""


def state_after(state: State, step: Step) -> State:
    """Return where the step leads. Raises `Conflict` (`transition_refused`)."""
    following = TRANSITIONS.get((state, step))
    if following is None:
        possible = [str(one) for (here, one) in TRANSITIONS if here is state]
        advice = f"possible: {', '.join(possible)}" if possible else "it is over"
        raise Conflict(f"{step} does not follow on {state}; {advice}", code="transition_refused")
    return following


def require_changeable(state: State, old: Plan, new: Plan) -> None:
    """Raise `Conflict` (`experiment_frozen`) when the new plan changes what stays as it is in this state."""
    if old.key != new.key:
        raise Conflict(f"the key of {old.key!r} cannot be changed", code="experiment_frozen")
    if state is State.DRAFT:
        return
    if not state.is_open:
        raise Conflict(f"{old.key} is {state}: its plan stays as it was", code="experiment_frozen")
    if changed := [name for name in FROZEN if getattr(old, name) != getattr(new, name)]:
        names = ", ".join(changed)
        raise Conflict(
            f"{names} cannot be changed once the experiment runs; start another one", code="experiment_frozen"
        )
