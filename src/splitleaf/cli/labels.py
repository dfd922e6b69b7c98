"""`splitleaf labels ...`: imports and exports labels."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from splitleaf.cli.options import AsJson, Data, Repository, open_installation, warn_if_idle

if TYPE_CHECKING:
    from splitleaf.flows.import_labels import LabelImport

MOST_TOLD: Final = 20


class Winner(StrEnum):
    IMPORT = "import"
    EXPERT = "expert"
    NONE = "none"


app = typer.Typer(name="labels", help="Import and export labels.", no_args_is_help=True, rich_markup_mode=None)


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="CSV with the columns prediction_id, label and, if wanted, author.")],
    author: Annotated[str, typer.Option(help="Author of labels without one; by default this user.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report errors and import nothing.")] = False,
    prefer: Annotated[
        Winner,
        typer.Option(help="Which label wins if a line contradicts an existing one; none: both stay until you decide."),
    ] = Winner.NONE,
    models: Repository = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Import all labels of a file or, if a line is invalid, none."""
    from splitleaf.flows.import_labels import import_labels

    text = _read(file)
    with open_installation(models, data) as here:
        done = import_labels(
            here.store,
            text,
            author=author or here.actor,
            known_labels=here.labels,
            clock=here.clock,
            dry_run=dry_run,
            prefer=prefer.value,
        )
        if as_json:
            from splitleaf.api.admin.review_schemas import LabelImportSchema

            typer.echo(json.dumps(LabelImportSchema.of(done).model_dump(mode="json"), ensure_ascii=False))
        else:
            for fault in done.faults:
                typer.echo(f"line {fault.line}: {fault.message}")
            what = "would be imported" if dry_run else "imported"
            typer.echo(f"{done.imported} of {done.lines} labels {what}, {done.unchanged} exist already")
            _echo_conflicts(done, prefer)
        warn_if_idle(here)
    if done.faults:
        raise typer.Exit(1)


def _echo_conflicts(done: LabelImport, prefer: Winner) -> None:
    for one in done.conflicts[:MOST_TOLD]:
        typer.echo(f"line {one.line}: {one.label} contradicts {one.current} of {one.author}")
    if count := len(done.conflicts):
        told = {
            Winner.NONE: "wait for a decision: see `splitleaf review disputes`, or use --prefer",
            Winner.IMPORT: "are settled in favor of the file",
            Winner.EXPERT: "are settled in favor of the existing labels",
        }
        typer.echo(f"{count} labels contradict existing ones; they {told[prefer]}")


@app.command("export", short_help="Export labels as CSV.")
def export(
    experiment: Annotated[
        str | None,
        typer.Option(help="The experiment's key; empty: images without an experiment; by default all labels."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The file; by default stdout.")] = None,
    models: Repository = None,
    data: Data = None,
) -> None:
    """Export the labels that count as CSV: those of experts, audits and imports."""
    from splitleaf.flows.import_labels import export_labels
    from splitleaf.flows.run_experiment import require_known

    with open_installation(models, data) as here:
        require_known(here.store, experiment or "")
        lines = export_labels(here.store, experiment)
        if output is None:
            for line in lines:
                typer.echo(line, nl=False)
            return
        with output.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)


def _read(file: Path) -> str:
    from splitleaf.core.errors import NotFound

    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise NotFound(f"{file} cannot be read: {reason}", code="file_unreadable") from error
