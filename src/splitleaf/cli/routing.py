"""`splitleaf routing ...`: the static split between versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from splitleaf.cli.options import AsJson, Data, Repository, Why, open_operator, warn_if_idle
from splitleaf.cli.shares import parse_shares, sentence

if TYPE_CHECKING:
    from splitleaf.outcomes.events import RoutingRevision

app = typer.Typer(
    name="routing", help="Split the visitors between versions.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("show")
def show(models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """Show who answers."""
    with open_operator(models, data) as operator:
        revision, champion = operator.split(), operator.alias("champion")
    shares = _percentages(revision) if revision else {}
    if as_json:
        typer.echo(json.dumps({"champion": champion, "shares": shares}))
    elif not shares:
        typer.echo(f"no split is in force; the champion {champion} answers everybody")
    else:
        typer.echo(f"{sentence(shares)}; the champion is {champion}")


@app.command("set", short_help="Put a split in force.")
def set_command(
    shares: Annotated[list[str], typer.Argument(help="VERSION=PERCENT, for example v1=50 v2=50.")],
    why: Why = "",
    models: Repository = None,
    data: Data = None,
) -> None:
    """Put a split in force; it is sticky by visitor, and as few as possible change their version."""
    percentages = parse_shares(shares, "VERSION")
    with open_operator(models, data) as operator:
        revision = operator.set_split(percentages, why)
        typer.echo(f"revision {revision.revision} is in force: {sentence(_percentages(revision))}")
        warn_if_idle(operator)


@app.command("clear")
def clear(why: Why = "", models: Repository = None, data: Data = None) -> None:
    """End the split: the champion answers everybody."""
    with open_operator(models, data) as operator:
        ended = operator.clear_split(why)
        typer.echo("the split has ended; the champion answers everybody" if ended else "no split was in force")
        if ended:
            warn_if_idle(operator)


@app.command("history")
def history(models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """Show all splits, newest first."""
    from splitleaf.core.clock import as_rfc3339

    with open_operator(models, data) as operator:
        revisions = operator.split_history()
    if as_json:
        typer.echo(json.dumps([_record(one) for one in revisions]))
        return
    for one in revisions:
        shares = sentence(_percentages(one)) or "ended"
        line = f"{one.revision}  {as_rfc3339(one.created_ms)}  {shares}  by {one.actor}  {one.reason}"
        typer.echo(line.rstrip())
    if not revisions:
        typer.echo("there has been no split")


def _percentages(revision: RoutingRevision) -> dict[str, float]:
    return {version: count / 100 for version, count in revision.shares}


def _record(revision: RoutingRevision) -> dict[str, object]:
    from splitleaf.core.clock import as_rfc3339

    at = as_rfc3339(revision.created_ms)
    facts = {"revision": revision.revision, "at": at, "by": revision.actor, "reason": revision.reason}
    return {**facts, "shares": _percentages(revision)}
