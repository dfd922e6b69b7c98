"""Proof that a loader lost nothing: every weight in a Keras file is a constant of the network made of it.

A comparison of the converted network with the loaded model cannot reveal a mistake of the loader, as both share it.
This module compares the values in the file to those in the graph, byte by byte. Runs in the import environment.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from . import hdf5
from .refusals import Refused

_UNUSED = ("vector_u", "sn_u")
"""State of `SpectralNormalization` that only training uses."""
_TRAINING = ("optimizer", "metrics", "compile_metrics", "loss_tracker")
_MAX_NAMED = 3


def check_weights(source: Path, container: str, graph: Any) -> None:
    """Raise `Refused` (`weights_lost`) unless every float weight in the file is a constant of the TensorFlow graph.

    `container` is `h5` or `zip`. Shapes are not compared, because layers reshape their weights.
    """
    constants = {_digest(value) for value in _constants(graph)}
    with tempfile.TemporaryDirectory() as folder:
        lost = [name for name, value in _weights(source, container, folder) if _digest(value) not in constants]
    if lost:
        named = ", ".join(lost[:_MAX_NAMED]) + (f" and {len(lost) - _MAX_NAMED} more" if lost[_MAX_NAMED:] else "")
        raise Refused(
            "weights_lost",
            f"Keras did not load these weights of the file into the network: {named}. "
            "Save the model as .keras or as a SavedModel (`model.export(...)`) and import that",
        )


def _weights(source: Path, container: str, folder: str) -> Iterator[tuple[str, Any]]:
    path, group = source, "model_weights"
    if container == "zip":
        with zipfile.ZipFile(source) as archive:
            path, group = Path(archive.extract("model.weights.h5", folder)), "/"
    with hdf5.open_h5(path) as file:
        for name, item in _datasets(file[group]):
            if item.dtype.kind == "f" and item.size and not _is_of_training(name):
                yield name, item[()]


def _is_of_training(name: str) -> bool:
    """Tell whether only training uses a weight, such as the state of an optimizer or a metric."""
    *folders, last = name.split("/")
    return last.startswith(_UNUSED) or any(one.startswith(_TRAINING) for one in folders)


def _datasets(group: Any) -> Iterator[tuple[str, Any]]:
    import h5py

    waiting = [("", group)]
    while waiting:
        prefix, item = waiting.pop()
        if isinstance(item, h5py.Group):
            waiting.extend((f"{prefix}/{name}".lstrip("/"), item[name]) for name in item)
        else:
            yield prefix, item


def _constants(graph: Any) -> Iterator[Any]:
    from tensorflow.python.framework import tensor_util

    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    for node in nodes:
        if node.op == "Const":
            yield tensor_util.MakeNdarray(node.attr["value"].tensor)


def _digest(value: Any) -> bytes:
    array = np.ascontiguousarray(value)
    return hashlib.sha256(f"{array.dtype}:".encode() + array.tobytes()).digest()
