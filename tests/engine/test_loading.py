from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tomlkit

from splitleaf.core.errors import InvalidArtifact
from splitleaf.core.tensor import ImageTensor
from splitleaf.engine.loading import load_classifier
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.engine.runtime import FloatBatch
from tests.support.networks import mean_colour_network
from tests.support.repositories import SIDE, TELLS_COLOUR, add_version, sha256


def test_an_artifact_that_was_changed_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "v1")
    artifact = folder / "artifact/model.onnx"
    artifact.write_bytes(artifact.read_bytes()[:-1] + b"x")

    def never(path: Path) -> OnnxRuntime:
        raise AssertionError("parsed a file with a wrong digest")

    with pytest.raises(InvalidArtifact):
        load_classifier(folder, {"onnxruntime": never})


def test_a_network_that_answers_its_golden_images_otherwise_is_refused(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "v1")
    _replace_network(folder, mean_colour_network(16, 16, 3, TELLS_COLOUR[:, ::-1]))
    with pytest.raises(InvalidArtifact, match="golden"):
        load_classifier(folder)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "v1")
    _replace_network(folder, b"not a network")
    with pytest.raises(InvalidArtifact, match="cannot be loaded"):
        load_classifier(folder)


def test_golden_images_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "v1")
    golden = folder / "artifact/golden.npz"
    np.savez(golden, inputs=np.zeros((1, 4, 4, 3), np.uint8), probabilities=np.zeros((1, 3), np.float32))
    _edit(folder, "golden_sha256", sha256(golden))
    with pytest.raises(InvalidArtifact, match="do not match"):
        load_classifier(folder)


def _replace_network(folder: Path, network: bytes) -> None:
    artifact = folder / "artifact/model.onnx"
    artifact.write_bytes(network)
    _edit(folder, "sha256", sha256(artifact))
    _edit(folder, "size_bytes", len(network))


def _edit(folder: Path, key: str, value: object) -> None:
    path = folder / "model.toml"
    manifest = tomlkit.parse(path.read_text(encoding="utf-8"))
    manifest["artifact"][key] = value
    path.write_text(tomlkit.dumps(manifest), encoding="utf-8")


class _Working:
    """A runtime that works for a while for each run, and for each image by how many there are at once."""

    def __init__(self, run_s: float, image_s: Callable[[int], float]) -> None:
        self.run_s = run_s
        self.image_s = image_s
        self.sizes: list[int] = []
        self._network = OnnxRuntime(mean_colour_network(SIDE, SIDE, 3, TELLS_COLOUR))

    def run(self, batch: FloatBatch) -> FloatBatch:
        self.sizes.append(len(batch))
        end = time.thread_time() + self.run_s + len(batch) * self.image_s(len(batch))
        while time.thread_time() < end:
            pass
        return self._network.run(batch)

    def run_with(self, batch: FloatBatch, outputs: Sequence[str]) -> tuple[FloatBatch, ...]:
        assert not outputs
        return (self.run(batch),)


@pytest.mark.parametrize(
    ("run_s", "image_s", "expected"), [(0.004, lambda _: 0.0, [4]), (0.0, lambda size: 0.001 * size, [1] * 4)]
)
def test_a_batch_is_run_at_once_or_one_by_one_as_is_quicker_here(
    tmp_path: Path, run_s: float, image_s: Callable[[int], float], expected: list[int]
) -> None:
    folder = add_version(tmp_path, "v1")
    runtime = _Working(run_s, image_s)
    classifier = load_classifier(folder, {"onnxruntime": lambda _: runtime})
    runtime.sizes.clear()
    inputs = np.random.default_rng(1).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    result = classifier.classify([ImageTensor((SIDE, SIDE, 3), "uint8", one.tobytes()) for one in inputs])
    assert runtime.sizes == expected
    one_by_one = [classifier.classify([ImageTensor((SIDE, SIDE, 3), "uint8", one.tobytes())]) for one in inputs]
    for together, alone in zip(result.classifications, one_by_one, strict=True):
        assert together.best.label == alone.classifications[0].best.label
        assert together.best.confidence == pytest.approx(alone.classifications[0].best.confidence, abs=1e-6)
