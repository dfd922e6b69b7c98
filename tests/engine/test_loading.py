from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tomlkit

from splitleaf.core.errors import InvalidArtifact
from splitleaf.engine.loading import load_classifier
from splitleaf.engine.onnx import OnnxRuntime
from tests.support.networks import mean_colour_network
from tests.support.repositories import TELLS_COLOUR, add_version, sha256


def test_an_artifact_that_was_changed_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "v1")
    artifact = folder / "artifact/model.onnx"
    artifact.write_bytes(artifact.read_bytes()[:-1] + b"x")

    def never(path: Path) -> OnnxRuntime:
        raise AssertionError("parsed a file with a wrong digest")

    with pytest.raises(InvalidArtifact):
        load_classifier(folder, never)


def test_a_network_that_answers_its_golden_pictures_otherwise_is_refused(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "v1")
    _replace_network(folder, mean_colour_network(16, 16, 3, TELLS_COLOUR[:, ::-1]))
    with pytest.raises(InvalidArtifact, match="golden"):
        load_classifier(folder, OnnxRuntime)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "v1")
    _replace_network(folder, b"not a network")
    with pytest.raises(InvalidArtifact, match="cannot be loaded"):
        load_classifier(folder, OnnxRuntime)


def test_golden_pictures_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "v1")
    golden = folder / "artifact/golden.npz"
    np.savez(golden, inputs=np.zeros((1, 4, 4, 3), np.uint8), probabilities=np.zeros((1, 3), np.float32))
    _edit(folder, "golden_sha256", sha256(golden))
    with pytest.raises(InvalidArtifact, match="do not fit"):
        load_classifier(folder, OnnxRuntime)


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
