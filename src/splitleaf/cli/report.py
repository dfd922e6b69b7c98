"""`splitleaf report`: the report on an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from splitleaf.cli.options import AsJson, Data, open_services

NOT_SOUND = 1


def report(
    key: Annotated[str, typer.Argument(help="The experiment's key.")],
    html: Annotated[
        Path | None, typer.Option(help="Write the report with all plots to this file, as a self-contained page.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show which version is better, how certain that is, what is missing and what to do next.

    The exit status is also 1 if the experiment is not sound: its numbers are then not valid.
    """
    from splitleaf.local.experiments import read_report

    with open_services(data) as here:
        found = read_report(here, key)
    if html is not None:
        from splitleaf.web.report import render_report

        _write(html, render_report(found))
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    elif html is None:
        from splitleaf.cli.report_text import print_report

        print_report(found)
    else:
        typer.echo(f"{found.statement.headline} The report is in {html}.")
    if not found.health.is_sound:
        raise typer.Exit(NOT_SOUND)


def _write(file: Path, page: str) -> None:
    from splitleaf.core.errors import ConfigurationError

    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}", code="file_unwritable") from error
