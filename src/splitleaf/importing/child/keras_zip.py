"""`.keras` files: a zip of config.json, metadata.json and model.weights.h5, and nothing else."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from . import hdf5, keras_config
from .refusals import Refused
from .source import Inspection

_MEMBERS = {
    "config.json": hdf5.MAX_CONFIG_BYTES,
    "metadata.json": 1 << 20,
    "model.weights.h5": hdf5.MAX_WEIGHT_BYTES,
}
_MAX_RATIO = 200
"""Trained weights hardly compress; more than this is a bomb."""
_ENCRYPTED = 0x1


def inspect_keras_zip(source: Path) -> Inspection:
    """Inspect a `.keras` file. Raises `Refused`."""
    try:
        with zipfile.ZipFile(source) as archive:
            _check_members(archive, source.name)
            config = keras_config.parse_config(archive.read("config.json").decode("utf-8", errors="replace"))
            metadata = _metadata(archive)
            _check_weights(archive)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise Refused("source_truncated", f"{source.name} is cut off or damaged: {error}") from error
    # `compile=False` leaves the model's own compile configuration unread; that of inner models is checked.
    config.pop("compile_config", None)
    layers = keras_config.check_config(config)
    version = str(metadata.get("keras_version", ""))
    major = 2 if version.startswith("2.") else 3
    return Inspection("keras", f"keras{major}-zip", version, layers)


def _check_members(archive: zipfile.ZipFile, name: str) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    if any(member.startswith(("data.pkl", "archive/data.pkl")) or member.endswith("/data.pkl") for member in names):
        raise Refused("unknown_format", f"{name} is a PyTorch file; export the model as ONNX")
    if any(Path(member).name == "saved_model.pb" for member in names):
        raise Refused("unknown_format", f"{name} is a zipped SavedModel: unpack it and import the folder")
    for member in members:
        _check_member(member, name)
    missing = sorted(set(_MEMBERS) - set(names))
    if missing == ["model.weights.h5"] or len(set(names)) != len(names):
        raise Refused("source_damaged", f"{name} has no weights, or a member twice")
    if missing:
        raise Refused("unknown_format", f"{name} is a zip without {', '.join(missing)}: not a .keras file")


def _check_member(member: zipfile.ZipInfo, name: str) -> None:
    path = member.filename.replace("\\", "/")
    if path.startswith("/") or ".." in path.split("/"):
        raise Refused("unsafe_member", f"{name} has a member that points outside of it: {member.filename!r}")
    if member.flag_bits & _ENCRYPTED:
        raise Refused("unsafe_member", f"{name} is encrypted")
    limit = _MEMBERS.get(member.filename)
    if limit is None and not member.is_dir():
        raise Refused("unsafe_member", f"{name} has a member that no plain image model needs: {member.filename!r}")
    if member.file_size > (limit or 0) or member.file_size > _MAX_RATIO * max(member.compress_size, 4096):
        raise Refused("too_large", f"{member.filename} in {name} would unpack to {member.file_size:,} bytes")


def _metadata(archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        found = json.loads(archive.read("metadata.json"))
    except (ValueError, RecursionError) as error:
        raise Refused("source_damaged", "metadata.json cannot be read") from error
    return found if isinstance(found, dict) else {}


def _check_weights(archive: zipfile.ZipFile) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Extracted member by member, so that what is checked is what the size above promised.
        path = Path(archive.extract("model.weights.h5", folder))
        with path.open("rb") as file:
            if not file.read(8).startswith(b"\x89HDF"):
                raise Refused("source_damaged", "model.weights.h5 is not an HDF5 file")
        with hdf5.open_h5(path) as weights:
            hdf5.check_tree(weights)
