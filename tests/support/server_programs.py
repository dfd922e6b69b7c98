"""The server program that tests of the broker start."""

from __future__ import annotations

from pathlib import Path

from splitleaf.jobs.server_programs import choose_server


def find_server() -> Path:
    """Return the program that a new data folder would get."""
    return choose_server(Path("/nonexistent")).path
