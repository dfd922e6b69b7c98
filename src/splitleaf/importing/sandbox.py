"""Child processes that inspect and convert untrusted files, with limits on files, memory and time."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from splitleaf.core.errors import ImportRefused

_SCRIPT = Path(__file__).parent / "child" / "bootstrap.py"
_TAIL_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child process may take."""

    memory_bytes: int = 12 << 30
    """Address space; TensorFlow reserves several times what it uses."""
    cpu_s: int = 1800
    file_bytes: int = 4 << 30
    timeout_s: float = 1800.0
    network_bytes: int = 4 << 30
    """Address space of a process that runs a network as serving does."""
    task_s: float = 120.0
    """Time, and processor time, of one thing that such a process does: loading a network, or one run of it."""


class Sandbox:
    """Runs tasks of `importing.child` with the import environment's Python."""

    def __init__(self, python: Path, limits: Limits | None = None) -> None:
        self.python = python
        self.limits = limits or Limits()

    def perform(self, task: str, **request: Any) -> dict[str, Any]:
        """Run one task in a fresh process and return its result.

        Raises `ImportRefused`: with the task's own code where it refuses the file, else `import_timed_out` or
        `conversion_failed`.
        """
        with tempfile.TemporaryDirectory(prefix="splitleaf-import-") as name:
            folder = Path(name)
            limits = asdict(self.limits)
            text = json.dumps({"task": task, "limits": limits, **request}, default=str)
            (folder / "request.json").write_text(text, encoding="utf-8")
            self._run(folder)
            return _read_result(folder)

    def _run(self, folder: Path) -> None:
        command = [*without_network(), str(self.python), "-I", str(_SCRIPT), "request.json", "result.json"]
        with (folder / "log").open("wb") as log:
            child = subprocess.Popen(
                command,
                cwd=folder,
                env=child_environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                child.wait(self.limits.timeout_s)
            except subprocess.TimeoutExpired as error:
                raise ImportRefused(
                    f"the import took longer than {self.limits.timeout_s:.0f} s", code="import_timed_out"
                ) from error
            finally:
                end_child(child)


def network_is_cut() -> bool:
    """Tell whether children run without a network on this machine."""
    return bool(without_network())


@cache
def without_network() -> tuple[str, ...]:
    """Return the command that gives a child a network of its own, with nothing in it; empty where none works."""
    program = shutil.which("unshare")
    for flags in ("-n", "-rn"):
        if program and subprocess.run([program, flags, "true"], capture_output=True, check=False).returncode == 0:
            return (program, flags, "--")
    return ()


def child_environment(folder: Path) -> dict[str, str]:
    """Nothing of this process's environment: it may hold keys."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "CUDA_VISIBLE_DEVICES": "-1",
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(folder / "keras"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Plain kernels: the reference that parity is measured against must not depend on the processor.
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }


def end_child(child: subprocess.Popen[bytes]) -> None:
    """Kill a child and all that it has started."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _read_result(folder: Path) -> dict[str, Any]:
    try:
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ImportRefused(
            f"the import process died (out of memory, out of time, or a crash){_tail(folder)}", code="conversion_failed"
        ) from error
    if "refused" in result:
        raise ImportRefused(str(result["refused"]["message"]), code=str(result["refused"]["code"]))
    if "failed" in result:
        failed = result["failed"]
        raise ImportRefused(f"the conversion failed: {failed['type']}: {failed['message']}", code="conversion_failed")
    done: dict[str, Any] = result["done"]
    return done


def _tail(folder: Path) -> str:
    try:
        lines = (folder / "log").read_bytes()[-_TAIL_BYTES:].decode("utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f": {lines[-1]}" if lines else ""
