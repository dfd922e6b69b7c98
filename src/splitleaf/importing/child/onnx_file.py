"""ONNX files: what goes in and out, and that nothing outside the file or the standard is used.

Field numbers are those of onnx.proto3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import protobuf
from .refusals import Refused
from .source import MAX_SOURCE_BYTES, Inspection

STANDARD_DOMAINS = frozenset({"", "ai.onnx"})
_MAX_DEPTH = 16
_FLOAT, _EXTERNAL = 1, 1


@dataclass(frozen=True)
class Port:
    """An input or output: its name, ONNX element type and shape; a dimension that may vary is None."""

    name: str
    element_type: int
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class OnnxFile:
    """A checked ONNX file."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operations: dict[str, int]
    opset: int


def inspect_onnx(source: Path) -> Inspection:
    """Inspect an ONNX source. Raises `Refused`."""
    found = read_onnx(source)
    check_ports(found)
    return Inspection("onnx", "", layers=found.operations)


def read_onnx(path: Path) -> OnnxFile:
    """Read and check an ONNX file. Raises `Refused` for external data, unknown domains, or damage."""
    if path.stat().st_size > MAX_SOURCE_BYTES:
        raise Refused("too_large", f"{path.name} is larger than {MAX_SOURCE_BYTES:,} bytes")
    model = protobuf.open_message(path)
    graphs = list(protobuf.messages(model, 7))
    if len(graphs) != 1:
        raise Refused("source_damaged", f"{path.name} holds no ONNX graph: truncated, damaged or another kind of file")
    opset = _check_opsets(model)
    if next(protobuf.messages(model, 25), None) is not None:
        raise Refused("foreign_operation", "the file defines functions of its own; export it with inlined functions")
    operations: Counter[str] = Counter()
    _check_graph(graphs[0], operations, 0)
    initialized = {protobuf.text(tensor, 8) for tensor in protobuf.messages(graphs[0], 5)}
    inputs = tuple(port for port in _ports(graphs[0], 11) if port.name not in initialized)
    return OnnxFile(inputs, tuple(_ports(graphs[0], 12)), dict(operations), opset)


def check_ports(found: OnnxFile) -> None:
    """Refuse what is not one image in (NHWC, float32) and one row of scores out."""
    if len(found.inputs) != 1 or len(found.outputs) != 1:
        raise Refused(
            "not_a_classifier",
            f"one input and one output are needed; it has {len(found.inputs)} and {len(found.outputs)}",
        )
    (image,), (scores,) = found.inputs, found.outputs
    if image.element_type != _FLOAT or len(image.shape) != 4:
        raise Refused("not_a_classifier", f"its input is not a batch of float32 images: {image.shape}")
    if image.shape[3] not in (1, 3):
        layout = "channels come first (NCHW)" if image.shape[1] in (1, 3) else f"its shape is {image.shape}"
        raise Refused("input_layout", f"images are handed over as (batch, height, width, channels); here {layout}")
    if image.shape[0] is not None:
        raise Refused("fixed_batch", "its batch size is fixed; export it with a dynamic first dimension")
    if len(scores.shape) != 2:
        raise Refused("not_a_classifier", f"its output is not one row of scores an image: {scores.shape}")


def _check_opsets(model: memoryview) -> int:
    opset = 0
    for entry in protobuf.messages(model, 8):
        domain = protobuf.text(entry, 1)
        if domain not in STANDARD_DOMAINS:
            # An opset that is only declared is harmless, and converters declare them freely.
            continue
        versions = [value for number, value in protobuf.fields(entry) if number == 2 and isinstance(value, int)]
        opset = max([opset, *versions])
    return opset


def _check_graph(graph: memoryview, operations: Counter[str], depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise Refused("source_damaged", "its graphs are nested too deeply")
    for node in protobuf.messages(graph, 1):
        domain, name = protobuf.text(node, 7), protobuf.text(node, 4)
        if domain not in STANDARD_DOMAINS:
            raise Refused("foreign_operation", f"operation {name!r} is of the domain {domain!r}, not of the standard")
        operations[name] += 1
        for attribute in protobuf.messages(node, 5):
            _refuse_sparse(_both(attribute, 22, 23))
            _check_tensors(_both(attribute, 5, 10))
            for inner in _both(attribute, 6, 11):
                _check_graph(inner, operations, depth + 1)
    _check_tensors(protobuf.messages(graph, 5))
    _refuse_sparse(protobuf.messages(graph, 15))


def _refuse_sparse(tensors: Iterator[memoryview]) -> None:
    if next(tensors, None) is not None:
        raise Refused("unsupported_tensor", "it holds sparse tensors, which are not accepted")


def _check_tensors(tensors: Iterator[memoryview]) -> None:
    for tensor in tensors:
        for number, value in protobuf.fields(tensor):
            if number == 13 or (number == 14 and value == _EXTERNAL):
                raise Refused("external_data", "its weights lie in other files; export it as one file")


def _both(message: memoryview, *numbers: int) -> Iterator[memoryview]:
    for number in numbers:
        yield from protobuf.messages(message, number)


def _ports(graph: memoryview, number: int) -> Iterator[Port]:
    for value in protobuf.messages(graph, number):
        tensor = next(protobuf.messages(value, 2, 1), memoryview(b""))
        kinds = [kind for found, kind in protobuf.fields(tensor) if found == 1 and isinstance(kind, int)]
        dimensions = [_dimension(one) for one in protobuf.messages(tensor, 2, 1)]
        yield Port(protobuf.text(value, 1), kinds[0] if kinds else 0, tuple(dimensions))


def _dimension(dimension: memoryview) -> int | None:
    for number, value in protobuf.fields(dimension):
        if number == 1 and isinstance(value, int):
            return value
    return None
