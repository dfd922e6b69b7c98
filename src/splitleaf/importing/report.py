"""What an import did and found: as data, as JSON, and as a page for a terminal."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from splitleaf.importing.calibration import CalibrationFit
from splitleaf.importing.parity import Parity
from splitleaf.importing.selection import TriedOrder, TriedPreprocessing, describe
from splitleaf.registry.manifest import Manifest
from splitleaf.registry.reports import REPORT_NAME

_ROWS = 14


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Everything about one import."""

    manifest: Manifest
    folder: Path
    layers: dict[str, int]
    parity: Parity
    labels_origin: str
    preprocessing_origin: str
    table: tuple[TriedPreprocessing, ...] = ()
    orders: tuple[TriedOrder, ...] = ()
    calibration: CalibrationFit | None = None
    refused_images: int = 0
    warnings: tuple[str, ...] = ()
    tools: dict[str, str] = field(default_factory=dict)
    isolation: dict[str, bool] = field(default_factory=dict)
    seconds: float = 0.0

    def as_json(self) -> str:
        """Return the report as it is kept next to the artifact."""
        return json.dumps(self.as_record(), indent=2) + "\n"

    def as_record(self) -> dict[str, Any]:
        """Return the report as JSON has it; without paths of this machine."""
        return {
            "manifest": self.manifest.model_dump(mode="json", by_alias=True),
            "layers": self.layers,
            "parity": asdict(self.parity),
            "labels_origin": self.labels_origin,
            "preprocessing_origin": self.preprocessing_origin,
            "preprocessings": [_row_as_dict(row) for row in self.table],
            "label_orders": [asdict(row) for row in self.orders],
            "calibration": asdict(self.calibration) if self.calibration else None,
            "refused_images": self.refused_images,
            "warnings": list(self.warnings),
            "tools": self.tools,
            "isolation": self.isolation,
            "seconds": round(self.seconds, 1),
        }


def render_report(report: ImportReport) -> RenderableType:
    """Return the whole report for a rich console."""
    parts: list[RenderableType] = [_render_facts(report)]
    if report.table:
        parts.append(render_preprocessings(report.table))
    if report.orders:
        parts.append(_render_orders(report.orders))
    parts.extend(Panel(Text(warning), title="check this", border_style="yellow") for warning in report.warnings)
    return Group(*parts)


def render_preprocessings(rows: tuple[TriedPreprocessing, ...]) -> Table:
    """Return the table of tried preprocessings, the chosen one first; fits into 80 columns."""
    padding = (0, 1, 0, 0)
    table = Table(title="Preprocessings tried", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=padding)
    for name in ("resize", "values", "colour"):
        table.add_column(name, no_wrap=True)
    for name in ("right", "95 %", "sure", "of"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for row in _shown(rows):
        table.add_row(
            str(row.preprocessing.resize),
            row.values,
            str(row.preprocessing.color),
            f"{row.accuracy:.3f}",
            f"{row.low:.2f}-{row.high:.2f}",
            f"{row.confidence:.2f}",
            str(row.images),
            _mark(row),
            style="bold green" if row.chosen else "",
        )
    if len(rows) > _ROWS:
        table.caption = f"{len(rows)} were tried; all are in {REPORT_NAME}"
    return table


def _shown(rows: tuple[TriedPreprocessing, ...]) -> list[TriedPreprocessing]:
    return [row for index, row in enumerate(rows) if index < _ROWS or row.declared]


def _mark(row: TriedPreprocessing) -> str:
    if row.chosen:
        return "confirmed" if row.declared else "chosen"
    return "declared" if row.declared else ""


def _render_orders(rows: tuple[TriedOrder, ...]) -> Table:
    table = Table(title="Label orders", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("source")
    table.add_column("right", justify="right")
    table.add_column("")
    for row in rows:
        table.add_row(
            row.origin, f"{row.accuracy:.3f}", "chosen" if row.chosen else "", style="bold green" if row.chosen else ""
        )
    return table


def _render_facts(report: ImportReport) -> RenderableType:
    manifest, parity = report.manifest, report.parity
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    spec = manifest.preprocessing
    grid.add_row("source", f"{manifest.source.file} ({manifest.source.format} {manifest.source.keras_version})")
    grid.add_row("network", f"{spec.height} x {spec.width} pixels -> {len(manifest.labels)} classes")
    grid.add_row("artifact", f"{manifest.artifact.size_bytes / 1e6:.1f} MB, SHA-256 {manifest.artifact.sha256[:16]}")
    grid.add_row(
        "parity",
        f"same top-1 on {parity.same_top_1} of {parity.images} images ({parity.real_pictures} real), "
        f"largest difference {parity.largest_difference:.1e}, against {parity.reference}",
    )
    grid.add_row("preprocessing", f"{describe(spec)} ({report.preprocessing_origin})")
    grid.add_row("labels", f"{', '.join(manifest.labels)} ({report.labels_origin})")
    if manifest.evaluation:
        found = manifest.evaluation
        interval = f"95 %: {found.accuracy_low:.3f}-{found.accuracy_high:.3f}"
        grid.add_row("accuracy", f"{found.accuracy:.3f} ({interval}) on {found.images} images of {found.dataset}")
        grid.add_row("latency", f"{found.latency_ms:.2f} ms an image on one thread")
    grid.add_row("auxiliary outputs", _describe_auxiliary(manifest))
    if report.calibration:
        fit = report.calibration
        errors = f"calibration error {fit.calibration_error_before:.3f} -> {fit.calibration_error_after:.3f}"
        grid.add_row("temperature", f"{fit.temperature:g} ({errors}, {fit.images} images)")
    return Panel(grid, title=f"{manifest.version} imported in {report.seconds:.0f} s", title_align="left")


def _describe_auxiliary(manifest: Manifest) -> str:
    offered = manifest.insight
    heat = "activation map" if offered and offered.map_output else "no activation map"
    if offered is None or manifest.decision.max_distance is None:
        return f"{heat}; no out-of-distribution score (no --reference)"
    based_on = f"{offered.features} features and the appearance" if offered.features else "the appearance alone"
    held = f", widened by {offered.held_images} held-out images" if offered.held_images else ""
    return (
        f"{heat}; out of distribution beyond {manifest.decision.max_distance:.1f} from {offered.reference_images} "
        f"images of {offered.reference}, by {based_on}{held}"
    )


def _row_as_dict(row: TriedPreprocessing) -> dict[str, Any]:
    return asdict(row) | {"preprocessing": row.preprocessing.model_dump(mode="json")}
