"""`splitleaf models import` and `quantize`: make versions, and show how far that is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from splitleaf.cli.options import AsJson, Repository, repository_dir

if TYPE_CHECKING:
    from splitleaf.importing.quantization import QuantizationReport
    from splitleaf.importing.report import ImportReport
    from splitleaf.importing.request import ImportRequest, ProgressCallback


def import_model_files(
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
    golden: Annotated[Path | None, typer.Option(help="Images to keep as golden ones.")] = None,
    calibrate: Annotated[
        Path | None, typer.Option(help="Class folders that training held back: temperature, what is familiar.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Folder of class folders of training: what is familiar, and what drift is measured from."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Import again what is imported already.")] = False,
    as_json: AsJson = False,
) -> None:
    """Turn model files into served versions, and verify that they match the originals."""
    from splitleaf.core.errors import ConfigurationError
    from splitleaf.importing.labels import parse_labels
    from splitleaf.importing.preprocessing import parse_preprocessing
    from splitleaf.importing.request import ImportRequest
    from splitleaf.settings import read_settings

    if (file is None) != (version is None):
        raise ConfigurationError("name both a file and --version, or neither to import all bare versions")
    if file is None and replace:
        raise ConfigurationError("--replace replaces one version: name its file and --version")
    request = ImportRequest(
        source=file or Path(),
        version=version or "",
        models_dir=repository_dir(models),
        labels=parse_labels(labels) if labels else None,
        preprocessing=parse_preprocessing(preprocessing),
        evaluate=evaluate,
        golden=golden,
        calibrate=calibrate,
        reference=reference,
        replace=replace,
        import_python=read_settings().import_python,
    )
    if file is None:
        _import_all_bare(request, as_json)
    else:
        _import_one(request, as_json)


def quantize(
    version: Annotated[str, typer.Argument(help="The version to make smaller and faster, for example v2.")],
    new_version: Annotated[str, typer.Option("--as", help="The new version's name, for example v2-int8.")],
    calibration: Annotated[Path, typer.Option(help="Folder of class folders of training.")],
    evaluate: Annotated[Path, typer.Option(help="Folder of class folders that no training saw: the gate.")],
    held: Annotated[
        Path | None, typer.Option(help="Folder of class folders that training held back: they count as familiar.")
    ] = None,
    largest_loss: Annotated[float, typer.Option(help="Accuracy that may be lost at most, as a share.")] = 0.01,
    models: Repository = None,
    as_json: AsJson = False,
) -> None:
    """Make an 8-bit version if its accuracy on labelled images allows it; report the cost and the benefit."""
    from splitleaf.importing.quantization import QuantizationRequest, quantize_version
    from splitleaf.settings import read_settings

    request = QuantizationRequest(
        version,
        new_version,
        repository_dir(models),
        calibration,
        evaluate,
        held,
        largest_loss,
        import_python=read_settings().import_python,
    )
    with _Progress() as progress:
        report = quantize_version(request, progress.of(new_version))
    if as_json:
        manifest = report.manifest.model_dump(mode="json", by_alias=True)
        typer.echo(json.dumps(asdict(report) | {"manifest": manifest}, indent=2))
    else:
        typer.echo(_sentences(report))


def _sentences(report: QuantizationReport) -> str:
    artifact = report.manifest.artifact
    return (
        f"{report.manifest.version}: right {report.accuracy:.4f} (before {report.accuracy_before:.4f}) "
        f"of {report.images}; same label on {report.same_top_1}, "
        f"largest difference of a probability {report.largest_difference:.3f}\n"
        f"{report.latency_ms:.2f} ms an image on one thread (before {report.latency_before_ms:.2f}), "
        f"{artifact.size_bytes / 1e6:.1f} MB (before {report.size_before_bytes / 1e6:.1f})"
    )


def _import_one(request: ImportRequest, as_json: bool) -> None:
    from splitleaf.importing.importer import import_model

    with _Progress() as progress:
        report = import_model(request, progress.of(request.version))
    if as_json:
        typer.echo(report.as_json().rstrip())
    else:
        _print_page(report)


def _import_all_bare(options: ImportRequest, as_json: bool) -> None:
    from splitleaf.core.errors import SplitleafError
    from splitleaf.importing.report import ImportReport
    from splitleaf.importing.unimported import import_unimported
    from splitleaf.installation.repository import require_repository

    require_repository(options.models_dir)
    with _Progress() as progress:
        outcomes = import_unimported(options.models_dir, options, progress.of)
    reports = {version: outcome for version, outcome in outcomes.items() if isinstance(outcome, ImportReport)}
    refusals = {version: outcome for version, outcome in outcomes.items() if isinstance(outcome, SplitleafError)}
    if as_json:
        typer.echo(json.dumps({version: report.as_record() for version, report in reports.items()}, indent=2))
    else:
        for report in reports.values():
            _print_page(report)
    for version, refusal in refusals.items():
        typer.echo(f"{version}: {refusal.detail} [{refusal.error_code}]", err=True)
    if not outcomes:
        typer.echo(f"nothing to import: no version in {options.models_dir} is a bare file", err=True)
    if refusals:
        raise typer.Exit(1)


def _print_page(report: ImportReport) -> None:
    from rich.console import Console

    from splitleaf.importing.report import render_report

    Console().print(render_report(report))


class _Progress:
    """Shows the current step of a version on a terminal."""

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
