"""Writes what `engine.auxiliary_outputs` and drift detection read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splitleaf.analysis.baseline import Baseline, Spread
from splitleaf.core.measures import APPEARANCE, SKETCH
from splitleaf.core.preprocessing import Fit
from splitleaf.engine.calibration import calibrate
from splitleaf.importing.conversion import Network
from splitleaf.importing.reference import Reference
from splitleaf.registry.digests import sha256_file
from splitleaf.registry.manifest import AuxiliaryTable, Preprocessing

AUXILIARY_NAME = "insight.npz"


def write_auxiliary_outputs(
    folder: Path,
    network: Network,
    preprocessing: Preprocessing,
    reference: Reference | None,
    baseline: Baseline | None,
) -> AuxiliaryTable | None:
    """Write the file into the artifact's folder and return the manifest's table; None if there is nothing to write."""
    arrays: dict[str, NDArray[np.generic]] = {}
    head = network.head
    if head is not None:
        arrays["head_weights"] = head.weights
    if reference is not None and baseline is not None:
        arrays |= _rule(reference) | baseline.as_arrays()
    if not arrays:
        return None
    path = folder / AUXILIARY_NAME
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # the stubs take `allow_pickle` for one of the arrays
    shape = _map_shape(network, preprocessing)
    # If the network was traced wrongly, the number of receptive fields differs from the map's size.
    fields = head.receptive_fields if head and head.receptive_fields and head.receptive_fields.shape == shape else None
    return AuxiliaryTable(
        file=f"{folder.name}/{AUXILIARY_NAME}",
        sha256=sha256_file(path),
        features=len(head.weights) if head else 0,
        features_output=head.features_output if head else "",
        map_output=head.map_output if head and shape else "",
        map_shape=shape,
        map_layout=head.map_layout if head else "nchw",
        map_origin=fields.origin if fields else None,
        map_pitch=fields.pitch if fields else None,
        reference=reference.observations.images.name if reference else "",
        reference_images=len(reference.novelty) if reference else 0,
        held_images=reference.held_out if reference else 0,
    )


def baseline_of(reference: Reference, network: Network, labels: Sequence[str], temperature: float) -> Baseline:
    """Return the usual distribution of each measure, from the reference images without augmentation."""
    count = len(reference.novelty)
    probabilities = calibrate(reference.observations.scores[:count], network.output, temperature)
    measures = dict(zip(APPEARANCE, reference.observations.appearance[:count].T, strict=True))
    measures |= {"novelty": reference.novelty, "confidence": probabilities.max(axis=1)}
    measures |= dict(zip(SKETCH, reference.sketch.T, strict=False))
    answers = np.bincount(probabilities.argmax(axis=1), minlength=len(labels)).tolist()
    return Baseline(
        {name: Spread.of(values) for name, values in measures.items()}, dict(zip(labels, answers, strict=True))
    )


def _rule(reference: Reference) -> dict[str, NDArray[np.generic]]:
    rule = reference.detector
    return {"rule_weights": rule.weights, "rule_offsets": rule.offsets, "rule_sketched": np.array(rule.sketched)}


def _map_shape(network: Network, preprocessing: Preprocessing) -> tuple[int, int] | None:
    """Return the feature map's rows and columns if it covers the whole image as people see it."""
    head = network.head
    if (
        head is None
        or not head.map_output
        or preprocessing.fit is not Fit.STRETCH
        or not preprocessing.exif_orientation
    ):
        return None
    batch = np.zeros((1, *network.shape), dtype=np.float32)
    _, found = network.runtime.run_with(batch, [head.map_output])
    rows, columns = found.shape[2:] if head.map_layout == "nchw" else found.shape[1:3]
    return int(rows), int(columns)
