"""`splitleaf predict` against a real running system."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.support.images import BLUE, GREEN, RED, jpeg
from tests.system.conftest import system as system  # noqa: PLC0414 - a fixture
from tests.system.running import RunningSystem

pytestmark = pytest.mark.slow


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name, colour in {"red": RED, "green": GREEN, "blue": BLUE}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "leaf.jpg").write_bytes(jpeg(colour))
    return tmp_path


def command(system: RunningSystem, *words: str) -> list[str]:
    return [sys.executable, "-m", "splitleaf", "predict", "--url", system.url, *words]


def predict(system: RunningSystem, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(system, *words), capture_output=True, text=True, timeout=90, check=False)


def test_a_folder_is_answered_and_its_accuracy_told(system: RunningSystem, images: Path) -> None:
    run = predict(system, str(images), "--labelled", "--json")
    assert run.returncode == 0, run.stderr
    assert [one["label"] for one in json.loads(run.stdout)] == ["blue", "green", "red"]
    assert run.stderr == "3 of 3 correct: accuracy 1.0000\n"


def test_the_truth_of_a_folder_becomes_labels(system: RunningSystem, images: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    assert predict(system, str(images), "--labelled", "--truth", str(truth)).returncode == 0
    words = [sys.executable, "-m", "splitleaf", "labels", "import", str(truth), "--json"]
    words += ["--models", str(system.models), "--data", str(system.data)]
    give_up_at = time.monotonic() + 30
    while (run := subprocess.run(words, capture_output=True, text=True, check=False)).returncode != 0:
        # What was answered a moment ago may not be written down yet.
        assert time.monotonic() < give_up_at, run.stderr
        time.sleep(0.2)
    assert json.loads(run.stdout)["imported"] == 3


def test_images_can_be_of_many_units(system: RunningSystem, images: Path) -> None:
    with system.admin() as admin:
        known = {one["unit_hash"] for one in admin.get("outcomes", params={"limit": 1000}).json()["outcomes"]}
        assert predict(system, str(images), "--units").returncode == 0
        give_up_at = time.monotonic() + 30
        while True:
            found = {one["unit_hash"] for one in admin.get("outcomes", params={"limit": 1000}).json()["outcomes"]}
            if len(found - known) == 3:
                return
            assert time.monotonic() < give_up_at, found - known
            time.sleep(0.2)


def test_a_broken_image_does_not_stop_the_others(system: RunningSystem, images: Path) -> None:
    (images / "green/cut.jpg").write_bytes(jpeg(GREEN)[:200])
    run = predict(system, str(images), "--format", "csv")
    assert run.returncode == 1
    rows = [line.split(",") for line in run.stdout.splitlines()]
    assert [row[1] for row in rows] == ["label", "blue", "", "green", "red"]
    assert rows[2][5].startswith("image_")
    assert run.stderr == "1 of 4 images could not be classified\n"


def test_ctrl_c_prints_the_answers_that_there_are(system: RunningSystem, images: Path) -> None:
    for number in range(1500):
        (images / "red" / f"{number}.jpg").write_bytes(jpeg(RED))
    _wait_for_what_came_before(system, images)
    before = _recorded(system)
    words = command(system, str(images), "--json", "--concurrency", "1")
    # As from a terminal: whoever runs these tests in the background has Ctrl-C ignored, and children inherit that.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(words, stdout=-1, stderr=-1, text=True, preexec_fn=heard) as running:  # noqa: PLW1509 - no threads
        # One at a time: when the second is recorded, the first has arrived.
        _wait_for_outcomes(system, before + 2)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "interrupted after " in err
    assert "Traceback" not in err
    assert 0 < len(json.loads(out)) < 1503


def test_what_is_not_splitleaf_is_told_from_nothing_at_all(system: RunningSystem, images: Path) -> None:
    run = predict(system, str(images), "--url", f"{system.url}/elsewhere")
    assert run.returncode == 1
    assert "is not Splitleaf" in run.stderr


def _wait_for_what_came_before(system: RunningSystem, images: Path) -> None:
    """Outcomes are written down in the order in which they came: once a new one is, all of earlier tests are."""
    run = predict(system, str(images / "red/leaf.jpg"), "--json")
    newest = json.loads(run.stdout)[0]["prediction_id"]
    give_up_at = time.monotonic() + 60
    with system.admin() as admin:
        while newest not in admin.get("/outcomes", params={"limit": 100}).text:
            assert time.monotonic() < give_up_at, newest
            time.sleep(0.1)


def _recorded(system: RunningSystem) -> int:
    with system.admin() as admin:
        return sum(admin.get("/summary").json()["outcomes"].values())


def _wait_for_outcomes(system: RunningSystem, count: int) -> None:
    deadline = time.monotonic() + 60
    while _recorded(system) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)
