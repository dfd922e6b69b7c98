"""The end of a network: is it one dense layer on pooled features? Then the artifact gives those features, too.

Looks into the converted ONNX file and names tensors that it computes anyway as further outputs. Field numbers are
those of onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from splitleaf.importing.child import wire
from splitleaf.importing.places import Node, Places, places_of

MOST_FEATURES: Final = 4096
"""Longer vectors are flattened maps: too long to compare, and no summary of a picture."""
_FLOAT: Final = 1
_TRANSPARENT: Final = frozenset({"Identity", "Cast", "Dropout"})
_SHAPES_ALONE: Final = frozenset({"Reshape", "Flatten", "Squeeze"})
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
    """Where the map's places look; None: nobody can tell, and they divide the picture evenly."""


@dataclass(frozen=True, slots=True)
class _Node:
    operation: str
    inputs: tuple[str, ...]
    attributes: dict[str, memoryview]


class _Graph:
    """A graph, as far as one needs it to walk from the output back."""

    def __init__(self, model: memoryview) -> None:
        graph = next(wire.messages(model, 7))
        self._tensors = {wire.text(one, 8): one for one in wire.messages(graph, 5)}
        self._makers: dict[str, _Node] = {}
        for node in wire.messages(graph, 1):
            inputs = tuple(bytes(value).decode() for value in _views(node, 1))
            attributes = {wire.text(one, 1): one for one in wire.messages(node, 5)}
            made = _Node(wire.text(node, 4), inputs, attributes)
            for name in _views(node, 2):
                self._makers[bytes(name).decode()] = made
        self.output = wire.text(next(wire.messages(graph, 12)), 1)
        # Older files list constants among the inputs, too.
        ports = {wire.text(one, 1): one for one in wire.messages(graph, 11)}
        self.inputs = {name: _sizes(one) for name, one in ports.items() if name not in self._tensors}

    def maker(self, name: str) -> _Node | None:
        return self._makers.get(name)

    def behind(self, name: str, operations: frozenset[str]) -> str:
        """Return the first tensor upstream that none of these operations made."""
        node = self.maker(name)
        while node is not None and node.operation in operations:
            upstream = [one for one in node.inputs if one not in self._tensors]
            if len(upstream) != 1 and node.operation not in _SHAPES_ALONE:
                return name
            name = node.inputs[0] if node.operation in _SHAPES_ALONE else upstream[0]
            node = self.maker(name)
        return name

    def matrix(self, name: str) -> NDArray[np.float32] | None:
        """Return a constant float matrix."""
        tensor = self._tensors.get(name)
        if tensor is None or wire.numbers(tensor, 2) != [_FLOAT]:
            return None
        dims, raw = wire.numbers(tensor, 1), b"".join(_views(tensor, 9)) or b"".join(_views(tensor, 4))
        if len(dims) != 2 or len(raw) != 4 * dims[0] * dims[1]:
            return None
        return np.frombuffer(raw, dtype="<f4").reshape(dims)

    def is_constant(self, name: str) -> bool:
        return name in self._tensors

    def sides(self, name: str) -> list[int]:
        """Return the sizes of a constant, none where it is none."""
        return wire.numbers(self._tensors[name], 1) if name in self._tensors else []

    def word(self, node: Node, attribute: str) -> str:
        """Return an attribute that is a word, empty where it is missing."""
        assert isinstance(node, _Node)
        found = [*_views(node.attributes[attribute], 4)] if attribute in node.attributes else []
        return bytes(found[-1]).decode(errors="replace") if found else ""

    def integer(self, node: Node, attribute: str) -> int:
        """Return an attribute that is a number, 0 where it is missing."""
        assert isinstance(node, _Node)
        found = _integer(node, attribute)
        return found - (1 << 64) if found >= 1 << 63 else found

    def integers(self, node: Node, attribute: str, place: int) -> list[int]:
        """Return a list that older operations take as an attribute and newer ones as an input."""
        assert isinstance(node, _Node)
        if attribute in node.attributes:
            return wire.numbers(node.attributes[attribute], 8)
        tensor = self._tensors.get(node.inputs[place]) if len(node.inputs) > place else None
        if tensor is None:
            return []
        raw = b"".join(_views(tensor, 9))
        if len(raw) % 8:
            return []
        return np.frombuffer(raw, dtype="<i8").tolist() if raw else wire.numbers(tensor, 7)


def offer_features(path: Path, sides: tuple[int, int] | None = None) -> Head | None:
    """Add the features, and the map that they are the mean of, to the outputs of the network in `path`.

    The runtime must have taken the file before: what is malformed is its to refuse. `sides` are the height and width of
    its pictures, where the file leaves them open.

    Returns what was found; None leaves the file as it is: its last layer is not one dense layer.
    """
    model = wire.open_message(path)
    head = _find(_Graph(model), sides)
    if head is None:
        return None
    ports = [_port(head.features_output, 2), *([_port(head.map_output, 4)] if head.map_output else [])]
    path.write_bytes(wire.with_field(model, (7,), b"".join(ports)))
    return head


def _find(graph: _Graph, sides: tuple[int, int] | None = None) -> Head | None:
    dense = graph.maker(graph.behind(graph.output, _LAST))
    if dense is None or dense.operation not in {"MatMul", "Gemm"} or len(dense.inputs) < 2:
        return None
    weights = graph.matrix(dense.inputs[1])
    if weights is None or max(weights.shape) > MOST_FEATURES:
        return None
    if dense.operation == "Gemm" and _integer(dense, "transB"):
        weights = weights.T
    features = graph.behind(dense.inputs[0], _TRANSPARENT | _SHAPES_ALONE)
    head = _with_map(graph, Head(dense.inputs[0], np.ascontiguousarray(weights)), graph.maker(features))
    return replace(head, places=_places(graph, head.map_output, sides))


def _places(graph: _Graph, map_output: str, sides: tuple[int, int] | None) -> Places | None:
    pictures = [(name, sizes[1:3]) for name, sizes in graph.inputs.items() if len(sizes) == 4]
    if not map_output or len(pictures) != 1:
        return None
    name, (height, width) = pictures[0]
    height, width = height or (sides or (0, 0))[0], width or (sides or (0, 0))[1]
    return places_of(graph, name, (height, width), map_output) if height and width else None


def _with_map(graph: _Graph, head: Head, pooling: _Node | None) -> Head:
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


def _integer(node: _Node, attribute: str) -> int:
    found = wire.numbers(node.attributes[attribute], 3) if attribute in node.attributes else []
    return found[-1] if found else 0


def _port(name: str, rank: int) -> bytes:
    """Return a field `output` of a graph: a float tensor whose sizes the runtime finds out."""
    shape = b"".join(wire.encoded(1, b"") for _ in range(rank))
    kind = wire.encoded(1, bytes([1 << 3, _FLOAT]) + wire.encoded(2, shape))
    return wire.encoded(12, wire.encoded(1, name.encode()) + wire.encoded(2, kind))


def _sizes(port: memoryview) -> list[int]:
    """Return the sizes of a graph's input; 0 where one is left open."""
    return [(wire.numbers(size, 1) or [0])[-1] for size in wire.messages(port, 2, 1, 2, 1)]


def _views(message: memoryview, number: int) -> Iterator[memoryview]:
    for name, value in wire.fields(message):
        if name == number and isinstance(value, memoryview):
            yield value
