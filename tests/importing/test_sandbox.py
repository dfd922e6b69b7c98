"""The child process: what it is given, what it may take, and what is said when it dies."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from splitleaf.importing.child import bootstrap
from splitleaf.importing.interpreter import find_import_python
from splitleaf.importing.sandbox import Limits, Sandbox, network_is_cut
from tests.importing.files import LAMBDA, write_h5
from tests.importing.refusing import refused

DEV_PYTHON = Path(sys.executable)
"""Has h5py, which is all that looking into a file needs."""


def program(tmp_path: Path, text: str, shell: str = "/bin/sh") -> Path:
    """Return a program to be run in the interpreter's place; its arguments are the script, request and result."""
    path = tmp_path / "python"
    path.write_text(f"#!{shell}\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_file_is_looked_into_in_a_process_of_its_own(tmp_path: Path) -> None:
    found = Sandbox(DEV_PYTHON).perform("inspect", source=write_h5(tmp_path / "leaf.h5"))
    assert (found["format"], found["loader"]) == ("h5-keras2", "keras2-h5")


def test_a_refusal_comes_back_with_its_code(tmp_path: Path) -> None:
    with refused("lambda_layer", "never run"):
        Sandbox(DEV_PYTHON).perform("inspect", source=write_h5(tmp_path / "leaf.h5", LAMBDA))


def test_what_nobody_foresaw_comes_back_as_a_failed_conversion(tmp_path: Path) -> None:
    with refused("conversion_failed", "KeyError"):
        Sandbox(DEV_PYTHON).perform("inspect")


def test_the_child_sees_nothing_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLITLEAF_SECRET", "hush")
    tell = "import json, os, sys; json.dump({'done': {'env': dict(os.environ), 'cwd': os.getcwd()}}, open(sys.argv[-1], 'w'))"
    seen = Sandbox(program(tmp_path, tell, shell=sys.executable)).perform("inspect")
    assert "hush" not in json.dumps(seen)
    assert seen["env"]["HOME"] == seen["cwd"] == seen["env"]["TMPDIR"]
    assert not Path(seen["cwd"]).exists()


@pytest.mark.skipif(not network_is_cut(), reason="this system gives a process no network of its own")
def test_the_child_reaches_no_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        call = (
            "import json, socket, sys\n"
            f"try: socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 1); found = 'reached'\n"
            "except OSError as error: found = 'cut'\n"
            "json.dump({'done': {'network': found}}, open(sys.argv[-1], 'w'))"
        )
        assert Sandbox(program(tmp_path, call, shell=sys.executable)).perform("inspect") == {"network": "cut"}


def test_a_child_that_takes_too_long_is_ended_with_its_own_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    python = program(tmp_path, f"sleep 60 & echo $! > {note}; wait")
    with refused("import_timed_out", "longer than 0 s"):
        Sandbox(python, Limits(timeout_s=0.4)).perform("inspect")
    pid = int(note.read_text())
    deadline = time.monotonic() + 5
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _lives(pid)


@pytest.mark.parametrize("end", ["kill -9 $$", "echo '{' > result.json", "exit 3"], ids=["killed", "half", "nothing"])
def test_a_child_that_dies_is_said_to_have_died_with_its_last_words(tmp_path: Path, end: str) -> None:
    with refused("conversion_failed", "no memory left"):
        Sandbox(program(tmp_path, f"echo no memory left >&2; {end}")).perform("inspect")


def test_limits_are_lowered_before_anything_is_loaded() -> None:
    wanted = {"memory_bytes": 3 << 30, "cpu_s": 77, "file_bytes": 1 << 20}
    read = (
        "import json, resource, sys; sys.path.insert(0, sys.argv[1]); import bootstrap\n"
        "bootstrap.limit_self(json.loads(sys.argv[2])); bootstrap.limit_self({'cpu_s': 99})\n"
        "names = ['RLIMIT_AS', 'RLIMIT_CPU', 'RLIMIT_FSIZE', 'RLIMIT_CORE']\n"
        "print(json.dumps([resource.getrlimit(getattr(resource, name)) for name in names]))"
    )
    folder = Path(bootstrap.__file__).parent
    command = [sys.executable, "-c", read, str(folder), json.dumps(wanted)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert found[1:] == [[77, 77], [1 << 20, 1 << 20], [0, 0]]
    if sys.platform == "linux":
        assert found[0] == [3 << 30, 3 << 30]


def test_an_interpreter_that_does_not_exist_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with refused("import_environment_missing", "SPLITLEAF_IMPORT_PYTHON"):
        find_import_python(tmp_path / "python")
    monkeypatch.setenv("SPLITLEAF_IMPORT_PYTHON", str(DEV_PYTHON))
    assert find_import_python() == DEV_PYTHON


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except (OSError, IndexError):
        return False
