"""The command line. Commands import what they need when they run, so that it starts quickly."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from splitleaf import __version__
from splitleaf.cli import (
    backup,
    doctor,
    experiments,
    keys,
    labels,
    models,
    predict,
    report,
    review,
    routing,
    serving,
    simulation,
)
from splitleaf.core.errors import ConfigurationError, SplitleafError

__all__ = ["EXIT_BUG", "EXIT_FAILED", "EXIT_USAGE", "app", "main"]

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_BUG = 70

app = typer.Typer(
    name="splitleaf",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain help: it takes a third of the time and never truncates a default value.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up", short_help="Run everything on this machine.")(serving.up)
app.command("api", short_help="Run the HTTP API and the page.")(serving.api)
app.command("worker", short_help="Run an inference worker.")(serving.worker)
app.command("controller", short_help="Record outcomes and guard experiments.")(serving.controller)
app.add_typer(models.app, name="models", short_help="Import, list, verify and alias versions.")
app.add_typer(routing.app, name="routing", short_help="Split the traffic between versions.")
app.add_typer(experiments.app, name="experiments", short_help="Find out which version is better.")
app.add_typer(review.app, name="review", short_help="Label images and show the progress.")
app.add_typer(labels.app, name="labels", short_help="Import and export labels.")
app.add_typer(keys.app, name="keys", short_help="Create, list and revoke keys of the admin API.")
app.command("report", short_help="Show which version is better, and how certain that is.")(report.report)
app.command("simulate", short_help="Simulate a whole experiment in a minute.")(simulation.simulate)
app.command("predict", short_help="Classify images and print the answers.")(predict.predict)
app.command("backup", short_help="Write the installation to one file.")(backup.backup)
app.command("restore", short_help="Restore a backup into an empty installation.")(backup.restore)
app.command("doctor", short_help="Find problems and suggest solutions.")(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"splitleaf {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Serve versioned image classifiers and find out, soundly, which version is better.

    Exit status: 0 success; 1 failure, or a problem was found; 2 invalid command line or setting; 70 a bug; 130 Ctrl-C.
    """


def main() -> None:
    """Run the command line. Every error is one line, not a traceback."""
    try:
        app()
    except SplitleafError as error:
        _complain(f"{error.detail} [{error.error_code}]")
        sys.exit(EXIT_USAGE if isinstance(error, ConfigurationError) else EXIT_FAILED)
    except Exception as error:  # noqa: BLE001 - the last resort
        if os.environ.get("SPLITLEAF_LOG_LEVEL") == "debug":
            traceback.print_exc()
        reason = " ".join(str(error).split())
        _complain(
            f"{type(error).__name__}: {reason} [internal_error]; "
            "this is a bug: please report it, with the output of SPLITLEAF_LOG_LEVEL=debug"
        )
        sys.exit(EXIT_BUG)


def _complain(text: str) -> None:
    typer.secho(f"splitleaf: {text}", err=True, fg=typer.colors.RED if sys.stderr.isatty() else None)
