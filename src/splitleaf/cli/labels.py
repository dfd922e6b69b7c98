"""`splitleaf labels ...`: what is true of images, from and to files."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from splitleaf.cli.options import AsJson, Data, Repository, repository_dir, warn_if_idle

if TYPE_CHECKING:
    from splitleaf.flows.import_labels import LabelImport
    from splitleaf.local.reviewer import Reviewer

MOST_TOLD: Final = 20


class Winner(StrEnum):
    IMPORT = "import"
    EXPERT = "expert"
    NONE = "none"


app = typer.Typer(name="labels", help="Labels from and to files.", no_args_is_help=True, rich_markup_mode=None)


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="CSV with the columns prediction_id, label and, if wanted, author.")],
    author: Annotated[str, typer.Option(help="Whose labels those are that name nobody; this user's.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is wrong and import nothing.")] = False,
    prefer: Annotated[
        Winner, typer.Option(help="Who wins where a line contradicts what somebody said; none: they wait.")
    ] = Winner.NONE,
    models: Repository = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Import all labels of a file or, when one line is wrong, none."""
    text = _read(file)
    with open_reviewer(models, data) as reviewer:
        done = reviewer.import_labels(text, author, prefer.value, dry_run=dry_run)
        if as_json:
            from splitleaf.api.admin.review_schemas import LabelImportShape

            typer.echo(json.dumps(LabelImportShape.of(done).model_dump(mode="json"), ensure_ascii=False))
        else:
            for fault in done.faults:
                typer.echo(f"line {fault.line}: {fault.message}")
            what = "would be imported" if dry_run else "imported"
            typer.echo(f"{done.imported} of {done.lines} labels {what}, {done.unchanged} are there already")
            _echo_conflicts(done, prefer)
        warn_if_idle(reviewer)
    if done.faults:
        raise typer.Exit(1)


def _echo_conflicts(done: LabelImport, prefer: Winner) -> None:
    for one in done.conflicts[:MOST_TOLD]:
        typer.echo(f"line {one.line}: {one.label} contradicts {one.standing} of {one.author}")
    if count := len(done.conflicts):
        told = {
            Winner.NONE: "wait for a decision: `splitleaf review disputes`, or --prefer",
            Winner.IMPORT: "are decided for the file",
            Winner.EXPERT: "are decided for what stood",
        }
        typer.echo(f"{count} labels contradict what others said; they {told[prefer]}")


@app.command("export", short_help="Write the labels that count as CSV.")
def export(
    experiment: Annotated[
        str | None, typer.Option(help="Its key, or an empty one for images of no experiment; all labels.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="A file; the terminal or pipe unless given.")] = None,
    models: Repository = None,
    data: Data = None,
) -> None:
    """Write the labels that count as CSV: of experts, audits and imports."""
    with open_reviewer(models, data) as reviewer:
        lines = reviewer.export_labels(experiment)
        if output is None:
            for line in lines:
                typer.echo(line, nl=False)
            return
        with output.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)


def open_reviewer(models: Path | None, data: Path | None) -> Reviewer:
    from splitleaf.local.reviewer import Reviewer

    return Reviewer(repository_dir(models), data)


def _read(file: Path) -> str:
    from splitleaf.core.errors import NotFound

    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise NotFound(f"{file} cannot be read: {reason}", code="file_unreadable") from error
