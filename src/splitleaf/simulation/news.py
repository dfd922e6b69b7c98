"""What is told while an experiment runs: a line that says what has changed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import httpx
from pydantic import TypeAdapter

from splitleaf.analysis.verdicts import tell_evidence
from splitleaf.experiments.watch import ExperimentWatch, GuardrailWatch

_WATCH: Final[TypeAdapter[ExperimentWatch]] = TypeAdapter(ExperimentWatch)
_OPEN: Final = frozenset({"running", "paused"})
_OVER: Final = "rolled back: everyone is answered by the champion again"


def state_of(admin: httpx.Client, key: str) -> str:
    return str(admin.get(f"/experiments/{key}").raise_for_status().json()["experiment"]["state"])


def tell_state(admin: httpx.Client, key: str, state: str, labelled: int | None) -> str:
    """Return how an experiment stands; `labelled`: an expert labels, and the report has something to say."""
    if state not in _OPEN:
        return _OVER if state == "rolled_back" else state
    # What labels say is the story where there are any; else the guardrails are.
    parts = list(_control(admin, key, with_guardrails=labelled is None))
    if labelled is not None:
        parts += [f"{labelled:,} labelled", _difference(admin, key)]
    return "; ".join(parts)


def _control(admin: httpx.Client, key: str, *, with_guardrails: bool) -> Iterator[str]:
    said: dict[str, Any] = admin.get(f"/experiments/{key}/control").raise_for_status().json()
    if said["watch"] is None:
        yield str(said["summary"])
        return
    watch = _WATCH.validate_python(said["watch"])
    if watch.stage.stages:
        yield watch.summary
    if with_guardrails:
        yield from (_guardrail(one) for one in watch.guardrails)


def _guardrail(one: GuardrailWatch) -> str:
    bad = f"candidate {one.candidate_bad:,} of {one.candidate_units:,}, control {one.control_bad:,} of"
    evidence = f"evidence {tell_evidence(one.log_peak / math.log(10))} of {math.exp(one.log_limit):,.0f}"
    return f"{one.metric}: {bad} {one.control_units:,}, {evidence}"


def _difference(admin: httpx.Client, key: str) -> str:
    report: dict[str, Any] = admin.get(f"/experiments/{key}/report").raise_for_status().json()
    row = next((one["arms"][-1] for one in report["metrics"] if one["is_primary"]), None)
    if row is None or row["log10_e"] is None:
        return "nothing to compare yet"
    evidence = f"evidence {tell_evidence(row['log10_e'])} of {1 / report['experiment']['alpha']:g}"
    if row["difference"] is None:
        return f"too few to say by how much v2 is ahead; {evidence}"
    value, low, high = (100 * row["difference"][name] for name in ("value", "low", "high"))
    return f"v2 {value:+.1f} points ({low:+.1f} to {high:+.1f}); {evidence}"
