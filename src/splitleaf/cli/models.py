"""`splitleaf models ...`: import, list, show, verify; aliases and their history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

if TYPE_CHECKING:
    from splitleaf.importing.request import ProgressCallback
    from splitleaf.processes.local import Operator
    from splitleaf.processes.store import LocalHand
    from splitleaf.registry.catalogue import VersionFolder

app = typer.Typer(name="models", help="The versions in the repository.", no_args_is_help=True, rich_markup_mode=None)

Repository = Annotated[Path | None, typer.Option("--models", help="The repository of versions.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Data = Annotated[Path | None, typer.Option("--data", help="The data folder, as given to `splitleaf up`.")]
Why = Annotated[str, typer.Option("--why", help="The reason; kept with the change.")]


def repository_dir(models: Path | None) -> Path:
    from splitleaf.settings import read_settings

    return models or read_settings().models_dir


def open_operator(models: Path | None, data: Path | None) -> Operator:
    from splitleaf.processes.local import Operator

    return Operator(repository_dir(models), data)


def warn_if_idle(operator: LocalHand) -> None:
    """Nothing is so puzzling as a change that lands in the database of another system."""
    if (folder := operator.idle_data_dir) is not None:
        typer.echo(f"note: nothing runs on {folder}; this holds when it is started (see --data)", err=True)


@app.command("import")
def import_command(
    file: Annotated[
        Path | None, typer.Argument(help="H5, .keras, .onnx, or a SavedModel folder; without it, all bare versions.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="The version's name, for example v3.")] = None,
    models: Repository = None,
    labels: Annotated[str | None, typer.Option(help="Labels in the order of the outputs: a file, or a,b,c.")] = None,
    preprocessing: Annotated[
        str, typer.Option(help="What training did: 1/255, tf, torch, caffe, raw; resize=pillow-nearest, ...")
    ] = "",
    evaluate: Annotated[Path | None, typer.Option(help="Folder of class folders, to measure on.")] = None,
    golden: Annotated[Path | None, typer.Option(help="Pictures to keep as golden ones.")] = None,
    calibrate: Annotated[
        Path | None, typer.Option(help="Folder of class folders, to fit the temperature on (not those of --evaluate).")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Folder of class folders of training: what is familiar, and what drift is measured from."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Import again what is imported already.")] = False,
    as_json: AsJson = False,
) -> None:
    """Turn Keras files into served versions, proved equal to the original."""
    from splitleaf.core.errors import ConfigurationError
    from splitleaf.importing.labels import parse_labels
    from splitleaf.importing.preprocessing import parse_preprocessing
    from splitleaf.importing.request import ImportRequest
    from splitleaf.settings import read_settings

    if (file is None) != (version is None):
        raise ConfigurationError("name both a file and --version, or neither to import all bare versions")
    settings = read_settings()
    request = ImportRequest(
        source=file or Path(),
        version=version or "",
        models_dir=models or settings.models_dir,
        labels=parse_labels(labels) if labels else None,
        preprocessing=parse_preprocessing(preprocessing),
        evaluate=evaluate,
        golden=golden,
        calibrate=calibrate,
        reference=reference,
        replace=replace,
        import_python=settings.import_python,
    )
    if file is None:
        _import_all(request, as_json)
    else:
        _import_one(request, as_json)


@app.command("quantize")
def quantize_command(
    version: Annotated[str, typer.Argument(help="The version to make smaller and faster, for example v2.")],
    new_version: Annotated[str, typer.Option("--as", help="The new version's name, for example v2-int8.")],
    calibration: Annotated[Path, typer.Option(help="Folder of class folders of training.")],
    evaluate: Annotated[Path, typer.Option(help="Folder of class folders that no training saw: the gate.")],
    largest_loss: Annotated[float, typer.Option(help="Accuracy that may be lost at most, as a share.")] = 0.01,
    models: Repository = None,
    as_json: AsJson = False,
) -> None:
    """Make a version in 8-bit integers, if the labelled pictures allow it; say what that costs and brings."""
    from dataclasses import asdict

    from splitleaf.importing.quantizing import QuantizationRequest, quantize_version
    from splitleaf.settings import read_settings

    settings = read_settings()
    place = models or settings.models_dir
    request = QuantizationRequest(
        version, new_version, place, calibration, evaluate, largest_loss, import_python=settings.import_python
    )
    with _Progress() as progress:
        report = quantize_version(request, progress.of(new_version))
    made = report.manifest
    if as_json:
        typer.echo(json.dumps(asdict(report) | {"manifest": made.model_dump(mode="json", by_alias=True)}, indent=2))
        return
    typer.echo(
        f"{new_version}: right {report.accuracy:.4f} (before {report.accuracy_before:.4f}) of {report.images}; "
        f"same label on {report.same_top_1}, largest difference of a probability {report.largest_difference:.3f}\n"
        f"{report.latency_ms:.2f} ms a picture on one thread (before {report.latency_before_ms:.2f}), "
        f"{made.artifact.size_bytes / 1e6:.1f} MB (before {report.size_before_bytes / 1e6:.1f})"
    )


@app.command("list")
def list_command(models: Repository = None, as_json: AsJson = False) -> None:
    """List the versions in the repository."""
    from splitleaf.processes.repository import require_repository
    from splitleaf.registry.catalogue import Catalogue

    place = repository_dir(models)
    require_repository(place)
    found = Catalogue(place).scan()
    if as_json:
        typer.echo(json.dumps([_record(one) for one in found], indent=2))
        return
    if not found:
        typer.echo(f"there is no version in {place}; see `splitleaf models import --help`", err=True)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names = ("Version", "State", "Input", "Accuracy", "ms/picture", "Size", "Digest")
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


@app.command("verify")
def verify_command(
    versions: Annotated[list[str] | None, typer.Argument(help="Versions; without any, all.")] = None,
    models: Repository = None,
    as_json: AsJson = False,
) -> None:
    """Check digests, load each version and let it answer its golden pictures. Exit status 1 when one fails."""
    from splitleaf.processes.local import verify

    place = repository_dir(models)
    results = verify(place, versions or [])
    if as_json:
        typer.echo(json.dumps([{"version": version, "problem": problem} for version, problem in results.items()]))
    else:
        for version, problem in results.items():
            typer.echo(f"{version}: {problem or 'ok'}")
        if not results:
            typer.echo(f"there is no imported version in {place}", err=True)
    if any(results.values()):
        raise typer.Exit(1)


@app.command("alias")
def alias_command(
    alias: Annotated[str, typer.Argument(help="For example champion.")],
    version: Annotated[str | None, typer.Argument(help="Where it shall point; without it, show where it does.")] = None,
    why: Why = "",
    rollback: Annotated[bool, typer.Option("--rollback", help="Point it at the version it named before.")] = False,
    models: Repository = None,
    data: Data = None,
) -> None:
    """Show, move or roll back an alias. A running system follows within a second."""
    if rollback and version is not None:
        raise typer.BadParameter("--rollback knows where to: leave the version out")
    with open_operator(models, data) as operator:
        if version is None and not rollback:
            typer.echo(f"{alias}: {operator.alias(alias)}")
            return
        change = operator.roll_back_alias(alias, why) if rollback else operator.move_alias(alias, version or "", why)
        typer.echo(f"{alias}: {change.previous or 'nothing'} -> {change.version}")
        warn_if_idle(operator)


@app.command("history")
def history_command(
    alias: Annotated[str, typer.Argument(help="The alias.")] = "champion",
    models: Repository = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show where an alias pointed when, who moved it and why; newest first."""
    from splitleaf.core.clock import as_rfc3339

    with open_operator(models, data) as operator:
        history = operator.alias_history(alias)
    if as_json:
        records = [
            {"version": c.version, "at": as_rfc3339(c.created_ms), "by": c.actor, "reason": c.reason} for c in history
        ]
        typer.echo(json.dumps(records))
        return
    for change in history:
        typer.echo(f"{as_rfc3339(change.created_ms)}  {change.version}  by {change.actor}  {change.reason}".rstrip())
    if not history:
        typer.echo(f"{alias} has never been moved; repository.toml names its version")


def _import_one(request: object, as_json: bool) -> None:
    from splitleaf.importing.importer import import_model
    from splitleaf.importing.request import ImportRequest

    assert isinstance(request, ImportRequest)
    with _Progress() as progress:
        report = import_model(request, progress.of(request.version))
    _print_report(report, as_json)


def _import_all(request: object, as_json: bool) -> None:
    from splitleaf.core.errors import SplitleafError
    from splitleaf.importing.bare import import_bare
    from splitleaf.importing.request import ImportRequest

    assert isinstance(request, ImportRequest)
    with _Progress() as progress:
        outcomes = import_bare(request.models_dir, request, progress.of)
    for version, outcome in outcomes.items():
        if isinstance(outcome, SplitleafError):
            typer.secho(f"{version}: {outcome.detail} [{outcome.error_code}]", err=True)
        else:
            _print_report(outcome, as_json)
    if not outcomes:
        typer.echo("nothing to import: every version is imported already")
    if any(isinstance(outcome, SplitleafError) for outcome in outcomes.values()):
        raise typer.Exit(1)


def _print_report(report: object, as_json: bool) -> None:
    from rich.console import Console

    from splitleaf.importing.report import ImportReport, render_report

    assert isinstance(report, ImportReport)
    if as_json:
        typer.echo(report.as_json().rstrip())
    else:
        Console().print(render_report(report))


class _Progress:
    """A line that says which step of which version is under way; nothing where nobody watches."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("Importing")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def of(self, version: str) -> ProgressCallback:
        from splitleaf.importing.request import Progress

        def tell(progress: Progress) -> None:
            count = f" {progress.done} of {progress.total}" if progress.total else ""
            self._progress.update(self._task, description=f"{version}: {progress.step}{count}")

        return tell


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
