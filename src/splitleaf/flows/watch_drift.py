"""What a version has seen lately -> is it still what its reference images were?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Final

import structlog

from splitleaf.analysis.baseline import Baseline, read_baseline
from splitleaf.analysis.windows import MeasureDrift, judge_window
from splitleaf.core.arrays import read_arrays
from splitleaf.core.errors import Conflict, InvalidArtifact
from splitleaf.core.measures import MEASURES
from splitleaf.experiments.routing import Routing
from splitleaf.outcomes.events import Sighting
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.registry.catalogue import VersionFolder
from splitleaf.registry.manifest import Manifest

log = structlog.get_logger(__name__)

WINDOW: Final = 500
"""Images: the index of ten bins is noise in much fewer."""
CONFIDENCE: Final = "confidence"
NEWEST: Final = 4
"""Windows that are looked at where only a lasting drift matters."""


@dataclass(frozen=True, slots=True)
class DriftWindow:
    """So many images in the order of recording, judged once."""

    number: int
    """Counted from 1, the version's first window."""
    first_ms: int
    last_ms: int
    drifts: tuple[MeasureDrift, ...]

    @property
    def is_alarm(self) -> bool:
        return any(one.is_drift for one in self.drifts)


@dataclass(frozen=True, slots=True)
class DriftReport:
    """A version's newest full windows, oldest first."""

    version: str
    digest: str
    reference: str
    reference_images: int
    window: int
    images: int
    """Images that carry measures, those of the window that is not full yet included."""
    windows: tuple[DriftWindow, ...]

    @property
    def is_alarm(self) -> bool:
        """Whether the newest full window is one."""
        return bool(self.windows) and self.windows[-1].is_alarm

    @property
    def alarms_in_a_row(self) -> int:
        """How many of these windows, from the newest back to the first calm one, are alarms."""
        return sum(1 for _ in takewhile(lambda one: one.is_alarm, reversed(self.windows)))


def watch_drift(
    store: OutcomeStore, folder: Path, manifest: Manifest, *, window: int = WINDOW, windows: int = 12
) -> DriftReport:
    """Judge the newest full windows of an artifact. Blocks; call it off the event loop.

    Windows are counted from the artifact's first image, so that each is judged on the same images whenever it is
    looked at. Raises `Conflict` (`no_baseline`) for a version without reference images, `InvalidArtifact` for one
    whose file cannot be read.
    """
    insight = manifest.insight
    baseline = (
        _read(folder / insight.file, insight.sha256) if insight is not None and insight.reference_images else None
    )
    if baseline is None or insight is None:
        raise Conflict(
            f"{manifest.version} was imported without --reference: nothing says what is usual", code="no_baseline"
        )
    images = store.count_sightings(manifest.digest)
    begun = images % window
    sightings = store.newest_sightings(manifest.digest, windows * window + begun)
    full = sightings[: len(sightings) - begun]
    first = images // window - len(full) // window + 1
    judged = tuple(
        _judge(baseline, full[start : start + window], first + start // window)
        for start in range(0, len(full) - window + 1, window)
    )
    return DriftReport(
        manifest.version, manifest.digest, insight.reference, insight.reference_images, window, images, judged
    )


def watch_answering(store: OutcomeStore, folders: Iterable[VersionFolder], routing: Routing) -> Sequence[DriftReport]:
    """Judge the `NEWEST` windows of each version that answers currently; those that cannot be judged are left out.

    Blocks; call it off the event loop. Raises `DependencyDown`.
    """
    answering = {routing.champion, *routing.versions}
    reports = []
    for one in folders:
        if one.manifest is None or one.version not in answering:
            continue
        try:
            reports.append(watch_drift(store, one.folder, one.manifest, windows=NEWEST))
        except Conflict:
            log.debug("no_baseline", version=one.version)
        except InvalidArtifact as error:
            log.warning("drift_not_judged", version=one.version, detail=error.detail)
    return reports


def _judge(baseline: Baseline, sightings: Sequence[Sighting], number: int) -> DriftWindow:
    rows = [json.loads(one.measures) for one in sightings]
    measures = {name: [row[place] for row in rows if place < len(row)] for place, name in enumerate(MEASURES)}
    measures[CONFIDENCE] = [one.confidence for one in sightings]
    drifts = judge_window(baseline, measures, [one.label for one in sightings])
    return DriftWindow(number, sightings[0].created_ms, sightings[-1].created_ms, drifts)


@lru_cache(maxsize=16)
def _read(path: Path, sha256: str) -> Baseline | None:  # noqa: ARG001 - another file is another entry
    try:
        return read_baseline(read_arrays(path))
    except (OSError, ValueError, KeyError) as error:
        raise InvalidArtifact(f"{path.name} of {path.parent.parent.name} cannot be read") from error
