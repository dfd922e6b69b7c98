from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import logging, structlog
from splitleaf.telemetry.logs import configure_logs
from splitleaf.settings import read_settings
configure_logs(read_settings(), "worker")
structlog.get_logger("x").info("hidden_or_not", n=1)
structlog.get_logger("x").warning("seen", n=2)
logging.getLogger("library").error("from a library")
"""
FAILURE = """
import rich, structlog
from splitleaf.telemetry.logs import configure_logs
from splitleaf.settings import read_settings
configure_logs(read_settings(), "api")
key = "-".join(["slk", "secret"])
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger("x").exception("broken")
"""


def logged(script: str = SCRIPT, **settings: str) -> list[str]:
    environment = {**os.environ, **{f"SPLITLEAF_{name}": value for name, value in settings.items()}}
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return run.stderr.splitlines()


def test_where_nobody_watches_each_line_is_json_with_role_level_and_time() -> None:
    lines = [json.loads(line) for line in logged()]
    assert [(one["event"], one["level"], one["role"]) for one in lines] == [
        ("hidden_or_not", "info", "worker"),
        ("seen", "warning", "worker"),
        ("from a library", "error", "worker"),
    ]
    assert all(one["timestamp"].endswith("Z") for one in lines)


def test_the_level_and_the_format_can_be_chosen() -> None:
    lines = logged(LOG_LEVEL="warning", LOG_FORMAT="console")
    assert len(lines) == 2
    assert "seen" in lines[0]
    assert not lines[0].startswith("{")


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_the_trace_of_a_failure_shows_where_it_happened_and_no_local_variable(log_format: str) -> None:
    text = "\n".join(logged(FAILURE, LOG_FORMAT=log_format))
    assert "ZeroDivisionError" in text
    assert "slk-secret" not in text
