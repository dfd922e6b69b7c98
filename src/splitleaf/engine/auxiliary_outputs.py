"""Auxiliary outputs: the out-of-distribution score, the class activation map, and the measures for drift detection.

They are computed from further outputs of the same run of the network. All of them are optional.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.arrays import read_arrays
from splitleaf.core.errors import EngineFailed, InvalidArtifact
from splitleaf.engine.activation_map import ActivationMaps, MapAxis
from splitleaf.engine.out_of_distribution import OutOfDistributionDetector, as_vectors
from splitleaf.registry.manifest import AuxiliaryTable, Manifest

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AuxiliaryResult:
    """The fields of `Classification` with these names, for one image."""

    is_familiar: bool = True
    heat: bytes = b""
    measures: tuple[float, ...] = ()


class AuxiliaryOutputs:
    """Interprets the further outputs of one version's network."""

    def __init__(self, manifest: Manifest, detector: OutOfDistributionDetector | None, weights: Floats | None) -> None:
        table = manifest.insight
        assert table is not None
        self.outputs = tuple(name for name in (table.features_output, table.map_output) if name)
        """Names of the outputs to fetch in addition to the scores, in this order."""
        self._features = table.features if table.features_output else 0
        self._map_shape = table.map_shape
        self._channels_first = table.map_layout == "nchw"
        self._detector = detector
        axes = _axes(table)
        self._maps = ActivationMaps(weights, axes) if weights is not None and axes else None

    @property
    def measures_appearance(self) -> bool:
        return self._detector is not None

    def interpret(
        self, extras: Sequence[Floats], appearance: Floats | None, labels: NDArray[np.int64]
    ) -> Sequence[AuxiliaryResult]:
        """Return a result for each image.

        `extras` are the arrays of `outputs`, `appearance` is (n, 7) where `measures_appearance`, `labels` the index of
        each best label. Raises `EngineFailed` for arrays whose shapes differ from the manifest.
        """
        count, wanted = len(labels), iter(extras)
        features = self._checked(next(wanted), (count, self._features)) if self._features else None
        maps = self._draw(next(wanted), labels) if self._maps else [b""] * count
        if self._detector is None or appearance is None:
            return [AuxiliaryResult(heat=heat) for heat in maps]
        novelty, sketch = self._detector.score(as_vectors(features, appearance))
        rows = zip(appearance.tolist(), novelty.tolist(), sketch.tolist(), maps, strict=True)
        return [AuxiliaryResult(novel <= 1, heat, (*looks, novel, *lines)) for looks, novel, lines, heat in rows]

    def _draw(self, activations: Floats, labels: NDArray[np.int64]) -> list[bytes]:
        assert self._maps is not None
        assert self._map_shape is not None
        shape = (self._features, *self._map_shape) if self._channels_first else (*self._map_shape, self._features)
        found = self._checked(activations, (len(labels), *shape))
        if not self._channels_first:
            found = np.moveaxis(found, 3, 1)
        return self._maps.draw(found.reshape(len(labels), self._features, -1), labels)

    @staticmethod
    def _checked(array: Floats, shape: tuple[int, ...]) -> Floats:
        if array.shape != shape:
            raise EngineFailed(f"an auxiliary output of the network has the shape {array.shape}, not {shape}")
        return array


def read_auxiliary_outputs(manifest: Manifest, folder: Path) -> AuxiliaryOutputs | None:
    """Read the arrays that import wrote into `folder`; None if there are none. Raises `InvalidArtifact`."""
    if manifest.insight is None:
        return None
    try:
        arrays = read_arrays(folder / manifest.insight.file)
        return AuxiliaryOutputs(manifest, _detector(arrays, manifest), arrays.get("head_weights"))
    except (OSError, ValueError, KeyError) as error:
        raise InvalidArtifact(f"{manifest.version}: {manifest.insight.file} cannot be read") from error


def _axes(table: AuxiliaryTable) -> tuple[MapAxis, MapAxis] | None:
    """Return the feature map's rows and columns; without known receptive fields, its places divide the image evenly."""
    if table.map_shape is None:
        return None
    rows, columns = table.map_shape
    origins, pitches = (0.5 / rows, 0.5 / columns), (1 / rows, 1 / columns)
    if table.map_origin and table.map_pitch:
        origins, pitches = table.map_origin, table.map_pitch
    return MapAxis(rows, origins[0], pitches[0]), MapAxis(columns, origins[1], pitches[1])


def _detector(arrays: Any, manifest: Manifest) -> OutOfDistributionDetector | None:
    limit = manifest.decision.max_distance
    if limit is None or "rule_weights" not in arrays:
        return None
    return OutOfDistributionDetector(
        arrays["rule_weights"], arrays["rule_offsets"], int(arrays["rule_sketched"]), limit
    )
