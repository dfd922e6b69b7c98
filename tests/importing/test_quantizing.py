"""Versions in 8 bits, made by the real quantiser and served as any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from splitleaf.core.errors import Conflict, SplitleafError
from splitleaf.engine.loading import load_classifier
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.importing.importer import import_model
from splitleaf.importing.preprocessing import parse_preprocessing
from splitleaf.importing.quantizing import QuantizationRequest, quantize_version
from splitleaf.importing.request import ImportRequest
from tests.importing.photos import SIDE, labelled_folder
from tests.support.networks import build


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return labelled_folder(tmp_path / "photos", 40)


@pytest.fixture
def models(tmp_path: Path, photos: Path) -> Path:
    """A repository with v1: one convolution that keeps the channels, pooled; the brightest wins."""
    nodes = [
        helper.make_node("Transpose", ["image"], ["planar"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planar", "kernel"], ["seen"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["seen"], ["map"]),
        helper.make_node("ReduceMean", ["map", "axes"], ["pooled"], keepdims=0),
        helper.make_node("MatMul", ["pooled", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=-1),
    ]
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    kernel[range(3), range(3)] = 1 / 9
    constants: dict[str, np.ndarray] = {
        "kernel": kernel,
        "axes": np.array([2, 3], np.int64),
        "weights": np.eye(3, dtype=np.float32) / 10,
    }
    source = tmp_path / "colours.onnx"
    source.write_bytes(build(nodes, constants, (SIDE, SIDE, 3), "scores", 3))
    stated = parse_preprocessing("raw,resize=pillow-bilinear")
    import_model(ImportRequest(source, "v1", tmp_path / "models", preprocessing=stated, evaluate=photos))
    return tmp_path / "models"


@pytest.mark.importer
def test_a_version_in_8_bits_is_served_and_says_what_it_cost(
    tmp_path: Path, models: Path, photos: Path, import_python: Path
) -> None:
    held = labelled_folder(tmp_path / "held", 50)
    request = QuantizationRequest("v1", "v1-int8", models, photos, photos, held, import_python=import_python)
    report = quantize_version(request)
    assert (report.accuracy_before, report.accuracy, report.images, report.same_top_1) == (1.0, 1.0, 120, 120)
    assert 0 < report.largest_difference < 0.1
    classifier = load_classifier(models / "v1-int8", OnnxRuntime)
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
