"""`splitleaf routing ...`: a static traffic split between versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from splitleaf.cli.options import AsJson, Data, Repository, Why, open_installation, print_records, warn_if_idle
from splitleaf.cli.shares import parse_shares, sentence

if TYPE_CHECKING:
    from splitleaf.outcomes.events import RoutingRevision

app = typer.Typer(
    name="routing", help="Split the traffic between versions.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("show")
def show(models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """Show which versions answer."""
    from splitleaf.local.routing import find_alias, find_split

    with open_installation(models, data) as here:
        revision, champion = find_split(here), find_alias(here, "champion")
    shares = _percentages(revision) if revision else {}
    if as_json:
        typer.echo(json.dumps({"champion": champion, "shares": shares}))
    elif not shares:
        typer.echo(f"no split is active; the champion {champion} answers all images")
    else:
        typer.echo(f"{sentence(shares)}; the champion is {champion}")


@app.command("set", short_help="Activate a split.")
def set_command(
    shares: Annotated[list[str], typer.Argument(help="VERSION=PERCENT, for example v1=50 v2=50.")],
    why: Why = "",
    models: Repository = None,
    data: Data = None,
) -> None:
    """Activate a split. Each visitor keeps a version, and as few visitors as possible change theirs."""
    from splitleaf.local.routing import set_split

    percentages = parse_shares(shares, "VERSION")
    with open_installation(models, data) as here:
        revision = set_split(here, percentages, why)
        typer.echo(f"revision {revision.revision} is active: {sentence(_percentages(revision))}")
        warn_if_idle(here)


@app.command("clear")
def clear(why: Why = "", models: Repository = None, data: Data = None) -> None:
    """End the split: the champion answers all images."""
    from splitleaf.local.routing import clear_split

    with open_installation(models, data) as here:
        ended = clear_split(here, why)
        typer.echo("the split has ended; the champion answers all images" if ended else "no split was active")
        if ended:
            warn_if_idle(here)


@app.command("history")
def history(models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """List all splits, newest first."""
    with open_installation(models, data) as here:
        revisions = here.store.routing_history()
    print_records(revisions, as_json, shape=_record, line=_line, empty="there were no splits")


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
