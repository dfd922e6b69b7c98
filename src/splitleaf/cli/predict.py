"""`splitleaf predict`: files and folders, by a running server or by one version here."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from splitleaf.cli.pictures import Answer, collect_pictures


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def predict(
    paths: Annotated[list[Path], typer.Argument(help="Pictures, or folders that hold pictures.")],
    url: Annotated[str, typer.Option(help="A running Splitleaf.")] = "http://127.0.0.1:8000",
    version: Annotated[
        str | None, typer.Option(help="Compute with this version here, in place of asking a server.")
    ] = None,
    models: Annotated[Path | None, typer.Option(help="The repository of versions (with --version).")] = None,
    output: Annotated[Format, typer.Option("--format", "-f", help="How to print the answers.")] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
    labelled: Annotated[
        bool, typer.Option(help="The folder's name is the truth: print the accuracy at the end.")
    ] = False,
    unit: Annotated[str, typer.Option(help="Who asks: one unit is always answered alike.")] = "splitleaf-cli",
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Pictures under way at once.")] = 8,
) -> None:
    """Classify pictures and print the answers. Exit code 1 when any of them failed."""
    pictures = collect_pictures(paths)
    answers = _with_progress(pictures, url, version, models, unit, concurrency)
    _print(answers, Format.JSON if as_json else output)
    if labelled:
        _print_accuracy(answers)
    if any(answer.failed for answer in answers):
        raise typer.Exit(1)


def _with_progress(
    pictures: Sequence[Path], url: str, version: str | None, models: Path | None, unit: str, concurrency: int
) -> list[Answer]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("Classifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("pictures", total=len(pictures))

        def advance(_answer: Answer) -> None:
            progress.advance(task)

        if version is None:
            from splitleaf.cli.remote import ask_server

            return ask_server(url, pictures, unit=unit, concurrency=concurrency, on_answer=advance)
        return _ask_version(version, models, pictures, lambda: progress.advance(task))


def _ask_version(
    version: str, models: Path | None, pictures: Sequence[Path], on_done: Callable[[], None]
) -> list[Answer]:
    from splitleaf.cli.models import repository_dir
    from splitleaf.core.errors import SplitleafError
    from splitleaf.processes.local import classify_here

    answers = []
    for path, result in zip(pictures, classify_here(version, repository_dir(models), pictures, on_done), strict=True):
        if isinstance(result, SplitleafError):
            answers.append(Answer(path, error_code=result.error_code, error_detail=result.detail))
        else:
            best, confidence = result.best, round(result.best.confidence * 100, 2)
            answers.append(Answer(path, best.label, best.display_name, confidence, result.is_sure))
    return answers


def _print(answers: Sequence[Answer], output: Format) -> None:
    if output is Format.JSON:
        typer.echo(json.dumps([_record(answer) for answer in answers], indent=2))
    elif output is Format.CSV:
        writer = csv.DictWriter(sys.stdout, fieldnames=list(_record(Answer(Path()))))
        writer.writeheader()
        writer.writerows(_record(answer) for answer in answers)
    else:
        _print_table(answers)


def _record(answer: Answer) -> dict[str, object]:
    return {
        "file": str(answer.path),
        "label": answer.label,
        "display_name": answer.display_name,
        "confidence": answer.confidence,
        "is_sure": answer.is_sure,
        "error_code": answer.error_code,
        "error_detail": answer.error_detail,
    }


def _print_table(answers: Sequence[Answer]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("File", "Condition", header_style="bold", box=None, pad_edge=False)
    table.add_column("Confidence", justify="right")
    for answer in answers:
        if answer.failed:
            table.add_row(answer.path.name, f"[red]{answer.error_detail or answer.error_code}[/red]", "")
        else:
            doubt = "" if answer.is_sure else " [yellow](not sure)[/yellow]"
            table.add_row(answer.path.name, answer.display_name + doubt, f"{answer.confidence:.2f} %")
    Console().print(table)


def _print_accuracy(answers: Sequence[Answer]) -> None:
    right = sum(answer.label == answer.truth for answer in answers)
    typer.echo(f"{right} of {len(answers)} right: {right / len(answers):.4f}", err=True)
