"""An ONNX file as a graph: which operation makes which tensor, and what is constant.

Field numbers are those of onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from splitleaf.importing.child import protobuf

FLOAT: Final = 1
"""Of onnx.proto3's `TensorProto.DataType`."""
SHAPES_ALONE: Final = frozenset({"Reshape", "Flatten", "Squeeze"})


@dataclass(frozen=True, slots=True)
class Node:
    """One operation."""

    operation: str
    inputs: tuple[str, ...]
    attributes: dict[str, memoryview]


class Graph:
    """A graph, as far as one needs it to walk from its output back."""

    def __init__(self, model: memoryview) -> None:
        graph = next(protobuf.messages(model, 7))
        self._tensors = {protobuf.text(one, 8): one for one in protobuf.messages(graph, 5)}
        self._makers: dict[str, Node] = {}
        for node in protobuf.messages(graph, 1):
            inputs = tuple(bytes(value).decode() for value in _views(node, 1))
            attributes = {protobuf.text(one, 1): one for one in protobuf.messages(node, 5)}
            made = Node(protobuf.text(node, 4), inputs, attributes)
            for name in _views(node, 2):
                self._makers[bytes(name).decode()] = made
        self.output = protobuf.text(next(protobuf.messages(graph, 12)), 1)
        # Older files list constants among the inputs, too.
        ports = {protobuf.text(one, 1): one for one in protobuf.messages(graph, 11)}
        self.inputs = {name: _sizes(one) for name, one in ports.items() if name not in self._tensors}

    def maker(self, name: str) -> Node | None:
        """Return the operation that makes a tensor; None for inputs and constants."""
        return self._makers.get(name)

    def behind(self, name: str, operations: frozenset[str]) -> str:
        """Return the first tensor upstream that none of these operations made.

        Of operations that change shapes alone the first input counts.
        """
        node = self.maker(name)
        while node is not None and node.operation in operations:
            upstream = [one for one in node.inputs if one not in self._tensors]
            if len(upstream) != 1 and node.operation not in SHAPES_ALONE:
                return name
            name = node.inputs[0] if node.operation in SHAPES_ALONE else upstream[0]
            node = self.maker(name)
        return name

    def matrix(self, name: str) -> NDArray[np.float32] | None:
        """Return a constant float matrix."""
        tensor = self._tensors.get(name)
        if tensor is None or protobuf.numbers(tensor, 2) != [FLOAT]:
            return None
        dims, raw = protobuf.numbers(tensor, 1), b"".join(_views(tensor, 9)) or b"".join(_views(tensor, 4))
        if len(dims) != 2 or len(raw) != 4 * dims[0] * dims[1]:
            return None
        return np.frombuffer(raw, dtype="<f4").reshape(dims)

    def is_constant(self, name: str) -> bool:
        return name in self._tensors

    def sides(self, name: str) -> list[int]:
        """Return the sizes of a constant, none where it is none."""
        return protobuf.numbers(self._tensors[name], 1) if name in self._tensors else []

    def word(self, node: Node, attribute: str) -> str:
        """Return an attribute that is a word, empty where it is missing."""
        found = [*_views(node.attributes[attribute], 4)] if attribute in node.attributes else []
        return bytes(found[-1]).decode(errors="replace") if found else ""

    def integer(self, node: Node, attribute: str) -> int:
        """Return an attribute that is a number, 0 where it is missing."""
        numbers = protobuf.numbers(node.attributes[attribute], 3) if attribute in node.attributes else []
        found = numbers[-1] if numbers else 0
        return found - (1 << 64) if found >= 1 << 63 else found

    def integers(self, node: Node, attribute: str, place: int) -> list[int]:
        """Return a list that older operations take as an attribute and newer ones as an input."""
        if attribute in node.attributes:
            return protobuf.numbers(node.attributes[attribute], 8)
        tensor = self._tensors.get(node.inputs[place]) if len(node.inputs) > place else None
        if tensor is None:
            return []
        raw = b"".join(_views(tensor, 9))
        if len(raw) % 8:
            return []
        return np.frombuffer(raw, dtype="<i8").tolist() if raw else protobuf.numbers(tensor, 7)


def _sizes(port: memoryview) -> list[int]:
    """Return the sizes of a graph's input; 0 where one is left open."""
    return [(protobuf.numbers(size, 1) or [0])[-1] for size in protobuf.messages(port, 2, 1, 2, 1)]


def _views(message: memoryview, number: int) -> Iterator[memoryview]:
    for name, value in protobuf.fields(message):
        if name == number and isinstance(value, memoryview):
            yield value
