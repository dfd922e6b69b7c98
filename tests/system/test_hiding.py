"""The public never sees which version answered: not in a key, a header, a cookie, or a decimal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.experiments.plans import table
from tests.support.images import RED, jpeg
from tests.support.insightful import import_insightful
from tests.support.repositories import add_version
from tests.system.answers import (
    TELLING,
    WHY,
    compare_answers,
    form,
    make_failing_pair,
    outcomes_of,
    start_experiment,
    visible,
)
from tests.system.running import RunningSystem, start_system

pytestmark = pytest.mark.slow


def test_responses_of_both_versions_have_the_sameform(system: RunningSystem) -> None:
    forms: dict[str, set[tuple[object, ...]]] = {"red": set(), "blue": set()}
    with system.admin() as admin, httpx.Client(base_url=system.url, timeout=30) as client:
        admin.put("/routing", json={"shares": {"v1": 50, "v2": 50}, "reason": "hiding"}).raise_for_status()
        try:
            for number in range(60):
                headers = {"Prefer": "wait=10", "Splitleaf-Unit": f"unit-{number}"}
                response = client.post("/v1/predictions", files={"file": jpeg(RED)}, headers=headers)
                forms[response.json()["result"]["label"]].add(form(response))
                assert not TELLING.search(visible(response)), visible(response)
        finally:
            admin.delete("/routing", params={"reason": "done"}).raise_for_status()
    assert forms["red"] == forms["blue"]
    assert len(forms["red"]) == 1


@pytest.mark.parametrize("share", [50, 1])
def test_responses_of_both_variants_of_an_experiment_have_the_sameform(system: RunningSystem, share: float) -> None:
    """Also while another version scores the same images unseen, and for browsers, which get a cookie."""
    key = f"hidden-one-{share}"
    variants = {"control": {"version": "v1", "share": 100 - share}, "candidate": {"version": "v2", "share": share}}
    plan = table(key=key, variants=variants, shadows=[{"version": "v1"}, {"version": "v2"}])
    forms: dict[str, set[tuple[object, ...]]] = {"red": set(), "blue": set()}
    with system.admin() as admin:
        admin.post("/experiments", json={"plan": plan, "reason": "hiding"}).raise_for_status()
        admin.post(f"/experiments/{key}/start", json={"reason": "hiding"}).raise_for_status()
        try:
            for number in range(60 if share == 50 else 5):
                for unit in ({"Splitleaf-Unit": f"unit-{number}"}, {}):
                    response = httpx.post(
                        f"{system.url}/v1/predictions",
                        files={"file": jpeg(RED)},
                        headers={"Prefer": "wait=10", **unit},
                        timeout=30,
                    )
                    forms[response.json()["result"]["label"]].add((bool(unit), *form(response)))
                    assert not TELLING.search(visible(response)), visible(response)
                    assert not TELLING.search(re.sub(r"=[^;]+", "=", response.headers.get("set-cookie", "")))
        finally:
            admin.post(f"/experiments/{key}/rollback", json={"reason": "done"}).raise_for_status()
    assert len(forms["red"]) == 2
    if share == 50:
        assert forms["red"] == forms["blue"]


@pytest.mark.parametrize("path", ["/health", "/readyz", "/livez", "/v1/labels", "/v1/predictions/unknown", "/nowhere"])
def test_no_public_answer_names_a_version(client: httpx.Client, path: str) -> None:
    assert not TELLING.search(visible(client.get(path)))


def test_errors_and_answers_from_memory_look_the_same_for_both_variants(tmp_path: Path) -> None:
    make_failing_pair(tmp_path / "models")
    system = start_system(tmp_path / "models", tmp_path / "data")
    try:
        found = compare_answers(system, 60)
    finally:
        system.stop()
    assert found.count >= 50
    assert (found.differing, found.telling) == (0, 0)
    assert {word for word in ("failed", "succeeded") if word in found.kinds} == {"failed", "succeeded"}


def test_a_heat_map_that_only_one_variant_has_is_shown_for_neither_of_them(tmp_path: Path) -> None:
    models = tmp_path / "models"
    add_version(models, "v2")
    import_insightful(tmp_path, reference=None)
    (models / "repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v1"\n', encoding="utf-8")
    system = start_system(models, tmp_path / "data")
    try:
        with system.admin() as admin, httpx.Client(base_url=system.url, timeout=30) as client:
            assert explained(client, predict(client, "before"))["heat"] is not None
            with running_experiment(admin, "heat"):
                predictions = [predict(client, f"unit-{number}") for number in range(24)]
                answers = {form(client.get(f"/v1/predictions/{one}/explanation")) for one in predictions}
            assert len(answers) == 1
            assert explained(client, predict(client, "after"))["heat"] is not None
            assert {explained(client, one)["heat"] for one in predictions} == {None}, "the end tells nothing either"
            outcomes = outcomes_of(admin, set(predictions))
    finally:
        system.stop()
    kept = {(outcomes[one]["served_version"], bool(outcomes[one]["heat"])) for one in predictions}
    assert kept == {("v1", True), ("v2", False)}


def predict(client: httpx.Client, unit: str) -> str:
    headers = {"Prefer": "wait=20", "Splitleaf-Unit": unit}
    answer = client.post("/v1/predictions", files={"file": jpeg(RED)}, headers=headers).raise_for_status()
    assert answer.json()["status"] == "succeeded"
    return str(answer.json()["id"])


def explained(client: httpx.Client, prediction_id: str) -> dict[str, Any]:
    body: dict[str, Any] = client.get(f"/v1/predictions/{prediction_id}/explanation").raise_for_status().json()
    return body


@contextmanager
def running_experiment(admin: httpx.Client, key: str) -> Iterator[None]:
    start_experiment(admin, key)
    yield
    admin.post(f"/experiments/{key}/rollback", json=WHY).raise_for_status()
