"""`splitleaf models ...`: import, quantize, list, show, verify; aliases and their history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from splitleaf.cli.importing import import_model_files, quantize
from splitleaf.cli.options import (
    AsJson,
    Data,
    Repository,
    Why,
    open_installation,
    print_records,
    repository_dir,
    warn_if_idle,
)

if TYPE_CHECKING:
    from splitleaf.registry.catalogue import VersionFolder

app = typer.Typer(name="models", help="Versions in the repository.", no_args_is_help=True, rich_markup_mode=None)
app.command("import", short_help="Turn Keras files into served versions.")(import_model_files)
app.command("quantize", short_help="Make an 8-bit version of a version.")(quantize)


@app.command("list")
def list_command(models: Repository = None, as_json: AsJson = False) -> None:
    """List the versions in the repository."""
    from splitleaf.installation.repository import require_repository
    from splitleaf.registry.catalogue import Catalogue

    place = repository_dir(models)
    require_repository(place)
    found = Catalogue(place).scan()
    if as_json:
        typer.echo(json.dumps([_record(one) for one in found], indent=2))
        return
    if not found:
        typer.echo(f"there are no versions in {place}; see `splitleaf models import --help`", err=True)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names = ("Version", "State", "Input", "Accuracy", "ms/image", "Size", "Digest")
    table = Table(*names, box=None, header_style="bold", pad_edge=False)
    for one in found:
        table.add_row(*(Text(cell) for cell in _row(one)))
    console = Console()
    console.print(table)
    for one in found:
        if one.problem:
            console.print(Text(f"{one.version}: {one.problem}", "red"))


@app.command("show")
def show_command(
    version: Annotated[str, typer.Argument(help="For example v1.")], models: Repository = None, as_json: AsJson = False
) -> None:
    """Show a version's manifest."""
    from splitleaf.registry.catalogue import Catalogue

    found = Catalogue(repository_dir(models)).find(version)
    if as_json:
        typer.echo(json.dumps(_record(found), indent=2))
    elif found.manifest is None:
        typer.echo(f"{version}: {found.problem or 'not imported yet; run `splitleaf models import`'}")
    else:
        typer.echo((found.folder / "model.toml").read_text(encoding="utf-8").rstrip())


@app.command("verify", short_help="Check digests and golden images of versions.")
def verify_command(
    versions: Annotated[list[str] | None, typer.Argument(help="Versions; by default all.")] = None,
    models: Repository = None,
    as_json: AsJson = False,
) -> None:
    """Check digests, load each version and classify its golden images. The exit status is 1 if a version fails."""
    from splitleaf.installation.verification import verify

    place = repository_dir(models)
    results = verify(place, versions or [])
    if as_json:
        typer.echo(json.dumps([{"version": version, "problem": problem} for version, problem in results.items()]))
    else:
        for version, problem in results.items():
            typer.echo(f"{version}: {problem or 'ok'}")
        if not results:
            typer.echo(f"there are no imported versions in {place}", err=True)
    if any(results.values()):
        raise typer.Exit(1)


@app.command("alias")
def alias_command(
    alias: Annotated[str, typer.Argument(help="For example champion.")],
    version: Annotated[
        str | None, typer.Argument(help="The version to point it at; without it, the command shows the current one.")
    ] = None,
    why: Why = "",
    rollback: Annotated[bool, typer.Option("--rollback", help="Point it at its earlier version.")] = False,
    models: Repository = None,
    data: Data = None,
) -> None:
    """Show, move or roll back an alias. A running system follows within a second."""
    from splitleaf.local.routing import find_alias, move_alias, roll_back_alias

    if rollback and version is not None:
        raise typer.BadParameter("--rollback returns to the earlier version: leave the version out")
    with open_installation(models, data) as here:
        if version is None and not rollback:
            typer.echo(f"{alias}: {find_alias(here, alias)}")
            return
        change = roll_back_alias(here, alias, why) if rollback else move_alias(here, alias, version or "", why)
        typer.echo(f"{alias}: {change.previous or 'nothing'} -> {change.version}")
        warn_if_idle(here)


@app.command("history", short_help="Show the history of an alias.")
def history_command(
    alias: Annotated[str, typer.Argument(help="The alias.")] = "champion",
    models: Repository = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show the versions of an alias over time, who changed it and why; newest first."""
    from splitleaf.core.clock import as_rfc3339

    with open_installation(models, data) as here:
        history = here.store.alias_history(alias)
    print_records(
        history,
        as_json,
        shape=lambda one: {
            "version": one.version,
            "at": as_rfc3339(one.created_ms),
            "by": one.actor,
            "reason": one.reason,
        },
        line=lambda one: f"{as_rfc3339(one.created_ms)}  {one.version}  by {one.actor}  {one.reason}".rstrip(),
        empty=f"{alias} has never been moved; repository.toml names its version",
    )


def _record(one: VersionFolder) -> dict[str, object]:
    manifest = one.manifest.model_dump(mode="json", by_alias=True) if one.manifest else None
    return {"version": one.version, "state": one.state, "problem": one.problem, "manifest": manifest}


def _row(one: VersionFolder) -> tuple[str, ...]:
    manifest = one.manifest
    if manifest is None:
        return (one.version, one.state, "", "", "", "", "")
    size, evaluation = manifest.preprocessing, manifest.evaluation
    accuracy = f"{evaluation.accuracy:.4f} ({evaluation.images})" if evaluation else "not measured"
    latency = f"{evaluation.latency_ms:.2f}" if evaluation else ""
    megabytes = f"{manifest.artifact.size_bytes / 1e6:.2f} MB"
    return (one.version, one.state, f"{size.height}x{size.width}", accuracy, latency, megabytes, manifest.digest[:12])
