"""Options and output that commands share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from splitleaf.local.services import LocalInstallation, LocalServices
    from splitleaf.settings import Settings

Repository = Annotated[Path | None, typer.Option("--models", help="The repository of versions.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Data = Annotated[Path | None, typer.Option("--data", help="The data folder, as given to `splitleaf up`.")]
Why = Annotated[str, typer.Option("--why", help="The reason; stored with the change.")]

_Record = TypeVar("_Record")


def given_settings(models: Path | None = None, data: Path | None = None) -> Settings:
    """Return the settings. Options win over the environment."""
    from splitleaf.settings import read_settings

    given = {"models_dir": models, "data_dir": data}
    return read_settings().model_copy(update={name: path for name, path in given.items() if path is not None})


def repository_dir(models: Path | None) -> Path:
    return given_settings(models).models_dir


def open_services(data: Path | None) -> LocalServices:
    from splitleaf.local.services import LocalServices

    return LocalServices(given_settings(data=data))


def open_installation(models: Path | None, data: Path | None) -> LocalInstallation:
    from splitleaf.local.services import LocalInstallation

    return LocalInstallation(given_settings(models, data))


def print_records(
    records: Sequence[_Record],
    as_json: bool,
    *,
    shape: Callable[[_Record], object],
    line: Callable[[_Record], str],
    empty: str,
    err: bool = False,
) -> None:
    """Print a list: as JSON, or one line for each record. Without any, print `empty`, on stderr if `err`."""
    if as_json:
        typer.echo(json.dumps([shape(one) for one in records], ensure_ascii=False))
        return
    for one in records:
        typer.echo(line(one))
    if not records:
        typer.echo(empty, err=err)


def warn_if_idle(here: LocalServices) -> None:
    """Warn about a change that no running system sees: it may have gone to the wrong data folder."""
    if (folder := here.idle_data_dir) is not None:
        typer.echo(f"note: nothing runs on {folder}; the change takes effect at the next start (see --data)", err=True)
