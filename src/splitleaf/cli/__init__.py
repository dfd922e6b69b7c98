"""The command line. Commands import what they need when they run, so that starting stays quick."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from splitleaf import __version__
from splitleaf.cli import doctor, models, predict, routing, serving
from splitleaf.core.errors import ConfigurationError, SplitleafError

__all__ = ["app", "main"]

EXIT_FAILED = 1
EXIT_USAGE = 2

app = typer.Typer(
    name="splitleaf",
    help="Serve versioned image classifiers and find out, soundly, which version is better.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up")(serving.up)
app.command("api")(serving.api)
app.command("worker")(serving.worker)
app.command("controller")(serving.controller)
app.add_typer(models.app, name="models")
app.add_typer(routing.app, name="routing")
app.command("predict")(predict.predict)
app.command("doctor")(doctor.doctor)


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
    """Serve versioned image classifiers and find out, soundly, which version is better."""


def main() -> None:
    """Run the command line; a known error is one line, not a traceback."""
    try:
        app()
    except SplitleafError as error:
        typer.secho(f"splitleaf: {error.detail} [{error.error_code}]", err=True, fg=_red())
        sys.exit(EXIT_USAGE if isinstance(error, ConfigurationError) else EXIT_FAILED)


def _red() -> str | None:
    return typer.colors.RED if sys.stderr.isatty() else None
