"""Small ONNX networks, written without the onnx package, which serving does not install.

Protocol Buffers' wire format (protobuf.dev/programming-guides/encoding) with the field numbers of onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

OPSET: Final = 18
_IR_VERSION: Final = 10
_FLOAT, _INT64, _BOOL = 1, 7, 9
_OF_DTYPE: Final = {"float32": _FLOAT, "int64": _INT64, "bool": _BOOL}
_INT, _GRAPH = 2, 5
"""Kinds of attributes."""


@dataclass(frozen=True, slots=True)
class Port:
    """A value that goes in or out; a dimension's name stands for one that may vary."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class Graph:
    """Operations in order, each (operation, inputs, output, attributes), and the constants that they use."""

    inputs: Sequence[Port]
    outputs: Sequence[Port]
    constants: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    nodes: list[tuple[str, Sequence[str], str, Mapping[str, int | Graph]]] = field(default_factory=list)

    def add(self, operation: str, inputs: Sequence[str], output: str, **attributes: int | Graph) -> str:
        """Append an operation and return the name of what it makes."""
        self.nodes.append((operation, inputs, output, attributes))
        return output


def write_onnx(graph: Graph) -> bytes:
    """Return the graph as an ONNX file."""
    opset = _number(2, OPSET)
    return _number(1, _IR_VERSION) + _bytes(7, _graph(graph)) + _bytes(8, opset)


def _graph(graph: Graph) -> bytes:
    parts = [_bytes(1, _node(*node)) for node in graph.nodes]
    parts.append(_bytes(2, b"network"))
    parts += [_bytes(5, _tensor(name, value)) for name, value in graph.constants.items()]
    parts += [_bytes(11, _port(one)) for one in graph.inputs]
    parts += [_bytes(12, _port(one)) for one in graph.outputs]
    return b"".join(parts)


def _node(operation: str, inputs: Sequence[str], output: str, attributes: Mapping[str, int | Graph]) -> bytes:
    parts = [_bytes(1, name.encode()) for name in inputs]
    parts += [_bytes(2, output.encode()), _bytes(4, operation.encode())]
    parts += [_bytes(5, _attribute(name, value)) for name, value in attributes.items()]
    return b"".join(parts)


def _attribute(name: str, value: int | Graph) -> bytes:
    if isinstance(value, Graph):
        return _bytes(1, name.encode()) + _bytes(6, _graph(value)) + _number(20, _GRAPH)
    return _bytes(1, name.encode()) + _number(3, value) + _number(20, _INT)


def _tensor(name: str, value: NDArray[np.generic]) -> bytes:
    dimensions = b"".join(_number(1, size) for size in value.shape)
    kind = _number(2, _OF_DTYPE[value.dtype.name])
    return dimensions + kind + _bytes(8, name.encode()) + _bytes(9, value.tobytes())


def _port(port: Port) -> bytes:
    dimensions = b"".join(
        _bytes(1, _number(1, size) if isinstance(size, int) else _bytes(2, size.encode())) for size in port.shape
    )
    tensor = _number(1, _OF_DTYPE[port.dtype]) + _bytes(2, dimensions)
    return _bytes(1, port.name.encode()) + _bytes(2, _bytes(1, tensor))


def _number(place: int, value: int) -> bytes:
    return _varint(place << 3) + _varint(value)


def _bytes(place: int, value: bytes) -> bytes:
    return _varint(place << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
