"""Model files as Keras writes them, made without Keras: small, and faulty in the ways that a test asks for."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Config = dict[str, Any]


def layer(class_name: str, **config: Any) -> Config:
    return {"class_name": class_name, "config": {"name": class_name.lower(), **config}}


def sequential(*layers: Config) -> Config:
    return {"class_name": "Sequential", "config": {"name": "leaf", "layers": list(layers)}}


PLAIN = sequential(
    layer("InputLayer", batch_input_shape=[None, 8, 8, 3], dtype="float32"),
    layer("Conv2D", filters=2, activation="relu", kernel_initializer={"class_name": "GlorotUniform", "config": {}}),
    layer("Flatten"),
    layer("Dense", units=3, activation="softmax"),
)
"""A classifier that has nothing wrong with it."""

LAMBDA = sequential(layer("Lambda", function=["4wEAAAAA", None, None]))


def write_h5(
    path: Path,
    config: Config | str | None = PLAIN,
    *,
    keras_version: str | None = "2.10.0",
    change: Callable[[h5py.File], object] = lambda _: None,
) -> Path:
    """Write a whole model as `model.save("x.h5")` does; `change` then spoils the open file."""
    with h5py.File(path, "w") as file:
        if config is not None:
            file.attrs["model_config"] = config if isinstance(config, str) else json.dumps(config)
        if keras_version is not None:
            file.attrs["keras_version"] = keras_version
        group = file.create_group("model_weights/dense")
        group["kernel"] = np.ones((4, 3), dtype=np.float32)
        change(file)
    return path


def write_keras(
    path: Path,
    config: Config = PLAIN,
    *,
    metadata: Config | None = None,
    leave_out: Iterable[str] = (),
    more: dict[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Write a `.keras` archive, with members left out or added."""
    weights = path.with_name("model.weights.h5")
    with h5py.File(weights, "w") as file:
        file["layers/dense/vars/0"] = np.ones((4, 3), dtype=np.float32)
    members = {
        "metadata.json": json.dumps(metadata or {"keras_version": "3.5.0"}).encode(),
        "config.json": json.dumps(config).encode(),
        "model.weights.h5": weights.read_bytes(),
    }
    weights.unlink()
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in (members | (more or {})).items():
            if name not in leave_out:
                archive.writestr(name, content)
    return path


# Protocol buffers, written by hand: https://protobuf.dev/programming-guides/encoding/


def field(number: int, value: bytes | str | int) -> bytes:
    """Return one field of a message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def node(operation: str, calls: str = "") -> bytes:
    """Return a NodeDef: its operation, and the function that it calls in an attribute."""
    called = field(5, field(1, "f") + field(2, field(10, field(1, calls)))) if calls else b""
    return field(1, f"node_{operation}") + field(2, operation) + called


def function(name: str, *nodes: bytes) -> bytes:
    """Return a FunctionDef."""
    return field(1, field(1, name)) + b"".join(field(3, one) for one in nodes)


def graph(nodes: Iterable[bytes] = (), functions: Iterable[bytes] = ()) -> bytes:
    """Return a GraphDef."""
    library = b"".join(field(1, one) for one in functions)
    return b"".join(field(1, one) for one in nodes) + field(2, library)


def concrete_function(name: str) -> bytes:
    """Return a SavedObject that is callable from outside, as a signature is."""
    return field(8, field(1, name))


def write_saved_model(
    folder: Path, graph_def: bytes, *, objects: Iterable[bytes] = (b"",), more: bytes = b"", version: str = "2.10.0"
) -> Path:
    """Write a SavedModel folder around a GraphDef."""
    object_graph = b"".join(field(1, one) for one in objects)
    meta_graph = field(1, field(5, version)) + field(2, graph_def) + field(7, object_graph) + more
    (folder / "variables").mkdir(parents=True)
    (folder / "variables/variables.index").write_bytes(b"index")
    (folder / "variables/variables.data-00000-of-00001").write_bytes(b"weights")
    (folder / "saved_model.pb").write_bytes(field(1, 1) + field(2, meta_graph))
    return folder


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
