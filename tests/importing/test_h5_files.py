from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from splitleaf.importing.child.inspection import inspect
from tests.importing.files import LAMBDA, PLAIN, Config, layer, sequential, write_h5
from tests.importing.refusing import refused


@pytest.mark.parametrize(
    ("version", "format_"), [("2.4.0", "h5-keras2"), ("2.10.0", "h5-keras2"), ("3.5.0", "h5-keras3")]
)
def test_a_plain_model_is_known_by_the_keras_that_saved_it(tmp_path: Path, version: str, format_: str) -> None:
    found = inspect(write_h5(tmp_path / "leaf.h5", keras_version=version))
    assert (found.format, found.keras_version) == (format_, version)
    assert found.layers == {"Conv2D": 1, "Dense": 1, "Flatten": 1, "InputLayer": 1, "Sequential": 1}


def test_the_content_decides_what_a_file_is_not_its_name(tmp_path: Path) -> None:
    assert inspect(write_h5(tmp_path / "leaf.keras")).format == "h5-keras2"


def test_a_file_without_a_version_is_read_as_the_oldest_known(tmp_path: Path) -> None:
    assert inspect(write_h5(tmp_path / "leaf.h5", keras_version=None)).loader == "keras2-h5"


def test_a_version_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with refused("unknown_format", "Keras 9.0"):
        inspect(write_h5(tmp_path / "leaf.h5", keras_version="9.0"))


def test_weights_alone_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with refused("weights_only", "model.save("):
        inspect(write_h5(tmp_path / "leaf.h5", None))


@pytest.mark.parametrize(
    "config",
    [
        LAMBDA,
        sequential(layer("TimeDistributed", layer=layer("Lambda", function="x"))),
        sequential(LAMBDA),
        sequential(layer("Dense", activation={"class_name": "__lambda__", "config": {"value": "4wEAAAAA"}})),
    ],
    ids=["plain", "inside a layer", "inside a model", "as an activation"],
)
def test_a_lambda_is_refused_wherever_it_hides(tmp_path: Path, config: Config) -> None:
    with refused("lambda_layer", "never run"):
        inspect(write_h5(tmp_path / "leaf.h5", config))


def called(layer_class: str, function: str) -> Config:
    return sequential({"class_name": layer_class, "config": {"name": "call", "function": function}})


@pytest.mark.parametrize(
    "config",
    [
        sequential(layer("MyAttention")),
        sequential({**layer("Dense"), "registered_name": "mine>Dense"}),
        sequential({**layer("Dense"), "registered_name": "mine>Dense", "module": "keras.layers"}),
        sequential({**layer("Dense"), "module": "os"}),
        sequential({**layer("Dense"), "module": "keras.src.utils.file_utils"}),
        sequential(layer("TFSMLayer", filepath="/somewhere")),
        sequential(layer("TextVectorization", vocabulary="/etc/passwd")),
        sequential(layer("Dense", activation="my_activation")),
        sequential({"class_name": "function", "config": "eval", "module": "builtins"}),
        called("TFOpLambda", "io.read_file"),
        called("TFOpLambda", "py_function"),
        # Both of these call what their configuration names, too.
        called("SlicingOpLambda", "io.write_file"),
        sequential(layer("ClassMethod", cls_symbol="io.gfile.GFile", method_name="write")),
        sequential(layer("InstanceMethod", method_name="numpy")),
    ],
    ids=lambda config: config["config"]["layers"][0]["class_name"],
)
def test_what_is_not_on_the_list_is_refused(tmp_path: Path, config: Config) -> None:
    with refused("custom_object"):
        inspect(write_h5(tmp_path / "leaf.h5", config))


@pytest.mark.parametrize("name", ["TFOpLambda", "SlicingOpLambda"])
def test_arithmetic_between_layers_is_accepted(tmp_path: Path, name: str) -> None:
    inspect(write_h5(tmp_path / "leaf.h5", called(name, "__operators__.getitem")))


@pytest.mark.parametrize("text", ["{", "[]", '{"config": {}}', "[" * 100_000], ids=["cut", "list", "no class", "deep"])
def test_an_architecture_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    with refused("source_damaged"):
        inspect(write_h5(tmp_path / "leaf.h5", text))


def test_a_class_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with refused("source_damaged"):
        inspect(write_h5(tmp_path / "leaf.h5", {"class_name": ["Lambda"], "config": {}}))


def test_an_architecture_nested_without_end_is_refused(tmp_path: Path) -> None:
    config: Config = PLAIN
    for _ in range(150):
        config = sequential(config)
    with refused("too_large"):
        inspect(write_h5(tmp_path / "leaf.h5", json.dumps(config)))


def external_storage(file: h5py.File) -> None:
    file.create_dataset("stolen", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def external_link(file: h5py.File) -> None:
    file["elsewhere"] = h5py.ExternalLink("/etc/hostname", "/x")


def soft_link(file: h5py.File) -> None:
    file["again"] = h5py.SoftLink("/model_weights")


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset("pieced", layout)


@pytest.mark.parametrize("spoil", [external_storage, external_link, soft_link, virtual])
def test_nothing_outside_the_file_is_ever_read(tmp_path: Path, spoil: Any) -> None:
    with refused("external_data"):
        inspect(write_h5(tmp_path / "leaf.h5", change=spoil))


def text(file: h5py.File) -> None:
    file["text"] = "cos\nsystem\n"


def named_type(file: h5py.File) -> None:
    file["type"] = np.dtype("f4")


def odd_filter(file: h5py.File) -> None:
    file.create_dataset("squeezed", (8,), "f4", chunks=(8,), compression="lzf")


@pytest.mark.parametrize("spoil", [text, named_type, odd_filter])
def test_weights_are_plain_numbers(tmp_path: Path, spoil: Any) -> None:
    with refused("unsupported_tensor"):
        inspect(write_h5(tmp_path / "leaf.h5", change=spoil))


def test_weights_that_would_unfold_to_gigabytes_are_refused_unread(tmp_path: Path) -> None:
    def huge(file: h5py.File) -> None:
        file.create_dataset("huge", (1 << 32,), "f4", chunks=(1 << 20,), compression="gzip")

    path = write_h5(tmp_path / "leaf.h5", change=huge)
    assert path.stat().st_size < 100_000
    with refused("too_large"):
        inspect(path)


def test_a_group_that_holds_itself_is_walked_once(tmp_path: Path) -> None:
    def circle(file: h5py.File) -> None:
        file["model_weights/again"] = file["/"]

    assert inspect(write_h5(tmp_path / "leaf.h5", change=circle)).format == "h5-keras2"


def test_a_file_that_is_cut_off_is_called_so(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "leaf.h5")
    path.write_bytes(path.read_bytes()[:-500])
    with refused("source_truncated", "did not finish"):
        inspect(path)


def test_a_file_with_a_broken_inside_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "leaf.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\xff" * 400)
    with refused("source_damaged"):
        inspect(path)
