"""`splitleaf routing ...`: the static split between versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from splitleaf.cli.options import AsJson, Data, Repository, Why, open_installation, print_records, warn_if_idle
from splitleaf.cli.shares import parse_shares, sentence

if TYPE_CHECKING:
    from splitleaf.outcomes.events import RoutingRevision

app = typer.Typer(
    name="routing", help="Split the visitors between versions.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("show")
def show(models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """Show who answers."""
    from splitleaf.local.routing import find_alias, find_split

    with open_installation(models, data) as here:
        revision, champion = find_split(here), find_alias(here, "champion")
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
    from splitleaf.local.routing import set_split

    percentages = parse_shares(shares, "VERSION")
    with open_installation(models, data) as here:
        revision = set_split(here, percentages, why)
        typer.echo(f"revision {revision.revision} is in force: {sentence(_percentages(revision))}")
        warn_if_idle(here)


@app.command("clear")
def clear(why: Why = "", models: Repository = None, data: Data = None) -> None:
    """End the split: the champion answers everybody."""
    from splitleaf.local.routing import clear_split

    with open_installation(models, data) as here:
        ended = clear_split(here, why)
        typer.echo("the split has ended; the champion answers everybody" if ended else "no split was in force")
        if ended:
            warn_if_idle(here)


@app.command("history")
def history(models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """Show all splits, newest first."""
    with open_installation(models, data) as here:
        revisions = here.store.routing_history()
    print_records(revisions, as_json, shape=_record, line=_line, empty="there has been no split")


def _line(revision: RoutingRevision) -> str:
    from splitleaf.core.clock import as_rfc3339

    shares, at = sentence(_percentages(revision)) or "ended", as_rfc3339(revision.created_ms)
    return f"{revision.revision}  {at}  {shares}  by {revision.actor}  {revision.reason}".rstrip()


def _percentages(revision: RoutingRevision) -> dict[str, float]:
    return {version: count / 100 for version, count in revision.shares}


def _record(revision: RoutingRevision) -> dict[str, object]:
    from splitleaf.core.clock import as_rfc3339

    at = as_rfc3339(revision.created_ms)
    facts = {"revision": revision.revision, "at": at, "by": revision.actor, "reason": revision.reason}
    return {**facts, "shares": _percentages(revision)}
