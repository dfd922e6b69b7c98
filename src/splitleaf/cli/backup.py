"""`splitleaf backup` and `splitleaf restore`: an installation in one file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitleaf.cli.options import AsJson, Data, Repository, given_settings

if TYPE_CHECKING:
    from splitleaf.backup.backup import Account

WithoutModels = Annotated[bool, typer.Option("--without-models", help="Leave out the repository of versions.")]


def backup(
    target: Annotated[Path, typer.Argument(help="A file, or a folder; in a folder, the file is named after the time.")],
    without_models: WithoutModels = False,
    models: Repository = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Write database, unfinished work, models and secret to one file. The system may keep running.

    Protect the file like a key: it contains the secret and all outcomes.
    """
    from splitleaf.backup.backup import back_up
    from splitleaf.core.errors import ConfigurationError

    if not target.is_dir() and not target.parent.is_dir():
        raise ConfigurationError(f"the folder {target.parent} does not exist", code="backup_unwritable")
    path, account = back_up(given_settings(models, data), target, with_models=not without_models)
    _report(account, as_json, f"backed up to {path}", {"file": str(path), "bytes": path.stat().st_size})


def restore(
    source: Annotated[Path, typer.Argument(help="A file that `splitleaf backup` has written.")],
    without_models: WithoutModels = False,
    models: Repository = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into an empty installation that is not running."""
    from splitleaf.backup.backup import restore as put_back

    account = put_back(given_settings(models, data), source, with_models=not without_models)
    _report(account, as_json, f"restored {source}", {"file": str(source)})


def _report(account: Account, as_json: bool, what: str, facts: dict[str, object]) -> None:
    if as_json:
        typer.echo(json.dumps({**facts, **asdict(account)}))
        return
    typer.echo(what)
    typer.echo(f"  rows of the database           {account.rows}")
    typer.echo(f"  images waiting for an answer   {account.tasks}")
    typer.echo(f"  answers not yet recorded       {account.states}")
    typer.echo(f"  dead letters                   {account.letters}")
    typer.echo(f"  versions                       {', '.join(account.models) or 'none'}")
    for note in account.notes:
        typer.echo(f"note: {note}", err=True)
