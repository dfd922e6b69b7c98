"""Numbers of every size in every request of the admin API: an answer or a refusal, and never a crash."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from splitleaf.core.clock import SystemClock
from splitleaf.core.errors import Unprocessable
from splitleaf.flows.size_experiment import Question, size_experiment
from tests.api.served import WRITE_KEY, Served
from tests.experiments.plans import table
from tests.support.stores import EmptyStore

Place = tuple[str | int, ...]
WHY = {"reason": "numbers"}
QUESTION = {
    "baseline": 0.9,
    "mde": 0.02,
    "discordance": 0.06,
    "share": 0.5,
    "alpha": 0.05,
    "power": 0.8,
    "mistaken": 0.1,
    "images_per_day": 100.0,
}
LIMITS = [5e-324, -5e-324, 1e-300, 1.7976931348623157e308, 0.9999999999999999, 2**63, 2**64, 10**400, -1, 0, 0.5]
NUMBERS = st.one_of(st.floats(), st.integers(), st.sampled_from(LIMITS))
PLAN = {
    **table(guardrails=[{"metric": "slow_rate", "threshold_ms": 250.0, "alpha": 0.01}], alpha=0.05, mde=0.02),
    "ramp": [{"share": 1.0, "min_n": 10, "min_minutes": 1.5}, {"share": 50.0}],
}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/power"): QUESTION,
    ("PUT", "/routing"): {"shares": {"v1": 50.0, "v2": 50.0}, **WHY},
    ("POST", "/experiments"): {"plan": PLAN, **WHY},
    ("POST", "/experiments/leaf/ramp"): {"shares": {"control": 50.0, "candidate": 50.0}, "expected": 2, **WHY},
    ("POST", "/review/next"): {"experiment": "", "count": 3},
}
"""Every request that holds a number; a test sees that none is missing."""


def numbers_in(node: Any, place: Place = ()) -> Iterator[Place]:
    if isinstance(node, dict):
        for name, one in node.items():
            yield from numbers_in(one, (*place, name))
    elif isinstance(node, list):
        for number, one in enumerate(node):
            yield from numbers_in(one, (*place, number))
    elif isinstance(node, (int, float)) and not isinstance(node, bool):
        yield place


def changed(body: dict[str, Any], place: Place, value: float) -> dict[str, Any]:
    made = copy.deepcopy(body)
    inner: Any = made
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    return made


PLACES = [(*request, place) for request, body in BODIES.items() for place in numbers_in(body)]


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[tuple[asyncio.Runner, Served]]:
    with asyncio.Runner() as made:
        served = made.run(Served(tmp_path).start())
        made.run(put_in_force(served))
        yield made, served


async def put_in_force(served: Served) -> None:
    """Have an experiment that can be ramped."""
    async with served.client(WRITE_KEY) as client:
        (await client.post("/admin/api/experiments", json=BODIES["POST", "/experiments"])).raise_for_status()
        (await client.post("/admin/api/experiments/leaf/start", json={"expected": 1, **WHY})).raise_for_status()


@pytest.mark.filterwarnings("error::RuntimeWarning")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PLACES), NUMBERS)
@example(("POST", "/power", ("alpha",)), 5e-324)
@example(("POST", "/power", ("mde",)), 1e-300)
@example(("POST", "/power", ("images_per_day",)), 5e-324)
@example(("POST", "/power", ("power",)), 0.9999999999999999)
@example(("POST", "/power", ("power",)), 0.05)
@example(("POST", "/power", ("baseline",)), float("nan"))
def test_a_number_of_any_size_is_answered_or_refused(
    runner: tuple[asyncio.Runner, Served], where: tuple[str, str, Place], value: float
) -> None:
    loop, served = runner
    method, path, place = where
    body = json.dumps(changed(BODIES[method, path], place, value))

    async def send() -> tuple[int, str]:
        async with served.client(WRITE_KEY) as client:
            headers = {"Content-Type": "application/json"}
            response = await client.request(method, f"/admin/api{path}", content=body, headers=headers)
            return response.status_code, response.text

    status, text = loop.run(send())
    assert status < 500, (body, text)
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON: {body} -> {text}"))


@settings(max_examples=400, deadline=None)
@given(
    st.fixed_dictionaries(
        dict.fromkeys(
            QUESTION, st.one_of(st.floats(0, 1), st.sampled_from([float(one) for one in LIMITS if one != 10**400]))
        )
    )
)
def test_a_question_of_any_size_has_a_size_that_can_be_counted(values: dict[str, float]) -> None:
    try:
        sizing = size_experiment(EmptyStore(), Question(**values), SystemClock())
    except Unprocessable:
        return
    for one in (sizing.live, sizing.shadow):
        assert 0 <= one.labels <= one.images <= 10**15 or one is sizing.live


async def test_no_request_with_a_number_is_missing_above(tmp_path: Path) -> None:
    served = await Served(tmp_path).start()
    document = (await served.client().get("/openapi.json")).json()
    with_numbers = set()
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            body = call.get("requestBody", {}).get("content", {}).get("application/json")
            if path.startswith("/admin/") and body and holds_number(document, body["schema"]):
                with_numbers.add((method.upper(), path.removeprefix("/admin/api")))
    known = {(method, path.replace("/leaf/", "/{key}/")) for method, path in BODIES}
    assert {one for one in with_numbers - known if not one[1].startswith("/experiments/{key}")} == set()


def holds_number(document: dict[str, Any], schema: Any) -> bool:
    if isinstance(schema, list):
        return any(holds_number(document, one) for one in schema)
    if not isinstance(schema, dict):
        return False
    if "$ref" in schema:
        return holds_number(document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    inner = {name: one for name, one in schema.items() if name not in ("examples", "example", "default")}
    return schema.get("type") in ("number", "integer") or any(holds_number(document, one) for one in inner.values())
