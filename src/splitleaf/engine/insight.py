"""What a version can say beyond its scores: is the image familiar, where is the evidence, what is there to compare.

Computed from outputs of the same run of the network. All of it is optional: a version without it answers as ever.
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
from splitleaf.engine.familiarity import Familiarity, as_vectors
from splitleaf.engine.heat import HeatMaps, MapSide
from splitleaf.registry.manifest import Insight as Table
from splitleaf.registry.manifest import Manifest

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Remark:
    """What is said of one image; the fields of `Classification` with these names."""

    is_familiar: bool = True
    heat: bytes = b""
    measures: tuple[float, ...] = ()


class Insight:
    """A version's further outputs, and what is made of them."""

    def __init__(self, manifest: Manifest, familiarity: Familiarity | None, weights: Floats | None) -> None:
        table = manifest.insight
        assert table is not None
        self.outputs = tuple(name for name in (table.features_output, table.map_output) if name)
        """The network's outputs that are wanted beside the scores, in this order."""
        self._features = table.features if table.features_output else 0
        self._map_shape = table.map_shape
        self._channels_first = table.map_layout == "nchw"
        self._familiarity = familiarity
        sides = _sides(table)
        self._maps = HeatMaps(weights, sides) if weights is not None and sides else None

    @property
    def measures_appearance(self) -> bool:
        return self._familiarity is not None

    def remark(
        self, extras: Sequence[Floats], appearance: Floats | None, labels: NDArray[np.int64]
    ) -> Sequence[Remark]:
        """Return a remark for each image.

        `extras` are the arrays of `outputs`, `appearance` is (n, 7) where `measures_appearance`, `labels` the index of
        each best label. Raises `EngineFailed` for arrays of other shapes than the manifest says.
        """
        count, wanted = len(labels), iter(extras)
        features = self._checked(next(wanted), (count, self._features)) if self._features else None
        heats = self._draw(next(wanted), labels) if self._maps else [b""] * count
        if self._familiarity is None or appearance is None:
            return [Remark(heat=heat) for heat in heats]
        novelty, sketch = self._familiarity.judge(as_vectors(features, appearance))
        rows = zip(appearance.tolist(), novelty.tolist(), sketch.tolist(), heats, strict=True)
        return [Remark(novel <= 1, heat, (*looks, novel, *lines)) for looks, novel, lines, heat in rows]

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
            raise EngineFailed(f"a further output of the network is {array.shape}, not {shape}")
        return array


def read_insight(manifest: Manifest, folder: Path) -> Insight | None:
    """Read what import wrote beside the network in `folder`; None where it is nothing. Raises `InvalidArtifact`."""
    if manifest.insight is None:
        return None
    try:
        arrays = read_arrays(folder / manifest.insight.file)
        return Insight(manifest, _familiarity(arrays, manifest), arrays.get("head_weights"))
    except (OSError, ValueError, KeyError) as error:
        raise InvalidArtifact(f"{manifest.version}: {manifest.insight.file} cannot be read") from error


def _sides(table: Table) -> tuple[MapSide, MapSide] | None:
    """Return the feature map's rows and columns; places that nobody has looked for divide the image evenly."""
    if table.map_shape is None:
        return None
    rows, columns = table.map_shape
    origins, pitches = (0.5 / rows, 0.5 / columns), (1 / rows, 1 / columns)
    if table.map_origin and table.map_pitch:
        origins, pitches = table.map_origin, table.map_pitch
    return MapSide(rows, origins[0], pitches[0]), MapSide(columns, origins[1], pitches[1])


def _familiarity(arrays: Any, manifest: Manifest) -> Familiarity | None:
    limit = manifest.decision.max_distance
    if limit is None or "rule_weights" not in arrays:
        return None
    return Familiarity(arrays["rule_weights"], arrays["rule_offsets"], int(arrays["rule_sketched"]), limit)
