"""Whole journeys through the real system: API, broker, worker, controller, database."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.images import BLUE, GREEN, RED, jpeg
from tests.system.running import RunningSystem

pytestmark = pytest.mark.slow


def test_an_image_is_answered_in_one_call(client: httpx.Client) -> None:
    response = client.post("/predict", files={"file": jpeg(GREEN)})
    assert response.status_code == 200
    assert response.json() == {"disease": "green", "confidence": pytest.approx(100, abs=1)}


def test_a_client_that_waits_gets_the_result_at_once(client: httpx.Client) -> None:
    response = client.post("/v1/predictions", files={"file": jpeg(RED)}, headers={"Prefer": "wait=10"})
    assert response.status_code == 200
    assert response.headers["preference-applied"] == "wait=10"
    body = response.json()
    assert body["status"] == "succeeded"
    assert body["result"]["label"] == "red"
    assert client.get(response.headers["location"]).json() == body


def test_a_client_that_does_not_wait_polls(client: httpx.Client) -> None:
    accepted = client.post("/v1/predictions", content=jpeg(BLUE), headers={"Content-Type": "image/jpeg"})
    assert accepted.status_code == 202
    body = client.get(accepted.headers["location"], params={"wait": 10}).json()
    assert body["result"]["label"] == "blue"


def test_events_end_with_the_answer(client: httpx.Client) -> None:
    accepted = client.post("/v1/predictions", files={"file": jpeg(BLUE)})
    with client.stream("GET", accepted.json()["links"]["events"]) as stream:
        lines = list(stream.iter_lines())
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert names[-1] == "done"
    assert names == [name for name in ("queued", "running", "done") if name in names]
    last = json.loads([line for line in lines if line.startswith("data: ")][-1].removeprefix("data: "))
    assert last["result"]["label"] == "blue"
    with client.stream("GET", accepted.json()["links"]["events"], headers={"Last-Event-ID": "done"}) as again:
        assert list(again.iter_lines()) == []


def test_one_key_sent_fifty_times_at_once_is_one_prediction(system: RunningSystem) -> None:
    headers = {"Idempotency-Key": "fifty-at-once", "Splitleaf-Unit": "one-device", "Prefer": "wait=10"}

    def send(_: int) -> str:
        response = httpx.post(f"{system.url}/v1/predictions", files={"file": jpeg(GREEN)}, headers=headers, timeout=30)
        assert response.status_code in (200, 202), response.text
        identity: str = response.json()["id"]
        return identity

    with ThreadPoolExecutor(25) as threads:
        ids = set(threads.map(send, range(50)))
    assert len(ids) == 1
    other = httpx.post(f"{system.url}/v1/predictions", files={"file": jpeg(RED)}, headers=headers, timeout=30)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    elsewhere = headers | {"Splitleaf-Unit": "another-device"}
    third = httpx.post(f"{system.url}/v1/predictions", files={"file": jpeg(RED)}, headers=elsewhere, timeout=30)
    assert third.json()["id"] not in ids


def test_feedback_is_kept_beside_the_outcome(client: httpx.Client, system: RunningSystem) -> None:
    done = client.post("/v1/predictions", files={"file": jpeg(RED)}, headers={"Prefer": "wait=10"}).json()
    link = done["links"]["feedback"]
    assert client.post(link, json={"correct": True}).status_code == 201
    assert client.post(link, json={"label": "blue"}).json()["correct"] is False
    assert client.post(link, json={"label": "purple"}).json()["code"] == "unknown_label"
    assert client.post(link, json={"label": "blue", "correct": True}).json()["code"] == "invalid_feedback"
    with system.admin() as admin:
        kept = _until_recorded(admin, done["id"])
    assert [one["label"] for one in kept["feedback"]] == ["red", "blue"]
    assert len({one["author"] for one in kept["feedback"]}) == 1


def test_a_split_is_sticky_recorded_and_can_be_ended(client: httpx.Client, system: RunningSystem) -> None:
    units = [f"device-{number}" for number in range(40)]
    with system.admin() as admin:
        split = admin.put("/routing", json={"shares": {"v1": 50, "v2": 50}, "reason": "a look"})
        assert split.status_code == 200, split.text
        revision = split.json()["routing"]["revision"]
        answers = {unit: _answer(client, unit) for unit in units}
        assert {one["result"]["label"] for one in answers.values()} == {"red", "blue"}
        assert {unit: _answer(client, unit)["result"]["label"] for unit in units} == {
            unit: one["result"]["label"] for unit, one in answers.items()
        }
        for one in list(answers.values())[:10]:
            outcome = _until_recorded(admin, one["id"])["outcome"]
            assert outcome["revision"] == revision
            assert outcome["assigned_version"] == {"red": "v1", "blue": "v2"}[one["result"]["label"]]
        assert admin.delete("/routing", params={"reason": "seen enough"}).status_code == 200
        assert {_answer(client, unit)["result"]["label"] for unit in units} == {"red"}


def test_an_alias_moves_and_rolls_back(client: httpx.Client, system: RunningSystem) -> None:
    with system.admin() as admin:
        stale = admin.put("/aliases/champion", json={"version": "v2", "reason": "stale", "expected": "v9"})
        assert (stale.status_code, stale.json()["code"]) == (409, "conflict")
        moved = admin.put("/aliases/champion", json={"version": "v2", "reason": "try it"})
        assert moved.status_code == 200, moved.text
        assert _answer(client, "somebody")["result"]["label"] == "blue"
        undone = admin.post("/aliases/champion/rollback", json={"reason": "undo the first move"})
        assert (undone.status_code, undone.json()["version"]) == (200, "v1"), undone.text
        assert admin.put("/aliases/champion", json={"version": "v2", "reason": "again"}).status_code == 200
        unknown = admin.put("/aliases/champion", json={"version": "v9", "reason": "no such"})
        assert (unknown.status_code, unknown.json()["code"]) == (404, "version_not_found")
        back = admin.put("/aliases/champion", json={"version": "v1", "reason": "back", "expected": "v2"})
        assert back.status_code == 200
        late = admin.put("/aliases/champion", json={"version": "v1", "reason": "late", "expected": "v2"})
        assert late.status_code == 409
        assert admin.post("/aliases/champion/rollback", json={"reason": "again"}).json()["version"] == "v2"
        assert admin.post("/aliases/champion/rollback", json={"reason": "and back"}).json()["version"] == "v1"
        history = admin.get("/aliases/champion/history").json()["history"]
        assert [change["version"] for change in history][:4] == ["v1", "v2", "v1", "v2"]
    assert _answer(client, "somebody")["result"]["label"] == "red"


def test_every_answer_is_recorded_once(client: httpx.Client, system: RunningSystem) -> None:
    ids = [client.post("/v1/predictions", files={"file": jpeg()}).json()["id"] for _ in range(30)]
    with system.admin() as admin:
        for one in ids:
            _until_recorded(admin, one)
        pages: list[str] = []
        after, following = -1, 0
        while after != following:
            after = following
            page = admin.get("/outcomes", params={"after": after, "limit": 20}).json()
            pages += [outcome["prediction_id"] for outcome in page["outcomes"]]
            following = page["next"]
    assert set(ids) <= set(pages)
    assert len(pages) == len(set(pages))


@pytest.mark.parametrize("key", ["", "wrong"])
def test_the_admin_api_stands_behind_a_key(client: httpx.Client, system: RunningSystem, key: str) -> None:
    document = client.get("/openapi.json").json()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    calls = {(path, method) for path, methods in document["paths"].items() for method in methods if "/admin/" in path}
    # Where a key is shown in the body, or a cookie that is of no use any more is taken back.
    calls -= {("/admin/api/session", "post"), ("/admin/api/session", "delete")}
    assert len(calls) > 10
    for path, method in calls:
        address = path.replace("{", "").replace("}", "")
        response = client.request(method.upper(), address, headers=headers)
        assert (response.status_code, response.json()["code"]) == (401, "unauthorized"), path


def _answer(client: httpx.Client, unit: str) -> dict[str, Any]:
    headers = {"Prefer": "wait=10", "Splitleaf-Unit": unit}
    body: dict[str, Any] = client.post("/v1/predictions", files={"file": jpeg(RED)}, headers=headers).json()
    assert body["status"] == "succeeded", body
    return body


def _until_recorded(admin: httpx.Client, prediction_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        response = admin.get(f"/outcomes/{prediction_id}")
        if response.status_code == 200:
            body: dict[str, Any] = response.json()
            return body
        time.sleep(0.05)
    raise AssertionError(f"{prediction_id} was not recorded")
