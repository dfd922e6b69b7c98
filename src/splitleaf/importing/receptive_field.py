"""Receptive fields: which part of an image each element of a feature map depends on.

The centres of the receptive fields are evenly spaced, but an even division of the image seldom gives their positions:
"same" padding of an even side adds its row only at the bottom and its column only at the right, so each halving shifts
the centres by half a pixel of its own scale. The arithmetic follows Araujo et al., "Computing Receptive Fields of
Convolutional Neural Networks", Distill 2019.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from splitleaf.importing.graph import Graph, Node

_WINDOWS: Final = frozenset({"Conv", "MaxPool", "AveragePool", "LpPool"})
_IN_PLACE: Final = frozenset(
    {
        *(
            "Add",
            "Sub",
            "Mul",
            "Div",
            "Min",
            "Max",
            "Sum",
            "Concat",
            "BatchNormalization",
            "Dropout",
            "Identity",
            "Cast",
        ),
        *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish"),
        *("Tanh", "Softplus", "Mish", "Swish", "LRN", "QuantizeLinear", "DequantizeLinear"),
    }
)
"""Elementwise operations: receptive fields stay those of the inputs."""
_LAYOUTS: Final[Mapping[tuple[str, tuple[int, ...]], str]] = {
    ("nhwc", (0, 3, 1, 2)): "nchw",
    ("nchw", (0, 2, 3, 1)): "nhwc",
}
_CHANNELS: Final = {"nchw": (1, -3), "nhwc": (3, -1)}


@dataclass(frozen=True, slots=True)
class ReceptiveFields:
    """Centres of a map's receptive fields, as shares of the image's height and width: `origin + pitch * index`."""

    origin: tuple[float, float]
    pitch: tuple[float, float]
    shape: tuple[int, int]
    """Expected rows and columns of the map. If the real map differs, the network was traced wrongly."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """One side of a map, in pixels of the image."""

    length: int
    first: float = 0.0
    """Centre of the first receptive field; the centre of a pixel is its index."""
    pitch: float = 1.0
    window: float = 1.0
    """Size of a receptive field."""

    def padded(self, before: int, behind: int) -> _Axis:
        return replace(self, first=self.first - self.pitch * before, length=self.length + before + behind)

    def slid(self, window: int, stride: int) -> _Axis:
        reach = self.pitch * (window - 1)
        length = (self.length - window) // stride + 1
        return _Axis(length, self.first + reach / 2, self.pitch * stride, self.window + reach)


@dataclass(frozen=True, slots=True)
class _Grid:
    """The receptive fields of a tensor's elements."""

    layout: str
    rows: _Axis
    columns: _Axis


def trace_receptive_fields(graph: Graph, source: str, sides: tuple[int, int], target: str) -> ReceptiveFields | None:
    """Return the receptive fields of the map `target` in the image `source` (n, height, width, channels).

    None if the path between them has an unsupported operation.
    """
    height, width = sides
    grid = _followed(graph, source, _Grid("nhwc", _Axis(height), _Axis(width)), target)
    if grid is None:
        return None
    rows, columns = grid.rows, grid.columns
    origin = ((rows.first + 0.5) / height, (columns.first + 0.5) / width)
    pitch = (rows.pitch / height, columns.pitch / width)
    if not all(math.isfinite(one) for one in (*origin, *pitch)):
        return None
    return ReceptiveFields(origin, pitch, (rows.length, columns.length))


def _followed(graph: Graph, source: str, image: _Grid, target: str) -> _Grid | None:
    """Return the grid of a tensor from those of its inputs. Iterative, because networks are deep."""
    grids: dict[str, _Grid | None] = {source: image}
    waiting, met = [target], set[str]()
    while waiting:
        name = waiting[-1]
        node = graph.maker(name)
        upstream = _upstream(graph, node) if name not in grids and node is not None else []
        missing = [one for one in upstream if one not in grids]
        if missing and name not in met:
            met.add(name)
            waiting += missing
            continue
        waiting.pop()
        if name not in grids:
            seen = [grid for one in upstream if (grid := grids.get(one)) is not None]
            grids[name] = _made(graph, node, seen) if node is not None and seen else None
    return grids[target]


def _upstream(graph: Graph, node: Node) -> list[str]:
    """Return the inputs of a node that have receptive fields."""
    # Further inputs of convolutions, paddings and transpositions are computed constants.
    count = len(node.inputs) if node.operation in _IN_PLACE else 1
    known = node.operation in _WINDOWS | _IN_PLACE | {"Pad", "Transpose"}
    return [one for one in node.inputs[:count] if one and not graph.is_constant(one)] if known else []


def _made(graph: Graph, node: Node, seen: Sequence[_Grid]) -> _Grid | None:
    if node.operation in _IN_PLACE:
        return _joined(graph, node, seen)
    grid = seen[0]
    if node.operation == "Transpose":
        layout = _LAYOUTS.get((grid.layout, tuple(graph.integers(node, "perm", len(node.inputs)))))
        return replace(grid, layout=layout) if layout else None
    if node.operation == "Pad":
        return _padded(graph, node, grid)
    return _slid(graph, node, grid) if grid.layout == "nchw" else None


def _joined(graph: Graph, node: Node, seen: Sequence[_Grid]) -> _Grid | None:
    """Return the grid of a combination of tensors: that of the input with the largest receptive fields.

    An input with fewer elements (a gate) is broadcast. Branches may have different centres: if both halve the map, a
    1 x 1 shortcut is centred on the first of two pixels, a 3 x 3 window between them.
    """
    if any(grid.layout != seen[0].layout for grid in seen):
        return None
    if node.operation == "Concat" and graph.integer(node, "axis") not in _CHANNELS[seen[0].layout]:
        return None
    return max(seen, key=lambda grid: (grid.rows.length * grid.columns.length, grid.rows.window + grid.columns.window))


def _padded(graph: Graph, node: Node, grid: _Grid) -> _Grid | None:
    pads, at = graph.integers(node, "pads", 1), 1 if grid.layout == "nhwc" else 2
    if len(pads) != 8 or len(node.inputs) > 3:
        return None
    rows, columns = grid.rows.padded(pads[at], pads[at + 4]), grid.columns.padded(pads[at + 1], pads[at + 5])
    return replace(grid, rows=rows, columns=columns)


def _slid(graph: Graph, node: Node, grid: _Grid) -> _Grid | None:
    inputs = len(node.inputs)
    kernel = graph.integers(node, "kernel_shape", inputs) or (graph.sides(node.inputs[1])[2:] if inputs > 1 else [])
    strides = graph.integers(node, "strides", inputs) or [1, 1]
    dilations = graph.integers(node, "dilations", inputs) or [1, 1]
    pads = graph.integers(node, "pads", inputs) or [0, 0, 0, 0]
    lengths = [len(kernel), len(strides), len(dilations), len(pads)]
    if lengths != [2, 2, 2, 4] or min(*kernel, *strides, *dilations) < 1:
        return None
    rule, axes = graph.word(node, "auto_pad"), []
    for side, axis in enumerate((grid.rows, grid.columns)):
        window, stride = (kernel[side] - 1) * dilations[side] + 1, strides[side]
        before, behind = pads[side], pads[side + 2]
        if rule.startswith("SAME"):
            whole = max(0, (-(-axis.length // stride) - 1) * stride + window - axis.length)
            before, behind = whole // 2, whole - whole // 2
            if rule == "SAME_LOWER":
                before, behind = behind, before
        elif rule == "VALID":
            before, behind = 0, 0
        axes.append(axis.padded(before, behind).slid(window, stride))
    return replace(grid, rows=axes[0], columns=axes[1])
