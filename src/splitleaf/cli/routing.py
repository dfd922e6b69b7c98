"""`splitleaf routing ...`: the static split between versions."""

from __future__ import annotations

import typer

app = typer.Typer(name="routing", help="Split the visitors between versions.", no_args_is_help=True)
