"""TOML, JSON or a table -> a plan that makes sense, or an error that names each entry that does not."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from splitleaf.core.errors import Unprocessable
from splitleaf.experiments.metrics import METRICS
from splitleaf.experiments.plan import Guardrail, Plan, Primary

Fault = tuple[str, str]
"""Where, and what is wrong there."""
_TOO_DEEP: Final[Fault] = ("plan", "is nested too deeply")


def parse_plan(text: str) -> Plan:
    """Read a plan from TOML or, where the text begins with a brace, JSON.

    Raises `Unprocessable` (`invalid_plan`), whose `context["faults"]` names each entry.
    """
    try:
        table = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid([("plan", f"cannot be read: {error}")]) from error
    return read_plan(table)


def read_plan(table: Mapping[str, Any]) -> Plan:
    """Read a plan from a table. Raises as `parse_plan` does."""
    try:
        # By way of JSON, where a list may become a tuple, but a text never a number.
        plan = Plan.model_validate_json(json.dumps(table, default=str))
    except RecursionError as error:
        # `a.a.a. ...` of TOML nests without that its reader minds.
        raise _invalid([_TOO_DEEP]) from error
    except ValidationError as error:
        if any(one["type"] == "json_invalid" for one in error.errors()):
            # JSON of our own cannot be wrong in another way; Python 3.13 writes deeper than pydantic reads.
            raise _invalid([_TOO_DEEP]) from error
        faults = [(_place(one["loc"]), one["msg"].removeprefix("Value error, ")) for one in error.errors()]
        raise _invalid(faults) from error
    if faults := [*_of_variants(plan), *_of_shadows(plan), *_of_metrics(plan), *_of_ramp(plan)]:
        raise _invalid(faults)
    return plan


def write_plan(plan: Plan) -> str:
    """Return the plan as JSON that `parse_plan` reads back."""
    return plan.model_dump_json(exclude_none=True)


def _of_variants(plan: Plan) -> Iterator[Fault]:
    if plan.default not in plan.variants:
        yield "default", f"{plan.default!r} is none of the variants"
    if plan.enrolled > 100:
        yield "variants", f"the shares sum to {plan.enrolled:g} %, which is more than all units"
    elif 0 < 100 - plan.enrolled < 0.01:
        yield "variants", f"the shares sum to {plan.enrolled:g} %; make it 100"
    versions = [one.version for one in plan.variants.values()]
    if plan.mode == "shadow" and len(versions) != 1:
        yield "variants", "in a shadow experiment one variant answers; the others are shadows"
    if plan.mode != "shadow" and len(versions) < 2:
        yield "variants", f"mode {plan.mode!r} needs at least two variants"
    if plan.mode == "aa" and len(set(versions)) > 1:
        yield "variants", "in an A/A experiment all variants are of the same version"
    if plan.mode == "ab" and len(set(versions)) < len(versions):
        yield "variants", "two variants are of the same version; mode 'aa' is for that"


def _of_shadows(plan: Plan) -> Iterator[Fault]:
    versions = [one.version for one in plan.shadows]
    if plan.mode == "shadow" and not versions:
        yield "shadows", "a shadow experiment needs at least one"
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield f"shadows[{index}].version", f"{version!r} is a shadow already"
        if plan.mode == "shadow" and version in {one.version for one in plan.variants.values()}:
            yield f"shadows[{index}].version", f"{version!r} answers already; it cannot be compared with itself"


def _of_metrics(plan: Plan) -> Iterator[Fault]:
    decides = plan.primary.spec
    if plan.primary.direction != decides.direction:
        yield "primary.direction", f"better means {decides.direction} for {decides.name}"
    named: list[tuple[str, Primary | Guardrail]] = [("primary", plan.primary)]
    named += [(f"guardrails[{index}]", one) for index, one in enumerate(plan.guardrails)]
    for place, one in named:
        if one.threshold_ms is not None and not one.spec.needs_threshold:
            having = ", ".join(each.name for each in METRICS.values() if each.needs_threshold)
            yield f"{place}.threshold_ms", f"belongs to {having}"
    if decides.needs_threshold and plan.primary.threshold_ms is None:
        yield "primary.threshold_ms", f"{decides.name} needs it"
    metrics = [one.metric for one in plan.guardrails]
    for index, metric in enumerate(metrics):
        if metric in metrics[:index]:
            yield f"guardrails[{index}].metric", f"{metric!r} is guarded already"


def _of_ramp(plan: Plan) -> Iterator[Fault]:
    if plan.ramp and plan.mode == "shadow":
        yield "ramp", "a shadow experiment shows no candidate to anyone, so it has no ramp"
        return
    before = 0.0
    for index, stage in enumerate(plan.ramp):
        if stage.share <= before:
            yield f"ramp[{index}].share", "each stage gives the candidates more than the one before"
        if stage.share > plan.enrolled:
            yield f"ramp[{index}].share", f"more than the {plan.enrolled:g} % that the variants have together"
        elif 0 < round(plan.enrolled - stage.share, 6) < 0.01:
            yield f"ramp[{index}].share", "leaves the default less than 0.01 %"
        before = stage.share
    if plan.ramp and plan.default in plan.variants and len(plan.variants) > 1:
        smallest = min(plan.shares_at(0)[name] for name in plan.candidates)
        if smallest < 0.01:
            yield "ramp[0].share", "gives a candidate less than 0.01 %"


def _place(loc: Sequence[int | str]) -> str:
    """Return `ramp[1].share` for ("ramp", 1, "share")."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc if part != "[key]"]
    return "".join(parts).removeprefix(".") or "plan"


def _invalid(faults: Sequence[Fault]) -> Unprocessable:
    detail = "; ".join(f"{place}: {text}" for place, text in faults)
    return Unprocessable(detail, code="invalid_plan", faults=list(faults))
