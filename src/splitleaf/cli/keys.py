"""`splitleaf keys ...`: keys of the admin API."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from splitleaf.cli.options import AsJson, Data, Why, open_services, print_records, warn_if_idle
from splitleaf.core.access import Scope

if TYPE_CHECKING:
    from splitleaf.outcomes.keys import KeyRecord

DAY_MS: Final = 86_400_000

app = typer.Typer(
    name="keys", help="Create, list and revoke keys of the admin API.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="The owner or the purpose of the key.")],
    scope: Annotated[Scope, typer.Option(help="What it permits; each scope includes those before it.")] = Scope.READ,
    days: Annotated[
        float | None,
        typer.Option(min=0.001, help="Days until it expires; without it, the key is valid until you revoke it."),
    ] = None,
    why: Why = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it. It is not stored: this is the only time that it is shown."""
    from splitleaf.flows.manage_keys import create_key

    if not 1 <= len(name) <= 100:
        raise typer.BadParameter("the name must have 1 to 100 characters")
    with open_services(data) as here:
        expires_ms = None if days is None else here.clock.now_ms() + round(days * DAY_MS)
        key, record = create_key(here.store, name, scope, expires_ms, here.change(why), here.clock)
        if as_json:
            typer.echo(json.dumps({"key": key, **_shape(record)}, ensure_ascii=False))
            return
        typer.echo(key)
        typer.echo(f"{_line(record)}\nstore it now: it is not shown again", err=True)
        warn_if_idle(here)


@app.command("list", short_help="List the keys of this installation.")
def list_command(
    every: Annotated[bool, typer.Option("--all", help="Include revoked and expired keys.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List the keys of this installation, newest first, without those of the settings."""
    with open_services(data) as here:
        now_ms = here.clock.now_ms()
        records = [one for one in here.store.api_keys() if every or one.is_in_force(now_ms)]
    print_records(records, as_json, shape=_shape, line=_line, empty="there are no keys", err=True)


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, or its beginning.")],
    why: Why = "",
    data: Data = None,
) -> None:
    """Revoke a key permanently. All replicas follow within two seconds."""
    from splitleaf.flows.manage_keys import revoke_key

    with open_services(data) as here:
        record = _find(here.store.api_keys(), key_id)
        revoke_key(here.store, record.key_id, here.change(why), here.clock)
        typer.echo(f"revoked: {_line(record)}")
        warn_if_idle(here)


def _find(records: Sequence[KeyRecord], beginning: str) -> KeyRecord:
    """Return the key whose id begins like this. Raises `NotFound` unless there is exactly one."""
    from splitleaf.core.errors import NotFound

    found = [one for one in records if beginning and one.key_id.startswith(beginning)]
    if len(found) != 1:
        said = f"{len(found)} keys have an id that begins with" if found else "no key has the id"
        raise NotFound(f"{said} {beginning!r}; see `splitleaf keys list`", code="key_not_found")
    return found[0]


def _line(record: KeyRecord) -> str:
    from splitleaf.core.clock import as_rfc3339

    def since(word: str, epoch_ms: int | None) -> str:
        return "" if epoch_ms is None else f", {word} {as_rfc3339(epoch_ms)}"

    times = (
        since("created", record.created_ms) + since("expires", record.expires_ms) + since("revoked", record.revoked_ms)
    )
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
