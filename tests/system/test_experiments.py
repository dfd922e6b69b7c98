"""A whole experiment through the real system: created, ramped, shadowed, promoted, taken back; and never shown."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from splitleaf.core.clock import SystemClock
from splitleaf.core.ids import shadow_prediction_id
from splitleaf.flows.run_experiment import ChangeRequest, roll_back_experiment
from splitleaf.outcomes.sql import SqlOutcomeStore
from tests.experiments.plans import RAMP, table
from tests.support.images import RED, jpeg
from tests.system.running import RunningSystem

pytestmark = pytest.mark.slow

WHY = {"reason": "to find out"}
IMAGE = jpeg(RED)


@pytest.fixture
def admin(system: RunningSystem) -> Iterator[httpx.Client]:
    """The admin API; whatever a test leaves open is ended, and the champion is v1 again."""
    with system.admin() as made:
        yield made
        for one in made.get("/experiments").json()["experiments"]:
            if one["state"] in ("running", "paused", "promoted"):
                made.post(f"/experiments/{one['key']}/rollback", json=WHY).raise_for_status()
        if made.get("/aliases").json()["aliases"]["champion"] != "v1":
            made.put("/aliases/champion", json={"version": "v1", **WHY}).raise_for_status()


def ask(admin: httpx.Client, method: str, path: str, **body: Any) -> dict[str, Any]:
    response = admin.request(method, path, json={**WHY, **body} if method != "GET" else None)
    assert response.is_success, response.text
    answer: dict[str, Any] = response.json()
    return answer


def begin(admin: httpx.Client, key: str, **changes: Any) -> None:
    ask(admin, "POST", "/experiments", plan=table(key=key, **changes))
    assert ask(admin, "POST", f"/experiments/{key}/start")["state"] == "running"


def send(client: httpx.Client, count: int, prefix: str = "unit", **headers: str) -> list[dict[str, Any]]:
    answers = []
    for number in range(count):
        unit = {"Prefer": "wait=10", "Splitleaf-Unit": f"{prefix}-{number}", **headers}
        response = client.post("/v1/predictions", files={"file": IMAGE}, headers=unit)
        assert response.status_code == 200, response.text
        answers.append(response.json())
    return answers


def exposures(admin: httpx.Client, key: str, count: int) -> list[dict[str, Any]]:
    """Return the experiment's outcomes when so many are recorded."""
    deadline = time.monotonic() + 20
    found: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        found = ask(admin, "GET", f"/experiments/{key}/exposures?limit=5000")["exposures"]
        if len(found) >= count:
            break
        time.sleep(0.05)
    assert len(found) == count
    return found


def test_an_experiment_runs_from_its_plan_to_a_promotion_that_is_taken_back(
    admin: httpx.Client, client: httpx.Client
) -> None:
    begin(admin, "whole-run", ramp=RAMP)
    for stage in (1, 2, 3):
        ask(admin, "POST", "/experiments/whole-run/ramp", stage=stage)
    answers = send(client, 40)
    # v1 sees red, v2 blue: who answered can be told from outside here, and here alone.
    assert {one["result"]["label"] for one in answers} == {"red", "blue"}
    assert send(client, 40)[0]["result"] == answers[0]["result"]
    found = exposures(admin, "whole-run", 80)
    variants = {"control": "v1", "candidate": "v2"}
    assert {(one["variant"], one["served_version"], one["revision"]) for one in found} == {
        (variant, version, 4) for variant, version in variants.items()
    }
    assert {one["variant"] for one in found if one["label"] == "blue"} == {"candidate"}
    ask(admin, "POST", "/experiments/whole-run/stop")
    assert {one["result"]["label"] for one in send(client, 20)} == {"red"}
    ask(admin, "POST", "/experiments/whole-run/promote", variant="candidate", against_evidence=True)
    assert {one["result"]["label"] for one in send(client, 5)} == {"blue"}
    ask(admin, "POST", "/experiments/whole-run/rollback")
    assert {one["result"]["label"] for one in send(client, 5)} == {"red"}
    moves = ask(admin, "GET", "/aliases/champion/history")["history"][:2]
    assert [(one["previous"], one["version"]) for one in moves] == [("v2", "v1"), (moves[1]["previous"], "v2")]
    assert moves[1]["previous"] in (None, "v1")
    detail = ask(admin, "GET", "/experiments/whole-run")
    assert detail["experiment"]["state"] == "rolled_back"
    assert [one["revision"] for one in detail["revisions"]] == [4, 3, 2, 1]
    assert sum(one["count"] for one in detail["exposures"]) == 80
    steps = [one["action"] for one in reversed(detail["audit"])]
    assert steps == ["create", "start", "ramp", "ramp", "ramp", "stop", "promote", "roll_back"]
    assert all(one["actor"].startswith("key:") and one["reason"] == WHY["reason"] for one in detail["audit"])


def test_a_shadow_scores_the_same_images_and_nobody_outside_can_see_it(
    admin: httpx.Client, client: httpx.Client
) -> None:
    variants = {"control": {"version": "v1", "share": 100}}
    begin(admin, "unseen", mode="shadow", variants=variants, shadows=[{"version": "v2"}])
    answers = send(client, 20)
    assert {one["result"]["label"] for one in answers} == {"red"}
    found = exposures(admin, "unseen", 40)
    assert Counter((one["role"], one["served_version"], one["label"]) for one in found) == {
        ("primary", "v1", "red"): 20,
        ("shadow", "v2", "blue"): 20,
    }
    ids = {one["id"] for one in answers}
    assert {one["primary_id"] for one in found if one["role"] == "shadow"} == ids
    for one in answers[:3]:
        path = f"/v1/predictions/{shadow_prediction_id(one['id'], 'v2')}"
        for response in (client.get(path), client.delete(path), client.get(f"{path}/events")):
            assert (response.status_code, response.json()["code"]) == (404, "prediction_not_found")
        assert client.post(f"{path}/feedback", json={"correct": True}).status_code == 404
    summary = ask(admin, "GET", "/summary")["outcomes"]
    shown = [one for one in ask(admin, "GET", "/outcomes?limit=5000")["outcomes"] if one["role"] == "primary"]
    assert sum(summary.values()) == len(shown)


def test_two_experiments_at_once_never_meet_a_unit(admin: httpx.Client, client: httpx.Client) -> None:
    begin(admin, "one-half", traffic=50)
    begin(admin, "other-half", traffic=50)
    third = admin.post("/experiments", json={**WHY, "plan": table(key="no-room", traffic=1)})
    assert third.status_code == 201
    full = admin.post("/experiments/no-room/start", json=WHY)
    assert (full.status_code, full.json()["code"]) == (409, "layer_full")
    send(client, 30)
    counts = [ask(admin, "GET", f"/experiments/{key}")["exposures"] for key in ("one-half", "other-half")]
    deadline = time.monotonic() + 20
    while sum(one["count"] for each in counts for one in each) < 30 and time.monotonic() < deadline:
        time.sleep(0.05)
        counts = [ask(admin, "GET", f"/experiments/{key}")["exposures"] for key in ("one-half", "other-half")]
    assert sum(one["count"] for each in counts for one in each) == 30
    assert all(counts)


def test_a_tester_with_a_key_names_a_variant_and_nobody_else_does(
    admin: httpx.Client, client: httpx.Client, system: RunningSystem
) -> None:
    begin(admin, "forced")
    header = {"Splitleaf-Variant": "forced/candidate"}
    refused = client.post("/v1/predictions", files={"file": IMAGE}, headers=header)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    key = {"Authorization": f"Bearer {system.admin_key}"}
    answers = send(client, 6, **header, **key)
    assert {one["result"]["label"] for one in answers} == {"blue"}
    found = exposures(admin, "forced", 6)
    assert {(one["override"], one["variant"]) for one in found} == {(True, "candidate")}
    assert ask(admin, "GET", "/experiments/forced")["exposures"] == []
    for wrong, status in (("forced/other", 404), ("other/candidate", 404), ("forced", 400)):
        response = client.post("/v1/predictions", files={"file": IMAGE}, headers={"Splitleaf-Variant": wrong, **key})
        assert response.status_code == status


def test_a_split_and_an_experiment_exclude_each_other(admin: httpx.Client) -> None:
    begin(admin, "exclusive")
    split = {"shares": {"v1": 50, "v2": 50}, **WHY}
    refused = admin.put("/routing", json=split)
    assert (refused.status_code, refused.json()["code"]) == (409, "experiments_running")
    ask(admin, "POST", "/experiments/exclusive/stop")
    admin.put("/routing", json=split).raise_for_status()
    try:
        ask(admin, "POST", "/experiments", plan=table(key="too-late"))
        late = admin.post("/experiments/too-late/start", json=WHY)
        assert (late.status_code, late.json()["code"]) == (409, "split_in_force")
    finally:
        admin.delete("/routing", params=WHY).raise_for_status()


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        ("POST", "/experiments", {"plan": {"key": "x"}, **WHY}, (422, "invalid_plan")),
        ("POST", "/experiments", {"plan": [], **WHY}, (422, "invalid_plan")),
        ("POST", "/experiments", {"plan": table()}, (422, "invalid_request")),
        ("GET", "/experiments/nowhere", None, (404, "experiment_not_found")),
        ("GET", "/experiments/nowhere/exposures", None, (404, "experiment_not_found")),
        ("POST", "/experiments/nowhere/start", WHY, (404, "experiment_not_found")),
        ("POST", "/experiments/nowhere/ramp", WHY, (422, "unprocessable")),
        ("PUT", "/experiments/nowhere", {"plan": table(key="nowhere"), **WHY}, (404, "experiment_not_found")),
    ],
)
def test_what_makes_no_sense_is_a_problem_with_its_code(
    admin: httpx.Client, method: str, path: str, body: dict[str, Any] | None, problem: tuple[int, str]
) -> None:
    response = admin.request(method, path, json=body)
    assert (response.status_code, response.json()["code"]) == problem, response.text


def test_a_version_that_no_worker_has_keeps_an_experiment_from_starting(admin: httpx.Client) -> None:
    variants = {"control": {"version": "v1", "share": 50}, "candidate": {"version": "v9", "share": 50}}
    ask(admin, "POST", "/experiments", plan=table(key="unloaded", variants=variants))
    refused = admin.post("/experiments/unloaded/start", json=WHY)
    assert (refused.status_code, refused.json()["code"]) == (404, "version_not_found")


def test_a_roll_back_by_another_process_is_obeyed_within_two_seconds(
    admin: httpx.Client, client: httpx.Client, system: RunningSystem
) -> None:
    """Acceptance: after the decision, no candidate-served response later than 2 s."""
    variants = {"control": {"version": "v1", "share": 0.01}, "candidate": {"version": "v2", "share": 99.99}}
    begin(admin, "taken-back", variants=variants)
    assert {one["result"]["label"] for one in send(client, 4, "soon")} == {"blue"}
    store = SqlOutcomeStore(f"sqlite:///{system.data / 'outcomes.sqlite3'}")
    roll_back_experiment(store, "taken-back", ChangeRequest("controller", "error_rate"), SystemClock())
    decided, last_candidate = time.monotonic(), 0.0
    store.close()
    while time.monotonic() - decided < 3:
        if send(client, 1, "soon")[0]["result"]["label"] == "blue":
            last_candidate = time.monotonic() - decided
    assert last_candidate <= 2, last_candidate


def test_the_power_calculator_goes_by_todays_traffic(admin: httpx.Client, client: httpx.Client) -> None:
    send(client, 1)
    time.sleep(1)
    answer = admin.post("/power", json={"baseline": 0.9, "mde": 0.02}).json()
    assert answer["images_per_day"] > 0
    assert answer["live"]["images"] > 5 * answer["shadow"]["images"]
    assert answer["shadow"]["days"] > 0
    refused = admin.post("/power", json={"baseline": 0.99, "mde": 0.02})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_question")


def test_the_audit_log_is_read_page_by_page(admin: httpx.Client) -> None:
    begin(admin, "logged")
    first = ask(admin, "GET", "/audit?limit=1&subject=experiment/logged")["entries"]
    second = ask(admin, "GET", f"/audit?limit=5&subject=experiment/logged&before={first[0]['number']}")["entries"]
    assert [one["action"] for one in (*first, *second)] == ["start", "create"]
    assert first[0]["after"] == {"state": "running", "revision": 1}


def test_the_command_line_does_the_same(admin: httpx.Client, system: RunningSystem, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(table(key="by-hand", ramp=RAMP)), encoding="utf-8")

    def run(*words: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "splitleaf", "experiments", *words, "--json"]
        command += ["--models", str(system.models), "--data", str(system.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    assert run("create", str(plan))["state"] == "draft"
    assert run("start", "by-hand", "--why", "let us see")["state"] == "running"
    assert run("ramp", "by-hand")["stage"] == 1
    assert run("pause", "by-hand")["state"] == "paused"
    assert run("resume", "by-hand")["state"] == "running"
    deadline = time.monotonic() + 20
    while "waits for a manual step" not in (said := run("show", "by-hand")["control"])["summary"]:
        assert time.monotonic() < deadline, said
    assert said["leader"] == admin.get("/control").json()["leader"]
    assert run("rollback", "by-hand")["state"] == "rolled_back"
    detail = run("show", "by-hand")
    assert [one["action"] for one in detail["audit"]] == ["roll_back", "resume", "pause", "ramp", "start", "create"]
    assert detail["audit"][4]["reason"] == "let us see"
