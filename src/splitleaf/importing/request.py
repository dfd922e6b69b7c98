"""What is asked of an import, and how its progress is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from splitleaf.importing.labels import StatedLabels
from splitleaf.importing.sandbox import Limits
from splitleaf.registry.drafts import PreprocessingDraft


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of an import; `done` of `total` where it can be counted."""

    step: str
    done: int = 0
    total: int = 0


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """One file (or SavedModel folder) to become one version."""

    source: Path
    version: str
    models_dir: Path
    labels: StatedLabels | None = None
    """From `--labels`; see `labels.parse_labels`."""
    preprocessing: PreprocessingDraft = field(default_factory=PreprocessingDraft)
    """From `--preprocessing`; see `preprocessing.parse_preprocessing`."""
    evaluate: Path | None = None
    """Folder of class folders."""
    golden: Path | None = None
    """Folder of images. Their pixels are kept in the artifact; without it, synthetic ones are."""
    calibrate: Path | None = None
    """Folder of class folders, other images than `evaluate`."""
    reference: Path | None = None
    """Folder of class folders, training's: what is familiar, and the baseline of drift."""
    replace: bool = False
    import_python: Path | None = None
    limits: Limits = field(default_factory=Limits)
