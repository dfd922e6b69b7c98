from __future__ import annotations

import json
import zipfile
from pathlib import Path

import h5py
import pytest

from splitleaf.importing.child.inspection import inspect
from tests.importing.files import LAMBDA, PLAIN, write_keras
from tests.importing.refusing import refused


def test_a_plain_archive_is_accepted_and_its_layers_are_counted(tmp_path: Path) -> None:
    found = inspect(write_keras(tmp_path / "leaf.keras"))
    assert (found.format, found.loader, found.keras_version) == ("keras", "keras3-zip", "3.5.0")
    assert found.layers["Dense"] == 1


def test_the_archive_of_late_keras_2_goes_to_its_own_loader(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "leaf.keras", metadata={"keras_version": "2.15.0"})
    assert inspect(path).loader == "keras2-zip"


@pytest.mark.parametrize("module", ["keras.src.engine.functional", "tf_keras.src.engine.functional"])
def test_a_functional_model_of_late_keras_2_is_accepted(tmp_path: Path, module: str) -> None:
    path = write_keras(tmp_path / "leaf.keras", {**PLAIN, "module": module}, metadata={"keras_version": "2.15.0"})
    assert inspect(path).loader == "keras2-zip"


def test_a_lambda_is_refused(tmp_path: Path) -> None:
    with refused("lambda_layer"):
        inspect(write_keras(tmp_path / "leaf.keras", LAMBDA))


def test_what_only_training_used_does_not_matter(tmp_path: Path) -> None:
    config = {**PLAIN, "compile_config": {"loss": {"class_name": "MyLoss", "module": "mine", "config": {}}}}
    inspect(write_keras(tmp_path / "leaf.keras", config))


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "a/../../evil", "..\\evil"])
def test_a_member_that_points_outside_is_refused(tmp_path: Path, name: str) -> None:
    with refused("unsafe_member", "outside"):
        inspect(write_keras(tmp_path / "leaf.keras", more={name: b"x"}))


@pytest.mark.parametrize("name", ["assets/vocabulary.txt", "evil.py", "CONFIG.json"])
def test_a_member_that_no_image_model_needs_is_refused(tmp_path: Path, name: str) -> None:
    with refused("unsafe_member", "no plain image model needs"):
        inspect(write_keras(tmp_path / "leaf.keras", more={name: b"x"}))


@pytest.mark.parametrize("name", ["model.weights.h5", "config.json"])
def test_a_member_that_unpacks_a_thousandfold_is_refused_unread(tmp_path: Path, name: str) -> None:
    bomb = {name: b"\0" * (20 << 20)}
    path = write_keras(tmp_path / "leaf.keras", more=bomb, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with refused("too_large", "would unpack to 20,971,520 bytes"):
        inspect(path)


def test_an_architecture_of_unreasonable_size_is_refused(tmp_path: Path) -> None:
    with refused("too_large"):
        inspect(write_keras(tmp_path / "leaf.keras", more={"config.json": b"x" * (33 << 20)}))


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "leaf.keras")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flags of the first entry in the table of contents
    path.write_bytes(content)
    with refused("unsafe_member", "encrypted"):
        inspect(path)


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "leaf.keras")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", json.dumps(LAMBDA))
    with refused("source_damaged", "twice"):
        inspect(path)


@pytest.mark.parametrize(
    ("missing", "code"),
    [("model.weights.h5", "source_damaged"), ("config.json", "unknown_format"), ("metadata.json", "unknown_format")],
)
def test_an_archive_that_lacks_a_member_is_refused(tmp_path: Path, missing: str, code: str) -> None:
    with refused(code):
        inspect(write_keras(tmp_path / "leaf.keras", leave_out=[missing]))


@pytest.mark.parametrize(
    ("member", "words"), [("archive/data.pkl", "PyTorch"), ("leaf/saved_model.pb", "zipped SavedModel")]
)
def test_other_archives_are_called_by_their_names(tmp_path: Path, member: str, words: str) -> None:
    with zipfile.ZipFile(tmp_path / "leaf.keras", "w") as archive:
        archive.writestr(member, b"x")
    with refused("unknown_format", words):
        inspect(tmp_path / "leaf.keras")


def test_the_weights_inside_are_checked_as_those_of_an_h5_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("stolen", (4,), "u1", external=[("/etc/hostname", 0, 4)])
    weights = {"model.weights.h5": (tmp_path / "w.h5").read_bytes()}
    with refused("external_data"):
        inspect(write_keras(tmp_path / "leaf.keras", more=weights))


@pytest.mark.parametrize(
    "spoiled", [{"model.weights.h5": b"no weights"}, {"metadata.json": b"{"}], ids=["weights", "metadata"]
)
def test_a_member_that_cannot_be_read_is_refused(tmp_path: Path, spoiled: dict[str, bytes]) -> None:
    with refused("source_damaged"):
        inspect(write_keras(tmp_path / "leaf.keras", more=spoiled))


@pytest.mark.parametrize("part", [0.2, 0.5, 0.99])
def test_an_archive_that_is_cut_off_is_refused(tmp_path: Path, part: float) -> None:
    path = write_keras(tmp_path / "leaf.keras")
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with refused("source_truncated"):
        inspect(path)
