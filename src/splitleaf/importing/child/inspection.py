"""What a file is and whether it is harmless, found out without running or importing anything of Keras."""

from __future__ import annotations

from pathlib import Path

from . import hdf5, keras_zip, onnx_file, saved_model
from .refusals import Refused
from .source import MAX_SOURCE_BYTES, Inspection, refuse_non_models

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"


def inspect(source: Path) -> Inspection:
    """Inspect a file or a SavedModel folder. Raises `Refused` with the reason."""
    refuse_non_models(source)
    if source.is_dir():
        return _inspect_folder(source)
    size = source.stat().st_size
    if size > MAX_SOURCE_BYTES:
        raise Refused("too_large", f"{source.name} has {size:,} bytes; at most {MAX_SOURCE_BYTES:,} are read")
    with source.open("rb") as file:
        head = file.read(1024)
    return _inspect_file(source, head)


def _inspect_folder(source: Path) -> Inspection:
    if not (source / "saved_model.pb").is_file():
        raise Refused("unknown_format", f"{source.name} is a folder without saved_model.pb: not a SavedModel")
    return saved_model.inspect_saved_model(source)


def _inspect_file(source: Path, head: bytes) -> Inspection:
    if head.startswith(_HDF5):
        return hdf5.inspect_h5(source)
    if head.startswith((_ZIP, _EMPTY_ZIP)):
        return keras_zip.inspect_keras_zip(source)
    if source.suffix.lower() == ".onnx":
        return onnx_file.inspect_onnx(source)
    raise Refused(*_explain_unknown(source.name, head))


def _explain_unknown(name: str, head: bytes) -> tuple[str, str]:
    accepted = "accepted are .h5, .keras, .onnx and SavedModel folders"
    if head[4:8] == b"TFL3":
        return "unknown_format", f"{name} is a TensorFlow Lite file; import the model it was made from ({accepted})"
    if head.startswith(b"\x80") and name.endswith((".pkl", ".pickle", ".pt", ".pth", ".joblib")):
        return "unknown_format", f"{name} is a pickle, which runs code when it is read ({accepted})"
    if name.endswith(".json"):
        return "unknown_format", f"{name} holds an architecture without weights ({accepted})"
    return "unknown_format", f"{name} is not a model in a known format, or its beginning is damaged ({accepted})"
