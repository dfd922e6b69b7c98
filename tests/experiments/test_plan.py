"""A plan: read from TOML and JSON, refused with the entry that is wrong."""

from __future__ import annotations

import contextlib
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitleaf.core.errors import Unprocessable
from splitleaf.experiments.plan import Guardrail, Plan, Shadow, Stage, Variant
from splitleaf.experiments.reading import parse_plan, read_plan, write_plan
from tests.experiments.plans import RAMP, WRITTEN, plan, shadow_plan, table

V1, V2 = {"version": "v1", "share": 50}, {"version": "v2", "share": 50}


def faults(**changes: Any) -> dict[str, str]:
    with pytest.raises(Unprocessable) as refused:
        read_plan(table(**changes))
    assert refused.value.error_code == "invalid_plan"
    found = refused.value.context["faults"]
    assert isinstance(found, list)
    assert all(place in refused.value.detail for place, _ in found)
    return dict(found)


def test_a_plan_is_read_from_toml() -> None:
    read = parse_plan(WRITTEN)
    assert read.variants == {
        "control": Variant(version="v1", share=50),
        "candidate": Variant(version="v2", share=50),
    }
    assert (read.default, read.layer, read.traffic, read.salt) == ("control", "main", 100, None)
    assert read.shadows == (Shadow(version="v3", sampling=25),)
    assert read.guardrails[1] == Guardrail(metric="slow_rate", threshold_ms=250, alpha=0.001)
    assert read.ramp == (Stage(share=1, min_minutes=60, min_n=500), Stage(share=50))
    assert read.versions == {"v1", "v2", "v3"}
    assert (read.enrolled, read.candidates) == (100, ("candidate",))


def test_the_same_plan_in_json_is_the_same() -> None:
    assert parse_plan(json.dumps(tomllib.loads(WRITTEN))) == parse_plan(WRITTEN)
    assert parse_plan(write_plan(parse_plan(WRITTEN))) == parse_plan(WRITTEN)


@pytest.mark.parametrize("text", ["", "key = ", "{", "{}", "[]", "\0", '{"a":' * 100_000])
def test_what_is_no_plan_at_all_is_refused(text: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        parse_plan(text)
    assert refused.value.error_code == "invalid_plan"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"key": None}, "key"),
        ({"key": "a b"}, "key"),
        ({"key": "k" * 65}, "key"),
        ({"hypothesis": ""}, "hypothesis"),
        ({"mode": "bandit"}, "mode"),
        ({"colour": "red"}, "colour"),
        ({"unit": "image"}, "unit"),
        ({"salt": "with space"}, "salt"),
        ({"traffic": 0}, "traffic"),
        ({"traffic": 100.5}, "traffic"),
        ({"variants": {}}, "variants"),
        ({"variants": {"control": {**V1, "share": "50"}, "b": V2}}, "variants.control.share"),
        ({"variants": {"control": {**V1, "share": True}, "b": V2}}, "variants.control.share"),
        ({"variants": {"control": {**V1, "share": float("nan")}, "b": V2}}, "variants.control.share"),
        ({"variants": {"control": V1, "b": {"share": 50}}}, "variants.b.version"),
        ({"variants": {"control": V1, "b": {**V2, "version": "../v2"}}}, "variants.b.version"),
        ({"variants": {"control": V1, "b": {**V2, "share": 51}}}, "variants"),
        ({"variants": {"control": V1, "b": {**V2, "share": 49.999}}}, "variants"),
        ({"variants": {"control": V1, "b": {**V2, "version": "v1"}}}, "variants"),
        ({"variants": {"control": V1}}, "variants"),
        ({"mode": "aa"}, "variants"),
        ({"mode": "shadow", "shadows": [{"version": "v3"}]}, "variants"),
        ({"mode": "shadow", "variants": {"control": V1}}, "shadows"),
        ({"default": "candidat"}, "default"),
        ({"shadows": [{"version": "v3"}, {"version": "v3"}]}, "shadows[1].version"),
        ({"mode": "shadow", "variants": {"control": V1}, "shadows": [{"version": "v1"}]}, "shadows[0].version"),
        ({"shadows": [{"version": "v3", "sampling": 0}]}, "shadows[0].sampling"),
        ({"primary": {"metric": "luck", "direction": "increase"}}, "primary.metric"),
        ({"primary": {"metric": "accuracy", "direction": "decrease"}}, "primary.direction"),
        ({"primary": {"metric": "slow_rate", "direction": "decrease"}}, "primary.threshold_ms"),
        ({"primary": {"metric": "accuracy", "direction": "increase", "margin": -0.1}}, "primary.margin"),
        ({"guardrails": [{"metric": "error_rate", "threshold_ms": 5}]}, "guardrails[0].threshold_ms"),
        ({"guardrails": [{"metric": "error_rate"}, {"metric": "error_rate"}]}, "guardrails[1].metric"),
        ({"alpha": 0}, "alpha"),
        ({"alpha": 0.6}, "alpha"),
        ({"mde": 2}, "mde"),
        ({"planned_n": 0}, "planned_n"),
        ({"planned_n": 10.5}, "planned_n"),
        ({"ramp": [{"share": 5}, {"share": 5}]}, "ramp[1].share"),
        ({"ramp": [{"share": 5, "min_n": -1}]}, "ramp[0].min_n"),
        ({"ramp": [{"share": 99.995}]}, "ramp[0].share"),
        ({"ramp": [{"share": 60}], "variants": {"control": {**V1, "share": 5}, "b": V2}}, "ramp[0].share"),
        (
            {
                "ramp": [{"share": 0.015}],
                "variants": {"control": V1, "b": {**V2, "share": 25}, "c": {"version": "v3", "share": 25}},
            },
            "ramp[0].share",
        ),
        (
            {"mode": "shadow", "variants": {"control": V1}, "shadows": [{"version": "v2"}], "ramp": [{"share": 5}]},
            "ramp",
        ),
    ],
    ids=str,
)
def test_an_entry_that_makes_no_sense_is_named(changes: dict[str, Any], place: str) -> None:
    assert place in faults(**changes)


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert set(faults(key="-", alpha=3, mode="x")) == {"key", "alpha", "mode"}
    assert set(faults(default="c", variants={"control": V1, "b": {**V2, "share": 60}})) == {"default", "variants"}


def test_a_ramp_gives_candidates_their_stage_and_the_default_the_rest() -> None:
    ramped = plan(ramp=RAMP)
    assert [ramped.shares_at(stage) for stage in range(5)] == [
        {"control": 99, "candidate": 1},
        {"control": 95, "candidate": 5},
        {"control": 75, "candidate": 25},
        {"control": 50, "candidate": 50},
        {"control": 1, "candidate": 99},
    ]
    assert plan(ramp=RAMP, holdback=5).shares_at(4) == {"control": 5, "candidate": 95}
    assert plan(ramp=RAMP, holdback=0).shares_at(4) == {"candidate": 100}
    assert plan().shares_at(0) == {"control": 50, "candidate": 50}


def test_several_candidates_divide_a_stage_as_planned() -> None:
    variants = {"control": {**V1, "share": 20}, "b": {**V2, "share": 20}, "c": {"version": "v3", "share": 10}}
    ramped = plan(variants=variants, ramp=[{"share": 3}, {"share": 30}])
    assert ramped.enrolled == 50
    assert ramped.shares_at(0) == {"control": 47, "b": 2, "c": 1}
    assert ramped.shares_at(1) == {"control": 20, "b": 20, "c": 10}


def test_an_experiment_of_each_mode_is_a_plan() -> None:
    assert shadow_plan().candidates == ()
    assert plan(mode="aa", variants={"control": V1, "twin": V1}).versions == {"v1"}


@settings(max_examples=25, deadline=None)
@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner))
)
def test_no_table_breaks_the_reader(value: Any) -> None:
    for name in ("key", "variants", "primary", "shadows", "ramp", "traffic"):
        with contextlib.suppress(Unprocessable):
            read_plan({**table(), name: value})


def test_the_plan_of_the_reference_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/experiments.md").read_text(encoding="utf-8")
    shown = page.split("```toml\n")[1].split("```")[0]
    assert parse_plan(shown).ramp[0] == Stage(share=1, min_minutes=60, min_n=500)
    missing = [name for name in Plan.model_fields if f"`{name}`" not in page]
    assert not missing


def test_a_plan_that_is_nested_without_end_is_refused() -> None:
    with pytest.raises(Unprocessable, match="nested too deeply"):
        parse_plan(f"a{'.a' * 5_000} = 1")
