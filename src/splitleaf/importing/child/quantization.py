"""Float network -> 8-bit network by static quantisation (QDQ). Runs in the import environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_QUANTIZED = ["Conv", "Relu", "Clip", "Add", "Concat", "MaxPool"]
"""Operations that run several times as fast in 8 bits. Quantising the others costs accuracy and saves little."""


def quantize(source: Path, target: Path, images: Path, keep_after: str) -> dict[str, Any]:
    """Write `target`; `images` is an array file of normalized inputs that determine the ranges of activations.

    Everything after the tensor `keep_after` (the last layer) stays in float, because its rounding would change scores.
    """
    import onnx
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    model = onnx.load(source)
    image = model.graph.input[0].name
    batches = np.load(images, mmap_mode="r", allow_pickle=False)

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # of a package without types
        def __init__(self) -> None:
            self._rows = iter(batches)

        def get_next(self) -> dict[str, Any] | None:
            row = next(self._rows, None)
            return None if row is None else {image: np.ascontiguousarray(row[None])}

    quantize_static(
        model,
        str(target),
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=_QUANTIZED,
        nodes_to_exclude=_behind(model.graph, keep_after),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        # Weights of 7 bits. Without VNNI, x86 kernels add pairs of products in 16 bits, which 8-bit weights overflow.
        reduce_range=True,
    )
    return {"tools": {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}}


def _behind(graph: Any, tensor: str) -> list[str]:
    """Return the names of the nodes that depend on `tensor`; nodes are in topological order."""
    reached, names = {tensor}, []
    for number, node in enumerate(graph.node):
        node.name = node.name or f"node_{number}"
        if reached & set(node.input):
            reached |= set(node.output)
            names.append(node.name)
    return names
