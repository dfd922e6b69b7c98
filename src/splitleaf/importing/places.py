"""Where in a picture the places of a feature map look.

A place of a convolutional map sees a window of the picture. The windows' centres are evenly spaced, but seldom where
an even division of the picture would put them: a padding of "same" at an even side adds its row below and at the right
alone, so each halving moves them by half a pixel of its own. The arithmetic is that of Araujo et al., "Computing
Receptive Fields of Convolutional Neural Networks", Distill 2019.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

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


class Node(Protocol):
    """A node of an ONNX graph."""

    @property
    def operation(self) -> str: ...
    @property
    def inputs(self) -> Sequence[str]: ...


class Graph(Protocol):
    """What has to be known of a graph."""

    def maker(self, name: str) -> Node | None: ...
    def is_constant(self, name: str) -> bool: ...
    def integers(self, node: Node, attribute: str, place: int) -> list[int]: ...
    def sides(self, name: str) -> list[int]: ...
    def word(self, node: Node, attribute: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Places:
    """Centres of a map's places, in shares of the picture's height and width: `origin + pitch * place`."""

    origin: tuple[float, float]
    pitch: tuple[float, float]
    shape: tuple[int, int]
    """How many places there must be; a map with another number of them is not understood."""


@dataclass(slots=True)
class _Axis:
    """One side of a map, in pixels of the picture."""

    length: int
    first: float = 0.0
    """Centre of the first place; that of a pixel is its index."""
    pitch: float = 1.0

    def pad(self, before: int, behind: int) -> None:
        self.first -= self.pitch * before
        self.length += before + behind

    def slide(self, window: int, stride: int) -> None:
        self.first += self.pitch * (window - 1) / 2
        self.pitch *= stride
        self.length = (self.length - window) // stride + 1


def places_of(graph: Graph, source: str, sides: tuple[int, int], target: str) -> Places | None:
    """Return where the map `target` looks in the picture `source` (n, height, width, channels) of these sides.

    None where the way from one to the other has an operation that is not understood here.
    """
    way = _way(graph, source, target)
    if way is None:
        return None
    layout, axes = "nhwc", [_Axis(side) for side in sides]
    for node in way:
        if node.operation == "Transpose":
            layout = _LAYOUTS.get((layout, tuple(graph.integers(node, "perm", len(node.inputs)))), "")
            if not layout:
                return None
        elif node.operation == "Pad":
            if not _pad(graph, node, axes, 1 if layout == "nhwc" else 2):
                return None
        elif node.operation in _WINDOWS and (layout != "nchw" or not _slide(graph, node, axes)):
            return None
    (rows, columns), (height, width) = axes, sides
    origin = ((rows.first + 0.5) / height, (columns.first + 0.5) / width)
    return Places(origin, (rows.pitch / height, columns.pitch / width), (rows.length, columns.length))


def _way(graph: Graph, source: str, target: str) -> list[Node] | None:
    """Return the nodes between the two, the first one first. Branches that meet again look at the same places."""
    after: dict[str, tuple[str, Node] | None] = {target: None}
    waiting = deque([target])
    while waiting:
        name = waiting.popleft()
        if name == source:
            return _followed(after, source)
        node = graph.maker(name)
        if node is None or node.operation not in _WINDOWS | _IN_PLACE | {"Pad", "Transpose"}:
            continue
        # Of all but these, other inputs are constants that were computed.
        count = len(node.inputs) if node.operation in _IN_PLACE else 1
        for upstream in node.inputs[:count]:
            if upstream and upstream not in after and not graph.is_constant(upstream):
                after[upstream] = (name, node)
                waiting.append(upstream)
    return None


def _followed(after: Mapping[str, tuple[str, Node] | None], source: str) -> list[Node]:
    way: list[Node] = []
    step = after[source]
    while step is not None:
        name, node = step
        way.append(node)
        step = after[name]
    return way


def _pad(graph: Graph, node: Node, axes: Sequence[_Axis], at: int) -> bool:
    pads = graph.integers(node, "pads", 1)
    if len(pads) != 8 or len(node.inputs) > 3:
        return False
    for axis, before, behind in zip(axes, pads[at : at + 2], pads[4 + at : 6 + at], strict=True):
        axis.pad(before, behind)
    return True


def _slide(graph: Graph, node: Node, axes: Sequence[_Axis]) -> bool:
    inputs = len(node.inputs)
    kernel = graph.integers(node, "kernel_shape", inputs) or (graph.sides(node.inputs[1])[2:] if inputs > 1 else [])
    strides = graph.integers(node, "strides", inputs) or [1, 1]
    dilations = graph.integers(node, "dilations", inputs) or [1, 1]
    pads = graph.integers(node, "pads", inputs) or [0, 0, 0, 0]
    if [len(kernel), len(strides), len(dilations), len(pads)] != [2, 2, 2, 4] or min(*kernel, *strides, *dilations) < 1:
        return False
    rule = graph.word(node, "auto_pad")
    for place, axis in enumerate(axes):
        window, stride = (kernel[place] - 1) * dilations[place] + 1, strides[place]
        before, behind = pads[place], pads[place + 2]
        if rule.startswith("SAME"):
            whole = max(0, (-(-axis.length // stride) - 1) * stride + window - axis.length)
            before, behind = whole // 2, whole - whole // 2
            if rule == "SAME_LOWER":
                before, behind = behind, before
        elif rule == "VALID":
            before, behind = 0, 0
        axis.pad(before, behind)
        axis.slide(window, stride)
    return True
