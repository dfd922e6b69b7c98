"""Images as the simulation's networks are given them."""

from __future__ import annotations

import numpy as np

from splitleaf.core.tensor import ImageTensor
from splitleaf.registry.manifest import Preprocessing
from splitleaf.simulation.networks import INPUT_SIDE

SPEC = Preprocessing(height=INPUT_SIDE, width=INPUT_SIDE).input_spec


def as_array(tensor: ImageTensor) -> np.ndarray:
    return np.frombuffer(tensor.data, np.uint8).reshape(tensor.shape)
