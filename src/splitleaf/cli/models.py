"""`splitleaf models ...`."""

from __future__ import annotations

import typer

app = typer.Typer(name="models", help="The versions in the repository.", no_args_is_help=True)
