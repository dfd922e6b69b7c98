"""What can be simulated: two versions, what is wrong with the second one, and the plan that finds it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from splitleaf.simulation.networks import Fault
from splitleaf.simulation.versions import CANDIDATE, CONTROL

KEY: Final = "simulated"
_RAMP: Final = (
    {"share": 1, "min_n": 4_000},
    {"share": 5, "min_n": 2_000},
    {"share": 25, "min_n": 2_000},
    {"share": 50},
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story with a known end."""

    name: str
    about: str
    fault: Fault
    images: int
    """Enough for its end, as a rule well before the last one."""
    plan: Mapping[str, Any]
    darkness: float = 0.0
    """How much light the images lose from the first to the last: 0 to 1."""
    has_expert: bool = False
    """Whether someone labels what the review queue gives out."""
    promotes: bool = False
    """Whether a winner is promoted in the end."""


def _live(guardrail: Mapping[str, Any], ramp: tuple[Mapping[str, Any], ...] = _RAMP) -> dict[str, Any]:
    return {
        "mode": "ab",
        "variants": {
            "control": {"version": CONTROL, "share": 50},
            "candidate": {"version": CANDIDATE, "share": 50},
        },
        "primary": {"metric": "accuracy", "direction": "increase"},
        "planned_n": 5_000,
        "guardrails": [guardrail],
        "ramp": list(ramp),
    }


def paired_plan(control: str, candidate: str) -> dict[str, Any]:
    """Return a plan by which one version answers and the other scores the same images unseen."""
    return {
        "mode": "shadow",
        "variants": {"control": {"version": control, "share": 100}},
        "shadows": [{"version": candidate}],
        "primary": {"metric": "accuracy", "direction": "increase"},
        "planned_n": 1_000,
    }


_QUICK: Final = ({"share": 5, "min_n": 300}, {"share": 25, "min_n": 300}, {"share": 50})
_EACH_OTHER: Final = {"shadows": [{"version": CONTROL}, {"version": CANDIDATE}]}
"""What one version answers, the other one scores unseen: a label then counts for both."""
_SCENARIOS: Final = (
    Scenario(
        "better",
        "v2 sees through bad light, v1 does not; both score the same images, and an expert labels where they differ",
        Fault.NONE,
        1_200,
        paired_plan(CONTROL, CANDIDATE),
        darkness=0.3,
        has_expert=True,
    ),
    Scenario(
        "ramp",
        "v2 is better; it is shown to 5, 25 and 50 % of the visitors, stage by stage, and promoted",
        Fault.NONE,
        1_200,
        {**_live({"metric": "error_rate"}, _QUICK), **_EACH_OTHER, "planned_n": 1_000},
        has_expert=True,
        promotes=True,
    ),
    Scenario(
        "errors",
        "v2 fails on four of five images",
        Fault.ERRORS,
        8_000,
        _live({"metric": "error_rate"}),
    ),
    Scenario(
        "slow",
        "v2 takes about half a second for each batch",
        Fault.SLOW,
        6_000,
        _live({"metric": "slow_rate", "threshold_ms": 300}),
    ),
    Scenario(
        "wrong",
        "v2 has its labels mixed up, and visitors report it",
        Fault.WRONG,
        10_000,
        _live({"metric": "feedback_accuracy"}),
    ),
)
SCENARIOS: Final = MappingProxyType({one.name: one for one in _SCENARIOS})
