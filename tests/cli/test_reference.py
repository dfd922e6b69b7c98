from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from splitleaf.cli import app

REFERENCE = Path(__file__).parent.parent.parent / "docs/reference/command-line.md"


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    if (path == ("splitleaf",) or inner is None) and not getattr(command, "hidden", False):
        yield path, command
    for name, one in (inner or {}).items():
        yield from commands(one, (*path, name))


ALL = dict(commands(typer.main.get_command(app), ("splitleaf",)))


def section(path: tuple[str, ...]) -> str:
    """Return the part of the page whose heading names the command."""
    parts = re.split(r"^## ", REFERENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    for part in parts:
        names = re.findall(r"`([^`]+)`", part.splitlines()[0])
        group = names[0].rsplit(" ", 1)[0] if names else ""
        if " ".join(path) in {name if name.startswith("splitleaf") else f"{group} {name}" for name in names}:
            return part
    return ""


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_and_option_stands_in_the_page(path: tuple[str, ...]) -> None:
    text = section(path)
    assert text, f"{' '.join(path)} has no section"
    options = [name for one in ALL[path].params if not getattr(one, "hidden", False) for name in one.opts]
    missing = [name for name in options if name.startswith("-") and f"`{name}`" not in text]
    assert [name for name in missing if name not in ("--help", "-h")] == []


def test_every_option_of_the_page_exists() -> None:
    known = {name for command in ALL.values() for one in command.params for name in one.opts}
    rows = re.findall(r"^\| (`-[^|]+) \|", REFERENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(-[^`]+)`", row)}
    assert len(named) > 20
    assert named <= known


@pytest.mark.parametrize("group", ["", "models", "routing", "experiments", "review", "labels", "keys"])
def test_no_command_is_introduced_by_half_a_sentence(group: str) -> None:
    shown = CliRunner().invoke(app, [*group.split(), "--help"], env={"COLUMNS": "80"}).stdout
    listed = shown.split("Commands:\n")[1].rstrip().splitlines()
    assert len(listed) > 1
    assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []
