from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from splitleaf.importing.child.inspection import inspect
from tests.importing.refusing import refused
from tests.support.networks import mean_colour_network

FLOAT = TensorProto.FLOAT


def network(**changes: Any) -> onnx.ModelProto:
    """Return a plain classifier, with parts replaced."""
    given: dict[str, Any] = {
        "image": ("batch", 8, 8, 3),
        "kind": FLOAT,
        "scores": ("batch", 3),
        "domain": "",
        "inputs": [],
    }
    given |= changes
    weights = numpy_helper.from_array(np.eye(3, dtype=np.float32), "weights")
    axes = numpy_helper.from_array(np.array([1, 2], dtype=np.int64), "axes")
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["scores"], domain=given["domain"]),
    ]
    graph = helper.make_graph(
        nodes,
        "leaf",
        [helper.make_tensor_value_info("image", given["kind"], given["image"]), *given["inputs"]],
        [helper.make_tensor_value_info("scores", FLOAT, given["scores"])],
        [weights, axes],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def saved(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def test_a_plain_network_is_accepted(tmp_path: Path) -> None:
    found = inspect(saved(tmp_path / "leaf.onnx", network()))
    assert (found.format, found.loader) == ("onnx", "")
    assert found.layers == {"ReduceMean": 1, "MatMul": 1}


def test_weights_that_are_listed_among_the_inputs_are_no_inputs(tmp_path: Path) -> None:
    listed = helper.make_tensor_value_info("weights", FLOAT, (3, 3))
    inspect(saved(tmp_path / "leaf.onnx", network(inputs=[listed])))


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"image": ("batch", 3, 8, 8)}, "input_layout", "NCHW"),
        ({"image": ("batch", 8, 8, 4)}, "input_layout", "(None, 8, 8, 4)"),
        ({"image": (1, 8, 8, 3)}, "fixed_batch", "dynamic first dimension"),
        ({"image": ("batch", 64)}, "not_a_classifier", "not a batch of float32 images"),
        ({"kind": TensorProto.UINT8}, "not_a_classifier", "not a batch of float32 images"),
        ({"scores": ("batch", 3, 1)}, "not_a_classifier", "not one row of scores"),
        ({"inputs": [helper.make_tensor_value_info("age", FLOAT, (1,))]}, "not_a_classifier", "it has 2 and 1"),
        ({"domain": "com.microsoft"}, "foreign_operation", "com.microsoft"),
        ({"domain": "mine"}, "foreign_operation", "MatMul"),
    ],
)
def test_what_serving_could_not_feed_or_run_is_refused(
    tmp_path: Path, changes: dict[str, Any], code: str, words: str
) -> None:
    with refused(code, words):
        inspect(saved(tmp_path / "leaf.onnx", network(**changes)))


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    model = network()
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    with refused("external_data"):
        inspect(saved(tmp_path / "leaf.onnx", model))


def test_weights_in_other_files_are_found_inside_attributes_and_inner_graphs(tmp_path: Path) -> None:
    outside = numpy_helper.from_array(np.zeros(3, dtype=np.float32), "w")
    outside.data_location = TensorProto.EXTERNAL
    constant = helper.make_node("Constant", [], ["w"], value=outside)
    inner = helper.make_graph([constant], "inner", [], [helper.make_tensor_value_info("w", FLOAT, (3,))])
    for number, found in enumerate([constant, helper.make_node("If", ["x"], ["y"], then_branch=inner)]):
        model = network()
        model.graph.node.append(found)
        with refused("external_data"):
            inspect(saved(tmp_path / f"{number}.onnx", model))


def test_sparse_weights_are_refused_wherever_they_are(tmp_path: Path) -> None:
    values, places = np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.int64)
    sparse = helper.make_sparse_tensor(numpy_helper.from_array(values, "w"), numpy_helper.from_array(places, "i"), [3])
    in_graph, in_attribute = network(), network()
    in_graph.graph.sparse_initializer.append(sparse)
    in_attribute.graph.node.append(helper.make_node("Constant", [], ["w"], sparse_value=sparse))
    for number, model in enumerate([in_graph, in_attribute]):
        with refused("unsupported_tensor"):
            inspect(saved(tmp_path / f"{number}.onnx", model))


def test_a_domain_that_is_stated_twice_counts_as_the_runtime_reads_it(tmp_path: Path) -> None:
    model = network(domain="mine")
    content = model.SerializeToString()
    # Field 7, the domain, twice in the last node: harmless first.
    twice = content.replace(b"\x3a\x04mine", b"\x3a\x00\x3a\x02mi")
    assert onnx.ModelProto.FromString(twice).graph.node[1].domain == "mi"
    (tmp_path / "leaf.onnx").write_bytes(twice)
    with refused("foreign_operation", "'mi'"):
        inspect(tmp_path / "leaf.onnx")


def test_functions_of_the_files_own_are_refused(tmp_path: Path) -> None:
    model = network()
    opsets = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("", "Twice", ["x"], ["y"], [], opsets))
    with refused("foreign_operation", "inlined"):
        inspect(saved(tmp_path / "leaf.onnx", model))


def test_graphs_nested_without_end_are_refused(tmp_path: Path) -> None:
    inner = helper.make_graph([], "leaf", [], [])
    for _ in range(20):
        inner = helper.make_graph([helper.make_node("If", ["x"], ["y"], then_branch=inner)], "leaf", [], [])
    model = network()
    model.graph.node.extend(inner.node)
    with refused("source_damaged", "nested too deeply"):
        inspect(saved(tmp_path / "leaf.onnx", model))


def test_any_cut_through_a_file_is_refused_and_never_crashes(tmp_path: Path) -> None:
    content = mean_colour_network(8, 8, 3, np.eye(3))
    whole = tmp_path / "leaf.onnx"
    for size in range(10, len(content) - 10, 3):
        whole.write_bytes(content[:size])
        with refused("source_damaged"):
            inspect(whole)
