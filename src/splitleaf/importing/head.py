"""The end of a network: is it one dense layer on pooled features? Then the artifact gives those features, too.

Looks into the converted ONNX file and names tensors that it computes anyway as further outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from splitleaf.importing.child import wire
from splitleaf.importing.graph import FLOAT, SHAPES_ALONE, Graph, Node
from splitleaf.importing.places import Places, places_of

MOST_FEATURES: Final = 4096
"""Longer vectors are flattened maps: too long to compare, and no summary of an image."""
_TRANSPARENT: Final = frozenset({"Identity", "Cast", "Dropout"})
_LAST: Final = frozenset({"Softmax", "LogSoftmax", "Identity", "Cast", "Add", "Dropout"})
_TO_CHANNELS_LAST: Final = [0, 2, 3, 1]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The dense layer at the end."""

    features_output: str
    weights: NDArray[np.float32]
    """(features, classes)"""
    map_output: str = ""
    """The feature map whose mean the features are; empty: they are something else."""
    map_layout: Literal["nchw", "nhwc"] = "nchw"
    places: Places | None = None
    """Where the map's places look; None: nobody can tell, and they divide the image evenly."""


def offer_features(path: Path, sides: tuple[int, int] | None = None) -> Head | None:
    """Add the features, and the map that they are the mean of, to the outputs of the network in `path`.

    The runtime must have taken the file before: what is malformed is its to refuse. `sides` are the height and width of
    its images, where the file leaves them open.

    Returns what was found; None leaves the file as it is: its last layer is not one dense layer.
    """
    model = wire.open_message(path)
    head = _find(Graph(model), sides)
    if head is None:
        return None
    ports = [_port(head.features_output, 2), *([_port(head.map_output, 4)] if head.map_output else [])]
    path.write_bytes(wire.with_field(model, (7,), b"".join(ports)))
    return head


def _find(graph: Graph, sides: tuple[int, int] | None = None) -> Head | None:
    dense = graph.maker(graph.behind(graph.output, _LAST))
    if dense is None or dense.operation not in {"MatMul", "Gemm"} or len(dense.inputs) < 2:
        return None
    weights = graph.matrix(dense.inputs[1])
    if weights is None or max(weights.shape) > MOST_FEATURES:
        return None
    if dense.operation == "Gemm" and graph.integer(dense, "transB"):
        weights = weights.T
    features = graph.behind(dense.inputs[0], _TRANSPARENT | SHAPES_ALONE)
    head = _with_map(graph, Head(dense.inputs[0], np.ascontiguousarray(weights)), graph.maker(features))
    return replace(head, places=_places(graph, head.map_output, sides))


def _places(graph: Graph, map_output: str, sides: tuple[int, int] | None) -> Places | None:
    images = [(name, sizes[1:3]) for name, sizes in graph.inputs.items() if len(sizes) == 4]
    if not map_output or len(images) != 1:
        return None
    name, (height, width) = images[0]
    height, width = height or (sides or (0, 0))[0], width or (sides or (0, 0))[1]
    return places_of(graph, name, (height, width), map_output) if height and width else None


def _with_map(graph: Graph, head: Head, pooling: Node | None) -> Head:
    """Return the head with its feature map, where the features are a mean over the places of one."""
    if pooling is None or pooling.operation not in {"GlobalAveragePool", "ReduceMean"}:
        return head
    is_global = pooling.operation == "GlobalAveragePool"
    axes = [2, 3] if is_global else sorted(axis % 4 for axis in graph.integers(pooling, "axes", 1))
    source = pooling.inputs[0]
    before = graph.maker(source)
    if axes == [1, 2] and before is not None and graph.integers(before, "perm", 1) == _TO_CHANNELS_LAST:
        # The map in front of a change of layout is there anyway; behind it the runtime may have no need of it.
        return replace(head, map_output=before.inputs[0], map_layout="nchw")
    if axes not in ([1, 2], [2, 3]):
        return head
    return replace(head, map_output=source, map_layout="nhwc" if axes == [1, 2] else "nchw")


def _port(name: str, rank: int) -> bytes:
    """Return a field `output` of a graph: a float tensor whose sizes the runtime finds out."""
    shape = b"".join(wire.encoded(1, b"") for _ in range(rank))
    kind = wire.encoded(1, bytes([1 << 3, FLOAT]) + wire.encoded(2, shape))
    return wire.encoded(12, wire.encoded(1, name.encode()) + wire.encoded(2, kind))
