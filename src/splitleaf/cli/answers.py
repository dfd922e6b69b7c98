"""Prints answers as a table, CSV or JSON to stdout, and a summary to stderr."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import typer

from splitleaf.cli.images import Answer

_COLUMNS = ("file", *(field.name for field in fields(Answer) if field.name != "path"))
_WIDE_ENOUGH = 10_000


def print_answers(answers: Sequence[Answer], output: str) -> None:
    """Print to stdout. `output`: `table`, `csv` or `json`."""
    if output == "json":
        typer.echo(json.dumps([_record(answer) for answer in answers], indent=2, ensure_ascii=False))
    elif output == "csv":
        writer = csv.DictWriter(sys.stdout, fieldnames=_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in _record(answer).items()} for answer in answers)
    else:
        _print_table(answers)


def print_summary(answers: Sequence[Answer], asked: int, *, labelled: bool) -> None:
    """Print failures, an interruption and the accuracy to stderr."""
    failed = sum(answer.failed for answer in answers)
    if len(answers) < asked:
        typer.echo(f"interrupted after {len(answers)} of {asked} images", err=True)
    if failed:
        typer.echo(f"{failed} of {asked} images could not be classified", err=True)
    if labelled and answers:
        right = sum(answer.label == answer.truth for answer in answers)
        typer.echo(f"{right} of {len(answers)} correct: accuracy {right / len(answers):.4f}", err=True)


def write_truth(answers: Sequence[Answer], file: Path) -> None:
    """Write the folders' names as labels of the predictions, in the format of `splitleaf labels import`."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("prediction_id", "label"))
        writer.writerows((one.prediction_id, one.truth) for one in answers if one.prediction_id)


def _record(answer: Answer) -> dict[str, object]:
    return {name: str(answer.path) if name == "file" else getattr(answer, name) for name in _COLUMNS}


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _print_table(answers: Sequence[Answer]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("File", "Condition", header_style="bold", box=None, pad_edge=False)
    table.add_column("Confidence", justify="right", no_wrap=True)
    for answer in answers:
        # Text, not markup: a file name can contain markup.
        name = Text(str(answer.path), overflow="fold")
        if answer.failed:
            table.add_row(name, Text(answer.error_detail or answer.error_code or "", "red"), "")
            continue
        condition = Text(answer.display_name or "")
        if not answer.is_sure:
            condition.append(" (not sure)", "yellow")
        table.add_row(name, condition, f"{answer.confidence:.2f} %")
    # A file or a pipe has no width: each image is one line.
    Console(width=None if sys.stdout.isatty() else _WIDE_ENOUGH).print(table)
