"""Where in an image the places of a feature map look.

A place of a convolutional map sees a window of the image. The windows' centres are evenly spaced, but seldom where
an even division of the image would put them: a padding of "same" at an even side adds its row below and at the right
alone, so each halving moves them by half a pixel of its own. The arithmetic is that of Araujo et al., "Computing
Receptive Fields of Convolutional Neural Networks", Distill 2019.
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
"""Operations whose places are those of what goes in."""
_LAYOUTS: Final[Mapping[tuple[str, tuple[int, ...]], str]] = {
    ("nhwc", (0, 3, 1, 2)): "nchw",
    ("nchw", (0, 2, 3, 1)): "nhwc",
}
_CHANNELS: Final = {"nchw": (1, -3), "nhwc": (3, -1)}


@dataclass(frozen=True, slots=True)
class Places:
    """Centres of a map's places, in shares of the image's height and width: `origin + pitch * place`."""

    origin: tuple[float, float]
    pitch: tuple[float, float]
    shape: tuple[int, int]
    """How many places there must be; a map with another number of them is not understood."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """One side of a map, in pixels of the image."""

    length: int
    first: float = 0.0
    """Centre of the first place; that of a pixel is its index."""
    pitch: float = 1.0
    window: float = 1.0
    """What a place sees."""

    def padded(self, before: int, behind: int) -> _Axis:
        return replace(self, first=self.first - self.pitch * before, length=self.length + before + behind)

    def slid(self, window: int, stride: int) -> _Axis:
        reach = self.pitch * (window - 1)
        length = (self.length - window) // stride + 1
        return _Axis(length, self.first + reach / 2, self.pitch * stride, self.window + reach)


@dataclass(frozen=True, slots=True)
class _View:
    """How a tensor's places lie over the image."""

    layout: str
    rows: _Axis
    columns: _Axis


def places_of(graph: Graph, source: str, sides: tuple[int, int], target: str) -> Places | None:
    """Return where the map `target` looks in the image `source` (n, height, width, channels) of these sides.

    None where the way from one to the other has an operation that is not understood here.
    """
    height, width = sides
    view = _followed(graph, source, _View("nhwc", _Axis(height), _Axis(width)), target)
    if view is None:
        return None
    rows, columns = view.rows, view.columns
    origin = ((rows.first + 0.5) / height, (columns.first + 0.5) / width)
    pitch = (rows.pitch / height, columns.pitch / width)
    if not all(math.isfinite(one) for one in (*origin, *pitch)):
        return None
    return Places(origin, pitch, (rows.length, columns.length))


def _followed(graph: Graph, source: str, image: _View, target: str) -> _View | None:
    """Return the view of a tensor, from those of all that it is made of; without recursion, for networks are deep."""
    views: dict[str, _View | None] = {source: image}
    waiting, met = [target], set[str]()
    while waiting:
        name = waiting[-1]
        node = graph.maker(name)
        upstream = _upstream(graph, node) if name not in views and node is not None else []
        missing = [one for one in upstream if one not in views]
        if missing and name not in met:
            met.add(name)
            waiting += missing
            continue
        waiting.pop()
        if name not in views:
            seen = [view for one in upstream if (view := views.get(one)) is not None]
            views[name] = _made(graph, node, seen) if node is not None and seen else None
    return views[target]


def _upstream(graph: Graph, node: Node) -> list[str]:
    """Return what has places among a node's inputs."""
    # Of windows, paddings and changes of layout, other inputs are constants that were computed.
    count = len(node.inputs) if node.operation in _IN_PLACE else 1
    known = node.operation in _WINDOWS | _IN_PLACE | {"Pad", "Transpose"}
    return [one for one in node.inputs[:count] if one and not graph.is_constant(one)] if known else []


def _made(graph: Graph, node: Node, seen: Sequence[_View]) -> _View | None:
    if node.operation in _IN_PLACE:
        return _joined(graph, node, seen)
    view = seen[0]
    if node.operation == "Transpose":
        layout = _LAYOUTS.get((view.layout, tuple(graph.integers(node, "perm", len(node.inputs)))))
        return replace(view, layout=layout) if layout else None
    if node.operation == "Pad":
        return _padded(graph, node, view)
    return _slid(graph, node, view) if view.layout == "nchw" else None


def _joined(graph: Graph, node: Node, seen: Sequence[_View]) -> _View | None:
    """Return the view of what was made of several: the one that sees most, for it says most.

    What has fewer places (a gate) is laid over all. Branches may look at different places: where both halve,
    a shortcut of single pixels looks at the first of two, and a window of three between them.
    """
    if any(view.layout != seen[0].layout for view in seen):
        return None
    if node.operation == "Concat" and graph.integer(node, "axis") not in _CHANNELS[seen[0].layout]:
        return None
    return max(seen, key=lambda view: (view.rows.length * view.columns.length, view.rows.window + view.columns.window))


def _padded(graph: Graph, node: Node, view: _View) -> _View | None:
    pads, at = graph.integers(node, "pads", 1), 1 if view.layout == "nhwc" else 2
    if len(pads) != 8 or len(node.inputs) > 3:
        return None
    rows, columns = view.rows.padded(pads[at], pads[at + 4]), view.columns.padded(pads[at + 1], pads[at + 5])
    return replace(view, rows=rows, columns=columns)


def _slid(graph: Graph, node: Node, view: _View) -> _View | None:
    inputs = len(node.inputs)
    kernel = graph.integers(node, "kernel_shape", inputs) or (graph.sides(node.inputs[1])[2:] if inputs > 1 else [])
    strides = graph.integers(node, "strides", inputs) or [1, 1]
    dilations = graph.integers(node, "dilations", inputs) or [1, 1]
    pads = graph.integers(node, "pads", inputs) or [0, 0, 0, 0]
    lengths = [len(kernel), len(strides), len(dilations), len(pads)]
    if lengths != [2, 2, 2, 4] or min(*kernel, *strides, *dilations) < 1:
        return None
    rule, axes = graph.word(node, "auto_pad"), []
    for place, axis in enumerate((view.rows, view.columns)):
        window, stride = (kernel[place] - 1) * dilations[place] + 1, strides[place]
        before, behind = pads[place], pads[place + 2]
        if rule.startswith("SAME"):
            whole = max(0, (-(-axis.length // stride) - 1) * stride + window - axis.length)
            before, behind = whole // 2, whole - whole // 2
            if rule == "SAME_LOWER":
                before, behind = behind, before
        elif rule == "VALID":
            before, behind = 0, 0
        axes.append(axis.padded(before, behind).slid(window, stride))
    return replace(view, rows=axes[0], columns=axes[1])
