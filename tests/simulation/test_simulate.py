"""Bad candidates through the whole system: each is rolled back by itself, nothing is lost, the audit log tells it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from splitleaf.core.errors import Unprocessable
from splitleaf.experiments.reading import read_plan
from splitleaf.simulation.images import LabelledPhotos
from splitleaf.simulation.scenarios import KEY, SCENARIOS
from splitleaf.simulation.system import environment_of
from tests.support.processes import children_of, command_of

WELL_BEFORE = 60
"""Candidate images: the statistics alone need 29 at the 90th percentile of a much milder fault."""


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_every_scenario_has_a_plan_that_makes_sense(name: str) -> None:
    read_plan({"key": KEY, "hypothesis": SCENARIOS[name].about, **SCENARIOS[name].plan})


def simulate(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "splitleaf", "simulate", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    findings: dict[str, Any] = json.loads(done.stdout)
    return findings


def require_nothing_lost(findings: dict[str, Any]) -> None:
    assert (findings["lost"], findings["recorded_twice"]) == (0, 0)
    assert set(findings["statuses"]) <= {"succeeded", "failed"}
    exposures = sum(arm["images"] for name, arm in findings["arms"].items() if not name.startswith("shadow"))
    assert exposures <= findings["images"]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "metric", "harm"),
    [
        ("errors", "error_rate", "without an answer"),
        ("slow", "slow_rate", "slower than 300 ms"),
        ("wrong", "feedback_accuracy", "reported as wrong"),
    ],
)
def test_a_bad_candidate_at_one_percent_is_rolled_back_by_itself(name: str, metric: str, harm: str) -> None:
    findings = simulate(name)
    require_nothing_lost(findings)
    assert findings["state"] == "rolled_back", findings
    assert 3 <= findings["rolled_back_after"] <= WELL_BEFORE
    assert findings["later_than_2_s"] == 0
    *_, last = findings["story"]
    assert last.startswith(f"roll_back by controller: {metric}: candidate ")
    assert harm in last
    assert findings["arms"]["control"]["statuses"].keys() == {"succeeded"}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_good_candidate_is_ramped_stage_by_stage_and_promoted(tmp_path: Path) -> None:
    findings = simulate("ramp", "--keep", str(tmp_path / "kept"))
    require_nothing_lost(findings)
    steps = [step.split(" ")[0] for step in findings["story"]]
    assert steps == ["create", "start", "ramp", "ramp", "stop", "promote"]
    assert [step for step in findings["story"] if step.startswith("ramp by controller:")] == findings["story"][2:4]
    assert findings["state"] == "promoted"
    assert findings["verdict"].startswith("v2 is more accurate than v1.")
    assert 0 < findings["decided_after"] < 1_200
    assert findings["arms"].keys() == {"candidate", "control", "shadow v1", "shadow v2"}
    assert findings["arms"]["candidate"]["right"] > findings["arms"]["control"]["right"]
    assert (tmp_path / "kept/models/v2/model.toml").exists()
    assert (tmp_path / "kept/data/outcomes.sqlite3").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_better_version_is_found_out_unseen_by_labels_of_the_review_queue() -> None:
    findings = simulate("better", "--images", "400", "--clients", "4")
    require_nothing_lost(findings)
    assert findings["arms"].keys() == {"control", "shadow"}
    assert findings["verdict"].startswith("v2 is more accurate than v1.")
    # Only what tells is labelled: disagreements, unsure ones, and the audit.
    assert 50 < findings["labelled"] < 300


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_simulation_that_is_ended_takes_its_system_with_it(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "splitleaf", "simulate", "better"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stdout
    with process, process.stdout as told:
        assert any("running at" in line for line in told)
        (up,) = (pid for pid in children_of(process.pid) if "up" in command_of(pid))
        folder = Path(command_of(up)[command_of(up).index("--data") + 1]).parent
        everything = [up, *children_of(up)]
        process.send_signal(number)
        process.wait(60)
    wait_until_gone(everything)
    assert folder.exists() == (number == signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 60
    while (left := [pid for pid in pids if any(command_of(pid))]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


def test_settings_of_whoever_simulates_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLITLEAF_DATABASE_URL", "postgresql://somebody@elsewhere/precious")
    environment = environment_of({"SPLITLEAF_RETENTION__ENABLED": "true"})
    assert "SPLITLEAF_DATABASE_URL" not in environment
    assert environment["SPLITLEAF_RETENTION__ENABLED"] == "true"
    assert environment["PATH"]


def test_photos_come_once_each_with_the_versions_own_spelling_of_their_label(tmp_path: Path) -> None:
    for name in ("late_blight", "Healthy"):
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / f"{number}.jpg").write_bytes(f"{name} {number}".encode())
    photos = LabelledPhotos(tmp_path, ["Late_blight", "healthy"], seed=1, most=None)
    brought = [photos.bring(number) for number in range(photos.count)]
    assert len({image for image, _ in brought}) == 6
    assert {(image.split()[0], truth) for image, truth in brought} == {
        (b"late_blight", "Late_blight"),
        (b"Healthy", "healthy"),
    }
    assert LabelledPhotos(tmp_path, ["Late_blight", "healthy"], seed=1, most=4).count == 4
    with pytest.raises(Unprocessable, match="no version knows Healthy"):
        LabelledPhotos(tmp_path, ["Late_blight", "rust"], seed=1, most=None)
