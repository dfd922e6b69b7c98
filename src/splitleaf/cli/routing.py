"""`splitleaf routing ...`: the static split between versions."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from splitleaf.cli.models import AsJson, Repository, Why, repository_dir

app = typer.Typer(name="routing", help="Split the visitors between versions.", no_args_is_help=True)


@app.command("show")
def show(models: Repository = None, as_json: AsJson = False) -> None:
    """Show who answers."""
    from splitleaf.processes.local import Operator

    with Operator(repository_dir(models)) as operator:
        revision, champion = operator.split(), operator.alias("champion")
    shares = {version: count / 100 for version, count in revision.shares} if revision else {}
    if as_json:
        typer.echo(json.dumps({"champion": champion, "shares": shares}))
    elif not shares:
        typer.echo(f"no split is in force; the champion {champion} answers everybody")
    else:
        typer.echo(", ".join(f"{version} {share:g} %" for version, share in shares.items()))


@app.command("set")
def set_command(
    shares: Annotated[list[str], typer.Argument(help="VERSION=PERCENT, for example v1=50 v2=50.")],
    why: Why = "",
    models: Repository = None,
) -> None:
    """Put a split in force; it is sticky by visitor, and as few as possible change their version."""
    from splitleaf.processes.local import Operator

    with Operator(repository_dir(models)) as operator:
        revision = operator.set_split(dict(_parse(share) for share in shares), why)
    typer.echo(f"revision {revision.revision} is in force")


@app.command("clear")
def clear(why: Why = "", models: Repository = None) -> None:
    """End the split: the champion answers everybody."""
    from splitleaf.processes.local import Operator

    with Operator(repository_dir(models)) as operator:
        operator.clear_split(why)
    typer.echo("no split is in force any more")


@app.command("history")
def history(models: Repository = None) -> None:
    """Show all splits, newest first."""
    from splitleaf.core.clock import as_rfc3339
    from splitleaf.processes.local import Operator

    with Operator(repository_dir(models)) as operator:
        revisions = operator.split_history()
    for revision in revisions:
        shares = ", ".join(f"{version} {count / 100:g} %" for version, count in revision.shares) or "cleared"
        when = as_rfc3339(revision.created_ms)
        typer.echo(f"{revision.revision}  {when}  {shares}  by {revision.actor}  {revision.reason}")


def _parse(share: str) -> tuple[str, float]:
    version, _, percent = share.partition("=")
    try:
        return version, float(percent.rstrip("%"))
    except ValueError:
        raise typer.BadParameter(f"{share!r} is not VERSION=PERCENT") from None
