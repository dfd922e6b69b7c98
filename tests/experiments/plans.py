"""Plans for tests."""

from __future__ import annotations

from typing import Any

from splitleaf.experiments.plan import Plan
from splitleaf.experiments.reading import read_plan

WRITTEN = """
key = "v2-against-v1"
hypothesis = "v2 is right more often, also on images from the field"
mode = "ab"
unit = "visitor"
alpha = 0.05
mde = 0.02
planned_n = 5000

[variants]
control = {version = "v1", share = 50}
candidate = {version = "v2", share = 50}

[[shadows]]
version = "v3"
sampling = 25

[primary]
metric = "accuracy"
direction = "increase"
margin = 0.01

[[guardrails]]
metric = "error_rate"

[[guardrails]]
metric = "slow_rate"
threshold_ms = 250
alpha = 0.001

[[ramp]]
share = 1
min_minutes = 60
min_n = 500

[[ramp]]
share = 50
"""


def table(**changes: Any) -> dict[str, Any]:
    """Return the table of a small A/B plan with other entries."""
    small: dict[str, Any] = {
        "key": "leaf",
        "hypothesis": "v2 is better",
        "mode": "ab",
        "variants": {"control": {"version": "v1", "share": 50}, "candidate": {"version": "v2", "share": 50}},
        "primary": {"metric": "accuracy", "direction": "increase"},
        "planned_n": 1000,
    }
    return {name: value for name, value in {**small, **changes}.items() if value is not None}


def plan(**changes: Any) -> Plan:
    return read_plan(table(**changes))


def shadow_plan(**changes: Any) -> Plan:
    values: dict[str, Any] = {
        "mode": "shadow",
        "variants": {"control": {"version": "v1", "share": 100}},
        "shadows": [{"version": "v2", "sampling": 100}],
    }
    return plan(**{**values, **changes})


RAMP = [{"share": share} for share in (1, 5, 25, 50, 100)]
