"""Options that commands share, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from splitleaf.installation.store import LocalHand
    from splitleaf.local.operator import Operator

Repository = Annotated[Path | None, typer.Option("--models", help="The repository of versions.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Data = Annotated[Path | None, typer.Option("--data", help="The data folder, as given to `splitleaf up`.")]
Why = Annotated[str, typer.Option("--why", help="The reason; kept with the change.")]


def repository_dir(models: Path | None) -> Path:
    from splitleaf.settings import read_settings

    return models or read_settings().models_dir


def open_operator(models: Path | None, data: Path | None) -> Operator:
    from splitleaf.local.operator import Operator

    return Operator(repository_dir(models), data)


def warn_if_idle(operator: LocalHand) -> None:
    """Nothing is so puzzling as a change that lands in the database of another system."""
    if (folder := operator.idle_data_dir) is not None:
        typer.echo(f"note: nothing runs on {folder}; this holds when it is started (see --data)", err=True)
