"""`splitleaf predict`: classifies files and folders, with a running server or with a version in this process."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitleaf.cli.images import Answer, collect_images

if TYPE_CHECKING:
    from splitleaf.core.errors import SplitleafError
    from splitleaf.core.prediction import Classification

EXIT_INTERRUPTED = 130


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def predict(
    paths: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    url: Annotated[str, typer.Option(help="URL of a running Splitleaf.")] = "http://127.0.0.1:8000",
    version: Annotated[
        str | None, typer.Option(help="Classify with this version in this process, without a server.")
    ] = None,
    models: Annotated[Path | None, typer.Option(help="The repository of versions (with --version).")] = None,
    output: Annotated[Format, typer.Option("--format", "-f", help="How to print the answers.")] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
    labelled: Annotated[
        bool, typer.Option("--labelled", help="The folder's name is the true label: print the accuracy at the end.")
    ] = False,
    truth: Annotated[
        Path | None, typer.Option(help="With --labelled: write the folders' names as labels, for `labels import`.")
    ] = None,
    unit: Annotated[
        str, typer.Option(help="The unit that sends the images; an experiment assigns each unit to one variant.")
    ] = "splitleaf-cli",
    units: Annotated[bool, typer.Option("--units", help="Send each image as a separate unit.")] = False,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Images in flight at once.")] = 8,
) -> None:
    """Classify images and print the answers.

    An image that fails does not stop the others: it is printed with the reason, and the exit status is 1.
    """
    from splitleaf.cli.answers import print_answers, print_summary, write_truth

    if truth is not None and (not labelled or version is not None):
        raise typer.BadParameter("use it with --labelled and a server, without --version", param_hint="--truth")
    images = collect_images(paths)
    answers: dict[Path, Answer] = {}

    def ask(on_answer: Callable[[Answer], None]) -> None:
        if version is not None:
            _ask_version(version, models, images, on_answer)
            return
        from splitleaf.cli.remote import ask_server

        ask_server(url, images, unit=_unit_of(unit, each=units), concurrency=concurrency, on_answer=on_answer)

    finished = _with_progress(ask, answers, len(images))
    ordered = [answers[path] for path in images if path in answers]
    print_answers(ordered, Format.JSON if as_json else output)
    print_summary(ordered, len(images), labelled=labelled)
    if truth is not None:
        write_truth(ordered, truth)
    if not finished:
        raise typer.Exit(EXIT_INTERRUPTED)
    if any(answer.failed for answer in ordered):
        raise typer.Exit(1)


def _unit_of(unit: str, *, each: bool) -> Callable[[Path], str]:
    """Return the unit of an image. The name of a unit is limited to a few characters, so it is a digest of the path."""
    if not each:
        return lambda _path: unit
    return lambda path: f"{unit}-{hashlib.blake2b(str(path).encode(), digest_size=8).hexdigest()}"


def _with_progress(ask: Callable[[Callable[[Answer], None]], None], answers: dict[Path, Answer], total: int) -> bool:
    """Fill `answers` and show the progress on stderr. Return False after Ctrl-C."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("Classifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("images", total=total)

        def keep(answer: Answer) -> None:
            answers[answer.path] = answer
            progress.advance(task)

        try:
            ask(keep)
        except KeyboardInterrupt:
            return False
    return True


def _ask_version(
    version: str, models: Path | None, images: Sequence[Path], on_answer: Callable[[Answer], None]
) -> None:
    from splitleaf.cli.options import repository_dir
    from splitleaf.local.classification import classify_here

    for path, result in classify_here(version, repository_dir(models), images):
        on_answer(_read(path, result))


def _read(path: Path, result: Classification | SplitleafError) -> Answer:
    from splitleaf.core.errors import SplitleafError

    if isinstance(result, SplitleafError):
        return Answer(path, error_code=result.error_code, error_detail=result.detail)
    confidence = round(result.best.confidence * 100, 2)
    return Answer(path, result.best.label, result.best.display_name, confidence, result.is_sure)
