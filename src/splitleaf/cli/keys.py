"""`splitleaf keys ...`: who may use the admin API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from splitleaf.cli.options import AsJson, Data, Why, warn_if_idle
from splitleaf.core.access import Scope

if TYPE_CHECKING:
    from splitleaf.outcomes.keys import KeyRecord

app = typer.Typer(
    name="keys", help="Make, list and revoke keys of the admin API.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, or what for.")],
    scope: Annotated[Scope, typer.Option(help="What it may do; each holds those before it.")] = Scope.READ,
    days: Annotated[
        float | None, typer.Option(min=0.001, help="Days until it ends by itself; without it, when it is revoked.")
    ] = None,
    why: Why = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it. It is kept nowhere: this is the only time that it is shown."""
    from splitleaf.local.keys import KeyKeeper

    if not 1 <= len(name) <= 100:
        raise typer.BadParameter("the name has 1 to 100 characters")
    with KeyKeeper(data) as keeper:
        key, record = keeper.create(name, scope, days, why)
        if as_json:
            typer.echo(json.dumps({"key": key, **_shape(record)}, ensure_ascii=False))
            return
        typer.echo(key)
        typer.echo(f"{_line(record)}\nkeep it now: it is shown this once", err=True)
        warn_if_idle(keeper)


@app.command("list", short_help="List the keys that were made here.")
def list_command(
    every: Annotated[bool, typer.Option("--all", help="Those that are revoked or over, too.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List the keys that were made here, newest first; those of the settings are not among them."""
    from splitleaf.core.clock import SystemClock
    from splitleaf.local.keys import KeyKeeper

    with KeyKeeper(data) as keeper:
        now_ms = SystemClock().now_ms()
        records = [one for one in keeper.list() if every or one.is_in_force(now_ms)]
    if as_json:
        typer.echo(json.dumps([_shape(one) for one in records], ensure_ascii=False))
        return
    for one in records:
        typer.echo(_line(one))
    if not records:
        typer.echo("there is no key", err=True)


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, or the beginning of it.")],
    why: Why = "",
    data: Data = None,
) -> None:
    """End a key for good; every replica obeys within two seconds."""
    from splitleaf.local.keys import KeyKeeper

    with KeyKeeper(data) as keeper:
        record = keeper.revoke(key_id, why)
        typer.echo(f"revoked: {_line(record)}")
        warn_if_idle(keeper)


def _line(record: KeyRecord) -> str:
    from splitleaf.core.clock import as_rfc3339

    def since(word: str, epoch_ms: int | None) -> str:
        return "" if epoch_ms is None else f", {word} {as_rfc3339(epoch_ms)}"

    times = since("made", record.created_ms) + since("ends", record.expires_ms) + since("revoked", record.revoked_ms)
    used = since("last used", record.last_used_ms) or ", never used"
    return f"{record.key_id}  {record.scope}  {record.name}{times}{used}"


def _shape(record: KeyRecord) -> dict[str, object]:
    from splitleaf.core.clock import as_rfc3339

    def time(epoch_ms: int | None) -> str | None:
        return None if epoch_ms is None else as_rfc3339(epoch_ms)

    return {
        "id": record.key_id,
        "name": record.name,
        "scope": record.scope.value,
        "created_by": record.created_by,
        "created_at": time(record.created_ms),
        "expires_at": time(record.expires_ms),
        "revoked_at": time(record.revoked_ms),
        "last_used_at": time(record.last_used_ms),
    }
