"""Small networks, made with the onnx package, that behave (or misbehave) in known ways."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18


def mean_colour_network(height: int, width: int, channels: int, weights: np.ndarray, *, softmax: bool = True) -> bytes:
    """Return a network: mean of each channel @ weights (channels, classes) -> softmax (or logits)."""
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1))
    constants: dict[str, np.ndarray] = {"axes": np.array([1, 2], dtype=np.int64), "weights": weights.astype(np.float32)}
    return build(
        nodes, constants, (height, width, channels), "probabilities" if softmax else "logits", weights.shape[1]
    )


def build(
    nodes: Sequence[onnx.NodeProto],
    constants: dict[str, np.ndarray],
    shape: tuple[int, int, int],
    output: str,
    classes: int,
    *,
    check: bool = True,
) -> bytes:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *shape])
    answer = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", classes])
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(list(nodes), "network", [image], [answer], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    if check:
        onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized
