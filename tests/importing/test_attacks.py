"""Files that would take all memory, all time, or the whole of a process that waits for them."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from splitleaf.core.arrays import read_arrays
from splitleaf.core.errors import InvalidArtifact
from splitleaf.core.files import open_plain, read_plain
from splitleaf.engine.loading import load_classifier
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.importing.importer import import_model
from splitleaf.importing.labels import parse_labels, read_labels_file
from splitleaf.importing.network import CappedNetwork, open_network, verify_in_child
from splitleaf.importing.preprocessing import parse_preprocessing
from splitleaf.importing.request import ImportRequest
from splitleaf.importing.sandbox import Limits
from splitleaf.installation.verification import verify
from splitleaf.registry.catalogue import Catalogue
from splitleaf.registry.digests import sha256_file
from splitleaf.registry.manifest import read_manifest
from splitleaf.registry.manifest_writing import format_manifest
from tests.importing.attacks import ATTACKS, LIMITS, import_under_cap
from tests.importing.photos import picky_network
from tests.importing.refusing import refused
from tests.support.repositories import add_version


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_a_network_that_takes_everything_takes_nothing_of_the_process_that_imports(tmp_path: Path, name: str) -> None:
    source, models = tmp_path / "leaf.onnx", tmp_path / "models"
    source.write_bytes(ATTACKS[name]())
    models.mkdir()
    found = import_under_cap(source, models)
    assert found["code"] == ("import_timed_out" if name == "loop" else "too_large")
    assert found["peak_kilobytes"] < 400_000
    assert found["left"] == []


def test_the_importing_process_loads_no_network_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a network was loaded outside the child")

    monkeypatch.setattr(OnnxRuntime, "__init__", never)
    monkeypatch.setattr("splitleaf.importing.child.protobuf.open_message", never)
    (tmp_path / "leaf.onnx").write_bytes(picky_network())
    stated: dict[str, Any] = {"labels": parse_labels("a,b,c"), "preprocessing": parse_preprocessing("1/255")}
    report = import_model(ImportRequest(tmp_path / "leaf.onnx", "v1", tmp_path / "models", **stated))
    assert report.parity.same_top_1 == report.parity.images
    assert verify(tmp_path / "models", ()) == {"v1": ""}


def test_a_network_in_a_child_answers_as_one_that_is_loaded_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source.onnx").write_bytes(picky_network())
    monkeypatch.chdir(tmp_path)
    opened = open_network(Path("leaf.onnx"), Limits(), source=Path("source.onnx"))
    with contextlib.closing(CappedNetwork(Path("leaf.onnx"), Limits())) as another:
        assert another.operations() == opened.operations
        assert another.run(np.zeros((2, *opened.shape), np.float32)).shape == (2, opened.classes)
    with contextlib.closing(opened.runtime) as runtime:
        batch = np.random.default_rng(1).random((4, *opened.shape), dtype=np.float32)
        assert np.array_equal(runtime.run(batch), OnnxRuntime(tmp_path / "leaf.onnx").run(batch))
        assert runtime.latency_ms(opened.shape) > 0
        # What the network cannot take is a refusal, and the child goes on.
        with refused("inference_failed"):
            runtime.run(batch[:, :, :, :1])
        assert runtime.run(batch).shape == (4, opened.classes)


@pytest.mark.slow
def test_a_version_that_takes_everything_is_found_wrong_by_verify(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "v1")
    (folder / "artifact/model.onnx").write_bytes(ATTACKS["constant of shape"]())
    manifest = read_manifest(folder)
    artifact = manifest.artifact.model_copy(update={"sha256": sha256_file(folder / "artifact/model.onnx")})
    (folder / "model.toml").write_text(format_manifest(manifest.model_copy(update={"artifact": artifact})))
    with refused("too_large"):
        verify_in_child(folder, LIMITS)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        # The way to it may be longer than a socket's name can be.
        folder = os.open(path.parent, os.O_RDONLY)
        one.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


ODD = pytest.mark.parametrize("make", [_fifo, _socket, _device], ids=["fifo", "socket", "device"])


@ODD
@pytest.mark.parametrize("name", ["leaf.onnx", "leaf.h5", "leaf.keras"])
def test_what_is_no_plain_file_is_refused_as_a_source(tmp_path: Path, make: Callable[[Path], None], name: str) -> None:
    make(tmp_path / name)
    with refused("unknown_format", "neither a file nor a folder"):
        import_model(ImportRequest(tmp_path / name, "v1", tmp_path / "models"))


@ODD
def test_what_is_no_plain_file_within_a_saved_model_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "leaf/variables").mkdir(parents=True)
    (tmp_path / "leaf/saved_model.pb").write_bytes(b"model")
    make(tmp_path / "leaf/variables/variables.index")
    with refused("unknown_format", "neither a file nor a folder"):
        import_model(ImportRequest(tmp_path / "leaf", "v1", tmp_path / "models"))


@ODD
@pytest.mark.parametrize("name", ["model.toml", "artifact/model.onnx", "artifact/golden.npz"])
def test_what_is_no_plain_file_in_a_version_holds_nobody_up(
    tmp_path: Path, make: Callable[[Path], None], name: str
) -> None:
    add_version(tmp_path, "v1")
    (add_version(tmp_path, "v2") / name).unlink()
    make(tmp_path / "v2" / name)
    assert {"v1"} <= {one.version for one in Catalogue(tmp_path).imported()}
    with pytest.raises(InvalidArtifact):
        load_classifier(tmp_path / "v2")
    found = verify(tmp_path, ())
    assert found["v1"] == ""
    assert "plain file" in found["v2"] or "lies outside" in found["v2"]


@ODD
def test_what_is_no_plain_file_is_not_opened(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "odd")
    with pytest.raises(OSError, match="plain file"):
        open_plain(tmp_path / "odd")
    with refused("invalid_labels"):
        read_labels_file(tmp_path / "odd")


def test_no_more_is_read_than_was_allowed(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"12345")
    assert read_plain(tmp_path / "long", 5) == b"12345"
    with pytest.raises(OSError, match="longer than 4 bytes"):
        read_plain(tmp_path / "long", 4)
    folder = add_version(tmp_path, "v1")
    with (folder / "model.toml").open("a") as file:
        file.write("#" * 1_000_001)
    assert Catalogue(tmp_path).find("v1").state == "failed"


def test_a_table_that_is_nested_without_end_is_wrong_and_no_crash(tmp_path: Path) -> None:
    (add_version(tmp_path, "v1") / "model.toml").write_text("[artifact]\na = " + "[" * 100_000)
    assert Catalogue(tmp_path).find("v1").state == "failed"


def test_arrays_take_no_more_memory_than_was_allowed(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "zeros.npz", zeros=np.zeros(1 << 22, np.float32), few=np.arange(3), none=np.zeros(0))
    found = read_arrays(tmp_path / "zeros.npz")
    assert (found["zeros"].shape, found["few"].tolist(), found["none"].shape) == ((1 << 22,), [0, 1, 2], (0,))
    with pytest.raises(ValueError, match="larger than"):
        read_arrays(tmp_path / "zeros.npz", 1 << 20)


@pytest.mark.parametrize("shape", ["(99999999999,)", "(-1,)", "(4, 99999999)"])
def test_arrays_whose_head_promises_more_than_there_is_are_refused(tmp_path: Path, shape: str) -> None:
    np.savez(tmp_path / "lying.npz", one=np.arange(4, dtype=np.float32))
    data = (tmp_path / "lying.npz").read_bytes()
    (tmp_path / "lying.npz").write_bytes(data.replace(b"(4,), }" + b" " * (len(shape) - 4), shape.encode() + b", }"))
    with pytest.raises(ValueError, match=r"array|no archive"):
        read_arrays(tmp_path / "lying.npz")
