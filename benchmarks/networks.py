"""Networks to measure with: a null model, and a MobileNetV2 with random weights (speed needs no knowledge)."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# expansion, output channels, repetitions, stride of the first (Sandler et al. 2018, table 2)
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class _Graph:
    """Adds layers one after another and remembers the name of the last output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = [
            numpy_helper.from_array(np.float32(0), "zero"),
            numpy_helper.from_array(np.float32(6), "six"),
        ]
        self.rng = np.random.default_rng(1)

    def add(self, op: str, inputs: list[str], **attributes: object) -> str:
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def weight(self, *shape: int) -> str:
        name = f"weight_{len(self.weights)}"
        scale = np.sqrt(2 / np.prod(shape[1:]))
        self.weights.append(numpy_helper.from_array((self.rng.standard_normal(shape) * scale).astype(np.float32), name))
        return name

    def conv(
        self, x: str, shape: tuple[int, int, int, int], *, stride: int = 1, group: int = 1, relu: bool = True
    ) -> str:
        kernel = shape[2]
        pads = [kernel // 2] * 4
        inputs = [x, self.weight(*shape), self.weight(shape[0])]
        y = self.add("Conv", inputs, strides=[stride] * 2, pads=pads, group=group, kernel_shape=[kernel] * 2)
        return self.add("Clip", [y, "zero", "six"]) if relu else y


def mobilenet_v2(side: int = 224, classes: int = 10) -> bytes:
    """Return MobileNetV2 1.0 with random weights as ONNX; input (batch, side, side, 3) float32."""
    graph = _Graph()
    x = graph.conv(graph.add("Transpose", ["image"], perm=[0, 3, 1, 2]), (32, 3, 3, 3), stride=2)
    channels = 32
    for expansion, out, repetitions, first_stride in BLOCKS:
        for repetition in range(repetitions):
            stride = first_stride if repetition == 0 else 1
            x, channels = (
                _inverted_residual(graph, x, channels=channels, expansion=expansion, out=out, stride=stride),
                out,
            )
    x = graph.add("GlobalAveragePool", [graph.conv(x, (1280, channels, 1, 1))])
    x = graph.add("Flatten", [x])
    x = graph.add("MatMul", [x, graph.weight(1280, classes)])
    return _model(graph, graph.add("Softmax", [x], axis=-1), side, classes)


def _inverted_residual(graph: _Graph, x: str, *, channels: int, expansion: int, out: int, stride: int) -> str:
    hidden = channels * expansion
    y = graph.conv(x, (hidden, channels, 1, 1)) if expansion != 1 else x
    y = graph.conv(y, (hidden, 1, 3, 3), stride=stride, group=hidden)
    y = graph.conv(y, (out, hidden, 1, 1), relu=False)
    return graph.add("Add", [x, y]) if stride == 1 and channels == out else y


def null_network(side: int = 32, classes: int = 10) -> bytes:
    """Return a network that does next to nothing with an image: the plumbing is what is measured."""
    graph = _Graph()
    graph.weights.append(numpy_helper.from_array(np.array([1, 2], dtype=np.int64), "axes"))
    mean = graph.add("ReduceMean", ["image", "axes"], keepdims=0)
    logits = graph.add("MatMul", [mean, graph.weight(3, classes)])
    return _model(graph, graph.add("Softmax", [logits], axis=-1), side, classes)


def _model(graph: _Graph, output: str, side: int, classes: int) -> bytes:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", side, side, 3])
    answer = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", classes])
    made = helper.make_graph(graph.nodes, "network", [image], [answer], graph.weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
