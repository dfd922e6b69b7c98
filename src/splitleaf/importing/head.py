"""The head of a network: if it is one dense layer on pooled features, the artifact offers those features, too.

Adds tensors that the converted ONNX file computes anyway to its outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from splitleaf.importing.child import protobuf
from splitleaf.importing.graph import FLOAT, SHAPES_ALONE, Graph, Node
from splitleaf.importing.receptive_field import ReceptiveFields, trace_receptive_fields

MAX_FEATURES: Final = 4096
"""Longer vectors are flattened maps, which are too long to compare and do not summarise an image."""
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
    """The feature map that global average pooling turns into the features; empty: there is none."""
    map_layout: Literal["nchw", "nhwc"] = "nchw"
    receptive_fields: ReceptiveFields | None = None
    """The map's receptive fields. None: unknown; the map's elements then divide the image evenly."""


def offer_features(path: Path, sides: tuple[int, int] | None = None) -> Head | None:
    """Add the features, and the map that they are the mean of, to the outputs of the network in `path`.

    Load the file with the runtime first, so that the runtime refuses malformed files. `sides` are the height and width
    of the images if the file leaves them open.

    Returns None, and leaves the file unchanged, if the network does not end in one dense layer.
    """
    model = protobuf.open_message(path)
    head = _find(Graph(model), sides)
    if head is None:
        return None
    ports = [_port(head.features_output, 2), *([_port(head.map_output, 4)] if head.map_output else [])]
    path.write_bytes(protobuf.with_field(model, (7,), b"".join(ports)))
    return head


def _find(graph: Graph, sides: tuple[int, int] | None = None) -> Head | None:
    dense = graph.maker(graph.behind(graph.output, _LAST))
    if dense is None or dense.operation not in {"MatMul", "Gemm"} or len(dense.inputs) < 2:
        return None
    weights = graph.matrix(dense.inputs[1])
    if weights is None or max(weights.shape) > MAX_FEATURES:
        return None
    if dense.operation == "Gemm" and graph.integer(dense, "transB"):
        weights = weights.T
    features = graph.behind(dense.inputs[0], _TRANSPARENT | SHAPES_ALONE)
    head = _with_map(graph, Head(dense.inputs[0], np.ascontiguousarray(weights)), graph.maker(features))
    return replace(head, receptive_fields=_receptive_fields(graph, head.map_output, sides))


def _receptive_fields(graph: Graph, map_output: str, sides: tuple[int, int] | None) -> ReceptiveFields | None:
    images = [(name, sizes[1:3]) for name, sizes in graph.inputs.items() if len(sizes) == 4]
    if not map_output or len(images) != 1:
        return None
    name, (height, width) = images[0]
    height, width = height or (sides or (0, 0))[0], width or (sides or (0, 0))[1]
    return trace_receptive_fields(graph, name, (height, width), map_output) if height and width else None


def _with_map(graph: Graph, head: Head, pooling: Node | None) -> Head:
    """Return the head with its feature map if the features are the mean of one."""
    if pooling is None or pooling.operation not in {"GlobalAveragePool", "ReduceMean"}:
        return head
    is_global = pooling.operation == "GlobalAveragePool"
    axes = [2, 3] if is_global else sorted(axis % 4 for axis in graph.integers(pooling, "axes", 1))
    source = pooling.inputs[0]
    before = graph.maker(source)
    if axes == [1, 2] and before is not None and graph.integers(before, "perm", 1) == _TO_CHANNELS_LAST:
        # The map before a transposition is always computed; the runtime may optimise away the one after it.
        return replace(head, map_output=before.inputs[0], map_layout="nchw")
    if axes not in ([1, 2], [2, 3]):
        return head
    return replace(head, map_output=source, map_layout="nhwc" if axes == [1, 2] else "nchw")


def _port(name: str, rank: int) -> bytes:
    """Return the field `output` of a graph: a float tensor whose sizes the runtime infers."""
    shape = b"".join(protobuf.encoded(1, b"") for _ in range(rank))
    kind = protobuf.encoded(1, bytes([1 << 3, FLOAT]) + protobuf.encoded(2, shape))
    return protobuf.encoded(12, protobuf.encoded(1, name.encode()) + protobuf.encoded(2, kind))
