"""Versions in 8 bits, made by the real quantiser and served as any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from splitleaf.core.errors import Conflict, SplitleafError
from splitleaf.engine.loading import load_classifier
from splitleaf.importing.child.quantization import quantize
from splitleaf.importing.importer import import_model
from splitleaf.importing.preprocessing import parse_preprocessing
from splitleaf.importing.quantization import QuantizationRequest, quantize_version
from splitleaf.importing.request import ImportRequest
from tests.importing.photos import SIDE, labelled_folder
from tests.support.networks import build


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return labelled_folder(tmp_path / "photos", 40)


@pytest.fixture
def models(tmp_path: Path, photos: Path) -> Path:
    """A repository with v1: one convolution that keeps the channels, pooled; the brightest wins."""
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    kernel[range(3), range(3)] = 1 / 9
    source = tmp_path / "colours.onnx"
    source.write_bytes(_convolution(kernel, np.eye(3, dtype=np.float32) / 10))
    stated = parse_preprocessing("raw,resize=pillow-bilinear")
    import_model(ImportRequest(source, "v1", tmp_path / "models", preprocessing=stated, evaluate=photos))
    return tmp_path / "models"


def _convolution(kernel: np.ndarray, weights: np.ndarray) -> bytes:
    nodes = [
        helper.make_node("Transpose", ["image"], ["planar"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planar", "kernel"], ["seen"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["seen"], ["map"]),
        helper.make_node("ReduceMean", ["map", "axes"], ["pooled"], keepdims=0),
        helper.make_node("MatMul", ["pooled", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=-1),
    ]
    constants: dict[str, np.ndarray] = {"kernel": kernel, "axes": np.array([2, 3], np.int64), "weights": weights}
    return build(nodes, constants, (SIDE, SIDE, 3), "scores", 3)


@pytest.mark.importer
def test_a_version_in_8_bits_is_served_and_says_what_it_cost(
    tmp_path: Path, models: Path, photos: Path, import_python: Path
) -> None:
    held = labelled_folder(tmp_path / "held", 50)
    request = QuantizationRequest("v1", "v1-int8", models, photos, photos, held, import_python=import_python)
    report = quantize_version(request)
    assert (report.accuracy_before, report.accuracy, report.images, report.same_top_1) == (1.0, 1.0, 120, 120)
    assert 0 < report.largest_difference < 0.1
    classifier = load_classifier(models / "v1-int8")
    manifest = classifier.manifest
    assert (manifest.version, manifest.artifact.golden_tolerance) == ("v1-int8", 0.1)
    assert manifest.decision.max_distance is not None
    assert manifest.insight is not None
    assert (manifest.insight.map_shape, manifest.insight.reference_images) == ((SIDE, SIDE), 120)
    assert manifest.insight.held_images == 150
    # As many places as pixels: each looks at its own.
    assert manifest.insight.map_origin == pytest.approx((0.5 / SIDE, 0.5 / SIDE))
    assert manifest.insight.map_pitch == pytest.approx((1 / SIDE, 1 / SIDE))
    with pytest.raises(Conflict):
        quantize_version(request)


def test_integer_kernels_of_every_processor_answer_as_exact_arithmetic_does(tmp_path: Path) -> None:
    # Equal weights and bright images: with weights of 8 bits, sums of two products do not fit into 16 bits.
    kernel = np.full((3, 3, 3, 3), 1 / 27, np.float32)
    kernel[0, 0] *= 1.5
    source, target, images = tmp_path / "float.onnx", tmp_path / "int8.onnx", tmp_path / "images.npy"
    source.write_bytes(_convolution(kernel, np.eye(3, dtype=np.float32) / 100))
    batch = np.random.default_rng(0).uniform(150, 255, (8, SIDE, SIDE, 3)).astype(np.float32)
    np.save(images, batch)
    quantize(source, target, images, keep_after="pooled")
    integers = [one for one in onnx.load(target).graph.initializer if one.data_type == onnx.TensorProto.INT8]
    assert max(int(np.abs(numpy_helper.to_array(one).astype(int)).max()) for one in integers) == 64
    level = onnxruntime.GraphOptimizationLevel
    # Without optimisations the graph computes in float: as exact as a processor with VNNI.
    fused, exact = (_answers(target, batch, one) for one in (level.ORT_ENABLE_ALL, level.ORT_DISABLE_ALL))
    assert np.abs(fused - exact).max() < 0.005


def _answers(network: Path, batch: np.ndarray, level: onnxruntime.GraphOptimizationLevel) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
    scores: np.ndarray = session.run(None, {"image": batch})[0]
    return scores


@pytest.mark.importer
def test_what_loses_too_much_is_refused_and_leaves_nothing(models: Path, photos: Path, import_python: Path) -> None:
    # No version may lose less than nothing.
    request = QuantizationRequest(
        "v1", "v1-int8", models, photos, photos, largest_loss=-0.01, import_python=import_python
    )
    with pytest.raises(SplitleafError) as refused:
        quantize_version(request)
    assert refused.value.error_code == "quantization_refused"
    assert sorted(path.name for path in models.iterdir()) == ["v1"]


def test_a_version_that_does_not_know_its_last_layer_is_refused(models: Path, photos: Path) -> None:
    path = models / "v1/model.toml"
    text = path.read_text()
    start = text.index("[insight]")
    path.write_text(text[:start] + text[text.index("[evaluation]", start) :])
    with pytest.raises(SplitleafError) as refused:
        quantize_version(QuantizationRequest("v1", "v1-int8", models, photos, photos))
    assert refused.value.error_code == "not_quantizable"
