"""`splitleaf doctor`: finds problems of this installation."""

from __future__ import annotations

import json
from typing import Annotated

import typer

_SIGNS = {"ok": ("✓", "green"), "note": ("·", "blue"), "warning": ("!", "yellow"), "problem": ("✗", "red")}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 1 for a warning, too.")] = False,
    settings: Annotated[bool, typer.Option("--settings", help="List all settings and exit.")] = False,
) -> None:
    """Find problems and suggest solutions. The exit status is 1 if there is a problem."""
    if settings:
        _print_settings()
        return
    from splitleaf.doctor.diagnosis import diagnose

    findings = diagnose()
    if as_json:
        records = [{"check": f.check, "level": f.level, "detail": f.detail, "advice": f.advice} for f in findings]
        typer.echo(json.dumps(records, indent=2))
    else:
        for finding in findings:
            sign, colour = _SIGNS[finding.level]
            typer.echo(f"{typer.style(sign, fg=colour)} {finding.check}: {finding.detail}")
            if finding.advice:
                typer.echo(f"    {finding.advice}")
    failing = ("problem", "warning") if strict else ("problem",)
    if any(finding.level in failing for finding in findings):
        raise typer.Exit(1)


def _print_settings() -> None:
    from splitleaf.settings import known_variables

    for name, description in known_variables().items():
        typer.echo(f"{typer.style(name, bold=True)}\n    {description}")
