"""`splitleaf up` from outside: what it leaves behind, what it refuses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.repositories import add_version
from tests.system.running import RunningSystem, free_port, start_system

pytestmark = pytest.mark.slow


@pytest.fixture
def models(tmp_path: Path) -> Path:
    add_version(tmp_path / "models", "v1")
    return tmp_path / "models"


def family(system: RunningSystem) -> set[int]:
    """Return every process of the system: those whose environment or words name its data folder, and below them."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(") ", 1)[1].split()[1])
            except OSError:
                continue
    found = {system.process.pid}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def gone_within(pids: set[int], seconds: float) -> set[int]:
    """Return those that still live after that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and (alive := {pid for pid in pids if _lives(pid)}):
        time.sleep(0.05)
    return {pid for pid in pids if _lives(pid)} if alive else set()


def _lives(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_in_order(models: Path, tmp_path: Path, number: signal.Signals) -> None:
    system = start_system(models, tmp_path / "data")
    processes = family(system)
    assert len(processes) >= 5
    system.process.send_signal(number)
    assert system.process.wait(60) == 0
    assert not gone_within(processes, 5)


def test_killing_up_leaves_no_orphans(models: Path, tmp_path: Path) -> None:
    system = start_system(models, tmp_path / "data")
    processes = family(system)
    system.process.kill()
    system.process.wait()
    assert not gone_within(processes, 40)


def test_a_second_start_on_the_same_data_is_refused_in_one_line(models: Path, tmp_path: Path) -> None:
    system = start_system(models, tmp_path / "data")
    try:
        second = start("--models", str(models), "--data", str(system.data))
        assert second.returncode == 2
        assert second.stderr.count("\n") == 1
        assert f"process {system.process.pid}" in second.stderr
        assert "[data_in_use]" in second.stderr
    finally:
        assert system.stop() == 0


def test_a_port_that_is_taken_is_refused_in_one_line(models: Path, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        refused = start("--models", str(models), "--data", str(tmp_path / "data"), "--port", str(port))
    assert refused.returncode == 2
    assert f"port {port} is in use" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("SPLITLEAF_REDIS_URL", "http://broker", "invalid_broker_url"),
        ("SPLITLEAF_SECRET", "short", "invalid_configuration"),
        ("SPLITLEAF_MODELS_DIR", "nowhere", "no_models"),
        ("SPLITLEAF_API__HOST", "host.invalid", "bad_host"),
    ],
)
def test_settings_that_cannot_work_are_one_line(tmp_path: Path, setting: str, value: str, code: str) -> None:
    (tmp_path / "models").mkdir()
    refused = start("--data", str(tmp_path / "data"), cwd=tmp_path, **{setting: value})
    assert refused.returncode == 2
    assert f"[{code}]" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_role_that_cannot_run_ends_everything(models: Path, tmp_path: Path) -> None:
    refused = start(
        "--models", str(models), "--data", str(tmp_path / "data"), SPLITLEAF_DATABASE_URL="mysql://127.0.0.1/x"
    )
    assert refused.returncode == 2
    assert "must begin with sqlite:/// or postgresql://" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_folder_of_bare_files_is_told_at_once_that_they_want_importing(tmp_path: Path) -> None:
    (tmp_path / "models/v1").mkdir(parents=True)
    (tmp_path / "models/v1/leaf.h5").write_bytes(b"weights")
    command = [sys.executable, "-m", "splitleaf", "up", "--port", str(free_port())]
    command += ["--models", str(tmp_path / "models"), "--data", str(tmp_path / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        told = [line.strip() for line in iter(process.stdout.readline, "  Stop with Ctrl-C.\n")]
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert told[1] == "Not ready: no model is ready."
    assert told[2].startswith("Not imported yet: v1.")


def start(*options: str, cwd: Path | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "splitleaf", "up", *options]
    environment = {**os.environ, **settings}
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
