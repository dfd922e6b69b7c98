"""Which networks give their features, and which feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.importing.child import protobuf
from splitleaf.importing.head import offer_features
from tests.support.networks import build, mean_colour_network

WEIGHTS = np.random.default_rng(3).normal(size=(3, 4)).astype(np.float32)
IMAGES = np.random.default_rng(4).normal(size=(2, 6, 5, 3)).astype(np.float32)
AXES: dict[str, np.ndarray] = {
    "places": np.array([1, 2], np.int64),
    "planes": np.array([2, 3], np.int64),
    "weights": WEIGHTS,
}
SPLIT = np.array([0, -1], np.int64)

TO_NCHW = helper.make_node("Transpose", ["image"], ["planar"], perm=[0, 3, 1, 2])
BACK = helper.make_node("Transpose", ["planar"], ["again"], perm=[0, 2, 3, 1])
RELU = helper.make_node("Relu", ["planar"], ["map"])


def mean(source: str, axes: str) -> onnx.NodeProto:
    return helper.make_node("ReduceMean", [source, axes], ["pooled"], keepdims=0)


def dense(source: str = "pooled", output: str = "scores") -> list[onnx.NodeProto]:
    return [
        helper.make_node("MatMul", [source, "weights"], ["product"]),
        helper.make_node("Softmax", ["product"], [output], axis=-1),
    ]


GEMM = [
    helper.make_node("Gemm", ["pooled", "turned"], ["product"], transB=1),
    helper.make_node("Softmax", ["product"], ["scores"], axis=-1),
]
GLOBAL = [
    helper.make_node("GlobalAveragePool", ["map"], ["square"]),
    helper.make_node("Reshape", ["square", "split"], ["pooled"]),
]
WITH_MAP = {
    "mean over channels last": ([mean("image", "places"), *dense()], "image", "nhwc"),
    "mean over channels first": ([TO_NCHW, RELU, mean("map", "planes"), *dense()], "map", "nchw"),
    "mean behind a change of layout": ([TO_NCHW, BACK, mean("again", "places"), *dense()], "planar", "nchw"),
    "global pooling and reshape": ([TO_NCHW, RELU, *GLOBAL, *dense()], "map", "nchw"),
    "gemm with turned weights": ([TO_NCHW, RELU, mean("map", "planes"), *GEMM], "map", "nchw"),
}


def network(path: Path, nodes: Sequence[onnx.NodeProto]) -> Path:
    constants: dict[str, np.ndarray] = {**AXES, "turned": np.ascontiguousarray(WEIGHTS.T), "split": SPLIT}
    used = {name for node in nodes for name in node.input}
    model = build(nodes, {name: value for name, value in constants.items() if name in used}, (6, 5, 3), "scores", 4)
    path.write_bytes(model)
    return path


@pytest.mark.parametrize("kind", WITH_MAP)
def test_the_features_are_the_mean_of_the_map_and_lead_to_the_scores(tmp_path: Path, kind: str) -> None:
    nodes, map_output, layout = WITH_MAP[kind]
    path = network(tmp_path / "net.onnx", nodes)
    before = OnnxRuntime(path.read_bytes()).run(IMAGES)
    head = offer_features(path)
    assert head is not None
    assert (head.map_output, head.map_layout) == (map_output, layout)
    onnx.checker.check_model(onnx.load(path))
    scores, features, found = OnnxRuntime(path).run_with(IMAGES, [head.features_output, head.map_output])
    assert np.array_equal(scores, before)
    assert features == pytest.approx(found.mean(axis=(2, 3) if layout == "nchw" else (1, 2)), abs=1e-6)
    logits = features @ head.weights
    assert scores == pytest.approx(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), abs=1e-6)


def test_a_network_without_pooling_gives_features_but_no_map(tmp_path: Path) -> None:
    nodes = [
        mean("image", "places"),
        helper.make_node("Sigmoid", ["pooled"], ["hidden"]),
        *dense("hidden"),
    ]
    head = offer_features(network(tmp_path / "net.onnx", nodes))
    assert head is not None
    assert (head.features_output, head.map_output) == ("hidden", "")


def test_a_network_that_ends_otherwise_is_left_as_it_is(tmp_path: Path) -> None:
    nodes = [
        mean("image", "places"),
        helper.make_node("MatMul", ["pooled", "weights"], ["product"]),
        helper.make_node("Mul", ["product", "product"], ["squares"]),
        helper.make_node("Softmax", ["squares"], ["scores"], axis=-1),
    ]
    path = network(tmp_path / "net.onnx", nodes)
    before = path.read_bytes()
    assert offer_features(path) is None
    assert path.read_bytes() == before


def test_flattened_maps_are_too_long_to_be_features(tmp_path: Path) -> None:
    side = 64
    weights = np.zeros((side * side * 3, 2), np.float32)
    nodes = [helper.make_node("Flatten", ["image"], ["long"], axis=1), *dense("long")]
    path = tmp_path / "net.onnx"
    path.write_bytes(build(nodes, {"weights": weights}, (side, side, 3), "scores", 2))
    assert offer_features(path) is None


def test_a_sum_of_two_branches_is_not_taken_for_a_bias(tmp_path: Path) -> None:
    nodes = [
        mean("image", "places"),
        helper.make_node("MatMul", ["pooled", "weights"], ["one"]),
        helper.make_node("Relu", ["one"], ["other"]),
        helper.make_node("Add", ["one", "other"], ["both"]),
        helper.make_node("Softmax", ["both"], ["scores"], axis=-1),
    ]
    assert offer_features(network(tmp_path / "net.onnx", nodes)) is None


def test_fields_are_added_at_the_end_of_the_message_that_is_named() -> None:
    model = memoryview(mean_colour_network(4, 4, 3, WEIGHTS))
    longer = protobuf.with_field(model, (7,), protobuf.encoded(10, b"x" * 300))
    assert protobuf.text(memoryview(longer), 7, 10) == "x" * 300
    assert onnx.load_from_string(longer).graph.node == onnx.load_from_string(bytes(model)).graph.node
