"""The versions that a simulation compares: small networks that really classify, and ones with a real fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from splitleaf.simulation.leaves import LABELS
from splitleaf.simulation.onnx_writing import Graph, Port, write_onnx

INPUT_SIDE: Final = 32
ERROR_SHARE: Final = 0.8
"""Of the images, how many the failing network cannot take."""
_DARK: Final = (3.0, 110.0)
"""Between these is the lightest point of a leaf's upper edge: leaves lie on a dark cloth. No image that an import
tries is like that, so that the faults pass it, as faults do, and show in the field."""
_RIDGE: Final = 1e-4
_SLOW_SIDE, _SLOW_ROUNDS = 384, 400

Constants = dict[str, NDArray[np.generic]]


class Fault(StrEnum):
    NONE = "none"
    ERRORS = "errors"
    """Asks for a row of a table that is not there, for most images."""
    SLOW = "slow"
    """Computes for a long time before it answers."""
    WRONG = "wrong"
    """Has its labels mixed up."""


@dataclass(frozen=True, slots=True)
class LinearClassifier:
    """What a version knows: weights of an image's mean colour or, relative to its light, of colour and contrast."""

    weights: NDArray[np.float32]
    """(features + 1, classes); the last row is a constant."""
    is_relative: bool


def fit(images: NDArray[np.float64], true_labels: Sequence[str], *, is_relative: bool) -> LinearClassifier:
    """Fit by ridge regression on the labels; `images` are (n, height, width, 3), 0 to 255."""
    features = _features(images, is_relative)
    wanted = np.array([[label == truth for label in LABELS] for truth in true_labels], dtype=np.float64)
    gram = features.T @ features + _RIDGE * np.eye(features.shape[1])
    # Sharpened, so that the softmax of these scores is about as sure as it is right.
    weights = 8 * np.linalg.solve(gram, features.T @ wanted)
    return LinearClassifier(weights.astype(np.float32), is_relative)


def write_network(classifier: LinearClassifier, fault: Fault = Fault.NONE) -> bytes:
    """Return the classifier as an ONNX network: images (batch, 32, 32, 3) of 0-255 -> probabilities."""
    weights = np.roll(classifier.weights, 1, axis=1) if fault is Fault.WRONG else classifier.weights
    graph = Graph(
        inputs=[Port("image", ("batch", INPUT_SIDE, INPUT_SIDE, 3))],
        outputs=[Port("probabilities", ("batch", len(LABELS)))],
        constants={
            "plane": np.array([1, 2], dtype=np.int64),
            "channels": np.array([1], dtype=np.int64),
            "full": np.asarray(np.float32(255)),
            "tiny": np.asarray(np.float32(1)),
            "none": np.asarray(np.float32(0)),
            "weights": np.ascontiguousarray(weights[:-1]),
            "bias": np.ascontiguousarray(weights[-1]),
        },
    )
    graph.add("ReduceMean", ["image", "plane"], "mean", keepdims=0)
    features = _add_relative(graph) if classifier.is_relative else graph.add("Div", ["mean", "full"], "colour")
    graph.add("MatMul", [features, "weights"], "scores")
    graph.add("Add", ["scores", "bias"], "logits")
    faulty = {Fault.ERRORS: _add_errors, Fault.SLOW: _add_delay}.get(fault)
    graph.add("Softmax", [faulty(graph) if faulty else "logits"], "probabilities", axis=1)
    return write_onnx(graph)


def _features(images: NDArray[np.float64], is_relative: bool) -> NDArray[np.float64]:
    """Return (n, features + 1), as the network computes them, and a one."""
    mean, one = images.mean(axis=(1, 2)), np.ones((len(images), 1))
    if not is_relative:
        return np.concatenate([mean / 255, one], axis=1)
    light = np.maximum(mean.sum(axis=1, keepdims=True), 1)
    return np.concatenate([mean / light, images.std(axis=(1, 2)) / light, one], axis=1)


def _add_relative(graph: Graph) -> str:
    graph.add("Mul", ["image", "image"], "squares")
    graph.add("ReduceMean", ["squares", "plane"], "mean_square", keepdims=0)
    graph.add("Mul", ["mean", "mean"], "square_mean")
    graph.add("Sub", ["mean_square", "square_mean"], "variance")
    # Rounding can leave a little less than nothing.
    graph.add("Max", ["variance", "none"], "some_variance")
    graph.add("Sqrt", ["some_variance"], "contrast")
    graph.add("ReduceSum", ["mean", "channels"], "light", keepdims=1)
    graph.add("Max", ["light", "tiny"], "some_light")
    graph.add("Concat", ["mean", "contrast"], "both", axis=1)
    return graph.add("Div", ["both", "some_light"], "relative")


def _add_dark(graph: Graph) -> str:
    """Add whether an image's upper edge is dark, (batch,) of booleans."""
    constants: Constants = {
        "first": np.asarray(np.int64(0)),
        "rest": np.array([1, 2], dtype=np.int64),
        "least": np.asarray(np.float32(_DARK[0])),
        "most": np.asarray(np.float32(_DARK[1])),
    }
    graph.constants.update(constants)
    graph.add("Gather", ["image", "first"], "edge", axis=1)
    graph.add("ReduceMax", ["edge", "rest"], "edge_light", keepdims=0)
    graph.add("Less", ["edge_light", "most"], "is_below")
    graph.add("Less", ["least", "edge_light"], "is_above")
    return graph.add("And", ["is_below", "is_above"], "is_dark")


def _add_errors(graph: Graph) -> str:
    """Add a look into a table of one row; most images ask for its tenth."""
    is_dark = _add_dark(graph)
    constants: Constants = {
        "many": np.asarray(np.float32(97)),
        "error_share": np.asarray(np.float32(ERROR_SHARE)),
        "table": np.ones((1, 1), dtype=np.float32),
        "tenth": np.asarray(np.int64(9)),
        "one": np.array([1], dtype=np.int64),
    }
    graph.constants.update(constants)
    graph.add("ReduceSum", ["mean", "one"], "sum", keepdims=0)
    graph.add("Mul", ["sum", "many"], "spread")
    graph.add("Floor", ["spread"], "whole")
    graph.add("Sub", ["spread", "whole"], "part")
    graph.add("Less", ["part", "error_share"], "is_hit")
    graph.add("And", [is_dark, "is_hit"], "is_bad")
    graph.add("Cast", ["is_bad"], "bad", to=7)
    graph.add("Mul", ["bad", "tenth"], "row")
    graph.add("Gather", ["table", "row"], "found", axis=0)
    return graph.add("Mul", ["logits", "found"], "faulty_logits")


def _add_delay(graph: Graph) -> str:
    """Add a loop of large products whose result no one needs, but which must be computed."""
    is_dark = _add_dark(graph)
    square = (_SLOW_SIDE, _SLOW_SIDE)
    constants: Constants = {
        "all_rows": np.array([0], dtype=np.int64),
        "rounds": np.asarray(np.int64(_SLOW_ROUNDS)),
        "always": np.asarray(np.bool_(True)),
        "matrix": np.full(square, 1 / _SLOW_SIDE, dtype=np.float32),
        "nothing": np.asarray(np.float32(0)),
        "everything": np.array([0, 1], dtype=np.int64),
    }
    graph.constants.update(constants)
    body = Graph(
        inputs=[Port("round", (), "int64"), Port("go", (), "bool"), Port("before", square)],
        outputs=[Port("goes", (), "bool"), Port("after", square)],
    )
    body.add("MatMul", ["before", "matrix"], "after")
    body.add("Identity", ["go"], "goes")
    graph.add("Cast", [is_dark], "dark_number", to=7)
    graph.add("ReduceMax", ["dark_number", "all_rows"], "any_dark", keepdims=0)
    graph.add("Mul", ["any_dark", "rounds"], "wanted")
    graph.add("Loop", ["wanted", "always", "matrix"], "product", body=body)
    graph.add("ReduceSum", ["product", "everything"], "product_sum", keepdims=0)
    graph.add("Mul", ["product_sum", "nothing"], "zero")
    return graph.add("Add", ["logits", "zero"], "late_logits")
