from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from splitleaf.core.errors import InvalidArtifact
from splitleaf.registry.digests import fingerprint, sha256_file, sha256_tree, size_bytes, verify_version
from tests.support.repositories import add_version


def test_a_sound_version_passes_and_gives_its_manifest(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "v1")
    manifest = verify_version(folder)
    assert manifest.version == "v1"


@pytest.mark.parametrize("name", ["artifact/model.onnx", "artifact/golden.npz"])
def test_a_changed_byte_of_what_is_served_is_refused(tmp_path: Path, name: str) -> None:
    folder = add_version(tmp_path, "v1")
    path = folder / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidArtifact, match="not the file that was imported") as caught:
        verify_version(folder)
    assert caught.value.error_code == "digest_mismatch"


@pytest.mark.parametrize("name", ["artifact/model.onnx", "artifact/golden.npz"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = add_version(tmp_path, "v1")
    (folder / name).unlink()
    with pytest.raises(InvalidArtifact, match=name) as caught:
        verify_version(folder)
    assert caught.value.error_code == "artifact_missing"


def test_a_manifest_cannot_point_outside_of_its_folder(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "v1")
    add_version(tmp_path, "v2")
    text = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(text.replace("[artifact]", '[artifact]\nfile = "../v2/artifact/model.onnx"'))
    with pytest.raises(InvalidArtifact, match="outside"):
        verify_version(folder)


def test_a_files_digest_is_sha256(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"leaf")
    assert sha256_file(path) == sha256_tree(path) == hashlib.sha256(b"leaf").hexdigest()


def test_a_folders_digest_covers_names_and_contents_but_not_what_import_adds(tmp_path: Path) -> None:
    def make(name: str, files: dict[str, str]) -> str:
        folder = tmp_path / name
        for file, content in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(content)
        return sha256_tree(folder)

    plain = make("plain", {"saved_model.pb": "x", "variables/index": "y"})
    assert make("same", {"variables/index": "y", "saved_model.pb": "x"}) == plain
    assert (
        make("imported", {"saved_model.pb": "x", "variables/index": "y", "model.toml": "m", "artifact/a": "b"}) == plain
    )
    assert make("renamed", {"saved_model.pb": "x", "variables/indez": "y"}) != plain
    assert make("edited", {"saved_model.pb": "x", "variables/index": "z"}) != plain
    assert size_bytes(tmp_path / "imported") == 2


def test_a_fingerprint_changes_with_every_touch_of_what_is_served_and_not_otherwise(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "v1")
    marks = [fingerprint(folder)]
    assert fingerprint(folder) == marks[0]
    (folder / "notes.txt").write_text("not served")
    assert fingerprint(folder) == marks[0]
    for name in ("model.toml", "artifact/model.onnx", "artifact/golden.npz"):
        status = (folder / name).stat()
        os.utime(folder / name, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
        marks.append(fingerprint(folder))
    # The same content, time and size in another file: somebody replaced it.
    copy = tmp_path / "copy"
    copy.write_bytes((folder / "model.toml").read_bytes())
    status = (folder / "model.toml").stat()
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    copy.replace(folder / "model.toml")
    marks.append(fingerprint(folder))
    assert len(set(marks)) == 5
