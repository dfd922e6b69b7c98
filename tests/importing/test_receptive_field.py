"""Where the places of a feature map look, held against the network itself: which pixels move which place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from splitleaf.core.errors import ImportRefused
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.importing.head import offer_features
from splitleaf.importing.importer import import_model
from splitleaf.importing.preprocessing import parse_preprocessing
from splitleaf.importing.request import ImportRequest
from tests.support.networks import build

HEIGHT, WIDTH = 32, 48
CONSTANTS: dict[str, np.ndarray] = {
    "planes": np.array([2, 3], np.int64),
    "places": np.array([1, 2], np.int64),
    "weights": np.ones((1, 2), np.float32),
    "three": np.ones((1, 3, 3, 3), np.float32),
    "two": np.ones((1, 2, 1, 1), np.float32),
    "first": np.ones((1, 3, 1, 1), np.float32),
    "next": np.ones((1, 1, 3, 3), np.float32),
    "five": np.ones((1, 1, 5, 5), np.float32),
    "one": np.array(1.0, np.float32),
    "below and right": np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int64),
    "above and left": np.array([0, 3, 3, 0, 0, 0, 0, 0], np.int64),
}
IN = helper.make_node("Transpose", ["image"], ["x0"], perm=[0, 3, 1, 2])


def conv(source: str, target: str, kernel: str = "next", **how: Any) -> onnx.NodeProto:
    return helper.make_node("Conv", [source, kernel], [target], **how)


HALVING: dict[str, Any] = {"strides": [2, 2]}
EVEN: dict[str, Any] = {"pads": [1, 1, 1, 1]}
NETWORKS: dict[str, list[onnx.NodeProto]] = {
    "same as Keras says it": [IN, conv("x0", "map", "three", auto_pad="SAME_UPPER", **HALVING)],
    "three halvings": [
        IN,
        conv("x0", "x1", "three", pads=[0, 0, 1, 1], **HALVING),
        conv("x1", "x2", auto_pad="SAME_UPPER", **HALVING),
        conv("x2", "map", auto_pad="SAME_LOWER", **HALVING),
    ],
    "padded evenly, as PyTorch does": [IN, conv("x0", "x1", "three", **EVEN, **HALVING), conv("x1", "map", **EVEN)],
    "nothing padded": [IN, conv("x0", "x1", "three"), conv("x1", "map", auto_pad="VALID", **HALVING)],
    "a padding of its own": [
        IN,
        helper.make_node("Pad", ["x0", "below and right"], ["x1"]),
        conv("x1", "map", "three", **HALVING),
    ],
    "a padding before the layout changes": [
        helper.make_node("Pad", ["image", "above and left"], ["wide"]),
        helper.make_node("Transpose", ["wide"], ["x0"], perm=[0, 3, 1, 2]),
        conv("x0", "map", "three", **HALVING),
    ],
    "holes": [IN, conv("x0", "x1", "three", **EVEN), conv("x1", "map", dilations=[2, 2], strides=[2, 1])],
    "pooling": [
        IN,
        conv("x0", "x1", "three", **EVEN),
        helper.make_node("AveragePool", ["x1"], ["x2"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("MaxPool", ["x2"], ["map"], kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]),
    ],
    "a detour": [
        IN,
        conv("x0", "x1", "three", pads=[0, 0, 1, 1], **HALVING),
        conv("x1", "x2", "five", pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["x2"], ["x3"]),
        helper.make_node("Add", ["x3", "x1"], ["map"]),
    ],
    "a shortcut of single pixels": [
        IN,
        conv("x0", "x1", "three", **EVEN),
        helper.make_node(
            "AveragePool",
            ["x1"],
            ["x2"],
            kernel_shape=[3, 3],
            strides=[2, 2],
            auto_pad="SAME_UPPER",
            count_include_pad=1,
        ),
        conv("x0", "x3", "first", strides=[2, 2]),
        helper.make_node("Add", ["x3", "x2"], ["map"]),
    ],
    "joined channels": [
        IN,
        conv("x0", "x1", "three", auto_pad="SAME_UPPER", **HALVING),
        conv("x1", "x2", "five", pads=[2, 2, 2, 2]),
        helper.make_node("Concat", ["x1", "x2"], ["x3"], axis=1),
        conv("x3", "map", "two"),
    ],
}
"""The last tensor is called map."""


TAIL = [
    helper.make_node("ReduceMean", ["map", "planes"], ["pooled"], keepdims=0),
    helper.make_node("MatMul", ["pooled", "weights"], ["product"]),
    helper.make_node("Softmax", ["product"], ["scores"], axis=-1),
]


def head_of(folder: Path, nodes: Sequence[onnx.NodeProto]) -> tuple[Any, OnnxRuntime]:
    used = {name for node in [*nodes, *TAIL] for name in node.input}
    constants = {name: value for name, value in CONSTANTS.items() if name in used}
    path = folder / "net.onnx"
    path.write_bytes(build([*nodes, *TAIL], constants, (HEIGHT, WIDTH, 3), "scores", 2))
    head = offer_features(path)
    assert head is not None
    return head, OnnxRuntime(path)


def seen_centres(runtime: OnnxRuntime, output: str, axis: int) -> np.ndarray:
    """Return, for each place along an axis, the mean of the rows or columns that move it, as a share of the side.

    Their outer pixels are cut off at the border, so only places whose window lies inside can be compared.
    """
    side = (HEIGHT, WIDTH)[axis]
    before = runtime.run_with(np.zeros((1, HEIGHT, WIDTH, 3), np.float32), [output])[1][0, 0]
    moved = []
    for place in range(side):
        image = np.zeros((1, HEIGHT, WIDTH, 3), np.float32)
        image[(0, slice(None), place) if axis else (0, place)] = 1.0
        after = runtime.run_with(image, [output])[1][0, 0]
        moved.append(np.abs(after - before).mean(axis=1 - axis) > 1e-9)
    table = np.array(moved)  # (pixels, places)
    windows = table.sum(axis=0)
    centres = (np.arange(side)[:, None] * table).sum(axis=0) / np.maximum(windows, 1)
    inside = (windows == windows.max()) & ~table[0] & ~table[-1]
    found: np.ndarray = np.where(inside, (centres + 0.5) / side, np.nan)
    return found


@pytest.mark.parametrize("kind", NETWORKS)
def test_places_look_where_the_network_does(tmp_path: Path, kind: str) -> None:
    head, runtime = head_of(tmp_path, NETWORKS[kind])
    assert head.receptive_fields is not None
    for axis in (0, 1):
        seen = seen_centres(runtime, head.map_output, axis)
        known = ~np.isnan(seen)
        assert known.sum() >= 2
        assert head.receptive_fields.shape[axis] == len(seen)
        said = head.receptive_fields.origin[axis] + head.receptive_fields.pitch[axis] * np.arange(len(seen))
        assert said[known] == pytest.approx(seen[known], abs=1e-6)


GATES: dict[str, list[onnx.NodeProto]] = {
    "of the whole map": [
        helper.make_node("GlobalAveragePool", ["x1"], ["x2"]),
        helper.make_node("Sigmoid", ["x2"], ["gate"]),
    ],
    "that pools as branches do": [
        helper.make_node("AveragePool", ["x0"], ["x2"], kernel_shape=[HEIGHT, WIDTH]),
        conv("x2", "gate", "first"),
    ],
}
"""They let every pixel move every place, so the network cannot be asked."""


@pytest.mark.parametrize("kind", GATES)
def test_a_gate_moves_no_place(tmp_path: Path, kind: str) -> None:
    (tmp_path / "plain").mkdir()
    before = [IN, conv("x0", "x1", "three", pads=[0, 0, 1, 1], **HALVING)]
    # Listed first, and the shorter way.
    after = [helper.make_node("Relu", ["x1"], ["x4"]), helper.make_node("Mul", ["gate", "x4"], ["map"])]
    gated, _ = head_of(tmp_path, [*before, *GATES[kind], *after])
    plain, _ = head_of(tmp_path / "plain", NETWORKS["same as Keras says it"])
    assert gated.receptive_fields == plain.receptive_fields


@pytest.mark.parametrize(
    "nodes",
    [
        [IN, conv("x0", "x1", "three"), helper.make_node("Transpose", ["x1"], ["map"], perm=[0, 1, 3, 2])],
        [IN, conv("x0", "x1", "three"), helper.make_node("ReduceMax", ["x1"], ["map"], keepdims=1)],
        [IN, conv("x0", "x1", "three"), helper.make_node("Concat", ["x1", "x1"], ["map"], axis=-2)],
    ],
    ids=["turned on its side", "one place", "one above the other"],
)
def test_where_nobody_can_tell_nothing_is_said(tmp_path: Path, nodes: list[onnx.NodeProto]) -> None:
    head, _ = head_of(tmp_path, nodes)
    assert head.map_output == "map"
    assert head.receptive_fields is None


@pytest.mark.parametrize(
    "how",
    [{"strides": [0, 0]}, {"auto_pad": b"\xff\xfe"}, {"dilations": [0, 1]}],
    ids=["no stride", "no word", "no dilation"],
)
def test_a_malformed_network_is_the_runtimes_to_refuse(tmp_path: Path, how: dict[str, Any]) -> None:
    nodes = [IN, conv("x0", "map", "three", **how), *TAIL]
    used = {name for node in nodes for name in node.input}
    constants = {name: value for name, value in CONSTANTS.items() if name in used}
    source = tmp_path / "net.onnx"
    source.write_bytes(build(nodes, constants, (HEIGHT, WIDTH, 3), "scores", 2, check=False))
    stated = parse_preprocessing("raw,resize=pillow-bilinear")
    request = ImportRequest(source, "v1", tmp_path / "models", preprocessing=stated)
    with pytest.raises(ImportRefused):
        import_model(request)
