"""A repository of two versions, made on the spot and imported as anyone's would be."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from splitleaf.images.decoded import decode_image
from splitleaf.importing.importer import import_model
from splitleaf.importing.labels import StatedLabels
from splitleaf.importing.request import ImportRequest
from splitleaf.registry.manifest import Preprocessing
from splitleaf.simulation.leaves import LABELS, draw_leaf
from splitleaf.simulation.networks import INPUT_SIDE, Fault, fit, write_network

CONTROL: Final = "v1"
CANDIDATE: Final = "v2"
TRAINING_SIZE: Final = 500
"""Leaves that the versions learn from."""
_TRAINING_SEED: Final = 20_240_301
"""No one who visits brings one of these leaves."""


def make_repository(models: Path, fault: Fault = Fault.NONE) -> None:
    """Write v1, which uses colour, and v2, which compensates for the light, with its fault."""
    models.mkdir(parents=True, exist_ok=True)
    lines = ["schema = 1", "[aliases]", f'champion = "{CONTROL}"', ""]
    (models / "repository.toml").write_text("\n".join(lines), encoding="utf-8")
    spec = Preprocessing(height=INPUT_SIDE, width=INPUT_SIDE).input_spec
    leaves = [draw_leaf(_TRAINING_SEED, number) for number in range(TRAINING_SIZE)]
    tensors = [decode_image(leaf.jpeg, [spec]).tensors[0] for leaf in leaves]
    images = np.stack([np.frombuffer(one.data, np.uint8).reshape(one.shape) for one in tensors]).astype(np.float64)
    true_labels = [leaf.truth for leaf in leaves]
    plain = fit(images, true_labels, is_relative=False)
    clever = fit(images, true_labels, is_relative=True)
    for version, network in ((CONTROL, write_network(plain)), (CANDIDATE, write_network(clever, fault))):
        source = models / f"{version}.onnx"
        source.write_bytes(network)
        import_model(ImportRequest(source, version, models, StatedLabels(LABELS, "the simulation")))
        source.unlink()
