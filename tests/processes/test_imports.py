"""What a process imports at its start, it pays for before the first answer, and keeps in memory."""

from __future__ import annotations

import subprocess
import sys

import pytest


def imported(*modules: str) -> set[str]:
    script = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(run.stdout.split())


@pytest.mark.parametrize("role", ["up", "api", "worker", "controller"])
def test_no_role_imports_what_draws_tables_for_people(role: str) -> None:
    assert "rich" not in imported(f"splitleaf.processes.{role}")


def test_what_draws_tables_can_still_be_imported_afterwards() -> None:
    assert "rich.console" in imported("splitleaf.processes", "rich.console")


def test_an_api_process_does_without_arrays_and_the_documented_admin_interface_until_they_are_asked_for() -> None:
    there = imported("splitleaf.processes.api", "splitleaf.outcomes.sql", "splitleaf.outcomes.migrations.run")
    assert not there & {"numpy", "simplejpeg", "fastapi", "onnxruntime"}
